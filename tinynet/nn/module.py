"""`Module`: a layer or a net of layers; it knows its parameters, buffers and submodules by name."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from .. import compat
from ..arrays import Device
from ..autograd import RemovableHandle
from ..autograd.grad_mode import no_grad
from ..ops.arguments import as_bool, as_dtype, as_function
from ..tensor import Tensor, named_in
from .parameter import Parameter


def iterated(function: str, value: Any, expected: str) -> Iterator[Any]:
    """An iterator over what a user gives; TypeError if its type has none (tensors don't count).

    Errors that the user's own iterator raises pass through untouched.
    """
    if isinstance(value, Tensor) or not hasattr(type(value), "__iter__"):
        raise TypeError(f"{function}: expected {expected}, got {type(value).__name__}")
    return iter(value)


class IncompatibleKeys(NamedTuple):
    """The names that `Module.load_state_dict` found missing and unexpected."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if any(self):
            return f"_IncompatibleKeys(missing_keys={self[0]}, unexpected_keys={self[1]})"
        return "<All keys matched successfully>"


class Module:
    """The base of all layers and nets.

    Subclasses set layers and parameters as attributes and define `forward`.

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

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        if options and str(cls.__init__.__module__).startswith("tinynet."):
            compat.hint("check_options", cls, options)
        return super().__new__(cls)

    def __init__(self) -> None:
        # straight into __dict__, because __setattr__ reads these
        own = self.__dict__
        own["_parameters"], own["_buffers"], own["_modules"] = {}, {}, {}
        own["_non_persistent"] = set()
        own["_pre_hooks"], own["_hooks"] = OrderedDict(), OrderedDict()
        own["_backward_hooks"] = OrderedDict()
        self.training = True

    def forward(self, *inputs: Any) -> Any:
        """Compute the output; subclasses define it."""
        meant = compat.hint("misspelt", "forward", vars(type(self)))
        raise NotImplementedError(f"{type(self).__name__} does not define forward(){meant}")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if not self._pre_hooks and not self._hooks and not self._backward_hooks:
            return self.forward(*inputs, **options)
        for hook, with_kwargs in list(self._pre_hooks.values()):
            changed = hook(self, inputs, options) if with_kwargs else hook(self, inputs)
            if changed is not None and with_kwargs:
                inputs, options = changed
            elif changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        leave = None  # what watches the result, for hooks on gradients
        if self._backward_hooks:
            inputs, leave = compat.lookup("tinynet.nn.Module", "watched")(self, inputs)
        result = self.forward(*inputs, **options)
        for hook, with_kwargs in list(self._hooks.values()):
            given = (inputs, options, result) if with_kwargs else (inputs, result)
            changed = hook(self, *given)
            result = result if changed is None else changed
        return leave(result) if leave else result

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, prepend: bool = False,
                                  with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, inputs)`` before every `forward`; returns a removable handle.

        The hook may return new inputs: a tuple, or one input; None changes nothing.

        Args:
            hook: the function. Its exceptions pass through.
            prepend: call it before the hooks registered so far, not after them.
            with_kwargs: call ``hook(module, inputs, options)``, which may return a new
                (inputs, options).
        """
        return _add("register_forward_pre_hook", self._pre_hooks, hook, prepend, with_kwargs)

    def register_forward_hook(self, hook: Callable[..., Any], *, prepend: bool = False,
                              with_kwargs: bool = False) -> RemovableHandle:
        """Call ``hook(module, inputs, result)`` after every `forward`; returns a removable handle.

        The hook may return a new result; None changes nothing. `prepend` is as in
        `register_forward_pre_hook`; with `with_kwargs` the call is
        ``hook(module, inputs, options, result)``.

        >>> from tinynet import nn, ones
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_hook(lambda module, inputs, result: print(result.shape)):
        ...     _ = layer(ones(2, 3))
        tinynet.Size([2, 3])
        """
        return _add("register_forward_hook", self._hooks, hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any],
                                    prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` in every backward pass through the module.

        Both are tuples: the gradients of the inputs given by position, None where none is wanted,
        and those of the outputs. The hook may return other gradients for the inputs, unless no
        input requires grad. Modules with such hooks work on copies of their inputs and outputs.

        >>> from tinynet import nn, ones
        >>> layer = nn.Linear(3, 1)
        >>> _ = layer.register_full_backward_hook(lambda module, gi, go: print(go))
        >>> layer(ones(2, 3)).sum().backward()
        (tensor([[1.],
                [1.]]),)
        """
        return _add("register_full_backward_hook", self._backward_hooks, hook, prepend, False)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook: Callable[..., Any],
                                        prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` first; it may return other gradients for these."""
        return _add("register_full_backward_pre_hook", self._backward_hooks, hook, prepend, True)

    # ----------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            if isinstance(value, (Parameter, Module)):
                layer = type(self).__name__
                raise AttributeError(f"{layer}: call super().__init__() before setting {name!r}")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._put(self._parameters, name, value)
        elif isinstance(value, Module) and name not in self._parameters:
            self._put(self._modules, name, value)
        elif name in self._parameters or name in self._modules or name in self._buffers:
            self._reassign(name, value)
        else:
            object.__setattr__(self, name, value)

    def _reassign(self, name: str, value: Any) -> None:
        """Set an entry that is there already to None, or a buffer to another tensor."""
        for kind in ("_parameters", "_buffers", "_modules"):
            entries, what = self.__dict__[kind], kind[1:-1]
            if name in entries:
                if value is not None and not (what == "buffer" and isinstance(value, Tensor)):
                    wanted = "tensor" if what == "buffer" else what.capitalize()
                    raise TypeError(
                        f"{type(self).__name__}.{name} is a {what}; it can be set to a {wanted} or "
                        f"None, not to a {type(value).__name__}")
                entries[name] = value

    def __getattr__(self, name: str) -> Any:  # called only for names that are not found otherwise
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
        """Set an entry of `kind`; a known name keeps its place. The name is dropped elsewhere."""
        layer = type(self).__name__
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{layer}: {name!r} can't be a name; expected a string without dots")
        if hasattr(type(self), name):
            raise ValueError(f"{layer}: the name {name!r} is taken, by an attribute of the class")
        if kind is self._parameters and value is not None and not value.is_leaf:
            raise ValueError(f"{layer}: parameter {name!r} must be a leaf, not a computed tensor")
        for other in (self._parameters, self._buffers, self._modules):
            if other is not kind:
                other.pop(name, None)
        self.__dict__.pop(name, None)
        self._non_persistent.discard(name)
        kind[name] = value

    def _register(self, kind: dict[str, Any], name: str, value: Any, wanted: type) -> None:
        layer = type(self).__name__
        if value is not None and not isinstance(value, wanted):
            given = type(value).__name__
            raise TypeError(f"{layer}: {name!r} must be a {wanted.__name__} or None, got a {given}"
                f"{compat.hint('layers', layer, value)}")
        if isinstance(name, str) and name not in kind and hasattr(self, name):
            raise ValueError(f"{layer}: the name {name!r} is taken, by another attribute")
        self._put(kind, name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None says that there is none, such as the bias of a layer without."""
        self._register(self._parameters, name, param, Parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not learned; `state_dict` has it only if `persistent`."""
        self._register(self._buffers, name, tensor, Tensor)
        if not persistent:
            self._non_persistent.add(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Add a submodule under a name that is computed at run time."""
        self._register(self._modules, name, module, Module)

    register_module = add_module

    # ---------------------------------------------------------------------------------------- walks

    def named_modules(self, memo: "set[Module] | None" = None, prefix: str = "",
                      remove_duplicate: bool = True) -> "Iterator[tuple[str, Module]]":
        """This module and all below it, with dotted names; one reached twice is listed once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, _joined(prefix, name), remove_duplicate)

    def modules(self) -> "Iterator[Module]":
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> "Iterator[tuple[str, Module]]":
        """The modules right below this one."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> "Iterator[Module]":
        """The modules right below this one."""
        return (module for _, module in self.named_children())

    def _named(self, kind: str, prefix: str, recurse: bool,
               remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[Any] = set()
        walk = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in walk if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, kind).items():
                if tensor is not None and tensor not in seen:
                    if remove_duplicate:
                        seen.add(tensor)
                    yield _joined(path, name), tensor

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters with dotted names, in the order of assignment; a shared one once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, in the order of assignment; a shared one once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers with dotted names, in the order of registration; a shared one once."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, in the order of registration; a shared one once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> "Module":
        """The module with the dotted name `target`; "" is this one."""
        if not isinstance(target, str):
            raise TypeError(f"get_submodule: target must be a dotted name, got {target!r:.60}")
        module: Any = self
        for name in target.split(".") if target else []:
            owner, module = module, module._modules.get(name)
            if module is None:
                raise AttributeError(f"{type(owner).__name__} has no submodule {name!r} ({target})")
        return module

    def _named_one(self, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        found = getattr(self.get_submodule(path), kind).get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no {kind[1:-1]} {target!r}")
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with the dotted name `target`."""
        return self._named_one("_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with the dotted name `target`."""
        return self._named_one("_buffers", target)

    def apply(self, fn: "Callable[[Module], Any]") -> Any:
        """Call `fn` on every module, the lowest first; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---------------------------------------------------------------------------------------- state

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers by dotted name.

        The tensors share the module's memory. They are detached unless `keep_vars`.
        """
        state: OrderedDict[str, Tensor] = OrderedDict()
        walk = self.named_modules(prefix=prefix.removesuffix("."), remove_duplicate=False)
        for path, module in walk:
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None and name not in module._non_persistent:
                    state[_joined(path, name)] = tensor if keep_vars else tensor.detach()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True,
                        assign: bool = False) -> IncompatibleKeys:
        """Copy the values of `state_dict` into the parameters and buffers of the same names.

        Args:
            state_dict: tensors by dotted name.
            strict: raise a RuntimeError for missing and unexpected names; else return them.
            assign: must be False, because values are always copied.

        A value that is no tensor or has another shape is always an error. All problems are reported
        at once, and then nothing is loaded.
        """
        if assign:
            raise ValueError("load_state_dict: assign=True is not supported; values are copied")
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a mapping, got {type(state_dict).__name__}")
        own = Module.state_dict(self, keep_vars=True)  # a subclass may add to its own
        # files of PyTorch before 0.4.1 lack the count of batches
        missing = [name for name in own if name not in state_dict
            and not name.endswith("num_batches_tracked")]
        unexpected = [name for name in state_dict if name not in own]
        values = {name: state_dict[name] for name in own if name in state_dict}
        found = (("missing", missing), ("unexpected", unexpected))
        problems = [f"{what}: {', '.join(map(str, n))}" for what, n in found if strict and n]
        for name, value in values.items():
            if not isinstance(value, Tensor):
                problems.append(f"{name}: expected a tensor, got {type(value).__name__}")
            elif value.array.shape != (shape := own[name].array.shape):
                given = value.array.shape
                problems.append(f"{name}: the module has shape {shape}, the given one {given}")
        if problems:
            head = f"load_state_dict: {type(self).__name__} can't take these, nothing was loaded:"
            raise RuntimeError("\n  ".join([head, *problems]))
        with no_grad():
            for name, value in values.items():
                own[name].copy_(value.to(own[name].device))
        return IncompatibleKeys(missing, unexpected)

    def train(self, mode: bool = True) -> Any:
        """Switch this module and all below it to training (False: to evaluation); returns self."""
        self.training = as_bool("train", "mode", mode)
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Set this module and all below it to evaluation; returns self."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Say whether the parameters are learned; returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the gradients of all parameters; with ``set_to_none=False``, fill them with 0."""
        for parameter in self.parameters():
            parameter._clear_grad(set_to_none)

    # --------------------------------------------------------------------------- dtypes and devices

    def _convert(self, convert: Callable[[Tensor], Tensor]) -> Any:
        with no_grad():
            for parameter in self.parameters():  # kept as objects, because optimisers hold them
                grad, parameter.grad = parameter.grad, None
                parameter.data = convert(parameter.detach())
                parameter.grad = None if grad is None else convert(grad)
            for module in self.modules():
                # replaced, so that a user's own tensors, such as class weights, stay as they are
                module._buffers.update({
                    name: convert(buffer)
                    for name, buffer in module._buffers.items() if buffer is not None})
        return self

    @compat.in_any_format
    def to(self, *args, dtype=None, device=None, non_blocking: bool = False) -> Any:
        """Move parameters and buffers to a device, convert floats to a dtype; returns self.

        Takes a device, a dtype, a device and a dtype, or a tensor that has both.
        `non_blocking` changes nothing: copies are always finished before they are used.
        """
        dtype, device = named_in("to", args, dtype, device)
        if dtype is not None and (known := as_dtype("to", dtype)).kind != "f":
            raise TypeError(f"to: a module's dtype must be a floating one, got {known}")
        return self._convert(
            lambda t: t.to(dtype=dtype if t.is_floating_point() else None, device=device))

    def type(self, dst_type: Any) -> Any:
        """Convert floating parameters and buffers to a dtype; returns self."""
        return self.to(dtype=dst_type)

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

    # ----------------------------------------------------------------------------------------- text

    def extra_repr(self) -> str:
        """The text inside the brackets of the `repr`; subclasses define it."""
        return ""

    _forward_hooks = property(lambda self: self._hooks)  # by PyTorch's names
    _forward_pre_hooks = property(lambda self: self._pre_hooks)

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        text, children = self.extra_repr(), self._children_text()
        if not children and "\n" not in text:
            return f"{type(self).__name__}({text})"
        inside = "\n".join([text, *children] if text else children)
        return f"{type(self).__name__}(\n  " + inside.replace("\n", "\n  ") + "\n)"

    def _children_text(self) -> list[str]:
        return [f"({name}): {module!r}" for name, module in self._modules.items()]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _add(function: str, hooks: OrderedDict[object, Any], hook: Any, prepend: bool,
         with_kwargs: bool) -> RemovableHandle:
    handle = RemovableHandle(hooks, (as_function(function, "hook", hook), with_kwargs))
    if prepend:
        hooks.move_to_end(handle._key, last=False)
    return handle
