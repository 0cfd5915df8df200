"""Functions of ``torch`` as compositions of others, with the gradients that follow from these."""

from typing import Any

import numpy as np

from ..ops.arguments import as_bool, as_dim, as_dtype, of_tensor
from ..ops.shapes import cat
from ..tensor import Tensor
from . import public


def _along_last(name: str, input: Tensor, dim: Any) -> Tensor:
    """`input` with the dimension `dim` moved to the end; with None, flattened."""
    if dim is None:
        return input.reshape(-1)
    return input.unsqueeze(-1).transpose(as_dim(name, dim, input.ndim), -1)[..., 0, :]


@of_tensor
def prod(input, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product of all elements, or along `dim`. Bools and integers multiply to int64."""
    as_bool("prod", "keepdim", keepdim)
    dtype = np.dtype(np.int64) if dtype is None and input.dtype.kind != "f" else dtype
    y = _along_last("prod", input if dtype is None else input.to(as_dtype("prod", dtype)), dim)
    while y.shape[-1] > 1:  # by halves, so that no gradient is divided by a factor, which may be 0
        half = y.shape[-1] // 2
        y = cat([y[..., :half] * y[..., half : 2 * half], y[..., 2 * half :]], -1)
    y = y[..., 0] if y.shape[-1] else y.sum(-1) + 1
    return y if not keepdim else y.reshape([1] * input.ndim) if dim is None else y.unsqueeze(dim)


__all__ = public(globals())
