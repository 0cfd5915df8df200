"""Small and private things of PyTorch that programs import: `places.txt` says from where."""

from collections.abc import Callable, Iterable
from typing import Any

from ..nn import layers
from ..nn.stateless import _Loss


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """What makes a tuple of `n` equal numbers of one number; of several, a tuple as they are.

    >>> _pair(3), _pair([1, 2])
    ((3, 3), (1, 2))
    """
    return lambda x: tuple(x) if isinstance(x, Iterable) else (x,) * n


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
_ConvNd = layers._Conv


class _WeightedLoss(_Loss):
    """The base of losses with a weight for each class."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None,
                 reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


required = object()  # the default of an argument that must be given
cuda = hip = None  # the versions of these in torch.version
