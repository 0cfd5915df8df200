"""The benchmarks run: what they time is there, and their processes answer. No times are judged."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def programs():
    before = list(sys.path)
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path[:] = before
    for name in ("bare", "nets", "spent", "timing", "work"):
        sys.modules.pop(name, None)


def test_the_step_without_the_framework_is_the_step_with_it(programs):
    programs("bare").check()


@pytest.mark.parametrize("net", ["LeNet-5", "small", "MNIST example", "CIFAR", "ResNet"])
def test_nets(programs, net):
    work = programs("work")
    work.training_step("tinynet", net, 2)()
    work.inference("tinynet", net, 1)()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_convolution(programs, direction):
    arguments = direction, 2, 4, 6, (5, 6), (3, 2)
    programs("work").convolution("tinynet", *arguments, stride=2, groups=2)()


def test_processes_answer(programs):
    with programs("timing").Processes(["tinynet"], threads=1) as processes:
        times = processes.times(["training", "LeNet-5", 2], runs=4, burst=2)
        assert [len(seconds) for seconds in times.values()] == [4]
        with pytest.raises(RuntimeError, match="tinynet: its process has ended"):
            processes.times(["no such job"], runs=1)


def test_kinds_of_operations_make_up_the_step(programs):
    spent = programs("spent")
    found = spent.in_processes(["tinynet"], 1, ["training", "CIFAR", 2], runs=2)["tinynet"]
    least = found.pop("at least")
    for seconds in (found, least):
        assert list(seconds) == spent.KINDS
        parts = [s for kind, s in seconds.items() if kind != "all"]
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(seconds["all"])
    assert all(found[kind] for kind in spent.KINDS)
    assert least["convolution"] == max(s for kind, s in least.items() if kind != "all")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("conv2d_weight_grad", "convolution"), ("aten::convolution_backward", "convolution"),
     ("normalize, backward", "batch norm"), ("aten::native_batch_norm", "batch norm"),
     ("gated", "ReLU"), ("aten::threshold_backward", "ReLU"), ("aten::clamp_min_", "ReLU"),
     ("scatter", "pooling"), ("aten::max_pool2d_with_indices_backward", "pooling"),
     ("aten::addmm", "linear, loss"), ("cross_entropy", "linear, loss"), ("", "else"),
     ("Optimizer.step#SGD.step", "else")],
)  # fmt: skip
def test_operations_of_both_frameworks_are_of_one_kind(programs, operation, kind):
    assert programs("spent").kind(operation) == kind


def test_the_pages_numbers_have_their_place():
    page = (FOLDER.parent / "docs/performance.md").read_text(encoding="utf-8")
    assert page.count("<!-- measured -->") == page.count("<!-- end -->") == 1
