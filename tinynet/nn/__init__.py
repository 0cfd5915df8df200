"""Neural networks: modules, layers, losses, and the functions under them."""

import importlib
import types

from . import functional, init, utils
from .activations import (
    CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Identity, LeakyReLU,
    LogSigmoid, LogSoftmax, Mish, ReLU, ReLU6, RReLU, SELU, SiLU, Sigmoid, Softmax, Softmin,
    Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold, Unflatten)
from .containers import ModuleDict, ModuleList, Sequential
from .layers import (
    Conv2d, ConvTranspose2d, Dropout, Dropout2d, Embedding, Flatten, Linear, PReLU)
from .losses import (
    BCELoss, BCEWithLogitsLoss, CosineEmbeddingLoss, CosineSimilarity, CrossEntropyLoss,
    GaussianNLLLoss, HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, MarginRankingLoss, MSELoss,
    MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, PairwiseDistance, PoissonNLLLoss,
    SmoothL1Loss, SoftMarginLoss, TripletMarginLoss, TripletMarginWithDistanceLoss)
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .parameter import Parameter
from .spatial import (
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, ChannelShuffle, CircularPad2d, ConstantPad2d,
    Fold, LocalResponseNorm, LPPool2d, MaxPool2d, MaxUnpool2d, PixelShuffle, PixelUnshuffle,
    ReflectionPad2d, ReplicationPad2d, Unfold, Upsample, UpsamplingBilinear2d, UpsamplingNearest2d,
    ZeroPad2d)

__all__ = ["functional", "init", "utils"]
__all__ += [name for name, value in dict(globals()).items() if isinstance(value, type)]


def __getattr__(name: str) -> types.ModuleType:
    if name == "parallel":  # imported at first use, which is on several ranks
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
