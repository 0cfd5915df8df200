"""Classes of one dtype, such as ``torch.FloatTensor``: they make tensors, and stand for dtypes."""

from typing import Any

import numpy as np

from .. import creation
from ..tensor import Size, Tensor

_KINDS = {"Float": "float32", "Double": "float64", "Half": "float16", "Long": "int64",
          "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool"}
_NAMES = {np.dtype(dtype): f"{kind}Tensor" for kind, dtype in _KINDS.items()}


class _Typed(type):
    """The class of FloatTensor and the like: their calls make tensors, which are their instances.
    """

    def __call__(cls: Any, *data: Any) -> Any:
        """Of the given sizes, zeros; of one sequence, array or tensor of the dtype, its values."""
        given = data[0] if len(data) == 1 else data
        if isinstance(given, Size) or all(isinstance(n, int) for n in data):
            return creation.zeros(given if data else (0,), dtype=cls.dtype, device=cls.place)
        if len(data) > 1 or isinstance(given, float):
            raise TypeError(f"{cls.__name__}: expected sizes or one sequence, got {data!r:.60}")
        if isinstance(given, Tensor):
            if given.dtype != cls.dtype:
                raise TypeError(f"{cls.__name__}: got a tensor of {given.dtype}; use .to(...)")
            return given.view_as(given)
        return creation.tensor(given, dtype=cls.dtype if cls.dtype.kind == "f" else None,
                device=cls.place).to(cls.dtype)

    def __instancecheck__(cls: Any, instance: Any) -> bool:
        here = isinstance(instance, Tensor) and instance.device.type == cls.place
        return here and instance.dtype == cls.dtype


def _typed(place: str) -> dict[str, Any]:
    return {name: _Typed(name, (), {"dtype": dtype, "place": place, "__doc__":
        f"Tensors of {dtype}: ``{name}(2, 3)``, ``{name}([1, 2])``, isinstance, and .type(...)."})
        for dtype, name in _NAMES.items()}


_CPU, _CUDA = _typed("cpu"), _typed("cuda")
globals().update(_CPU)
__all__ = [*_CPU]
