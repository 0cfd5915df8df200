"""Random programs: a few lines on small tensors, the same text for tinynet and for PyTorch.

A program is a list of lines such as `v3 = v1[:, ::2]` or `v1 *= 2`, with `T` the framework and `F`
its functions. `write` draws the lines one by one and runs each as it goes, so that the next one
fits the shapes and dtypes that are there. `differences` runs a program on both frameworks and tells
where they differ: a value, a dtype, a shape, a refusal, a gradient of first or second order. Where
PyTorch is missing, gradients are compared with central differences.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
INTEGERS = ("int64", "int32", "uint8", "int16", "int8")
DTYPES = (*FLOATS, "float64", "float64", *INTEGERS, "bool", "float16")

# What our errors promise to be. PyTorch's are RuntimeErrors where ours are more precise.
REFUSALS = (ValueError, TypeError, IndexError, RuntimeError)

LARGEST = 200  # elements of a tensor: programs stay small


class NoChoice(Exception):
    """The program has no tensor of the kind that a line needs."""


# --- one framework that runs lines ----------------------------------------------------------------


class Run:
    """The names of a program in one framework."""

    def __init__(self, framework: Any) -> None:
        self.framework = framework
        self.names: dict[str, Any] = {"T": framework, "F": framework.nn.functional}

    def tensors(self) -> dict[str, Any]:
        kind = self.framework.Tensor
        return {name: value for name, value in self.names.items() if isinstance(value, kind)}

    def do(self, line: str) -> Exception | None:
        """Run a line; an error is a result like any other."""
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                exec(line, self.names)  # the text is ours
        except Exception as error:
            return error
        return None


def dtype_of(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def array_of(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().tolist(), dtype=dtype_of(tensor)).reshape(tuple(tensor.shape))


# --- drawing a line -------------------------------------------------------------------------------


class Draw:
    """What a line is made of: names of tensors of a kind, dims, sizes and numbers that fit."""

    def __init__(self, rng: random.Random, run: Run) -> None:
        self.rng, self.run = rng, run

    def pick(self, *choices: Any) -> Any:
        return self.rng.choice(choices)

    def of(self, allowed: Callable[[Any], bool]) -> str:
        names = [name for name, value in self.run.tensors().items() if allowed(value)]
        if not names:
            raise NoChoice
        # The newest tensors twice as often, so that lines build on lines.
        return self.rng.choice(names + names[-3:])

    def any(self) -> str:
        return self.of(lambda t: True)

    def number(self) -> str:
        return self.of(lambda t: dtype_of(t) != "bool")

    def float(self) -> str:
        return self.of(lambda t: dtype_of(t).startswith("float"))

    def wide(self) -> str:
        """A float tensor of a dtype in which sums are exact enough to be compared."""
        return self.of(lambda t: dtype_of(t) in FLOATS)

    def integer(self) -> str:
        return self.of(lambda t: dtype_of(t) in INTEGERS)

    def mask(self) -> str:
        return self.of(lambda t: dtype_of(t) == "bool")

    def image(self) -> str:
        return self.of(lambda t: t.ndim == 4 and dtype_of(t) in FLOATS)

    def with_dims(self, least: int) -> str:
        return self.of(lambda t: t.ndim >= least)

    def tensor(self, name: str) -> Any:
        return self.run.names[name]

    def like(self, name: str) -> str:
        """Another tensor that broadcasts with this one, or this one."""
        shape = tuple(self.tensor(name).shape)

        def fits(t: Any) -> bool:
            try:
                np.broadcast_shapes(tuple(t.shape), shape)
            except ValueError:
                return False
            return True

        return self.of(fits)

    def dim(self, name: str) -> int:
        ndim = self.tensor(name).ndim
        return self.rng.randrange(-ndim, ndim) if ndim else self.pick(0, -1)

    def size(self, name: str, dim: int) -> int:
        shape = tuple(self.tensor(name).shape)
        return shape[dim] if shape else 1

    def scalar(self) -> str:
        special = self.pick("float('nan')", "float('inf')", "300", "-1", "-float('inf')")
        return self.pick("0", "1", "2", "-1", "3", "0.5", "2.0", "-1.5", "True", "False", special)

    def dtype(self) -> str:
        return f"T.{self.pick(*DTYPES)}"

    def index(self, name: str, once: bool = False) -> str:
        """An index of one to ndim parts: numbers, slices, None, ellipsis, masks, positions.

        With `once` no position comes twice: what such an index writes has no order, and so no
        derivative.
        """
        shape = tuple(self.tensor(name).shape)
        parts: list[str] = []
        for size in shape[: self.rng.randint(1, max(len(shape), 1))]:
            kind = self.rng.randrange(8)
            if kind < 2 and size:
                parts.append(str(self.rng.randrange(-size, size)))
            elif kind < 5:
                parts.append(self.pick(":", "::2", "1:", ":-1", "1:2", "-2:", ":1", "5:", "0:0"))
            elif kind == 5 and size:
                some = [self.rng.randrange(-size, size) for _ in range(3)]
                parts.append(str(self.rng.sample(range(size), min(size, 3)) if once else some))
            elif kind == 6:
                parts.append(f"T.tensor({[self.rng.random() < 0.5 for _ in range(size)]})")
            else:
                parts.append(":")
        if self.rng.random() < 0.15:
            parts.insert(self.rng.randint(0, len(parts)), "None")
        if self.rng.random() < 0.15:
            parts.append("...")
        return ", ".join(parts) if parts else "..."


def a_leaf(c: Draw) -> str:
    """A new tensor, contiguous or not, with ties, now and then empty, nan or infinite."""
    ndim = c.pick(0, 1, 1, 2, 2, 2, 3, 4, 4)
    shape = [c.pick(1, 2, 3, 3, 4) for _ in range(ndim)]
    if ndim == 4:
        shape = [c.pick(1, 2), c.pick(1, 2, 4), c.pick(3, 4, 5), c.pick(3, 4, 5)]
    if ndim and c.rng.random() < 0.06:
        shape[c.rng.randrange(ndim)] = 0
    order = list(range(ndim))
    c.rng.shuffle(order)
    if c.rng.random() < 0.6:
        order.sort()
    memory = [shape[order.index(i)] for i in range(ndim)]
    dtype = c.pick(*DTYPES)
    count = int(np.prod(memory))
    if dtype == "bool":
        values: list[Any] = [c.rng.random() < 0.5 for _ in range(count)]
    elif dtype in INTEGERS:
        low = 0 if dtype == "uint8" else -4
        values = [c.rng.randint(low, 5) for _ in range(count)]
    else:
        values = [round(c.rng.uniform(-2, 2), 1) for _ in range(count)]
        if values and c.rng.random() < 0.08:
            values[c.rng.randrange(count)] = float(c.pick("nan", "inf", "-inf"))
    text = repr(np.array(values, dtype=object).reshape(memory).tolist())
    text = text.replace("nan", "float('nan')").replace("inf", "float('inf')")
    line = f"T.tensor({text}, dtype=T.{dtype})"
    if 0 in memory:
        line += f".reshape({tuple(memory)})"
    if order != sorted(order):
        line += f".permute({order})"
    if dtype.startswith("float") and c.rng.random() < 0.7:
        line += ".requires_grad_()"
    return line


# --- the lines ------------------------------------------------------------------------------------

SMOOTH = ("exp", "sin", "cos", "tanh", "sigmoid", "square", "erf", "expm1", "neg")
UNARY = (*SMOOTH, "log", "sqrt", "rsqrt", "reciprocal", "abs", "relu", "log1p", "sign", "floor",
         "ceil", "round")  # fmt: skip
BINARY = ("+", "-", "*", "/", "//", "%", "**")
COMPARE = ("<", "<=", ">", ">=", "==", "!=")
IN_PLACE = ("+=", "-=", "*=", "/=")
METHODS_IN_PLACE = ("exp_", "neg_", "relu_", "sigmoid_", "tanh_", "sqrt_", "zero_")
ACTIVATIONS = ("relu", "relu6", "elu", "gelu", "silu", "softplus", "leaky_relu", "hardtanh",
               "sigmoid", "tanh")  # fmt: skip


def unary(c: Draw) -> str:
    return f"T.{c.pick(*UNARY)}({c.number() if c.rng.random() < 0.7 else c.any()})"


def binary(c: Draw) -> str:
    a = c.any()
    b = c.like(a) if c.rng.random() < 0.7 else c.scalar()
    if c.rng.random() < 0.15:
        a, b = b, a
    return f"{a} {c.pick(*BINARY)} {b}"


def compare(c: Draw) -> str:
    a = c.any()
    return f"{a} {c.pick(*COMPARE)} {c.like(a) if c.rng.random() < 0.6 else c.scalar()}"


def logical(c: Draw) -> str:
    a = c.any()
    return c.pick(f"T.logical_{c.pick('and', 'or')}({a}, {c.like(a)})", f"T.logical_not({a})",
                  f"T.{c.pick('isnan', 'isinf', 'isfinite')}({a})")  # fmt: skip


def extremes(c: Draw) -> str:
    a = c.any()
    return f"T.{c.pick('maximum', 'minimum')}({a}, {c.like(a)})"


def clamp(c: Draw) -> str:
    a = c.any()
    bound = c.scalar if c.rng.random() < 0.7 else lambda: c.like(a)
    low, high = bound(), bound()
    limits = c.pick(f"min={low}", f"max={high}", f"min={low}, max={high}")
    return f"T.clamp({a}, {limits})"


def choose(c: Draw) -> str:
    a = c.any()
    other = c.like(a) if c.rng.random() < 0.5 else c.scalar()
    mask = c.of(lambda t: dtype_of(t) == "bool" and fits(t, c.tensor(a)))
    return c.pick(f"T.where({mask}, {a}, {other})", f"T.where({mask}, {other}, {a})",
                  f"{a}.masked_fill({mask}, {c.scalar()})", f"T.where({a} > 0, {a}, {other})")


def fits(t: Any, other: Any) -> bool:
    try:
        return np.broadcast_shapes(tuple(t.shape), tuple(other.shape)) == tuple(other.shape)
    except ValueError:
        return False


def reduction(c: Draw) -> str:
    a = c.any()
    name = c.pick("sum", "mean", "amax", "amin", "var", "std", "all", "any", "sum", "max", "min",
                  "argmax", "argmin", "logsumexp", "norm")  # fmt: skip
    options = []
    if c.rng.random() < 0.6 or name == "logsumexp":
        options.append(f"dim={c.dim(a)}")
        if c.rng.random() < 0.4:
            options.append("keepdim=True")
    if name == "sum" and c.rng.random() < 0.5:
        options.append(f"dtype={c.dtype()}")
    line = f"{a}.{name}({', '.join(options)})"
    return line + ".values" if name in ("max", "min") and "dim=" in line else line


def share(c: Draw) -> str:
    a = c.float()
    return f"T.{c.pick('softmax', 'log_softmax')}({a}, dim={c.dim(a)})"


def view(c: Draw) -> str:
    a = c.any()
    shape = list(c.tensor(a).shape)
    order = list(range(len(shape)))
    c.rng.shuffle(order)
    new = [n for n in shape if n != 1]
    dim = c.dim(a)
    return c.pick(
        f"{a}.reshape(-1)", f"{a}.permute({order})", f"{a}.transpose({dim}, {c.dim(a)})",
        f"{a}.unsqueeze({dim})", f"{a}.squeeze()", f"{a}.squeeze({dim})", f"{a}.flatten()",
        f"{a}.view({new or [1]})", f"{a}[{c.index(a)}]", f"{a}[{c.index(a)}]",
        f"{a}.expand({[2, *shape]})", f"{a}.flip({dim})", f"{a}.contiguous()",
        f"{a}.narrow({dim}, 0, {max(c.size(a, dim) - 1, 0)})", f"{a}.clone()",
        f"{a}.reshape({new})",
        f"{a}.chunk({c.pick(1, 2, 3)}, {dim})[0]", f"{a}.split({c.pick(1, 2)}, {dim})[-1]",
        f"{a}.unbind({dim})[0]", f"{a}.repeat({[c.pick(1, 2) for _ in shape] or [2]})", f"{a}.mT",
    )  # fmt: skip


def join(c: Draw) -> str:
    a = c.any()
    shape = tuple(c.tensor(a).shape)
    b = c.of(lambda t: tuple(t.shape) == shape or tuple(t.shape) == (0,))
    return f"T.{c.pick('cat', 'stack', 'cat')}([{a}, {b}], dim={c.dim(a)})"


def lookup(c: Draw) -> str:
    a = c.with_dims(1)
    dim = c.dim(a)
    size = c.size(a, dim)
    positions = [c.rng.randrange(-1 if c.rng.random() < 0.1 else 0, max(size, 1)) for _ in range(3)]
    kind = c.pick("int64", "int64", "int32", "uint8")
    shape = [1] * c.tensor(a).ndim
    shape[dim] = 3
    at = f"T.tensor({positions}, dtype=T.int64)"
    return c.pick(
        f"{a}.index_select({dim}, {at})", f"{a}.gather({dim}, {at}.reshape({shape}))",
        f"{a}[T.tensor({positions}, dtype=T.{kind})]",
    )  # fmt: skip


def cast(c: Draw) -> str:
    a = c.any()
    return c.pick(f"{a}.detach()", f"{a}.to({c.dtype()})", f"{a}.float()", f"{a}.double()",
                  f"{a}.long()")  # fmt: skip


def create(c: Draw) -> str:
    a = c.any()
    sizes = [c.pick(0, 1, 2, 3) for _ in range(c.pick(1, 2))]
    start, end, step = c.pick(0, 0.5, -1), c.pick(3, 5, 2.5), c.pick(1, 0.5, 2.5, 2)
    return c.pick(
        f"T.arange({start}, {end}, {step}, dtype={c.dtype()})", f"T.arange({start}, {end}, {step})",
        f"T.full({sizes}, {c.scalar()})", f"T.full_like({a}, {c.scalar()})",
        f"T.full({sizes}, {c.scalar()}, dtype={c.dtype()})", f"T.zeros_like({a})",
        f"T.ones({sizes}, dtype={c.dtype()})", f"T.linspace(0, 1, {c.pick(1, 2, 5)})",
        f"T.eye({c.pick(1, 3)})",
    )  # fmt: skip


def product(c: Draw) -> str:
    a = c.wide()
    b = c.of(lambda t: dtype_of(t) == dtype_of(c.tensor(a)))
    return c.pick(f"{a} @ {b}", f"T.mm({a}, {b})", f"F.linear({a}, {b})", f"{a} @ {b}.mT")


def window(c: Draw) -> str:
    x = c.image()
    k, s, p = c.pick(1, 2, 3), c.pick(1, 2, 3), c.pick(0, 0, 1)
    channels, dtype = c.tensor(x).shape[1], dtype_of(c.tensor(x))
    w = f"T.linspace(-1, 1, {2 * channels * k * k}, dtype=T.{dtype})"
    options = f"stride={s}, padding={p}"
    mode = c.pick("constant", "reflect", "replicate", "circular")
    scale = c.pick("scale_factor=2", "size=(2, 3)", "scale_factor=0.5")
    return c.pick(
        f"F.conv2d({x}, {w}.reshape(2, {channels}, {k}, {k}), {options}, dilation={c.pick(1, 2)})",
        f"F.conv2d({x}, {w}.reshape({2 * channels}, 1, {k}, {k}), {options}, groups={channels})",
        f"F.conv_transpose2d({x}, {w}.reshape({channels}, 2, {k}, {k}), {options})",
        f"F.max_pool2d({x}, {k}, {options}, ceil_mode={c.pick(True, False)})",
        f"F.avg_pool2d({x}, {k}, {options}, count_include_pad={c.pick(True, False)})",
        f"F.adaptive_avg_pool2d({x}, {c.pick(1, 2, (2, 1))})",
        f"F.adaptive_max_pool2d({x}, {c.pick(1, 2, (2, 1))})",
        f"F.unfold({x}, {k}, {options})", f"F.interpolate({x}, {scale}, mode='nearest')",
        f"F.interpolate({x}, {scale}, mode='bilinear', align_corners={c.pick(True, False)})",
        f"F.pad({x}, (1, 1, 1, 0), mode={mode!r})", f"F.pad({c.any()}, (1, 0), value={c.scalar()})",
        f"F.max_pool2d({x}, 2, return_indices=True)[1]",
    )  # fmt: skip


def normalised(c: Draw) -> str:
    x = c.of(lambda t: t.ndim >= 2 and dtype_of(t) in FLOATS)
    shape, dtype = tuple(c.tensor(x).shape), dtype_of(c.tensor(x))
    one = f"T.linspace(0.5, 2, {shape[1]}, dtype=T.{dtype})"
    return c.pick(
        f"F.batch_norm({x}, None, None, {one}, {one}, training=True)",
        f"F.batch_norm({x}, {one}, {one}, {one}, None)", f"F.layer_norm({x}, {shape[-1:]})",
        f"F.instance_norm({x})", f"F.group_norm({x}, 1)", f"F.normalize({x}, dim={c.dim(x)})",
    )  # fmt: skip


def activation(c: Draw) -> str:
    return f"F.{c.pick(*ACTIVATIONS)}({c.float()})"


def loss(c: Draw) -> str:
    a = c.wide()
    shape, dtype = tuple(c.tensor(a).shape), dtype_of(c.tensor(a))
    b = c.of(lambda t: tuple(t.shape) == shape and dtype_of(t) == dtype)
    how = f"reduction={c.pick('mean', 'sum', 'none')!r}"
    two = c.of(lambda t: t.ndim == 2 and dtype_of(t) in FLOATS)
    rows, classes = c.tensor(two).shape
    if not classes:
        raise NoChoice
    labels = [c.rng.randrange(max(classes, 1)) for _ in range(rows)]
    return c.pick(
        f"F.mse_loss({a}, {b}, {how})", f"F.l1_loss({a}, {b}, {how})",
        f"F.smooth_l1_loss({a}, {b}, {how})", f"F.huber_loss({a}, {b}, {how})",
        f"F.kl_div({a}, {b}, {how})", f"F.binary_cross_entropy_with_logits({a}, {b}, {how})",
        f"F.binary_cross_entropy(T.sigmoid({a}), T.sigmoid({b}), {how})",
        f"F.cross_entropy({two}, T.tensor({labels}, dtype=T.int64), {how})",
        f"F.cross_entropy({two}, T.tensor({labels}, dtype=T.int64), T.linspace(0.5, 2, {classes}, "
        f"dtype={two}.dtype), {how}, ignore_index={c.pick(0, -100)}, label_smoothing=0.1)",
        f"F.nll_loss({two}, T.tensor({labels}, dtype=T.int64), {how})",
        f"F.nll_loss({two}, T.tensor({labels}, dtype=T.int64), T.linspace(0.5, 2, {classes}, "
        f"dtype={two}.dtype), {how})",
        f"F.cross_entropy({a}, {b}, {how})" if c.tensor(a).numel() else f"F.mse_loss({a}, {b})",
        f"F.cosine_similarity({a}, {b}, dim={c.dim(a)})",
    )  # fmt: skip


VALUES = (
    (a_leaf, 3), (unary, 5), (binary, 7), (compare, 2), (logical, 1), (extremes, 2), (clamp, 2),
    (choose, 2), (reduction, 4), (share, 1), (view, 8), (join, 2), (lookup, 2), (cast, 1),
    (create, 1), (product, 1), (window, 4), (normalised, 2), (activation, 2), (loss, 2),
)  # fmt: skip


def in_place(c: Draw) -> str:
    """A line that changes a tensor, or a part of it, where it lies."""
    a = c.any()
    value = c.like(a) if c.rng.random() < 0.5 else c.scalar()
    mask = c.of(lambda t: (dtype_of(t) == "bool" and fits(t, c.tensor(a))) or t is c.tensor(a))
    return c.pick(
        f"{a} {c.pick(*IN_PLACE)} {value}", f"{a} {c.pick(*IN_PLACE)} {value}",
        f"{a}[{c.index(a, True)}] = {value}", f"{a}[{c.index(a, True)}] = {c.scalar()}",
        f"{a}[{c.index(a, True)}] {c.pick(*IN_PLACE)} {c.scalar()}", f"{a}.fill_({c.scalar()})",
        f"{a}.{c.pick(*METHODS_IN_PLACE)}()", f"{a}.clamp_(-1, {c.scalar()})",
        f"{a}.copy_({value})", f"{a}.masked_fill_({mask}, {c.scalar()})",
        f"F.relu({a}, inplace=True)", f"{a}[{a} > 0] = {c.scalar()}",
    )  # fmt: skip


# Lines with derivatives of every order, for central differences.


def smooth_leaf(c: Draw) -> str:
    shape = c.pick((3,), (2, 3), (1, 3), (3, 1), (2, 1, 3), (1, 2, 4, 4), ())
    values = [round(c.rng.uniform(-1, 1), 3) for _ in range(int(np.prod(shape)))]
    text = repr(np.array(values).reshape(shape).tolist())
    order = list(range(len(shape)))
    c.rng.shuffle(order)
    permuted = f".permute({order})" if c.rng.random() < 0.3 else ""
    return f"T.tensor({text}, dtype=T.float64){permuted}.requires_grad_()"


def smooth_values(c: Draw) -> str:
    a = c.float()
    b = c.like(a)
    dim = c.dim(a)
    return c.pick(
        f"T.{c.pick(*SMOOTH)}({a})", f"{a} {c.pick('+', '-', '*')} {b}", f"{a} / ({b} * {b} + 1)",
        f"({a} * {a} + 1) ** 0.5", f"T.where(T.tensor([True]), {a}, {b})", f"{a}.sum(dim={dim})",
        f"{a}.mean(dim={dim}, keepdim=True)", f"T.softmax({a}, dim={dim})", f"{a}.logsumexp({dim})",
        f"F.{c.pick('gelu', 'silu', 'softplus')}({a})", f"T.log_softmax({a}, dim={dim})",
    )  # fmt: skip


def smooth_spatial(c: Draw) -> str:
    x = c.image()
    n = c.tensor(x).shape[1]
    w = f"T.sin(T.linspace(-1, 1, {2 * n * 4}, dtype=T.float64) * 9)"
    s = c.pick(1, 2)
    return c.pick(
        f"F.conv2d({x}, {w}.reshape(2, {n}, 2, 2), stride={s}, padding=1)",
        f"F.conv_transpose2d({x}, {w}.reshape({n}, 2, 2, 2), stride={s})",
        f"F.avg_pool2d({x}, 2, {s}, padding=1)", f"F.group_norm({x}, 1)",
        f"F.interpolate({x}, size=(3, 5), mode='bilinear')", f"F.unfold({x}, 2, stride={s})",
        f"F.batch_norm({x}, None, None, training=True)", f"F.pad({x}, (1, 1), mode='reflect')",
    )  # fmt: skip


def smooth_in_place(c: Draw) -> str:
    a = c.float()
    return c.pick(f"{a} {c.pick('+=', '-=', '*=')} {c.like(a)}", f"{a}.sigmoid_()",
                  f"{a}[{c.index(a, True)}] {c.pick('+=', '*=')} 0.5",
                  f"{a}[{c.index(a, True)}] = 0.25",
                  f"{a}.tanh_()", f"{a} /= 2", f"{a}.copy_({c.like(a)})")  # fmt: skip


SMOOTH_VALUES = ((smooth_values, 6), (smooth_spatial, 3), (view, 4), (join, 1), (product, 1))


# --- a program ------------------------------------------------------------------------------------


def write(seed: int, frameworks: list[Any], smooth: bool = False) -> tuple[list[str], list[Run]]:
    """5 to 15 lines after one to three leaves, and each framework's run of them.

    The first framework is asked what shapes there are. A line that every framework refuses is left
    out; a line that only one refuses is the last. A smooth program has derivatives everywhere, so
    that central differences can check them.
    """
    rng = random.Random(seed)
    runs = [Run(framework) for framework in frameworks]
    draw = Draw(rng, runs[0])
    lines: list[str] = []
    steps = [smooth_leaf if smooth else a_leaf] * rng.randint(1, 3)
    kinds, weights = zip(*(SMOOTH_VALUES if smooth else VALUES), strict=True)
    change = smooth_in_place if smooth else in_place
    for _ in range(rng.randint(5, 15)):
        steps.append(change if rng.random() < 0.2 else rng.choices(kinds, weights)[0])
    for step in steps:
        try:
            line = step(draw)
        except NoChoice:
            continue
        if step is not change:
            line = f"v{len(lines)} = {line}"
        errors = [run.do(line) for run in runs]
        if all(errors):
            continue
        lines.append(line)
        if any(errors):
            break
        if any(tensor.numel() > LARGEST for tensor in runs[0].tensors().values()):
            break
    return lines, runs
