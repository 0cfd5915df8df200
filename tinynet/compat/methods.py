"""Methods of tensors that are no functions of ``torch``; `compat.METHODS` lists all of them."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import creation
from ..autograd import hooks, is_grad_enabled
from ..ops import elementwise as each
from ..ops.arguments import as_bool, as_dim, as_dtype, as_function, as_int, as_shape
from ..ops.shapes import cat
from ..tensor import _converter, _in_place, Tensor
from . import formulas, functions, METHODS, seldom
from .types import _CPU, _CUDA, _NAMES, _Typed


def type(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor in `dtype`, a dtype, FloatTensor or "torch.FloatTensor"; without, such a name."""
    if dtype is None:
        return f"torch.{'cuda.' * input.is_cuda}{_NAMES[input.dtype]}"
    if isinstance(dtype, str) and dtype.startswith("torch."):
        dtype = (_CUDA if ".cuda." in dtype else _CPU).get(dtype.rpartition(".")[2], dtype)
    if isinstance(dtype, _Typed):
        return input.to(dtype.dtype, device=dtype.place)  # type: ignore[attr-defined]
    return input.to(as_dtype("type", dtype))


def new(input: Tensor, *data: Any) -> Any:
    """A tensor of this one's dtype: ``x.new(2, 3)``, ``x.new([1, 2])``."""
    return (_CUDA if input.is_cuda else _CPU)[_NAMES[input.dtype]](*data)


def _new(name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **more: Any) -> Any:
        device, dtype = device or self.device, dtype or self.dtype
        return getattr(creation, name)(*args, dtype=dtype, device=device, **more)

    doc = f"`{name}`, by default in this tensor's dtype and on its device."
    return functions.named(method, f"new_{name}", doc)


new_zeros, new_ones, new_empty, new_full, new_tensor = map(
    _new, ("zeros", "ones", "empty", "full", "tensor"))
bitwise_and, bitwise_or, bitwise_xor = each.bitwise_and, each.bitwise_or, each.bitwise_xor
bitwise_not, erf = each.bitwise_not, each.erf
ndimension = Tensor.dim
byte, short, char = _converter(np.uint8), _converter(np.int16), _converter(np.int8)


def stride(input: Tensor, dim: int | None = None) -> Any:
    """How many elements lie between neighbours along each dimension, or along `dim`."""
    steps = tuple(n // input.array.itemsize for n in input.array.strides)
    return steps if dim is None else steps[dim]


def element_size(input: Tensor) -> int:
    """How many bytes an element takes."""
    return input.array.itemsize


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of `other`."""
    return input.reshape(other.shape)


def get_device(input: Tensor) -> int:
    """The number of the GPU; -1 for the CPU."""
    return -1 if input.device.index is None else input.device.index


def data_ptr(input: Tensor) -> int:
    """The address of the first element."""
    array = input.array
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def index_put_(input: Tensor, indices: tuple[Tensor, ...], values: Tensor,
               accumulate: bool = False) -> Tensor:
    """``input[indices] = values``, or ``+= values`` with repeated places adding up; returns self.
    """
    if as_bool("index_put_", "accumulate", accumulate):
        numbers = creation.arange(input.numel(), device=input.device)
        at = numbers.reshape(input.shape)[indices]
        values = values.expand(at.shape).reshape(-1)
        total = input.reshape(-1).index_add(0, at.reshape(-1), values)
        return input._replace(total.reshape(input.shape), "index_put_")
    input[indices] = values
    return input


def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Write ``callable(element)`` in the place of each element, slowly; returns self."""
    function = as_function("apply_", "callable", callable)
    values = [function(v) for v in input.reshape(-1).tolist()]
    return input.copy_(creation.tensor(values, dtype=input.dtype).reshape(input.shape))


is_sparse = property(lambda self: False, doc="False: no tensor is sparse.")
is_cpu = property(lambda self: not self.is_cuda, doc="Whether the elements live on the CPU.")
itemsize = property(element_size, doc=element_size.__doc__)
nbytes = property(lambda self: self.array.nbytes, doc="How many bytes all elements take.")
is_pinned = functions.named(lambda input: False, "is_pinned", "False: no memory is pinned.")
pin_memory = functions.named(lambda input: input, "pin_memory", "The tensor: no memory is pinned.")
bernoulli, prelu = creation.bernoulli, formulas.prelu


def resize_(input: Tensor, *sizes: Any) -> Tensor:
    """Another shape, of as many elements as it needs: the first ones, then zeros; returns self."""
    shape = as_shape("resize_", sizes)
    if input.requires_grad:
        raise RuntimeError("resize_: the tensor requires grad; make a new one, with reshape")
    flat, n = input.array.reshape(-1), math.prod(shape)
    if n > flat.size:
        flat = np.concatenate([flat, np.zeros(n - flat.size, flat.dtype)])
    input.data, input._view_of = Tensor._wrap(flat[:n].reshape(shape)), None
    return input


def _reshaped(name: str) -> Callable[..., Any]:
    """`squeeze_` and its like: the tensor becomes a view of what it was."""

    def method(self: Tensor, *args: Any, **dims: Any) -> Tensor:
        if is_grad_enabled():
            self._refuse_leaf(name)
        self._vertex()
        before = self._make(self.array)
        for slot in ("_node", "_changes", "_view_of", "_node_version"):
            if hasattr(self, slot):
                setattr(before, slot, getattr(self, slot))
        after = getattr(before, name[:-1])(*args, **dims)
        self.array, self._node, self._node_version = after.array, after._node, after._changes.count
        self._view_of = after._view_of
        if self._node and before._node:
            self._node.retained = before._node.retained
        return self

    return functions.named(method, name, f"`{name[:-1]}` in place; returns self.")


squeeze_, unsqueeze_, t_, transpose_, swapaxes_, swapdims_ = map(
    _reshaped, ("squeeze_", "unsqueeze_", "t_", "transpose_", "swapaxes_", "swapdims_"))


# How many changes in place the tensor, or what it is a view of, has seen.
_version = property(lambda tensor: tensor._changes.count)


def detach_(input: Tensor) -> Tensor:
    """Cut the tensor off from the graph; returns self. RuntimeError for a view."""
    if input._view_of is not None:
        raise RuntimeError("detach_: the tensor is a view; use x = x.detach()")
    input._node, input.requires_grad = None, False
    return input


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Write 1 with the probability `p`, a number or a tensor, else 0; returns self."""
    chances = creation.as_tensor(p, dtype=np.float64, device=input.device).expand(input.shape)
    return input.copy_(creation.bernoulli(chances, generator=generator))


def random_(input: Tensor, low: int, to: int | None = None, *, generator: Any = None) -> Tensor:
    """Write ints from `low` to `to`, or from 0 to `low`, without the last; returns self."""
    return input.copy_(creation.randint(low, to, input.shape, generator=generator))


def fill_diagonal_(input: Tensor, fill_value: float) -> Tensor:
    """Write a number along the diagonal of a matrix; returns self."""
    functions.diagonal(*functions._of_dims("fill_diagonal_", (2,), input)).fill_(fill_value)
    return input


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along a dimension, `step` apart: what is in one is a new last dim.

    A copy; in PyTorch the windows share the tensor's memory.
    """
    dim = as_dim("unfold", dimension, input.ndim)
    x = input.unsqueeze(-1).transpose(dim, -1)
    end = x.shape[-1] + 1 - as_int("unfold", "size", size, 0, x.shape[-1] + 1)
    starts = range(0, end, as_int("unfold", "step", step, 1))
    return cat([x.narrow(-1, start, size) for start in starts], dim)


class GradHooks(OrderedDict[object, Any]):
    """The hooks on the gradient of a leaf or of an intermediate result."""

    def run(self, g: Any, handed_out: set[int]) -> Any:
        """The gradient after the hooks; `handed_out` gets the ids of the arrays that they saw."""
        for hook in list(self.values()):
            answer = g if (answer := hook(g)) is None else answer
            if not isinstance(answer, Tensor):
                kind = answer.__class__.__name__
                raise TypeError(f"register_hook: a hook must return a tensor or None, got a {kind}")
            if (answer.shape, answer.dtype) != (g.shape, g.dtype):
                raise RuntimeError(f"register_hook: the hook got a gradient of {g.dtype} "
                    f"{tuple(g.shape)} and returned {answer.dtype} {tuple(answer.shape)}")
            handed_out |= {id(g.array), id(answer.array)}
            g = answer
        return g


def register_hook(tensor: Any, hook: Callable[[Any], Any]) -> hooks.RemovableHandle:
    """Call ``hook(gradient)`` in every backward pass once the gradient of `tensor` is complete.

    What it returns, unless None, takes the gradient's place, here and on the way back; it has the
    gradient's shape and dtype. The hook must not change the gradient in place, since that may serve
    elsewhere too. Hooks are called in the order in which they were registered. After an in-place
    change of the tensor they still get the gradient of the value before.

    Raises:
        TypeError: `hook` can't be called, or returned something else than a tensor or None.
        RuntimeError: the tensor doesn't require grad, or a hook returned another shape or dtype.

    >>> import tinynet
    >>> w = tinynet.tensor([3.0, 4.0], requires_grad=True)
    >>> handle = w.register_hook(lambda g: 10 * g)
    >>> tinynet.grad((w * w).sum(), w)
    (tensor([60., 80.]),)
    """
    vertex, hooks.in_use = tensor._vertex(), True
    if vertex is None:
        raise RuntimeError("register_hook: this tensor does not require grad; it gets no gradient")
    if not callable(hook):
        raise TypeError(f"register_hook: a hook is a function, got {hook.__class__.__name__}")
    if getattr(vertex, "grad_hooks", None) is None:
        vertex.grad_hooks = GradHooks()
    return hooks.RemovableHandle(vertex.grad_hooks, hook)


def _answered(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The method that writes the answers of a test into the tensor, as numbers: no gradient."""
    return lambda self, *operands, **other: self._overwrite(
        operation(self, *operands, **other), f"{operation.__name__}_")


_TESTS = (each.eq, each.ne, each.lt, each.le, each.gt, each.ge, each.logical_and, each.logical_or,
    each.logical_not)


def cumprod_(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """`cumprod` in place; returns self."""
    # of a copy, because the steps of the way back need the values that are overwritten
    return input._replace(functions.cumprod(input.clone(), dim, dtype=dtype), "cumprod_")


# the methods that write the result of an operation into the tensor
_operations = {**vars(Tensor), **vars(seldom), **vars(functions), **globals()}
for _name in METHODS:
    if _name.endswith("_") and _name not in globals():
        _operation = _operations[_name[:-1]]
        _doc = f"`{_name[:-1]}` in place; returns self."
        _method = (_answered if _operation in _TESTS else _in_place)(_operation)
        globals()[_name] = functions.named(_method, _name, _doc)
__all__ = [name for name in METHODS if name in globals()]
