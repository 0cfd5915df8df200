"""The modules of the stand-in: every public name of the manifest, created at first use."""

from __future__ import annotations

import functools
import math
import operator
import re
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from . import core
from .core import (
    MANIFEST,
    Device,
    argument,
    bind,
    call_numpy,
    ndarray,
    note,
    signature_of,
    unwrap,
    wrap,
    wrap_result,
)

VERSION = "14.2.0"


class StandIn(types.ModuleType):
    """A module with the real one's public names: those in `made`, the rest by the manifest."""

    def __init__(
        self, name: str, numpy_part: Any = None, made: dict[str, Any] | None = None
    ) -> None:
        super().__init__(name)
        # a package, so that `import cupy.random` looks in sys.modules
        self.__path__: list[str] = []
        self._numpy_part = numpy_part
        for key, value in (made or {}).items():
            if key not in MANIFEST.get(name, {key: None}):
                raise AttributeError(
                    f"the stand-in made {name}.{key}, which the real package lacks"
                )
            setattr(self, key, value)

    def __getattr__(self, name: str) -> Any:
        entry = MANIFEST.get(self.__name__, {}).get(name)
        if entry is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = self._make(name, entry)
        setattr(self, name, value)
        return value

    def _make(self, name: str, entry: dict[str, Any]) -> Any:
        kind, theirs = (
            entry["kind"],
            OLD_NAMES[name] if name in OLD_NAMES else getattr(self._numpy_part, name, None),
        )
        refuse = core.unsupported(f"{self.__name__}.{name}")
        if kind == "ufunc":
            return core.ufunc(name, entry, theirs)
        if kind == "function":
            made = theirs is not None and entry["sig"] and name not in core.UNSUPPORTED
            return call_numpy(name, entry["sig"], theirs) if made else refuse
        if kind == "class":
            return theirs if name in HOST_CLASSES else type(name, (), {"__init__": refuse})
        if kind == "const" and entry["type"] in (
            "CClass",
            "RClass",
            "nd_grid",
        ):  # one only indexes these
            return type(entry["type"], (), {"__getitem__": refuse})()
        if kind == "dtype" or (
            kind == "const" and entry["type"] in ("float", "NoneType", "IndexExpression")
        ):
            return theirs
        return refuse()


OLD_NAMES = {  # names that numpy 2 dropped, or is about to, and CuPy 14 still has
    "fix": np.trunc,
    "float_": np.float64, "complex_": np.complex128, "cfloat": np.complex128,
    "singlecomplex": np.complex64,
    **dict.fromkeys(("Inf", "Infinity", "PINF", "infty"), math.inf),
    **dict.fromkeys(("NAN", "NaN"), math.nan), "NINF": -math.inf, "NZERO": -0.0, "PZERO": 0.0,
}  # fmt: skip
HOST_CLASSES = {"dtype", "finfo", "iinfo", "ndindex"}


# ---------------------------------------------------------------- cupy


def array(obj: Any, dtype: Any = None, copy: Any = True, order: str = "K", subok: bool = False,
          ndmin: int = 0, *, blocking: bool = False) -> ndarray:  # fmt: skip
    """`cupy.array`: host data is uploaded, a device array is copied unless `copy` is False."""
    if subok:
        raise NotImplementedError("the stand-in for cupy has no subok")
    if isinstance(obj, ndarray):
        elsewhere = obj._device != core.machine.current
        core.touch(obj)
        host = np.array(
            obj._host, dtype=dtype, order=order, ndmin=ndmin, copy=None if not copy else True
        )
        if host is obj._host and not elsewhere:
            return obj
        if elsewhere:
            note("launches", "copy between devices")
            return wrap(host.copy())
        return wrap_result(host, [obj], "array")
    if type(obj) in (list, tuple) and obj and all(isinstance(v, ndarray) for v in obj):
        stacked = np.stack([unwrap(v) for v in obj])
        return wrap_result(np.array(stacked, dtype=dtype, order=order, ndmin=ndmin), [], "array")
    host = core.upload(obj, "array", dtype)
    if blocking:
        note("waits", "array(blocking=True)")
    return wrap(np.array(host, order=order, ndmin=ndmin, copy=None))


def asarray(a: Any, dtype: Any = None, order: str | None = None, *, copy: Any = None,
            blocking: bool = False) -> ndarray:  # fmt: skip
    return array(a, dtype, bool(copy), order or "K", blocking=blocking)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    if not isinstance(a, ndarray):
        raise TypeError(f"Argument 'a' has incorrect type (expected cupy.ndarray, got {type(a)})")
    if a.ndim == 0:
        a = a.reshape(1)
    return wrap_result(np.ascontiguousarray(unwrap(a), dtype), [a], "ascontiguousarray")


def asnumpy(
    a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
) -> np.ndarray:
    if isinstance(a, ndarray):
        return a.get(stream=stream, order=order, out=out, blocking=blocking)
    host = np.asarray(a, order=order)
    if out is None:
        return host
    np.copyto(out, host)
    return out


def get_array_module(*args: Any) -> types.ModuleType:
    return cupy if any(isinstance(a, ndarray) for a in args) else np


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    if isinstance(shape, ndarray):
        raise TypeError("empty: shape: 'ndarray' object cannot be interpreted as an integer")
    return wrap(core.poison(np.empty(shape, dtype, order)))


def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    if subok is not None:
        raise TypeError("subok is not supported yet")
    host = unwrap(prototype) if isinstance(prototype, ndarray) else prototype
    return wrap(core.poison(np.empty_like(host, dtype=dtype, order=order, shape=shape)))


def from_dlpack(array: Any, device: Any = None, copy: Any = None) -> ndarray:
    if not isinstance(array, ndarray) or device is not None:
        raise NotImplementedError(
            "the stand-in for cupy takes only its own arrays, and no device, from_dlpack"
        )
    return (
        array.copy()
        if copy
        else wrap(unwrap(array).view(), array if array.base is None else array.base)
    )


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    if not isinstance(dst, ndarray):
        raise TypeError(f"dst must be a cupy.ndarray, got {type(dst)}")
    core.check_scatter(unwrap(dst), "copyto")
    given: list[ndarray] = []
    source = argument(src, "copyto", "src", given)
    mask = True if where is None else argument(where, "copyto", "where", given)
    note("launches", "copyto")
    np.copyto(unwrap(dst), source, casting=casting, where=mask)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any, mode: str = "wrap") -> None:
    if not isinstance(arr, ndarray) or not isinstance(indices, ndarray):
        raise TypeError("put_along_axis: arr and indices must be cupy.ndarray")
    if axis is None or mode != "wrap":
        raise NotImplementedError(
            "the stand-in for cupy's put_along_axis needs an axis and mode='wrap'"
        )
    value = unwrap(values) if isinstance(values, ndarray) else core.scalar(values, "put_along_axis")
    host = unwrap(arr)
    core.check_scatter(host, "put_along_axis")
    note("launches", "put_along_axis")
    np.put_along_axis(host, unwrap(indices) % host.shape[axis], value, axis)


def take_along_axis(a: Any, indices: Any, axis: Any = -1) -> ndarray:
    """Indices out of range wrap round, as in CuPy; host indices are uploaded."""
    if not isinstance(a, ndarray):
        raise TypeError(f"take_along_axis: Unsupported type {type(a)} for a")
    if axis is None:
        a, axis = a.ravel(), 0
    picks = (
        unwrap(indices) if isinstance(indices, ndarray) else core.upload(indices, "take_along_axis")
    )
    host = unwrap(a)
    if picks.dtype.kind not in "iu":
        raise IndexError(f"`indices` must be an integer array, not {picks.dtype}")
    return wrap_result(
        np.take_along_axis(host, picks % max(host.shape[axis], 1), axis), [], "take_along_axis"
    )


MATMUL = signature_of(MANIFEST["cupy"]["matmul"]["sig"])


def matmul(*args: Any, **kwargs: Any) -> ndarray:
    """cuBLAS reads C- or Fortran-ordered matrices; CuPy copies others, such as windows.

    In a stack, an operand with more than two axes, it copies all that is not C-contiguous, also
    what lies transposed.
    """
    bound = bind("matmul", MATMUL, args, kwargs)
    if set(bound) - {"args", "dtype", "out"} or len(args) != 2:
        raise NotImplementedError(
            f"the stand-in for cupy's matmul takes two arrays, dtype and out, not {sorted(bound)}"
        )
    copies = []
    in_stack = max(getattr(a, "ndim", 0) for a in args) > 2
    for name, operand in zip("ab", args, strict=True):
        if not isinstance(operand, ndarray):
            raise TypeError(
                f"Argument {name!r} has incorrect type (expected cupy.ndarray, got {type(operand)})"
            )
        host = unwrap(operand)
        if not (host.flags.c_contiguous or (host.flags.f_contiguous and not in_stack)):
            note("launches", "copy for matmul")
            copies.append(core.wrap(host.copy()))  # which takes memory until the product is made
    out, dtype = bound.get("out"), bound.get("dtype")
    if isinstance(out, tuple):
        (out,) = out
    if out is not None:
        if not isinstance(out, ndarray):
            raise TypeError(f"out must be a cupy.ndarray, got {type(out)}")
        core.check_scatter(unwrap(out), "matmul")
    with np.errstate(all="ignore"):
        result = np.matmul(
            *(unwrap(a) for a in args), out=None if out is None else unwrap(out), dtype=dtype
        )
    return wrap_result(result, [] if out is None else [out], "matmul", written=True)


class ElementwiseKernel:
    """CuPy's kernel with parameter checks and a reference in numpy instead of the compiled text.

    A call needs `reference_kernels[name]`: a function that gets the numpy inputs and outputs
    (broadcast to the loop's shape unless `raw`) and writes into the outputs. NotImplementedError
    without one.
    """

    def __init__(self, in_params: str, out_params: str, operation: str, name: str = "kernel",
                 reduce_dims: bool = True, preamble: str = "", no_return: bool = False,
                 return_tuple: bool = False, **kwargs: Any) -> None:  # fmt: skip
        self.in_params, self.out_params = _parameters(in_params), _parameters(out_params)
        self.operation, self.name, self.preamble = operation, name, preamble
        self.reduce_dims, self.no_return, self.return_tuple = reduce_dims, no_return, return_tuple
        self.nin, self.nout = len(self.in_params), len(self.out_params)
        self.nargs = self.nin + self.nout
        self.kwargs = kwargs

    def __call__(
        self, *args: Any, size: int | None = None, stream: Any = None, block_size: int = 128
    ) -> Any:
        reference = _reference(self.name)
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(
                f"Wrong number of arguments for {self.name}: {len(args)}, "
                f"it takes {self.nin} or {self.nargs}"
            )
        letters: dict[str, np.dtype] = {}
        params = self.in_params + self.out_params
        for param, value in zip(params, args, strict=False):
            _check_kernel_argument(
                self.name, param, value, letters, is_output=param in self.out_params
            )
        shapes = [
            v.shape
            for p, v in zip(params, args, strict=False)
            if isinstance(v, ndarray) and not p.raw
        ]
        if size is not None and shapes:
            raise ValueError("Specified 'size' can be used only if all of the ndarray are 'raw'.")
        if size is None and not shapes:
            raise ValueError("Loop size is undecided.")
        shape = (size,) if size is not None else np.broadcast_shapes(*shapes)
        inputs = []
        for param, value in zip(self.in_params, args, strict=False):
            if not isinstance(value, ndarray):
                value = np.asarray(value, dtype=letters.get(param.type) or param.type)[()]
            else:
                value = unwrap(value) if param.raw else np.broadcast_to(unwrap(value), shape)
            inputs.append(value)
        outputs = list(args[self.nin :])
        if not outputs:
            if any(p.raw for p in self.out_params):
                raise ValueError("Output array size is Undecided")
            for param in self.out_params:
                if len(param.type) == 1 and param.type not in letters:
                    raise TypeError(f"{self.name}: no input decides type {param.type}")
                outputs.append(empty(shape, letters.get(param.type) or param.type))
        for param, out in zip(self.out_params, outputs, strict=True):
            if not param.raw and out.shape != shape:
                raise ValueError(
                    f"Out shape is mismatched: {param.name} has {out.shape}, the loop {shape}"
                )
            if not param.raw:
                core.check_scatter(out._host, self.name)
        note("launches", self.name)
        with np.errstate(all="ignore"):
            reference(*inputs, *(unwrap(o) for o in outputs))
        if self.no_return:
            return None
        return tuple(outputs) if self.nout > 1 or self.return_tuple else outputs[0]


class _Parameter:
    """One of a kernel's parameters: "raw T x"."""

    def __init__(self, text: str) -> None:
        *words, self.type, self.name = text.split()
        self.raw = "raw" in words
        if set(words) - {"raw", "_non_const"} or not re.fullmatch(r"[A-Za-z]\w*", self.name):
            raise ValueError(f"kernel parameter {text!r}: expected '[raw] type name'")
        if len(self.type) > 1:
            self.type = np.dtype(self.type).name


def _parameters(text: str) -> list[_Parameter]:
    return [_Parameter(part) for part in text.split(",") if part.strip()]


def _check_kernel_argument(
    kernel: str, param: _Parameter, value: Any, letters: dict[str, np.dtype], is_output: bool
) -> None:
    if not isinstance(value, ndarray):
        if is_output or param.raw or not isinstance(value, (bool, int, float, complex, np.generic)):
            raise TypeError(f"{kernel}: Unsupported type {type(value)} for {param.name}")
        if isinstance(value, np.generic) and len(param.type) == 1:
            letters.setdefault(param.type, value.dtype)
        return
    if len(param.type) == 1:
        expected = letters.setdefault(param.type, value.dtype)
    else:
        expected = np.dtype(param.type)
    if value.dtype != expected:
        raise TypeError(f"{kernel}: Type is mismatched. {param.name} {value.dtype} {expected}")


class ReductionKernel:
    """CuPy's reduction; `reference_kernels[name](*inputs, axis=, keepdims=)` returns the result."""

    def __init__(self, in_params: str, out_params: str, map_expr: str, reduce_expr: str,
                 post_map_expr: str, identity: Any, name: str = "reduce_kernel",
                 reduce_type: Any = None, reduce_dims: bool = True, preamble: str = "",
                 options: tuple = ()) -> None:  # fmt: skip
        self.in_params, self.out_params = _parameters(in_params), _parameters(out_params)
        if len(self.out_params) != 1:
            raise NotImplementedError("the stand-in for cupy's ReductionKernel has one output")
        self.name = name

    def __call__(
        self,
        *args: Any,
        axis: Any = None,
        keepdims: bool = False,
        out: Any = None,
        stream: Any = None,
    ) -> Any:
        reference = _reference(self.name)
        if len(args) != len(self.in_params) or out is not None:
            raise NotImplementedError(
                f"{self.name}: the stand-in takes the {len(self.in_params)} inputs and no out"
            )
        letters: dict[str, np.dtype] = {}
        for param, value in zip(self.in_params, args, strict=True):
            _check_kernel_argument(self.name, param, value, letters, is_output=False)
        hosts = [unwrap(a) if isinstance(a, ndarray) else a for a in args]
        kind = self.out_params[0].type
        with np.errstate(all="ignore"):
            result = np.asarray(reference(*hosts, axis=axis, keepdims=keepdims))
        return wrap_result(result.astype(letters.get(kind) or kind), [], self.name)


class RawKernel:
    """CuPy's kernel from source.

    `reference_kernels[name](grid, block, *args)` writes into its arguments.
    """

    def __init__(self, code: str, name: str, options: tuple = (), backend: str = "nvrtc", *,
                 translate_cucomplex: bool = False, enable_cooperative_groups: bool = False,
                 jitify: bool = False) -> None:  # fmt: skip
        if backend not in ("nvrtc", "nvcc"):
            raise ValueError(f"Invalid backend: {backend}")
        self.code, self.name, self.options, self.backend = code, name, options, backend

    def __call__(
        self, grid: tuple, block: tuple, args: tuple, *, shared_mem: int = 0, stream: Any = None
    ) -> None:
        reference = _reference(self.name)
        if not (isinstance(grid, tuple) and isinstance(block, tuple) and isinstance(args, tuple)):
            raise TypeError(f"{self.name}: grid, block and args must be tuples")
        if math.prod(block) > 1024 or math.prod(block) < 1 or math.prod(grid) < 1:
            raise ValueError(f"{self.name}: no device launches grid {grid}, block {block}")
        for value in args:
            if isinstance(value, float):
                continue  # passed as a double
            if not isinstance(value, (ndarray, np.generic, bool, int, complex)):
                raise TypeError(f"Unsupported type {type(value)}")
        note("launches", self.name)
        with np.errstate(all="ignore"):
            reference(grid, block, *(unwrap(a) if isinstance(a, ndarray) else a for a in args))


class RawModule:
    """A source with several kernels; `get_function(name)` gives each as a `RawKernel`."""

    def __init__(self, *, code: str, options: tuple = (), backend: str = "nvrtc",
                 translate_cucomplex: bool = False, enable_cooperative_groups: bool = False,
                 name_expressions: Any = None, jitify: bool = False) -> None:  # fmt: skip
        if name_expressions is not None:
            raise NotImplementedError("the stand-in for cupy's RawModule has no name_expressions")
        self.code, self.options, self.backend = code, options, backend

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self.code, name, self.options, self.backend)

    def compile(self, log_stream: Any = None) -> None:
        """Nothing to compile here; that the source compiles is another test's business."""


reference_kernels: dict[str, Callable] = {}


def _reference(name: str) -> Callable:
    if name not in reference_kernels:
        raise NotImplementedError(
            f"kernel {name!r} has no reference: put one into strict_cupy.reference_kernels"
        )
    return reference_kernels[name]


# ---------------------------------------------------------------- operators and methods


def _yields_to(array: ndarray, other: Any) -> bool:
    """Whether to call the other operand's reflected operator: NEP 13, then priorities."""
    try:
        return other.__array_ufunc__ is None
    except AttributeError:
        return array.__array_priority__ < getattr(other, "__array_priority__", 0)


def _operator(function: Any, swapped: bool = False, in_place: bool = False) -> Callable:
    def apply(self: ndarray, other: Any) -> Any:
        if not in_place and _yields_to(self, other):
            return NotImplemented
        if other is None and function.__name__ in ("equal", "not_equal"):
            return cupy.full(self.shape, function.__name__ == "not_equal")
        if in_place:
            return function(self, other, out=self)
        return function(other, self) if swapped else function(self, other)

    return apply


def _pairs(text: str) -> list[list[str]]:
    return [part.split(":") for part in text.split()]


def complete(cls: type) -> None:
    """Puts CuPy's operators and the manifest's other methods onto the array class."""
    arithmetic = """
        add:add sub:subtract mul:multiply truediv:true_divide floordiv:floor_divide mod:remainder
        pow:power and:bitwise_and or:bitwise_or xor:bitwise_xor lshift:left_shift
        rshift:right_shift divmod:divmod matmul:matmul
    """
    for name, function in _pairs(arithmetic):
        ours = getattr(cupy, function)
        setattr(cls, f"__{name}__", _operator(ours))
        setattr(cls, f"__r{name}__", _operator(ours, swapped=True))
        if name not in ("divmod", "matmul"):
            setattr(cls, f"__i{name}__", _operator(ours, in_place=True))
    for name, function in _pairs(
        "eq:equal ne:not_equal lt:less le:less_equal gt:greater ge:greater_equal"
    ):
        setattr(cls, f"__{name}__", _operator(getattr(cupy, function)))
    for name, function in _pairs("neg:negative pos:positive abs:absolute invert:invert"):
        setattr(cls, f"__{name}__", functools.partialmethod(_unary, getattr(cupy, function)))
    for name, rows in MANIFEST["cupy"]["ndarray"]["methods"].items():
        if name.startswith("_") or name in vars(cls) or not isinstance(rows, list):
            continue
        if name.startswith("scatter_"):
            setattr(cls, name, _scatter(name))
            continue
        function = getattr(np.ndarray, name, None)
        if not callable(function):  # `ptp` is only a function in numpy 2
            function = getattr(np, name, None)
        if function is None or name in core.UNSUPPORTED:
            setattr(cls, name, core.unsupported(f"ndarray.{name}"))
        else:
            setattr(cls, name, call_numpy(name, rows, function))


def _unary(self: ndarray, function: Any) -> Any:
    return function(self)


def _scatter(name: str) -> Callable:
    function = {"scatter_add": "add", "scatter_max": "maximum", "scatter_min": "minimum"}[name]

    def scatter(a: Any, slices: Any, value: Any) -> None:
        if not isinstance(a, ndarray):
            raise TypeError(f"{name}: Unsupported type {type(a)}")
        getattr(cupy, function).at(a, slices, value)

    return scatter


# ---------------------------------------------------------------- cupy.random


def _draw(name: str, rows: list[list[Any]]) -> Callable:
    """A method of `Generator` or `RandomState`: numpy draws, the result lies on the device."""
    signature = signature_of(rows)

    def draw(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = bind(name, signature, (self, *args), kwargs)
        bound.pop("self")
        extra = bound.pop("kwarg", {})  # of rand and randn
        dtype, out = bound.pop("dtype", extra.pop("dtype", None)), bound.pop("out", None)
        if extra:
            raise TypeError(f"{name}() got an unexpected keyword argument {min(extra)!r}")
        if out is not None:
            if not isinstance(out, ndarray):
                raise TypeError(f"{name}: out must be a cupy.ndarray, got {type(out)}")
            if bound.get("size", out.shape) != out.shape or dtype not in (None, out.dtype):
                raise ValueError(f"{name}: out is {out.dtype} {out.shape}")
            bound["size"], dtype = out.shape, out.dtype
        given: list[ndarray] = []
        values = {
            NUMPY_NAMES.get((name, k), k): argument(v, name, k, given) for k, v in bound.items()
        }
        sizes = values.pop("size", ()) if name in ("rand", "randn") else ()
        if isinstance(self, Generator) and dtype is not None and name in FLOAT_DRAWS:
            values["dtype"] = dtype  # float32 or float64; numpy refuses others, as CuPy does
        result = getattr(self._host, name)(*sizes, **values)
        if result is None:  # shuffle
            note("launches", name)
            return None
        made = wrap_result(np.array(result, dtype=dtype), [], name)
        if out is None:
            return made
        out[...] = made
        return out

    draw.__name__ = draw.__qualname__ = name
    return draw


FLOAT_DRAWS = {"random", "standard_normal", "standard_exponential", "standard_gamma"}
NUMPY_NAMES = {("permutation", "a"): "x", ("shuffle", "a"): "x"}


def _seeded(seed: Any) -> Any:
    """Another seed for numpy, because CuPy's generators give other numbers than numpy's."""
    return None if seed is None else [0xC0DE, *np.atleast_1d(seed).tolist()]


class XORWOW:
    """A bit generator: here only a seed."""

    def __init__(self, seed: Any = None, *, size: int = -1) -> None:
        if isinstance(seed, ndarray):
            raise TypeError("the seed must be on the host")
        self._seed = seed


class Generator:
    """`cupy.random.Generator`, with the methods that the real one has."""

    def __init__(self, bit_generator: Any) -> None:
        if not isinstance(bit_generator, XORWOW):
            raise TypeError(f"expected a cupy.random bit generator, got {type(bit_generator)}")
        core.check_device(core.machine.current)
        self.bit_generator = bit_generator
        self._host = np.random.Generator(np.random.PCG64(_seeded(bit_generator._seed)))


class RandomState:
    """`cupy.random.RandomState`, with the methods that the real one has."""

    def __init__(self, seed: Any = None, method: int = 100) -> None:
        core.check_device(core.machine.current)
        self.seed(seed)

    def seed(self, seed: Any = None) -> None:
        self._host = np.random.RandomState(np.random.MT19937(_seeded(seed)))


def default_rng(seed: Any = None) -> Generator:
    if isinstance(seed, Generator):
        return seed
    return Generator(seed if isinstance(seed, XORWOW) else XORWOW(seed))


_states: dict[int, RandomState] = {}


def get_random_state() -> RandomState:
    return _states.setdefault(core.machine.current, RandomState())


def _module_draw(name: str, method: str) -> Callable:
    def draw(*args: Any, **kwargs: Any) -> Any:
        return getattr(get_random_state(), method)(*args, **kwargs)

    draw.__name__ = draw.__qualname__ = name
    return draw


def _fill_random(module: StandIn) -> None:
    for cls in (Generator, RandomState):
        for name, rows in MANIFEST["cupy.random"][cls.__name__]["methods"].items():
            if name not in vars(cls) and isinstance(rows, list):
                has_it = hasattr(getattr(np.random, cls.__name__), name)
                setattr(
                    cls,
                    name,
                    _draw(name, rows) if has_it else core.unsupported(f"{cls.__name__}.{name}"),
                )
    for cls in (Generator, RandomState, XORWOW):
        setattr(module, cls.__name__, cls)
    module.default_rng, module.get_random_state = default_rng, get_random_state
    for name, entry in MANIFEST["cupy.random"].items():
        method = {
            "random": "random_sample",
            "ranf": "random_sample",
            "sample": "random_sample",
        }.get(name, name)
        if (
            entry["kind"] == "function"
            and name not in vars(module)
            and hasattr(RandomState, method)
        ):
            setattr(module, name, _module_draw(name, method))


# ---------------------------------------------------------------- cupy.cuda


class MemoryPool:
    """The default pool; it keeps no books here, so sizes are refused rather than invented."""

    def free_all_blocks(self, stream: Any = None) -> None:
        """Nothing is pooled."""

    used_bytes = core.unsupported("MemoryPool.used_bytes")
    total_bytes = core.unsupported("MemoryPool.total_bytes")
    set_limit = core.unsupported("MemoryPool.set_limit")


def _is_available() -> bool:
    return core.machine.devices > 0


def _device_count() -> int:
    if core.machine.devices == 0:
        raise core.CUDARuntimeError(core.machine.status)
    return core.machine.devices


def _synchronize_device() -> None:
    core.check_device(core.machine.current)
    note("waits", "deviceSynchronize")
    core.finish_all()


def _device_properties(device: int) -> dict[str, Any]:
    core.check_device(device)
    return {"name": b"stand-in", "major": 9, "minor": 0}


def _driver_version() -> int:
    return 0 if core.machine.devices == 0 and core.machine.status == 35 else 13000


_pool, _pinned_pool = MemoryPool(), MemoryPool()

runtime = StandIn(
    "cupy.cuda.runtime",
    None,
    {
        "CUDARuntimeError": core.CUDARuntimeError,
        "getDeviceCount": _device_count,
        "getDevice": lambda: core.check_device(core.machine.current),
        "setDevice": lambda device: Device(device).use() and None,
        "deviceSynchronize": _synchronize_device,
        "getDeviceProperties": _device_properties,
        "runtimeGetVersion": lambda: 13000,
        "driverGetVersion": _driver_version,
        "memGetInfo": core.unsupported("runtime.memGetInfo"),
    },
)
cuda = StandIn(
    "cupy.cuda",
    None,
    {
        "Device": Device,
        "Stream": core.Stream,
        "Event": core.Event,
        "MemoryHook": core.MemoryHook,
        "MemoryPool": MemoryPool,
        "PinnedMemoryPointer": core.PinnedMemoryPointer,
        "alloc_pinned_memory": core.alloc_pinned_memory,
        "get_current_stream": core.current_stream,
        "get_device_id": lambda: core.machine.current,
        "is_available": _is_available,
        "runtime": runtime,
    },
)
stride_tricks = StandIn("cupy.lib.stride_tricks")


def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    """A view, which is writable; a write through an overlapping view is refused."""
    if not isinstance(x, ndarray):
        raise TypeError(f"as_strided: Unsupported type {type(x)}")
    host = unwrap(x)
    shape = host.shape if shape is None else tuple(map(operator.index, shape))
    strides = host.strides if strides is None else tuple(map(operator.index, strides))
    low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True))
    high = sum(max(0, (n - 1) * s) for n, s in zip(shape, strides, strict=True)) + host.itemsize
    owner = host if x._base is None else x._base._host
    offset = host.ctypes.data - owner.ctypes.data
    if math.prod(shape) and (offset + low < 0 or offset + high > owner.nbytes):
        raise ValueError(
            f"as_strided: shape {shape} with strides {strides} reaches outside the array's memory"
        )
    return wrap(
        np.lib.stride_tricks.as_strided(host, shape, strides), x if x._base is None else x._base
    )


def sliding_window_view(x: ndarray, window_shape: Any, axis: Any = None, *, subok: bool = False,
                        writeable: bool = False) -> ndarray:  # fmt: skip
    """Not free in CuPy 14: 2 launches, an upload and 2 waits a call, which `as_strided` avoids."""
    if not isinstance(x, ndarray):
        raise TypeError(f"sliding_window_view: Unsupported type {type(x)}")
    if writeable:
        raise NotImplementedError("Writeable views are not supported.")
    if subok:
        raise NotImplementedError("the stand-in for cupy has no subok")
    note("launches", "sliding_window_view", 2)
    note("uploads", "sliding_window_view")
    note("waits", "sliding_window_view", 2)
    view = np.lib.stride_tricks.sliding_window_view(unwrap(x), window_shape, axis)
    return wrap(view, x if x._base is None else x._base)


stride_tricks.as_strided, stride_tricks.sliding_window_view = as_strided, sliding_window_view
lib = StandIn("cupy.lib")
lib.stride_tricks = stride_tricks

# ---------------------------------------------------------------- cupyx


def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    shape = shape if isinstance(shape, tuple) else (shape,)
    memory = core.alloc_pinned_memory(math.prod(shape) * np.dtype(dtype).itemsize)
    return np.ndarray(shape, dtype, memory, order=order)


def zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    zeros = empty_pinned(shape, dtype, order)
    zeros[...] = 0
    return zeros


SPECIAL: dict[str, Callable[[float], float]] = {
    "erf": math.erf,
    "erfc": math.erfc,
    "gammaln": math.lgamma,
}
special = StandIn("cupyx.scipy.special")
for _name, _function in SPECIAL.items():
    _entry = MANIFEST["cupyx.scipy.special"][_name]
    setattr(special, _name, core.ufunc(_name, _entry, np.vectorize(_function, otypes=[float])))
scipy = StandIn("cupyx.scipy")
scipy.special = special


class _Times:
    """What `benchmark` returns: seconds of each call, of the host and of each device."""

    def __init__(self, name: str, seconds: list[float]) -> None:
        self.name, self.cpu_times = name, np.array(seconds)
        self.gpu_times, self.devices = np.array([seconds]), (core.machine.current,)


def benchmark(func: Callable, args: tuple = (), kwargs: dict[str, Any] = {},  # noqa: B006
              n_repeat: int = 10000, *, name: str | None = None, n_warmup: int = 10,
              max_duration: float = math.inf, devices: Any = None) -> _Times:  # fmt: skip
    """`cupyx.profiler.benchmark`, which waits for each call; the device takes no other time."""
    seconds: list[float] = []
    for number in range(n_warmup + n_repeat):
        start = time.perf_counter()
        func(*args, **kwargs)
        note("waits", "benchmark")
        core.finish_all()
        seconds += [time.perf_counter() - start] if number >= n_warmup else []
        if sum(seconds) > max_duration:
            break
    return _Times(name or func.__name__, seconds)


profiler = StandIn("cupyx.profiler", None, {"benchmark": benchmark})
cupyx = StandIn(
    "cupyx",
    None,
    {
        "DeviceSynchronized": core.DeviceSynchronized,
        "allow_synchronize": core.allow_synchronize,
        "empty_pinned": empty_pinned,
        "zeros_pinned": zeros_pinned,
        "profiler": profiler,
        "scatter_add": _scatter("scatter_add"),
        "scatter_max": _scatter("scatter_max"),
        "scatter_min": _scatter("scatter_min"),
        "scipy": scipy,
        "rsqrt": core.ufunc("rsqrt", MANIFEST["cupyx"]["rsqrt"], lambda x: 1 / np.sqrt(x)),
    },
)

# ---------------------------------------------------------------- putting it together

exceptions = StandIn("cupy.exceptions")
for _name in MANIFEST["cupy.exceptions"]:
    if hasattr(np.exceptions, _name):  # RankWarning and TooHardError are numpy's too
        setattr(exceptions, _name, getattr(np.exceptions, _name))
linalg = StandIn("cupy.linalg", np.linalg, {"LinAlgError": np.linalg.LinAlgError, "matmul": matmul})
fft = StandIn("cupy.fft", np.fft)
random = StandIn("cupy.random")
cupy = StandIn(
    "cupy",
    np,
    {
        "ndarray": ndarray, "ufunc": core.ufunc, "array": array, "asarray": asarray,
        "asanyarray": asarray, "ascontiguousarray": ascontiguousarray, "asnumpy": asnumpy,
        "get_array_module": get_array_module, "empty": empty,
        "empty_like": empty_like, "from_dlpack": from_dlpack, "copyto": copyto,
        "put_along_axis": put_along_axis, "take_along_axis": take_along_axis, "matmul": matmul,
        "ElementwiseKernel": ElementwiseKernel, "ReductionKernel": ReductionKernel,
        "RawKernel": RawKernel, "RawModule": RawModule, "cuda": cuda, "linalg": linalg,
        "fft": fft, "lib": lib,
        "exceptions": exceptions,
        "AxisError": np.exceptions.AxisError, "is_available": _is_available,
        "get_default_memory_pool": lambda: _pool,
        "get_default_pinned_memory_pool": lambda: _pinned_pool,
    },
)  # fmt: skip
cupy.__version__ = VERSION
core.home["cupy"] = cupy
complete(ndarray)
_fill_random(random)
cupy.random = random
MODULES = {
    module.__name__: module
    for module in (cupy, cuda, runtime, exceptions, fft, lib, stride_tricks, linalg, random, cupyx,
                   profiler, scipy, special)
}  # fmt: skip
