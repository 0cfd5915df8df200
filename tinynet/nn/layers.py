"""Layers with weights, dropout and `Flatten`."""

import math
from typing import Any

from .. import creation
from ..ops import shapes
from ..ops.arguments import as_choice, as_int, as_probability, pair
from ..tensor import Tensor
from . import functional as F, init
from .function_module import FunctionModule
from .functional.convolution import as_padding
from .module import Module
from .parameter import Parameter, factory_options

_Size = int | tuple[int, int]


class _Weighted(Module):
    """A layer with a weight and perhaps a bias."""

    def _make_weights(self, shape: tuple[int, ...], outputs: int, bias: bool, device: Any,
                      dtype: Any) -> None:
        options = factory_options(type(self).__name__, device, dtype)
        self.weight = Parameter(creation.empty(*shape, **options))
        self.register_parameter(
            "bias", Parameter(creation.empty(outputs, **options)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values, uniform over ±1 / sqrt(fan in) for weight and bias, as PyTorch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)


class Linear(_Weighted):
    """``input @ weight.T + bias``: (..., in_features) -> (..., out_features).

    `weight` is (out_features, in_features). See `functional.linear`.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
                 dtype: Any = None):
        super().__init__()
        self.in_features = as_int("Linear", "in_features", in_features, 1, 2**31)
        self.out_features = as_int("Linear", "out_features", out_features, 1, 2**31)
        shape = (self.out_features, self.in_features)
        self._make_weights(shape, self.out_features, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        has_bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={has_bias}"


class _Conv(_Weighted):
    """What `Conv2d` and `ConvTranspose2d` share."""

    transposed = False
    _padding_modes: tuple[str, ...] = ("zeros", "reflect", "replicate", "circular")
    output_padding: tuple[int, int] = (0, 0)

    def __init__(self, in_channels: int, out_channels: int, kernel_size: _Size, stride: _Size = 1,
                 padding: _Size | str = 0, dilation: _Size = 1, groups: int = 1, bias: bool = True,
                 padding_mode: str = "zeros", device: Any = None, dtype: Any = None):
        super().__init__()
        layer = type(self).__name__
        self.in_channels = as_int(layer, "in_channels", in_channels, 1, 2**31)
        self.out_channels = as_int(layer, "out_channels", out_channels, 1, 2**31)
        self.groups = as_int(layer, "groups", groups, 1, 2**31)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % self.groups:
                raise ValueError(f"{layer}: groups={groups} does not divide {name}={channels}")
        self.kernel_size = pair(layer, "kernel_size", kernel_size, 1)
        self.stride = pair(layer, "stride", stride, 1)
        self.dilation = pair(layer, "dilation", dilation, 1)
        named = isinstance(padding, str)
        self.padding: Any = padding if named else pair(layer, "padding", padding, 0)
        self._sides()  # refuses other names
        self.padding_mode = as_choice(layer, "padding_mode", padding_mode, self._padding_modes)
        C, O, groups = self.in_channels, self.out_channels, self.groups
        shape = (C, O // groups) if self.transposed else (O, C // groups)
        self._make_weights((*shape, *self.kernel_size), O, bias, device, dtype)

    def _sides(self) -> Any:
        """The padding as ((top, bottom), (left, right))."""
        layer = type(self).__name__
        return as_padding(layer, self.padding, self.kernel_size, self.stride, self.dilation)

    def extra_repr(self) -> str:
        shown = {"padding": (0, 0), "dilation": (1, 1), "output_padding": (0, 0), "groups": 1}
        parts = [f"{name}={getattr(self, name)}" for name, usual in shown.items()
                 if getattr(self, name) != usual]
        parts += ["bias=False"] if self.bias is None else []
        parts += [] if self.padding_mode == "zeros" else [f"padding_mode={self.padding_mode}"]
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return ", ".join([f"{self.in_channels}, {self.out_channels}, {sizes}", *parts])


class Conv2d(_Conv):
    """A convolution with its weights: (N, in_channels, H, W) -> (N, out_channels, OH, OW).

    `weight` is (out_channels, in_channels / groups, KH, KW). `padding_mode` chooses the values
    beyond the edges: "zeros", "reflect", "replicate" or "circular". See `functional.conv2d`.

    >>> Conv2d(1, 1, kernel_size=3, stride=1, padding=1)
    Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            (top, bottom), (left, right) = self._sides()
            input = F.pad(input, (left, right, top, bottom), mode=self.padding_mode)
            padding = 0
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """A transposed convolution: (N, in_channels, H, W) -> (N, out_channels, OH, OW).

    A stride makes the output larger than the input. `weight` is
    (in_channels, out_channels / groups, KH, KW); `padding_mode` can only be "zeros".
    See `functional.conv_transpose2d`.
    """

    transposed = True
    _padding_modes = ("zeros",)

    def __init__(self, in_channels: int, out_channels: int, kernel_size: _Size, stride: _Size = 1,
                 padding: _Size = 0, output_padding: _Size = 0, groups: int = 1, bias: bool = True,
                 dilation: _Size = 1, padding_mode: str = "zeros", device=None, dtype=None):
        if isinstance(padding, str):
            raise ValueError(f"ConvTranspose2d: padding must be an int or a pair, got {padding!r}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation,
            groups, bias, padding_mode, device, dtype)
        self.output_padding = pair("ConvTranspose2d", "output_padding", output_padding, 0)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """`output_size` (height, width) replaces the layer's own `output_padding`."""
        extra = self.output_padding
        if output_size is not None:
            wanted = pair("ConvTranspose2d", "output_size", list(output_size)[-2:], 1)
            least = tuple([
                (input.shape[axis - 2] - 1) * self.stride[axis] - 2 * self.padding[axis]
                + self.dilation[axis] * (self.kernel_size[axis] - 1) + 1 for axis in (0, 1)])
            extra = (wanted[0] - least[0], wanted[1] - least[1])
            if not (0 <= extra[0] < self.stride[0] and 0 <= extra[1] < self.stride[1]):
                most = (least[0] + self.stride[0] - 1, least[1] + self.stride[1] - 1)
                raise ValueError(
                    f"ConvTranspose2d: output_size {wanted} must be from {least} to {most}")
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding,
            extra, self.groups, self.dilation)


class Dropout(FunctionModule, function=F.dropout, shows="p inplace"):
    def _check(self) -> None:
        as_probability(type(self).__name__, "p", self.p)


class Dropout2d(Dropout, function=F.dropout2d, shows="p inplace"): ...
class Flatten(FunctionModule, function=shapes.flatten, start_dim=1): ...
