"""`Tensor`: a table of methods and operators over the functions in `ops`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import autograd, compat
from .arrays import array_module, as_device, computing, Device, device_of, to_device, to_host
from .autograd import Node, Primitive, Recorded, Variable, cast
from .ops import (arguments, elementwise as each, indexing, products, reductions, shapes,
    softmax as softmaxes)
from .ops.arguments import as_dtype, as_number, as_operand, as_random, default_dtype
from .ops.operands import array_from, check_fit, nothing, written
from .printing import format_tensor


class Size(tuple):
    """A shape: a tuple of ints.

    >>> Size((2, 3)), Size((2, 3)).numel()
    (tinynet.Size([2, 3]), 6)
    """

    def numel(self) -> int:
        """The number of elements."""
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"tinynet.Size([{', '.join(map(str, self))}])"


def named_in(function: str, args: tuple[Any, ...], dtype: Any, device: Any) -> tuple[Any, Any]:
    """The dtype and the device that ``.to(*args)`` names: each by itself, or both by a tensor."""
    for position, argument in enumerate(args):
        named = isinstance(argument, str) and argument.partition(":")[0] in ("cpu", "cuda")
        if isinstance(argument, Variable) and len(args) == 1:
            device, dtype = device_of(argument.array), argument.array.dtype
        elif named or isinstance(argument, Device):
            device = argument
        elif position < 2 and not isinstance(argument, Variable):
            dtype = as_dtype(function, argument)
        else:
            raise TypeError(
                f"{function}: expected a dtype, a device or one tensor, got {argument!r:.60}")
    return dtype, device


def _checked(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operator's method. For operands that it can't compute with, Python tries theirs."""

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Variable, np.ndarray, np.generic, bool, int, float)):
            return NotImplemented
        return operation(self, other)

    return method


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The same for an operator whose left operand is no tensor."""
    return _checked(lambda self, other: operation(other, self))


def _converter(dtype: Any) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return self.to(dtype)

    method.__doc__ = f"This tensor as {np.dtype(dtype)}."
    return method


def _in_place(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The method that writes an operation's result into the tensor, and returns the tensor."""
    name = f"{operation.__name__}_"

    def method(self: Tensor, *operands: Any, **constants: Any) -> Tensor:
        result = operation(self, *operands, **constants)
        check_fit(name, result.array, self.array.dtype)
        return self._replace(result, name)

    method.__name__ = name
    method.__doc__ = (f"`{operation.__name__}` in place; returns self. RuntimeError on a leaf that "
        "requires grad, outside no_grad().")
    return method


class Tensor(Recorded):
    """An n-dimensional array that remembers how it was computed.

    Make one with `tinynet.tensor`, `zeros`, `randn` and so on; as in PyTorch, ``Tensor(data)``
    copies `data` as float32, and ``Tensor(2, 3)`` has that shape (and holds zeros). ``.array`` is
    the numpy (or cupy) array itself. The memory order of the elements is free; only speed depends
    on it.
    """

    __slots__ = ()
    __array_priority__ = 1000  # so that ndarray + Tensor is left to Tensor.__radd__
    __hash__ = object.__hash__

    def __init__(self, data: Any = (), *sizes: Any):
        if sizes or isinstance(data, (bool, int, float, Size)):
            sizes = data if isinstance(data, Size) else (data, *sizes)
            data = np.zeros(arguments.as_ints("Tensor", "sizes", sizes, 0, rule="ints; for one "
                "number use tinynet.tensor"))
        data = to_host(data.array) if isinstance(data, Variable) else data
        super().__init__(array_from("Tensor", data, default_dtype))

    @staticmethod
    def _wrap(array: Any) -> Tensor:
        tensor = Tensor.__new__(Tensor)
        Variable.__init__(tensor, array)
        return tensor

    _make = _wrap

    # ---------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its size at `dim`."""
        if dim is None:
            return self.shape
        return self.array.shape[arguments.as_dim("size", dim, self.array.ndim)]

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements, a numpy dtype."""
        return self.array.dtype

    @property
    def device(self) -> Device:
        """Where the elements live."""
        return device_of(self.array)

    @property
    def is_cuda(self) -> bool:
        """Whether the elements live on a GPU."""
        return self.device.type == "cuda"

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    ndim = property(dim)

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    nelement = numel

    def is_floating_point(self) -> bool:
        """Whether the elements are floats."""
        return self.array.dtype.kind == "f"

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return self.array.shape[0]

    def __repr__(self) -> str:
        suffixes = [f"device='{self.device}'"] if self.is_cuda else []
        vertex = self._vertex()
        if isinstance(vertex, Node):
            suffixes.append(f"grad_fn=<{vertex.name}>")
        elif vertex is not None:
            suffixes.append("requires_grad=True")
        return format_tensor(to_host(self.array), suffixes)

    def __format__(self, spec: str) -> str:
        # a 0-d tensor is formatted as a number: f"{loss:.3f}"
        return object.__format__(self, spec) if self.array.ndim else format(self.item(), spec)

    # ----------------------------------------------------------------------------- leaving tinynet

    def item(self) -> Any:
        """The one element as a Python number."""
        return self._number("item", "; use tolist()")

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
        return self.array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as a numpy array that shares the tensor's memory.

        With `force`, the tensor is first detached, and copied to the CPU, where that is needed.

        Writing to that array changes the tensor. Only inside `detect_anomaly` does a backward pass
        that needs the old values notice.
        """
        if not force and self.requires_grad:
            raise RuntimeError("numpy: the tensor requires grad, and numpy records no history; use "
                "tensor.detach().numpy()")
        if not force and self.is_cuda:
            raise TypeError(f"numpy: the tensor is on {self.device}; copy it, tensor.cpu()")
        self._settle()
        return self.array.view() if isinstance(self.array, np.ndarray) else to_host(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if copy is False and dtype is not None and array.dtype != dtype:
            raise ValueError(f"array: {array.dtype} can't become {np.dtype(dtype)} without a copy")
        return array.astype(dtype or array.dtype, copy=bool(copy))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: Any = False) -> Tensor:
        return Tensor._wrap(np.asarray(array))  # numpy's functions of tensors give tensors

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("dlpack: the tensor requires grad; export tensor.detach()")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def _number(self, function: str, way_out: str = "") -> Any:
        if self.array.size != 1:
            raise RuntimeError(f"{function}: a tensor of shape {tuple(self.shape)} has "
                f"{self.array.size} elements, not one{way_out}")
        return self.array.item()

    def __bool__(self) -> bool:
        return bool(self._number("bool", "; which is meant, .any() or .all()?"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __index__(self) -> int:
        # TypeErrors, because operator.index() is also used to ask whether something is an integer
        if self.array.dtype.kind not in "iu" or self.array.size != 1:
            raise TypeError("index: only a tensor with one integer can stand for an index, this "
                f"one is {self.dtype} and has shape {tuple(self.shape)}")
        return int(self.array.item())

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError("deepcopy: only leaves can be copied with their place in the graph; "
                "use tensor.detach().clone()")
        array = self.detach().clone().array
        copy = _rebuild(type(self), array, self._requires_grad, str(self.device))
        memo[id(self)] = copy
        if self._grad is not None:
            copy._grad = self._grad.__deepcopy__(memo)
        return copy

    def __reduce__(self) -> Any:
        if self._node is not None:
            raise RuntimeError("pickle: only leaves can be pickled; use tensor.detach()")
        return _rebuild, (type(self), to_host(self.array), self._requires_grad, str(self.device))

    # -------------------------------------------------------------------------- dtypes and devices

    @compat.in_any_format
    def to(self, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False,
           non_blocking: bool = False) -> Tensor:
        """This tensor in another dtype, on another device, or both.

        ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``, which takes both from
        another tensor. Where nothing changes, and `copy` is False, this tensor itself. Gradients
        flow back. Whether `non_blocking` or not, a copy is finished before it is used.
        """
        dtype, device = named_in("to", args, dtype, device)
        tensor = self
        if dtype is not None and (wanted := as_dtype("to", dtype)) != self.dtype:
            tensor = cast(tensor, dtype=wanted)
        if device is not None and (target := as_device("to", device)) != self.device:
            tensor = _move(tensor, target=target, source=self.device)
        return tensor.clone() if copy and tensor is self else tensor

    def cpu(self) -> Tensor:
        """This tensor on the CPU."""
        return self.to(Device("cpu"))

    def cuda(self, device: int | str | Device = 0) -> Tensor:
        """This tensor on a GPU, the first one by default."""
        return self.to(Device("cuda", device) if isinstance(device, int) else Device(device))

    def type_as(self, other: Tensor) -> Tensor:
        """In the dtype of `other`."""
        return self.to(other.dtype)

    # ----------------------------------------------------------------------------------- operators

    __add__, __radd__ = _checked(each.add), _reflected(each.add)
    __sub__, __rsub__ = _checked(each.sub), _reflected(each.sub)
    __mul__, __rmul__ = _checked(each.mul), _reflected(each.mul)
    # 2 / x in two steps, as in PyTorch: a program may change x afterwards
    __truediv__, __rtruediv__ = _checked(each.div), _checked(
        lambda self, other: each.mul(each.reciprocal(self), other))
    __floordiv__, __rfloordiv__ = _checked(each.floor_divide), _reflected(each.floor_divide)
    __mod__, __rmod__ = _checked(each.remainder), _reflected(each.remainder)
    __pow__, __rpow__ = _checked(each.pow), _reflected(each.pow)
    __and__ = __rand__ = _checked(each.bitwise_and)
    __or__ = __ror__ = _checked(each.bitwise_or)
    __xor__ = __rxor__ = _checked(each.bitwise_xor)
    __lt__, __le__ = _checked(each.lt), _checked(each.le)
    __gt__, __ge__ = _checked(each.gt), _checked(each.ge)
    __eq__, __ne__ = _checked(each.eq), _checked(each.ne)
    __invert__, __abs__, __neg__ = each.bitwise_not, each.abs, each.neg

    def __pos__(self) -> Tensor:
        return self

    def __matmul__(self, other: Any) -> Tensor:
        return products.matmul(self, as_operand("matmul", other, self))

    def __rmatmul__(self, other: Any) -> Tensor:
        return products.matmul(as_operand("matmul", other, self), self)

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("iter: a 0-d tensor can't be iterated over")
        return iter(shapes.unbind(self))

    def __reversed__(self) -> Tensor:
        return shapes.flip(self, 0) if self.array.ndim else self

    def __getitem__(self, index: Any) -> Tensor:
        return indexing.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        operation = "t[index] = value"
        value = as_operand(operation, value, self)
        checked = indexing.as_index(operation, self.array, index)
        while isinstance(value, Variable) and value.array.shape[:1] == (1,):
            value = shapes.squeeze(value, 0)  # PyTorch ignores sizes of 1 in front
        first, then = indexing.in_two_steps(checked)
        target = self[first]
        if indexing.is_basic(then):
            target._overwrite(value, operation)
        else:
            with computing(target.array):
                shape = target.array[then].shape
            value = target._like(value, shape, operation)
            target._replace(indexing.index_put(target, then, value), operation)

    def _like(self, value: Any, shape: tuple[Any, ...], operation: str) -> Tensor:
        """`value` as a tensor of this tensor's dtype, expanded to `shape`."""
        value = written(operation, value, self, self.dtype)
        if arguments.broadcast_shape(operation, value.array.shape, shape) != shape:
            raise ValueError(f"{operation}: a value of shape {tuple(value.array.shape)} can't be "
                f"broadcast to the shape {tuple(shape)} it is written to")
        array_module(self.array, value.array)  # both on one device?
        return shapes.fitted(value, shape, self.dtype)

    # ----------------------------------------------------------------------------------- functions

    add, sub, mul, div, neg = each.add, each.sub, each.mul, each.div, each.neg
    pow, remainder, floor_divide = each.pow, each.remainder, each.floor_divide
    abs, sign, floor, ceil, round = each.abs, each.sign, each.floor, each.ceil, each.round
    exp, expm1, log, log1p = each.exp, each.expm1, each.log, each.log1p
    sqrt, rsqrt, square, reciprocal = each.sqrt, each.rsqrt, each.square, each.reciprocal
    sin, cos, tanh, sigmoid, relu = each.sin, each.cos, each.tanh, each.sigmoid, each.relu
    clamp = clip = each.clamp
    maximum, minimum, masked_fill = each.maximum, each.minimum, each.masked_fill
    eq, ne, lt, le, gt, ge = each.eq, each.ne, each.lt, each.le, each.gt, each.ge
    isnan, isinf, isfinite = each.isnan, each.isinf, each.isfinite
    isclose, allclose, equal = each.isclose, each.allclose, each.equal
    logical_and, logical_or, logical_not = each.logical_and, each.logical_or, each.logical_not

    sum, mean, var, std = reductions.sum, reductions.mean, reductions.var, reductions.std
    max, min, amax, amin = reductions.max, reductions.min, reductions.amax, reductions.amin
    argmax, argmin, all, any = reductions.argmax, reductions.argmin, reductions.all, reductions.any
    norm, logsumexp = reductions.norm, softmaxes.logsumexp
    softmax, log_softmax = softmaxes.softmax, softmaxes.log_softmax
    matmul, mm = products.matmul, products.mm

    reshape = view = shapes.reshape
    view_as, flatten, unflatten = shapes.view_as, shapes.flatten, shapes.unflatten
    squeeze, unsqueeze, repeat = shapes.squeeze, shapes.unsqueeze, shapes.repeat
    expand, expand_as = shapes.expand, shapes.expand_as
    permute, transpose, t, flip = shapes.permute, shapes.transpose, shapes.t, shapes.flip
    narrow, split, chunk, unbind = shapes.narrow, shapes.split, shapes.chunk, shapes.unbind
    gather, index_select = indexing.gather, indexing.index_select

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor where `condition` holds, `other` elsewhere."""
        return each.where(condition, self, other)

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return shapes.permute(self, *range(self.ndim)[::-1])

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shapes.transpose(self, -1, -2)

    @compat.in_any_format
    def clone(self) -> Tensor:
        """A copy in memory of its own; gradients flow back to the original."""
        return autograd.clone(self)

    @compat.in_any_format
    def contiguous(self) -> Tensor:
        """This tensor itself if `is_contiguous`, else a copy in the order of the dimensions."""
        return self if self.is_contiguous() else shapes.contiguous_copy(self)

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in the order of the dimensions."""
        self._settle()
        return self.array.flags.c_contiguous

    # ------------------------------------------------------------------------------------ in place

    add_ = __iadd__ = _in_place(each.add)
    sub_ = __isub__ = _in_place(each.sub)
    mul_ = __imul__ = _in_place(each.mul)
    div_ = __itruediv__ = _in_place(each.div)
    pow_ = __ipow__ = _in_place(each.pow)
    __ifloordiv__, __imod__ = _in_place(each.floor_divide), _in_place(each.remainder)
    __iand__, __ior__ = _in_place(each.bitwise_and), _in_place(each.bitwise_or)
    __ixor__, neg_ = _in_place(each.bitwise_xor), _in_place(each.neg)
    clamp_, masked_fill_ = _in_place(each.clamp), _in_place(each.masked_fill)
    relu_, exp_, sqrt_ = _in_place(each.relu), _in_place(each.exp), _in_place(each.sqrt)
    tanh_, sigmoid_ = _in_place(each.tanh), _in_place(each.sigmoid)

    def copy_(self, src: Any) -> Tensor:
        """Write the values of `src`, which is broadcast and converted; returns self."""
        return self._overwrite(as_operand("copy_", src, self), "copy_")

    def fill_(self, value: Any) -> Tensor:
        """Write `value`, a number or a 0-d tensor, everywhere; returns self."""
        if isinstance(value, Variable) and value.array.ndim:
            shape = tuple(value.array.shape)
            raise ValueError(f"fill_: expected a number or a 0-d tensor, got shape {shape}")
        return self._overwrite(as_operand("fill_", value, self), "fill_")

    def _overwrite(self, value: Any, operation: str) -> Tensor:
        new = self._like(value, self.array.shape, operation)
        return self._replace(_overwrite(self, new), operation)

    def zero_(self) -> Tensor:
        """Write zeros; returns self."""
        return self._overwrite(0, "zero_")

    def normal_(self, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Tensor:
        """Write normally distributed values; returns self."""
        mean, std = as_number("normal_", "mean", mean), as_number("normal_", "std", std, 0)
        return self._draw("normal_", generator, "standard_normal", mean, std)

    def uniform_(self, a: Any = 0.0, b: Any = 1.0, *, generator: Any = None) -> Tensor:
        """Write values evenly distributed over [a, b); returns self."""
        a, b = as_number("uniform_", "a", a), as_number("uniform_", "b", b)
        if not a <= b:
            raise ValueError(f"uniform_: expected a <= b, got a={a} and b={b}")
        return self._draw("uniform_", generator, "random", a, b - a)

    def _draw(self, operation: str, generator: Any, kind: str, shift: Any, scale: Any) -> Tensor:
        """Write ``shift + scale * x`` for draws x of `kind`, a method of numpy's generators."""
        draw = getattr(as_random(operation, generator), kind)
        if self.dtype.kind != "f":
            raise RuntimeError(
                f"{operation}: draws floats, which can't be written into {self.dtype}")
        draws = draw(self.array.shape, np.float64 if self.dtype == np.float64 else np.float32)
        drawn = to_device(np.asarray(draws * scale + shift, self.dtype), self.device)
        return self._replace(Tensor._wrap(drawn), operation)

    # conversions to one dtype, at the end because they hide Python's float, int and bool below

    half, float, double = _converter(np.float16), _converter(np.float32), _converter(np.float64)
    int, long, bool = _converter(np.int32), _converter(np.int64), _converter(np.bool_)


def _rebuild(kind: type[Tensor], array: np.ndarray, requires_grad: bool, device: str) -> Tensor:
    tensor = kind.__new__(kind)
    Variable.__init__(tensor, to_device(array, Device(device)), requires_grad)
    return tensor


# the old values have no influence on the new ones, but the overwritten tensor stays in the graph
_overwrite = Primitive(lambda xp, old, new: new, name="copy")
_overwrite.derivatives(old=nothing, new=lambda g: g)

_move = Primitive(lambda xp, a, *, target, source: to_device(a, target), name="to_device")
_move.derivatives(a=lambda g, target, source: _move(g, target=source, source=target))
