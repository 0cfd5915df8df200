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
    for name in ("bare", "nets", "timing", "work"):
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


def test_the_pages_numbers_have_their_place():
    page = (FOLDER.parent / "docs/performance.md").read_text(encoding="utf-8")
    assert page.count("<!-- measured -->") == page.count("<!-- end -->") == 1
