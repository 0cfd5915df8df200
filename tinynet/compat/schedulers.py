"""Schedules of learning rates that small networks seldom need; `optim.lr_scheduler` has them."""

import math
import warnings
from collections.abc import Callable
from typing import Annotated, Any

from ..ops.arguments import as_choice, as_int
from ..optim.declared import Flag, IntFrom1, NotNegative, Number, above_0, by
from ..optim.lr_scheduler import LambdaLR
from ..optim.scheduler import (
    AnOptimizer, Cycle, Epoch, LRScheduler, OfSchedulers, PerGroup, Schedulers, per_group)
from . import public

_LRScheduler = LRScheduler


def go_to(scheduler: LRScheduler, epoch: int) -> None:
    """``scheduler.step(epoch)``: begin anew, and go on to that epoch. UserWarning: deprecated."""
    steps = range(as_int("step", "epoch", epoch, 0))
    warnings.warn("step: epoch is deprecated; call step() once per epoch", stacklevel=3)
    scheduler._set_lr(scheduler.base_lrs)
    scheduler.last_epoch = -1
    scheduler._begin()
    for _ in steps:
        scheduler.step()


class MultiplicativeLR(LambdaLR):
    """The present rate times ``lr_lambda(epoch)``, a function or a list of one per group."""

    def get_lr(self) -> list[Any]:
        if self._beginning or self.last_epoch <= 0:
            return self._current()
        pairs = zip(self._current(), self.lr_lambdas, strict=True)
        return [lr * function(self.last_epoch) for lr, function in pairs]


class ConstantLR(LRScheduler):
    """The base rate times `factor` for `total_iters` epochs, then the base rate."""

    def __init__(self, optimizer: AnOptimizer, factor: Annotated[float, by(above_0, 1)] = 1.0 / 3,
                 total_iters: IntFrom1 = 5, last_epoch: Epoch = -1):
        self._start(locals())

    def _factor(self) -> float:
        if self._beginning or self.last_epoch not in (0, self.total_iters):
            return 1.0 if self.last_epoch else self.factor
        return 1 / self.factor if self.last_epoch else self.factor


class PolynomialLR(LRScheduler):
    """From the base rate to 0 in `total_iters` epochs: base · (1 − epoch / total_iters)^power."""

    def __init__(self, optimizer: AnOptimizer, total_iters: IntFrom1 = 5, power: Number = 1.0,
                 last_epoch: Epoch = -1):
        self._start(locals())

    def _factor(self) -> float:
        if self._beginning or not 0 < self.last_epoch <= self.total_iters:
            return 1.0
        left = self.total_iters - self.last_epoch
        return (left / (left + 1)) ** self.power


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the base rate to `eta_min` in `T_0` epochs, then from the start again.

    Each cycle is `T_mult` times as long as the one before. ``step(epoch)`` goes to an epoch, which
    may lie between two. The source is Loshchilov and Hutter, "SGDR" (ICLR 2017).
    """

    def __init__(self, optimizer: AnOptimizer, T_0: IntFrom1, T_mult: IntFrom1 = 1,
                 eta_min: NotNegative = 0.0, last_epoch: Epoch = -1):
        self._at = float(last_epoch)
        self._start(locals())

    def get_lr(self) -> list[Any]:
        at, length = self._at, self.T_0
        while at >= length:
            at, length = at - length, length * self.T_mult
        height = (1 + math.cos(math.pi * at / length)) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        if epoch is not None and epoch < 0:
            raise ValueError(f"{type(self).__name__}.step: epoch must be from 0 up, got {epoch}")
        self._at = self._at + 1 if epoch is None else epoch
        self.last_epoch = math.floor(self._at)
        self._step_count += 1
        self._set_lr(self.get_lr())


class CyclicLR(Cycle):
    """The rate goes from `base_lr` up to `max_lr` in `step_size_up` batches, and down again.

    `mode` says how the height changes: "triangular" not at all, "triangular2" halves it with every
    cycle, "exp_range" multiplies it by `gamma` with every batch. `scale_fn`, a function of the
    cycle or, with `scale_mode` "iterations", of the batch, stands for `mode`. With `cycle_momentum`
    the momentum goes the other way. The source is Smith, "Cyclical Learning Rates" (2017).
    """

    _not_copied = ("optimizer", "_height")

    def __init__(self, optimizer: AnOptimizer, base_lr: PerGroup, max_lr: PerGroup,
                 step_size_up: IntFrom1 = 2000, step_size_down: Any = None,
                 mode: Annotated[str, by(as_choice, ("triangular", "triangular2", "exp_range"))] =
                 "triangular", gamma: Number = 1.0, scale_fn: Callable[[Any], float] | None = None,
                 scale_mode: Annotated[str, by(as_choice, ("cycle", "iterations"))] = "cycle",
                 cycle_momentum: Flag = True, base_momentum: PerGroup = 0.8,
                 max_momentum: PerGroup = 0.9, last_epoch: Epoch = -1):
        arguments, groups = locals(), optimizer.param_groups
        self._cycles(optimizer, cycle_momentum)
        self.total_size = step_size_up + (step_size_down or step_size_up)
        self.step_ratio = step_size_up / self.total_size
        self._of_batch = mode == "exp_range" if scale_fn is None else scale_mode == "iterations"
        self._height = scale_fn or {"triangular": lambda x: 1.0, "exp_range": lambda x: gamma**x,
            "triangular2": lambda x: 1 / 2.0 ** (x - 1)}[mode]
        lows, self.max_lrs, *momenta = [
            per_group(type(self).__name__, name, arguments[name], groups)
            for name in ("base_lr", "max_lr", "base_momentum", "max_momentum")]
        self.momenta = list(zip(*momenta, strict=True))
        for group, lr in zip(groups, lows, strict=True) if last_epoch == -1 else ():
            group["lr"] = group["initial_lr"] = lr
        for group, pair in zip(groups, self.momenta, strict=True) if cycle_momentum else ():
            group["base_momentum"], group["max_momentum"] = pair
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def get_lr(self) -> list[Any]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        part *= self._height(self.last_epoch if self._of_batch else cycle)
        for group, (low, high) in zip(self.optimizer.param_groups, self.momenta, strict=True):
            if self.cycle_momentum:
                self._set_momentum(group, high - (high - low) * part)
        return [low + (high - low) * part
                for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class ChainedScheduler(OfSchedulers):
    """Several schedulers over one optimiser, which step together."""

    def __init__(self, schedulers: Schedulers, optimizer: Any = None):
        self._schedulers = list(schedulers)
        if not self._schedulers or len({id(s.optimizer) for s in self._schedulers}) != 1 or (
                optimizer not in (None, self._schedulers[0].optimizer)):
            raise ValueError("ChainedScheduler: expected schedulers over one optimiser")
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self._current()

    def step(self) -> None:  # type: ignore[override]  # as PyTorch's
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()


__all__ = public(globals(), "_LRScheduler")
