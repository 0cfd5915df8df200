"""Losses. `reduction` is "mean" (the default), "sum" or "none" throughout.

What comes after the tensors is given by name: PyTorch has two arguments there that it has long replaced by `reduction`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...arrays.devices import array_module, computing
from ...ops import arguments, elementwise, reductions, shapes
from ...ops import softmax as softmax_
from ...ops.arguments import as_floats, as_number, as_reduction, as_tensor, in_own_name, same_dtype
from ...tensor import Tensor


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """`loss`, its sum or its mean."""
    return reductions.mean(loss) if reduction == "mean" else reductions.sum(loss) if reduction == "sum" else loss


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (...) as rows (..., num_classes) with a 1 at the class and 0 elsewhere, int64.

    `num_classes` is the largest number + 1 by default. ValueError for a number outside.
    """
    if as_tensor("one_hot", "tensor", tensor).dtype != np.int64:
        raise TypeError(f"one_hot: tensor must hold class numbers, int64, got {tensor.dtype}; convert it with .long()")
    if not isinstance(num_classes, int) or (num_classes < 1 and num_classes != -1) or num_classes >= 2**31:
        raise ValueError(f"one_hot: num_classes must be from 1 up and below 2**31, or -1 for as many as there are; got {num_classes!r}")
    if num_classes == -1:
        if not tensor.numel():
            raise ValueError("one_hot: an empty tensor doesn't tell how many classes there are; give num_classes")
        num_classes = int(tensor.max()) + 1
    _check_classes("one_hot", tensor, num_classes, None)
    with computing(tensor.array):
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


def _check_targets(function: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    """Class numbers for (N, C, ...) or (C,): (N, ...) or ()."""
    if not isinstance(ignore_index, int):
        raise TypeError(f"{function}: ignore_index must be an int, got {ignore_index!r:.60}")
    shape, given = as_floats(function, "input", input).array.shape, target.array.shape
    if not shape:
        raise ValueError(f"{function}: input must be (N, C), (N, C, ...) or (C,), got a 0-d tensor")
    wanted = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if given != wanted and not (len(shape) == 1 and given == (1,)):
        raise ValueError(f"{function}: input {shape} needs a target of shape {wanted}, got {given}")
    if target.array.dtype not in (np.int64, np.uint8):
        raise TypeError(f"{function}: class numbers must be int64 (or uint8), got {target.dtype}; convert with .long()")
    _check_weight(function, input, weight)
    if weight is not None:
        _constant(function, "weight", weight)
        same_dtype(function, input=input, weight=weight)
    _check_classes(function, target, shape[1 if len(shape) > 1 else 0], ignore_index)


def _check_weight(function: str, input: Tensor, weight: Tensor | None) -> None:
    C = input.shape[1 if input.ndim > 1 else 0]
    if weight is not None and as_floats(function, "weight", weight).shape != (C,):
        raise ValueError(f"{function}: weight must have shape ({C},), one number per class; got {tuple(weight.shape)}")


def _constant(function: str, name: str, tensor: Tensor) -> None:
    if tensor.requires_grad:
        raise RuntimeError(f"{function}: {name} is a constant here and gets no gradient, but it requires grad; give {name}.detach()")


def _class_weights(logp: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> tuple[Any, Any]:
    """Per target its class, safe to index with, and its weight: 0 if ignored; None if all are 1."""
    xp = array_module(logp.array, target.array)
    classes = target.array
    ignored = classes == ignore_index
    if xp is np and weight is None and not ignored.any():
        return classes.copy(), None  # a copy, since the backward pass needs them as they are now
    safe = xp.where(ignored, 0, classes)
    out_of_range = (safe < 0) | (safe >= logp.shape[1])  # on a GPU an index would wrap round silently
    weights = xp.ones(classes.shape, logp.dtype) if weight is None else weight.array[safe % logp.shape[1]]
    weights = xp.where(ignored, xp.zeros_like(weights), weights)
    return safe % logp.shape[1], xp.where(out_of_range, xp.full_like(weights, float("nan")), weights)


@in_own_name
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of the target classes: ``-weight[t] * input[n, t]``.

    Args:
        input: log-probabilities, (N, C), (N, C, ...) or (C,).
        target: class numbers, (N,), (N, ...) or (), int64.
        weight: (C,), how much each class counts.
        ignore_index: targets with this number count nothing.
        reduction: "mean" divides by the sum of the weights of the targets that count; it is nan if none does.
    """
    as_reduction("nll_loss", reduction)
    _check_targets("nll_loss", input, as_tensor("nll_loss", "target", target), weight, ignore_index)
    return _of_classes(_picked, input, target.long(), weight, ignore_index, reduction)


def _picked(logp: Tensor, *, classes: Any) -> Tensor:
    N, _, *places = classes.shape
    return -shapes.reshape(reductions.pick(logp, indices=classes, dim=1), N, *places)


def _of_classes(
    surprise: Any, scores: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float = 0.0
) -> Tensor:
    """A loss from what ``surprise(scores, classes=...)`` says of the target `classes` (N, 1, ...): one number for each."""
    was_single = scores.ndim == 1
    if was_single:
        scores, target = shapes.unsqueeze(scores, 0), shapes.reshape(target, 1)
    with computing(scores.array):
        classes, weights = _class_weights(scores, target, weight, ignore_index)
        classes = classes[:, None]
    loss = surprise(scores, classes=classes)
    if weights is not None:
        loss = loss * Tensor._wrap(weights)
    if label_smoothing:
        logp = softmax_.log_softmax(scores, 1)
        weighted = logp if weight is None else logp * _column(weight, logp.ndim)
        loss = (1 - label_smoothing) * loss - (label_smoothing / logp.shape[1]) * reductions.sum(weighted, 1)
    if weights is not None:
        # an ignored target counts nothing, also where its loss is infinite
        loss = elementwise.where(target == ignore_index, 0.0, loss)
        if reduction == "mean":
            return reductions.sum(loss) / reductions.sum(Tensor._wrap(weights))
    return shapes.reshape(loss, ()) if was_single and reduction == "none" else reduced(loss, reduction)


@in_own_name
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log softmax(input)[target]``: how surprised the scores are by the truth. Computed without overflow.

    Args:
        input: scores (logits), (N, C), (N, C, ...) or (C,).
        target: class numbers, (N,), (N, ...) or (), int64; or probabilities of the classes, floats in the shape of `input`.
        weight: (C,), how much each class counts.
        ignore_index: class targets with this number count nothing.
        reduction: "mean" divides by the sum of the weights of the class targets that count, and for probabilities by N (times
            the positions).
        label_smoothing: from 0 to 1, the share of the truth that is spread evenly over all classes.

    >>> import tinynet
    >>> cross_entropy(tinynet.tensor([[1e4, 0.0], [0.0, 0.0]]), tinynet.tensor([0, 1]))
    tensor(0.3466)
    """
    as_reduction("cross_entropy", reduction)
    as_floats("cross_entropy", "input", input)
    as_tensor("cross_entropy", "target", target)
    as_number("cross_entropy", "label_smoothing", label_smoothing, 0, 1)
    dim = 1 if input.ndim > 1 else 0
    if input.ndim and input.shape[dim] == 0:
        raise ValueError(f"cross_entropy: input {tuple(input.shape)} must have at least one class, in dim {dim}")
    if not input.ndim or target.dtype.kind != "f" or target.shape != input.shape:
        _check_targets("cross_entropy", input, target, weight, ignore_index)
        return _of_classes(softmax_.cross_entropy, input, target.long(), weight, ignore_index, reduction, label_smoothing)
    if not isinstance(ignore_index, int) or ignore_index >= 0:
        raise ValueError(f"cross_entropy: ignore_index={ignore_index} names a class number, but the target holds probabilities")
    _check_weight("cross_entropy", input, weight)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    scores = softmax_.log_softmax(input, dim) * target
    return reduced(-reductions.sum(scores if weight is None else scores * _column(weight, input.ndim), dim), reduction)


def _column(weight: Tensor, ndim: int) -> Tensor:
    return shapes.reshape(weight, *[-1 if d == (1 if ndim > 1 else 0) else 1 for d in range(ndim)])


# ------------------------------------------------------------------------------------------ of one number and another


def _pair(function: str, input: Tensor, target: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """`input` and `target`, at least one of floats, broadcast to one shape with PyTorch's warning."""
    as_tensor(function, "input", input), as_tensor(function, "target", target)
    if "f" not in (input.dtype.kind, target.dtype.kind):
        raise TypeError(f"{function}: input is {input.dtype} and target {target.dtype}; one must hold floats, convert with .float()")
    shape = arguments.broadcast_shape(function, input.shape, target.shape)
    if weight is not None and as_tensor(function, "weight", weight).shape != shape:
        raise ValueError(f"{function}: weight must have the shape of the loss, {tuple(shape)}; got {tuple(weight.shape)}")
    if input.shape == target.shape:
        return input, target
    warnings.warn(
        f"{function}: input {tuple(input.shape)} and target {tuple(target.shape)} differ and are broadcast to {tuple(shape)}, which may "
        "compare values that don't belong together; give them one shape",
        UserWarning,
        stacklevel=4,  # _pair, the loss, what names the loss in errors, and who called it
    )
    return shapes.expand(input, shape), shapes.expand(target, shape)


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight
    return reductions.sum(loss) / reductions.sum(weight) if reduction == "mean" else reduced(loss, reduction)


@in_own_name
def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The squared difference ``(input - target) ** 2``.

    With `weight`, of the same shape, each is multiplied by it, and "mean" divides by the sum of the weights. Different shapes are
    broadcast with a UserWarning.
    """
    as_reduction("mse_loss", reduction)
    input, target = _pair("mse_loss", input, target, weight)
    difference = input - target
    return _weighted(difference * difference, weight, reduction)


@in_own_name
def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """The absolute difference ``|input - target|``; `weight` and shapes as in `mse_loss`. The gradient at 0 is 0."""
    as_reduction("l1_loss", reduction)
    input, target = _pair("l1_loss", input, target, weight)
    return _weighted(elementwise.abs(input - target), weight, reduction)


@elementwise.elementwise()
def _huber(xp, difference, *, delta):
    size = xp.abs(difference)
    return xp.where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))


# a parabola that goes on straight: its slope is the difference, limited
_huber.derivatives(difference=lambda g, difference, delta: g * elementwise.hardtanh(difference, min=-delta, max=delta))


@in_own_name
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """With d = |input - target|: ``d**2 / 2`` where d is less than `delta`, else ``delta * (d - delta / 2)``.

    With `weight`, of the same shape, each is multiplied by it ("mean" still divides by their number). Different shapes are broadcast
    with a UserWarning.
    """
    as_reduction("huber_loss", reduction)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    input, target = _pair("huber_loss", input, target, weight)
    loss = _huber(input - target, delta=float(delta))
    return reduced(loss if weight is None else loss * weight, reduction)


@in_own_name
def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` with ``delta=beta``, divided by `beta`: for ``beta=0`` it is `l1_loss`. Girshick 2015, arXiv 1504.08083."""
    as_reduction("smooth_l1_loss", reduction)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must be from 0 up, got {beta}")
    input, target = _pair("smooth_l1_loss", input, target)
    difference = input - target
    return reduced(_huber(difference, delta=float(beta)) / float(beta) if beta else elementwise.abs(difference), reduction)


# --------------------------------------------------------------------------------------------------- of probabilities


def _check_binary(function: str, input: Tensor, target: Tensor, **factors: Tensor | None) -> None:
    """Floats of one shape, and factors that broadcast to it."""
    as_floats(function, "input", input), as_floats(function, "target", target)
    if input.shape != target.shape:
        raise ValueError(f"{function}: input {tuple(input.shape)} and target {tuple(target.shape)} must have the same shape")
    for name, factor in factors.items():
        if factor is not None:
            _constant(function, name, as_tensor(function, name, factor))
            if arguments.broadcast_shape(function, input.shape, factor.shape) != input.shape:
                raise ValueError(f"{function}: {name} {tuple(factor.shape)} must broadcast to the shape of input, {tuple(input.shape)}")


@elementwise.elementwise()
def _binary_cross_entropy(xp, p, target):
    # log(0) counts as -100, and so a certain mistake as 100
    return (target - 1.0) * xp.maximum(xp.log1p(-p), -100.0) - target * xp.maximum(xp.log(p), -100.0)


_binary_cross_entropy.derivatives(
    p=lambda g, p, target: g * ((p - target) / elementwise.clamp(p * (1.0 - p), min=1e-12)),
    target=lambda g, p: g * (elementwise.clamp(elementwise.log1p(-p), min=-100.0) - elementwise.clamp(elementwise.log(p), min=-100.0)),
)


@in_own_name
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """``-(target * log(input) + (1 - target) * log(1 - input))`` for probabilities; a logarithm counts as -100 at least.

    Args:
        input, target: probabilities, of one shape and dtype. On the CPU, ValueError unless all are from 0 to 1.
        weight: a factor for each, or what broadcasts to that.

    Scores rather than probabilities belong into `binary_cross_entropy_with_logits`, which is exact also where those round to 0 or 1.
    """
    as_reduction("binary_cross_entropy", reduction)
    _check_binary("binary_cross_entropy", input, target, weight=weight)
    same_dtype("binary_cross_entropy", input=input, target=target)
    for name, tensor in (("input", input), ("target", target)):
        # not on a GPU, which would have to wait for it: there the logarithms make it nan
        if isinstance(tensor.array, np.ndarray) and not ((tensor.array >= 0) & (tensor.array <= 1)).all():
            raise ValueError(
                f"binary_cross_entropy: {name} must hold probabilities, from 0 to 1; got {tensor.array.min()} to {tensor.array.max()}"
            )
    loss = _binary_cross_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@in_own_name
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
) -> Tensor:
    """`binary_cross_entropy` of ``sigmoid(input)``, exact for scores of any size.

    Args:
        input: scores (logits); target: probabilities, of the same shape.
        weight: a factor for each, or what broadcasts to that.
        pos_weight: a factor for the positive part only, ``target * log(sigmoid(input))``; broadcasts likewise.
    """
    function = "binary_cross_entropy_with_logits"
    as_reduction(function, reduction)
    _check_binary(function, input, target, weight=weight, pos_weight=pos_weight)
    # log sigmoid(x) = -softplus(-x), and log(1 - sigmoid(x)) = -softplus(x); both, since a difference would lose small losses
    positive = target if pos_weight is None else target * pos_weight
    loss = positive * elementwise.softplus(-input) + (1.0 - target) * elementwise.softplus(input)
    return reduced(loss if weight is None else loss * weight, reduction)


@in_own_name
def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """``target * (log(target) - input)``: how far the distribution `target` is from the one with the *logarithms* `input`.

    Args:
        input: log-probabilities. target: probabilities; 0 counts as 0 * log(0) = 0. The two broadcast.
        reduction: also "batchmean", the sum divided by the first size, which is what the mathematical definition has. "mean"
            divides by the number of elements.
        log_target: `target` holds log-probabilities, too.
    """
    as_reduction("kl_div", reduction, "batchmean")
    as_floats("kl_div", "input", input), as_floats("kl_div", "target", target)
    if log_target:
        loss = elementwise.exp(target) * (target - input)
    else:
        loss = target * elementwise.log(elementwise.where(target == 0, 1.0, target)) - target * input
    if reduction == "batchmean":
        return reductions.sum(loss) / float(input.shape[0] if input.ndim else 1)
    return reduced(loss, reduction)
