"""Functions of neural networks. All their arguments are checked here; errors name the function."""

from .activation import (
    cosine_similarity, elu, gelu, hardtanh, leaky_relu, linear, log_softmax, normalize, relu, relu6,
    sigmoid, silu, softmax, softplus, tanh)
from .convolution import conv2d, conv_transpose2d, fold, unfold
from .dropout import dropout, dropout2d
from .interpolation import interpolate
from .loss import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss, kl_div,
    l1_loss, mse_loss, nll_loss, one_hot, smooth_l1_loss)
from .normalization import batch_norm, group_norm, instance_norm, layer_norm
from .padding import pad
from .pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d

__all__ = [name for name, value in dict(globals()).items() if callable(value)]
