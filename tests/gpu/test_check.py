"""`python tests/gpu/check.py` with a GPU (the stand-in), without one, and with a bug."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import check
import gpu_cases
import pytest
import strict_cupy
from operations import Case, real


def test_without_a_gpu(tmp_path, capsys):
    with strict_cupy.install(devices=0, status=35):
        assert check.main(["--report", str(tmp_path / "report.json")]) == 0
    said, report = capsys.readouterr().out, json.loads((tmp_path / "report.json").read_text())
    assert "skipped  layers for images: no GPU" in said and "skipped  speed" in said
    assert "Verdict: nothing was checked" in said
    assert "no GPU to use: device 'cuda:0': cupy finds no NVIDIA driver" in said
    assert report["passed"] == report["FAILED"] == 0
    assert report["skipped"] == len(report["checks"]) == len(gpu_cases.GROUPS) + 6
    assert report["environment"]["gpu"] is None and "driver" in report["environment"]["reason"]


def test_as_a_program(tmp_path):
    """It runs from another folder, and finds the checkout without PYTHONPATH (-E ignores that)."""
    done = subprocess.run(
        [sys.executable, "-E", str(Path(check.__file__).resolve()), "--no-speed"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Verdict: " in done.stdout and not done.stderr


def test_with_a_gpu(gpu, monkeypatch):
    """Everything but the number of cases, which the other tests run, and the time it takes."""
    few = {name: cases[:9] for name, cases in gpu_cases.GROUPS.items()}
    adam = {"Adam": gpu_cases.OPTIMIZERS["Adam"]}
    step, data = check.training_step, check.check_data
    monkeypatch.setattr(gpu_cases, "GROUPS", few)
    monkeypatch.setattr(gpu_cases, "OPTIMIZERS", adam)
    monkeypatch.setattr(check, "milliseconds", lambda f, finish, n: (f(), finish(), 1.5)[-1])
    monkeypatch.setattr(check, "training_step", lambda device, batch: step(device, 4))
    monkeypatch.setattr(check, "check_data", lambda: data(8))
    monkeypatch.setattr(check, "check_gradients", lambda: "slow, and in test_gpu_gradcheck.py")
    said = []
    report = check.run(say=said.append)
    assert report["FAILED"] == report["skipped"] == 0, said
    assert report["environment"]["gpu"][0] and "cuda, batch 64: 1.5" in said[-2]
    assert said[-1].startswith("Verdict: all 9 checks passed")
    json.dumps(report)


def test_gradcheck_runs(gpu, monkeypatch):
    """On one function, because central differences are slow."""
    small = Case("small", lambda T, x: T.nn.functional.max_pool2d(x, 2, 1), (real(1, 1, 2, 3),))
    small = small._replace(inputs=tuple([a.astype("f8") for a in small.inputs]))
    monkeypatch.setattr(
        gpu_cases, "CASES", dict.fromkeys(
            ("conv2d groups", "max_pool2d", "cross_entropy weight, ignored"), small)
    )  # fmt: skip
    assert check.check_gradients() == "3 functions against central differences"


def test_an_error_is_reported(gpu, monkeypatch, capsys):
    few = {
        "linear": lambda: check.check_cases([gpu_cases.CASES["linear"]]),
        "broken": lambda: 1 / 0,
    }
    monkeypatch.setattr(check, "checks", lambda speed: few)
    assert check.main([]) == 1
    said = capsys.readouterr().out
    assert "passed   linear: 1 cases" in said
    assert "FAILED   broken: ZeroDivisionError" in said
    assert "Verdict: 1 of 2 checks FAILED" in said


def test_a_difference_fails(gpu):
    wrong = Case("wrong", lambda T, a: a * (1.001 if a.is_cuda else 1.0), (real(2, 3),))
    with pytest.raises(AssertionError, match=r"1 of 2 cases differ: \['wrong'\]; .*Not equal"):
        check.check_cases([gpu_cases.CASES["linear"], wrong])
