"""What a program sees under ``tinynet run`` where tinynet has its own words: PyTorch's names.

They are put in place once, by `use`. A program that imports tinynet never meets them.
"""

import sys
from typing import Any

import numpy as np

from .. import printing
from ..ops.arguments import result_type
from ..ops.reductions import MinMax
from ..tensor import Size, Tensor
from ..vision.datasets.image_set import VisionDataset
from . import HOMES, names


class dtype:
    """A dtype of numpy by PyTorch's name. It stands for numpy's, equals it, and answers as it.

    >>> single = dtype(np.dtype(np.float32))
    >>> single, single == np.float32, single.is_floating_point, np.ones(2, single).dtype
    (torch.float32, True, True, dtype('float32'))
    """

    is_complex = False

    def __init__(self, own: np.dtype):
        self.dtype = own  # where numpy looks for it
        self.is_floating_point, self.is_signed = own.kind == "f", own.kind in "if"

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["dtype"], name)

    def __eq__(self, other: object) -> bool:
        return self.dtype == other

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"torch.{self.dtype.name}"

    def __reduce__(self) -> Any:
        return np.dtype, (self.dtype.str,)


_DTYPES = {np.dtype(kind): dtype(np.dtype(kind)) for kind in "? u1 i1 i2 i4 i8 f2 f4 f8".split()}


def say_theirs(values: dict[str, Any]) -> None:
    """Make the dtypes among `values`, by name, PyTorch's; let classes say where PyTorch has them.
    """
    homes = {name: place for key, found in names.places().items() if key.startswith("class ")
             for name in found for place in [key.removeprefix("class ")]}
    for name, value in values.items():
        if isinstance(value, np.dtype):
            values[name] = _DTYPES[value]
        elif value is np.dtype:
            values[name] = dtype
        elif value is result_type:
            values[name] = lambda *tensors: _DTYPES[result_type(*tensors)]
        elif isinstance(value, type) and name in homes and value not in HOMES:
            HOMES[value] = value.__module__
            value.__module__, value.__name__, value.__qualname__ = homes[name], name, name


def use() -> None:
    """Let tensors and what belongs to them print as PyTorch's from now on."""
    tensor: Any = Tensor
    size: Any = Size
    pair: Any = MinMax
    tensor.dtype = property(lambda self: _DTYPES[self.array.dtype], doc=Tensor.dtype.__doc__)
    dtype.__module__ = printing.package = "torch"
    size.__repr__ = lambda self: f"torch.Size({[*self]})"
    size.__add__ = lambda self, other: Size((*self, *other))
    size.__getitem__ = lambda self, i: (Size if isinstance(i, slice) else int)(
        tuple.__getitem__(self, i))
    pair.__repr__ = lambda self: "torch.return_types.{}(\nvalues={!r},\nindices={!r})".format(
        type(self).__name__, *self)
    # What is a ValueError, a TypeError or an IndexError here is mostly a RuntimeError in PyTorch:
    # programs that expect either catch these.
    both = {"__module__": "builtins"}
    errors = {"ValueError": type("RuntimeError", (RuntimeError, ValueError), both),
        "TypeError": type("TypeError", (TypeError, RuntimeError), both),
        "IndexError": type("IndexError", (IndexError, RuntimeError), both)}
    for name, module in list(sys.modules.items()):
        if name.startswith(tuple(f"tinynet.{room}" for room in (
                "ops.", "nn.functional.", "nn.normalization", "creation", "arrays.devices"))):
            vars(module).update(errors)
    VisionDataset._bare = staticmethod(lambda image: image)
