"""Normalisation layers: what they learn, and the running averages of those that keep some."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from .. import creation
from ..ops import shapes
from ..ops.arguments import as_tensor, in_own_name
from ..tensor import Tensor
from . import functional as F
from . import init
from .layers import check_counts
from .module import Module, Parameter


class _Norm(Module):
    """What all of them share: a weight that starts as ones and a bias that starts as zeros; None where there shall be none."""

    weight: Parameter | None
    bias: Parameter | None

    @in_own_name
    def __init__(self, shape: tuple[int, ...], eps: float, affine: bool, bias: bool, device: Any, dtype: Any):
        super().__init__()
        self.eps = eps
        for name, wanted, make in (("weight", affine, creation.ones), ("bias", affine and bias, creation.zeros)):
            self.register_parameter(name, Parameter(make(*shape, device=device, dtype=dtype)) if wanted else None)

    def reset_parameters(self) -> None:
        """Back to initial values: weight 1, bias 0, no running averages."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _RunningNorm(_Norm):
    """Those that keep running averages of mean and variance for evaluation, if ``track_running_stats=True``."""

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool, device: Any, dtype: Any,
        bias: bool,
    ):
        check_counts(type(self).__name__, num_features=num_features)
        super().__init__((num_features,), eps, affine, bias, device, dtype)
        self.num_features, self.momentum, self.affine, self.track_running_stats = num_features, momentum, affine, track_running_stats
        where = {"device": device, "dtype": dtype}
        self.register_buffer("running_mean", creation.zeros(num_features, **where) if track_running_stats else None)
        self.register_buffer("running_var", creation.ones(num_features, **where) if track_running_stats else None)
        batches = creation.zeros((), dtype="int64", device=device)
        self.register_buffer("num_batches_tracked", batches if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Forget the running averages."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        super().reset_parameters()

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_RunningNorm):
    accepts: ClassVar[dict[int, str]]  # the numbers of dimensions that the input may have

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        if as_tensor(type(self).__name__, "input", input).ndim not in self.accepts:
            raise ValueError(f"{type(self).__name__}: input must be {' or '.join(self.accepts.values())}, got shape {tuple(input.shape)}")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.item()
        # without running averages, evaluation takes the batch's own, too
        from_batch = self.training or self.running_mean is None
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, from_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """`BatchNorm2d` for (N, C) or (N, C, L)."""

    accepts: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) shifted and scaled to mean 0 and variance 1, then by what is learned. See `functional.batch_norm`.

    Keeps running averages of mean and variance for evaluation, unless ``track_running_stats=False``. With ``momentum=None``
    they are the plain averages over all batches so far.
    """

    accepts: ClassVar = {4: "(N, C, H, W)"}


class InstanceNorm2d(_RunningNorm):
    """Each channel of each image in (N, C, H, W), or of (C, H, W), shifted and scaled to mean 0 and variance 1.

    With ``affine=True`` then by what is learned; with ``track_running_stats=True`` evaluation takes running averages.
    See `functional.instance_norm`.
    """

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False, track_running_stats: bool = False,
        device: Any = None, dtype: Any = None, *, bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        if as_tensor("InstanceNorm2d", "input", input).ndim not in (3, 4):
            raise ValueError(f"InstanceNorm2d: input must be (N, C, H, W) or (C, H, W), got shape {tuple(input.shape)}")
        if input.ndim == 3:
            return shapes.reshape(self.forward(shapes.unsqueeze(input, 0)), input.shape)
        if input.shape[1] != self.num_features and self.weight is None and self.running_mean is None:
            warnings.warn(
                f"InstanceNorm2d: input {tuple(input.shape)} has {input.shape[1]} channels, not num_features={self.num_features}; "
                "it makes no difference to a layer without parameters and running averages",
                stacklevel=3,
            )
        from_input = self.training or not self.track_running_stats
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, from_input, self.momentum or 0.0, self.eps)


class LayerNorm(_Norm):
    """Each sample shifted and scaled to mean 0 and variance 1 over its last dimensions, then by what is learned.

    `normalized_shape` is the shape of these dimensions, an int or several. See `functional.layer_norm`.
    """

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ):
        shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        for size in shape:
            check_counts("LayerNorm", normalized_shape=size)
        super().__init__(shape, eps, elementwise_affine, bias, device, dtype)
        self.normalized_shape, self.elementwise_affine = shape, elementwise_affine

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(_Norm):
    """Each group of channels of each sample shifted and scaled to mean 0 and variance 1, then by what is learned per channel.

    See `functional.group_norm`.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None, dtype: Any = None,
        *, bias: bool = True,
    ):
        check_counts("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} does not divide num_channels={num_channels}")
        super().__init__((num_channels,), eps, affine, bias, device, dtype)
        self.num_groups, self.num_channels, self.affine = num_groups, num_channels, affine

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
