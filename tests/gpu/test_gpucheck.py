"""`python -m tinynet.gpucheck`, with a (pretended) GPU, without one, and with a bug."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import strict_cupy

import tinynet
from tinynet import gpucheck

ROOT = Path(tinynet.__file__).resolve().parent.parent


def test_without_a_gpu(tmp_path, capsys):
    with strict_cupy.install(devices=0, status=35):
        assert gpucheck.main(["--report", str(tmp_path / "report.json")]) == 0
    said, report = capsys.readouterr().out, json.loads((tmp_path / "report.json").read_text())
    assert (
        "no GPU: device 'cuda:0': cupy finds no NVIDIA driver" in said
        and "skipped  conv2d: no GPU" in said
        and "skipped  speed" in said
    )
    assert (
        report["passed"] == report["FAILED"] == 0
        and report["skipped"] == len(report["checks"]) == len(gpucheck.OPERATIONS) + 6
    )
    assert report["environment"]["gpu"] is None and "driver" in report["environment"]["reason"]


def test_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "tinynet.gpucheck", "--no-speed"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 FAILED" in done.stdout


def test_with_a_gpu(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(
        gpucheck, "_milliseconds", lambda step, finish, repeats: (step(), finish(), 1.5)[-1]
    )  # one step each
    stepper = gpucheck._stepper
    monkeypatch.setattr(gpucheck, "_stepper", lambda device, batch: stepper(device, 4))
    check_data = gpucheck.check_data
    monkeypatch.setattr(gpucheck, "check_data", lambda: check_data(8))
    monkeypatch.setattr(
        gpucheck, "check_gradients", lambda: "left to test_gpu_gradcheck.py, being slow"
    )
    said = []
    report = gpucheck.run(say=said.append)
    assert report["FAILED"] == report["skipped"] == 0, said
    assert report["environment"]["gpu"][0] and "cuda, batch 64: 1.5" in said[-2]
    json.dumps(report)


def test_a_bug_is_reported(gpu, monkeypatch, capsys):
    monkeypatch.setattr(
        gpucheck,
        "checks",
        lambda speed: [
            ("linear", lambda: gpucheck.check_operation("linear")),
            ("broken", lambda: 1 / 0),
        ],
    )
    assert gpucheck.main([]) == 1
    assert "FAILED   broken: ZeroDivisionError" in capsys.readouterr().out


def test_a_difference_fails(gpu, monkeypatch):
    monkeypatch.setitem(
        gpucheck.OPERATIONS, "wrong", (lambda a: a * (1.001 if a.is_cuda else 1.0), ((2, 3),))
    )
    with pytest.raises(AssertionError, match="Not equal"):
        gpucheck.check_operation("wrong")
