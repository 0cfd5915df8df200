"""Small private things of PyTorch's layers and optimizers that programs import."""

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """What makes a tuple of `n` equal numbers of one number; of several, a tuple as they are.

    >>> _pair(3), _pair([1, 2])
    ((3, 3), (1, 2))
    """
    return lambda x: tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))


required = object()  # the default of an argument that must be given
