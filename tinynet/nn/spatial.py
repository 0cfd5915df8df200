"""Layers that change the height and the width of images and learn nothing: pooling, resizing, padding."""

from __future__ import annotations

from typing import Any

from ..ops.arguments import as_number
from ..tensor import Tensor
from . import functional as F
from .module import Module


class MaxPool2d(Module):
    """The largest value under each position of a window. See `functional.max_pool2d`."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean under each position of a window. See `functional.avg_pool2d`."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean under each of `output_size` windows. See `functional.adaptive_avg_pool2d`."""

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(Module):
    """The largest value under each of `output_size` windows. See `functional.adaptive_max_pool2d`."""

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class Upsample(Module):
    """Images made larger (or smaller). See `functional.interpolate`."""

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor
        factors = scale_factor if isinstance(scale_factor, (tuple, list)) else [scale_factor]
        factors = [f if f is None else float(as_number("Upsample", "scale_factor", f, 0)) for f in factors]
        self.scale_factor: Any = tuple(factors) if isinstance(scale_factor, (tuple, list)) else factors[0]

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        how_much = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{how_much}, mode={self.mode!r}"


class _Pad2d(Module):
    """What the paddings share. `padding` is (left, right, top, bottom), or one int for all sides; negative sizes crop."""

    mode: str
    value: float | None = None

    def __init__(self, padding: int | tuple[int, int, int, int]):
        super().__init__()
        sizes = padding if isinstance(padding, (tuple, list)) else (padding,) * 4
        self.padding = tuple(sizes)
        if len(sizes) != 4 or not all(isinstance(n, int) for n in sizes):
            raise ValueError(f"{type(self).__name__}: padding must be an int or (left, right, top, bottom), got {padding!r}")

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad2d(_Pad2d):
    """`value` added on all sides of (N, C, H, W) or (C, H, W)."""

    mode = "constant"

    def __init__(self, padding: int | tuple[int, int, int, int], value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ZeroPad2d(_Pad2d):
    """Zeros added on all sides of (N, C, H, W) or (C, H, W)."""

    mode = "constant"


class ReflectionPad2d(_Pad2d):
    """The image mirrored at its edges, which are not repeated."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """The edges of the image repeated."""

    mode = "replicate"


class CircularPad2d(_Pad2d):
    """The image going on at its opposite edges."""

    mode = "circular"
