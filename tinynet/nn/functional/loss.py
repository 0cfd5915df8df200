"""Losses. `reduction` is "mean" (the default), "sum" or "none" throughout.

PyTorch's older `size_average` and `reduce` are obeyed, with a warning: ``reduce=False`` is "none",
``size_average=False`` is "sum".
"""

import warnings
from typing import Any

import numpy as np

from ... import compat
from ...arrays import array_module, computing
from ...ops import elementwise, reductions, shapes, softmax as softmax_
from ...ops.arguments import (
    as_floats, as_int, as_number, as_bool, as_choice, as_probability, as_tensor, broadcast_shape,
    check_shape, same_dtype)
from ...tensor import Tensor


def as_reduction(function: str, reduction: Any = "mean", size_average: Any = None,
                 reduce: Any = None, *more: str) -> str:
    """`reduction`, one of "none", "mean", "sum" and `more`; else ValueError.

    PyTorch's older `size_average` and `reduce` are obeyed instead of it, with a warning.
    """
    if size_average is None and reduce is None:
        return as_choice(function, "reduction", reduction, ("none", "mean", "sum", *more))
    mean, one = [value is None or as_bool(function, name, value)
                 for name, value in (("size_average", size_average), ("reduce", reduce))]
    reduction = ("mean" if mean else "sum") if one else "none"
    warnings.warn(f"{function}: size_average and reduce are deprecated; say "
        f"reduction={reduction!r}", stacklevel=3)
    return reduction


def reduced(loss: Tensor, reduction: str, weight: Tensor | None = None,
             by_weight: bool = False) -> Tensor:
    """The mean of ``loss * weight``, its sum, or itself, as `reduction` says.

    With `by_weight`, the mean is the sum divided by the sum of the weights.
    """
    loss = loss if weight is None else loss * weight
    if reduction == "none":
        return loss
    if reduction == "mean" and (weight is None or not by_weight):
        return reductions.mean(loss)
    total = reductions.sum(loss)
    return total if reduction == "sum" else total / reductions.sum(weight)


def _same_device(function: str, *tensors: Tensor | None) -> None:
    """RuntimeError unless all tensors live on one device."""
    array_module(*[t.array for t in tensors if t is not None], function=function)


# ------------------------------------------------------------------------------ of class numbers


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (...), int64, as rows (..., num_classes) with a 1 at the class and 0 elsewhere.

    By default `num_classes` is the largest number + 1. IndexError for a number out of range.
    """
    if as_tensor("one_hot", "tensor", tensor).array.dtype != np.int64:
        raise TypeError(
            f"one_hot: tensor must hold class numbers, int64, got {tensor.dtype}; use .long()")
    if type(num_classes) is not int or num_classes != -1:
        num_classes = as_int("one_hot", "num_classes", num_classes, 1, 2**31)
    elif tensor.numel():
        num_classes = int(tensor.max()) + 1
    else:
        raise ValueError("one_hot: an empty tensor has no largest class number; give num_classes")
    _check_classes("one_hot", tensor, num_classes)
    with computing(tensor.array):
        classes = Tensor._wrap(array_module(tensor.array).arange(num_classes))
    return (shapes.unsqueeze(tensor, -1) == classes).long()


def _check_classes(function: str, target: Tensor, classes: int, ignore_index: int = 0) -> None:
    # Only on the CPU: reading values on a GPU would make every step wait for it. On a GPU the loss
    # of a wrong class number is nan.
    array = target.array
    if not isinstance(array, np.ndarray):
        return
    outside = (array < 0) | (array >= classes)
    if outside.any() and (wrong := outside & (array != ignore_index)).any():
        place = tuple(np.argwhere(wrong)[0].tolist())
        raise IndexError(f"{function}: target{list(place)} is {array[place]}, but the {classes} "
            f"classes are numbered 0 to {classes - 1}")


def _check_scores(function: str, input: Tensor) -> int:
    """The dimension of the classes in (N, C, ...) or (C,)."""
    if not as_floats(function, "input", input).array.ndim:
        raise ValueError(f"{function}: input must be (N, C), (N, C, ...) or (C,), got a 0-d tensor")
    return 1 if input.ndim > 1 else 0


def check_targets(function: str, input: Tensor, target: Tensor, weight: Tensor | None,
                  ignore_index: int = -100) -> None:
    """Class numbers of shape (N, ...) for scores (N, C, ...), or () for (C,)."""
    as_int(function, "ignore_index", ignore_index)
    dim = _check_scores(function, input)
    shape, given = input.array.shape, as_tensor(function, "target", target).array.shape
    wanted = shape[:1] + shape[2:] if dim else ()
    if given != wanted and (dim or given != (1,)):
        raise ValueError(f"{function}: input {shape} needs a target of shape {wanted}, got {given}"
            f"{compat.hint('labels', shape, given)}")
    if target.array.dtype not in (np.int64, np.uint8):
        raise TypeError(
            f"{function}: class numbers must be int64 (or uint8), got {target.dtype}; use .long()")
    _check_weight(function, weight, shape[dim])
    _check_constant(function, "weight", weight)
    same_dtype(function, input=input, weight=weight)
    _same_device(function, input, target)
    _check_classes(function, target, shape[dim], ignore_index)


def _check_weight(function: str, weight: Tensor | None, C: int) -> None:
    if weight is not None:
        as_floats(function, "weight", weight)
    check_shape(function, "weight", weight, (C,), "one number per class")


def _check_constant(function: str, name: str, tensor: Tensor | None) -> None:
    if tensor is not None and tensor.requires_grad:
        raise RuntimeError(f"{function}: {name} is a constant here, so give {name}.detach()")


def _class_weights(logp: Tensor, target: Tensor, weight: Tensor | None,
                   ignore_index: int) -> tuple[Any, Any]:
    """For each target (N, ...) a class that is safe as an index, (N, 1, ...), and its weight.

    The weights, (N, ...), are 0 for what is ignored, and None if all are 1.
    """
    xp, classes = array_module(logp.array, target.array), target.array
    if xp is np and weight is None and not (classes == ignore_index).any():
        return classes[:, None].copy(), None  # because backward needs the classes of this moment
    with computing(classes):
        C, ignored = logp.shape[1], classes == ignore_index
        safe = xp.where(ignored, 0, classes)
        out_of_range = (safe < 0) | (safe >= C)  # on a GPU such an index would silently wrap around
        safe = safe % C
        weights = xp.ones(classes.shape, logp.dtype) if weight is None else weight.array[safe]
        weights = xp.where(ignored, xp.zeros_like(weights), weights)
        return safe[:, None], xp.where(out_of_range, xp.full_like(weights, float("nan")), weights)


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None,
             size_average: bool | None = None, ignore_index: int = -100, reduce: bool | None = None,
             reduction: str = "mean") -> Tensor:
    """The negative log-likelihood of the target classes, ``-weight[t] * input[n, t]``.

    Args:
        input: log-probabilities, (N, C), (N, C, ...) or (C,).
        target: class numbers, (N,), (N, ...) or (), int64.
        weight: (C,), the factor of each class; 1 by default.
        ignore_index: targets with this number contribute nothing.
        reduction: "mean" divides by the sum of the weights of the other targets; nan if all are
            ignored.
    """
    reduction = as_reduction("nll_loss", reduction, size_average, reduce)
    return _of_classes("nll_loss", _picked, input, target, weight, ignore_index, reduction)


def _picked(logp: Tensor, *, classes: Any) -> Tensor:
    N, _, *places = classes.shape
    return -shapes.reshape(reductions.pick(logp, indices=classes, dim=1), N, *places)


def _of_classes(function: str, target_loss: Any, scores: Tensor, target: Tensor,
                weight: Tensor | None, ignore_index: int, reduction: str,
                label_smoothing: float = 0.0) -> Tensor:
    """The loss made of ``target_loss(scores, classes=...)``, one number per target (N, 1, ...)."""
    check_targets(function, scores, target, weight, ignore_index)
    target = target.long()
    was_single = scores.ndim == 1
    if was_single:
        scores, target = shapes.unsqueeze(scores, 0), shapes.reshape(target, 1)
    classes, weights = _class_weights(scores, target, weight, ignore_index)
    loss = target_loss(scores, classes=classes)
    if weights is not None:
        loss = loss * Tensor._wrap(weights)
    if label_smoothing:
        logp = softmax_.log_softmax(scores, 1)
        weighted = logp if weight is None else logp * _column(weight, logp.ndim)
        share = label_smoothing / logp.shape[1]
        loss = (1 - label_smoothing) * loss - share * reductions.sum(weighted, 1)
    if weights is not None:
        # an ignored target contributes 0 even if its loss is infinite
        loss = elementwise.where(target == ignore_index, 0.0, loss)
        if reduction == "mean":
            return reductions.sum(loss) / reductions.sum(Tensor._wrap(weights))
    return shapes.reshape(loss, ()) if was_single else reduced(loss, reduction)


def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None,
                  size_average: bool | None = None, ignore_index: int = -100,
                  reduce: bool | None = None, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    """``-log softmax(input)[target]``: the negative log-likelihood of the target classes.

    Computed without overflow.

    Args:
        input: scores (logits), (N, C), (N, C, ...) or (C,).
        target: class numbers, (N,), (N, ...) or (), int64; or the probabilities of the classes,
            floats in the shape of `input`.
        weight: (C,), the factor of each class; 1 by default.
        ignore_index: class targets with this number contribute nothing.
        reduction: "mean" divides by the sum of the weights of the other class targets; for
            probabilities by N (times the number of positions).
        label_smoothing: the share of the target probability, from 0 to 1, that is spread evenly
            over all classes.

    >>> import tinynet
    >>> cross_entropy(tinynet.tensor([[1e4, 0.0], [0.0, 0.0]]), tinynet.tensor([0, 1]))
    tensor(0.3466)
    """
    name = "cross_entropy"
    reduction = as_reduction(name, reduction, size_average, reduce)
    as_tensor(name, "target", target)
    smoothing = as_probability(name, "label_smoothing", label_smoothing)
    dim = _check_scores(name, input)
    C = input.array.shape[dim]
    if C == 0 and target.array.size and target.array.dtype.kind != "f":
        raise ValueError(f"{name}: input {tuple(input.shape)} must have a class, in dim {dim}")
    if target.array.dtype.kind != "f" or target.array.shape != input.array.shape:
        of_targets = softmax_.cross_entropy if C else _picked  # no class: there is no maximum
        return _of_classes(
            name, of_targets, input, target, weight, ignore_index, reduction, smoothing)
    if as_int(name, "ignore_index", ignore_index) >= 0:
        raise ValueError(f"{name}: ignore_index={ignore_index} names a class number, but the "
            "target holds probabilities; leave it out")
    _check_weight(name, weight, C)
    _same_device(name, input, target, weight)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / C
    terms = softmax_.log_softmax(input, dim) * target
    terms = terms if weight is None else terms * _column(weight, input.ndim)
    return reduced(-reductions.sum(terms, dim), reduction)


def _column(weight: Tensor, ndim: int) -> Tensor:
    """`weight` (C,) in the shape that broadcasts to scores with `ndim` dimensions."""
    return weight if ndim == 1 else shapes.reshape(weight, 1, -1, *[1] * (ndim - 2))


# ---------------------------------------------------------------------------- of pairs of numbers


def _difference(function: str, input: Tensor, target: Tensor,
                weight: Tensor | None = None) -> Tensor:
    """``input - target``, checked; with a UserWarning if one of them is broadcast."""
    as_tensor(function, "input", input), as_tensor(function, "target", target)
    kinds = {input.array.dtype.kind, target.array.dtype.kind}
    if "f" not in kinds or "b" in kinds:
        raise TypeError(f"{function}: input is {input.dtype} and target {target.dtype}; "
            "one must hold floats, convert with .float()")
    given, other = input.array.shape, target.array.shape
    shape = given if given == other else broadcast_shape(function, given, other)
    if weight is not None and as_tensor(function, "weight", weight).array.shape != shape:
        rule = f"must have the shape of the loss, {shape}"
        raise ValueError(f"{function}: weight {rule}; got {weight.array.shape}")
    _same_device(function, input, target, weight)
    if given != other:
        warnings.warn(f"{function}: input {given} and target {other} differ and are broadcast to "
            f"{shape}; give them one shape", UserWarning, stacklevel=3)
    return input - target


def mse_loss(input: Tensor, target: Tensor, size_average: bool | None = None,
             reduce: bool | None = None, reduction: str = "mean",
             weight: Tensor | None = None) -> Tensor:
    """The squared difference, ``(input - target) ** 2``.

    Args:
        input, target: any shape, at least one of floats. Different shapes are broadcast with a
            UserWarning.
        weight: a factor for each element, in the shape of the loss; "mean" then divides by the sum
            of the weights.
    """
    reduction = as_reduction("mse_loss", reduction, size_average, reduce)
    difference = _difference("mse_loss", input, target, weight)
    return reduced(difference * difference, reduction, weight, by_weight=True)


def l1_loss(input: Tensor, target: Tensor, size_average: bool | None = None,
            reduce: bool | None = None, reduction: str = "mean",
            weight: Tensor | None = None) -> Tensor:
    """The absolute difference, ``|input - target|``, whose gradient at 0 is 0.

    Shapes and `weight` are those of `mse_loss`.
    """
    reduction = as_reduction("l1_loss", reduction, size_average, reduce)
    difference = _difference("l1_loss", input, target, weight)
    return reduced(elementwise.abs(difference), reduction, weight, by_weight=True)


@elementwise.elementwise()
def _huber(xp, difference, *, delta):
    size = xp.abs(difference)
    return xp.where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))


# a parabola with straight continuations: its slope is the difference, limited to ±delta
_huber.derivatives(difference=lambda g, difference, delta: (
    g * elementwise.hardtanh(difference, min=-delta, max=delta)))


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
               weight: Tensor | None = None) -> Tensor:
    """``d**2 / 2`` where d = |input - target| is less than `delta`, else ``delta * (d - delta/2)``.

    Shapes are those of `mse_loss`, and so is `weight`, but that "mean" divides by the number of
    elements. ValueError unless `delta` is positive.
    """
    delta = float(as_number("huber_loss", "delta", delta, positive=True))
    as_reduction("huber_loss", reduction)
    difference = _difference("huber_loss", input, target, weight)
    return reduced(_huber(difference, delta=delta), reduction, weight)


def smooth_l1_loss(input: Tensor, target: Tensor, size_average: bool | None = None,
                   reduce: bool | None = None, reduction: str = "mean",
                   beta: float = 1.0) -> Tensor:
    """`huber_loss` with ``delta=beta``, divided by `beta`; `l1_loss` for ``beta=0``.

    Girshick 2015, arXiv 1504.08083. ValueError for a negative `beta`.
    """
    beta = float(as_number("smooth_l1_loss", "beta", beta, 0))
    reduction = as_reduction("smooth_l1_loss", reduction, size_average, reduce)
    difference = _difference("smooth_l1_loss", input, target)
    loss = _huber(difference, delta=beta) / beta if beta else elementwise.abs(difference)
    return reduced(loss, reduction)


# ------------------------------------------------------------------------------- of probabilities


def _check_binary(function: str, input: Tensor, target: Tensor, **factors: Tensor | None) -> None:
    """Floats of one shape, and constant factors that broadcast to it."""
    as_floats(function, "input", input), as_floats(function, "target", target)
    shape = tuple(input.shape)
    if input.shape != target.shape:
        raise ValueError(
            f"{function}: input {shape} and target {tuple(target.shape)} must have the same shape")
    for name, factor in factors.items():
        if factor is not None:
            _check_constant(function, name, as_tensor(function, name, factor))
            if broadcast_shape(function, shape, given := factor.array.shape) != shape:
                raise ValueError(
                    f"{function}: {name} {given} must broadcast to the shape of input, {shape}")
    _same_device(function, input, target, *factors.values())


@elementwise.elementwise()
def _binary_cross_entropy(xp, p, target):
    # a logarithm counts as -100 at least, so a loss is at most 100
    log_p, log_not_p = xp.maximum(xp.log(p), -100.0), xp.maximum(xp.log1p(-p), -100.0)
    return (target - 1.0) * log_not_p - target * log_p


_binary_cross_entropy.derivatives(
    p=lambda g, p, target: g * ((p - target) / elementwise.clamp(p * (1.0 - p), min=1e-12)),
    target=lambda g, p: g * -(
        elementwise.clamp(elementwise.log(p), min=-100.0)
        - elementwise.clamp(elementwise.log1p(-p), min=-100.0)))


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None,
                         size_average: bool | None = None, reduce: bool | None = None,
                         reduction: str = "mean") -> Tensor:
    """``-(target * log(input) + (1 - target) * log(1 - input))`` for probabilities.

    Args:
        input, target: probabilities, of one shape and dtype. On the CPU, ValueError unless all are
            from 0 to 1; on a GPU, which would have to be waited for, the loss becomes nan.
        weight: a factor for each element, or a tensor that broadcasts to that.

    A logarithm counts as -100 at least. For scores use `binary_cross_entropy_with_logits`, which is
    exact also where their probabilities round to 0 or 1.
    """
    name = "binary_cross_entropy"
    reduction = as_reduction(name, reduction, size_average, reduce)
    _check_binary(name, input, target, weight=weight)
    same_dtype(name, input=input, target=target)
    for which, array in (("input", input.array), ("target", target.array)):
        if isinstance(array, np.ndarray) and not ((array >= 0) & (array <= 1)).all():
            raise ValueError(f"{name}: {which} must hold probabilities, from 0 to 1; "
                f"got {array.min()} to {array.max()}")
    return reduced(_binary_cross_entropy(input, target), reduction, weight)


def binary_cross_entropy_with_logits(
        input: Tensor, target: Tensor, weight: Tensor | None = None,
        size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
        pos_weight: Tensor | None = None) -> Tensor:
    """`binary_cross_entropy` of ``sigmoid(input)``, exact for scores of any size.

    Args:
        input: scores (logits).
        target: probabilities, in the shape of `input`.
        weight: a factor for each element, or a tensor that broadcasts to that.
        pos_weight: a factor of ``target * log(sigmoid(input))`` alone; broadcasts likewise.
    """
    name = "binary_cross_entropy_with_logits"
    reduction = as_reduction(name, reduction, size_average, reduce)
    _check_binary(name, input, target, weight=weight, pos_weight=pos_weight)
    # log sigmoid(x) = -softplus(-x) and log(1 - sigmoid(x)) = -softplus(x). Their difference, x,
    # would save a softplus but lose small losses to rounding.
    positive = target if pos_weight is None else target * pos_weight
    loss = positive * elementwise.softplus(-input) + (1.0 - target) * elementwise.softplus(input)
    return reduced(loss, reduction, weight)


# 0 at 0, where its slope is -inf; nan below 0, also the slope, but where nothing flows
_x_log_x = elementwise.rule(
    "x_log_x", "", lambda xp, a: a * xp.log(xp.where(a == 0, 1.0, a)), floating=True,
    a=lambda g, a: elementwise.where(
        (g == 0) & (a <= 0), 0.0, g * (elementwise.log(a) + 1.0)))


def kl_div(input: Tensor, target: Tensor, size_average: bool | None = None,
           reduce: bool | None = None, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The Kullback-Leibler divergence ``target * (log(target) - input)``.

    Args:
        input: log-probabilities.
        target: probabilities; one of 0 contributes 0. The two shapes broadcast.
        reduction: also "batchmean", the sum divided by the first size, which is the mathematical
            definition. "mean" divides by the number of elements.
        log_target: `target` holds log-probabilities, too.
    """
    reduction = as_reduction("kl_div", reduction, size_average, reduce, "batchmean")
    as_floats("kl_div", "input", input), as_floats("kl_div", "target", target)
    broadcast_shape("kl_div", input.shape, target.shape)
    _same_device("kl_div", input, target)
    if log_target:
        loss = elementwise.exp(target) * (target - input)
    else:
        loss = _x_log_x(target) - target * input
    if reduction == "batchmean":
        return reductions.sum(loss) / float(input.shape[0] if input.ndim else 1)
    return reduced(loss, reduction)
