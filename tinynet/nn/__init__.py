"""Neural networks: modules, layers, losses, and the functions under them."""

import importlib
from typing import Any

from . import functional, init, utils
from .activations import (
    ELU, GELU, Hardtanh, Identity, LeakyReLU, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax,
    Softplus, Tanh, Unflatten,
)
from .containers import ModuleDict, ModuleList, Sequential
from .layers import Conv2d, ConvTranspose2d, Dropout, Dropout2d, Flatten, Linear
from .losses import (
    BCELoss, BCEWithLogitsLoss, CosineSimilarity, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss,
    MSELoss, NLLLoss, SmoothL1Loss,
)
from .module import Module, Parameter
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .spatial import (
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, CircularPad2d, ConstantPad2d, MaxPool2d,
    ReflectionPad2d, ReplicationPad2d, Upsample, ZeroPad2d,
)

__all__ = [
    "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool2d", "BatchNorm1d", "CircularPad2d", "ConstantPad2d", "Dropout2d", "GroupNorm",
    "InstanceNorm2d", "LayerNorm", "ReflectionPad2d", "ReplicationPad2d", "Upsample", "ZeroPad2d",
    "BCELoss", "BCEWithLogitsLoss", "CosineSimilarity", "ELU", "GELU", "Hardtanh", "HuberLoss", "Identity", "KLDivLoss", "L1Loss",
    "LeakyReLU", "ModuleDict", "ReLU6", "SiLU", "SmoothL1Loss", "Softplus", "Unflatten", "utils",
    "BatchNorm2d", "Conv2d", "ConvTranspose2d", "CrossEntropyLoss", "Dropout", "Flatten", "Linear", "LogSoftmax", "MSELoss",
    "MaxPool2d", "Module", "ModuleList", "NLLLoss", "Parameter", "ReLU", "Sequential", "Sigmoid", "Softmax", "Tanh",
    "functional", "init",
]


def __getattr__(name: str) -> Any:
    if name == "parallel":  # read when somebody trains on several ranks
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
