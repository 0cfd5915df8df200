"""Functions of neural networks. All their arguments are checked here; errors name the function."""

from . import activation, convolution, interpolation, loss, normalization, padding, pooling
from . import dropout as dropouts
from .activation import *
from .convolution import *
from .dropout import *
from .interpolation import *
from .loss import *
from .normalization import *
from .padding import *
from .pooling import *

__all__ = activation.__all__ + convolution.__all__ + dropouts.__all__ + interpolation.__all__
__all__ += loss.__all__ + normalization.__all__ + padding.__all__ + pooling.__all__
