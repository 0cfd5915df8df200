"""`python benchmarks/gpu.py`, run dry: all of it in tiny sizes on the stand-in for cupy.

The numbers mean nothing here. What is tested is that each part runs and says what it promises, and
what happens without a GPU, when a part fails or takes too long, and at Ctrl-C.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from real_cupy import REAL_CUPY

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
NETS = "LeNet-5", "small", "example", "CIFAR", "ResNet"

pytestmark = pytest.mark.skipif(REAL_CUPY, reason="the program itself runs these tests")


@pytest.fixture(scope="module")
def program():
    """benchmarks/gpu.py as a module."""
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("benchmark_of_a_gpu", PROGRAM)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


def environment(folder, *missing):
    """Variables for a process that can't import the packages `missing`."""
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in missing)]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return {**os.environ, "PYTHONPATH": str(folder)}


def heed_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(folder, *options, missing=()):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *options, "--out", str(folder / "found")],
        env=environment(folder, *missing),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs ignore SIGINT, and so would what they start
        preexec_fn=None if os.name == "nt" else heed_ctrl_c,
    )


def written(folder):
    """Both files: the report, and the cells of each row of the table."""
    report = json.loads((folder / "found" / "gpu.json").read_text(encoding="utf-8"))
    text = (folder / "found" / "gpu.md").read_text(encoding="utf-8")
    assert "A dry run on the stand-in for cupy: the numbers mean nothing." in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert table[:2] == [["part", "what", "found"], ["---", "---", "---"]]
    assert len(table) - 2 == len(report["rows"])
    return report, table[2:]


def test_all_parts(tmp_path):
    """Without PyTorch, which takes seconds to import; its parts are tested below."""
    process = start(tmp_path, "--dry", missing=["torch"])
    said, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, said + complaints
    report, table = written(tmp_path)
    rows = {row["what"]: row for row in report["rows"]}
    assert not [row for row in report["rows"] if "failed" in row] and report["dry"]
    assert rows["GPU"]["value"] == "stand-in" and rows["no waiting"]["value"].startswith("a step")
    for net in NETS:
        step = f"{net}, batch 1: tinynet"
        for what in ("GPU", "GPU, peak memory", "CPU"):
            assert rows[f"{step}, {what}"]["value"] > 0
        assert rows[f"{step}, GPU, waits"]["value"] == "0"
        assert rows[f"{net}: launches of a step, at least"]["value"] > 80
        for what in ("waits", "uploads"):
            assert rows[f"{net}: {what} of a step, at least"]["value"] == 0
        ratio = rows[f"{step}, GPU / tinynet, CPU"]["value"]
        times = [rows[f"{step}, {device}"]["value"] for device in ("GPU", "CPU")]
        assert ratio == pytest.approx(times[0] / times[1], abs=1e-3)
    assert rows["LeNet-5, batch 2: step, Python"]["value"] > 0
    assert rows["LeNet-5, batch 2: conv2d, waited for"]["value"] > 0
    assert rows["epoch of MNIST: tinynet, data on the host"]["unit"] == "s"
    tests = rows["tests/gpu/test_gpu_budget.py: passed, failed, skipped"]
    assert tests["value"] == [3, 0, 0]
    assert ["PyTorch", "left out", "PyTorch is not installed"] in table
    assert ["activity", "left out", "PyTorch is not installed"] in table
    assert ["environment", "GPU", "stand-in"] in table
    assert len({row["part"] for row in report["rows"]}) == len(report["parts"]) + 1  # the ratios


def test_without_a_gpu(tmp_path):
    process = start(tmp_path, missing=["cupy"])
    said, complaints = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, "")
    assert complaints.startswith("No GPU to measure: RuntimeError: device 'cuda:0': cupy is not")
    assert complaints.count("\n") == 1 and not (tmp_path / "found").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c(tmp_path):
    """What was found is written, and no part goes on."""
    process = start(tmp_path, "--dry", missing=["torch"])
    for line in process.stdout:
        if line.startswith("check: "):
            process.send_signal(signal.SIGINT)
            break
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    report, table = written(tmp_path)
    assert report["ended"].startswith("Ctrl-C before these parts were done: ")
    assert "tests" in report["ended"] and "tests" not in report["parts"]
    assert ["environment", "GPU", "stand-in"] in table


def test_a_part_that_takes_too_long(program, tmp_path):
    run = program.Run(tmp_path, 0.0, dry=True)
    run.least = 0.01
    ended, seconds = run.part("counts")
    assert ended == "stopped after 0 s, its share of the time" and seconds < 5
    (tmp_path / "counts.rows").write_text('{"what": "a", "value": 1, "unit": ""}\n{"what": "cut o')
    assert run.found("counts", ended) == [
        {"part": "counts", "what": "a", "value": 1, "unit": ""},
        {"part": "counts", "what": "the whole part", "failed": ended},
    ]


def test_what_fails_is_a_row(program, tmp_path):
    job = program.Job(tmp_path / "rows", dry=True)
    job.attempt("a", "ms", lambda: 1.5)
    job.attempt("b", "ms", lambda: 1 / 0)
    rows = program.read_rows(job.rows)
    assert rows[0] == {"what": "a", "value": 1.5, "unit": "ms"}
    assert rows[1] == {"what": "b", "failed": "ZeroDivisionError: division by zero"}
    report = {"started": "now", "seconds": 1, "dry": False, "ended": "", "rows": [
        {"part": "p", **row} for row in rows]}  # fmt: skip
    assert "| p | b | **failed**: ZeroDivisionError: division by zero |" in program.markdown(report)


def test_pytorch(program, torch, tmp_path):
    job = program.Job(tmp_path / "rows", dry=True)
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    program.pytorch(job)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = flags
    rows = program.read_rows(job.rows)
    assert all(row["value"] > 0 for row in rows) and len(rows) == 4 * len(job.batches) + 1
    assert rows[2]["what"] == "LeNet-5, batch 1: PyTorch, float32, channels_last"
    ours = {"what": "LeNet-5, batch 1: tinynet, GPU", "value": 3 * rows[0]["value"], "unit": "ms"}
    (first, *_) = program.compared([*rows, ours])
    assert first["what"] == "LeNet-5, batch 1: tinynet, GPU / PyTorch, float32"
    assert first["value"] == pytest.approx(3.0)


def test_activity(program, torch, gpu, tmp_path):
    """PyTorch's profiler, which has no GPU to see here."""
    job = program.Job(tmp_path / "rows", dry=True)
    program.activity(job)
    rows = program.read_rows(job.rows)
    assert [row["what"] for row in rows[:2]] == [
        "LeNet-5, batch 1: kernels in a step", "LeNet-5, batch 1: uploads"]  # fmt: skip
    assert not any("failed" in row for row in rows)


def test_nets_are_those_of_the_examples(program, torch):
    """The same parameters in the same order, in tinynet and in PyTorch."""
    import tinynet

    for make, shape in program.ALL_NETS.values():
        shapes = [
            [tuple(p.shape) for p in make(framework.nn).parameters()]
            for framework in (tinynet, torch)
        ]
        assert shapes[0] == shapes[1]
        assert make(tinynet.nn)(tinynet.ones(2, *shape)).shape == (2, 10)
