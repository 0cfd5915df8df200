"""On PyTorch's own samples of its functions, tinynet answers the same or refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "tools" / "pytorch_samples.py"


def test_no_other_answer(torch):
    pytest.importorskip("expecttest", reason="PyTorch's samples need expecttest")
    done = subprocess.run([sys.executable, SAMPLES], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert not found["other"], "\n\n".join(found["other"])
    counts = found["counts"]
    for kind, least in (("function", 4000), ("method", 3000), ("in place", 600), ("layer", 800)):
        assert counts[f"{kind} same"] > least
        assert counts.get(f"{kind} refused", 0) < counts[f"{kind} same"] / 5
