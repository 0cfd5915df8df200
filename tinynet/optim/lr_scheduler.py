"""Schedulers: how the learning rates of an optimiser change from epoch to epoch.

A scheduler is made over an optimiser, which it sets to the rates of epoch 0, and its ``step()`` is called at the end of
each epoch (or of each batch, then read "epoch" as "batch"), after the optimiser's own::

    optimizer = SGD(model.parameters(), lr=0.1)
    scheduler = StepLR(optimizer, step_size=30)
    for epoch in range(90):
        train(model, optimizer)
        scheduler.step()

Most schedulers multiply the rates that they find, so that several can act on one optimiser at once: step each of them.
"""

from __future__ import annotations

import copy
import math
import operator
import types
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..ops.arguments import as_number, in_own_name
from .optimizer import Optimizer, as_bool

__all__ = [
    "CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "OneCycleLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]


def _as_int(owner: str, name: str, value: Any, minimum: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{owner}: {name} must be an int, got {value!r}") from None
    if isinstance(value, bool) or number < minimum:
        raise ValueError(f"{owner}: {name} must be an int from {minimum} up, got {value!r}")
    return number


def _as_optimizer(owner: str, value: Any) -> Optimizer:
    if not isinstance(value, Optimizer):
        raise TypeError(f"{owner}: optimizer must be an Optimizer, got {type(value).__name__}")
    return value


def _per_group(owner: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A number for each parameter group: the given one for all, or a list of as many."""
    values = value if isinstance(value, (list, tuple)) else [value] * len(optimizer.param_groups)
    if len(values) != len(optimizer.param_groups):
        raise ValueError(
            f"{owner}: {name} has {len(values)} values, but the optimiser {len(optimizer.param_groups)} parameter groups"
        )
    return [as_number(owner, name, v, 0) for v in values]


class LRScheduler:
    """The base of all schedulers. A subclass defines `get_lr`, the learning rates of the epoch `last_epoch`, one per group.

    ``base_lrs`` are the rates to start from: each group's ``"initial_lr"``, which the first scheduler over an optimiser sets
    to the group's ``"lr"``. `last_epoch` is -1, or to resume the epoch that was done last; groups must have an ``"initial_lr"``
    then (ValueError else), as those of an optimiser have whose state was saved and loaded.

    >>> import tinynet
    >>> from tinynet.optim import SGD
    >>> class Harmonic(LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / (1 + self.last_epoch) for lr in self.base_lrs]
    >>> optimizer = SGD([tinynet.ones(1)], lr=0.5)
    >>> scheduler = Harmonic(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        owner = type(self).__name__
        self.optimizer = _as_optimizer(owner, optimizer)
        self.last_epoch = _as_int(owner, "last_epoch", last_epoch, -1)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{owner}: last_epoch={last_epoch} resumes, but parameter group {i} has no 'initial_lr'; load the "
                    "optimiser's saved state first, or set it in the group"
                )
        self.base_lrs: list[Any] = [group["initial_lr"] for group in optimizer.param_groups]
        self._begin()

    def _begin(self) -> None:
        """Take the step into the epoch after `last_epoch` that isn't asked for: when made, or when a `SequentialLR` comes here."""
        self._step_count = 0
        self.step()

    @property
    def _beginning(self) -> bool:
        return self._step_count == 1

    def _current(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`; what `step` calls. To look at the present ones, use `get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The learning rates, one per parameter group, that this scheduler set last."""
        return list(self._last_lr)

    def step(self) -> None:
        """Go on to the next epoch and set its learning rates. UserWarning if the optimiser hasn't made a step yet."""
        if self._step_count == 1 and not self.optimizer._stepped:
            warnings.warn(
                f"{type(self).__name__}.step() was called before {type(self.optimizer).__name__}.step(): the first learning rate "
                "of the schedule goes unused; call the optimiser's step first",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self.last_epoch += 1
        self._set_lr(self.get_lr())

    def _set_lr(self, lrs: Sequence[Any]) -> None:
        groups = self.optimizer.param_groups
        if len(lrs) != len(groups):
            raise RuntimeError(
                f"{type(self).__name__}: there are {len(lrs)} learning rates for {len(groups)} parameter groups; make the scheduler "
                "after all groups are added"
            )
        for group, lr in zip(groups, lrs, strict=True):
            group["lr"] = float(lr)
        self._last_lr = self._current()

    def state_dict(self) -> dict[str, Any]:
        """All there is to save but the optimiser, as plain numbers that JSON can hold. Save the optimiser's state with it."""
        return {name: copy.deepcopy(value) for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a scheduler of this kind. The learning rates themselves are in the optimiser's state."""
        owner, own = f"{type(self).__name__}.load_state_dict", self.state_dict()
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{owner}: expected a dict, as state_dict() makes it; got {type(state_dict).__name__}")
        if missing := own.keys() - state_dict.keys():
            raise ValueError(f"{owner}: {', '.join(sorted(missing))} missing; was this saved by another kind of scheduler?")
        if unexpected := state_dict.keys() - own.keys():
            raise ValueError(f"{owner}: unexpected {', '.join(map(str, unexpected))}; was this saved by another kind of scheduler?")
        for name in ("base_lrs", "lr_lambdas", "_schedulers"):
            if name in own and len(state_dict[name]) != len(own[name]):
                raise ValueError(f"{owner}: {len(state_dict[name])} {name} were saved, but here are {len(own[name])}")
        self._load({name: copy.deepcopy(value) for name, value in state_dict.items()})

    def _load(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class LambdaLR(LRScheduler):
    """The base rate times a function of the epoch: ``base_lr · lr_lambda(epoch)``.

    `lr_lambda` is a function, or a list of them, one per parameter group. Functions aren't saved; of callable objects their
    attributes are.

    >>> import tinynet
    >>> scheduler = LambdaLR(tinynet.optim.SGD([tinynet.ones(1)], lr=0.5), lambda epoch: 1 / (1 + epoch))
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1
    ):
        groups = _as_optimizer("LambdaLR", optimizer).param_groups
        self.lr_lambdas: list[Any] = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * len(groups)
        if len(self.lr_lambdas) != len(groups):
            raise ValueError(
                f"LambdaLR: lr_lambda has {len(self.lr_lambdas)} functions, but the optimiser {len(groups)} parameter groups"
            )
        if not all(map(callable, self.lr_lambdas)):
            raise TypeError(f"LambdaLR: lr_lambda must be a function of the epoch, or a list of them, got {lr_lambda!r:.80}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        return [lr * function(self.last_epoch) for lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name not in ("optimizer", "lr_lambdas")}
        plain["lr_lambdas"] = [_attributes(function) for function in self.lr_lambdas]
        return copy.deepcopy(plain)

    def _load(self, state: dict[str, Any]) -> None:
        for function, attributes in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            if attributes is not None:
                vars(function).update(attributes)
        super()._load(state)


def _attributes(function: Callable[..., Any]) -> dict[str, Any] | None:
    attributes = getattr(function, "__dict__", None)
    return attributes if isinstance(attributes, dict) and not isinstance(function, types.FunctionType) else None


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size = _as_int("StepLR", "step_size", step_size, 1)
        self.gamma = as_number("StepLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._current()
        return [lr * self.gamma for lr in self._current()]


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each epoch that `milestones` names; twice at one that it names twice."""

    @in_own_name
    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be a sequence of ints, got {milestones!r}")
        self.milestones = sorted(_as_int("MultiStepLR", "each of milestones", m, 0) for m in milestones)
        self.gamma = as_number("MultiStepLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        return [lr * self.gamma ** self.milestones.count(self.last_epoch) for lr in self._current()]


class ExponentialLR(LRScheduler):
    """The rate times `gamma` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = as_number("ExponentialLR", "gamma", gamma, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        return self._current() if self._beginning else [lr * self.gamma for lr in self._current()]


class LinearLR(LRScheduler):
    """The rate times a factor that goes in a line from `start_factor` to `end_factor` in `total_iters` epochs, and stays there.

    `start_factor` is above 0, both are at most 1: a warm-up (the default) or a decay.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor = as_number("LinearLR", "start_factor", start_factor, 0, 1)
        if not start_factor:
            raise ValueError("LinearLR: start_factor must be above 0, since every later rate is a multiple of the first")
        self.end_factor = as_number("LinearLR", "end_factor", end_factor, 0, 1)
        self.total_iters = _as_int("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        epoch, rise = self.last_epoch, self.end_factor - self.start_factor
        if epoch == 0:
            return [lr * self.start_factor for lr in self._current()]
        if self._beginning or epoch > self.total_iters:
            return self._current()
        # the factor at this epoch over that at the one before
        ratio = 1 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise)
        return [lr * ratio for lr in self._current()]


class CosineAnnealingLR(LRScheduler):
    """The rate along a cosine, from the base rate down to `eta_min` in `T_max` epochs, and up again in as many.

    ``eta_min + (base_lr − eta_min) · (1 + cos(π · epoch / T_max)) / 2``, but computed from the rate of the epoch before, so
    that other schedulers can act on it too. From Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm
    Restarts" (ICLR 2017), https://arxiv.org/abs/1608.03983, without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max = as_number("CosineAnnealingLR", "T_max", T_max, 0)
        if not T_max:
            raise ValueError("CosineAnnealingLR: T_max must be above 0: the number of epochs from the base rate to eta_min")
        self.eta_min = as_number("CosineAnnealingLR", "eta_min", eta_min, 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        if self._beginning:
            return self._current()

        def height(epoch: int) -> float:
            return 1 + math.cos(math.pi * epoch / self.T_max)

        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # up from the bottom, where height is 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._current(), self.base_lrs, strict=False)]
        ratio = height(self.last_epoch) / height(self.last_epoch - 1)
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in self._current()]


class OneCycleLR(LRScheduler):
    """One cycle over the whole training: up to `max_lr`, down to almost nothing; momentum the other way round.

    `step` is called after every batch, `total_steps` times in all; instead of that number `epochs` and `steps_per_epoch` can be given.
    The rate rises for the part `pct_start` of the steps from ``max_lr / div_factor`` to `max_lr` and falls for the rest to
    ``max_lr / div_factor / final_div_factor``; with `three_phase` it first falls to ``max_lr / div_factor``, in as many
    steps as it rose, and then to the end. Each phase goes along half a cosine or, with `anneal_strategy` "linear", a line.

    With `cycle_momentum` the optimiser's momentum (of Adam, its first beta) falls from `max_momentum` to `base_momentum` while the
    rate rises, and rises while it falls. `max_lr` and the momenta may be lists, one number per parameter group. The limits are kept in
    the groups; to resume with `last_epoch`, load the optimiser's saved state first.

    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018,
    https://arxiv.org/abs/1708.07120. ValueError at the step after the last.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        groups = _as_optimizer("OneCycleLR", optimizer).param_groups
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            epochs = _as_int("OneCycleLR", "epochs", epochs, 1)
            self.total_steps = epochs * _as_int("OneCycleLR", "steps_per_epoch", steps_per_epoch, 1)
        elif total_steps is not None and epochs is None and steps_per_epoch is None:
            self.total_steps = _as_int("OneCycleLR", "total_steps", total_steps, 1)
        else:
            raise ValueError(
                f"OneCycleLR: got total_steps={total_steps}, epochs={epochs}, steps_per_epoch={steps_per_epoch}; give either the "
                "first or the other two"
            )
        self.pct_start = as_number("OneCycleLR", "pct_start", pct_start, 0, 1)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.anneal_strategy = anneal_strategy
        self.three_phase = as_bool("OneCycleLR", "three_phase", three_phase)
        self.cycle_momentum = as_bool("OneCycleLR", "cycle_momentum", cycle_momentum)
        self.use_beta1 = "betas" in optimizer.defaults
        if self.cycle_momentum and not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas to cycle; say cycle_momentum=False"
            )
        for name, factor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not as_number("OneCycleLR", name, factor, 0):
                raise ValueError(f"OneCycleLR: {name} divides, so it must be above 0")
        limits = {"max_lr": _per_group("OneCycleLR", "max_lr", max_lr, optimizer)}
        if self.cycle_momentum:
            limits["base_momentum"] = _per_group("OneCycleLR", "base_momentum", base_momentum, optimizer)
            limits["max_momentum"] = _per_group("OneCycleLR", "max_momentum", max_momentum, optimizer)
        for i, group in enumerate(groups):
            if last_epoch == -1:
                group.update({name: values[i] for name, values in limits.items()})
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
            elif missing := [name for name in (*limits, "min_lr") if name not in group]:
                raise ValueError(
                    f"OneCycleLR: last_epoch={last_epoch} resumes, but parameter group {i} has no {', '.join(missing)}; load the "
                    "optimiser's saved state first"
                )
        super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[tuple[float, str, str, str, str]]:
        """Of each phase, its last step, the rates and the momenta that it goes from and to, by their names in the groups."""
        peak, end = self.pct_start * self.total_steps - 1, self.total_steps - 1
        rise = (peak, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if not self.three_phase:
            return [rise, (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        return [
            rise,
            (2 * peak, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[Any]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: this is step {step}, but the cycle ends after total_steps={self.total_steps}")
        phases = self._phases()
        now = next((i for i, phase in enumerate(phases) if step <= phase[0]), len(phases) - 1)
        first = phases[now - 1][0] if now else 0.0
        last, lr_from, lr_to, momentum_from, momentum_to = phases[now]
        part = (step - first) / (last - first) if last != first else 1.0
        for group in self.optimizer.param_groups:
            if self.cycle_momentum:
                momentum = self._between(group[momentum_from], group[momentum_to], part)
                if self.use_beta1:
                    group["betas"] = (momentum, group["betas"][1])
                else:
                    group["momentum"] = momentum
        return [self._between(group[lr_from], group[lr_to], part) for group in self.optimizer.param_groups]


class SequentialLR(LRScheduler):
    """One scheduler after the other: the next takes over, from its base rates, at each epoch that `milestones` names.

    All are made beforehand, over the same optimiser. `milestones` has one epoch less than there are `schedulers`, in ascending order.
    `ReduceLROnPlateau`, whose step needs a value, and other `SequentialLR` can't be among them; `last_epoch` must be -1: resume
    with `load_state_dict`.

    >>> import tinynet
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

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ):
        self.optimizer = _as_optimizer("SequentialLR", optimizer)
        self._schedulers = list(schedulers)
        self._milestones = [_as_int("SequentialLR", "each of milestones", m, 0) for m in milestones]
        if last_epoch != -1:
            raise ValueError(f"SequentialLR: last_epoch must be -1, got {last_epoch!r}; resume with load_state_dict()")
        if len(self._milestones) != len(self._schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(self._schedulers)} schedulers need one milestone less, got {len(self._milestones)}"
            )
        if sorted(self._milestones) != self._milestones:
            raise ValueError(f"SequentialLR: milestones must ascend, got {self._milestones}")
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, (ReduceLROnPlateau, SequentialLR)):
                raise TypeError(
                    f"SequentialLR: scheduler {i} must be a scheduler that steps without a value and is no SequentialLR itself, "
                    f"got {type(scheduler).__name__}"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: scheduler {i} was made over another optimiser; make all over the same")
        for scheduler in self._schedulers:
            scheduler.last_epoch -= 1  # take back the step that each made into its first epoch
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._set_lr([group["initial_lr"] for group in optimizer.param_groups])
        first._begin()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:
        """Go on to the next epoch, maybe of the next scheduler."""
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

    def state_dict(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name not in ("optimizer", "_schedulers")}
        return {**copy.deepcopy(plain), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def _load(self, state: dict[str, Any]) -> None:
        for scheduler, saved in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            scheduler.load_state_dict(saved)
        super()._load(state)


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when a value, say the loss, hasn't got better for more than `patience` epochs.

    Better is, in `mode` "min", less than the best so far by the part `threshold` of it or, with `threshold_mode` "abs", by
    `threshold` itself; in `mode` "max", greater by as much. After a reduction, bad epochs don't count for `cooldown` epochs.
    No rate goes below `min_lr` (a number, or a list of one per parameter group) nor changes by less than `eps`.

    >>> import tinynet
    >>> scheduler = ReduceLROnPlateau(tinynet.optim.SGD([tinynet.ones(1)], lr=0.5), factor=0.5, patience=0)
    >>> for loss in (1.0, 0.5, 0.5):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ):
        owner = "ReduceLROnPlateau"
        self.optimizer = _as_optimizer(owner, optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"{owner}: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"{owner}: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        if as_number(owner, "factor", factor, 0) >= 1:
            raise ValueError(f"{owner}: factor must be below 1, or nothing would be reduced; got {factor!r}")
        floors = _per_group(owner, "min_lr", min_lr, optimizer)
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor = as_number(owner, "factor", factor)
        self.patience = _as_int(owner, "patience", patience, 0)
        self.threshold = as_number(owner, "threshold", threshold, 0)
        self.cooldown = _as_int(owner, "cooldown", cooldown, 0)
        self.min_lr = floors if isinstance(min_lr, (list, tuple)) else floors[0]  # one number also holds for later groups
        self.eps = as_number(owner, "eps", eps, 0)
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        self._last_lr = self._current()

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Tell the value of this epoch, a number or a tensor of one."""
        if not hasattr(metrics, "__float__"):
            raise TypeError(f"ReduceLROnPlateau.step: metrics must be a number, such as the loss, got {metrics!r:.80}")
        value = float(metrics)
        self.last_epoch += 1
        if self._is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            floors = _per_group("ReduceLROnPlateau.step", "min_lr", self.min_lr, self.optimizer)
            reduced = [max(lr * self.factor, floor) for lr, floor in zip(self._current(), floors, strict=True)]
            self._set_lr([new if lr - new > self.eps else lr for lr, new in zip(self._current(), reduced, strict=True)])
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()

    def _is_better(self, value: float) -> bool:
        margin = -self.threshold if self.mode == "min" else self.threshold
        if math.isinf(self.best):  # there was none yet
            bound = self.best
        elif self.threshold_mode == "rel":
            bound = self.best * (1 + margin)
        else:
            bound = self.best + margin
        return value < bound if self.mode == "min" else value > bound
