"""Functions declared by what they compute; annotations say how to check the arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

from ..arrays import array_module
from ..nn.function_module import bind
from ..nn.functional.activation import applied
from ..nn.functional.loss import as_reduction, reduced
from ..ops.arguments import as_bool, as_floats, as_int, as_number, as_tensor, broadcast_shape
from ..tensor import Tensor
from . import public

_IN_PLACE = {"inplace": False}
_LOSS = {"size_average": None, "reduce": None, "reduction": "mean"}  # PyTorch's places


def _target(function: str, name: str, value: Any) -> Tensor:
    """Numbers of any dtype; integers, such as the labels 1 and -1, become floats."""
    is_whole = as_tensor(function, name, value).array.dtype.kind in "iu"
    return as_floats(function, name, value.float() if is_whole else value)


Target = Annotated[Tensor, _target]
AnyTensor = Annotated[Tensor, as_tensor]  # of any dtype
Power = Annotated[float, functools.partial(as_number, positive=True, infinite=True)]  # of a norm
# What an argument's annotation demands, if it doesn't say itself, as those above do. All others are
# left to the formula.
_CHECKS: dict[Any, Callable[[str, str, Any], Any]] = {
    Tensor: as_floats, float: as_number, bool: as_bool,
    int: functools.partial(as_int, minimum=1, below=2**31)}


def require(holds: bool, name: str, rule: str, *tensors: Any) -> None:
    """ValueError, which shows the shapes of `tensors`, unless the rule holds."""
    if not holds:
        given = " and ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise ValueError(f"{name}: {rule}; got shape{'s' * (len(tensors) > 1)} {given}")


def declare(names: dict[str, Any], inplace: str = "", apart: str = "") -> list[str]:
    """Declare the functions of a file, which the dict `names` holds, by their formulas.

    Each gets checks of its arguments; its tensors must be on one device. The formula of a loss
    gives one number per sample; the function gets a `reduction`.

    Args:
        inplace: the functions that get an argument `inplace`.
        apart: those whose tensors need not broadcast to one shape.

    Returns the ``__all__`` of the file.
    """
    for name in public(names):
        more = _LOSS if name.endswith("_loss") else _IN_PLACE if name in inplace.split() else {}
        names[name] = _declared(names[name], more, name not in apart.split())
    return public(names)


def _declared(function: Callable[..., Any], more: dict[str, Any], one_shape: bool) -> Any:
    """`function`, checked, with the arguments `more`."""
    name, own = function.__name__, inspect.signature(function).parameters
    checks = {n: getattr(p.annotation, "__metadata__", [_CHECKS.get(p.annotation)])[0]
              for n, p in own.items()}
    plain = [p.replace(annotation=getattr(p.annotation, "__origin__", p.annotation))
             for p in own.values()]
    signature = inspect.Signature([*plain, *[
        inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
        for n, default in more.items() if n not in own]])

    @functools.wraps(function)
    def checked(*arguments: Any, **options: Any) -> Any:
        given = bind(name, signature, arguments, options)
        beside = {n: given.pop(n) for n in more}
        for key, value in given.items():
            given[key] = checks[key](name, key, value) if checks[key] else value
        arrays = [v.array for v in given.values() if isinstance(v, Tensor)]
        array_module(*arrays, function=name)
        if one_shape:
            broadcast_shape(name, *[a.shape for a in arrays])
        if "reduction" in more:
            return reduced(function(**given), as_reduction(name, **beside))
        if more and as_bool(name, "inplace", beside["inplace"]):
            return applied(name, given.pop("input"), True, lambda x: function(x, **given))
        return function(**given)

    checked.__signature__ = signature  # type: ignore[attr-defined]
    return checked
