"""Functions of neural networks. Everything that users pass in is checked here, and named if it is wrong."""

from .activation import dropout, linear, log_softmax, relu, sigmoid, softmax, tanh
from .convolution import conv2d, conv_transpose2d, fold, pad, unfold
from .loss import cross_entropy, mse_loss, nll_loss, one_hot
from .normalization import batch_norm
from .pooling import max_pool2d

__all__ = [
    "batch_norm", "conv2d", "conv_transpose2d", "cross_entropy", "dropout", "fold", "linear", "log_softmax", "max_pool2d",
    "mse_loss", "nll_loss", "one_hot", "pad", "relu", "sigmoid", "softmax", "tanh", "unfold",
]
