"""What small networks seldom need is looked up when a program asks for it, and not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tinynet
from tinynet import compat


def test_importing_tinynet_imports_nothing_of_it():
    code = "import sys, tinynet; print([m for m in sys.modules if 'tinynet.compat.' in m])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("name", compat.METHODS)
def test_every_method_is_there(name):
    assert getattr(tinynet.Tensor, name) is not None
    assert name in dir(tinynet.ones(2))


@pytest.mark.parametrize(
    ("lack", "words"),
    [(lambda: tinynet.fft, "torch.fft. Fourier"), (lambda: tinynet.nn.LSTM, "Recurrent networks"),
     (lambda: tinynet.nn.functional.conv3d, "(N, C, H, W)"), (lambda: tinynet.optim.Muon, "Adam"),
     (lambda: tinynet.optim.adam, "did you mean Adam"),
     (lambda: tinynet.nonsense, "nor is it in the list")],
)  # fmt: skip
def test_a_missing_name_says_what_to_use(lack, words):
    with pytest.raises(AttributeError, match="^tinynet.* has no") as error:
        lack()
    assert words in str(error.value)
    assert not hasattr(tinynet, "as_dtype")  # nor what our files import for themselves
