"""The tables of PyTorch's names: they are those of the installed packages, and say what is true."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import tinynet
from tinynet.compat import names

ROOT = Path(tinynet.__file__).parents[1]
TEXTS = ROOT / "tinynet" / "compat"
EVERY = [(place, name) for place in names.recorded() if place != "versions"
         for name in names.names_of(place)]


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks():
    """The recorded text, module by module."""
    found = {}
    for block in (TEXTS / "pytorch_names.txt").read_text(encoding="utf-8").split("\n\n"):
        head, *lines = block.strip().split("\n")
        found[head[1:-1]] = lines
    return found


def test_the_names_are_those_of_the_installed_pytorch(torch):
    version = torch.__version__.partition("+")[0]
    if f"torch({version})" not in blocks()["versions"]:
        pytest.skip(f"the names were recorded from another version than {version}")
    recorded = {place: lines for place, lines in blocks().items() if place.startswith("torch")
                and not place.startswith("torchvision")}
    # in a process of its own, because other tests import more of PyTorch's modules
    program = "import json, record_pytorch_names as r; print(json.dumps(r.record_torch()))"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "tools", check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert json.loads(told.stdout) == recorded


def test_the_names_are_those_of_the_installed_torchvision():
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("torchvision is not installed")
    record = tool("record_pytorch_names")
    source = record.Source(Path(spec.origin).parents[1])
    version = source.version.partition("+")[0]
    if f"torchvision({version})" not in blocks()["versions"]:
        pytest.skip(f"the names were recorded from another version than {version}")
    recorded = {place: lines for place, lines in blocks().items()
                if place.startswith("torchvision")}
    assert record.record_torchvision(source) == recorded


def test_the_record_holds_what_everybody_uses():
    """So that the tests above can be trusted where they are skipped."""
    for path in ("torch.zeros torch.Tensor.view torch.nn.Conv2d torch.nn.functional.relu "
                 "torch.optim.Adam torch.optim.lr_scheduler.StepLR torch.utils.data.DataLoader "
                 "torchvision.transforms.ToTensor torchvision.datasets.MNIST "
                 "torchvision.utils.save_image torch.autograd.Variable torch.nn._pair "
                 "torch.backends.cudnn.benchmark torch.utils.tensorboard.SummaryWriter "
                 "torch.hub.load torch.Tensor.backward torch.nn.Module.train").split():
        place, _, name = path.rpartition(".")
        assert name in names.names_of(place), path
    assert names.names_of("torch.nn.functional")["cross_entropy"] == (
        "input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction",
        "label_smoothing")
    assert names.names_of("torchvision.transforms")["Normalize"] == ("mean", "std", "inplace")


def test_every_name_is_found_or_has_a_reason():
    for place, name in EVERY:
        if not names.has(place, name):
            why = names.reason(f"{place}.{name}")
            assert why.en.endswith(".") and why.zh.endswith("。"), f"{place}.{name}"


def test_nothing_is_said_to_be_missing_that_is_there():
    """A line of missing.txt that names what tinynet has is out of date: take the name out."""
    wrong = []
    for pattern, _ in names._reasons():
        place, _, name = pattern.rpartition(".")
        if "*" not in pattern and name in names.names_of(place) and names.has(place, name) and (
                f"refused {pattern}" not in names.places()):
            wrong.append(pattern)
    assert not wrong


def test_no_line_of_missing_is_for_nothing():
    """Each pattern fits a recorded name, or begins one of a module that is not recorded."""
    known = {f"{place}.{name}" for place, name in EVERY} | set(names.recorded())
    known |= {word for kind, words in names.places().items() for word in [*kind.split(), *words]}
    not_recorded = {
        "torch.Tensor.names", "torch.Tensor.align_*", "torch.Tensor.refine_names",
        "torch.Tensor.rename", "torch.Tensor.rename_", "torch.nn.modules.rnn",
        "torch.nn.modules.transformer", "torch.nn.utils.prune", "torchvision.tv_tensors",
        "torchvision.transforms.Scale", "torchvision.transforms.RandomSizedCrop"}
    patterns = {}
    for pattern, why in names._reasons():
        if "(" in pattern:
            argument = pattern.partition("(")[2][:-1]
            assert any(argument in (p or ()) for place in names.recorded()
                       for p in names.names_of(place).values()), pattern
            continue
        fits = pattern in not_recorded or any(fnmatchcase(path, pattern) for path in known)
        name = re.sub(r"^torch\.(Tensor\.)?|_$", "", pattern)  # the four forms of an operation
        patterns[why, name] = patterns.get((why, name), False) or fits
    assert not [name for (_, name), fits in patterns.items() if not fits]


def test_what_is_to_be_used_instead_is_there():
    for _, why in names._reasons():
        for path in re.findall(r"(torch(?:\.\w+)+)", why.en):
            place, _, name = path.rpartition(".")
            assert names.has(place, name) or path == "torch.compile", why.en


def test_places_lead_somewhere():
    for kind, words in names.places().items():
        for path in words if kind.startswith("also") else ():
            assert names.resolve_name(path) is not None, kind
        if kind.startswith("same"):
            assert names.is_module(kind.split()[1]) and names.is_module(*words), kind


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_docs_hold_the_tables(language):
    tables = tool("make_pytorch_tables")
    text = tables.FILES[language].read_text(encoding="utf-8")
    assert text == tables.whole(language), "run: python tools/make_pytorch_tables.py"
    for version in re.findall(r"\((.*)\)", "\n".join(blocks()["versions"])):
        assert version in text.partition(tables.MARK)[0]


def test_the_docs_name_the_modules_that_are_empty():
    text = (ROOT / "docs" / "coming_from_pytorch.md").read_text(encoding="utf-8")
    for kind in names.places():
        if kind.startswith("refused ") and kind != "refused torchvision.models.utils":
            assert f"`{kind.split()[1]}`" in text


def test_every_name_of_the_tables_is_pytorchs_meaning():
    """tinynet's own things of the same name are not taken for PyTorch's."""
    from tinynet.autograd import engine

    for place, name in EVERY:
        if names.has(place, name) and not names.is_module(f"{place}.{name}"):
            value = names.found(place)[name]
            assert value is not engine.Variable
            assert not isinstance(value, type(tinynet)), f"{place}.{name} is a module"


def test_nothing_in_tinynet_imports_a_file_of_this_room():
    for path in (ROOT / "tinynet").rglob("*.py"):
        if path.parent.name != "compat" and path.name != "__main__.py":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(import|from)\b.*\bcompat[. ]+(import )?[a-z]", text), path
