"""Which dtype an operation computes in: PyTorch's rules, on numpy's dtypes."""

from typing import Any

import numpy as np

from ..autograd import Variable

default_dtype = np.dtype(np.float32)

# numpy's letters for the kinds of dtypes; a higher rank wins: bool < integer < float
KIND_RANK = {"b": 0, "i": 1, "u": 1, "f": 2}


def result_type(*operands: Any) -> np.dtype:
    """The dtype of an operation on `operands` (tensors and Python numbers), by PyTorch's rule.

    Kinds rank bool < integer < float. Tensors with dimensions decide first. A 0-d tensor counts
    only if its kind ranks higher than theirs. A Python number counts only if its kind ranks higher
    than that of all tensors; it is then an int64 or a float32.

    >>> import tinynet
    >>> result_type(tinynet.tensor([1, 2]), 2.5)
    dtype('float32')
    """
    with_dims, without_dims, numbers = None, None, None
    for operand in operands:
        if not isinstance(operand, Variable):
            dtype: Any = np.int64 if isinstance(operand, int) else default_dtype
            numbers = _promote(numbers, np.dtype(bool if isinstance(operand, bool) else dtype))
        elif operand.array.ndim:
            with_dims = _promote(with_dims, operand.array.dtype)
        else:
            without_dims = _promote(without_dims, operand.array.dtype)
    found = _higher_kind(_higher_kind(with_dims, without_dims), numbers)
    if found is None:
        raise ValueError("result_type: expected at least one operand")
    return found


def _higher_kind(a: np.dtype | None, b: np.dtype | None) -> np.dtype | None:
    """`b` if its kind ranks higher than that of `a`, else `a`."""
    if a is None or b is None:
        return a or b
    return b if KIND_RANK[b.kind] > KIND_RANK[a.kind] else a


def _promote(a: np.dtype | None, b: np.dtype) -> np.dtype:
    """The dtype that can hold the values of both."""
    if a is None or a == b:
        return b
    if "f" in (a.kind, b.kind) and a.kind != b.kind:  # numpy would widen int64 + float32 to float64
        return a if a.kind == "f" else b
    return np.promote_types(a, b)
