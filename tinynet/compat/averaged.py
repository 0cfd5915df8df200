"""Averages of weights along a training: what PyTorch has in ``torch.optim.swa_utils``."""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from .. import creation
from ..autograd import no_grad
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..ops.arguments import as_choice, as_number
from ..optim.declared import IntFrom0, by
from ..optim.scheduler import AnOptimizer, Epoch, LRScheduler, PerGroup, per_group
from . import public


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Any]:
    """A function for `AveragedModel`: ``decay * average + (1 - decay) * parameter``."""
    as_number("get_ema_avg_fn", "decay", decay, 0, 1)
    return lambda average, parameter, count: decay * average + (1 - decay) * parameter


def get_swa_avg_fn() -> Callable[..., Any]:
    """The function of `AveragedModel`: the mean of all parameters that it has seen."""
    return lambda average, parameter, count: average + (parameter - average) / (count + 1)


def _of_lists(average: Callable[..., Any]) -> Callable[..., None]:
    """`average` of two numbers as what changes a list of averages in place."""
    def change(averages: Any, parameters: Any, count: Any) -> None:
        for own, new in zip(averages, parameters, strict=True):
            own.copy_(average(own, new, count))

    return change


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """`get_ema_avg_fn` as a `multi_avg_fn`, which changes a list of averages in place."""
    return _of_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """`get_swa_avg_fn` as a `multi_avg_fn`, which changes a list of averages in place."""
    return _of_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of `model`, ``module``, with the average of its weights at each `update_parameters`.

    ``avg_fn(average, parameter, count)`` gives the next average, by default the mean; or a
    `multi_avg_fn` changes a list of averages. Buffers are copied from the model, or with
    `use_buffers` averaged too. ``n_averaged`` counts the updates. Izmailov et al. 2018,
    arXiv 1803.05407.
    """

    n_averaged: Any

    def __init__(self, model: Module, device: Any = None,
                 avg_fn: Callable[..., Any] | None = None,
                 multi_avg_fn: Callable[..., None] | None = None, use_buffers: bool = False):
        super().__init__()
        if avg_fn and multi_avg_fn:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model) if device is None else copy.deepcopy(model).to(device)
        self.register_buffer("n_averaged", creation.tensor(0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)

    def update_parameters(self, model: Module) -> None:
        """Take the present weights of `model` into the average."""
        average = self.multi_avg_fn or _of_lists(self.avg_fn or get_swa_avg_fn())
        with no_grad():
            for kind, averaged in (("parameters", True), ("buffers", self.use_buffers)):
                own, new = ([v.detach() for v in getattr(m, kind)()] for m in (self.module, model))
                new = [v.to(o.device) for o, v in zip(own, new, strict=True)]
                change = average if averaged and self.n_averaged else _of_lists(lambda o, v, _: v)
                change(own, new, self.n_averaged)
        self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Set the running statistics of batch norms to means over the batches of `loader`.

    A batch is the input of `model`, or a tuple or list that begins with it.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    kept, training = [m.momentum for m in norms], model.training
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a mean in which all batches count alike
    model.train()
    with no_grad():
        for batch in loader if norms else ():
            x = batch[0] if isinstance(batch, (tuple, list)) else batch
            model(x if device is None else x.to(device))
    for m, momentum in zip(norms, kept, strict=True):
        m.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """From the present rate to `swa_lr` in `anneal_epochs` epochs, along half a cosine or a line.

    `anneal_strategy` is "cos" or "linear". Then the rate stays.
    """

    def __init__(self, optimizer: AnOptimizer, swa_lr: PerGroup, anneal_epochs: IntFrom0 = 10,
                 anneal_strategy: Annotated[str, by(as_choice, ("cos", "linear"))] = "cos",
                 last_epoch: Epoch = -1):
        rates = per_group("SWALR", "swa_lr", swa_lr, optimizer.param_groups)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._start(locals())

    def _part(self, epoch: int) -> float:
        t = max(0, min(1, epoch / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Any]:
        epoch = max(self._step_count - 1, not self.anneal_epochs)
        before, now = self._part(epoch - 1), self._part(epoch)
        if before == 1:
            return [group["swa_lr"] for group in self.optimizer.param_groups]
        share = (now - before) / (1 - before)  # of what is left of the way
        return [group["lr"] + (group["swa_lr"] - group["lr"]) * share
                for group in self.optimizer.param_groups]


__all__ = public(globals())
