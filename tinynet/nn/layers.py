"""Layers: a function of `nn.functional` together with what it learns."""

from __future__ import annotations

import math
from typing import Any

from .. import creation
from ..ops import shapes
from ..ops.arguments import in_own_name, pair
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.convolution import same_padding
from .function_module import FunctionModule
from .module import Module, Parameter


def check_counts(layer: str, **numbers: Any) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{layer}: {name} must be an int from 1 up, got {number!r}")
        if number >= 2**31:
            raise ValueError(f"{layer}: {name} must be below 2**31, got {number}")


def _fan_in_init(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's choice for convolutions and linear layers: evenly over ±1 / sqrt(fan in), weights and biases alike."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(init.fans(weight)[0])
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """``y = x @ weight.T + bias``: (..., in_features) -> (..., out_features). See `functional.linear`."""

    @in_own_name
    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__()
        check_counts("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(creation.empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(creation.empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        _fan_in_init(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class _Conv(Module):
    """What `Conv2d` and `ConvTranspose2d` share: their arguments, their weights and how they print."""

    @in_own_name
    def __init__(
        self, transposed: bool, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, output_padding: Any,
        groups: int, bias: bool, dilation: Any, padding_mode: str, device: Any, dtype: Any,
    ):
        super().__init__()
        layer = type(self).__name__
        check_counts(layer, in_channels=in_channels, out_channels=out_channels, groups=groups)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{layer}: groups={groups} does not divide {name}={channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair(layer, "kernel_size", kernel_size, 1)
        self.stride = pair(layer, "stride", stride, 1)
        self.dilation = pair(layer, "dilation", dilation, 1)
        self.output_padding = pair(layer, "output_padding", output_padding, 0)
        self.padding: Any = padding if isinstance(padding, str) else pair(layer, "padding", padding, 0)
        modes = ("zeros",) if transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise ValueError(f"{layer}: padding_mode must be one of {', '.join(map(repr, modes))}; got {padding_mode!r}")
        self.padding_mode = padding_mode
        first_two = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(creation.empty(*first_two, *self.kernel_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(creation.empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        _fan_in_init(self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}", f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0, 0):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv2d(_Conv):
    """A convolution with its weights: (N, in_channels, H, W) -> (N, out_channels, OH, OW). See `functional.conv2d`.

    `padding_mode` says what lies beyond the edges: "zeros", "reflect", "replicate" or "circular".

    >>> Conv2d(1, 1, kernel_size=3, stride=1, padding=1)
    Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0, dilation: int | tuple[int, int] = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ):
        super().__init__(
            False, in_channels, out_channels, kernel_size, stride, padding, 0, groups, bias, dilation, padding_mode, device, dtype
        )
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Conv2d: padding must be an int, a pair, 'same' or 'valid'; got {padding!r}")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError(f"Conv2d: padding='same' keeps the size, which stride {self.stride} can't; use stride 1 or numbers")

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            if padding == "same":
                (top, bottom), (left, right) = same_padding(self.kernel_size, self.dilation)
            else:
                top, left = bottom, right = (0, 0) if padding == "valid" else padding
            input = F.pad(input, (left, right, top, bottom), mode=self.padding_mode)
            padding = 0
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """A transposed convolution with its weights: (N, in_channels, H, W) -> (N, out_channels, OH, OW), upwards with a stride.

    See `functional.conv_transpose2d`. ``padding_mode`` can only be "zeros".
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0, output_padding: int | tuple[int, int] = 0, groups: int = 1, bias: bool = True,
        dilation: int | tuple[int, int] = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ):
        if isinstance(padding, str):
            raise ValueError(f"ConvTranspose2d: padding must be an int or a pair, got {padding!r}")
        super().__init__(
            True, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode,
            device, dtype,
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """`output_size` (height, width) chooses the output padding instead of the layer's own."""
        extra = self.output_padding
        if output_size is not None:
            wanted = pair("ConvTranspose2d", "output_size", list(output_size)[-2:], 1)
            least = [
                (input.shape[axis - 2] - 1) * self.stride[axis] - 2 * self.padding[axis] + self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
                for axis in range(2)
            ]
            extra = (wanted[0] - least[0], wanted[1] - least[1])
            if any(not 0 <= more < step for more, step in zip(extra, self.stride, strict=True)):
                most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
                raise ValueError(f"ConvTranspose2d: output_size {wanted} must be from {tuple(least)} to {most}")
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class Dropout(FunctionModule, function=F.dropout, shows="p inplace"):
    def _check(self) -> None:
        if not isinstance(self.p, (int, float)) or not 0 <= self.p <= 1:
            raise ValueError(
                f"{type(self).__name__}: p must be a probability, from 0 to 1; got {self.p!r:.60}")


class Dropout2d(Dropout, function=F.dropout2d, shows="p inplace"): ...
class Flatten(FunctionModule, function=shapes.flatten, start_dim=1): ...
