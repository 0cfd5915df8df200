"""Normalisation layers: their weights and running averages."""

import warnings
from typing import Any, ClassVar

from .. import creation
from ..arrays import computing
from ..ops import shapes
from ..ops.arguments import as_int, as_ints, as_tensor
from ..tensor import Tensor
from . import functional as F, init
from .module import Module
from .parameter import Parameter, factory_options


class _Norm(Module):
    """A layer with a weight that starts as ones and a bias that starts as zeros, or without."""

    weight: Parameter | None
    bias: Parameter | None
    _shown: ClassVar[str]  # the attributes in the repr; those with "=" by name

    def __init__(self, shape: tuple[int, ...], eps: float, affine: bool, bias: bool, device, dtype):
        super().__init__()
        self.eps = eps
        options = factory_options(type(self).__name__, device, dtype)
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(creation.empty(*shape, **options)) if wanted else None
            self.register_parameter(name, value)  # each layer's reset_parameters writes the values

    def extra_repr(self) -> str:
        values = {**vars(self), "bias": self.bias is not None}
        parts = [(word.rstrip("="), word) for word in self._shown.split()]
        return ", ".join(f"{word if word != n else ''}{values[n]}" for n, word in parts)

    def reset_parameters(self) -> None:
        """Restore the initial values: weight 1, bias 0, no running averages."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _RunningNorm(_Norm):
    """Keeps running averages of mean and variance for evaluation, if `track_running_stats`."""

    _shapes: ClassVar[dict[int, str]]  # of the inputs, by number of dimensions
    _shown = "num_features eps= momentum= affine= bias= track_running_stats="

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1,
                 affine: bool = True, track_running_stats: bool = True, device: Any = None,
                 dtype: Any = None, *, bias: bool = True):
        C = as_int(type(self).__name__, "num_features", num_features, 1, 2**31)
        super().__init__((C,), eps, affine, bias, device, dtype)
        self.num_features, self.momentum = C, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, make, shape, kind in (
            ("running_mean", creation.zeros, (C,), dtype),
            ("running_var", creation.ones, (C,), dtype),
            ("num_batches_tracked", creation.zeros, (), "int64")):
            buffer = make(shape, device=device, dtype=kind) if track_running_stats else None
            self.register_buffer(name, buffer)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running averages."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input(self, input: Tensor) -> None:
        name = type(self).__name__
        if as_tensor(name, "input", input).array.ndim not in self._shapes:
            known = " or ".join(self._shapes.values())
            raise ValueError(f"{name}: input must be {known}, got shape {tuple(input.shape)}")


class _BatchNorm(_RunningNorm):
    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        C = input.array.shape[1]
        if C != self.num_features and (self.affine or self.track_running_stats):
            name = type(self).__name__
            raise ValueError(f"{name}: input {tuple(input.shape)} has {C} channels, not "
                f"num_features={self.num_features}; for these, {name}({C})")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            batches = self.num_batches_tracked
            with computing(batches.array):
                batches.array += 1  # on the array, because an operation takes ten times as long
            batches._changes.bump("batch_norm")
            if self.momentum is None:
                momentum = 1.0 / batches.item()
        # without running averages, evaluation normalises by the batch, too
        from_batch = self.training or self.running_mean is None
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias,
            from_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """`BatchNorm2d` for (N, C) or (N, C, L)."""

    _shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) shifted and scaled to mean 0 and variance 1 over the batch.

    With `affine`, then ``* weight + bias``, both (C,) and learned. With `track_running_stats`,
    evaluation takes running averages of mean and variance; ``momentum=None`` makes these the plain
    averages over all batches so far. See `functional.batch_norm`.
    """

    _shapes: ClassVar = {4: "(N, C, H, W)"}


class InstanceNorm2d(_RunningNorm):
    """Each channel of each image shifted and scaled to mean 0 and variance 1.

    Takes (N, C, H, W) or (C, H, W).
    With `affine`, then ``* weight + bias``, both (C,) and learned. With `track_running_stats`,
    evaluation takes running averages. See `functional.instance_norm`.
    """

    _shapes: ClassVar = {4: "(N, C, H, W)", 3: "(C, H, W)"}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1,
                 affine: bool = False, track_running_stats: bool = False, device: Any = None,
                 dtype: Any = None, *, bias: bool = True):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        if input.ndim == 3:
            return shapes.reshape(self.forward(shapes.unsqueeze(input, 0)), input.shape)
        C = input.shape[1]
        if C != self.num_features and self.weight is None and self.running_mean is None:
            warnings.warn(
                f"InstanceNorm2d: input {tuple(input.shape)} has {C} channels, not num_features="
                f"{self.num_features}; a layer without weights and averages doesn't need it",
                stacklevel=3)
        from_input = self.training or not self.track_running_stats
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias,
            from_input, self.momentum or 0.0, self.eps)


class LayerNorm(_Norm):
    """Each sample shifted and scaled to mean 0 and variance 1 over its last dimensions.

    `normalized_shape` is the shape of these, an int or several. With `elementwise_affine`, then
    ``* weight + bias``, both of that shape and learned. See `functional.layer_norm`.
    """

    _shown = "normalized_shape eps= elementwise_affine= bias="

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, device: Any = None, dtype: Any = None):
        given = normalized_shape
        sizes = given if isinstance(given, (tuple, list)) else (given,)
        shape = as_ints(type(self).__name__, "normalized_shape", sizes, 1, 2**31)
        super().__init__(shape, eps, elementwise_affine, bias, device, dtype)
        self.normalized_shape, self.elementwise_affine = shape, elementwise_affine
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class GroupNorm(_Norm):
    """Each group of channels of each sample shifted and scaled to mean 0 and variance 1.

    Takes (N, C, ...).
    With `affine`, then ``* weight + bias``, both (num_channels,) and learned.
    See `functional.group_norm`.
    """

    _shown = "num_groups num_channels eps= affine= bias="

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
                 device: Any = None, dtype: Any = None, *, bias: bool = True):
        groups = as_int("GroupNorm", "num_groups", num_groups, 1, 2**31)
        C = as_int("GroupNorm", "num_channels", num_channels, 1, 2**31)
        if C % groups:
            raise ValueError(f"GroupNorm: num_groups={groups} does not divide num_channels={C}")
        super().__init__((C,), eps, affine, bias, device, dtype)
        self.num_groups, self.num_channels, self.affine = groups, C, affine
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
