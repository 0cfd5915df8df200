"""Normalisation: values shifted and scaled to mean 0 and variance 1, over one or other part of the batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays.devices import array_module, computing
from ...autograd.grad_mode import no_grad
from ...ops import elementwise, reductions, shapes
from ...ops.arguments import as_floats, as_number, as_tensor, same_dtype
from ...ops.conv import norms as normalization
from ...tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm"]


def _moments(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """The mean over `dims`, `x` without it, and the (biased) variance."""
    mean, centred, squares = reductions.moments(x, dims)
    return mean, centred, squares / float(math.prod(x.shape[d] for d in dims))


def _normalised(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """`x` with mean 0 and variance 1 over `dims`. Halves are computed with as float32: their squares are soon infinite."""
    _, centred, var = _moments(x.float() if x.dtype == np.float16 else x, dims)
    return (centred * elementwise.rsqrt(var + eps)).to(x.dtype)


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """``y * weight + bias``, both in `shape`, which broadcasts."""
    y = y if weight is None else y * shapes.reshape(weight, shape)
    return y if bias is None else y + shapes.reshape(bias, shape)


def _check_parameters(function: str, input: Tensor, shape: tuple[int, ...], what: str, **given: Tensor | None) -> None:
    for name, tensor in given.items():
        if tensor is not None and as_tensor(function, name, tensor).shape != shape:
            raise ValueError(f"{function}: {name} must have shape {shape}, {what}; got {tuple(tensor.shape)}")
    same_dtype(function, input=input, **given)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, channel by channel.

    Args:
        input: (N, C) or (N, C, ...).
        running_mean, running_var: (C,). Used as mean and variance unless `training`, and updated if it is:
            ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance. None, None: neither.
        weight, bias: (C,) or None.
        training: take mean and (biased) variance from the batch.
        momentum: the share of the new batch in the running values.
        eps: keeps the root from 0.

    Ioffe & Szegedy 2015, arXiv 1502.03167. ValueError in training for a single value per channel, which has no variance.
    """
    dims = (0, *range(2, as_floats("batch_norm", "input", input).ndim))
    return _channel_norm("batch_norm", dims, input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`batch_norm` of each sample by itself: mean and variance are those of one channel of one image.

    The arguments are those of `batch_norm`, `use_input_stats` being what is called `training` there; the running values are
    updated by the mean over the samples. Ulyanov et al. 2016, arXiv 1607.08022. ValueError for images of one pixel.
    """
    dims = tuple(range(2, as_floats("instance_norm", "input", input).ndim))
    return _channel_norm("instance_norm", dims, input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def _channel_norm(
    function: str, dims: tuple[int, ...], input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None, bias: Tensor | None, from_input: bool, momentum: float, eps: float,
) -> Tensor:
    if as_floats(function, "input", input).ndim < 2:
        raise ValueError(f"{function}: input must be (N, C) or (N, C, ...), got shape {tuple(input.shape)}")
    momentum, eps = as_number(function, "momentum", momentum), as_number(function, "eps", eps, 0)
    C = input.shape[1]
    running: dict[str, Any] = {"running_mean": running_mean, "running_var": running_var}
    _check_parameters(function, input, (C,), "one number per channel", **running, weight=weight, bias=bias)
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{function}: give both running_mean and running_var, or neither")
    if input.dtype == np.float16:  # see _normalised; what is updated in place stays a half
        input, weight, bias = input.float(), weight if weight is None else weight.float(), bias if bias is None else bias.float()
        return _statistics_norm(function, dims, input, running_mean, running_var, weight, bias, from_input, momentum, eps).to(np.float16)
    return _statistics_norm(function, dims, input, running_mean, running_var, weight, bias, from_input, momentum, eps)


def _statistics_norm(
    function: str, dims: tuple[int, ...], input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None, bias: Tensor | None, from_input: bool, momentum: float, eps: float,
) -> Tensor:
    C = input.shape[1]
    column = (C, *[1] * (input.ndim - 2))
    if from_input:
        count = math.prod(input.shape[d] for d in dims)
        if count == 1:
            raise ValueError(
                f"{function}: input {tuple(input.shape)} has one value per channel{'' if 0 in dims else ' and sample'}; "
                "a variance takes two"
            )
        if 0 in dims and input.ndim == 4 and input.numel():  # the one that nets of today are full of, in a primitive of its own
            statistics: dict[str, Any] = {}
            xp = array_module(input.array)
            with computing(input.array):
                weight = input._make(xp.ones(C, input.dtype)) if weight is None else weight
                bias = input._make(xp.zeros(C, input.dtype)) if bias is None else bias
            y = normalization.batch_norm(input, weight, bias, eps=eps, statistics=statistics)
            found = [statistics["mean"], statistics["var"]]
        else:
            y = None
            mean, centred, var = _moments(input, dims)
            found = [(reductions.mean(v, 0) if v.array.shape[0] > 1 else v).array for v in (mean, var)]
        if running_mean is not None and running_var is not None and input.numel():
            with no_grad(), computing(running_mean.array):
                for average, new, share in zip((running_mean, running_var), found, (momentum, momentum * count / (count - 1)), strict=True):
                    average._replace(average._make(average.array * (1 - momentum) + new.reshape(C) * share), function)
        if y is not None:
            return y
    elif running_mean is None or running_var is None:
        raise ValueError(f"{function}: running_mean and running_var are needed, unless mean and variance are taken from the input")
    else:
        if input.ndim == 4:
            off = normalization.far_means(running_mean.array, running_var.array)
            scale = elementwise.rsqrt(running_var + eps)
            scale = scale if weight is None else scale * weight
            shift = -(running_mean if off is None else running_mean - input._make(off)) * scale
            return normalization.scale_channels(input, scale, shift if bias is None else shift + bias, off=off)
        centred = input - shapes.reshape(running_mean, *column)
        var = shapes.reshape(running_var, *column)
    # the weight joins the scale, which is smaller than the image
    return _affine(centred * _affine(elementwise.rsqrt(var + eps), weight, None, column), None, bias, column)


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, with mean and variance over the last dimensions of each sample.

    `normalized_shape` is the shape of those dimensions, a tuple, and that of `weight` and `bias`. Ba et al. 2016, arXiv 1607.06450.
    """
    as_floats("layer_norm", "input", input)
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"layer_norm: normalized_shape must be a tuple of ints, got {normalized_shape!r}")
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(f"layer_norm: input {tuple(input.shape)} must end in normalized_shape, at least one size; that is {shape}")
    eps = as_number("layer_norm", "eps", eps, 0)
    _check_parameters("layer_norm", input, shape, "that of normalized_shape", weight=weight, bias=bias)
    return _affine(_normalised(input, tuple(range(input.ndim - len(shape), input.ndim)), eps), weight, bias, shape)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, with mean and variance over one group of channels of one sample.

    (N, C, ...), C a multiple of `num_groups`; `weight` and `bias` are (C,). Wu & He 2018, arXiv 1803.08494.
    """
    if as_floats("group_norm", "input", input).ndim < 2:
        raise ValueError(f"group_norm: input must be (N, C) or (N, C, ...), got shape {tuple(input.shape)}")
    N, C, *rest = input.shape
    if not isinstance(num_groups, int) or num_groups < 1 or C % num_groups:
        raise ValueError(f"group_norm: num_groups must divide the {C} channels of input {tuple(input.shape)}, got {num_groups!r}")
    if N * (C // num_groups) * math.prod(rest) == 1:
        raise ValueError(f"group_norm: input {tuple(input.shape)} has one value per group; a variance takes two")
    eps = as_number("group_norm", "eps", eps, 0)
    _check_parameters("group_norm", input, (C,), "one number per channel", weight=weight, bias=bias)
    grouped = shapes.reshape(input, N, num_groups, C // num_groups, *rest)
    y = shapes.reshape(_normalised(grouped, tuple(range(2, grouped.ndim)), eps), *input.shape)
    return _affine(y, weight, bias, (C, *[1] * len(rest)))
