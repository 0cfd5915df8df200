"""Losses. `reduction` is "mean" (the default), "sum" or "none" throughout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backend import array_module
from ...ops import elementwise, reductions, shapes
from ...tensor import Tensor
from ._arguments import as_floats, as_reduction, as_tensor, same_dtype


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """`loss`, its sum or its mean."""
    return reductions.mean(loss) if reduction == "mean" else reductions.sum(loss) if reduction == "sum" else loss


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (...) as rows (..., num_classes) with a 1 at the class and 0 elsewhere, int64.

    `num_classes` is the largest number + 1 by default. ValueError for a number outside.
    """
    if as_tensor("one_hot", "tensor", tensor).dtype.kind not in "iu":
        raise TypeError(f"one_hot: class numbers must be integers, got {tensor.dtype}")
    if not isinstance(num_classes, int) or (num_classes < 1 and num_classes != -1):
        raise ValueError(f"one_hot: num_classes must be from 1 up, or -1 for as many as there are; got {num_classes!r}")
    if num_classes == -1:
        if not tensor.numel():
            raise ValueError("one_hot: an empty tensor doesn't tell how many classes there are; give num_classes")
        num_classes = int(tensor.max()) + 1
    _check_classes("one_hot", tensor, num_classes, None)
    classes = Tensor._wrap(array_module(tensor.array).arange(num_classes))
    return (shapes.unsqueeze(tensor, -1) == classes).long()


def _check_classes(function: str, target: Tensor, classes: int, ignore_index: int | None) -> None:
    # On the host only: to look at values on a GPU would make every step wait for it. There the loss becomes nan instead.
    array = target.array
    if isinstance(array, np.ndarray) and array.size and (array.min() < 0 or array.max() >= classes):
        wrong = (array < 0) | (array >= classes)
        if ignore_index is not None:
            wrong &= array != ignore_index
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            ignored = "" if ignore_index is None else f", and ignore_index is {ignore_index}"
            raise ValueError(
                f"{function}: target{list(place)} is {array[place]}, but the {classes} classes are numbered 0 to {classes - 1}{ignored}"
            )


def _check_targets(function: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Class numbers for (N, C, ...) or (C,): (N, ...) or ()."""
    wanted = tuple(input.shape[:1] + input.shape[2:]) if input.ndim > 1 else ()
    if tuple(target.shape) != wanted:
        raise ValueError(f"{function}: input {tuple(input.shape)} needs a target of shape {wanted}, got {tuple(target.shape)}")
    if target.dtype.kind not in "iu":
        raise TypeError(f"{function}: class numbers must be integers, got {target.dtype}; convert with .long()")
    _check_weight(function, input, weight)


def _check_weight(function: str, input: Tensor, weight: Tensor | None) -> None:
    C = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None:
        if as_tensor(function, "weight", weight).shape != (C,):
            raise ValueError(f"{function}: weight must have shape ({C},), one number per class; got {tuple(weight.shape)}")
        same_dtype(function, input=input, weight=weight)


def _class_weights(logp: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> tuple[Any, Any]:
    """Per target its class, safe to index with, and its weight: 0 if ignored; None if all are 1."""
    xp = array_module(logp.array, target.array)
    classes = target.array
    ignored = classes == ignore_index
    if xp is np and weight is None and not ignored.any():
        return classes, None
    safe = xp.where(ignored, 0, classes)
    out_of_range = (safe < 0) | (safe >= logp.shape[1])  # on a GPU an index would wrap round silently
    weights = xp.ones(classes.shape, logp.dtype) if weight is None else weight.array[safe % logp.shape[1]]
    weights = xp.where(ignored, xp.zeros_like(weights), weights)
    return safe % logp.shape[1], xp.where(out_of_range, xp.full_like(weights, float("nan")), weights)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of the target classes: ``-weight[t] * input[n, t]``.

    Args:
        input: log-probabilities, (N, C), (N, C, ...) or (C,).
        target: class numbers, (N,), (N, ...) or ().
        weight: (C,), how much each class counts.
        ignore_index: targets with this number count nothing.
        reduction: "mean" divides by the sum of the weights of the targets that count.
    """
    as_reduction("nll_loss", reduction)
    as_floats("nll_loss", "input", input)
    _check_targets("nll_loss", input, as_tensor("nll_loss", "target", target), weight)
    _check_classes("nll_loss", target, input.shape[1 if input.ndim > 1 else 0], ignore_index)
    return _nll(input, target, weight, ignore_index, reduction)


def _nll(logp: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    was_single = logp.ndim == 1
    if was_single:
        logp, target = shapes.unsqueeze(logp, 0), shapes.unsqueeze(target, 0)
    classes, weights = _class_weights(logp, target, weight, ignore_index)
    picked = reductions.pick(logp, indices=classes[:, None], dim=1)  # (N, 1, ...)
    loss = -shapes.reshape(picked, *target.shape)
    if weights is not None:
        # an ignored target counts nothing, also where its loss is infinite
        silent = Tensor._wrap(weights == 0)
        loss = elementwise.where(silent, 0.0, loss) * Tensor._wrap(weights)
    if reduction == "mean" and weights is not None:
        return reductions.sum(loss) / Tensor._wrap(array_module(weights).asarray(weights.sum()))
    return shapes.reshape(loss, ()) if was_single and reduction == "none" else reduced(loss, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log softmax(input)[target]``: how surprised the scores are by the truth. Computed without overflow.

    Args:
        input: scores (logits), (N, C), (N, C, ...) or (C,).
        target: class numbers, (N,), (N, ...) or (); or probabilities of the classes, floats in the shape of `input`.
        weight: (C,), how much each class counts.
        ignore_index: class targets with this number count nothing.
        reduction: "mean" divides by the sum of the weights of the class targets that count, and for probabilities by N.
        label_smoothing: from 0 to 1, the share of the truth that is spread evenly over all classes.

    >>> import tinynet
    >>> cross_entropy(tinynet.tensor([[1e4, 0.0], [0.0, 0.0]]), tinynet.tensor([0, 1]))
    tensor(0.3466)
    """
    as_reduction("cross_entropy", reduction)
    as_floats("cross_entropy", "input", input)
    as_tensor("cross_entropy", "target", target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing}")
    if not input.ndim:
        raise ValueError("cross_entropy: input must be (N, C), (N, C, ...) or (C,), got a 0-d tensor")
    dim = 1 if input.ndim > 1 else 0
    C = input.shape[dim]
    if target.dtype.kind == "f" and target.shape == input.shape:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing, dim)
    _check_targets("cross_entropy", input, target, weight)
    _check_classes("cross_entropy", target, C, ignore_index)
    logp = reductions.log_softmax(input, dim)
    loss = _nll(logp, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    # the even share: the mean of -weight * logp over the classes, where the target counts
    spread = -reductions.sum(logp if weight is None else logp * _column(weight, input.ndim), dim)
    counts = Tensor._wrap(target.array != ignore_index)
    spread = elementwise.where(counts, spread, 0.0)
    if reduction == "mean":
        if weight is None:
            total: Any = counts.sum().to(input.dtype)
        else:
            safe = elementwise.where(counts, target, 0)
            total = elementwise.where(counts, weight.detach()[safe], 0.0).sum()
        spread = reductions.sum(spread) / total
    elif reduction == "sum":
        spread = reductions.sum(spread)
    return (1 - label_smoothing) * loss + (label_smoothing / C) * spread


def _column(weight: Tensor, ndim: int) -> Tensor:
    return shapes.reshape(weight, *[-1 if d == (1 if ndim > 1 else 0) else 1 for d in range(ndim)])


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float, dim: int
) -> Tensor:
    _check_weight("cross_entropy", input, weight)
    same_dtype("cross_entropy", input=input, target=target)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    logp = reductions.log_softmax(input, dim)
    loss = -reductions.sum(logp * target if weight is None else logp * target * _column(weight, input.ndim), dim)
    if reduction == "mean":
        # over samples (and positions), whatever the weights
        return reductions.sum(loss) / float(max(loss.numel(), 1)) if loss.numel() else reductions.mean(loss)
    return reduced(loss, reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared difference ``(input - target) ** 2``. The shapes must be the same."""
    as_reduction("mse_loss", reduction)
    as_floats("mse_loss", "input", input)
    if as_tensor("mse_loss", "target", target).shape != input.shape:
        raise ValueError(
            f"mse_loss: input {tuple(input.shape)} and target {tuple(target.shape)} must have the same shape; broadcasting "
            "them would compare values that don't belong together"
        )
    difference = input - target
    return reduced(difference * difference, reduction)
