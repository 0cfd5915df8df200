"""Averages of weights along a training, where PyTorch has them; they are in `tinynet/compat`."""

from .. import compat

__getattr__ = compat.finder(__name__)
