"""Neural networks: modules, layers, losses, and the functions under them."""

import importlib
from typing import Any

from . import activations, containers, functional, init, layers, losses, normalization, spatial
from . import utils
from .activations import *
from .containers import *
from .layers import *
from .losses import *
from .module import Module
from .normalization import *
from .parameter import Parameter
from .spatial import *

__all__ = ["Module", "Parameter", "functional", "init", "utils"]
__all__ += activations.__all__ + containers.__all__ + layers.__all__ + losses.__all__
__all__ += normalization.__all__ + spatial.__all__


def __getattr__(name: str) -> Any:
    if name == "parallel":  # imported at first use, which is on several ranks
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
