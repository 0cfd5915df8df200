"""`Optimizer`: parameter groups and their options, the step, and the state with saving and loading.

All optimisers share this. What an optimiser does to one parameter is a few lines on arrays, in
`formulas.py`.
"""

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..autograd import enable_grad
from ..arrays import array_module, computing, device_of, why_read_only
from ..tensor import Tensor


class Optimizer:
    """The base of all optimisers. It holds parameters and changes them in place by their gradients.

    `params` is an iterable of tensors, or of dicts. Each dict is a *parameter group*: its tensors
    under ``"params"`` and, under their names, the options that differ from `defaults`. A group may
    have more keys, which belong to the user. ``param_groups`` is the list of the groups with all
    their options, which may be changed between steps, as schedulers do. ``state[parameter][name]``
    is what the optimiser remembers of a parameter.

    A subclass defines `_update`. It gets numpy or cupy as `xp`, the arrays of a parameter and its
    gradient, the state of the parameter, and the options of its group by name. Or a subclass
    defines `step` itself, as in PyTorch.

    Raises:
        TypeError: `params` is no iterable, or a parameter is no tensor.
        ValueError: there are no parameters, one is given twice, is no leaf, has no floats or can't
            be changed in place; or an option is out of range.

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

    _inert: Mapping[str, Any] = {}  # options that a saved group may lack

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]],
                 defaults: dict[str, Any]):
        owner = type(self).__name__
        self.defaults = defaults  # `_checked` needs their names
        self.defaults = {**defaults, **self._checked(owner, defaults)}
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        # Schedulers warn if their step comes before the optimiser's. They can't know that of a
        # subclass with a step of its own, so it counts as stepped.
        self._stepped = type(self).step is not Optimizer.step
        groups = _as_list(owner, params)
        if not groups:
            hint = "model.parameters() and other generators can be used only once"
            raise ValueError(f"{owner}: params is empty; give the tensors to optimise; {hint}")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _checked(self, owner: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `options` that the optimiser has. `Descent` also checks their values."""
        return {name: options[name] for name in self.defaults}

    def _checked_group(self, owner: str, group: Mapping[str, Any]) -> dict[str, Any]:
        return {**group, **self._checked(owner, group)}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimise more parameters. The group is a dict as for the constructor.

        Options that it lacks are taken from ``defaults``.
        """
        owner = f"{type(self).__name__}: parameter group {len(self.param_groups)}"
        if not isinstance(param_group, dict) or "params" not in param_group:
            rule = "must be a dict with tensors under 'params'"
            raise TypeError(f"{owner} {rule}, got {param_group!r:.80}")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _as_list(owner, params)
        known = {p for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(params):
            _check_parameter(f"{owner}: parameter {i}", p, known)
            known.add(p)
        group = {**param_group, "params": params}  # in PyTorch's order
        self.param_groups.append(self._checked_group(owner, {**group, **self.defaults, **group}))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or to zeros if not `set_to_none`."""
        for group in self.param_groups:
            for p in group["params"]:
                p._clear_grad(set_to_none)

    # ------------------------------------------------------------------------------------- step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once and in place.

        If `closure` is given, it is called first, with grad enabled, to compute the loss and its
        gradients again. The step returns what `closure` returned.

        Raises:
            TypeError or ValueError: an option in ``param_groups`` was set to an invalid value.
            RuntimeError: a gradient or a state does not fit its parameter.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        name = f"{type(self).__name__}.step"
        with np.errstate(all="ignore"):  # once per step, because once per parameter is slower
            for i, group in enumerate(self.param_groups):
                update = self._updating(self._checked(f"{name}: parameter group {i}", group))
                for p in group["params"]:
                    if p._grad is not None:
                        self._step(name, p, p._grad.array, update)
        self._stepped = True
        return loss

    def _updating(self, options: dict[str, Any]) -> Callable[..., None]:
        """`_update` with the options of a group. The other arguments are xp, p, g and state."""
        return functools.partial(self._update, **options)

    def _step(self, name: str, p: Tensor, g: Any, update: Callable[..., None]) -> None:
        array = p.array
        if g.shape != array.shape:
            shapes = f"a parameter of shape {array.shape} has a gradient of shape {g.shape}"
            raise RuntimeError(f"{name}: {shapes}; was .data replaced? zero_grad() forgets it")
        if type(array) is np.ndarray is type(g):  # fast path, already inside np.errstate
            update(np, array, g, self.state[p])
        else:
            with computing(array):
                update(array_module(array, g), array, g, self.state[p])
        p._changes.bump(name)  # backward through a graph that saved the old values raises an error

    def _update(self, *arguments: Any, **options: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines neither _update() nor step()")

    @staticmethod
    def _count(state: dict[str, Any]) -> int:
        """The number of this step of a parameter, from 1."""
        t = state["step"] = state.get("step", 0) + 1
        return t

    def _buffer(self, xp: Any, state: dict[str, Any], name: str, p: Any, start: float = 0) -> Any:
        """The array ``state[name]``, like the parameter's array `p`. At first it is all `start`."""
        if name not in state:
            state[name] = Tensor._wrap(xp.full_like(p, start))
        a = state[name].array
        same_kind = type(a) is type(p) and a.device == p.device  # numpy, or cupy on the same GPU
        if not same_kind or a.shape != p.shape or a.dtype != p.dtype:
            here, there = (f"{x.dtype} of shape {x.shape} on {device_of(x)}" for x in (a, p))
            raise RuntimeError(f"{type(self).__name__}.step: {name} is {here}, but its parameter "
                f"is now {there}; convert and move parameters before the optimiser is made")
        return a

    # ------------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """All that must be saved, in PyTorch's form.

        ``{"state": {number: {name: value}}, "param_groups": [{..., "params": [number, ...]}]}``,
        where parameters are numbered through all groups. The state is not copied: use
        ``copy.deepcopy`` for a snapshot.
        """
        every = [p for group in self.param_groups for p in group["params"]]
        numbers = {p: number for number, p in enumerate(every)}
        groups = [{**{name: v for name, v in group.items() if name != "params"},
                   "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        state = {numbers[p]: values for p, values in self.state.items() if values}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from the `state_dict` of an optimiser of this kind, over groups of equal sizes.

        Values are copied; floats are converted to the parameter's dtype and device.

        Raises:
            TypeError or ValueError: the state does not fit. Then nothing has changed.
        """
        owner = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            rule = "expected a dict with 'state' and 'param_groups', as state_dict() makes it"
            raise TypeError(f"{owner}: {rule}; got {state_dict!r:.80}")
        saved_groups = state_dict["param_groups"]
        if any(not isinstance(group, Mapping) or "params" not in group for group in saved_groups):
            rule = "each of 'param_groups' must be a dict with 'params'"
            raise TypeError(f"{owner}: {rule}, got {saved_groups!r:.80}")
        saved_sizes = [len(group["params"]) for group in saved_groups]
        sizes = [len(group["params"]) for group in self.param_groups]
        if sizes != saved_sizes:
            raise ValueError(f"{owner}: the saved groups have {saved_sizes} parameters, those of "
                f"this optimiser {sizes}; make it over the parameters of the model that was saved, "
                "in equal groups")
        groups: list[dict[str, Any]] = []
        parameters: dict[Any, Tensor] = {}
        for i, (group, saved) in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            what, saved = f"{owner}: group {i}", {**saved, **self._inert, **saved}
            if missing := ", ".join([name for name in self.defaults if name not in saved]):
                hint = "was it saved by another kind of optimiser?"
                raise ValueError(f"{what} lacks {missing}; {hint}")
            # The keys keep the saved order, so that a resumed run saves the same bytes.
            checked = self._checked_group(what, copy.deepcopy(dict(saved)))
            groups.append({**checked, "params": group["params"]})
            parameters.update(zip(saved["params"], group["params"], strict=True))
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            what = f"parameter {number!r}"
            if number not in parameters:
                raise ValueError(f"{owner}: there is state for {what}, which is in no saved group")
            for name, value in values.items():
                p = parameters[number]
                state[p][name] = self._loaded(f"{owner}: {name} of {what}", name, value, p)
        self.param_groups, self.state = groups, state

    def _loaded(self, what: str, name: str, value: Any, p: Tensor) -> Any:
        """A copy of a saved value of the parameter `p`. `Descent` first checks that it fits."""
        if not isinstance(value, Tensor):
            return copy.deepcopy(value)
        dtype = p.dtype if value.is_floating_point() else value.dtype
        return value.detach().to(p.device, dtype, copy=True)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [*[""][:i], f"Parameter Group {i}"]
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _as_list(owner: str, params: Any) -> list[Any]:
    """The tensors or groups. What the user's iterator raises passes through."""
    if isinstance(params, Tensor):
        raise TypeError(f"{owner}: params is one tensor; give it in a list, [tensor]")
    if isinstance(params, (set, frozenset)):
        raise TypeError(f"{owner}: params is a set, whose order changes between runs; give a list")
    if isinstance(params, (Mapping, str)) or not isinstance(params, Iterable):
        of_dict = isinstance(params, Mapping)
        hint = "[group] for one group" if of_dict else "model.parameters() for those of a model"
        rule = "params must be an iterable of tensors or of dicts"
        raise TypeError(f"{owner}: {rule}, got {type(params).__name__}; give {hint}")
    return list(params)


def _check_parameter(what: str, p: Any, known: set[Tensor]) -> None:
    """TypeError or ValueError unless `p` can be optimised and is not among the `known` ones."""
    if not isinstance(p, Tensor):
        hint = "; give model.parameters(), not named_parameters()" if isinstance(p, tuple) else ""
        raise TypeError(f"{what} must be a tensor, got {type(p).__name__}{hint}")
    problem = ""
    if not p.is_leaf:
        problem = "is no leaf: it was computed from other tensors; optimise those"
    elif not p.is_floating_point():
        problem = f"is {p.dtype}; only tensors of floats have gradients"
    elif problem := why_read_only(p.array):
        problem += "; give a copy, tensor.clone()"
    elif p in known:
        problem = "is given twice; list each parameter once"
    if problem:
        raise ValueError(f"{what}, of shape {tuple(p.shape)}, {problem}")
