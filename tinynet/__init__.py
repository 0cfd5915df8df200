"""tinynet: a small deep-learning framework whose convolution can be read in an afternoon.

The names are PyTorch's: ``import tinynet as torch`` runs a small PyTorch program.
"""

import importlib
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

import numpy as _np

from . import autograd, compat, cuda, nn, optim, utils
from .arrays import (default_generator, Device as device, Generator, get_num_threads, manual_seed,
    set_num_threads)
from .autograd import grad
from .autograd.anomaly import detect_anomaly
from .autograd.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .autograd.gradcheck import gradcheck
from .creation import (arange, as_tensor, bernoulli, empty, empty_like, eye, from_dlpack,
    from_numpy, full, full_like, linspace, normal, ones, ones_like, rand, rand_like, randint,
    randint_like, randn, randn_like, randperm, tensor, zeros, zeros_like)
from .ops.arguments import result_type
from .ops.elementwise import (abs, add, allclose, bitwise_and, bitwise_not, bitwise_or, bitwise_xor,
    ceil, clamp, cos, div, eq, equal, erf, exp, expm1, floor, floor_divide, ge, gt, isclose,
    isfinite, isinf, isnan, le, log, log1p, logical_and, logical_not, logical_or, lt, masked_fill,
    maximum, minimum, mul, ne, neg, pow, reciprocal, relu, remainder, round, rsqrt, sigmoid, sign,
    sin, sqrt, square, sub, tanh, where)
from .ops.indexing import gather, index_select
from .ops.products import matmul, mm
from .ops.reductions import (
    all, amax, amin, any, argmax, argmin, max, mean, min, norm, std, sum, var)
from .ops.shapes import (cat, chunk, expand_as, flatten, flip, narrow, permute, reshape, split,
    squeeze, stack, t, transpose, unbind, unflatten, unsqueeze, view_as)
from .ops.softmax import log_softmax, logsumexp, softmax
from .printing import set_printoptions
from .tensor import Size, Tensor

__version__ = "0.2.0"

bool = _np.dtype(_np.bool_)
uint8, int8 = _np.dtype(_np.uint8), _np.dtype(_np.int8)
int16 = short = _np.dtype(_np.int16)
int32 = int = _np.dtype(_np.int32)
int64 = long = _np.dtype(_np.int64)
float16 = half = _np.dtype(_np.float16)
float32 = float = _np.dtype(_np.float32)
float64 = double = _np.dtype(_np.float64)
inference_mode = no_grad
dtype = _np.dtype


if TYPE_CHECKING:
    from .explain.summary import summary
    from .serialization import Checkpoint, load, save

# Imported when somebody asks for them: importing tinynet should be quick, and files bring much of
# the standard library along.
_MODULES = {"datasets", "distributed", "explain", "transforms", "vision"}
_HOMES = {
    "Checkpoint": ".serialization", "load": ".serialization", "save": ".serialization",
    "summary": ".explain.summary"}

compat.attach(Tensor)
autograd.gradcheck = gradcheck  # type: ignore[assignment]  # and not the file of that name
del autograd.Variable  # the engine's, in the rooms; to programs it is PyTorch's, in compat


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    return compat.lookup(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOMES, *compat.names_for(__name__)})
