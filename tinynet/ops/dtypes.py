"""Which dtype an operation computes in: PyTorch's rules, on numpy's dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd import Variable

default_dtype = np.dtype(np.float32)
_RANK = {"b": 0, "i": 1, "u": 1, "f": 2}


def result_type(*operands: Any) -> np.dtype:
    """The dtype of an operation on `operands` (tensors and Python numbers), by PyTorch's rule.

    Kinds rank bool < integer < float. Tensors with dimensions decide; a 0-d tensor counts only if its kind ranks
    higher than theirs, and a Python number only if its kind ranks higher still (then as int64 or float32).

    >>> import tinynet
    >>> result_type(tinynet.tensor([1, 2]), 2.5)
    dtype('float32')
    """
    best: np.dtype | None = None
    tensors = [v for v in operands if isinstance(v, Variable)]
    numbers = [v for v in operands if not isinstance(v, Variable)]
    for group in ([t for t in tensors if t.array.ndim], [t for t in tensors if not t.array.ndim]):
        found: np.dtype | None = None
        for tensor in group:
            found = tensor.array.dtype if found is None else _promote(found, tensor.array.dtype)
        if found is not None and (best is None or _RANK[found.kind] > _RANK[best.kind]):
            best = found
    for number in numbers:
        dtype = np.dtype(bool if isinstance(number, bool) else np.int64 if isinstance(number, int) else default_dtype)
        if best is None or _RANK[dtype.kind] > _RANK[best.kind]:
            best = dtype
    if best is None:
        raise ValueError("result_type: expected at least one operand")
    return best


def _promote(a: np.dtype, b: np.dtype) -> np.dtype:
    if a == b:
        return a
    if "f" in (a.kind, b.kind) and a.kind != b.kind:  # numpy would widen int64 + float32 to float64
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


