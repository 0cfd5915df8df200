"""`Module`: a layer or a net of layers, which knows its parameters, buffers and submodules by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..autograd import Variable, no_grad
from ..backend import Device
from ..ops.dtypes import as_dtype
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module learns: set as an attribute of a module, it appears among its parameters.

    It shares the memory of `data` and requires grad unless told otherwise.
    """

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True):
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a tensor, got {type(data).__name__}")
        Variable.__init__(self, data.array)
        self._version = data._version
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` found missing and unexpected."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Module:
    """The base of all layers and nets. Subclasses set layers and parameters as attributes and define `forward`.

    >>> import tinynet
    >>> class Net(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = Parameter(tinynet.ones(1))
    ...     def forward(self, x):
    ...         return x * self.scale
    >>> Net()(tinynet.tensor([2.0]))
    tensor([2.], grad_fn=<MulBackward0>)
    """

    training: bool

    def __init__(self) -> None:
        # straight into __dict__: our own __setattr__ needs them there
        self.__dict__["_parameters"] = {}
        self.__dict__["_buffers"] = {}
        self.__dict__["_modules"] = {}
        self.__dict__["_non_persistent"] = set()
        self.training = True

    def forward(self, *inputs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

    # -------------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before setting {name!r}")
            return object.__setattr__(self, name, value)
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name)
            self._modules[name] = value
        elif name in self._parameters:
            if value is not None:
                raise TypeError(
                    f"{type(self).__name__}.{name} is a parameter; it can be set to a Parameter or None, not to a {type(value).__name__}"
                )
            self._parameters[name] = None
        elif name in self._buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a buffer; it can be set to a tensor or None, not to a {type(value).__name__}"
                )
            self._buffers[name] = value
        elif name in self._modules and value is None:
            self._modules[name] = None
        else:
            self._forget(name)
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # only called for what is not found otherwise
        for kind in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(kind, {})
            if name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if not self._forget(name):
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def _forget(self, name: str) -> bool:
        known = False
        for kind in (self._parameters, self._buffers, self._modules):
            known |= kind.pop(name, self) is not self
        if name in self.__dict__:
            object.__delattr__(self, name)
            known = True
        self._non_persistent.discard(name)
        return known

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{type(self).__name__}: {name!r} can't be a name; it must be a non-empty string without dots")
        if name not in self._parameters and name not in self._buffers and name not in self._modules and hasattr(type(self), name):
            raise ValueError(f"{type(self).__name__}: the name {name!r} is taken, by an attribute of the class")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps a place for one, such as the bias of a layer without."""
        self._check_name(name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: {name!r} must be a Parameter or None, got {type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(f"register_parameter: {name!r} was computed from other tensors; a parameter must be a leaf")
        self._forget(name)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not learned; not in `state_dict` unless `persistent`."""
        self._check_name(name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: {name!r} must be a tensor or None, got {type(tensor).__name__}")
        self._forget(name)
        self._buffers[name] = tensor
        if not persistent:
            self._non_persistent.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name that need not be known when the program is written."""
        self._check_name(name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {name!r} must be a Module or None, got {type(module).__name__}")
        self._forget(name)
        self._modules[name] = module

    register_module = add_module

    # -------------------------------------------------------------------------------------------- walks

    def named_modules(self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; one that is reached twice comes once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below this one."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules right below this one."""
        for _, module in self.named_children():
            yield module

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[Any] = set()
        for path, module in self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, kind).items():
                if tensor is not None and tensor not in seen:
                    if remove_duplicate:
                        seen.add(tensor)
                    yield (f"{path}.{name}" if path else name), tensor

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters with dotted names, in the order they were set; a shared one comes once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, in the order they were set; a shared one comes once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers with dotted names."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """The module with that dotted name; "" is this one."""
        module = self
        for name in target.split(".") if target else []:
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r} (in {target!r})")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with that dotted name."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._parameters.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return found

    def apply(self, fn: Callable[[Module], Any]) -> Any:
        """Call `fn` on every module, the lowest first; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -------------------------------------------------------------------------------------------- state

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers by dotted name. They share the module's memory; detached unless `keep_vars`."""
        state: OrderedDict[str, Tensor] = OrderedDict()
        for path, module in self.named_modules(prefix=prefix.removesuffix("."), remove_duplicate=False):
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None and name not in module._non_persistent:
                    state[f"{path}.{name}" if path else name] = tensor if keep_vars else tensor.detach()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Copy values into the parameters and buffers of the same names; everything that doesn't fit is reported at once.

        With `strict`, missing and unexpected names are errors; else they are returned. A wrong shape is always an error, and
        if there is any error nothing is loaded. `assign` is refused: values are copied.
        """
        if assign:
            raise ValueError("load_state_dict: assign=True is not supported; values are copied into the module's own tensors")
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a mapping from names to tensors, got {type(state_dict).__name__}")
        own = self.state_dict(keep_vars=True)
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append("missing: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected: " + ", ".join(map(str, unexpected)))
        for name, tensor in own.items():
            if name in state_dict:
                value = state_dict[name]
                if not isinstance(value, Tensor):
                    problems.append(f"{name}: expected a tensor, got {type(value).__name__}")
                elif value.shape != tensor.shape:
                    problems.append(f"{name}: the module has shape {tuple(tensor.shape)}, the given one {tuple(value.shape)}")
        if problems:
            raise RuntimeError(f"load_state_dict: {type(self).__name__} can't take these values, nothing was loaded:\n  " + "\n  ".join(problems))
        with no_grad():
            for name, tensor in own.items():
                if name in state_dict:
                    tensor.copy_(state_dict[name].to(tensor.device))
        return IncompatibleKeys(missing, unexpected)

    def train(self, mode: bool = True) -> Any:
        """Set this module and all below it to training (the default) or, with False, to evaluation; returns self."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Any:
        """Set this module and all below it to evaluation; returns self."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Have the parameters learned, or not; returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; with ``set_to_none=False``, write zeros into them."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    # ------------------------------------------------------------------------------- dtypes and devices

    def _convert(self, convert: Callable[[Tensor], Tensor]) -> Any:
        for tensor in dict.fromkeys([*self.parameters(), *self.buffers()]):
            grad = tensor.grad
            with no_grad():
                tensor.grad = None
                tensor.data = convert(tensor.detach())
                tensor.grad = None if grad is None else convert(grad)
        return self

    def to(self, *args: Any, dtype: Any = None, device: Any = None) -> Any:
        """Move parameters and buffers to a device, convert the floats among them to a dtype, or both; returns self."""
        for argument in args:
            if isinstance(argument, Tensor):
                dtype, device = argument.dtype, argument.device
            elif isinstance(argument, Device) or (isinstance(argument, str) and argument.partition(":")[0] in ("cpu", "cuda")):
                device = argument
            else:
                dtype = argument
        if dtype is not None and as_dtype("to", dtype).kind != "f":
            raise TypeError(f"to: a module's dtype must be a floating one, got {as_dtype('to', dtype)}")
        return self._convert(lambda t: t.to(dtype=dtype if t.is_floating_point() else None, device=device))

    def cpu(self) -> Any:
        """Move parameters and buffers to the CPU; returns self."""
        return self.to("cpu")

    def cuda(self, device: int | str | Device = 0) -> Any:
        """Move parameters and buffers to a GPU, the first by default; returns self."""
        return self.to(Device("cuda", device) if isinstance(device, int) else Device(device))

    def float(self) -> Any:
        """Convert floating parameters and buffers to float32; returns self."""
        return self.to("float32")

    def double(self) -> Any:
        """Convert floating parameters and buffers to float64; returns self."""
        return self.to("float64")

    # --------------------------------------------------------------------------------------------- text

    def extra_repr(self) -> str:
        """What stands between the brackets of the `repr`; subclasses define it."""
        return ""

    def __repr__(self) -> str:
        lines = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{type(self).__name__}({''.join(lines)})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines + children) + "\n)"
