"""Normalisation: values shifted and scaled to mean 0 and variance 1."""

import math
from typing import Any

import numpy as np

from ...arrays import computing
from ...autograd import copying, is_grad_enabled, no_grad
from ...ops import shapes
from ...ops.arguments import as_floats, as_int, as_ints, as_number, check_shape, same_dtype
from ...ops.conv import norms
from ...tensor import Tensor


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
               weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
               momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, channel by channel.

    Args:
        input: (N, C) or (N, C, ...), floats.
        running_mean, running_var: (C,), or None for both. They are the mean and the variance unless
            `training`. In training they are updated:
            ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance.
        weight, bias: (C,) or None.
        training: take the mean and the (biased) variance of the batch.
        momentum: weight of the new batch in the running values.
        eps: added to the variance, so that the root is not 0.

    Returns:
        A tensor of the shape and dtype of `input`. float16 is computed in float32.

    Raises:
        ValueError: a shape doesn't fit; in training, a channel has a single value, so no variance;
            otherwise, a running value is missing.
        TypeError, RuntimeError: an argument is not a tensor of floats; dtypes or devices differ;
            a running value requires grad (it has no derivative).

    Ioffe & Szegedy 2015, arXiv 1502.03167.
    """
    parameters = (running_mean, running_var, weight, bias)
    return _channel_norm("batch_norm", False, input, *parameters, training, momentum, eps)


def instance_norm(input: Tensor, running_mean: Tensor | None = None,
                  running_var: Tensor | None = None, weight: Tensor | None = None,
                  bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1,
                  eps: float = 1e-5) -> Tensor:
    """`batch_norm` of each sample by itself, with mean and variance of one channel of one image.

    The arguments are those of `batch_norm`; `use_input_stats` is called `training` there. The
    running values are updated with the mean over the samples. ValueError for images of one pixel.
    Ulyanov et al. 2016, arXiv 1607.08022.
    """
    parameters = (running_mean, running_var, weight, bias)
    return _channel_norm("instance_norm", True, input, *parameters, use_input_stats, momentum, eps)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None,
               bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, group by group within each sample.

    Mean and (biased) variance are those of C / num_groups neighbouring channels of one sample.

    Args:
        input: (N, C) or (N, C, ...), floats.
        num_groups: divides C.
        weight, bias: (C,) or None.
        eps: added to the variance, so that the root is not 0.

    Raises:
        ValueError: a shape doesn't fit; `num_groups` doesn't divide C; there is a single value.
        TypeError, RuntimeError: as `batch_norm`.

    Wu & He 2018, arXiv 1803.08494.
    """
    C, shape = _channels("group_norm", input), tuple(input.shape)
    num_groups = as_int("group_norm", "num_groups", num_groups)
    if num_groups < 1 or C % num_groups:
        rule = f"must divide the {C} channels of input {shape}"
        raise ValueError(f"group_norm: num_groups {rule}, got {num_groups!r}")
    if input.numel() == num_groups:
        raise ValueError(f"group_norm: input {shape} has one value per group; {_TOO_FEW}")
    eps = as_number("group_norm", "eps", eps)
    _check_parameters("group_norm", input, (C,), _PER_CHANNEL, weight=weight, bias=bias)
    y = _within_samples(input, True, len(input) * num_groups, num_groups, eps)
    return _affine(y, weight, bias, (C, *[1] * (input.ndim - 2)))


def layer_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None,
               bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """``(input - mean) / sqrt(var + eps) * weight + bias``, over the last dimensions.

    Args:
        input: (..., *normalized_shape), floats.
        normalized_shape: a tuple, the sizes of the dimensions that are normalised together.
        weight, bias: of shape `normalized_shape`, or None.
        eps: added to the variance, so that the root is not 0.

    Raises:
        ValueError: a shape doesn't fit.
        TypeError, RuntimeError: as `batch_norm`; `normalized_shape` is no tuple.

    Ba et al. 2016, arXiv 1607.06450.
    """
    as_floats("layer_norm", "input", input)
    shape = as_ints("layer_norm", "normalized_shape", normalized_shape)
    given = tuple(input.shape)
    if not shape or given[-len(shape) :] != shape:
        rule = "must end in normalized_shape, at least one size"
        raise ValueError(f"layer_norm: input {given} {rule}; that is {shape}")
    eps = as_number("layer_norm", "eps", eps)
    what = "that of normalized_shape"
    _check_parameters("layer_norm", input, shape, what, weight=weight, bias=bias)
    y = _within_samples(input, len(shape) == 3, math.prod(given[: -len(shape)]), 1, eps)
    return _affine(y, weight, bias, shape)


# ------------------------------------------------------------------------------------- the checks

_PER_CHANNEL, _TOO_FEW = "one number per channel", "a variance takes two"


def _channels(function: str, input: Any) -> int:
    """C of an input (N, C, ...) of floats."""
    if as_floats(function, "input", input).array.shape == (0,) and function == "batch_norm":
        return 0  # PyTorch takes it for no sample with no channel
    if input.ndim < 2:
        given = f"got shape {tuple(input.shape)}"
        raise ValueError(f"{function}: input must be (N, C) or (N, C, ...), {given}")
    return input.shape[1]


def _check_parameters(function: str, input: Tensor, shape: tuple[int, ...], what: str,
                      **given: Tensor | None) -> None:
    for name, tensor in given.items():
        check_shape(function, name, tensor, shape, what)
    same_dtype(function, input=input, **given)


# ------------------------------------------------------------------------------------- the norms


def _channel_norm(function: str, per_sample: bool, input: Tensor, running_mean, running_var, weight,
                  bias, from_input: bool, momentum: float, eps: float) -> Tensor:
    """Batch norm, or instance norm with `per_sample`."""
    C = _channels(function, input)
    momentum = as_number(function, "momentum", momentum)
    eps = as_number(function, "eps", eps, -math.inf if per_sample else 0)
    running = {"running_mean": running_mean, "running_var": running_var}
    _check_parameters(function, input, (C,), _PER_CHANNEL, **running, weight=weight, bias=bias)
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{function}: give both running_mean and running_var, or neither")
    for name, tensor in running.items():
        if tensor is not None and tensor.requires_grad and is_grad_enabled():
            raise RuntimeError(f"{function}: {name} requires grad, but it has no derivative; give "
                f"{name}.detach()")
    x, weight, bias = _as_single(input), _as_single(weight), _as_single(bias)
    if x.ndim != 4:  # (N, C, ...) as (N, C, H, W)
        N, C, *rest = x.shape if x.ndim > 1 else (0, 0)
        x = shapes.reshape(x, N, C, math.prod(rest[:-1]), *rest[-1:] or [1])
    if not from_input:
        if running_mean is None:
            rule = "unless mean and variance are taken from the input"
            raise ValueError(f"{function}: running_mean and running_var are needed, {rule}")
        known = _as_single(running_mean).array, _as_single(running_var).array
        y = norms.normalize_by(x, *known, weight, bias, eps=eps)
        return _like(input, _free(y, x, per_sample))
    if math.prod(input.shape[2:]) * (1 if per_sample else len(input)) == 1:
        what = "channel and sample" if per_sample else "channel"
        raise ValueError(
            f"{function}: input {tuple(input.shape)} has one value per {what}; {_TOO_FEW}")
    y, found = norms.normalize(x, weight, bias, groups=C, per_sample=per_sample, eps=eps)
    if running_mean is not None and input.numel():
        _update(function, running_mean, found.mean, momentum, 1)
        _update(function, running_var, found.var, momentum, found.size / (found.size - 1))
    return _like(input, _free(y, x, per_sample))


def _as_single(x: Any) -> Any:
    """Float16 as float32, because squares of large halves overflow."""
    return x.float() if x is not None and x.dtype == np.float16 else x


def _free(y: Tensor, x: Tensor, per_sample: bool = False) -> Tensor:
    """`y`; what it was made of may be changed where PyTorch keeps copies of that.

    It copies x unless that lies in the order of its dimensions, and the weights for each sample.
    """
    return y if x.array.flags.c_contiguous and x.array.size and not per_sample else copying(y)


def _like(input: Tensor, y: Tensor) -> Tensor:
    """`y` in the shape and dtype of `input`."""
    return (y if y.shape == input.shape else shapes.reshape(y, *input.shape)).to(input.dtype)


def _update(function: str, running: Tensor, found: Any, momentum: float, correction: float) -> None:
    """Move `running` (C,) towards what was found, (C, 1) or (C, N), times a correction."""
    with no_grad(), computing(running.array):
        new = running.array * (1 - momentum) + found.mean(axis=1) * (momentum * correction)
        running._replace(running._make(new), function)


def _within_samples(input: Tensor, as_images: bool, rows: int, groups: int, eps: float) -> Tensor:
    """`input` normalised in rows, which are groups of channels of single samples.

    Images (N, C, H, W) with the batch innermost in memory stay so; others are reshaped to rows.
    """
    x, per_sample = _as_single(input), as_images and input.ndim == 4
    if not per_sample or x.array.strides[0] != x.array.itemsize:
        x = shapes.reshape(x, 1, rows, 1, input.numel() // max(rows, 1))
        groups, per_sample = rows, False
    y, _ = norms.normalize(x, None, None, groups=groups, per_sample=per_sample, eps=eps)
    return _like(input, _free(y, x))


def _affine(y: Tensor, weight: Any, bias: Any, shape: tuple[int, ...]) -> Tensor:
    """``y * weight + bias``, both in `shape`, which broadcasts."""
    y = y if weight is None else y * shapes.reshape(weight, shape)
    return y if bias is None else y + shapes.reshape(bias, shape)
