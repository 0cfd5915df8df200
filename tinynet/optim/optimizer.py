"""`Optimizer`: what all optimisers share. Parameter groups and their options, the state of each parameter, saving and loading.

What an optimiser does to one parameter is its `_update`, a few lines on arrays, in `sgd.py` and its neighbours.
"""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..arrays.devices import array_module, computing, device_of
from ..arrays.memory import empty
from ..arrays.threads import by_shares
from ..autograd.grad_mode import enable_grad
from ..ops.arguments import as_number
from ..tensor import Tensor

# ---------------------------------------------------------------------------------------- what an option may be


def _not_negative(owner: str, name: str, value: Any) -> Any:
    return as_number(owner, name, value, 0)


def _fraction(owner: str, name: str, value: Any) -> Any:
    return as_number(owner, name, value, 0, 1)


def as_bool(owner: str, name: str, value: Any) -> bool:
    """`value` if it is a bool; else TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{owner}: {name} must be True or False, got {value!r}")
    return bool(value)


def _betas(owner: str, name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{owner}: {name} must be a pair of numbers, got {value!r}")
    first, second = (_fraction(owner, f"{name}[{i}]", beta) for i, beta in enumerate(value))
    if first == 1 or second == 1:
        raise ValueError(f"{owner}: {name} must be below 1, or the averages would never move; got {value!r}")
    return first, second


_RULES: dict[str, Callable[[str, str, Any], Any]] = {
    "lr": _not_negative, "lr_decay": _not_negative, "momentum": _not_negative, "weight_decay": _not_negative,
    "eps": _not_negative, "initial_accumulator_value": _not_negative, "dampening": as_number, "alpha": _fraction,
    "betas": _betas, "nesterov": as_bool, "amsgrad": as_bool, "centered": as_bool, "maximize": as_bool,
}

# PyTorch's options that no optimiser has here.
_MISSING_OPTIONS = {"foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"}


def direction(xp: Any, p: Any, g: Any, weight_decay: float, maximize: bool) -> Any:
    """The gradient to go down along: g, or −g to maximise; plus weight_decay·p, the gradient of ½·weight_decay·‖p‖²."""
    if maximize:
        g = xp.negative(g, out=empty(xp, g.shape, g.dtype))
    if weight_decay:
        decay = xp.multiply(p, weight_decay, out=empty(xp, p.shape, p.dtype))
        g = xp.add(g, decay, out=decay)
    return g


def in_shares(step: Callable[..., None]) -> Callable[..., None]:
    """Let ``step(xp, array, *arguments)``, which changes arrays of one shape element by element, share large ones among threads."""

    @functools.wraps(step)
    def shared(xp: Any, *arguments: Any) -> None:
        size = arguments[0].size
        if xp is not np or size < _LARGE or not all(a.flags.c_contiguous for a in arguments if isinstance(a, np.ndarray)):
            step(xp, *arguments)
            return
        flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arguments]
        by_shares(np, size, size, lambda s: step(np, *[a[s] if isinstance(a, np.ndarray) else a for a in flat]), passes=4)

    return shared


_LARGE = 1 << 17  # elements from which it pays to look for threads: most parameters have fewer


class Optimizer:
    """The base of all optimisers: it holds parameters and changes them in place by their gradients.

    `params` is an iterable of tensors, or of dicts, each a *parameter group*: its tensors under ``"params"`` and, under their
    names, those options that differ from `defaults`. Other keys of a group are the user's own. ``param_groups`` is the list of
    the groups with all options, which may be changed between steps (schedulers do); ``state`` holds what is remembered of each
    parameter, ``state[parameter][name]``.

    ValueError or TypeError without parameters, with the same one twice, with what isn't a tensor of floats or can't be
    changed in place, or with an option out of range.

    A subclass defines `_update`, which is handed numpy or cupy as `xp`, the arrays of a parameter and its gradient, the
    parameter's state, and the options of its group by name; or it defines `step` itself, as in PyTorch.

    >>> import tinynet
    >>> class SignDescent(Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, {"lr": lr})
    ...     def _update(self, xp, p, g, state, *, lr):
    ...         p -= lr * xp.sign(g)
    >>> w = tinynet.tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignDescent([w]).step()
    >>> w
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    # Whether groups may have PyTorch's option names only where `defaults` has them, and whether these follow `_RULES`.
    _strict: ClassVar[bool] = False

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], defaults: dict[str, Any]):
        owner = type(self).__name__
        self.defaults = self._checked(owner, defaults, defaults)
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        # Schedulers warn if they step first. Of a subclass with a step of its own nothing is known: no warning then.
        self._stepped = type(self).step is not Optimizer.step
        groups = _as_list(owner, params)
        if not groups:
            raise ValueError(
                f"{owner}: params is empty; give the tensors to optimise (a generator such as model.parameters() can be used once)"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _checked(self, owner: str, options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        """Those `options` as plain Python values, in range."""
        return {n: _RULES[n](owner, n, options[n]) if self._strict else options[n] for n in names}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimise more parameters, a dict as for the constructor; missing options are taken from ``defaults``."""
        owner = f"{type(self).__name__}: parameter group {len(self.param_groups)}"
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{owner} must be a dict with tensors under 'params', got {param_group!r:.80}")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _as_list(owner, params)
        known = {p for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(params):
            _check_parameter(f"{owner}: parameter {i}", p)
            if p in known:
                raise ValueError(f"{owner}: parameter {i}, of shape {tuple(p.shape)}, is given twice; list each parameter once")
            known.add(p)
        group = {**self.defaults, **param_group, "params": params}
        group.update(self._checked_group(owner, group))
        self.param_groups.append(group)

    def _checked_group(self, owner: str, group: Mapping[str, Any]) -> dict[str, Any]:
        foreign = [n for n in group if n in _RULES.keys() | _MISSING_OPTIONS and n not in self.defaults]
        if self._strict and foreign:
            raise ValueError(
                f"{owner} has {', '.join(foreign)}, but the options of {type(self).__name__} are {', '.join(self.defaults)}"
            )
        return self._checked(owner, group, self.defaults)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; with ``set_to_none=False``, write zeros into them."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p.grad is not None:
                    p.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once and in place.

        If `closure` is given, it is called first, with grad enabled, to compute the loss and its gradients anew; what it
        returns is returned. ValueError or TypeError if an option in ``param_groups`` was set to what it can't be.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        name = f"{type(self).__name__}.step"
        with np.errstate(all="ignore"):  # once, and not in each `computing`
            for i, group in enumerate(self.param_groups):
                options = self._checked(f"{name}: parameter group {i}", group, self.defaults)
                for p in group["params"]:
                    if p._grad is not None:
                        self._step(name, p, p._grad.array, options)
        self._stepped = True
        return loss

    def _step(self, name: str, p: Tensor, grad: Any, options: dict[str, Any]) -> None:
        array = p.array
        if grad.shape != array.shape:
            raise RuntimeError(
                f"{name}: a parameter of shape {array.shape} has a gradient of shape {grad.shape}; "
                "was its .data replaced? zero_grad() forgets the gradient"
            )
        if type(array) is np.ndarray is type(grad):
            self._update(np, array, grad, self.state[p], **options)
        else:
            with computing(array):
                self._update(array_module(array, grad), array, grad, self.state[p], **options)
        p._version.count += 1  # so that a graph which needs the old values notices
        p._version.changed_by = name

    def _update(self, *arguments: Any, **options: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines neither _update() nor step()")

    def _buffer(self, xp: Any, state: dict[str, Any], name: str, p: Any, start: float = 0.0) -> Any:
        """The array that `state` keeps as `name`, like the parameter's array `p`; when first asked for, full of `start`."""
        if name not in state:
            state[name] = Tensor._wrap(xp.full_like(p, start))
        array = state[name].array
        if (array.shape, array.dtype, type(array)) != (p.shape, p.dtype, type(p)) or array.device != p.device:
            raise RuntimeError(
                f"{type(self).__name__}.step: {name} is {array.dtype} of shape {array.shape} on {device_of(array)}, but its "
                f"parameter is now {p.dtype} of shape {p.shape} on {device_of(p)}; convert and move parameters before the "
                "optimiser is made"
            )
        return array

    # -------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """All there is to save, in PyTorch's form: ``{"state": {number: {...}}, "param_groups": [{..., "params": [number, ...]}]}``.

        Parameters are numbered through all groups. The state is not copied: use ``copy.deepcopy`` for a snapshot.
        """
        numbers: dict[Tensor, int] = {}
        for group in self.param_groups:
            for p in group["params"]:
                numbers[p] = len(numbers)
        return {
            "state": {numbers[p]: state for p, state in self.state.items() if state},
            "param_groups": [
                {**{n: value for n, value in group.items() if n != "params"}, "params": [numbers[p] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of an optimiser of this kind with as many parameters in as many groups.

        Values are copied, floats to the parameter's dtype and device. ValueError or TypeError if they don't fit; then nothing
        has changed.
        """
        owner = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise TypeError(
                f"{owner}: expected a dict with 'state' and 'param_groups', as state_dict() makes it; got {state_dict!r:.80}"
            )
        saved_groups = state_dict["param_groups"]
        if any(not isinstance(group, Mapping) or "params" not in group for group in saved_groups):
            raise TypeError(f"{owner}: each of 'param_groups' must be a dict with 'params', got {saved_groups!r:.80}")
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved_groups]
        if sizes != saved_sizes:
            raise ValueError(
                f"{owner}: the saved groups have {saved_sizes} parameters, those of this optimiser {sizes}; "
                "make it over the parameters of the model that was saved, in the same groups"
            )
        groups: list[dict[str, Any]] = []
        parameters: dict[Any, Tensor] = {}
        for i, (group, saved) in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            if missing := [n for n in self.defaults if n not in saved]:
                raise ValueError(f"{owner}: group {i} lacks {', '.join(missing)}; was it saved by another kind of optimiser?")
            options = {**copy.deepcopy({n: value for n, value in saved.items() if n != "params"}), "params": group["params"]}
            options.update(self._checked_group(f"{owner}: group {i}", options))
            groups.append(options)
            parameters.update(zip(saved["params"], group["params"], strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, saved in state_dict["state"].items():
            if number not in parameters:
                raise ValueError(f"{owner}: there is state for parameter {number!r}, which is in no saved group")
            p = parameters[number]
            state[p] = {n: self._loaded(f"{owner}: {n} of parameter {number}", n, value, p) for n, value in saved.items()}
        self.param_groups, self.state = groups, state

    def _loaded(self, what: str, name: str, value: Any, p: Tensor) -> Any:
        if not self._strict:
            if not isinstance(value, Tensor):
                return copy.deepcopy(value)
        elif name == "step":  # in PyTorch's files a tensor of one float
            if isinstance(value, Tensor) and value.numel() == 1:
                value = value.item()
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value % 1 != 0:
                raise ValueError(f"{what} must be a whole number of steps, got {value!r:.80}")
            return int(value)
        elif not isinstance(value, Tensor):
            raise TypeError(f"{what} must be a tensor, got {type(value).__name__}")
        elif value.shape != p.shape:
            raise ValueError(f"{what} has shape {tuple(value.shape)}, but the parameter {tuple(p.shape)}")
        return value.detach().to(p.device, p.dtype if value.is_floating_point() else value.dtype, copy=True)

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _as_list(owner: str, params: Any) -> list[Any]:
    if isinstance(params, Tensor):
        raise TypeError(f"{owner}: params is one tensor; give it in a list, [tensor]")
    if isinstance(params, (set, frozenset)):
        raise TypeError(f"{owner}: params is a set, whose order changes from run to run; give a list")
    if isinstance(params, (Mapping, str)) or not isinstance(params, Iterable):
        hint = "give [group] for one group" if isinstance(params, Mapping) else "give model.parameters() for those of a model"
        raise TypeError(f"{owner}: params must be an iterable of tensors or of dicts, got {type(params).__name__}; {hint}")
    return list(params)


def _check_parameter(what: str, p: Any) -> None:
    if not isinstance(p, Tensor):
        hint = "; give model.parameters(), not named_parameters()" if isinstance(p, tuple) else ""
        raise TypeError(f"{what} must be a tensor, got {type(p).__name__}{hint}")
    shape = tuple(p.shape)
    if not p.is_leaf:
        raise ValueError(f"{what}, of shape {shape}, is no leaf: it was computed from other tensors; optimise those")
    if not p.is_floating_point():
        raise ValueError(f"{what}, of shape {shape}, is {p.dtype}; only tensors of floats have gradients")
    if any(stride == 0 and n > 1 for stride, n in zip(p.array.strides, shape, strict=True)):
        raise ValueError(f"{what}, of shape {shape}, is expanded: elements share memory; give a copy, tensor.clone()")
    if isinstance(p.array, np.ndarray) and not p.array.flags.writeable:
        raise ValueError(f"{what}, of shape {shape}, shares a read-only array; give a copy, tensor.clone()")
