"""`FunctionModule`: layers without parameters, each declared in one line by its function."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from .module import Module

# How the parameters of a function in `functional` are dealt with, by name: FORWARD are given to
# `forward` at each call. All others are constants: arguments and attributes of the layer.
FORWARD = set("input target x1 x2 input1 input2 anchor positive negative var indices".split())
BUFFERS = {"weight", "pos_weight"}  # constants that are tensors and move with the layer
NO_ARGUMENTS = {"training", "generator", "dtype"}  # the layer has its own, or goes without


class FunctionModule(Module):
    """A function of `functional` as a layer. One line declares a class::

        class LeakyReLU(FunctionModule, function=F.leaky_relu): ...

    The function's signature is the only source of the arguments and their defaults. The layer keeps
    them as attributes, and each call hands on what the attributes are then, so ``layer.p = 0.3``
    has effect.

    Keywords of the class statement:
        function: what `forward` calls.
        arguments: the names of the layer's arguments in order; by default all of the function's
            constants.
        shows: the names that the repr shows; by default all arguments, `inplace` only if true.
        others: a new default for an argument, or a constant that the class hands on.

    A class without a docstring gets that of its function.
    """

    _function: ClassVar[Callable[..., Any]]
    _signature: ClassVar[inspect.Signature]
    _constants: ClassVar[tuple[str, ...]]
    _shows: ClassVar[tuple[str, ...] | None]

    def __init_subclass__(cls, *, function: Callable[..., Any] | None = None,
                          arguments: str | None = None, shows: str | None = None, **others: Any):
        super().__init_subclass__()
        if function is None:  # a base of several classes, or a user's subclass
            return
        known = inspect.signature(function).parameters
        names = [name for name in known if name not in FORWARD | NO_ARGUMENTS]
        names = names if arguments is None else arguments.split()
        fixed = {name: value for name, value in others.items() if name not in names}
        own = {"training"} & known.keys()
        for name, value in fixed.items():
            setattr(cls, name, value)
        cls._function = staticmethod(function)
        cls._signature = inspect.Signature(
            [known[n].replace(default=others.get(n, known[n].default)) for n in names])
        cls._constants = (*names, *fixed, *own)
        cls._shows = None if shows is None else tuple(shows.split())
        cls.__init__ = _initialiser(cls._signature)  # type: ignore[method-assign]
        if cls.__doc__ is None:
            text = (inspect.getdoc(function) or "").partition("\n>>> ")[0].rstrip()
            cls.__doc__ = f"{text}\n\nThe layer form of `{function.__name__.strip('_')}`."

    def _check(self) -> None:
        """Check or convert the attributes of a new layer; most leave this to the first call."""

    def forward(self, *tensors: Any, **named: Any) -> Any:
        constants = {name: getattr(self, name) for name in self._constants}
        return type(self)._function(*tensors, **constants, **named)

    def extra_repr(self) -> str:
        shown = self._shows
        if shown is None:
            names = self._signature.parameters
            shown = tuple(name for name in names if name != "inplace" or self.inplace)
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)


def bind(name: str, signature: inspect.Signature, arguments: Any, options: Any) -> dict[str, Any]:
    """The arguments of a call by name, defaults among them; else TypeError."""
    try:
        bound = signature.bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; expected {name}{signature}") from None
    bound.apply_defaults()
    return bound.arguments


def _initialiser(signature: inspect.Signature) -> Callable[..., None]:
    """The ``__init__`` of a layer, which `help` and `inspect` show with `signature`."""

    def __init__(self: FunctionModule, *arguments: Any, **options: Any) -> None:
        given = bind(type(self).__name__, signature, arguments, options)
        Module.__init__(self)
        for name, value in given.items():
            if name in BUFFERS:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        self._check()

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[own, *signature.parameters.values()])
    return __init__
