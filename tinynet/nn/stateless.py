"""Layers without parameters: a table. Arguments, defaults, formulas are those of `functional`."""

from typing import Any

from ..ops import shapes
from ..ops.arguments import as_ints, as_number
from ..tensor import Tensor
from . import functional as F
from .function_module import FunctionModule
from .functional.loss import as_reduction
from .module import Module

# ------------------------------------------------------------------------------------ activations


class ReLU(FunctionModule, function=F.relu): ...
class LeakyReLU(FunctionModule, function=F.leaky_relu): ...
class ELU(FunctionModule, function=F.elu): ...
class GELU(FunctionModule, function=F.gelu): ...
class SiLU(FunctionModule, function=F.silu): ...
class Sigmoid(FunctionModule, function=F.sigmoid): ...
class Tanh(FunctionModule, function=F.tanh): ...
class Softplus(FunctionModule, function=F.softplus): ...
class ReLU6(FunctionModule, function=F.relu6): ...
class Softmax(FunctionModule, function=F.softmax): ...
class LogSoftmax(FunctionModule, function=F.log_softmax): ...


class Hardtanh(FunctionModule, function=F.hardtanh):
    def _check(self) -> None:
        low, high = self.min_val, self.max_val
        if not low < high:
            raise ValueError(f"Hardtanh: min_val must be less than max_val, got {low} and {high}")


class Identity(Module):
    """Returns its input. It accepts any arguments, so that it can replace any other layer."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


def _unflatten(input: Tensor, dim: int, unflattened_size: tuple[int, ...]) -> Tensor:
    """Dimension `dim` split into the sizes `unflattened_size`, of which one may be -1.

    (..., n, ...) -> (..., *unflattened_size, ...), the reverse of `Flatten`.
    """
    return shapes.unflatten(input, dim, unflattened_size)


class Unflatten(FunctionModule, function=_unflatten):
    def _check(self) -> None:
        as_ints("Unflatten", "unflattened_size", self.unflattened_size)


# ------------------------------------------------------------------------------------------- losses


class _Loss(FunctionModule):
    """A layer with a reduction. What older arguments ask for is kept in it, too."""

    _others: tuple[str, ...] = ()  # reductions besides none, mean and sum
    size_average = reduce = None
    reduction: str

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__()  # as the base of a program's own loss
        self.size_average, self.reduce, self.reduction = size_average, reduce, reduction
        self._check()

    def _check(self) -> None:
        older = self.size_average, self.reduce
        self.reduction = as_reduction(type(self).__name__, self.reduction, *older, *self._others)
        self.size_average = self.reduce = None

    def extra_repr(self) -> str:
        return ""


class CrossEntropyLoss(_Loss, function=F.cross_entropy): ...
class NLLLoss(_Loss, function=F.nll_loss): ...
class MSELoss(_Loss, function=F.mse_loss, arguments="size_average reduce reduction"): ...
class L1Loss(_Loss, function=F.l1_loss, arguments="size_average reduce reduction"): ...
class SmoothL1Loss(_Loss, function=F.smooth_l1_loss): ...
class HuberLoss(_Loss, function=F.huber_loss, arguments="reduction delta"): ...
class BCELoss(_Loss, function=F.binary_cross_entropy): ...
class BCEWithLogitsLoss(_Loss, function=F.binary_cross_entropy_with_logits): ...


class KLDivLoss(_Loss, function=F.kl_div):
    _others = ("batchmean",)


class CosineSimilarity(FunctionModule, function=F.cosine_similarity, shows=""): ...


# ----------------------------------------------------------------------------- pooling and resizing


class _Pool2d(FunctionModule):
    stride: Any

    def _check(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size


class MaxPool2d(
    _Pool2d, function=F.max_pool2d, shows="kernel_size stride padding dilation ceil_mode",
    arguments="kernel_size stride padding dilation return_indices ceil_mode"): ...
class AvgPool2d(_Pool2d, function=F.avg_pool2d, shows="kernel_size stride padding"): ...
class AdaptiveAvgPool2d(FunctionModule, function=F.adaptive_avg_pool2d): ...
class AdaptiveMaxPool2d(FunctionModule, function=F.adaptive_max_pool2d, shows="output_size"): ...


class Upsample(
    FunctionModule, function=F.interpolate,
    arguments="size scale_factor mode align_corners recompute_scale_factor"):
    scale_factor: Any

    def _check(self) -> None:
        self.scale_factor = _as_factor(self.scale_factor)

    def extra_repr(self) -> str:
        how = "size" if self.scale_factor is None else "scale_factor"
        return f"{how}={getattr(self, how)}, mode={self.mode!r}"


def _as_factor(factor: Any) -> Any:
    if isinstance(factor, (tuple, list)):
        return tuple([_as_factor(f) for f in factor])
    return None if factor is None else float(as_number("Upsample", "scale_factor", factor, 0))


# ---------------------------------------------------------------------------------------- padding


def _pad2d(input: Tensor, padding: Any, value: float | None, mode: str) -> Tensor:
    return F.pad(input, padding, mode, value)


class _Pad2d(FunctionModule):
    """`padding` is (left, right, top, bottom), or one int for all sides; negative sizes crop."""

    padding: Any

    def _check(self) -> None:
        layer, rule = type(self).__name__, "an int or (left, right, top, bottom)"
        given = self.padding
        sizes = given if isinstance(given, (tuple, list)) else (given,) * 4
        if len(sizes) != 4:
            raise ValueError(f"{layer}: padding must be {rule}, got {given!r:.60}")
        self.padding = as_ints(layer, "padding", sizes, rule=rule)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantPad2d(_Pad2d, function=_pad2d, arguments="padding value", mode="constant"):
    """`value` added on all sides of (N, C, H, W) or (C, H, W). See `functional.pad`.

    `padding` is (left, right, top, bottom), or one int for all sides; negative sizes crop.
    """

    extra_repr = FunctionModule.extra_repr


class ZeroPad2d(_Pad2d, function=_pad2d, arguments="padding", mode="constant", value=None):
    """`ConstantPad2d` with the value 0."""


class ReflectionPad2d(_Pad2d, function=_pad2d, arguments="padding", mode="reflect", value=None):
    """(N, C, H, W) or (C, H, W) mirrored at the edges, which are not repeated.

    `padding` as in `ConstantPad2d`. ValueError at the call for more than H - 1 or W - 1.
    """


class ReplicationPad2d(_Pad2d, function=_pad2d, arguments="padding", mode="replicate", value=None):
    """The edges of (N, C, H, W) or (C, H, W) repeated. `padding` as in `ConstantPad2d`."""


class CircularPad2d(_Pad2d, function=_pad2d, arguments="padding", mode="circular", value=None):
    """(N, C, H, W) or (C, H, W) continued at the opposite edges. `padding` as in `ConstantPad2d`.

    ValueError at the call for more than H or W.
    """
