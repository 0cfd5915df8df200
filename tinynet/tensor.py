"""`Tensor`: what users hold. A table of methods and operators over the functions in `ops`, and in-place changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import autograd
from .arrays.devices import (
    Device,
    array_module,
    beside,
    computing,
    device_of,
    full_like,
    to_device,
    to_host,
)
from .arrays.random import default_generator
from .autograd import Node, Primitive, Variable, Writable, cast
from .ops import arguments, elementwise, indexing, products, reductions, shapes
from .ops import softmax as softmaxes
from .ops.arguments import as_dtype, as_number, as_operand
from .ops.dtypes import default_dtype
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


def _swapped(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: operation(other, self)


def _checked(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operator method: what it can't compute with is left to the other operand, and to Python's TypeError."""

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Variable, np.ndarray, np.generic, bool, int, float)):
            return NotImplemented
        return operation(self, other)

    return method


def _in_place(operation: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The operation that writes its result into its first operand and returns that."""

    def method(self: Tensor, *operands: Any, **constants: Any) -> Tensor:
        return self._replace(operation(self, *operands, **constants), name)

    method.__name__ = name
    method.__doc__ = f"`{name.rstrip('_')}` in place; returns self. RuntimeError on a leaf that requires grad, outside no_grad()."
    return method


class Tensor(Writable):
    """An n-dimensional array that remembers how it was computed.

    Make one with `tinynet.tensor`, `zeros`, `randn` and so on; as in PyTorch, ``Tensor(data)`` copies `data` as float32. ``.array`` is
    the numpy (or cupy) array itself. Elements may lie in memory in any order; nothing but speed depends on it.
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that ndarray + Tensor is left to Tensor.__radd__
    __hash__ = object.__hash__

    def __init__(self, data: Any = (), *sizes: Any):
        if sizes or isinstance(data, (bool, int, float)):
            raise TypeError("Tensor: give the data as a sequence; for sizes use tinynet.zeros, for one number tinynet.tensor")
        source = to_host(data.array) if isinstance(data, Variable) else data
        try:
            super().__init__(np.array(source, dtype=default_dtype))
        except (TypeError, ValueError) as error:
            raise type(error)(f"Tensor: expected nested sequences of numbers, of equal lengths ({error})") from None

    @staticmethod
    def _wrap(array: Any) -> Tensor:
        tensor = Tensor.__new__(Tensor)
        Variable.__init__(tensor, array)
        return tensor

    _make = _wrap

    # ----------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions."""
        return Size(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its size at `dim`."""
        return self.shape if dim is None else self.array.shape[arguments.as_dim("size", dim, self.array.ndim)]

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

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

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
        # a 0-d tensor as the number that it holds, in PyTorch's way: f"{loss:.3f}"
        return object.__format__(self, spec) if self.array.ndim else format(self.item(), spec)

    # ------------------------------------------------------------------------- its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this tensor. It can be set on leaves."""
        return self._vertex() is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether `backward` shall leave a gradient here; returns self. Only for leaves, and only floats can."""
        if self._node is not None and not requires_grad:
            raise RuntimeError(
                "requires_grad_: this tensor was computed from others that require grad; tensor.detach() cuts it off"
            )
        if requires_grad and self.array.dtype.kind != "f":
            raise RuntimeError(f"requires_grad_: only floating-point tensors can require gradients, this one is {self.dtype}")
        self._requires_grad = bool(requires_grad) and self._node is None
        return self

    @property
    def grad(self) -> Any:
        """The gradient that `backward` has added up here, or None.

        It can be set to None, or to a tensor of this shape, dtype and device.
        """
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Variable):
                raise TypeError(f"grad: expected a tensor or None, got {type(value).__name__}")
            if value.array.shape != self.array.shape or value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    "grad: a gradient has the shape and dtype of its tensor, "
                    f"{tuple(self.array.shape)} {self.array.dtype}; "
                    f"got {tuple(value.array.shape)} {value.array.dtype}"
                )
            array_module(self.array, value.array, function="grad")  # both on one device?
        self._grad = value

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was made by the user, not computed from tensors that require grad."""
        return not isinstance(self._vertex(), Node)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the graph that this tensor came out of; None for a leaf."""
        vertex = self._vertex()
        return vertex if isinstance(vertex, Node) else None

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this intermediate result."""
        return self._node is not None and self._node.retained is not None

    def retain_grad(self) -> None:
        """Ask `backward` to leave the gradient of this intermediate result in ``.grad``, as it does for leaves."""
        vertex = self._vertex()
        if vertex is None:
            raise RuntimeError("retain_grad: this tensor does not require grad")
        if isinstance(vertex, Node):
            vertex.retained = weakref.ref(self)

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Add the gradient of this tensor to the ``.grad`` of every leaf it depends on; see `tinynet.autograd.backward`.

        >>> import tinynet
        >>> x = tinynet.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        autograd.backward(self, None if gradient is None else [gradient], retain_graph, create_graph, inputs)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> autograd.RemovableHandle:
        """Have ``hook(tensor)`` called by every `backward` as soon as all of its gradient is in this leaf's ``.grad``.

        That is during the pass, while other gradients are still being computed. The hook may change ``.grad`` and must return None.
        `tinynet.grad`, which leaves no gradient, calls no hooks. RuntimeError for a tensor that is no leaf or doesn't require grad. When
        a backward pass fails, what was given to leaves with hooks before stays there.

        >>> import tinynet
        >>> w = tinynet.tensor([3.0, 4.0], requires_grad=True)
        >>> with w.register_post_accumulate_grad_hook(lambda w: print(w.grad)):
        ...     (w * w).sum().backward()
        tensor([6., 8.])
        """
        return autograd.add_leaf_hook(self, hook)

    def detach(self) -> Tensor:
        """The same values in the same memory, cut off from the graph."""
        tensor = Tensor._wrap(self.array)
        tensor._version = self._version
        return tensor

    @property
    def data(self) -> Tensor:
        """Like `detach`, but changes to it go unnoticed by `backward`. It can be set to replace the values."""
        return Tensor._wrap(self.array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a tensor, got {type(value).__name__}")
        self.array = value.array
        self._version.count += 1
        self._version.changed_by = "an assignment to .data"

    # ------------------------------------------------------------------------------- leaving tinynet

    def item(self) -> Any:
        """The one element as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(f"item: a tensor of shape {tuple(self.shape)} has {self.array.size} elements, not one; use tolist()")
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
        return self.array.tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The values as a numpy array that shares their memory; with `force`, detached and copied to the CPU first if need be.

        Writing to that array changes the tensor. Only inside `detect_anomaly` does a backward pass
        that needs the old values notice.
        """
        if not force and self.requires_grad:
            raise RuntimeError("numpy: the tensor requires grad, and numpy records no history; use tensor.detach().numpy()")
        if not force and self.is_cuda:
            raise TypeError(f"numpy: the tensor is on {self.device}; copy it with tensor.cpu() first")
        return self.array.view() if isinstance(self.array, np.ndarray) else to_host(self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if copy is False and dtype is not None and array.dtype != dtype:
            raise ValueError(f"array: {array.dtype} can't become {np.dtype(dtype)} without a copy")
        return array.astype(dtype or array.dtype, copy=bool(copy))

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("dlpack: the tensor requires grad; export tensor.detach()")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def _number(self, what: str) -> Any:
        if self.array.size != 1:
            raise RuntimeError(
                f"{what}: a tensor of shape {tuple(self.shape)} has {self.array.size} elements, not one"
                + ("; which is meant, .any() or .all()?" if what == "bool" else "")
            )
        return self.array.item()

    def __bool__(self) -> bool:
        return bool(self._number("bool"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __float__(self) -> float:
        return float(self._number("float"))

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iu":
            raise TypeError(f"index: only a tensor with one integer can stand for an index, this one is {self.dtype}")
        if self.array.size != 1:  # a TypeError, as of anything that is no int: operator.index() is asked in order to find that out
            raise TypeError(f"index: only a tensor with one integer can stand for an index, this one has shape {tuple(self.shape)}")
        return int(self._number("index"))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError("deepcopy: only leaves can be copied with their role in the graph; use tensor.detach().clone()")
        copy = type(self).__new__(type(self))
        Variable.__init__(copy, self.detach().clone().array, self._requires_grad)
        memo[id(self)] = copy
        if self._grad is not None:
            copy._grad = self._grad.__deepcopy__(memo)  # type: ignore[attr-defined]
        return copy

    def __reduce__(self) -> Any:
        if self._node is not None:
            raise RuntimeError("pickle: only leaves can be pickled; use tensor.detach()")
        return _rebuild, (type(self), to_host(self.array), self._requires_grad, str(self.device))

    # ---------------------------------------------------------------------------- dtypes and devices

    def to(self, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, non_blocking: bool = False) -> Tensor:
        """This tensor with another dtype, on another device, or both: ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(other)``.

        Without a change, and unless `copy` is true, this tensor itself. Gradients flow back. Copies always
        finish before they are used, with `non_blocking` or not.
        """
        for position, argument in enumerate(args):
            if isinstance(argument, Variable) and len(args) == 1:
                device, dtype = device_of(argument.array), argument.array.dtype
            elif isinstance(argument, Device) or (isinstance(argument, str) and argument.partition(":")[0] in ("cpu", "cuda")):
                device = argument
            elif position < 2 and not isinstance(argument, Variable):
                dtype = as_dtype("to", argument)
            else:
                raise TypeError(f"to: expected a dtype, a device or one tensor, got {argument!r:.60}")
        tensor = self
        if dtype is not None and as_dtype("to", dtype) != self.dtype:
            tensor = cast(tensor, dtype=as_dtype("to", dtype))
        if device is not None and Device(device) != self.device:
            tensor = _move(tensor, target=Device(device), source=self.device)
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

    # --------------------------------------------------------------------------------------- operators

    __add__ = _checked(elementwise.add)
    __sub__ = _checked(elementwise.sub)
    __mul__ = _checked(elementwise.mul)
    __truediv__ = _checked(elementwise.div)
    __floordiv__ = _checked(elementwise.floor_divide)
    __mod__ = _checked(elementwise.remainder)
    __pow__ = _checked(elementwise.pow)
    __and__ = _checked(elementwise.bitwise_and)
    __or__ = _checked(elementwise.bitwise_or)
    __xor__ = _checked(elementwise.bitwise_xor)
    __radd__ = _checked(_swapped(elementwise.add))
    __rsub__ = _checked(_swapped(elementwise.sub))
    __rmul__ = _checked(_swapped(elementwise.mul))
    __rtruediv__ = _checked(_swapped(elementwise.div))
    __rfloordiv__ = _checked(_swapped(elementwise.floor_divide))
    __rmod__ = _checked(_swapped(elementwise.remainder))
    __rpow__ = _checked(_swapped(elementwise.pow))
    __rand__ = _checked(elementwise.bitwise_and)
    __ror__ = _checked(elementwise.bitwise_or)
    __rxor__ = _checked(elementwise.bitwise_xor)
    __lt__ = _checked(elementwise.lt)
    __le__ = _checked(elementwise.le)
    __gt__ = _checked(elementwise.gt)
    __ge__ = _checked(elementwise.ge)
    __eq__ = _checked(elementwise.eq)
    __ne__ = _checked(elementwise.ne)
    __invert__ = elementwise.bitwise_not
    __abs__ = elementwise.abs

    def __neg__(self) -> Tensor:
        return elementwise.neg(self)

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

    def __getitem__(self, index: Any) -> Tensor:
        return indexing.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        operation = "t[index] = value"
        value = as_operand(operation, value, self)
        checked = indexing.as_index(operation, self.array, index)
        if isinstance(value, Variable):
            while value.array.ndim > 1 and value.array.shape[0] == 1:  # as in PyTorch, sizes of 1 in front don't count
                value = shapes.squeeze(value, 0)
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
        # `value` as a tensor of this one's dtype and device, expanded to `shape`
        if not isinstance(value, Variable):
            value = Tensor._wrap(beside(self.array, value))
        if arguments.broadcast_shape(operation, value.array.shape, shape) != shape:
            raise ValueError(
                f"{operation}: a value of shape {tuple(value.array.shape)} can't be broadcast to the shape {tuple(shape)} it is written to"
            )
        array_module(self.array, value.array)  # both on one device?
        return shapes.expand(value if value.array.dtype == self.dtype else cast(value, dtype=self.dtype), shape)

    # --------------------------------------------------------------------------------------- functions

    add, sub, mul, div = elementwise.add, elementwise.sub, elementwise.mul, elementwise.div
    neg, pow, remainder, floor_divide = elementwise.neg, elementwise.pow, elementwise.remainder, elementwise.floor_divide
    abs, sign, floor, ceil, round = elementwise.abs, elementwise.sign, elementwise.floor, elementwise.ceil, elementwise.round
    exp, expm1, log, log1p = elementwise.exp, elementwise.expm1, elementwise.log, elementwise.log1p
    sqrt, rsqrt, square, reciprocal = elementwise.sqrt, elementwise.rsqrt, elementwise.square, elementwise.reciprocal
    sin, cos, tanh, sigmoid, relu = elementwise.sin, elementwise.cos, elementwise.tanh, elementwise.sigmoid, elementwise.relu
    clamp, clip = elementwise.clamp, elementwise.clamp
    maximum, minimum, masked_fill = elementwise.maximum, elementwise.minimum, elementwise.masked_fill
    eq, ne, lt, le, gt, ge = elementwise.eq, elementwise.ne, elementwise.lt, elementwise.le, elementwise.gt, elementwise.ge
    isnan, isinf, isfinite = elementwise.isnan, elementwise.isinf, elementwise.isfinite
    isclose, allclose, equal = elementwise.isclose, elementwise.allclose, elementwise.equal
    logical_and, logical_or, logical_not = elementwise.logical_and, elementwise.logical_or, elementwise.logical_not

    sum, mean, var, std, norm = reductions.sum, reductions.mean, reductions.var, reductions.std, reductions.norm
    max, min, amax, amin = reductions.max, reductions.min, reductions.amax, reductions.amin
    argmax, argmin, all, any = reductions.argmax, reductions.argmin, reductions.all, reductions.any
    logsumexp, softmax, log_softmax = softmaxes.logsumexp, softmaxes.softmax, softmaxes.log_softmax
    matmul = mm = products.matmul

    reshape, view, view_as, flatten, unflatten = shapes.reshape, shapes.reshape, shapes.view_as, shapes.flatten, shapes.unflatten
    squeeze, unsqueeze, expand, expand_as = shapes.squeeze, shapes.unsqueeze, shapes.expand, shapes.expand_as
    repeat, permute, transpose, t, flip = shapes.repeat, shapes.permute, shapes.transpose, shapes.t, shapes.flip
    narrow, split, chunk, unbind = shapes.narrow, shapes.split, shapes.chunk, shapes.unbind
    gather, index_select = indexing.gather, indexing.index_select

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor where `condition` holds, `other` elsewhere."""
        return elementwise.where(condition, self, other)

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return shapes.permute(self, *range(self.ndim)[::-1])

    @property
    def mT(self) -> Tensor:
        """The last two dimensions exchanged."""
        return shapes.transpose(self, -1, -2)

    def clone(self) -> Tensor:
        """A copy in memory of its own; gradients flow back to the original."""
        return autograd.clone(self)

    def contiguous(self) -> Tensor:
        """This tensor itself: how elements lie in memory is never visible, so every tensor counts as contiguous."""
        return self

    def is_contiguous(self) -> bool:
        """True; see `contiguous`."""
        return True

    # ---------------------------------------------------------------------------------------- in place

    add_, sub_ = _in_place(elementwise.add, "add_"), _in_place(elementwise.sub, "sub_")
    mul_, div_ = _in_place(elementwise.mul, "mul_"), _in_place(elementwise.div, "div_")
    pow_, clamp_ = _in_place(elementwise.pow, "pow_"), _in_place(elementwise.clamp, "clamp_")
    relu_, neg_ = _in_place(elementwise.relu, "relu_"), _in_place(elementwise.neg, "neg_")
    exp_, sqrt_ = _in_place(elementwise.exp, "exp_"), _in_place(elementwise.sqrt, "sqrt_")
    tanh_, sigmoid_ = _in_place(elementwise.tanh, "tanh_"), _in_place(elementwise.sigmoid, "sigmoid_")
    masked_fill_ = _in_place(elementwise.masked_fill, "masked_fill_")
    __iadd__, __isub__, __imul__, __itruediv__, __ipow__ = add_, sub_, mul_, div_, pow_
    __ifloordiv__, __imod__ = _in_place(elementwise.floor_divide, "floor_divide_"), _in_place(elementwise.remainder, "remainder_")
    __iand__, __ior__ = _in_place(elementwise.bitwise_and, "bitwise_and_"), _in_place(elementwise.bitwise_or, "bitwise_or_")
    __ixor__ = _in_place(elementwise.bitwise_xor, "bitwise_xor_")

    def copy_(self, src: Any) -> Tensor:
        """Write the values of `src`, which is broadcast and converted; returns self."""
        return self._overwrite(as_operand("copy_", src, self), "copy_")

    def fill_(self, value: Any) -> Tensor:
        """Write `value`, a number or a 0-d tensor, everywhere; returns self."""
        if isinstance(value, Variable) and value.array.ndim:
            raise ValueError(f"fill_: expected a number or a 0-d tensor, got shape {tuple(value.array.shape)}")
        return self._overwrite(as_operand("fill_", value, self), "fill_")

    def _overwrite(self, value: Any, operation: str) -> Tensor:
        return self._replace(_overwrite(self, self._like(value, self.array.shape, operation)), operation)

    def zero_(self) -> Tensor:
        """Write zeros; returns self."""
        return self._overwrite(0, "zero_")

    def normal_(self, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Tensor:
        """Write normally distributed values; returns self."""
        mean, std = as_number("normal_", "mean", mean), as_number("normal_", "std", std, 0)
        draw = (generator or default_generator).numpy.standard_normal
        return self._replace(self._drawn("normal_", draw, mean, std), "normal_")

    def uniform_(self, a: Any = 0.0, b: Any = 1.0, *, generator: Any = None) -> Tensor:
        """Write values evenly distributed over [a, b); returns self."""
        a, b = as_number("uniform_", "a", a), as_number("uniform_", "b", b)
        if not a <= b:
            raise ValueError(f"uniform_: expected a <= b, got a={a} and b={b}")
        draw = (generator or default_generator).numpy.random
        return self._replace(self._drawn("uniform_", draw, a, b - a), "uniform_")

    def _drawn(self, operation: str, draw: Callable[..., np.ndarray], shift: Any, scale: Any) -> Tensor:
        if self.dtype.kind != "f":
            raise RuntimeError(f"{operation}: draws floats, which can't be written into {self.dtype}")
        draws = draw(self.array.shape, np.float64 if self.dtype == np.float64 else np.float32)
        return Tensor._wrap(to_device(np.asarray(draws * scale + shift, self.dtype), self.device))

    # ----------------------------------------------------------------------- conversions to one dtype
    # At the end of the class, since after these definitions the names float, int and bool no longer mean Python's types in here.

    def float(self) -> Tensor:
        """As float32."""
        return self.to(np.dtype(np.float32))

    def double(self) -> Tensor:
        """As float64."""
        return self.to(np.dtype(np.float64))

    def half(self) -> Tensor:
        """As float16."""
        return self.to(np.dtype(np.float16))

    def long(self) -> Tensor:
        """As int64; fractions are cut off."""
        return self.to(np.dtype(np.int64))

    def int(self) -> Tensor:
        """As int32; fractions are cut off."""
        return self.to(np.dtype(np.int32))

    def bool(self) -> Tensor:
        """As bool: whether each element is non-zero."""
        return self.to(np.dtype(np.bool_))


def _rebuild(kind: type[Tensor], array: np.ndarray, requires_grad: bool, device: str) -> Tensor:
    tensor = kind.__new__(kind)
    Variable.__init__(tensor, to_device(array, Device(device)), requires_grad)
    return tensor


# the old values have no influence on the new ones, but what is written over stays part of the graph
_overwrite = Primitive(lambda xp, old, new: new, name="copy")
_overwrite.derivatives(old=lambda g: g._make(full_like(g.array, 0)), new=lambda g: g)

_move = Primitive(lambda xp, a, *, target, source: to_device(a, target), name="to_device")
_move.derivatives(a=lambda g, target, source: _move(g, target=source, source=target))
