"""`Module`: a layer or a net of layers, which knows its parameters, buffers and submodules by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..arrays.devices import Device
from ..autograd.engine import Variable
from ..autograd.grad_mode import no_grad
from ..autograd.hooks import RemovableHandle
from ..ops.arguments import as_dtype, in_own_name
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module learns: set as an attribute of a module, it appears among its parameters.

    It shares the memory of `data` and requires grad unless told otherwise.
    """

    __slots__ = ()

    @in_own_name
    def __init__(self, data: Tensor, requires_grad: bool = True):
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a tensor, got {type(data).__name__}")
        Variable.__init__(self, data.array)
        self._version = data._version
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copy: Any = super().__deepcopy__(memo)
        copy.grad = None  # of a parameter, unlike other tensors, PyTorch copies no gradient
        return copy


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
        self.__dict__["_pre_hooks"] = OrderedDict()
        self.__dict__["_hooks"] = OrderedDict()
        self.training = True

    def forward(self, *inputs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if not self._pre_hooks and not self._hooks:
            return self.forward(*inputs, **options)
        for hook, with_kwargs in list(self._pre_hooks.values()):
            changed = hook(self, inputs, options) if with_kwargs else hook(self, inputs)
            if changed is not None and with_kwargs:
                inputs, options = changed
            elif changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*inputs, **options)
        for hook, with_kwargs in list(self._hooks.values()):
            changed = hook(self, inputs, options, result) if with_kwargs else hook(self, inputs, result)
            result = result if changed is None else changed
        return result

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Have ``hook(module, inputs)`` called before every `forward`; what it returns, unless None, replaces the inputs (a tuple).

        With `prepend` it comes before the hooks that are there already. With `with_kwargs` it is called as
        ``hook(module, inputs, options)`` and may return a pair of both.
        """
        return _register("register_forward_pre_hook", self._pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Have ``hook(module, inputs, result)`` called after every `forward`; what it returns, unless None, replaces the result.

        With `prepend` it comes before the hooks that are there already. With `with_kwargs` it is called as
        ``hook(module, inputs, options, result)``.

        >>> from tinynet import nn, ones
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_hook(lambda module, inputs, result: print(module, tuple(result.shape))):
        ...     _ = layer(ones(2, 3))
        ReLU() (2, 3)
        """
        return _register("register_forward_hook", self._hooks, hook, prepend, with_kwargs)

    # -------------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before setting {name!r}")
            return object.__setattr__(self, name, value)
        if isinstance(value, Parameter):
            self._put(self._parameters, name, value)
        elif name in self._parameters:
            if value is not None:
                raise TypeError(
                    f"{type(self).__name__}.{name} is a parameter; it can be set to a Parameter or None, not to a {type(value).__name__}"
                )
            self._parameters[name] = None
        elif isinstance(value, Module):
            self._put(self._modules, name, value)
        elif name in self._modules:
            if value is not None:
                raise TypeError(
                    f"{type(self).__name__}.{name} is a module; it can be set to a Module or None, not to a {type(value).__name__}"
                )
            self._modules[name] = None
        elif name in self._buffers:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a buffer; it can be set to a tensor or None, not to a {type(value).__name__}"
                )
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # only called for what is not found otherwise
        own = self.__dict__
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind in own and name in own[kind]:
                return own[kind][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for kind in (self._parameters, self._buffers, self._modules):
            if name in kind:
                del kind[name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def _put(self, kind: dict[str, Any], name: str, value: Any) -> None:
        """Set an entry of `kind`, in its place if there is one already, so that the order stays; elsewhere the name is dropped."""
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{type(self).__name__}: {name!r} can't be a name; it must be a non-empty string without dots")
        if hasattr(type(self), name):
            raise ValueError(f"{type(self).__name__}: the name {name!r} is taken, by an attribute of the class")
        if kind is self._parameters and value is not None and not value.is_leaf:
            raise ValueError(f"{type(self).__name__}: {name!r} was computed from other tensors; a parameter must be a leaf")
        for other in (self._parameters, self._buffers, self._modules):
            if other is not kind:
                other.pop(name, None)
        self.__dict__.pop(name, None)
        self._non_persistent.discard(name)
        kind[name] = value

    def _register(self, kind: dict[str, Any], name: str, value: Any, wanted: type) -> None:
        if value is not None and not isinstance(value, wanted):
            raise TypeError(f"{type(self).__name__}: {name!r} must be a {wanted.__name__} or None, got a {type(value).__name__}")
        if isinstance(name, str) and name not in kind and hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: the name {name!r} is taken, by another attribute")
        self._put(kind, name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps a place for one, such as the bias of a layer without."""
        self._register(self._parameters, name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not learned; not in `state_dict` unless `persistent`."""
        self._register(self._buffers, name, tensor, Tensor)
        if not persistent:
            self._non_persistent.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name that need not be known when the program is written."""
        self._register(self._modules, name, module, Module)

    register_module = add_module

    # -------------------------------------------------------------------------------------------- walks

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
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
        if not isinstance(target, str):
            raise TypeError(f"get_submodule: target must be a dotted name, got {type(target).__name__}")
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
            raise RuntimeError(
                f"load_state_dict: {type(self).__name__} can't take these values, nothing was loaded:\n  " + "\n  ".join(problems)
            )
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
        with no_grad():
            for parameter in self.parameters():  # stay the same objects, which an optimiser may know
                grad = parameter.grad
                parameter.grad = None
                parameter.data = convert(parameter.detach())
                parameter.grad = None if grad is None else convert(grad)
            for module in self.modules():  # buffers are replaced: the user's own tensors, such as a loss's weights, stay as they are
                module._buffers.update({name: convert(buffer) for name, buffer in module._buffers.items() if buffer is not None})
        return self

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Any:
        """Move parameters and buffers to a device, convert the floats among them to a dtype, or both; returns self.

        Copies always finish before they are used, with `non_blocking` or not.
        """
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

    def half(self) -> Any:
        """Convert floating parameters and buffers to float16; returns self."""
        return self.to("float16")

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


def _register(
    function: str, hooks: OrderedDict[object, Any], hook: Callable[..., Any], prepend: bool, with_kwargs: bool
) -> RemovableHandle:
    if not callable(hook):
        raise TypeError(f"{function}: a hook is a function, got {type(hook).__name__}")
    key = object()
    hooks[key] = (hook, with_kwargs)
    if prepend:
        hooks.move_to_end(key, last=False)
    return RemovableHandle(hooks, key)
