"""`LRScheduler`: what all schedulers share. It counts epochs, sets the rates, saves and loads."""

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from .. import compat
from ..ops.arguments import as_int, as_list, as_number
from .declared import Declared, Rule, by
from .optimizer import Optimizer


def _as_optimizer(owner: str, name: str, value: Any) -> Optimizer:
    if not isinstance(value, Optimizer):
        raise TypeError(f"{owner}: {name} must be an Optimizer, got {type(value).__name__}")
    return value


def _as_milestones(owner: str, name: str, value: Any) -> list[int]:
    return [as_int(owner, f"each of {name}", m, 0) for m in as_list(owner, name, value)]


AnOptimizer = Annotated[Optimizer, _as_optimizer]
Epoch = Annotated[int, by(as_int, -1)]
Milestones = Annotated[Iterable[int], _as_milestones]
PerGroup = float | Sequence[float]
_not_negative = by(as_number, 0)


def per_group(owner: str, name: str, value: Any, groups: Sequence[Any],
              rule: Rule = _not_negative) -> list[Any]:
    """`value` for each parameter group, or its items if it is a list of one per group."""
    values = value if isinstance(value, (list, tuple)) else [value] * len(groups)
    if len(values) != len(groups):
        numbers = f"{len(values)} values, but the optimiser {len(groups)} parameter groups"
        raise ValueError(f"{owner}: {name} has {numbers}")
    return [rule(owner, name, v) for v in values]


# What PyTorch's schedulers save beside their own; files of older versions of tinynet lack them.
_PYTORCHS = {"_get_lr_called_within_step": False, "_is_initial": False}


class LRScheduler(Declared):
    """The base of all schedulers.

    A subclass defines `get_lr`: the learning rates of the epoch `last_epoch`, one per group.
    ``base_lrs`` are the rates to start from. They are the groups' ``"initial_lr"``, which the first
    scheduler over an optimiser sets to the groups' ``"lr"``.

    The argument `last_epoch` is -1 for a new schedule. To resume, it is the epoch that was done
    last; then each group must have an ``"initial_lr"``, as in an optimiser whose saved state was
    loaded. Otherwise ValueError.

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

    # What state_dict() leaves out of the attributes, or what a subclass saves in another form.
    _not_copied: ClassVar[tuple[str, ...]] = ("optimizer",)

    def __init__(self, optimizer: AnOptimizer, last_epoch: Epoch = -1):
        self.optimizer, self.last_epoch = optimizer, last_epoch
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        self._check_groups("initial_lr")
        vars(self).update(_PYTORCHS)
        self.base_lrs: list[Any] = [group["initial_lr"] for group in optimizer.param_groups]
        self._begin()

    if TYPE_CHECKING:  # the attributes that `_start` sets
        def __getattr__(self, name: str) -> Any: ...

    def _start(self, arguments: Mapping[str, Any]) -> None:
        """``__init__`` of a subclass with these `arguments`, whose declared ones it keeps."""
        vars(self).update(self._options(arguments))
        LRScheduler.__init__(self, self.optimizer, self.last_epoch)

    def _check_groups(self, *names: str) -> None:
        """ValueError unless each group has these keys, which a new schedule has just set."""
        for i, group in enumerate(self.optimizer.param_groups):
            if missing := ", ".join([repr(name) for name in names if name not in group]):
                raise ValueError(
                    f"{type(self).__name__}: last_epoch={self.last_epoch} resumes, but parameter "
                    f"group {i} has no {missing}; load the optimiser's saved state first")

    def _begin(self) -> None:
        """Step into the epoch after `last_epoch`: the first one, or of a part of `SequentialLR`."""
        self._step_count = 0
        self.step()

    @property
    def _beginning(self) -> bool:
        """Whether `_begin` made the last step, so that the rates are those to begin with."""
        return self._step_count == 1

    def _current(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[Any]:
        """The learning rates for `last_epoch`, which `step` sets: the present ones times a factor.

        To read the present rates, use `get_last_lr`.
        """
        factor = self._factor()
        return [lr * factor for lr in self._current()]

    def _factor(self) -> float:
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The learning rates, one per parameter group, that this scheduler set last."""
        return list(self._last_lr)

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch and set its rates.

        UserWarning if the optimiser has not made a step yet. With `epoch`, which is deprecated and
        warns, the schedule begins anew and goes on to that epoch.
        """
        if epoch is not None:
            return compat.lookup("tinynet.optim.lr_scheduler", "go_to")(self, epoch)
        if self._beginning and not self.optimizer._stepped:
            kind, other = type(self).__name__, type(self.optimizer).__name__
            warnings.warn(f"{kind}.step() was called before {other}.step(): the first learning "
                "rate of the schedule goes unused; call the optimiser's step first", stacklevel=2)
        self._step_count += 1
        self.last_epoch += 1
        self._set_lr(self.get_lr())

    def _set_lr(self, lrs: Sequence[Any]) -> None:
        groups = self.optimizer.param_groups
        if len(lrs) != len(groups):
            raise RuntimeError(f"{type(self).__name__}: there are {len(lrs)} learning rates for "
                f"{len(groups)} parameter groups; make the scheduler after all groups are added")
        for group, lr in zip(groups, lrs, strict=True):
            group["lr"] = float(lr)
        self._last_lr = self._current()

    def state_dict(self) -> dict[str, Any]:
        """All that must be saved except the optimiser's state, as numbers that JSON can hold."""
        return copy.deepcopy({n: v for n, v in vars(self).items() if n not in self._not_copied})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from the `state_dict` of a scheduler of this kind.

        The learning rates themselves are in the optimiser's state. TypeError or ValueError if
        `state_dict` does not fit.
        """
        owner, own = f"{type(self).__name__}.load_state_dict", self.state_dict()
        if not isinstance(state_dict, Mapping):
            kind = type(state_dict).__name__
            raise TypeError(f"{owner}: expected a dict, as state_dict() makes it; got {kind}")
        question = "was this saved by another kind of scheduler?"
        if missing := own.keys() - state_dict.keys() - _PYTORCHS.keys():
            raise ValueError(f"{owner}: {', '.join(sorted(missing))} missing; {question}")
        if unexpected := state_dict.keys() - own.keys():
            raise ValueError(f"{owner}: unexpected {', '.join(map(str, unexpected))}; {question}")
        for name in ("base_lrs", "lr_lambdas", "_schedulers"):
            here, saved = len(own.get(name, ())), len(state_dict.get(name, ()))
            if here != saved:
                raise ValueError(f"{owner}: {saved} {name} were saved, but here are {here}")
        self._load(copy.deepcopy(dict(state_dict)))

    def _load(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


Schedulers = Annotated[Sequence[LRScheduler], as_list]


class OfSchedulers(LRScheduler):
    """The base of schedulers that consist of others, ``_schedulers``."""

    _not_copied = ("optimizer", "_schedulers")
    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def _load(self, state: dict[str, Any]) -> None:
        for scheduler, saved in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            scheduler.load_state_dict(saved)
        super()._load(state)


class Cycle(LRScheduler):
    """The base of schedules in which momentum, or Adam's first beta, goes against the rate."""

    def _cycles(self, optimizer: Optimizer, momentum: bool) -> None:
        self.cycle_momentum, self.use_beta1 = momentum, "betas" in optimizer.defaults
        if momentum and not self.use_beta1 and "momentum" not in optimizer.defaults:
            problem = f"{type(optimizer).__name__} has neither momentum nor betas to cycle"
            raise ValueError(f"{type(self).__name__}: {problem}; say cycle_momentum=False")

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        group |= {"betas": (momentum, group["betas"][1])} if self.use_beta1 else {
            "momentum": momentum}
