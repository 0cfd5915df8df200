"""Neural networks: modules, layers, losses, and the functions under them."""

import importlib
import types

from . import functional, init, utils
from .activations import (
    ELU, GELU, Hardtanh, Identity, LeakyReLU, LogSoftmax, ReLU, ReLU6, SiLU, Sigmoid, Softmax,
    Softplus, Tanh, Unflatten)
from .containers import ModuleDict, ModuleList, Sequential
from .layers import Conv2d, ConvTranspose2d, Dropout, Dropout2d, Flatten, Linear
from .losses import (
    BCELoss, BCEWithLogitsLoss, CosineSimilarity, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss,
    MSELoss, NLLLoss, SmoothL1Loss)
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .parameter import Parameter
from .spatial import (
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, CircularPad2d, ConstantPad2d, MaxPool2d,
    ReflectionPad2d, ReplicationPad2d, Upsample, ZeroPad2d)

__all__ = ["functional", "init", "utils"]
__all__ += [name for name, value in dict(globals()).items() if isinstance(value, type)]


def __getattr__(name: str) -> types.ModuleType:
    if name == "parallel":  # imported at first use, which is on several ranks
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
