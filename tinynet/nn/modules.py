"""PyTorch's paths to layers, such as ``nn.modules.conv.Conv2d``: each leads to all of `nn`."""

import sys
import types
from typing import Any

from .. import nn
from .normalization import _BatchNorm
from .stateless import Loss


def _pair(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x, x)


_names = {name: getattr(nn, name) for name in nn.__all__}
globals().update(_names)
for _file in (
    "activation batchnorm container conv distance dropout flatten fold instancenorm linear loss "
    "module normalization padding pixelshuffle pooling sparse upsampling utils").split():
    _module = types.ModuleType(f"{__name__}.{_file}", __doc__)
    _module.__dict__.update(_names, _BatchNorm=_BatchNorm, _Loss=Loss, _pair=_pair)
    sys.modules[_module.__name__] = globals()[_file] = _module
