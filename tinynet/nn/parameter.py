"""`Parameter`, and the checks of what layers make parameters of."""

from typing import Any

from ..arrays import usable_device
from ..autograd import Variable
from ..ops.arguments import as_dtype, as_tensor
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module learns: an attribute of this class is one of the module's parameters.

    It shares the memory of `data`. RuntimeError if `data` holds no floats, unless
    ``requires_grad=False``.
    """

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True):
        as_tensor("Parameter", "data", data)
        if requires_grad and not data.is_floating_point():
            raise RuntimeError(f"Parameter: only floats can require grad, data is {data.dtype}")
        Variable.__init__(self, data.array)
        self._changes = data._changes
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameter":
        copy: Any = super().__deepcopy__(memo)
        copy.grad = None  # PyTorch copies the gradient of a tensor, but not that of a parameter
        return copy


def factory_options(layer: str, device: Any, dtype: Any) -> dict[str, Any]:
    """Where the parameters of a layer live, checked, as keywords for functions of `creation`."""
    if dtype is not None and (known := as_dtype(layer, dtype)).kind != "f":
        raise RuntimeError(f"{layer}: parameters must hold floats, got dtype {known}")
    return {"device": usable_device(layer, "cpu" if device is None else device), "dtype": dtype}
