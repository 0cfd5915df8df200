"""The numbers of one convolution, forward and backward, and which of them are shown.

The numbers come from `conv2d`, `unfold`, `fold`, `pad` and `backward`. Before anything is shown,
three identities are checked: W·cols == y, G·colsᵀ == w.grad and fold(Wᵀ·G) == x.grad. Everything
is computed in float64.

Sizes: N samples, C input channels, O output channels, H × W input, KH × KW kernel, OH × OW output,
P = OH·OW windows, T = KH·KW taps, Cg = C/groups. G is the upstream gradient, of the shape of y.
"""
from __future__ import annotations

from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F

from .axis import GRID, Axis
from .texts import check_language

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
TABS = 8                    # samples or channels to choose from
TOLERANCE = 1e-9            # of the identities, relative to the largest number compared

Array = np.ndarray


def as_float64(what: str, value: Any) -> Array:
    """`value` (a tensor on any device, an array, nested lists) as a finite float64 array."""
    if isinstance(value, tinynet.Tensor):
        value = value.detach().cpu().array
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"explain.conv2d: {what} is not a rectangular array ({error}); every row "
                         "must have the same length") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"explain.conv2d: {what} has dtype {array.dtype}; it must hold real "
                        "numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"explain.conv2d: {what} holds nan or inf, which cannot be drawn; replace "
                         "them first")
    return array


def tensor64(array: Array, requires_grad: bool = False) -> Any:
    return tinynet.tensor(array, dtype=tinynet.float64, requires_grad=requires_grad)


def check_equal(left: str, got: Array, right: str, expected: Array) -> None:
    """Raise RuntimeError unless two ways to compute the same numbers agree."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    error = float(np.abs(got - expected).max(initial=0.0))
    if error > TOLERANCE * scale:
        raise RuntimeError(f"explain.conv2d: {left} and {right} differ by {error:.3g} (largest "
                           f"number: {scale:.3g}); they must be equal, so the page is not drawn: "
                           "please report this")


def pad(x: Any, rows: Axis, cols: Axis, mode: str) -> Any:
    """`F.pad` by the paddings of two axes, with the modes of `nn.Conv2d`."""
    margins = (cols.before, cols.after, rows.before, rows.after)
    return F.pad(x, margins, mode="constant" if mode == "zeros" else mode)


def pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if np.ndim(value) == 0 else (int(value[0]), int(value[-1]))


def view_key(axes: str, n: int, o: int, c: int) -> str:
    """The name of a view in the page's data: its numbers along `axes`, "0,2" for axes "no"."""
    return ",".join(str({"n": n, "o": o, "c": c}[axis]) for axis in axes)


def spread(count: int, most: int, wanted: int) -> list[int]:
    """At most `most` of `count` things, evenly spread, with the wanted one among them."""
    chosen = sorted({round(k) for k in np.linspace(0, count - 1, min(count, most))})
    chosen[min(range(len(chosen)), key=lambda k: abs(chosen[k] - wanted))] = wanted
    return chosen


class Convolution:
    """The numbers of one convolution.

    Attributes `y`, `dx`, `dw`, `db` hold the results as float64 numpy arrays (`db` also when the
    layer has no bias).
    """

    def __init__(self, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0,
                 dilation: Any = 1, groups: int = 1, padding_mode: str = "zeros",
                 grad_out: Any = None, *, name: str | None = None, lang: str = "en",
                 cell: tuple[int, int] | None = None, sample: int = 0, out_channel: int = 0,
                 relu: bool = False) -> None:
        check_language("explain.conv2d", lang)
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"explain.conv2d: padding_mode={padding_mode!r}; it must be one of "
                             f"{list(PADDING_MODES)}")
        self.name, self.lang, self.padding_mode = name, lang, padding_mode
        self.chosen, self.out_channel, self.relu = cell, out_channel, relu
        x, w = as_float64("x", x), as_float64("w", w)
        shapes = f"explain.conv2d: x has shape {x.shape} and w {w.shape}; "
        if x.ndim not in (2, 3, 4) or w.ndim not in (2, 4):
            raise ValueError(shapes + "x must be (H, W), (C, H, W) or (N, C, H, W) and w (KH, KW) "
                             "or (O, C/groups, KH, KW)")
        if x.size == 0 or w.size == 0:
            raise ValueError(shapes + "neither may be empty")
        self.x = x.reshape((1,) * (4 - x.ndim) + x.shape)
        self.w = w.reshape((1,) * (4 - w.ndim) + w.shape)
        self.b = None if b is None else as_float64("b", b)
        with tinynet.enable_grad():         # works under no_grad too
            leaves = [a if a is None else tensor64(a, True) for a in (self.x, self.w, self.b)]
            y = self._forward(leaves, stride, padding, dilation, groups, cell)
            self._backward(leaves, y, grad_out)
            self._check_identities()
        if not 0 <= sample < self.N:
            raise ValueError(f"explain.conv2d: sample={sample}, but x has {self.N} sample(s); "
                             f"it must be between 0 and {self.N - 1}")
        self._choose(sample)

    # -- the numbers -------------------------------------------------------------------------------

    def _forward(self, leaves: list[Any], stride: Any, padding: Any, dilation: Any, groups: int,
                 cell: Any) -> Any:
        """Set the geometry and return y."""
        # conv2d checks every argument, so it runs before anything here relies on them
        x, w, b = leaves
        y = F.conv2d(x, w, b, stride, padding, dilation, groups)
        sizes, kernel = self.x.shape[2:], self.w.shape[2:]
        self.stride, self.dilation, self.groups = pair(stride), pair(dilation), groups
        if padding == "same":
            extra = [d * (k - 1) for d, k in zip(self.dilation, kernel, strict=True)]
            margins = [(p // 2, p - p // 2) for p in extra]
        else:
            margins = [(p, p) for p in ((0, 0) if padding == "valid" else pair(padding))]
        row, col = (None, None) if cell is None else self._checked_cell(cell, y.shape[2:])
        (sh, sw), (dh, dw) = self.stride, self.dilation
        self.rows = Axis(sizes[0], kernel[0], sh, dh, *margins[0], row)
        self.cols = Axis(sizes[1], kernel[1], sw, dw, *margins[1], col)
        self.padded = any(before or after for before, after in margins)
        self.call = self._call(stride, padding, dilation, margins)
        if self.padding_mode != "zeros":
            y = self.convolve(self.pad(x), w, b, groups)
        self.y = np.array(y.detach().array)
        self.N, self.C = self.x.shape[:2]
        self.O, self.Cg = self.w.shape[:2]
        self.T, self.P = kernel[0] * kernel[1], y.shape[2] * y.shape[3]
        return y

    @staticmethod
    def _checked_cell(cell: Any, out: Any) -> Any:
        if len(cell) != 2 or not all(0 <= c < n for c, n in zip(cell, out, strict=True)):
            raise ValueError(f"explain.conv2d: cell={cell}, but the output is {out[0]} × {out[1]}; "
                             "it must be (row, column) of an output cell")
        return cell

    def _call(self, stride: Any, padding: Any, dilation: Any, margins: list[Any]) -> str:
        """The call that makes this convolution, without what equals the default."""
        given = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1),
                 "groups": (self.groups, 1)}
        source = "x"
        if self.padding_mode != "zeros":
            del given["padding"]
            (top, bottom), (left, right) = margins
            source = f"F.pad(x, ({left}, {right}, {top}, {bottom}), mode={self.padding_mode!r})"
        settings = []
        for key, (value, default) in given.items():
            if isinstance(value, (tuple, list)) and len(set(value)) == 1:
                value = value[0]                        # (2, 2) is written as 2
            if value != default:
                settings.append(f"{key}={value!r}")
        return f"F.conv2d({', '.join([source, 'w', *['b'] * (self.b is not None), *settings])})"

    def _backward(self, leaves: list[Any], y: Any, grad_out: Any) -> None:
        """Set G and the gradients dx, dw, db."""
        self.ones = grad_out is None
        g = np.ones_like(self.y) if self.ones else as_float64("grad_out", grad_out)
        missing = self.y.ndim - g.ndim
        if missing in (1, 2) and self.y.shape[:missing] == (1,) * missing:
            g = g.reshape((1,) * missing + g.shape)
        if g.shape != self.y.shape:
            raise ValueError(f"explain.conv2d: grad_out has shape {g.shape}, but y has shape "
                             f"{self.y.shape}; the gradient of the loss with respect to y has the "
                             "shape of y")
        self.g = g
        y.backward(tensor64(g))
        x, w, b = leaves
        self.dx, self.dw = np.array(x.grad.array), np.array(w.grad.array)
        self.db = g.sum((0, 2, 3))
        if b is not None:
            check_equal("the sum of G", self.db, "b.grad", b.grad.array)

    def _check_identities(self) -> None:
        """Compute y, dw and dx again as matrix products; keep the matrices for the page."""
        N, C, O, Cg, T, P, groups = self.N, self.C, self.O, self.Cg, self.T, self.P, self.groups
        xpad = self.pad(tensor64(self.x))
        self.xpad = np.array(xpad.array)
        self.size = (self.rows.padded, self.cols.padded)
        kernel = self.w.shape[2:]
        columns = np.array(F.unfold(xpad, kernel, self.dilation, 0, self.stride).array)
        # (N, C·T, P), with one axis more for the groups
        grouped = columns.reshape(N, groups, Cg * T, P)
        W = self.w.reshape(groups, O // groups, Cg * T)
        G = self.g.reshape(N, groups, O // groups, P)
        bias = 0.0 if self.b is None else self.b[None, :, None]
        check_equal("W·cols", (W @ grouped).reshape(N, O, P) + bias, "y", self.y.reshape(N, O, P))
        by_columns = (G @ grouped.swapaxes(2, 3)).sum(0).reshape(self.w.shape)
        check_equal("G·colsᵀ", by_columns, "w.grad", self.dw)
        dcols = (W.swapaxes(1, 2) @ G).reshape(N, C * T, P)
        self.dxpad = self.fold(dcols, self.size)
        x = tensor64(self.x, True)
        self.pad(x).backward(tensor64(self.dxpad))
        check_equal("fold(Wᵀ·G)", x.grad.array, "x.grad", self.dx)
        self.columns = columns.reshape(N, C, T, P)
        self.dcols = dcols.reshape(N, C, T, P)
        self.coverage = self.fold(np.ones((1, T, P)), self.size)[0, 0]
        # which pixel a padded cell shows: −1 for a constant
        places = np.arange(1.0, self.x[0, 0].size + 1).reshape(1, 1, *self.x.shape[2:])
        self.source = np.array(self.pad(tensor64(places)).array)[0, 0].astype(int) - 1

    def pad(self, x: Any) -> Any:
        return pad(x, self.rows, self.cols, self.padding_mode)

    def convolve(self, xpad: Any, w: Any, b: Any = None, groups: int = 1) -> Any:
        """`F.conv2d` with this stride and dilation, of an input that is already padded."""
        return F.conv2d(xpad, w, b, self.stride, 0, self.dilation, groups)

    def fold(self, columns: Array, size: tuple[int, int]) -> Array:
        kernel = self.w.shape[2:]
        x = F.fold(tensor64(columns), size, kernel, self.dilation, 0, self.stride)
        return np.array(x.array)

    # -- what is shown -----------------------------------------------------------------------------

    def _choose(self, sample: int) -> None:
        """Choose the samples, channels, windows and cells that are shown."""
        first = min(max(sample - TABS // 2, 0), max(self.N - TABS, 0))
        self.sample = sample
        self.samples = range(first, min(first + TABS, self.N))
        # spread over all groups, and over the output channels of each: as many of every group
        per_group = self.O // self.groups
        groups = spread(self.groups, TABS, self.group(self.out_channel))
        outs = spread(per_group, max(1, TABS // len(groups)), self.out_channel % per_group)
        self.outs = [group * per_group + o for group in groups for o in outs]
        rows, cols = self.rows, self.cols
        self.windows = [(i, j) for i in rows.windows for j in cols.windows]
        self.shown = [i * cols.out + j for i, j in self.windows]    # their places among all P
        self.cells = [(r, q) for r in rows.cells for q in cols.cells]
        # A window larger than the grid is shown in pages, but steps that go from cell to cell
        # visit only as many cells as fit one grid.
        self.visited = [(r, q) for r in rows.cells[:GRID] for q in cols.cells[:GRID]]
        self.taps = [(kh, kw) for kh in range(rows.kernel) for kw in range(cols.kernel)]
        self.hidden = self.P - len(self.shown)

    def group(self, o: int) -> int:
        return o // (self.O // self.groups)

    def ins(self, o: int) -> range:
        """The input channels that output channel o reads and that are shown."""
        first = self.group(o) * self.Cg
        return range(first, first + min(self.Cg, TABS))

    def views(self, axes: str) -> list[tuple[int, int, int]]:
        """One (sample, output channel, input channel) per choice along `axes`, e.g. "nc"."""
        views: dict[str, tuple[int, int, int]] = {}
        for n in self.samples:
            for o in self.outs:
                for c in self.ins(o):
                    views.setdefault(view_key(axes, n, o, c), (n, o, c))
        return list(views.values())

    def index(self, r: int, q: int) -> int:
        """The place of padded cell (r, q) in the shown part, −1 if the cell isn't shown."""
        rows, cols = self.rows.cells, self.cols.cells
        return (r - rows[0]) * len(cols) + q - cols[0] if r in rows and q in cols else -1

    def crop(self, padded: Array) -> Array:
        """The shown part of an array whose last two axes are those of the padded input."""
        rows, cols = self.rows.cells, self.cols.cells
        return padded[..., rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Where the input lies in the padded input."""
        (top, left), (H, W) = (self.rows.before, self.cols.before), self.x.shape[2:]
        return slice(top, top + H), slice(left, left + W)

    def outside(self, r: int, q: int) -> bool:
        """Whether padded cell (r, q) is padding."""
        return not (self.rows.is_pixel(r) and self.cols.is_pixel(q))

    def read_by(self, i: int, j: int) -> list[tuple[int, int]]:
        """The padded cells that window (i, j) reads, tap by tap."""
        return [(self.rows.cell(kh, i), self.cols.cell(kw, j)) for kh, kw in self.taps]
