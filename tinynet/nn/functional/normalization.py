"""Normalisation over a batch."""

from __future__ import annotations

from ...autograd import no_grad
from ...ops import elementwise, reductions, shapes
from ...tensor import Tensor
from ._arguments import as_floats, same_dtype


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
    as_floats("batch_norm", "input", input)
    if input.ndim < 2:
        raise ValueError(f"batch_norm: input must be (N, C) or (N, C, ...), got shape {tuple(input.shape)}")
    C = input.shape[1]
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, tensor in given.items():
        if tensor is not None and tensor.shape != (C,):
            raise ValueError(f"batch_norm: {name} must have shape ({C},), one number per channel; got {tuple(tensor.shape)}")
    same_dtype("batch_norm", input=input, **given)
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: give both running_mean and running_var, or neither")
    dims = (0, *range(2, input.ndim))
    column = (C, *[1] * (input.ndim - 2))
    if training:
        count = input.numel() // max(C, 1)
        if count <= 1:
            raise ValueError(f"batch_norm: input {tuple(input.shape)} has {count} value per channel; in training it takes two for a variance")
        mean = reductions.mean(input, dims, keepdim=True)
        centred = input - mean
        var = reductions.mean(centred * centred, dims, keepdim=True)
        if running_mean is not None and running_var is not None:
            with no_grad():
                running_mean.mul_(1 - momentum).add_(shapes.reshape(mean, C) * momentum)
                running_var.mul_(1 - momentum).add_(shapes.reshape(var, C) * (momentum * count / (count - 1)))
    else:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: outside training it needs running_mean and running_var")
        centred = input - shapes.reshape(running_mean, *column)
        var = shapes.reshape(running_var, *column)
    scale = elementwise.rsqrt(var + eps)
    if weight is not None:
        scale = scale * shapes.reshape(weight, *column)
    y = centred * scale
    return y if bias is None else y + shapes.reshape(bias, *column)
