"""Small and private things of PyTorch that programs import: `places.txt` says from where."""

from collections.abc import Callable, Iterable
from typing import Any

from ..nn import layers
from ..optim import lr_scheduler


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """What makes a tuple of `n` equal numbers of one number; of several, a tuple as they are.

    >>> _pair(3), _pair([1, 2])
    ((3, 3), (1, 2))
    """
    return lambda x: tuple(x) if isinstance(x, Iterable) else (x,) * n


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
_ConvNd, _LRScheduler = layers._Conv, lr_scheduler.LRScheduler


required = object()  # the default of an argument that must be given
cuda = hip = None  # the versions of these in torch.version
