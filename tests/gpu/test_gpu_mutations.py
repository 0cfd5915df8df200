"""Would the GPU tests notice a bug? Typical bugs of a port to cupy are put into tinynet.

For each bug a short program, `exercise`, runs on a tinynet that has it. It demands in little what
the other GPU tests demand: the CPU's results, no wait, few uploads, no race, the right errors. It
must fail. Bugs in CUDA kernels must make the comparison with the plain functions fail instead.

No bug names a file or a local variable of tinynet (see `mutants`), so bugs outlive a renaming. A
bug that fits nowhere fails its test: give it the new name of what it was about.
"""

from __future__ import annotations

import functools
import gc
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpu_kernels
import mutants
import numpy as np
import pytest
import strict_cupy
from real_cupy import REAL_CUPY
from test_gpu_api import problems

import tinynet
from tinynet.arrays.gpu import functions as functions_of_kernels

pytestmark = pytest.mark.skipif(REAL_CUPY, reason="bugs are looked for on the stand-in for cupy")

# ------------------------------------------------------------------------------------------ bugs

# (what the bug is, code, the code with the bug; if there is a fourth, only in functions of that
# name). Each is tried at places where `exercise` runs such code on a GPU. If there are one or two,
# it must be noticed at all. If there are more, up to TRIES are tried until it was noticed at two,
# and it must be noticed at one: at some places a bug changes nothing.
TRIES = 6
REWRITES = [
    # arrays on the wrong device, or moved the wrong way
    *[
        (f"np.{name} where xp.{name} belongs", f"xp.{name}(*Z)", f"np.{name}(*Z)")
        for name in ("zeros", "full", "arange")
    ],
    ("a numpy array of a tensor's shape", "xp.full_like(A, *Z)", "np.full(A.shape, *Z)"),
    ("numpy's function where cupy's belongs", "array_module(A)", "np"),
    ("a dropout mask left on the host", "keep_mask(A, *Z)", "keep_mask(np, *Z)"),
    ("an implicit conversion to numpy", "A.get()", "np.asarray(A)", "to_host"),
    ("a download that nobody waits for", "A.get()", "A.get(blocking=False)", "to_host"),
    ("a target device that is ignored", "to_device(A, *Z)", "A"),
    ("an array on the host that was on the GPU", "Tensor._wrap(A)", "Tensor._wrap(A).cpu()"),
    ("an upload for each number", "A.full((), B, C)", "A.asarray(B, C)"),
    ("a host list as index", "xp.matmul(A, *Z)", "xp.matmul(A[list(range(len(A)))], *Z)"),
    # several GPUs
    ("the current device forgotten", "computing(A)", "np.errstate()"),
    ("the number of a GPU forgotten", "A.cuda.Device(B)", "A.cuda.Device(0)"),
    ("indices whose device is not compared", "array_module(A, B, *Z)", "array_module(A, *Z)"),
    ("one GPU's constants given to another", "A.cuda.Device().id", "0"),
    # what numpy has and cupy has not
    ("maximum.reduce", "A.max(axis=B, keepdims=C)", "xp.maximum.reduce(A, axis=B, keepdims=C)"),
    ("where= in a ufunc", "xp.where(A, B, C)", "xp.multiply(B, 1.0, where=A)"),
    ("numpy's flags on a device array", "isinstance(A, np.ndarray) and B", "B"),
    ("numpy's default dtype", "xp.empty(A, B)", "xp.empty(A)"),
    # waits, and what a GPU leaves undefined
    ("a boolean mask in the step", "xp.where(A, B, C)", "_by_mask(A, B, C)"),
    ("a condition that is lost", "xp.where(A, B, C)", "xp.where(A & False, B, C)"),
    ("repeated indices", "xp.add.at(A, B, C)", "A.__setitem__(B, A[B] + C)"),
    ("memory read before it is written", "xp.zeros(A, B)", "xp.empty(A, B)"),
    # streams
    ("a stream that does not wait", "A.wait_event(B)", "None"),
    ("memory that is not page-locked", "A.cuda.alloc_pinned_memory(B)", "bytearray(B)"),
    (
        "a buffer that is written again while it is read",
        "A.cuda.alloc_pinned_memory(B)",
        "_remembered.setdefault(B, A.cuda.alloc_pinned_memory(B))",
    ),
    ("a buffer that is released without a look at its event", "not A.done", "False"),
    (
        "an event of the wrong stream",
        "A = B.record(C)",
        "A = sys.modules['cupy'].cuda.get_current_stream().record(C)",
    ),
    ("a buffer that is released while it is read", "A + [B]", "A", "send"),
    ("arrays that overlap in their upload", "[0, *A]", "[0 for _ in [0, *A]]", "send"),
    (
        "memory of a stream that does not use it",
        "A.empty(B, C)",
        "(A.cuda.Stream(non_blocking=True).use(), A.empty(B, C), A.cuda.Stream.null.use())[1]",
        "send",
    ),
]

# (what the bug is, a function or class, code at the end of the module that defines it)
REPLACEMENTS = [
    (
        "devices that are not compared",
        "array_module",
        """
        def array_module(*arrays, function="", right=array_module):
            on_gpu = [a for a in arrays if hasattr(a, "__cuda_array_interface__")]
            return right(*on_gpu[:1])
        """,
    ),
    (
        "a silent fall-back to the CPU",
        "to_device",
        """
        def to_device(array, target, *arguments, right=to_device):
            try:
                return right(array, target, *arguments)
            except RuntimeError:
                return array
        """,
    ),
    (
        "a transfer for each tensor of a batch",
        "send",
        """
        def send(arrays, target, right=send):
            receivers = [right([array], target) for array in arrays]
            return lambda: [receive()[0] for receive in receivers]
        """,
    ),
    (
        "a batch that is sent only when it is wanted",
        "send",
        """
        def send(arrays, target, right=send):
            return lambda: right(arrays, target)()
        """,
    ),
    (
        "a loop that is left in the middle of a copy",
        "send",
        """
        def send(arrays, target, right=send):
            receive = right(arrays, target)
            left = lambda: isinstance(sys.exc_info()[1], GeneratorExit)
            return lambda: list(arrays) if left() else receive()
        """,
    ),
    (
        "an index upload for each tensor of a data set",
        "TensorDataset",
        """
        def get_batch(self, indices):
            return tuple([tensor[indices] for tensor in self.tensors])
        TensorDataset.get_batch = get_batch
        """,
    ),
    (
        "labels taken to the host",
        "nn.functional.cross_entropy",
        """
        def cross_entropy(input, target, *arguments, right=cross_entropy, **options):
            target = target.cpu().to(target.device)
            return right(input, target, *arguments, **options)
        """,
    ),
    (
        "a look at each gradient in each step",
        "Optimizer",
        """
        def step(self, closure=None, right=Optimizer.step):
            for group in self.param_groups:
                assert all(bool((p.grad == p.grad).all()) for p in group["params"])
            return right(self, closure)
        Optimizer.step = step
        """,
    ),
    (
        "a wait in the walk back",
        "Tensor",
        """
        def backward(self, *arguments, right=Tensor.backward, **options):
            self.item()
            return right(self, *arguments, **options)
        Tensor.backward = backward
        """,
    ),
    (
        "buffers that stay behind",
        "Module",
        """
        def to(self, *arguments, right=Module.to, **options):
            before = [(m, n, b) for m in self.modules() for n, b in m.named_buffers(recurse=False)]
            right(self, *arguments, **options)
            for module, name, buffer in before:
                setattr(module, name, buffer)
            return self
        Module.to = to
        """,
    ),
    (
        "a numpy array as the optimiser's buffer",
        "Optimizer",
        """
        def zero_grad(self, set_to_none=True, right=Optimizer.zero_grad):
            right(self, set_to_none)
            for state in self.state.values():
                for name, buffer in state.items():
                    state[name] = buffer.cpu() if hasattr(buffer, "cpu") else buffer
        Optimizer.zero_grad = zero_grad
        """,
    ),
]

# (what the bug is, CUDA C as a regular expression, CUDA C with the bug). Every match in every
# function of kernels.cu is tried by itself, on every kernel that calls the function.
KERNEL_BUGS = [
    ("a wrong sign", r" - (?=\w)", " + "),
    ("a stride that is forgotten", r" \|\| \w+ % s[hw]", ""),
    ("a dilation that is forgotten", r" \* d[hw]", ""),
    ("padding that is forgotten", r" [-+] (left|top)", ""),
    ("a square that is forgotten", r"\((\w) \* \1\)", r"\1"),
    ("a floor under the root", r"\(T\(sqrt\((\w+)\)\) \+ (\w+)\)", r"T(sqrt(\1 + \2))"),
    ("a nan that is lost", r" \|\| (\w+) != \1", ""),
    ("ties that go to the last", r"return value == y;", "return false;"),
    ("a tap that is not compared", r" == kh \* KW \+ kw", " >= 0"),
    ("bits of another generator", r">> (27|30|31)", ">> 28"),
    ("lanes in another order", r"i % 4 ", "(3 - i % 4) "),
    ("a momentum that is not Nesterov's", r"nesterov \?", "!nesterov ?"),
    ("a mean that starts anew", r"m \+= ", "m = "),
]

# --------------------------------------------------------------------------------------- program


def program(T: Any, device: str, folder: Path) -> list[Any]:
    """Results of a bit of everything; an error if a step waits or uploads too much."""
    nn, F = T.nn, T.nn.functional
    T.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=(1, 2), bias=False), nn.BatchNorm2d(3), nn.ReLU(),
        nn.Conv2d(3, 4, 2, stride=2), nn.MaxPool2d(2, 1), nn.Flatten(), nn.Linear(4 * 3 * 3, 5),
    ).to(device)  # fmt: skip
    optimizer = T.optim.Adam(model.parameters(), lr=0.01)
    x, y = T.randn(4, 1, 16, 14).to(device), T.randint(5, (4,)).to(device)
    for _ in range(2):
        with strict_cupy.allow_synchronize(False), strict_cupy.counting() as counts:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert counts.uploads == 0, "a step uploads"
    host, sums = (T.arange(20.0).reshape(10, 2), T.arange(10)), []
    for data in (host, [t.to(device) for t in host]):
        loader = T.utils.data.DataLoader(T.utils.data.TensorDataset(*data), 4, device=device)
        with strict_cupy.allow_synchronize(False), strict_cupy.counting() as counts:
            for number, (images, labels) in enumerate(loader):
                assert counts.uploads == (0 if device == "cpu" else min(3, number + 2)), (
                    "the next batch is not on its way"
                )
                sums.append((images * labels[:, None]).sum())
        assert counts.uploads == (0 if device == "cpu" else 3), "a batch is one upload"
        for _ in loader:
            break
    small = T.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, device=device)
    picked = (
        small[[0, 1, 0]] * small.clamp(-1.0, 1.0).amax(1, keepdim=True)[:1]
        + T.where(small > 0, small, 0.5)[:1]
    ).sum() + F.pad(small, (1, 0)).exp().mean()
    (first,) = T.grad(picked * picked, small, create_graph=True)
    (second,) = T.grad(first.sum(), small)
    changed = small.detach().clone()
    changed[0] = 7.0
    T.save(small.detach(), folder / "small.safetensors")
    loaded = T.load(folder / "small.safetensors", map_location=device)
    ties = T.tensor(
        [[[1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [2.0, 0.0, 2.0]]], device=device, requires_grad=True
    )
    F.max_pool2d(ties, 2, 1).sum().backward()
    nans = F.max_pool2d(
        T.tensor([[[1.0, float("nan"), 0.0], [2.0, 0.5, 3.0]]], device=device), 2, 1
    )
    dropped = F.dropout(T.ones(3, 3, device=device), 0.4)
    return [
        loaded,
        *model.state_dict().values(),
        loss,
        first,
        second,
        changed,
        dropped,
        small.max(1).values,
        T.grad(small.max(1).values.sum(), small)[0],
        ties.grad,
        nans,
        *sums,
    ]


def exercise(T: Any, folder: Path, expected: list[Any]) -> None:
    """Fail if results, costs or errors of this tinynet on a GPU are wrong."""
    for mine, theirs in zip(program(T, "cuda:1", folder), expected, strict=True):
        assert str(mine.device) == "cuda:1" and mine.dtype == theirs.dtype
        np.testing.assert_allclose(
            mine.detach().cpu().numpy(), theirs.detach().numpy(), rtol=1e-3, atol=1e-5
        )
    assert np.isnan(
        T.nn.functional.cross_entropy(
            T.zeros(1, 3, device="cuda:1"), T.tensor([3], device="cuda:1")
        ).item()
    )
    with pytest.raises(RuntimeError, match="same device"):
        T.ones(2, device="cuda:1") + T.ones(2)
    with pytest.raises(RuntimeError, match="same device"):
        T.ones(2, device="cuda:1")[T.tensor([0], device="cuda:0")]
    for device in ("cuda:0", "cuda:1"):
        assert (
            T.nn.functional.adaptive_avg_pool2d(T.ones(1, 1, 4, 8, device=device), (3, 5)).mean()
            == 1
        )
    assert not strict_cupy.races
    with strict_cupy.install(devices=0), pytest.raises(RuntimeError, match="no GPU"):
        T.ones(2).to("cuda")


# ----------------------------------------------------------------------------------------- tests


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return program(tinynet, "cpu", tmp_path_factory.mktemp("cpu"))


def difference(module: str, tree: Any, folder: Path, expected: list[Any]) -> str:
    """What `exercise` says of tinynet with a changed module; empty if it finds nothing."""
    found = ""
    try:
        with mutants.mutant(module, tree) as T:
            exercise(T, folder, expected)
    except (Exception, pytest.fail.Exception) as error:
        assert not isinstance(error, SyntaxError), f"the bug is no Python: {error}"
        found = repr(error)
    gc.collect()
    strict_cupy.races.clear()  # of arrays that the failed program left behind
    return found


@pytest.fixture(scope="module")
def lines_run(
    tmp_path_factory: pytest.TempPathFactory, expected: list[Any]
) -> Iterator[set[tuple[str, int]]]:
    """The lines of tinynet that `exercise` runs."""
    with pytest.MonkeyPatch.context() as patch, strict_cupy.install(devices=2):
        for name, reference in gpu_kernels.references().items():
            patch.setitem(strict_cupy.reference_kernels, name, reference)
        folder = tmp_path_factory.mktemp("lines")
        yield mutants.lines_run(lambda: exercise(tinynet, folder, expected))


def test_nothing_is_noticed_where_there_is_no_bug(gpu, tmp_path, expected):
    module = mutants.defining("to_device")
    assert not difference(module, mutants.extended(module, ""), tmp_path, expected)


@functools.cache
def places_of_bugs() -> dict[str, list[mutants.Place]]:
    """Where each bug of REWRITES can be put."""
    patterns = [(code, inside[0] if inside else None) for _, code, _, *inside in REWRITES]
    found = mutants.places(patterns)
    return {bug[0]: there for bug, there in zip(REWRITES, found, strict=True)}


@pytest.mark.parametrize("bug", REWRITES, ids=[bug[0] for bug in REWRITES])
def test_rewritten(bug, gpu, tmp_path, expected, lines_run):
    what, code, with_bug, *_ = bug
    places = places_of_bugs()[what]
    run = [place for place in places if any((place.module, n) in lines_run for n in place.lines)]
    assert run, f"{what}: tinynet has {code!r} at {len(places)} places, `exercise` runs none"
    noticed, unnoticed = [], []
    for place in [run[i * len(run) // TRIES] for i in range(TRIES)] if len(run) > TRIES else run:
        tree = mutants.rewritten(place, code, with_bug)
        found = difference(place.module, tree, tmp_path, expected)
        (noticed if found else unnoticed).append(f"{place.module}, line {place.lines.start}")
        if len(noticed) == 2:
            break
    print(f"{code!r}: {len(run)} of {len(places)} run; noticed {noticed}, unnoticed {unnoticed}")
    enough = not unnoticed if len(run) <= 2 else noticed
    assert enough, f"nobody noticed {what} in {unnoticed}"


@pytest.mark.parametrize("bug", REPLACEMENTS, ids=[bug[0] for bug in REPLACEMENTS])
def test_replaced(bug, gpu, tmp_path, expected):
    what, name, code = bug
    module = mutants.defining(name)
    tree = mutants.extended(module, textwrap.dedent(code))
    assert difference(module, tree, tmp_path, expected), f"nobody noticed {what}"


# --------------------------------------------------------------------------------------- kernels


def kernel_mutants() -> dict[str, list[tuple[Any, str]]]:
    """For each bug the kernels that have it, at one place each, and the functions with that bug.

    The names of the kernels are numbered.
    """
    found: dict[str, list[tuple[Any, str]]] = {}
    for number, (what, code, with_bug) in enumerate(KERNEL_BUGS):
        found[what] = []
        for kernel in gpu_kernels.KERNELS.values():
            for text in gpu_kernels.functions_of(kernel).values():
                for place in re.finditer(code, text):
                    bug = place.expand(with_bug)
                    changed = text[: place.start()] + bug + text[place.end() :]
                    name = f"{kernel.name}_{number}_{len(found[what])}"
                    functions = functions_of_kernels().replace(text, changed)
                    found[what].append((kernel._replace(name=name), functions))
    return found


@functools.cache
def compiled() -> Any:
    """All kernels with bugs, in one library."""
    return gpu_kernels.library(*[k for mutants in kernel_mutants().values() for k in mutants])


@pytest.mark.skipif(gpu_kernels.compiler() is None, reason="no C++ compiler, to run kernels' text")
@pytest.mark.parametrize("what", [bug[0] for bug in KERNEL_BUGS])
def test_bug_in_a_kernel(what, gpu, monkeypatch):
    kernels = kernel_mutants()[what]
    assert kernels, f"no kernel has what is to be changed for {what!r}"
    for kernel, _ in kernels:
        name = f"tinynet_{gpu_kernels.original_name(kernel)}"
        right = strict_cupy.reference_kernels[name]
        run = functools.partial(gpu_kernels.run_compiled, kernel, compiled())
        monkeypatch.setitem(strict_cupy.reference_kernels, name, run)
        with pytest.raises(AssertionError):
            for function, arguments, tolerance in gpu_kernels.kernel_cases():
                gpu_kernels.assert_kernel_is_plain_function(gpu, function, arguments, tolerance)
            pytest.fail(f"nobody noticed {what} in {kernel}")
        monkeypatch.setitem(strict_cupy.reference_kernels, name, right)


def test_the_lint_notices_some_without_running_anything():
    assert problems("xp.maximum.reduce(a, axis=0)") and problems("xp.multiply(a, b, where=c)")


def test_a_pattern_finds_its_code():
    """`mutants` on code of which we know what it holds."""
    for code, pattern, holds in (
        ("xp.zeros(n, dtype=float)", "xp.zeros(*Z)", True),
        ("np.zeros(n)", "xp.zeros(*Z)", False),
        ("a.max(axis=d, keepdims=k)", "A.max(axis=B, keepdims=C)", True),
        ("a.max(d)", "A.max(axis=B, keepdims=C)", False),
        ("x + x", "A + A", True),
        ("x + y", "A + A", False),
    ):
        assert mutants.match(mutants.shape(pattern), mutants.shape(code), {}) == holds, code
