"""Pooling, resizing and padding as layers: a table. Formulas and shapes are in `functional`."""

from typing import Any

from ..ops.arguments import as_ints, as_number
from ..tensor import Tensor
from . import functional as F
from .function_module import FunctionModule


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


class LPPool2d(_Pool2d, function=F.lp_pool2d): ...


class MaxUnpool2d(
    _Pool2d, function=F.max_unpool2d, arguments="kernel_size stride padding"):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return super().forward(input, indices, output_size=output_size)


class PixelShuffle(FunctionModule, function=F.pixel_shuffle): ...
class PixelUnshuffle(FunctionModule, function=F.pixel_unshuffle): ...
class ChannelShuffle(FunctionModule, function=F.channel_shuffle): ...
class LocalResponseNorm(FunctionModule, function=F.local_response_norm): ...
class Unfold(FunctionModule, function=F.unfold): ...
class Fold(FunctionModule, function=F.fold): ...


class Upsample(
    FunctionModule, function=F.interpolate,
    arguments="size scale_factor mode align_corners recompute_scale_factor"):
    scale_factor: Any

    def _check(self) -> None:
        self.scale_factor = _as_factor(self.scale_factor)

    def extra_repr(self) -> str:
        how = "size" if self.scale_factor is None else "scale_factor"
        return f"{how}={getattr(self, how)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample, function=F.interpolate, arguments="size scale_factor"):
    """`Upsample` with mode "nearest"."""

    mode = "nearest"


class UpsamplingBilinear2d(
    Upsample, function=F.interpolate, arguments="size scale_factor", mode="bilinear",
    align_corners=True):
    """`Upsample` with mode "bilinear" and ``align_corners=True``."""


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
