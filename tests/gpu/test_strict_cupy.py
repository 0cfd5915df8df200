"""The stand-in for CuPy is never more lenient than the real package, and counts costs."""

from __future__ import annotations

import copy
import importlib
import json
import math
import pickle
import sys
import threading
import types

import numpy as np
import pytest
from strict_cupy import (
    DeviceSynchronized,
    Race,
    allow_synchronize,
    counting,
    cupy,
    cupyx,
    install,
    races,
    reference_kernels,
)
from strict_cupy.core import DATA, HOST_ANSWERS, MANIFEST, UNSUPPORTED

RECORDED = json.loads((DATA / "behaviour-14.2.0.json").read_text())

# Where CuPy returns something and the stand-in raises. All but the last five compute on the host.
STRICTER = {
    "cp.sum(n)": TypeError,
    "cp.mean(n)": TypeError,
    "cp.max(n)": TypeError,
    "cp.transpose(n)": TypeError,
    "cp.reshape(n,6)": TypeError,
    "cp.clip(n,0,1)": TypeError,
    # would call the function with numpy arrays
    "cp.apply_along_axis(lambda v:v.sum(),0,x)": NotImplementedError,
    "np.add.at(x,cp.array([0]),1.0)": TypeError,  # cp.add.at is the one to use
    "x=2**cp.array([-1])": ValueError,  # numpy refuses what CuPy makes 0
    "x=cp.array([2])**-1": ValueError,
    # CuPy's answer for several axes is not an argmax
    "x=cp.argmax(x.reshape(1,2,3),axis=(0,1))": TypeError,
}
# The recorder did not keep these values; that the call is accepted is what is recorded.
VALUE_NOT_RECORDED = {"np.put_along_axis(x,cp.array([[0],[1]]),0.0,axis=1)", "x.get(out=n)"}


@pytest.fixture
def x():
    return cupy.asarray(np.array([[-1, 2, 3], [4, 5, 6]], np.float32))


@pytest.fixture
def n():
    return np.ones((2, 3), np.float32)


def run(code: str, x, n):
    """An expression's value, or what a statement leaves in `i`, else in `x`."""
    names = {"np": np, "cp": cupy, "math": math, "copy": copy, "pickle": pickle, "x": x, "n": n}
    try:
        compiled = compile(code, code, "eval")
    except SyntaxError:
        eval(compile(code, code, "exec"), names)
        return names.get("i", names["x"])
    return eval(compiled, names)


# ---------------------------------------------------------------- the record


def test_the_record_is_whole():
    assert len(RECORDED) == 550
    assert set(STRICTER) | VALUE_NOT_RECORDED <= set(RECORDED)
    assert all(RECORDED[code][0] != "raise" for code in STRICTER)


@pytest.mark.filterwarnings(
    "ignore:.newshape. keyword:DeprecationWarning"
)  # CuPy has that name; numpy 2.1 to 2.3 warn of it
@pytest.mark.parametrize("code", RECORDED)
def test_recorded_expression(code, x, n):
    kind, *expected = RECORDED[code]
    if kind == "raise" or code in STRICTER:
        wanted = STRICTER[code].__name__ if code in STRICTER else expected[0]
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is checked below
            run(code, x, n)
        assert wanted in [t.__name__ for t in type(caught.value).__mro__]
        return
    if "cumulative_sum" in code and not hasattr(np, "cumulative_sum"):
        pytest.skip("numpy before 2.1 has no cumulative_sum to compute with")
    value = run(code, x, n)
    if kind == "array":
        dtype, shape, numbers = expected
        value = x if value is None else value  # calls that write into x
        assert type(value) is cupy.ndarray
        assert (str(value.dtype), list(value.shape)) == (dtype, shape)
        numbers_here = value.get().ravel()
        if numbers_here.dtype.kind == "c":
            numbers_here = numbers_here.real
        # recorded to 4 decimals
        np.testing.assert_allclose(numbers_here.astype(float), numbers, rtol=1e-6, atol=6e-5)
        return
    name, text = expected
    if code in VALUE_NOT_RECORDED:
        return
    if "function" in name or name in ("method", "_GUFunc"):
        assert callable(value)
    else:
        assert type(value).__name__ == name
    if text and name in ("int", "float", "bool", "str"):
        assert str(value) == text


# Loops of CuPy that numpy's function of that name hasn't, so that the stand-in refuses them.
NUMPY_LACKS = {
    f"{name} {loop}"
    for names, loops in [
        ("arctan2 atan2 copysign hypot nextafter", "FF->F DD->D"),
        ("i0", "F->F D->D"),
        ("gcd lcm subtract", "??->?"),
        ("negative positive", "?->?"),
    ]
    for name in names.split()
    for loop in loops.split()
}

# ---------------------------------------------------------------- names and signatures


def functions(module: types.ModuleType) -> list[str]:
    return [
        k
        for k, e in MANIFEST[module.__name__].items()
        if e["kind"] == "function" and e["sig"] is not None
    ]


@pytest.mark.parametrize(
    "module", [cupy, cupy.linalg, cupy.fft, cupy.random, cupy.cuda, cupyx], ids=lambda m: m.__name__
)
def test_names_are_those_of_the_real_package(module):
    public = {name for name in vars(module) if not name.startswith("_")}
    assert public <= set(MANIFEST[module.__name__])
    lacking = {name for name in dir(np) if not name.startswith("_")} - set(
        MANIFEST[module.__name__]
    )
    assert len(lacking) > 50
    for name in lacking:
        with pytest.raises(AttributeError, match="has no attribute"):
            getattr(module, name)


def test_methods_are_those_of_the_real_classes():
    for cls, entry in [
        (cupy.ndarray, MANIFEST["cupy"]["ndarray"]),
        (cupy.random.Generator, MANIFEST["cupy.random"]["Generator"]),
        (cupy.random.RandomState, MANIFEST["cupy.random"]["RandomState"]),
        (cupy.cuda.Stream, MANIFEST["cupy.cuda"]["Stream"]),
        (cupy.cuda.Event, MANIFEST["cupy.cuda"]["Event"]),
        (cupy.cuda.PinnedMemoryPointer, MANIFEST["cupy.cuda"]["PinnedMemoryPointer"]),
        (cupy.cuda.MemoryPool, MANIFEST["cupy.cuda"]["MemoryPool"]),
    ]:
        public = {name for name in vars(cls) if not name.startswith("_")}
        assert public and public <= set(entry["methods"]), cls


@pytest.mark.parametrize("module", [cupy, cupy.linalg, cupy.fft], ids=lambda m: m.__name__)
def test_an_unknown_keyword_is_refused_by_every_function(module, x):
    for name in functions(module):
        rows = MANIFEST[module.__name__][name]["sig"]
        if any(row[1] == "VAR_KEYWORD" for row in rows):
            continue
        required = [x for row in rows if not row[2] and row[1].startswith("POSITIONAL")]
        with pytest.raises(
            (TypeError, NotImplementedError), match="no_such_keyword|stand-in|stand_in"
        ):
            getattr(module, name)(*required, no_such_keyword=1)


def test_no_function_computes_on_the_host(n):
    """A numpy array as first argument is refused, except where CuPy uploads it."""
    takes_host = {"array", "asarray", "asanyarray", "asnumpy", "get_array_module"}
    takes_host |= (
        {"zeros_like", "ones_like", "full_like", "empty_like", "einsum"}
        | HOST_ANSWERS
        | UNSUPPORTED
    )
    checked = 0
    for name in functions(cupy):
        rows = MANIFEST["cupy"][name]["sig"]
        if (
            name in takes_host
            or not rows
            or rows[0][0] not in ("a", "x", "m", "arr", "ary", "array", "tup", "y", "v")
        ):
            continue
        rest = [0] * sum(1 for row in rows[1:] if not row[2] and row[1].startswith("POSITIONAL"))
        with pytest.raises((TypeError, ValueError, NotImplementedError)):
            getattr(cupy, name)(n, *rest)
        checked += 1
    assert checked > 100


@pytest.mark.parametrize("name", [k for k, e in MANIFEST["cupy"].items() if e["kind"] == "ufunc"])
def test_every_ufunc_has_the_real_limits(name, n):
    function, entry = getattr(cupy, name), MANIFEST["cupy"][name]
    dtype = np.dtype(entry["types"][0][0])
    good = [cupy.ones((2, 3), dtype)] * function.nin
    with pytest.raises(TypeError):
        function(*good, where=cupy.ones((2, 3), bool))
    with pytest.raises(TypeError):
        function(*good[1:], n)
    for method in ("reduce", "accumulate"):
        if not entry[method]:
            with pytest.raises(NotImplementedError):
                getattr(function, method)(good[0])
    if not entry["at"]:
        with pytest.raises(NotImplementedError):
            function.at(good[0], cupy.array([0]), 1)


def test_ufunc_results_have_the_types_of_the_real_loops():
    refused = set()
    for name, entry in MANIFEST["cupy"].items():
        for loop in entry.get("types", ()) if entry["kind"] == "ufunc" else ():
            inputs, outputs = loop.split("->")
            if "V" in inputs:  # records: no array here has them
                continue
            try:
                result = getattr(cupy, name)(*(cupy.ones(2, np.dtype(c)) for c in inputs))
            except TypeError:
                refused.add(f"{name} {loop}")
                continue
            result = result if isinstance(result, tuple) else (result,)
            assert [r.dtype for r in result] == [np.dtype(c) for c in outputs], (name, loop)
    assert refused == NUMPY_LACKS


# -------------------------------------------------------- what goes wrong when numpy code is ported


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x += np.zeros((2, 3), 'f4')", TypeError),  # a buffer made with numpy in a step
        ("x - np.mean(n)", None),  # a numpy scalar is a number
        ("x - np.asarray(0.5)", TypeError),  # a 0-d numpy array isn't
        ("x * [1, 2, 3]", TypeError),
        ("[1, 2, 3] * x", TypeError),
        ("cp.multiply(x, x, where=x > 0)", TypeError),
        ("np.multiply(x, x, where=x > 0)", TypeError),
        ("np.sum(x, initial=0)", TypeError),
        ("np.maximum.reduce(x)", TypeError),
        ("np.asarray(x)", TypeError),
        ("np.asarray([x, x])", TypeError),
        ("np.pad(x, ((1, 1), (0, 0)))", None),
        ("np.lib.stride_tricks.as_strided(x, (2, 2), (12, 4))", (TypeError, AttributeError)),
        ("np.matmul(n, x.T)", TypeError),
        ("n @ x.T", TypeError),
        ("np.matmul(n, n.T, out=cp.zeros((2, 2), 'f4'))", TypeError),
        ("np.add(n, n, out=x)", TypeError),
        ("cp.add(x[0], 1, out=x)", ValueError),  # numpy broadcasts into the larger out
        ("r = x[0]; r += x", ValueError),
        ("n[x > 0]", (TypeError, IndexError)),  # a device mask on a host array
        ("n[...] = x", (TypeError, ValueError)),
        ("x.flags.writeable = False", AttributeError),
        (
            "cp.broadcast_to(x[0], (2, 3))[0, 0] = 1",
            ValueError,
        ),  # stricter than CuPy, which writes three numbers
        ("cp.zeros(x.argmax())", TypeError),
        ("cp.sum(x, axis=cp.array(0))", TypeError),
        ("x.reshape(x.argmax(), -1)", TypeError),
        ("x[0:x.argmax()]", TypeError),
        ("[0, 1][cp.array(1)]", TypeError),
        ("x.item()", ValueError),
        ("float(x[0])", TypeError),
        ("cp.random.default_rng(0).shuffle(x)", AttributeError),
        ("cp.random.default_rng(0).random(3, 'f2')", TypeError),
        ("cp.asarray(n, device='cpu')", TypeError),
        ("cp.take_along_axis(x, cp.array([[0.], [1.]]), 1)", IndexError),
        ("cp.stack([x, n])", TypeError),
        ("cp.where(x > 0, x, n)", TypeError),
        ("cp.where(True, x, 0)", TypeError),
        ("cp.full((2, 3), n)", TypeError),
        ("cp.matmul(x, x.T, where=True)", TypeError),
        ("cp.einsum('ij->i', x, out=n)", TypeError),
        ("x.dot(n.T)", TypeError),
        ("x.clip(n, None)", TypeError),
        ("x.scatter_add(0, 1.0)", None),
        ("x.shape = (4, 2)", ValueError),
        ("cp.lib.stride_tricks.as_strided(x, (3, 3), (12, 4))", ValueError),  # outside the memory
        (
            "v = cp.lib.stride_tricks.as_strided(x, (2, 2), (4, 4)); v += 1",
            ValueError,
        ),  # threads would race
    ],
)
def test_porting_mistake(code, error, x, n):
    if error is None:
        run(code, x, n)
        return
    with pytest.raises(error):
        run(code, x, n)


def test_labels_out_of_range_wrap_silently(x):
    labels = cupy.array([3, -1])
    assert x[cupy.arange(2), labels].get().tolist() == [-1, 6]
    assert cupy.take_along_axis(x, labels[:, None], 1).get().tolist() == [[-1], [6]]
    assert cupy.take(x, labels, axis=1).get().tolist() == [[-1, 3], [4, 6]]
    x[labels] = 0  # rows 3 % 2 and -1 % 2
    assert x.get().tolist() == [[-1, 2, 3], [0, 0, 0]]
    cupy.add.at(x, (labels, 0), 1.0)
    assert x.get()[:, 0].tolist() == [-1, 2]
    with pytest.raises(IndexError):
        x[5]  # an index that the host can see


def test_scatter_functions(x, n):
    rows = cupy.array([0, 0])
    cupyx.scatter_add(x, rows, 1.0)
    assert x.get()[0].tolist() == [1, 4, 5]
    cupyx.scatter_max(x, (0, rows), 9.0)
    assert x.get()[0].tolist() == [9, 4, 5]
    x.scatter_min(rows, cupy.zeros((2, 3), "f4"))
    assert x.get().tolist() == [[0, 0, 0], [4, 5, 6]]
    with pytest.raises(TypeError):
        cupyx.scatter_add(n, rows, 1.0)


def test_duplicate_indices_do_not_follow_numpy():
    places, values = [1, 1, 0], [10.0, 20.0, 30.0]
    host, device = np.zeros(2), cupy.zeros(2)
    host[places] = values
    device[cupy.array(places)] = cupy.array(values)
    assert host.tolist() == [30, 20]
    assert device.get().tolist() == [30, 10]
    cupy.add.at(device, cupy.array(places), cupy.array(values))
    assert device.get().tolist() == [60, 40]


def test_assignment_through_array_indices_matches_numpy_without_duplicates():
    host = np.arange(24.0).reshape(2, 3, 4)
    device = cupy.asarray(host)
    rows, columns = np.array([[0], [1]]), np.array([2, 0, 1])
    host[rows, columns, 1:3] = -np.arange(12.0).reshape(2, 3, 2)
    device[cupy.asarray(rows), cupy.asarray(columns), 1:3] = -cupy.arange(12.0).reshape(2, 3, 2)
    assert np.array_equal(device.get(), host)


def test_memory_is_separate_from_the_host(n):
    device = cupy.asarray(n)
    n[0, 0] = 7
    copied = device.get()
    copied[0, 1] = 8
    cupy.asnumpy(device)[0, 2] = 9
    assert device.get().tolist() == [[1, 1, 1], [1, 1, 1]]
    view = device[0]
    view += 1
    assert device.get()[0].tolist() == [2, 2, 2] and view.base is device
    corner = device[0, 0]  # a 0-d view, where numpy would give a scalar
    device[0, 0] = 5
    assert float(corner) == 5


def test_new_memory_is_not_zero():
    assert np.isnan(cupy.empty(3).get()).all()
    assert (cupy.empty_like(cupy.zeros(2, "i4")).get() == np.iinfo(np.int32).max).all()
    assert np.isnan(cupy.ndarray((2,), "f4").get()).all()


def test_operators_yield_to_a_class_that_asks_for_it(x):
    class Tensor:
        __array_ufunc__ = None

        def __radd__(self, other):
            return "reflected"

        __rmatmul__ = __radd__

    assert x + Tensor() == "reflected"
    assert x @ Tensor() == "reflected"
    with pytest.raises(TypeError):
        x - Tensor()


# ---------------------------------------------------------------- counting


def test_counts_of_an_optimizer_step(x):
    gradient = x * 0.5
    with counting() as counts:
        x -= 0.1 * gradient
    assert (counts.launches, counts.uploads, counts.downloads, counts.waits) == (2, 0, 0, 0)
    assert counts.log == [("launches", "multiply"), ("launches", "subtract")]


def test_counts_of_col2im():
    """Nine slice additions are nine launches; the closing `x[i] = x[i]` of `+=` costs nothing."""
    image, columns = cupy.zeros((1, 6, 6), "f4"), cupy.ones((3, 3, 1, 4, 4), "f4")
    with counting() as counts:
        for i in range(3):
            for j in range(3):
                image[:, i : i + 4, j : j + 4] += columns[i, j]
    assert (counts.launches, counts.waits) == (9, 0)
    assert image.get()[0, 2].tolist() == [3, 6, 9, 9, 6, 3]


def test_counts_of_windows(x):
    with counting() as counts:
        by_strides = cupy.lib.stride_tricks.as_strided(x, (1, 2, 2, 2), (12, 4, 12, 4))
    assert counts == type(counts)()
    with counting() as counts:
        by_windows = cupy.lib.stride_tricks.sliding_window_view(x, (2, 2))
    assert (counts.launches, counts.uploads, counts.waits) == (2, 1, 2)
    assert bool((by_strides == by_windows).all())
    with counting() as counts:
        by_strides.reshape(2, 4)  # overlapping windows must be copied
    assert counts.launches == 1
    with counting() as counts:
        cupy.matmul(x.T, x)
    assert counts.launches == 1  # cuBLAS reads transposes
    with counting() as counts:
        cupy.matmul(by_strides[0, :, 0], x.T[:2])  # cuBLAS could read both, but CuPy does not ask
    assert counts.launches == 3
    with counting() as counts:
        cupy.matmul(x[:, ::2], x[:1, :2].T)
    assert counts.launches == 2


def test_matmul_copies_what_lies_transposed_in_a_stack(x):
    stack = cupy.ones((4, 2, 3), "f4")
    with counting() as counts:
        cupy.matmul(stack, cupy.ones((4, 3, 5), "f4"))
    assert counts.launches == 2 and counts.sizes[1:] == [4 * 2 * 5 * 4]
    with counting() as counts:
        cupy.matmul(stack.transpose(0, 2, 1), stack)
    assert [event for _, event in counts.log] == ["copy for matmul", "matmul"]
    assert counts.sizes == [4 * 6 * 4, 4 * 9 * 4] and counts.peak == sum(counts.sizes)
    with counting() as counts:
        cupy.matmul(stack, x.T)  # one matrix for a stack counts as one
    assert [event for _, event in counts.log] == ["copy for matmul", "matmul"]


@pytest.mark.parametrize(
    ("code", "launches", "uploads", "downloads", "waits"),
    [
        ("x.T.reshape(1, 6)", 1, 0, 0, 0),
        ("cp.moveaxis(x, 0, 1)[..., None].swapaxes(0, 1)", 0, 0, 0, 0),
        ("x.reshape(6)", 0, 0, 0, 0),
        ("x.ravel()", 0, 0, 0, 0),
        ("cp.broadcast_to(x, (4, 2, 3))", 0, 0, 0, 0),
        ("cp.ascontiguousarray(x)", 0, 0, 0, 0),
        ("cp.ascontiguousarray(x.T)", 1, 0, 0, 0),
        ("cp.asarray(x)", 0, 0, 0, 0),
        ("cp.asarray(n)", 0, 1, 0, 0),
        ("cp.array([1.0, 2.0])", 0, 1, 0, 0),
        ("x.set(n)", 0, 1, 0, 0),
        ("x + 1", 1, 0, 0, 0),
        ("x.sum()", 1, 0, 0, 0),
        ("cp.concatenate([x, x])", 1, 0, 0, 0),
        ("x[:, 1:] = 0", 1, 0, 0, 0),
        ("x[cp.arange(2)]", 2, 0, 0, 0),
        ("x[np.arange(2)]", 1, 1, 0, 0),
        ("x[[0, 1]]", 1, 1, 0, 0),
        ("cp.take_along_axis(x, np.array([[0], [1]]), 1)", 1, 1, 0, 0),
        ("cp.einsum('ij,kj->ik', x, n)", 1, 1, 0, 0),
        ("x[x > 0]", 2, 0, 0, 1),
        ("x[x > 0] = 0", 2, 0, 0, 1),
        ("cp.nonzero(x)", 1, 0, 0, 1),
        ("cp.where(x > 0)", 2, 0, 0, 1),
        ("cp.where(x > 0, x, 0)", 2, 0, 0, 0),
        ("cp.unique(x)", 1, 0, 0, 1),
        ("x[0, 0].item()", 0, 0, 1, 1),
        ("float(x[0, 0])", 0, 0, 1, 1),
        ("1 if x[0, 0] else 0", 0, 0, 1, 1),
        ("x.get()", 0, 0, 1, 1),
        ("cp.asnumpy(x)", 0, 0, 1, 1),
        ("x.tolist()", 0, 0, 1, 1),
        ("repr(x)", 0, 0, 1, 1),
        ("f'{x[0, 0]:.2f}'", 0, 0, 1, 1),
        ("cp.cuda.Device().synchronize()", 0, 0, 0, 1),
        ("cp.cuda.get_current_stream().synchronize()", 0, 0, 0, 1),
    ],
)
def test_counts(code, launches, uploads, downloads, waits, x, n):
    with counting() as counts:
        run(code, x, n)
    assert (counts.launches, counts.uploads, counts.downloads, counts.waits) == (
        launches,
        uploads,
        downloads,
        waits,
    )
    if waits:
        with allow_synchronize(False), pytest.raises(DeviceSynchronized):
            run(code, x, n)
    else:
        with allow_synchronize(False):
            run(code, x, n)


def test_counting_may_be_nested_and_ends(x):
    with counting() as outer:
        x + 1
        with counting() as inner:
            x + 1
    x + 1
    assert (outer.launches, inner.launches) == (2, 1)


def test_memory_is_counted(x):
    with counting() as counts:
        a = cupy.ndarray((4, 5), "f4")  # 80 bytes
        view = a.T
        b = cupy.zeros((10,), "f8")  # 80 bytes, 160 are alive
        del a, b  # the view keeps the first alive
        view[:1] + view[:1]  # 16 bytes, which nothing keeps
        kept = cupy.empty((3,), "i8")  # 24 bytes, 104 are alive
    assert (counts.sizes, counts.bytes, counts.peak) == ([80, 80, 16, 24], 200, 160)
    del view, kept
    cupy.zeros(1000)  # after the block
    assert (counts.bytes, counts.peak) == (200, 160)


def test_a_memory_hook_is_told_of_arrays():
    class Hook(cupy.cuda.MemoryHook):
        def __init__(self):
            self.told = []

        def malloc_postprocess(self, device_id, size, mem_size, mem_ptr, pmem_id):
            self.told.append((device_id, size, mem_size))

        def free_postprocess(self, device_id, mem_size, mem_ptr, pmem_id):
            self.told.append((device_id, -mem_size))

    with Hook() as hook:
        kept, gone = cupy.zeros(10, "f4"), cupy.zeros(129, "f4")
        view = kept[2:]
        del gone
    del kept, view
    cupy.zeros(10)
    assert hook.told == [(0, 40, 512), (0, 516, 1024), (0, -1024)]


def test_benchmark_times_calls_and_waits(x):
    calls = []
    with counting() as counts:
        found = cupyx.profiler.benchmark(calls.append, (1,), n_repeat=4, n_warmup=2)
    assert len(calls) == 6 and counts.waits == 6 and found.name == "append"
    assert found.cpu_times.shape == (4,) and found.gpu_times.shape == (1, 4)
    found = cupyx.profiler.benchmark(calls.append, (1,), n_repeat=4, name="a", max_duration=0)
    assert found.cpu_times.shape == (1,) and found.name == "a"


# ---------------------------------------------------------------- streams


@pytest.fixture
def side():
    races.clear()
    yield cupy.cuda.Stream(non_blocking=True)
    races.clear()


def pinned(*numbers):
    array = cupyx.empty_pinned(len(numbers), "f4")
    array[:] = numbers
    return array


def sent(source, side):
    """A copy on its way, in the right order, and the event after it."""
    there = cupy.empty(source.shape, "f4")
    side.wait_event(cupy.cuda.get_current_stream().record())
    there.set(source, stream=side)
    return there, side.record()


def test_asynchronous_copy(side):
    with allow_synchronize(False), counting() as counts:
        there, copied = sent(pinned_source := pinned(1, 2, 3), side)
        assert not copied.done and not side.done
        cupy.cuda.get_current_stream().wait_event(copied)
        doubled = there * 2
    assert (counts.uploads, counts.waits) == (1, 0)
    assert copied.done and doubled.get().tolist() == [2, 4, 6] and pinned_source[0] == 1
    assert not races


@pytest.mark.parametrize(
    "use",
    [
        lambda there: there * 2,
        lambda there: there.get(),
        lambda there: there[1:].sum(),
        lambda there: there.fill(0),
    ],
)
def test_what_is_not_waited_for_may_not_be_used(use, side):
    source = pinned(1, 2, 3)
    there, copied = sent(source, side)
    with pytest.raises(Race, match="wait for an event"):
        use(there)
    cupy.cuda.get_current_stream().wait_event(copied)
    use(there)


def test_memory_that_is_in_use_may_not_be_written(side):
    source, there = pinned(1, 2, 3), cupy.zeros(3, "f4")
    before = cupy.cuda.get_current_stream().record()
    there += 1
    side.wait_event(before)  # which was recorded too early
    with pytest.raises(Race):
        there.set(source, stream=side)
    side.wait_event(cupy.cuda.get_current_stream().record())
    there.set(source, stream=side)


def test_a_buffer_that_is_written_too_early(side):
    source = pinned(1, 2, 3)
    there, copied = sent(source, side)
    source[:] = 7  # before copied.done
    copied.synchronize()
    assert there.get().tolist() == [7, 7, 7]


def test_a_buffer_that_is_given_back_too_early(side):
    there, copied = sent(pinned(1, 2, 3), side)
    copied.synchronize()
    assert np.isnan(there.get()).all() and "page-locked memory was given back" in races[0]


def test_memory_that_is_given_back_too_early(side):
    source = pinned(1, 2, 3)
    there, copied = sent(source, side)
    del there  # the next array may get this memory, and be overwritten
    assert "may still have used it" in races[0]
    races.clear()
    there, copied = sent(source, side)
    cupy.cuda.get_current_stream().wait_event(copied)
    del there
    assert not races
    with side:
        there = cupy.empty(3, "f4")  # the memory of the side's pool
        copied = side.record()
    cupy.cuda.get_current_stream().wait_event(copied)
    there + 1
    del there  # and the side uses it again, while that sum is going on
    assert "may still have used it" in races[0]


@pytest.mark.parametrize("wait", ["event", "side", "device", "runtime"])
def test_the_host_may_wait_instead(wait, side):
    source = pinned(1, 2, 3)
    there, copied = sent(source, side)
    waits = {
        "event": copied.synchronize,
        "side": side.synchronize,
        "device": cupy.cuda.Device(0).synchronize,
        "runtime": cupy.cuda.runtime.deviceSynchronize,
    }
    with allow_synchronize(False), pytest.raises(DeviceSynchronized):
        waits[wait]()
    with counting() as counts:
        waits[wait]()
    assert counts.waits == 1
    assert (there + 1).get().tolist() == [2, 3, 4] and copied.done


def test_who_asks_often_enough_sees_a_copy_end(side):
    source = pinned(1, 2, 3)
    there, copied = sent(source, side)
    assert any(copied.done for _ in range(200))
    assert there.get().tolist() == [1, 2, 3]


def test_asynchronous_download(x):
    with counting() as counts:
        host = x.get(blocking=False)
    assert (counts.downloads, counts.waits) == (1, 1) and np.isnan(host).all()
    cupy.cuda.get_current_stream().synchronize()
    assert host.tolist() == [[-1, 2, 3], [4, 5, 6]]


def test_computing_on_a_side_stream(side):
    x = cupy.ones(3, "f4")
    with side, pytest.raises(Race):
        x + 1
    side.wait_event(cupy.cuda.Stream.null.record())
    with side:
        assert cupy.cuda.get_current_stream() is side
        y = x + 1
    assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
    with pytest.raises(Race):
        y.sum()
    blocking = cupy.cuda.Stream()  # the null stream and streams like this one wait for each other
    with blocking:
        z = cupy.ones(3, "f4") + 1
    assert z.sum() == 6


def test_streams_and_events_belong_to_devices():
    with install(devices=2):
        event, side = cupy.cuda.Event(), cupy.cuda.Stream(non_blocking=True)
        with cupy.cuda.Device(1):
            with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="InvalidResourceHandle"):
                event.record(cupy.cuda.get_current_stream())
            with pytest.raises(RuntimeError, match="does not match"):
                side.use()
            assert cupy.cuda.get_current_stream(0) is cupy.cuda.Stream.null
    with pytest.raises(ValueError, match="Timing must be disabled"):
        cupy.cuda.Event(interprocess=True)
    for wrong in (lambda: side.wait_event(None), lambda: event.record(3)):
        with pytest.raises(AttributeError, match="ptr"):
            wrong()
    with install(devices=0), pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        cupy.cuda.Stream()


def test_ordinary_memory_makes_the_host_copy(side, n):
    there = cupy.empty((2, 3), "f4")
    side.wait_event(cupy.cuda.get_current_stream().record())
    with allow_synchronize(False), pytest.raises(DeviceSynchronized, match="not page-locked"):
        there.set(n, stream=side)
    assert cupyx.zeros_pinned((2, 3), "i4", "F").flags.f_contiguous


def test_devices_are_chosen_for_a_thread():
    with install(devices=2), cupy.cuda.Device(1):
        seen = []
        thread = threading.Thread(target=lambda: seen.append(cupy.zeros(1).device.id))
        thread.start()
        thread.join()
        assert seen == [0] and cupy.zeros(1).device.id == 1


# ---------------------------------------------------------------- kernels


@pytest.fixture
def kernel(monkeypatch):
    def scale(x, factor, out):
        out[...] = x * factor

    monkeypatch.setitem(reference_kernels, "scale", scale)
    return cupy.ElementwiseKernel("T x, float32 factor", "T out", "out = x * factor", "scale")


def test_kernel_runs_its_reference(kernel, x):
    with counting() as counts:
        doubled = kernel(x, 2.0)
    assert counts.log == [("launches", "scale")]
    assert doubled.dtype == np.float32 and doubled.get().tolist() == [[-2, 4, 6], [8, 10, 12]]
    out = cupy.zeros((2, 3), "f4")
    assert kernel(x, 3.0, out) is out
    assert out.get()[0].tolist() == [-3, 6, 9]


def test_kernel_refuses_what_cupy_refuses(kernel, x, n):
    for wrong in [(n, 2.0), (x,), (x, 2.0, n), (x, 2.0, cupy.zeros((2, 3)))]:
        with pytest.raises(TypeError):
            kernel(*wrong)
    with pytest.raises(ValueError, match="size"):
        kernel(x, 2.0, size=6)
    with pytest.raises(ValueError, match="Out shape"):
        kernel(x, 2.0, cupy.zeros((1, 3), "f4"))
    with pytest.raises(ValueError, match="Loop size"):
        kernel(np.float32(1), 2.0)


def test_kernel_without_reference_is_an_error(x):
    with pytest.raises(NotImplementedError, match="reference_kernels"):
        cupy.ElementwiseKernel("T x", "T y", "y = x", "unheard_of")(x)
    with pytest.raises(NotImplementedError, match="reference_kernels"):
        cupy.RawKernel("", "unheard_of")((1,), (1,), (x,))


def test_raw_kernel_and_raw_parameters(monkeypatch, x, n):
    def add_one(grid, block, array, size):
        assert (grid, block, size) == ((1,), (6,), 6)
        array += 1

    monkeypatch.setitem(reference_kernels, "add_one", add_one)
    cupy.RawModule(code="...").get_function("add_one")((1,), (6,), (x, np.int32(6)))
    assert x.get()[0].tolist() == [0, 3, 4]
    with pytest.raises(TypeError, match="Unsupported type"):
        cupy.RawKernel("...", "add_one")((1,), (6,), (n, np.int32(6)))

    def every_second(source, out):
        out[...] = source.ravel()[::2]

    monkeypatch.setitem(reference_kernels, "every_second", every_second)
    gather = cupy.ElementwiseKernel("raw T source", "T out", "out = source[2 * i]", "every_second")
    assert gather(x, size=3).get().tolist() == [0, 4, 6]
    with pytest.raises(ValueError, match="Loop size"):
        gather(x)


def test_reduction_kernel(monkeypatch, x):
    monkeypatch.setitem(
        reference_kernels,
        "sumsq",
        lambda x, axis, keepdims: (x * x).sum(axis=axis, keepdims=keepdims),
    )
    sumsq = cupy.ReductionKernel("T x", "T y", "x * x", "a + b", "y = a", "0", "sumsq")
    assert sumsq(x, axis=1).get().tolist() == [14, 77]
    assert sumsq(x, keepdims=True).shape == (1, 1)


# ---------------------------------------------------------------- random numbers, devices, import


def test_generators_repeat_and_differ_from_numpy():
    draw = cupy.random.default_rng(3).standard_normal((2, 3), dtype="f4")
    again = cupy.random.default_rng(3).standard_normal((2, 3), dtype="f4")
    assert draw.dtype == np.float32 and np.array_equal(draw.get(), again.get())
    assert not np.allclose(draw.get(), np.random.default_rng(3).standard_normal((2, 3), dtype="f4"))
    rng = cupy.random.default_rng(0)
    out = cupy.empty(4, "f4")
    assert rng.random(dtype="f4", out=out) is out and 0 <= float(out.min()) <= float(out.max()) < 1
    numbers = rng.integers(2, 5, size=100)
    assert sorted(set(numbers.tolist())) == [2, 3, 4]
    assert rng.uniform(-1, 1, 5, "f4").dtype == np.float32
    with pytest.raises(TypeError):
        rng.uniform(np.zeros(2), 1)
    cupy.random.seed(1)
    first = cupy.random.rand(2, 2, dtype="f4")
    cupy.random.seed(1)
    assert np.array_equal(first.get(), cupy.random.rand(2, 2, dtype="f4").get())
    assert sorted(cupy.random.permutation(5).tolist()) == [0, 1, 2, 3, 4]


def test_install_and_uninstall():
    before = sys.modules.get("cupy")
    with install() as module:
        assert importlib.import_module("cupy") is module
        assert importlib.import_module("cupy.cuda.runtime").getDeviceCount() == 1
        assert importlib.import_module("cupyx.scipy.special").erf(cupy.zeros(1)).tolist() == [0]
        assert importlib.import_module("cupyx").allow_synchronize is allow_synchronize
    assert sys.modules.get("cupy") is before


def test_machine_without_a_device():
    error = cupy.cuda.runtime.CUDARuntimeError
    for status, text in [(100, "NoDevice"), (35, "InsufficientDriver")]:
        with install(devices=0, status=status):
            assert not cupy.cuda.is_available()
            for use in (
                lambda: cupy.zeros(2),
                cupy.cuda.runtime.getDeviceCount,
                cupy.cuda.Device(0).use,
            ):
                with pytest.raises(error, match=text) as caught:
                    use()
                assert caught.value.status == status


def test_two_devices():
    with install(devices=2):
        here = cupy.ones(2)
        with cupy.cuda.Device(1):
            there = cupy.ones(2)
            with pytest.raises(ValueError, match="device"):
                here + there
            moved = cupy.asarray(here)
            assert (moved + there).device == cupy.cuda.Device(1)
        assert cupy.cuda.Device() == cupy.cuda.Device(0)
        assert here.device.id == 0 and there.device.id == 1
        with pytest.raises(ValueError, match="device"):
            there.sum()
        assert there.get().tolist() == [1, 1]
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="InvalidDevice"):
            cupy.cuda.Device(2).use()


def test_what_the_stand_in_lacks_says_so():
    for refused in (
        lambda: cupy.save("file", cupy.zeros(1)),
        lambda: cupy.fuse(),
        lambda: cupy.r_[1],
        lambda: cupy.poly1d([1]),
        lambda: cupy.get_default_memory_pool().used_bytes(),
        lambda: cupy.testing,
        lambda: cupy.matmul(cupy.eye(2), cupy.eye(2), axes=[(0, 1)] * 3),
    ):
        with pytest.raises(NotImplementedError, match="stand-in"):
            refused()
