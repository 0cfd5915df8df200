"""Initial values. Each function writes into a tensor in place, outside the graph, and returns it.

`generator` draws the numbers; by default it is the one that `tinynet.manual_seed` seeds. The fan in
of a weight is the number of inputs that one output sums, the fan out the number of outputs that one
input contributes to.
"""

import math
from typing import Any

import numpy as np

from .. import compat
from ..arrays import Generator, to_device
from ..autograd.grad_mode import no_grad
from ..ops.arguments import as_choice, as_number, as_random, as_tensor
from ..tensor import Tensor

Source = Generator | None  # of random numbers; None is the default one

# The factors that keep the size of signals through an activation.
GAINS = {
    "linear": 1.0, "conv2d": 1.0, "conv_transpose2d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0), "selu": 0.75}


def _write(function: str, tensor: Tensor, values: Any) -> Tensor:
    as_tensor(function, "tensor", tensor)
    array = np.broadcast_to(values, tensor.array.shape).astype(tensor.dtype)
    with no_grad():
        return tensor._replace(Tensor._wrap(to_device(array, tensor.device)), function)


def _draw(function: str, tensor: Tensor, generator: Source, kind: str, shift: float,
          scale: float) -> Tensor:
    with no_grad():
        return as_tensor(function, "tensor", tensor)._draw(function, generator, kind, shift, scale)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Source = None) -> Tensor:
    """Uniform over [a, b)."""
    a, b = as_number("uniform_", "a", a), as_number("uniform_", "b", b)
    if a > b:
        raise ValueError(f"uniform_: a must not be greater than b, got a={a} and b={b}")
    return _draw("uniform_", tensor, generator, "random", a, b - a)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0,
            generator: Source = None) -> Tensor:
    """Normal with the given mean and standard deviation."""
    mean, std = as_number("normal_", "mean", mean), as_number("normal_", "std", std, 0)
    return _draw("normal_", tensor, generator, "standard_normal", mean, std)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """The number `val` everywhere."""
    if isinstance(val, Tensor) and not val.ndim:
        val = val.item()
    if not isinstance(val, (bool, int, float, np.generic)):
        raise TypeError(f"constant_: val must be a number, got {type(val).__name__}")
    return _write("constant_", tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return _write("ones_", tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return _write("zeros_", tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """A matrix, square or not, with 1 on the diagonal and 0 elsewhere."""
    if as_tensor("eye_", "tensor", tensor).array.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.array.shape}")
    return _write("eye_", tensor, np.eye(*tensor.array.shape))


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Source = None) -> Tensor:
    """`gain` times a random matrix with orthonormal rows, or columns if there are fewer of them.

    All such matrices are equally likely. All dims but the first count as columns.
    Saxe et al. 2013, arXiv 1312.6120.
    """
    shape = as_tensor("orthogonal_", "tensor", tensor).array.shape
    if len(shape) < 2:
        raise ValueError(f"orthogonal_: expected at least two dims, got shape {shape}")
    gain, random = as_number("orthogonal_", "gain", gain), as_random("orthogonal_", generator)
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))  # undoes qr's choice of signs, which makes some matrices likelier
    return _write("orthogonal_", tensor, gain * (q if rows >= columns else q.T).reshape(shape))


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0,
                  b: float = 2.0, generator: Source = None) -> Tensor:
    """Normal; numbers outside [a, b] are drawn again.

    ValueError if [a, b] lies more than 2 `std` away from `mean`, where draws would rarely fall.
    """
    shape = as_tensor("trunc_normal_", "tensor", tensor).array.shape
    for name, value in (("mean", mean), ("std", std), ("a", a), ("b", b)):
        as_number("trunc_normal_", name, value)
    if not a - 2 * std <= mean <= b + 2 * std or not a < b:
        raise ValueError(f"trunc_normal_: [a, b] must be an interval within 2 std={std} "
            f"of mean={mean}, got [{a}, {b}]")
    random = as_random("trunc_normal_", generator)
    draws = random.normal(mean, std, shape)
    while (outside := (draws < a) | (draws > b)).any():
        draws[outside] = random.normal(mean, std, int(outside.sum()))
    return _write("trunc_normal_", tensor, draws)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the size of signals through an activation.

    `param` is the negative slope of "leaky_relu", by default 0.01.
    """
    return _gain("calculate_gain", nonlinearity, 0.01 if param is None else param)


def _gain(function: str, nonlinearity: str, slope: float) -> float:
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + as_number(function, "the slope of leaky_relu", slope) ** 2))
    if not isinstance(nonlinearity, str) or nonlinearity not in GAINS:
        known = ", ".join([*GAINS, "leaky_relu"])
        raise ValueError(f"{function}: nonlinearity must be one of {known}; got {nonlinearity!r}")
    return GAINS[nonlinearity]


def _fans(function: str, tensor: Tensor) -> tuple[int, int]:
    """Fan in and fan out of a weight, (out, in) or (O, C, KH, KW). ValueError below two dims."""
    shape = as_tensor(function, "tensor", tensor).array.shape
    if len(shape) < 2:
        raise ValueError(f"{function}: weights of shape {shape} have no fan in and out")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def _fan(function: str, tensor: Tensor, mode: str) -> int:
    """One of the two, as `mode` says: "fan_in" or "fan_out"."""
    as_choice(function, "mode", mode, ("fan_in", "fan_out"))
    return _fans(function, tensor)[mode == "fan_out"]


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in",
                     nonlinearity: str = "leaky_relu", generator: Source = None) -> Tensor:
    """Uniform around 0 with standard deviation gain / sqrt(fan).

    The gain is ``calculate_gain(nonlinearity, a)``. He et al. 2015, arXiv 1502.01852.
    """
    bound = _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity, math.sqrt(3.0))
    return _draw("kaiming_uniform_", tensor, generator, "random", -bound, 2 * bound)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in",
                    nonlinearity: str = "leaky_relu", generator: Source = None) -> Tensor:
    """Normal with mean 0 and standard deviation gain / sqrt(fan); see `kaiming_uniform_`."""
    std = _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity, 1.0)
    return _draw("kaiming_normal_", tensor, generator, "standard_normal", 0.0, std)


def _kaiming(function: str, tensor: Tensor, slope: float, mode: str, nonlinearity: str,
             factor: float) -> float:
    fan = _fan(function, tensor, mode)
    return factor * _gain(function, nonlinearity, slope) / math.sqrt(fan)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Source = None) -> Tensor:
    """Uniform around 0 with variance gain² · 2 / (fan in + fan out). Glorot & Bengio 2010."""
    bound = _xavier("xavier_uniform_", tensor, gain, 6.0)
    return _draw("xavier_uniform_", tensor, generator, "random", -bound, 2 * bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Source = None) -> Tensor:
    """Normal with mean 0 and variance gain² · 2 / (fan in + fan out). Glorot & Bengio 2010."""
    std = _xavier("xavier_normal_", tensor, gain, 2.0)
    return _draw("xavier_normal_", tensor, generator, "standard_normal", 0.0, std)


def _xavier(function: str, tensor: Tensor, gain: float, factor: float) -> float:
    return as_number(function, "gain", gain, 0) * math.sqrt(factor / sum(_fans(function, tensor)))


__getattr__ = compat.finder(__name__)
