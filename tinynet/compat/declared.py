"""`formula` declares a function by what it computes; annotations say how to check arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..arrays import array_module
from ..nn.function_module import bind
from ..nn.functional.activation import applied
from ..nn.functional.loss import as_reduction, reduced
from ..ops.arguments import as_bool, as_floats, as_int, as_number, as_tensor, broadcast_shape
from ..tensor import Tensor

_LOSS = {"size_average": None, "reduce": None, "reduction": "mean"}  # PyTorch's places


def _target(function: str, name: str, value: Any) -> Tensor:
    """Numbers of any dtype; integers, such as the labels 1 and -1, become floats."""
    is_whole = as_tensor(function, name, value).array.dtype.kind in "iu"
    return as_floats(function, name, value.float() if is_whole else value)


def _or_none(function: str, name: str, value: Any) -> Any:
    return value if value is None else as_floats(function, name, value)


# What an argument's annotation demands. All others are left to the formula.
_CHECKS: dict[Any, Callable[[str, str, Any], Any]] = {
    Tensor: as_floats, Tensor | None: _or_none, float: as_number, bool: as_bool,
    int: functools.partial(as_int, minimum=1, below=2**31)}


def formula(*, inplace: bool = False, loss: bool = False, one_shape: bool = False) -> Any:
    """Declare a function of tensors, which must be on one device, by its formula.

    Args:
        inplace: the function gets an argument `inplace`.
        loss: the formula gives one number per sample; the function gets a `reduction`.
        one_shape: the tensors must broadcast to one shape.
    """

    def declare(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        name, own = function.__name__, inspect.signature(function).parameters
        more = {"inplace": False} if inplace else _LOSS if loss else {}
        signature = inspect.Signature([*own.values(), *[
            inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for n, default in more.items() if n not in own]])

        @functools.wraps(function)
        def checked(*arguments: Any, **options: Any) -> Tensor:
            given = bind(name, signature, arguments, options)
            beside = {n: given.pop(n) for n in more}
            for key, value in given.items():
                kind = own[key].annotation
                check = _target if (key, kind) == ("target", Tensor) else _CHECKS.get(kind)
                given[key] = check(name, key, value) if check else value
            tensors = [v for v in given.values() if isinstance(v, Tensor)]
            array_module(*[t.array for t in tensors], function=name)
            if one_shape:
                broadcast_shape(name, *[t.array.shape for t in tensors])
            if loss:
                reduction = as_reduction(name, **beside)
                return reduced(function(**given), reduction)
            if inplace and as_bool(name, "inplace", beside["inplace"]):
                return applied(name, given.pop("input"), True, lambda x: function(x, **given))
            return function(**given)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return checked

    return declare
