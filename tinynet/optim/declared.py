"""Arguments that are declared once: their rules are annotations in the signature of ``__init__``.

The classes of `tinynet.optim` write their arguments like this::

    class StepLR(LRScheduler):
        def __init__(self, optimizer: AnOptimizer, step_size: IntFrom1, gamma: NotNegative):

`NotNegative` is a float to a type checker. To `Declared` it is also a rule: a function that returns
the value as a plain Python number, or raises an error. An optimiser applies the same rules again to
the options of its parameter groups, which may change between steps.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from ..ops.arguments import as_bool, as_int, as_number

Rule = Callable[[str, str, Any], Any]  # (public name of the class, name of the argument, its value)


class Declared:
    """The base of classes whose ``__init__`` receives the values that the rules return.

    ``_rules`` keeps the rules by the arguments' names. A subclass whose ``__init__`` declares none
    inherits those of its base. What the body of ``__init__`` raises passes through unchanged.
    The keywords that `inert` names are only kept, in ``_inert``; their default is None, or written
    as ``name=False``.
    """

    _rules: ClassVar[Mapping[str, Rule]] = {}
    _inert: Mapping[str, Any] = {}

    def __init_subclass__(cls, inert: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        parts = [option.partition("=") for option in inert.split()]
        cls._inert = {**cls._inert, **{n: value == "True" if value else None
                                       for n, _, value in parts}}
        init = vars(cls).get("__init__", object.__init__)
        signature = inspect.signature(init)
        hints = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        rules = {n: h.__metadata__[0] for n, h in hints.items() if hasattr(h, "__metadata__")}
        if not rules:
            return

        @functools.wraps(init)
        def checked_init(self: Any, *args: Any, **keywords: Any) -> None:
            owner = type(self).__name__
            if inert := {name: keywords.pop(name) for name in cls._inert if name in keywords}:
                self._inert = {**self._inert, **inert}
            try:
                call = signature.bind(self, *args, **keywords)
            except TypeError as error:  # an argument is missing, unknown or given twice
                hint = "; did you mean lr?" if "learning_rate" in keywords else ""
                raise TypeError(f"{owner}: {error}{hint}") from None
            for name, rule in rules.items():
                if name in call.arguments:  # a default needs no check
                    call.arguments[name] = rule(owner, name, call.arguments[name])
            init(*call.args, **call.kwargs)

        more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
                for name, default in cls._inert.items()]
        checked_init.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), *more])
        cls._rules, cls.__init__ = rules, checked_init  # type: ignore[method-assign]  # wraps it

    def _options(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The declared ones among the `arguments` of ``__init__``, and the inert ones."""
        return {**{n: arguments[n] for n in self._rules if n in arguments}, **self._inert}


# ------------------------------------------------------------------------------------------ rules


def by(check: Callable[..., Any], *limits: Any) -> Rule:
    """The rule that calls ``check(owner, name, value, *limits)``."""
    return lambda owner, name, value: check(owner, name, value, *limits)


def above_0(owner: str, name: str, value: Any, high: float = float("inf")) -> Any:
    """`value` as a number above 0 and up to `high`."""
    number = as_number(owner, name, value, 0, high)
    if number == 0:
        raise ValueError(f"{owner}: {name} must be above 0, got {value!r}")
    return number


def _as_betas(owner: str, name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{owner}: {name} must be a pair of numbers, got {value!r}")
    first, second = (as_number(owner, f"{name}[{i}]", beta, 0, 1) for i, beta in enumerate(value))
    if first == 1 or second == 1:
        rule = "must be below 1, or the averages would never move"
        raise ValueError(f"{owner}: {name} {rule}; got {value!r}")
    return first, second


Number = Annotated[float, as_number]
NotNegative = Annotated[float, by(as_number, 0)]
Fraction = Annotated[float, by(as_number, 0, 1)]
Above0 = Annotated[float, above_0]
Betas = Annotated[tuple[float, float], _as_betas]
Flag = Annotated[bool, as_bool]
IntFrom0 = Annotated[int, by(as_int, 0)]
IntFrom1 = Annotated[int, by(as_int, 1)]
