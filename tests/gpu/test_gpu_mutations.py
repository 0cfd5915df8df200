"""Would the GPU tests notice? Typical porting bugs are put into tinynet's source, one at a time, and a short program must fail for each.

The program is `exercise`, which compares a mutant's results with the CPU's of the true tinynet: what it demands is what the other tests of the GPU path demand, in little.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import strict_cupy
from conftest import REAL_CUPY
from test_gpu_api import problems

import tinynet

pytestmark = pytest.mark.skipif(
    REAL_CUPY, reason="the bugs are looked for on the stand-in for cupy"
)

# (what the bug is, the module, its text, the text with the bug)
MUTATIONS = [
    ("a numpy buffer in the optimiser", "optim.optimizer", "xp.full_like(p, start)", "np.full(p.shape, start, p.dtype)"),
    ("where= in a ufunc", "ops.elementwise", "return xp.where(gate != 0, a, 0.0)", "return xp.multiply(a, 1.0, where=gate != 0)"),
    ("labels taken to the host", "nn.functional.loss", "    classes = target.array\n", "    classes = target.cpu().array\n"),
    ("maximum.reduce", "ops.reductions", "return a.max(axis=dims, keepdims=keepdim)", "return xp.maximum.reduce(a, axis=dims[0], keepdims=keepdim)"),
    ("a look at the gradient in each step", "optim.optimizer", "if p._grad is not None:", "if p._grad is not None and p._grad.array.any():"),
    ("np.zeros where xp.zeros belongs", "ops.shapes", "out = xp.full(", "out = np.full("),
    ("an index out of range that wraps silently", "nn.functional.loss", "xp.where(out_of_range, ", "xp.where(out_of_range & False, "),
    ("the current device forgotten", "autograd", "with computing(like.array):", "with np.errstate():"),
    ("numpy's default dtype", "nn.functional.loss", "xp.ones(classes.shape, logp.dtype)", "xp.ones(classes.shape)"),
    ("implicit conversion to numpy", "backend", "else array.get()", "else np.asarray(array)"),
    ("a boolean mask in the step", "ops.elementwise", "return xp.where(condition, a, b)", "out = a + 0 * b\n    out[~condition] = (b + 0 * a)[~condition]\n    return out"),
    ("a host list as index in the step", "ops.reductions", "_product(xp, x, w.T)", "_product(xp, x, w[list(range(len(w)))].T)"),
    ("a silent fall-back to the CPU", "backend", "    cupy = load_cupy(target.index or 0)\n", "    try:\n        cupy = load_cupy(target.index or 0)\n    except RuntimeError:\n        return array\n"),
    ("a dropout mask left on the host", "nn.functional.dropout", "keep_mask(array_module(input.array), ", "keep_mask(np, "),
    ("a dropout kernel with its own bits", "ops.kernels", "(z ^ z >> 27)", "(z ^ z >> 28)"),
    ("a dropout kernel whose lanes are the wrong way round", "ops.kernels", "z >> i % 4 * 16", "z >> (3 - i % 4) * 16"),
    ("a batch that is used before it has come", "backend", "cupy.cuda.get_current_stream().wait_event(copied)", "pass"),
    ("a copy into memory that is still being read", "backend", "copying.wait_event(computing", "(computing"),
    ("memory of the copying stream", "backend", "there = cupy.empty(size, np.uint8)", "copying.use()\n        there = cupy.empty(size, np.uint8)\n        computing.use()"),
    ("a buffer that is written again while it is read", "backend", "alloc_pinned_memory(size)", "alloc_pinned_memory(size) if not _sent else _sent[0][1]"),
    ("a buffer that is given back while it is read", "backend", " + [(copied, pinned)]", ""),
    ("a buffer that is given back unasked", "backend", "if not event.done]", "if False]"),
    ("a loop that is left in the middle of a copy", "data.loader", "for finish in copying:", "for finish in ():"),
    ("uploads from memory that is not page-locked", "backend", "cupy.cuda.alloc_pinned_memory(size)", "bytearray(size)"),
    ("an upload for each tensor of a batch", "data.loader", "Tensor._wrap(next(arrived)) if is_sent(t) else t.to(device)", "t.to(device)"),
    ("an index upload for each tensor of a data set", "data.dataset", "tensor[rows[tensor.device]]", "tensor[indices]"),
    ("arrays that overlap in their upload", "backend", "zip([0, *ends], arrays, strict=False)", "zip([0] * len(arrays), arrays, strict=False)"),
    ("duplicate indices that lose gradients", "ops.shapes", "xp.add.at(out, index, a)", "out[index] += a"),
    ("memory read before it is written", "ops.shapes", "out = xp.zeros(shape, a.dtype)", "out = xp.empty(shape, a.dtype)"),
    ("an upload for each number", "backend", "xp.full((), value, dtype)", "xp.asarray(value, dtype)"),
    ("a wrong sign in a kernel", "ops.kernels", "% OW * sw - left;  rest", "% OW * sw + left;  rest"),
    ("a kernel that forgets the stride", "ops.kernels", "down < 0 || down % sh ||", "down < 0 ||"),
    ("a kernel that forgets a square", "ops.kernels", "share2 * (g * g)", "share2 * g"),
    ("numpy's flags on a device array", "autograd", "isinstance(self.array, np.ndarray) and not self.array.flags", "not self.array.flags"),
    ("devices that are not compared", "backend", "owner is not found or (", "False and ("),
    ("indices whose device isn't compared", "ops.shapes", "array_module(array, part)  # both", "None  # both"),
    ("one GPU's constants given to another", "backend", "_uploaded(xp, xp.cuda.Device().id,", "_uploaded(xp, 0,"),
    ("the number of a GPU forgotten", "backend", "with cupy.cuda.Device(where.index):\n            yield", "with cupy.cuda.Device(0):\n            yield"),
    ("a download that nobody waits for", "backend", "else array.get()", "else array.get(blocking=False)"),
    ("an event of the wrong stream", "backend", "copied = copying.record(", "copied = computing.record("),
    ("a batch that is sent when it is wanted", "data.loader", "if len(copying) > 1:", "if len(copying) > 0:"),
    ("a kernel that loses a nan", "ops.kernels", "if (value > y || value != value) y = value;", "if (value > y) y = value;"),
    ("a kernel that gives ties to the last", "ops.kernels", "{ winner = tap; break; }", "winner = tap;"),
    ("a kernel whose floor is under the root", "ops.kernels", "(T(sqrt(v)) + floor)", "T(sqrt(v + floor))"),
    ("map_location that is ignored", "serialization", "to_device(array, device)", "array"),
    ("buffers that stay behind", "nn.module", "for name, buffer in module._buffers.items() if", "for name, buffer in () if"),
    ("a wait in the engine", "autograd", "taken = {id(seed.array) for", "taken = {float(seed.array) for"),
]  # fmt: skip


def program(T: Any, device: str, folder: Path) -> list[Any]:
    """A bit of everything; fails if a step waits, or uploads more than it must."""
    nn, F = T.nn, T.nn.functional
    T.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=(1, 2), bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 2, stride=2), nn.MaxPool2d(2, 1), nn.Flatten(),
        nn.Linear(4 * 3 * 3, 5),
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
        ties.grad,
        nans,
        *sums,
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return program(tinynet, "cpu", tmp_path_factory.mktemp("cpu"))


def exercise(T: Any, folder: Path, expected: list[Any]) -> None:
    """Fails if the GPU path of this tinynet is broken: its results, its costs, or its errors are off."""
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


class _Mutant(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Loads one module from a changed text."""

    def __init__(self, module: str, text: str, bug: str) -> None:
        self.module, self.text, self.bug = module, text, bug

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.module:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        importlib.machinery.SourceFileLoader.__init__(self, fullname, found.origin)
        return importlib.machinery.ModuleSpec(fullname, self, origin=found.origin)

    def get_code(self, fullname: str) -> Any:
        source = self.get_data(self.path).decode()
        return compile(source.replace(self.text, self.bug), self.path, "exec")


@contextlib.contextmanager
def mutant(module: str, text: str, bug: str) -> Iterator[Any]:
    """A tinynet of its own with a bug in one module."""
    before = {name: m for name, m in sys.modules.items() if name.split(".")[0] == "tinynet"}
    finder = _Mutant(f"tinynet.{module}", text, bug)
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("tinynet")
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.split(".")[0] == "tinynet"]:
            del sys.modules[name]
        sys.modules.update(before)


def test_no_bug_is_noticed_where_there_is_none(gpu, tmp_path, expected):
    with mutant("arrays.devices", "import numpy as np", "import numpy as np") as T:
        exercise(T, tmp_path, expected)


@pytest.mark.parametrize(
    ("what", "module", "text", "bug"), MUTATIONS, ids=[m[0] for m in MUTATIONS]
)
def test_bug_is_noticed(what, module, text, bug, gpu, tmp_path, expected, monkeypatch):
    import gpu_kernels

    path = Path(tinynet.__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    assert text in path.read_text(), f"{path.name} no longer has {text!r}; mutate what it became"
    noticed = ""
    try:
        with mutant(module, text, bug) as T:
            if (
                module == "ops.kernels"
            ):  # the kernels that the stand-in runs must be those with the bug
                changed = [
                    k
                    for k in vars(T.ops.kernels).values()
                    if type(k).__name__ == "Kernel" and k.text != _original(k.name).text
                ]
                assert changed, "the bug is in no kernel's text"
                if gpu_kernels.compiler() is None:
                    pytest.skip("no C++ compiler, to run the kernels' text without a GPU")
                for kernel in changed:
                    monkeypatch.setitem(
                        strict_cupy.reference_kernels,
                        f"tinynet_{kernel.name}",
                        gpu_kernels.only(kernel),
                    )
            exercise(T, tmp_path, expected)
    except (Exception, pytest.fail.Exception) as error:
        assert not isinstance(error, SyntaxError), f"the bug is no Python: {error}"
        noticed = repr(error)
    gc.collect()
    strict_cupy.races.clear()  # what the arrays of the failed program left behind
    assert noticed, f"nobody noticed {what}"


def _original(name: str) -> Any:
    import gpu_kernels

    return gpu_kernels.KERNELS[f"tinynet_{name}"]


def test_the_lint_notices_some_without_running_anything():
    assert problems("xp.maximum.reduce(a, axis=0)") and problems("xp.multiply(a, b, where=c)")
