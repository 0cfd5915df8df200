"""Neural networks: modules, layers, losses, and the functions under them."""

import importlib
import types

from . import functional, init, utils
from .containers import ModuleDict, ModuleList, Sequential
from .layers import Conv2d, ConvTranspose2d, Dropout, Dropout2d, Flatten, Linear
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .parameter import Parameter
from .stateless import (
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, BCELoss, BCEWithLogitsLoss, CircularPad2d,
    ConstantPad2d, CosineSimilarity, CrossEntropyLoss, ELU, GELU, Hardtanh, HuberLoss, Identity,
    KLDivLoss, L1Loss, LeakyReLU, LogSoftmax, MSELoss, MaxPool2d, NLLLoss, ReLU, ReLU6,
    ReflectionPad2d, ReplicationPad2d, SiLU, Sigmoid, SmoothL1Loss, Softmax, Softplus, Tanh,
    Unflatten, Upsample, ZeroPad2d)

__all__ = ["functional", "init", "utils"]
__all__ += [name for name, value in dict(globals()).items() if isinstance(value, type)]


def __getattr__(name: str) -> types.ModuleType:
    if name == "parallel":  # imported at first use, which is on several ranks
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
