"""Schedulers: how the learning rates of an optimiser change from epoch to epoch.

A scheduler is made over an optimiser, which it sets to the rates of epoch 0. Its ``step()`` is
called at the end of each epoch, after the optimiser's own. (If it is called after each batch, read
"epoch" as "batch".)::

    optimizer = SGD(model.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, step_size=30)
    for epoch in range(90):
        train(model, optimizer)
        scheduler.step()

Most schedulers multiply the present rates, so several can act on one optimiser: step each of them.
"""

import copy
import math
import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from .. import compat
from ..ops.arguments import as_choice, as_function, as_int
from .declared import Above0, Flag, Fraction, IntFrom0, IntFrom1, NotNegative, above_0, by
from .scheduler import (
    AnOptimizer, Cycle, Epoch, LRScheduler, Milestones, OfSchedulers, PerGroup, Schedulers,
    per_group)

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR",
    "MultiStepLR", "OneCycleLR", "ReduceLROnPlateau", "SequentialLR", "StepLR"]
__getattr__ = compat.finder(__name__)


_of_epoch = by(as_function, "a function of the epoch, or a list of them")


class LambdaLR(LRScheduler):
    """The base rate times a function of the epoch: ``base_lr · lr_lambda(epoch)``.

    `lr_lambda` is a function, or a list of them, one per parameter group. ``state_dict()`` saves
    the attributes of callable objects, but not functions.

    >>> import tinynet
    >>> optimizer = tinynet.optim.SGD([tinynet.ones(1)], lr=0.5)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    """

    _not_copied = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: AnOptimizer,
                 lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
                 last_epoch: Epoch = -1):
        owner, groups = type(self).__name__, optimizer.param_groups
        self.lr_lambdas = per_group(owner, "lr_lambda", lr_lambda, groups, _of_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [lr * function(self.last_epoch) for lr, function in pairs]

    def state_dict(self) -> dict[str, Any]:
        attributes = [
            None if isinstance(f, (types.FunctionType, type)) else getattr(f, "__dict__", None)
            for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": copy.deepcopy(attributes)}

    def _load(self, state: dict[str, Any]) -> None:
        for function, attributes in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            if attributes is not None:
                vars(function).update(attributes)
        super()._load(state)


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: AnOptimizer, step_size: IntFrom1, gamma: NotNegative = 0.1,
                 last_epoch: Epoch = -1):
        self._start(locals())

    def _factor(self) -> float:
        return self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each epoch that `milestones` names; twice if it is named twice."""

    def __init__(self, optimizer: AnOptimizer, milestones: Milestones, gamma: NotNegative = 0.1,
                 last_epoch: Epoch = -1):
        self._start({**locals(), "milestones": Counter(milestones)})

    def _factor(self) -> float:
        return self.gamma ** self.milestones[self.last_epoch]

    def _load(self, state: dict[str, Any]) -> None:
        saved = Counter(state["milestones"])  # was a list before; and JSON makes texts of numbers
        super()._load({**state, "milestones": Counter({int(m): n for m, n in saved.items()})})


class ExponentialLR(LRScheduler):
    """The rate times `gamma` every epoch."""

    def __init__(self, optimizer: AnOptimizer, gamma: NotNegative, last_epoch: Epoch = -1):
        self._start(locals())

    def _factor(self) -> float:
        return 1 if self._beginning else self.gamma


class LinearLR(LRScheduler):
    """The rate times a factor that goes in a line from `start_factor` to `end_factor`.

    The line takes `total_iters` epochs; then the factor stays. `start_factor` is above 0 and both
    are at most 1, so the schedule is a warm-up (the default) or a decay.
    """

    def __init__(self, optimizer: AnOptimizer,
                 start_factor: Annotated[float, by(above_0, 1)] = 1.0 / 3,
                 end_factor: Fraction = 1.0, total_iters: IntFrom1 = 5, last_epoch: Epoch = -1):
        self._start(locals())

    def _factor(self) -> float:
        epoch, rise = self.last_epoch, self.end_factor - self.start_factor
        if epoch == 0:
            return self.start_factor
        if self._beginning or epoch > self.total_iters:
            return 1
        # the factor of this epoch over the factor of the epoch before
        return 1 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise)


class CosineAnnealingLR(LRScheduler):
    """The rate along a cosine, from the base rate to `eta_min` in `T_max` epochs, then up again.

    ``eta_min + (base_lr − eta_min) · (1 + cos(π · epoch / T_max)) / 2``, but computed from the rate
    of the epoch before, so that other schedulers can act on the rate too. The source is Loshchilov
    and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (ICLR 2017),
    https://arxiv.org/abs/1608.03983; there are no restarts here.
    """

    def __init__(self, optimizer: AnOptimizer, T_max: Above0, eta_min: NotNegative = 0.0,
                 last_epoch: Epoch = -1):
        self._start(locals())

    def get_lr(self) -> list[Any]:
        lrs, eta_min = self._current(), self.eta_min
        if self._beginning:
            return lrs
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # the last one was eta_min
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            bases = zip(lrs, self.base_lrs, strict=False)
            return [lr + (base - eta_min) * rise for lr, base in bases]
        now, before = (1 + math.cos(math.pi * epoch / self.T_max)
                       for epoch in (self.last_epoch, self.last_epoch - 1))
        return [now / before * (lr - eta_min) + eta_min for lr in lrs]


class OneCycleLR(Cycle):
    """One cycle: the rate goes up to `max_lr`, then down to almost 0; momentum the other way round.

    `step` is called after every batch, `total_steps` times in all. `epochs` and `steps_per_epoch`
    can be given instead of `total_steps`, their product. Three rates bound the cycle::

        initial_lr = max_lr / div_factor
        min_lr = initial_lr / final_div_factor

    The rate rises from initial_lr to `max_lr` in the part `pct_start` of the steps, and falls to
    min_lr in the rest. With `three_phase` it first falls to initial_lr, in as many steps as it
    rose, and then to min_lr. Each phase follows half a cosine or, if `anneal_strategy` is "linear",
    a line.

    With `cycle_momentum` the optimiser's momentum (of Adam, its first beta) falls from
    `max_momentum` to `base_momentum` while the rate rises, and rises while the rate falls. `max_lr`
    and the momenta may be lists, one number per parameter group. The groups keep these bounds; to
    resume with `last_epoch`, load the optimiser's saved state first.

    The source is Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using
    Large Learning Rates" (2018), https://arxiv.org/abs/1708.07120. ValueError at the step after the
    last.
    """

    def __init__(self, optimizer: AnOptimizer, max_lr: PerGroup, total_steps: int | None = None,
                 epochs: int | None = None, steps_per_epoch: int | None = None,
                 pct_start: Fraction = 0.3,
                 anneal_strategy: Annotated[str, by(as_choice, ("cos", "linear"))] = "cos",
                 cycle_momentum: Flag = True, base_momentum: PerGroup = 0.85,
                 max_momentum: PerGroup = 0.95, div_factor: Above0 = 25.0,
                 final_div_factor: Above0 = 1e4, three_phase: Flag = False, last_epoch: Epoch = -1):
        owner, groups = type(self).__name__, optimizer.param_groups
        counts = {"total_steps": total_steps, "epochs": epochs, "steps_per_epoch": steps_per_epoch}
        given = {name: count for name, count in counts.items() if count is not None}
        if given.keys() not in ({"total_steps"}, {"epochs", "steps_per_epoch"}):
            said = ", ".join(f"{name}={count}" for name, count in counts.items())
            raise ValueError(f"{owner}: got {said}; give either the first or the other two")
        self.total_steps = math.prod(as_int(owner, n, count, 1) for n, count in given.items())
        self.pct_start, self.anneal_strategy = pct_start, anneal_strategy
        self.three_phase = three_phase
        self._cycles(optimizer, cycle_momentum)
        bounds = {"max_lr": max_lr}
        if cycle_momentum:
            bounds |= {"base_momentum": base_momentum, "max_momentum": max_momentum}
        limits = {name: per_group(owner, name, b, groups) for name, b in bounds.items()}
        if last_epoch == -1:
            for i, group in enumerate(groups):
                group.update({name: values[i] for name, values in limits.items()})
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.optimizer, self.last_epoch = optimizer, last_epoch
        self._check_groups(*limits, "min_lr")
        super().__init__(optimizer, last_epoch)

    def _knots(self) -> list[tuple[float, str, str]]:
        """The steps between which rate and momentum change, with their names in the groups."""
        peak, end = self.pct_start * self.total_steps - 1, self.total_steps - 1
        start, top = (0, "initial_lr", "max_momentum"), (peak, "max_lr", "base_momentum")
        middle = [(2 * peak, "initial_lr", "max_momentum")] if self.three_phase else []
        return [start, top, *middle, (end, "min_lr", "max_momentum")]

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[Any]:
        step, groups = self.last_epoch, self.optimizer.param_groups
        if step > self.total_steps:
            end = f"the cycle ends after total_steps={self.total_steps}"
            raise ValueError(f"{type(self).__name__}: this is step {step}, but {end}")
        knots = self._knots()
        while len(knots) > 2 and step > knots[1][0]:  # until step is in the first phase
            knots.pop(0)
        (first, lr_from, momentum_from), (last, lr_to, momentum_to) = knots[:2]
        part = (step - first) / (last - first) if last != first else 1.0
        for group in groups if self.cycle_momentum else []:
            momentum = self._between(group[momentum_from], group[momentum_to], part)
            self._set_momentum(group, momentum)
        return [self._between(group[lr_from], group[lr_to], part) for group in groups]


class SequentialLR(OfSchedulers):
    """One scheduler after the other: each epoch in `milestones` hands over to the next scheduler.

    The next scheduler starts from its base rates. All are made beforehand, over the same optimiser.
    `milestones` are in ascending order, one fewer than `schedulers`. No `ReduceLROnPlateau` can be
    among them, because its step needs a value, and no other `SequentialLR`. `last_epoch` must be
    -1: resume with `load_state_dict`.

    >>> import tinynet
    >>> from tinynet.optim.lr_scheduler import ExponentialLR, LinearLR
    >>> optimizer = tinynet.optim.SGD([tinynet.ones(1)], lr=1.0)
    >>> warmup, decay = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
    >>> scheduler, lrs = SequentialLR(optimizer, [warmup, decay], [2]), []
    >>> for epoch in range(5):
    ...     lrs += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> lrs
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: AnOptimizer, schedulers: Schedulers, milestones: Milestones,
                 last_epoch: Epoch = -1):
        owner = type(self).__name__
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self.optimizer, count, made = optimizer, len(self._milestones), len(self._schedulers)
        if last_epoch != -1:
            rule = f"last_epoch must be -1, got {last_epoch}"
            raise ValueError(f"{owner}: {rule}; resume with load_state_dict()")
        if count != made - 1:
            raise ValueError(f"{owner}: {made} schedulers need one milestone less, got {count}")
        if sorted(self._milestones) != self._milestones:
            raise ValueError(f"{owner}: milestones must ascend, got {self._milestones}")
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler) or isinstance(
                    scheduler, (ReduceLROnPlateau, SequentialLR)):
                rule = "must be a scheduler that steps without a value and is no SequentialLR"
                raise TypeError(f"{owner}: scheduler {i} {rule}, got {type(scheduler).__name__}")
            if scheduler.optimizer is not optimizer:
                problem = "was made over another optimiser; make all over the same"
                raise ValueError(f"{owner}: scheduler {i} {problem}")
        for scheduler in self._schedulers:
            scheduler.last_epoch -= 1  # take back the step that each made into its first epoch
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._set_lr([group["initial_lr"] for group in optimizer.param_groups])
        first._begin()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]  # as PyTorch's
        """Go on to the next epoch, which may be the first one of the next scheduler."""
        self.last_epoch += 1
        now = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[now]
        if now and self._milestones[now - 1] == self.last_epoch:
            scheduler.last_epoch = -1
            scheduler._set_lr(scheduler.base_lrs)
            scheduler._begin()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when a value, such as the loss, has not improved for a while.

    That is for more than `patience` epochs. In `mode` "min" a value is better if it is less than
    the best so far by more than ``threshold · best``, or by more than `threshold` itself if
    `threshold_mode` is "abs". In `mode` "max" it must be greater by as much. After a reduction, bad
    epochs are not counted for `cooldown` epochs. No rate goes below `min_lr` (a number, or a list
    of one per parameter group), and a change of `eps` or less is not made.

    >>> import tinynet
    >>> optimizer = tinynet.optim.SGD([tinynet.ones(1)], lr=0.5)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    >>> for loss in (1.0, 0.5, 0.5):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: AnOptimizer,
                 mode: Annotated[str, by(as_choice, ("min", "max"))] = "min",
                 factor: NotNegative = 0.1, patience: IntFrom0 = 10, threshold: NotNegative = 1e-4,
                 threshold_mode: Annotated[str, by(as_choice, ("rel", "abs"))] = "rel",
                 cooldown: IntFrom0 = 0, min_lr: PerGroup = 0, eps: NotNegative = 1e-8):
        owner = type(self).__name__
        if factor >= 1:
            rule = "factor must be below 1, or nothing would be reduced"
            raise ValueError(f"{owner}: {rule}; got {factor!r}")
        floors = per_group(owner, "min_lr", min_lr, optimizer.param_groups)
        self.min_lr = floors if isinstance(min_lr, (list, tuple)) else floors[0]
        vars(self).update(self._options(locals()))
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0
        self.best = math.inf if mode == "min" else -math.inf
        self._last_lr = self._current()

    def step(self, metrics: Any) -> None:  # type: ignore[override]  # only this one needs a value
        """Tell the value of this epoch: a number, or a tensor with one element."""
        owner = f"{type(self).__name__}.step"
        if not hasattr(metrics, "__float__"):
            rule = "metrics must be a number, such as the loss"
            raise TypeError(f"{owner}: {rule}, got {metrics!r:.80}")
        value = float(metrics)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            lrs = self._current()
            floors = per_group(owner, "min_lr", self.min_lr, self.optimizer.param_groups)
            lower = [max(lr * self.factor, floor) for lr, floor in zip(lrs, floors, strict=True)]
            pairs = zip(lrs, lower, strict=True)
            self._set_lr([new if lr - new > self.eps else lr for lr, new in pairs])
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._current()

    def _is_better(self, value: float) -> bool:
        margin = -self.threshold if self.mode == "min" else self.threshold
        bound = self.best  # infinite until the first value
        if math.isfinite(bound):
            bound = bound * (1 + margin) if self.threshold_mode == "rel" else bound + margin
        return value < bound if self.mode == "min" else value > bound
