"""The promises about the code as a whole: imports go one way only, and importing tinynet drags in
nothing heavy.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinynet

ROOT = Path(tinynet.__file__).parent

# From what everything is built on to what is built on everything. A file may import from those
# before its own entry; the longest entry that names it counts. `compat` itself only looks up names
# at a program's request; the files in it come last.
ORDER = """
compat arrays.devices arrays.random arrays.memory arrays.threads arrays.gpu arrays cuda
autograd.grad_mode autograd.anomaly autograd.versions autograd.hooks autograd.requests
autograd.engine autograd.primitives autograd.inplace autograd.recorded autograd
ops.arguments ops.layout ops.summing ops.indexing ops.shapes ops.operands ops.elementwise
ops.reductions ops.softmax ops.products ops.conv.geometry ops.conv ops
printing tensor creation autograd.gradcheck serialization distributed.group
nn.functional nn.parameter nn.module nn distributed.parallel distributed nn.parallel
optim data utils vision.transforms vision.datasets vision transforms datasets explain
""".split()


def rank(module: str) -> int:
    if module.startswith("compat."):
        return len(ORDER)
    names = [name for name in ORDER if f"{module}.".startswith(f"{name}.")]
    return ORDER.index(max(names, key=len)) if names else len(ORDER)


def imported(path: Path) -> list[str]:
    """The modules of tinynet that a file imports, wherever in it, as dotted names below `tinynet`.

    An import under ``if TYPE_CHECKING:`` is left out, because it never runs.
    """
    package = list(path.relative_to(ROOT).parts[:-1])
    found = []
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body.clear()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)] + (
                node.module.split(".") if node.module else []
            )
            for alias in node.names:
                inside = ROOT.joinpath(*base, alias.name)
                found.append(
                    ".".join(
                        [*base, alias.name]
                        if inside.is_dir() or inside.with_suffix(".py").exists()
                        else base
                    )
                )
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split(".")[0] == "tinynet"
        ):
            found.append(".".join(node.module.split(".")[1:]))
        elif isinstance(node, ast.Import):
            found += [
                ".".join(a.name.split(".")[1:])
                for a in node.names
                if a.name.split(".")[0] == "tinynet"
            ]
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_only_down(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    above = [name for name in imported(path) if rank(name) > rank(own)]
    if own.startswith("explain"):  # which is written like a user's program, on the public face
        above = [name for name in above if name]
    assert not above, f"{own or 'tinynet'} imports from {above}, which is built on it"


def test_import_is_light():
    """No heavy or optional package comes along, and no thread is started."""
    heavy = "cupy torch matplotlib requests pooch tqdm platformdirs scipy IPython"
    heavy += " safetensors asyncio tinynet.explain"
    code = (
        "import sys, threading, tinynet\n"
        f"print([m for m in '{heavy}'.split() if m in sys.modules], threading.active_count())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    ).stdout
    assert said.strip() == "[] 1"


def test_pytorch_style_import_paths():
    code = (
        "import tinynet as torch\n"
        "import tinynet.nn as nn, tinynet.nn.functional as F, tinynet.optim as optim\n"
        "from tinynet.optim.lr_scheduler import StepLR\n"
        "from tinynet.utils.data import DataLoader, Dataset, TensorDataset\n"
        "torch.nn.functional.conv2d, torch.optim.lr_scheduler.OneCycleLR, "
        "torch.utils.data.DataLoader, torch.autograd.grad\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)
