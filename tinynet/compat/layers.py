"""Layers that small networks seldom need; `tinynet.nn` looks them up here."""

import operator
from collections import OrderedDict
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .. import creation, nn
from ..nn import functional as F
from ..nn import init
from ..nn.containers import ModuleDict, ModuleList
from ..nn.function_module import FunctionModule
from ..nn.module import Module
from ..nn.normalization import LayerNorm
from ..nn.parameter import Parameter, factory_options
from ..nn.stateless import Upsample, _Loss, _Pool2d
from ..ops.arguments import as_int, as_list, as_number, pair
from ..tensor import Tensor
from . import formulas, images, public

# -------------------------------------------------------------------------------------- functions

# Layers by the classes they are made from. Each calls the function of its name, without capitals.
_LAYERS = {
    FunctionModule: """CELU SELU Mish Hardsigmoid Hardswish Softsign LogSigmoid Tanhshrink
        Hardshrink Softshrink Threshold PixelShuffle PixelUnshuffle ChannelShuffle
        LocalResponseNorm LPPool2d Unfold Fold GLU Softmin AlphaDropout RReLU""",
    _Loss: """MarginRankingLoss HingeEmbeddingLoss CosineEmbeddingLoss SoftMarginLoss
        PoissonNLLLoss TripletMarginLoss MultiMarginLoss MultiLabelMarginLoss
        MultiLabelSoftMarginLoss GaussianNLLLoss"""}
_FUNCTIONS = {name.replace("_", ""): getattr(room, name)
              for room in (F, formulas, images) for name in room.__all__ if name[-1] != "_"}
for _base, _names in _LAYERS.items():
    for _name in _names.split():
        globals()[_name] = type(_name, (_base,), {}, function=_FUNCTIONS[_name.lower()])


def _first_without_name(self: FunctionModule) -> str:
    return FunctionModule.extra_repr(self).partition("=")[2]


for _name in ("Hardshrink", "Softshrink", "LocalResponseNorm"):
    globals()[_name].extra_repr = _first_without_name
for _name in ("Hardswish", "Hardsigmoid"):
    globals()[_name]._shows = ()


class Softmax2d(FunctionModule, function=F.softmax, arguments="", dim=-3):
    """`Softmax` over the channels of (N, C, H, W) or (C, H, W)."""


class PairwiseDistance(FunctionModule, function=formulas.pairwise_distance, shows=""): ...


class MaxUnpool2d(_Pool2d, function=images.max_unpool2d, arguments="kernel_size stride padding"):
    def _check(self) -> None:
        super()._check()
        for name in self._constants:
            setattr(self, name, pair("MaxUnpool2d", name, getattr(self, name), 0))

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """Takes what the pool returned, and perhaps the size of its input."""
        return super().forward(input, indices, output_size=output_size)


class UpsamplingNearest2d(
    Upsample, function=F.interpolate, arguments="size scale_factor", mode="nearest"):
    """`Upsample` with mode "nearest"."""


class UpsamplingBilinear2d(
    Upsample, function=F.interpolate, arguments="size scale_factor", mode="bilinear",
    align_corners=True):
    """`Upsample` with mode "bilinear" and ``align_corners=True``."""


# ------------------------------------------------------------------------------------- parameters


class PReLU(Module):
    """`LeakyReLU` whose slope is learned: one, or one per channel. See `functional.prelu`."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None,
                 dtype: Any = None):
        super().__init__()
        self.num_parameters = as_int("PReLU", "num_parameters", num_parameters, 1, 2**31)
        slope, options = as_number("PReLU", "init", init), factory_options("PReLU", device, dtype)
        self.weight = Parameter(creation.full((num_parameters,), float(slope), **options))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RMSNorm(LayerNorm):
    """`LayerNorm` without means and bias. See `functional.rms_norm`."""

    _shown = "normalized_shape eps= elementwise_affine="

    def __init__(self, normalized_shape: Any, eps: float | None = None,
                 elementwise_affine: bool = True, device: Any = None, dtype: Any = None):
        scale: Any = eps  # None says the dtype's
        super().__init__(normalized_shape, scale, elementwise_affine, False, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return formulas.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class Embedding(Module):
    """A table of vectors, `weight` (num_embeddings, embedding_dim): integers (...) -> (..., D).

    The row `padding_idx` starts as zeros and is not learned. See `functional.embedding`.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *,
                 device: Any = None, dtype: Any = None):
        super().__init__()
        N = self.num_embeddings = as_int("Embedding", "num_embeddings", num_embeddings, 1, 2**31)
        D = self.embedding_dim = as_int("Embedding", "embedding_dim", embedding_dim, 1, 2**31)
        if padding_idx is not None:
            padding_idx = as_int("Embedding", "padding_idx", padding_idx, -N, N) % N
        self.padding_idx = padding_idx
        self.weight = Parameter(creation.empty(N, D, **factory_options("Embedding", device, dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values, normal with mean 0 and variance 1."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.detach()[self.padding_idx].zero_()

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class _OfParameters:
    """What makes a container of modules one of parameters; tensors become parameters."""

    _held = property(operator.attrgetter("_parameters"))

    def _add(self: Any, name: str, value: Any) -> None:
        is_plain = isinstance(value, Tensor) and not isinstance(value, Parameter)
        self.register_parameter(name, Parameter(value) if is_plain else value)

    def _children_text(self: Any) -> list[str]:
        return [f"({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"
                for name, p in self._held.items()]


class ParameterList(_OfParameters, ModuleList):
    """A list of parameters that the module which owns it learns; tensors become parameters."""


class ParameterDict(_OfParameters, ModuleDict):
    """A dict of parameters that the module which owns it learns; tensors become parameters.

    What is added from a plain dict stands in the order of its names, as in PyTorch.
    """

    def update(self, parameters: Any) -> None:
        plain = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
        super().update(sorted(parameters.items()) if plain else parameters)

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of this name, or `default`."""
        return self._held.get(key, default)


class DataParallel(Module):
    """Calls `module`, on one device. For several processes there is `DistributedDataParallel`.

    PyTorch divides batches among GPUs here; ValueError for more than one of `device_ids`. The names
    in a state dict begin with "module.", as PyTorch's.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None,
                 dim: int = 0):
        super().__init__()
        devices = [] if device_ids is None else as_list("DataParallel", "device_ids", device_ids)
        if len(devices) > 1 or output_device not in [None, *devices] or dim != 0:
            raise ValueError(f"DataParallel: expected one device and dim=0, got device_ids="
                f"{device_ids}, output_device={output_device}, dim={dim}; leave them out, or see "
                "tinynet.distributed")
        self.module = module

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)


class _Paths(ModuleType):
    """PyTorch's paths to layers, such as ``nn.modules.conv.Conv2d``: each leads to all of `nn`."""

    def __getattr__(self, name: str) -> Any:
        files = """activation batchnorm container conv distance dropout flatten fold instancenorm
            linear loss module normalization padding pixelshuffle pooling sparse upsampling"""
        return self if name in files.split() else getattr(nn, name)


modules = _Paths("modules", _Paths.__doc__)
NLLLoss2d = nn.NLLLoss  # its older name
__all__ = public(globals(), "modules", "NLLLoss2d")
