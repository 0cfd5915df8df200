"""The numbers of one convolution, forward and backward, and the steps in which the page builds them up.

Everything rests on one relation: tap (kh, kw) of window (i, j) reads the padded cell (i·s + kh·d, j·s + kw·d). A step
singles out some of these (tap, window, cell) triples, and the page lights whatever occurs in them.

Numbers come from `conv2d`, `unfold`, `fold`, `pad` and `backward`; before anything is shown, the three identities
W·cols == y, G·colsᵀ == w.grad and fold(Wᵀ·G) == x.grad are checked. All of it runs in float64.

Sizes: N samples, C input channels, O output channels, H × W input, KH × KW kernel, OH × OW output, P = OH·OW windows,
T = KH·KW taps, G (upper case, an array) the gradient of the loss with respect to y.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import tinynet
import tinynet.nn.functional as F

from .texts import LANGUAGES

MODES = ("forward", "matrix", "dw", "dx", "dx_gather", "db", "borders")
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
GRID = 12                   # cells of a panel along one axis; more than this nobody can follow by eye
TABS = 8                    # samples or channels one can choose from
TOLERANCE = 1e-9            # of the identities, relative to the largest number compared

Array = np.ndarray


@dataclass(frozen=True)
class Axis:
    """One direction of the convolution (rows or columns), in padded coordinates, and which part of it is shown."""

    size: int
    kernel: int
    stride: int
    dilation: int
    low: int
    high: int
    chosen: int | None = None               # the output cell that must be shown; None: the middle one

    @property
    def padded(self) -> int:
        return self.low + self.size + self.high

    @property
    def extent(self) -> int:
        """Cells from the first to the last tap of one window."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def out(self) -> int:
        return (self.padded - self.extent) // self.stride + 1

    @property
    def left(self) -> int:
        """The remainder: places at the far end that no window reaches."""
        return (self.padded - self.extent) % self.stride

    @cached_property
    def windows(self) -> range:
        """The output indices that are shown: all, or as many round the chosen one as fit the grid."""
        if max(self.padded, self.out) <= GRID:
            return range(self.out)
        count = min(self.out, GRID, max(1, (GRID - self.extent) // self.stride + 1))
        chosen = self.out // 2 if self.chosen is None else self.chosen
        first = min(max(chosen - count // 2, 0), self.out - count)
        return range(first, first + count)

    @cached_property
    def cells(self) -> range:
        """The padded input indices that are shown: what the shown windows span."""
        if len(self.windows) == self.out and self.padded <= GRID:
            return range(self.padded)
        return range(self.windows[0] * self.stride, self.windows[-1] * self.stride + self.extent)

    def cell(self, tap: int, window: int) -> int:
        return window * self.stride + tap * self.dilation

    def taps(self, cell: int) -> list[tuple[int, int]]:
        """The (tap, window) pairs that read a padded cell, in the order of the windows."""
        pairs = [((cell - k * self.dilation) // self.stride, k) for k in range(self.kernel)
                 if (cell - k * self.dilation) % self.stride == 0]
        return [(k, i) for i, k in sorted(pairs) if 0 <= i < self.out]

    def slice(self, window: int) -> str:
        start = self.cell(0, window)
        return f"{start}:{start + self.extent}" + (f":{self.dilation}" if self.dilation > 1 else "")

    def formula(self) -> str:
        return (f"⌊({self.size} + {self.low} + {self.high} − {self.dilation}·({self.kernel} − 1) − 1) / {self.stride}⌋"
                f" + 1 = {self.out}")


def host(what: str, value: Any) -> Array:
    """`value` (a tensor on any device, an array, nested lists) as a finite float64 numpy array."""
    if isinstance(value, tinynet.Tensor):
        value = value.detach().cpu().array
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"explain.conv2d: {what} is not a rectangular array ({error}); every row needs the same length") \
            from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"explain.conv2d: {what} has dtype {array.dtype}; it must hold real numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"explain.conv2d: {what} holds nan or inf, which no picture can show; replace them first")
    return array


def leaf(array: Array) -> tinynet.Tensor:
    return tinynet.tensor(array, dtype=tinynet.float64, requires_grad=True)


def agree(left: str, got: Array, right: str, expected: Array) -> None:
    """Raise unless two ways to compute the same numbers give the same numbers."""
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    error = float(np.abs(got - expected).max(initial=0.0))
    if error > TOLERANCE * scale:
        raise RuntimeError(f"explain.conv2d: {left} and {right} differ by {error:.3g} (largest number: {scale:.3g}); "
                           "they must be equal, so the page is not drawn: please report this")


def pad(x: Any, rows: Axis, cols: Axis, mode: str) -> Any:
    return F.pad(x, (cols.low, cols.high, rows.low, rows.high), mode="constant" if mode == "zeros" else mode)


class Convolution:
    """The numbers of one convolution and the steps in which they come about.

    Attributes `y`, `dx`, `dw`, `db` hold the results as float64 numpy arrays (`db` also when the layer has no bias).
    """

    def __init__(self, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
                 padding_mode: str = "zeros", grad_out: Any = None, *, name: str | None = None, lang: str = "en",
                 cell: tuple[int, int] | None = None, sample: int = 0) -> None:
        if lang not in LANGUAGES:
            raise ValueError(f"explain.conv2d: lang={lang!r}; it must be one of {sorted(LANGUAGES)}")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"explain.conv2d: padding_mode={padding_mode!r}; it must be one of {list(PADDING_MODES)}")
        self.name, self.lang, self.padding_mode = name, lang, padding_mode
        x, w = host("x", x), host("w", w)
        if x.ndim not in (2, 3, 4) or w.ndim not in (2, 4):
            raise ValueError(f"explain.conv2d: x has shape {x.shape} and w {w.shape}; x must be (H, W), (C, H, W) or "
                             "(N, C, H, W) and w (KH, KW) or (O, C/groups, KH, KW)")
        self.x = x.reshape((1,) * (4 - x.ndim) + x.shape)
        self.w = w.reshape((1,) * (4 - w.ndim) + w.shape)
        self.b = None if b is None else host("b", b)
        if self.x.size == 0 or self.w.size == 0:
            raise ValueError(f"explain.conv2d: x has shape {x.shape} and w {w.shape}; nothing can be shown of empty arrays")
        with tinynet.enable_grad():                          # also when somebody explains under no_grad
            self._run(stride, padding, dilation, groups, grad_out, cell)
        if not 0 <= sample < self.N:
            raise ValueError(f"explain.conv2d: sample={sample}, but x has {self.N} sample(s); "
                             f"it must be between 0 and {self.N - 1}")
        self._choose(sample)

    # -- the numbers -------------------------------------------------------------------------------------------------

    def _run(self, stride: Any, padding: Any, dilation: Any, groups: int, grad_out: Any, cell: Any) -> None:
        """Forward and backward by the library, and the three identities."""
        zeros = self.padding_mode == "zeros"
        x, w = leaf(self.x), leaf(self.w)
        b = None if self.b is None else leaf(self.b)
        sizes, kernel = self.x.shape[2:], self.w.shape[2:]
        # conv2d checks every argument, so it runs before anything here relies on them
        y = F.conv2d(x, w, b, stride, padding, dilation, groups)
        (sh, sw), (dh, dw) = pair(stride), pair(dilation)
        if padding == "same":
            both_sides = [d * (k - 1) for d, k in zip((dh, dw), kernel, strict=True)]
            margins = [(p // 2, p - p // 2) for p in both_sides]
        else:
            margins = [(p, p) for p in ((0, 0) if padding == "valid" else pair(padding))]
        if cell is not None and not (len(cell) == 2 and all(0 <= c < n for c, n in zip(cell, y.shape[2:], strict=True))):
            raise ValueError(f"explain.conv2d: cell={cell}, but the output is {y.shape[2]} × {y.shape[3]}; "
                             "it must be (row, column) of an output cell")
        row, col = (None, None) if cell is None else cell
        self.rows = Axis(sizes[0], kernel[0], sh, dh, *margins[0], row)
        self.cols = Axis(sizes[1], kernel[1], sw, dw, *margins[1], col)
        self.groups = groups
        self.padded = any(low or high for low, high in margins)
        same = "same" if padding == "same" else None
        self.call = self._call(stride, same or padding, dilation, groups, margins)
        if not zeros:
            y = F.conv2d(pad(x, self.rows, self.cols, self.padding_mode), w, b, stride, 0, dilation, groups)
        self.y = np.array(y.detach().array)
        self.ones = grad_out is None
        self.g = np.ones_like(self.y) if self.ones else host("grad_out", grad_out)
        if self.g.ndim == 2 and self.y.shape[:2] == (1, 1):
            self.g = self.g[None, None]
        elif self.g.ndim == 3 and self.y.shape[0] == 1:
            self.g = self.g[None]
        if self.g.shape != self.y.shape:
            raise ValueError(f"explain.conv2d: grad_out has shape {self.g.shape}, but y has shape {self.y.shape}; "
                             "the gradient of the loss with respect to y has the shape of y")
        y.backward(tinynet.tensor(self.g, dtype=tinynet.float64))
        self.dx, self.dw = np.array(x.grad.array), np.array(w.grad.array)
        self.db = self.g.sum((0, 2, 3))
        if b is not None:
            agree("the sum of G", self.db, "b.grad", b.grad.array)
        N, C, _, _ = self.x.shape
        O, Cg, KH, KW = self.w.shape
        _, _, OH, OW = self.y.shape
        T, P = KH * KW, OH * OW
        self.N, self.C, self.O, self.Cg, self.T, self.P = N, C, O, Cg, T, P
        # the same numbers in matrix words; a leading axis for the groups
        xpad = pad(tinynet.tensor(self.x, dtype=tinynet.float64), self.rows, self.cols, self.padding_mode)
        self.xpad = np.array(xpad.array)
        geometry: dict[str, Any] = {"dilation": (dh, dw), "padding": 0, "stride": (sh, sw)}
        columns = np.array(F.unfold(xpad, (KH, KW), **geometry).array)                          # (N, C·T, P)
        grouped = columns.reshape(N, groups, Cg * T, P)
        W = self.w.reshape(groups, O // groups, Cg * T)
        G = self.g.reshape(N, groups, O // groups, P)
        bias = 0.0 if self.b is None else self.b[None, :, None]
        agree("W·cols", (W @ grouped).reshape(N, O, P) + bias, "y", self.y.reshape(N, O, P))
        agree("G·colsᵀ", (G @ grouped.swapaxes(2, 3)).sum(0).reshape(self.w.shape), "w.grad", self.dw)
        dcols = (W.swapaxes(1, 2) @ G).reshape(N, C * T, P)
        self.size = (self.rows.padded, self.cols.padded)
        self.geometry = {"kernel_size": (KH, KW), **geometry}
        self.dxpad = self._fold(dcols, self.size)
        transposed = leaf(self.x)
        pad(transposed, self.rows, self.cols, self.padding_mode).backward(tinynet.tensor(self.dxpad, dtype=tinynet.float64))
        agree("fold(Wᵀ·G)", transposed.grad.array, "x.grad", self.dx)
        self.columns = columns.reshape(N, C, T, P)
        self.dcols = dcols.reshape(N, C, T, P)
        self.coverage = self._fold(np.ones((1, T, P)), self.size)[0, 0]
        places = tinynet.arange(1, sizes[0] * sizes[1] + 1, dtype=tinynet.float64).reshape(1, 1, *sizes)
        # which pixel a padded cell shows: −1 for a constant
        self.source = np.array(pad(places, self.rows, self.cols, self.padding_mode).array)[0, 0].astype(int) - 1

    def _fold(self, columns: Array, size: tuple[int, int]) -> Array:
        return np.array(F.fold(tinynet.tensor(columns, dtype=tinynet.float64), size, **self.geometry).array)

    def _call(self, stride: Any, padding: Any, dilation: Any, groups: int, margins: list[tuple[int, int]]) -> str:
        given = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1), "groups": (groups, 1)}
        source = "x"
        if self.padding_mode != "zeros":
            del given["padding"]
            (top, bottom), (left, right) = margins
            source = f"F.pad(x, ({left}, {right}, {top}, {bottom}), mode={self.padding_mode!r})"
        # (2, 2) is said as 2, and what is the default isn't said
        said = {key: value[0] if isinstance(value, (tuple, list)) and len(set(value)) == 1 else value
                for key, (value, _) in given.items()}
        settings = [f"{key}={said[key]!r}" for key, (_, default) in given.items() if said[key] != default]
        return f"F.conv2d({', '.join([source, 'w', *(['b'] if self.b is not None else []), *settings])})"

    def _choose(self, sample: int) -> None:
        """Which samples, channels, windows and cells are shown."""
        first = min(max(sample - TABS // 2, 0), max(self.N - TABS, 0))
        self.sample = sample
        self.samples = range(first, min(first + TABS, self.N))
        # spread over all output channels, so that every group has its turn
        self.outs = sorted({round(o) for o in np.linspace(0, self.O - 1, min(self.O, TABS))})
        self.windows = [(i, j) for i in self.rows.windows for j in self.cols.windows]
        self.shown = [i * self.cols.out + j for i, j in self.windows]           # their places among all P windows
        self.cells = [(r, q) for r in self.rows.cells for q in self.cols.cells]
        # a window larger than the grid is shown whole (one can page), but steps that go from cell to cell visit a grid of it
        self.visited = [(r, q) for r in self.rows.cells[:GRID] for q in self.cols.cells[:GRID]]
        self.taps = [(kh, kw) for kh in range(self.rows.kernel) for kw in range(self.cols.kernel)]
        self.hidden = self.P - len(self.shown)

    def group(self, o: int) -> int:
        return o // (self.O // self.groups)

    def ins(self, o: int) -> range:
        """The input channels that output channel o sees and that are shown."""
        first = self.group(o) * self.Cg
        return range(first, first + min(self.Cg, TABS))

    def views(self, axes: str) -> list[tuple[int, int, int]]:
        """One (sample, output channel, input channel) for each different choice along the named axes, e.g. "nc"."""
        seen: dict[str, tuple[int, int, int]] = {}
        for n in self.samples:
            for o in self.outs:
                for c in self.ins(o):
                    seen.setdefault(view_key(axes, n, o, c), (n, o, c))
        return list(seen.values())

    def index(self, r: int, q: int) -> int:
        """The place of padded cell (r, q) in the shown part, −1 if it isn't shown."""
        rows, cols = self.rows.cells, self.cols.cells
        return (r - rows[0]) * len(cols) + q - cols[0] if r in rows and q in cols else -1

    def crop(self, padded: Array) -> Array:
        """The shown part of an array whose last two axes are the padded input's."""
        rows, cols = self.rows.cells, self.cols.cells
        return padded[..., rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]

    def outside(self, r: int, q: int) -> bool:
        """Whether padded cell (r, q) is padding."""
        return not (0 <= r - self.rows.low < self.rows.size and 0 <= q - self.cols.low < self.cols.size)

    def read_by(self, i: int, j: int) -> list[tuple[int, int]]:
        """The padded cells that window (i, j) reads, tap by tap."""
        return [(self.rows.cell(kh, i), self.cols.cell(kw, j)) for kh, kw in self.taps]

    # -- the steps: what each one is about, what it changes, what it says -------------------------------------------

    def focus(self, mode: str) -> list[dict[str, int]]:
        """What each step singles out: a window ``p``, a cell ``q`` and perhaps the cell ``to`` that it is added to."""
        if mode == "dx_gather":
            steps = [{"q": self.index(r, q)} for r, q in self.gathered()]
        elif mode == "borders":
            low, high = self.extremes()
            steps = [{"q": self.index(*low), **({} if low == high else {"to": self.index(*high)})}]
            steps += [{} for _ in self.remainders()]
            steps += [{"q": self.index(r, q), **({"to": to} if (to := self._copied(r, q)) >= 0 else {})}
                      for r, q in self.ring()]
        else:
            steps = [{"p": p} for p in range(len(self.windows))]
        return steps + [{}] * (mode in ("dx", "dx_gather") and self.padded)

    def changes(self, mode: str, n: int, o: int, c: int) -> tuple[list[Any], list[list[Any]]]:
        """How the accumulator of a mode starts, and the new values of the cells `touched` in each step (None: empty)."""
        if mode in ("forward", "matrix"):
            return [None] * len(self.shown), [[v] for v in self.y[n, o].reshape(-1)[self.shown]]
        if mode in ("dw", "db"):
            seen = self.columns[n, c][:, self.shown] if mode == "dw" else np.ones((1, len(self.shown)))
            end = self.dw[o, c - self.group(o) * self.Cg].reshape(-1) if mode == "dw" else self.db[[o]]
            adds = (self.g[n, o].reshape(-1)[self.shown] * seen).T                          # (shown windows, taps)
            # what other samples and hidden windows gave comes first, so that the last step is the whole gradient
            begin = self._others(n, o, c) if mode == "dw" else self.db[[o]] - adds.sum(0)
            states = begin + np.cumsum(adds, axis=0)
            agree(f"the last step of {mode}", states[-1], "the gradient of backward()", end)
            return begin.tolist(), states.tolist()
        dx, dxpad = self.crop(self._dx_on_padded(n, c)), self.crop(self.dxpad[n, c])
        last = [[None if self.outside(r, q) else dx.flat[k] for k, (r, q) in enumerate(self.cells)]] * self.padded
        if mode == "dx_gather":
            visited = set(self.visited)
            blank = [None if cell in visited else dxpad.flat[k] for k, cell in enumerate(self.cells)]
            return blank, [[dxpad.flat[self.index(r, q)]] for r, q in self.gathered()] + last
        if mode == "dx":
            start, states = self.scattered(n, c)
            steps = [[states[k].flat[self.index(r, q)] for r, q in self.read_by(i, j)]
                     for k, (i, j) in enumerate(self.windows)]
            return start.reshape(-1).tolist(), steps + last
        start, ring = self.folded_back(n, c)
        return self.crop(start).reshape(-1).tolist(), (
            [[] for _ in range(1 + len(self.remainders()))]
            + [[None, after] if self._copied(r, q) >= 0 else [None] for (r, q), (_, after) in ring.items()])

    def touched(self, mode: str) -> list[list[int]]:
        """The accumulator cells that each step changes, in the order of `changes`."""
        if mode in ("forward", "matrix"):
            return [[k] for k in range(len(self.windows))]
        if mode in ("dw", "db"):
            return [list(range(self.T if mode == "dw" else 1)) for _ in self.windows]
        if mode == "borders":
            return [[] for _ in range(1 + len(self.remainders()))] + [
                [self.index(r, q)] + [to] * (to >= 0) for r, q in self.ring() for to in [self._copied(r, q)]]
        every = [list(range(len(self.cells)))] * self.padded
        if mode == "dx_gather":
            return [[self.index(r, q)] for r, q in self.gathered()] + every
        return [[self.index(r, q) for r, q in self.read_by(i, j)] for i, j in self.windows] + every

    def counts(self, mode: str) -> tuple[list[int], list[list[int]], list[Any]]:
        """Contributions: of every cell before the first step, of the cells `touched` in each step, of every cell in all
        (None for a cell that the mode never visits)."""
        if mode in ("forward", "matrix", "borders"):
            return [], [], []
        if mode in ("dw", "db"):
            size, every = (self.T if mode == "dw" else 1), self.N * self.P
            before = every - len(self.shown)
            return [before] * size, [[before + k + 1] * size for k in range(len(self.shown))], [every] * size
        coverage = self.crop(self.coverage).astype(int).reshape(-1)
        last = [coverage.tolist()] * self.padded
        if mode == "dx_gather":
            steps = [[int(coverage[self.index(r, q)])] for r, q in self.gathered()]
            visited = set(self.gathered())
            in_all = [int(n) if cell in visited else None for cell, n in zip(self.cells, coverage, strict=True)]
            return [0] * len(coverage), steps + last, in_all
        windows = [[self.index(r, q) for r, q in self.read_by(i, j)] for i, j in self.windows]
        so_far = coverage.copy()
        for cells in windows:
            so_far[cells] -= 1
        before, steps = so_far.tolist(), []
        for cells in windows:
            so_far[cells] += 1
            steps.append(so_far[cells].tolist())
        return before, steps + last, coverage.tolist()

    def _others(self, n: int, o: int, c: int) -> Array:
        """What the windows not shown and the other samples give to dW[o, c]."""
        weights = self.g[:, o].reshape(self.N, self.P).copy()
        weights[n, self.shown] = 0.0
        return np.einsum("np,ntp->t", weights, self.columns[:, c])

    def scattered(self, n: int, c: int) -> tuple[Array, Array]:
        """dX (padded, shown part) before the first and after each step: fold of the columns so far."""
        hidden = self.dcols[n, c].copy()
        hidden[:, self.shown] = 0.0
        start = self.crop(self._fold(hidden[None], self.size)[0, 0])
        count = len(self.shown)
        so_far = np.tri(count)[:, None, :] * self.dcols[n, c][:, self.shown]                # (steps, taps, windows)
        states = start + self._fold(so_far, start.shape)[:, 0]
        agree("the last step of dx", states[-1], "the gradient of the padded input", self.crop(self.dxpad[n, c]))
        return start, states

    def _dx_on_padded(self, n: int, c: int) -> Array:
        framed = np.zeros(self.size)
        framed[self.inside()] = self.dx[n, c]
        return framed

    def inside(self) -> tuple[slice, slice]:
        return (slice(self.rows.low, self.rows.low + self.rows.size), slice(self.cols.low, self.cols.low + self.cols.size))

    def gathered(self) -> list[tuple[int, int]]:
        """The cells that the gather mode visits: the pixels, and the padding too where its gradient is used."""
        return [(r, q) for r, q in self.visited if self.padding_mode != "zeros" or not self.outside(r, q)]

    def ring(self) -> list[tuple[int, int]]:
        """The padding cells that the borders mode visits."""
        return [(r, q) for r, q in self.visited if self.outside(r, q)]

    def pixel(self, r: int, q: int) -> tuple[int, int] | None:
        """The padded coordinates of the pixel that padding cell (r, q) copies; None where padding is a constant."""
        place = int(self.source[r, q])
        return None if place < 0 else (place // self.cols.size + self.rows.low, place % self.cols.size + self.cols.low)

    def _copied(self, r: int, q: int) -> int:
        pixel = self.pixel(r, q)
        return -1 if pixel is None else self.index(*pixel)

    def folded_back(self, n: int, c: int) -> tuple[Array, dict[tuple[int, int], tuple[float, float]]]:
        """dX with its border, hidden padding folded back already; then (before, after) of the pixel each step adds to."""
        state = self.dxpad[n, c].copy()
        shown = set(self.ring())
        for r, q in np.argwhere(self.source >= 0).tolist():
            if self.outside(r, q) and (r, q) not in shown:
                state[self.pixel(r, q)] += state[r, q]
        start, steps = state.copy(), {}
        for r, q in self.ring():
            pixel = self.pixel(r, q)
            before = state[pixel] if pixel else 0.0
            if pixel:
                state[pixel] += state[r, q]
            steps[r, q] = (before, state[pixel] if pixel else 0.0)
        agree("the border folded back", state[self.inside()], "x.grad", self.dx[n, c])
        return start, steps

    def extremes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The shown pixels that the fewest and the most windows read."""
        pixels = [(r, q) for r, q in self.cells if not self.outside(r, q)]
        return min(pixels, key=lambda at: self.coverage[at]), max(pixels, key=lambda at: self.coverage[at])

    def remainders(self) -> list[tuple[Axis, str]]:
        return [(axis, kind) for axis, kind in ((self.rows, "row"), (self.cols, "col")) if axis.left]


def pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if np.ndim(value) == 0 else (int(value[0]), int(value[-1]))


def view_key(axes: str, n: int, o: int, c: int) -> str:
    """How a view is called in the page's data: its numbers along the named axes, e.g. "0,2" for axes "no"."""
    return ",".join(str({"n": n, "o": o, "c": c}[axis]) for axis in axes)
