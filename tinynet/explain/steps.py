"""The steps in which the page builds up the results of a convolution.

A mode is one way to look at the convolution. Each of its steps singles out a window or a cell, and
changes some cells of an accumulator: the panel that grows from step to step until it holds y, dX,
dW or db.
"""
from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from .axis import GRID, Axis
from .convolution import Array, Convolution, check_equal

MODES = ("forward", "matrix", "dw", "dx", "dx_gather", "db", "borders", "dw_gather")

Cell = tuple[int, int]                      # row and column in the padded input


class SteppedConvolution(Convolution):
    """A convolution and, for each mode, what every step is about and what it changes."""

    # -- the cells that the modes visit ------------------------------------------------------------

    @cached_property
    def footprints(self) -> list[list[int]]:
        """For each shown window, the places of the cells that it reads."""
        return [[self.index(*cell) for cell in self.read_by(*window)] for window in self.windows]

    @cached_property
    def gathered(self) -> list[Cell]:
        """The cells that "dx_gather" visits: pixels, and padding where its gradient is used."""
        return [(r, q) for r, q in self.visited
                if self.padding_mode != "zeros" or not self.outside(r, q)]

    @cached_property
    def visited_taps(self) -> list[int]:
        """The taps that "dw_gather" visits."""
        return [t for t, tap in enumerate(self.taps) if max(tap) < GRID]

    @cached_property
    def ring(self) -> list[Cell]:
        """The padding cells that "borders" visits."""
        return [(r, q) for r, q in self.visited if self.outside(r, q)]

    @cached_property
    def copies(self) -> list[tuple[int, int]]:
        """For each cell of the ring, its place and that of the pixel it copies (−1: none shown)."""
        pixels = [self.pixel(r, q) for r, q in self.ring]
        return [(self.index(r, q), -1 if pixel is None else self.index(*pixel))
                for (r, q), pixel in zip(self.ring, pixels, strict=True)]

    @cached_property
    def remainders(self) -> list[tuple[Axis, str]]:
        """The axes whose last cells no window reads."""
        return [(a, kind) for a, kind in ((self.rows, "row"), (self.cols, "col")) if a.remainder]

    def pixel(self, r: int, q: int) -> Cell | None:
        """The pixel that padding cell (r, q) copies; None where padding is a constant."""
        place = int(self.source[r, q])
        if place < 0:
            return None
        return place // self.cols.size + self.rows.before, place % self.cols.size + self.cols.before

    def busiest(self, cells: list[Cell], counts: list[int]) -> int:
        """The tap that tells most of a step of "dx": the one whose cell has the most contributions
        so far, then in all; of equals the one nearest to the middle. Pixels come before padding."""
        def rank(t: int) -> tuple[float, ...]:
            inside = not self.outside(*cells[t])
            return inside, counts[t], self.coverage[cells[t]], -abs(t - self.T // 2), -t
        return max(range(self.T), key=rank)

    def shown_g(self, n: int, o: int) -> Array:
        """The upstream gradient of the shown windows, as a matrix."""
        return self.g[n, o].reshape(-1)[self.shown].reshape(len(self.rows.windows), -1)

    def extremes(self) -> tuple[Cell, Cell]:
        """The shown pixels that the fewest and the most windows read."""
        pixels = [(r, q) for r, q in self.cells if not self.outside(r, q)]
        count = self.coverage.__getitem__
        return min(pixels, key=count), max(pixels, key=count)

    # -- what each step is about, and what it changes ----------------------------------------------

    def focus(self, mode: str) -> list[dict[str, int]]:
        """What each step singles out: a window ``p``, a tap ``t``, or a cell ``q`` and the cell
        ``to`` that the gradient of q is added to, if any."""
        if mode == "dx_gather":
            steps = [{"q": self.index(r, q)} for r, q in self.gathered]
        elif mode == "dw_gather":
            steps = [{"t": t} for t in self.visited_taps]
        elif mode == "borders":
            fewest, most = (self.index(*cell) for cell in self.extremes())
            pairs = [(fewest, -1 if fewest == most else most), *self.copies]
            steps = [{"q": q, "to": to} if to >= 0 else {"q": q} for q, to in pairs]
            steps[1:1] = [{} for _ in self.remainders]
        else:
            steps = [{"p": p} for p in range(len(self.windows))]
        return steps + [{}] * (mode in ("dx", "dx_gather") and self.padded)

    def touched(self, mode: str) -> list[list[int]]:
        """The accumulator cells that each step changes, in the order of `changes`."""
        if mode in ("forward", "matrix"):
            return [[k] for k in range(len(self.windows))]
        if mode in ("dw", "db"):
            return [list(range(self.T if mode == "dw" else 1)) for _ in self.windows]
        if mode == "dw_gather":
            return [[t] for t in self.visited_taps]
        if mode == "borders":
            unchanged: list[list[int]] = [[] for _ in range(1 + len(self.remainders))]
            return unchanged + [[q, to] if to >= 0 else [q] for q, to in self.copies]
        steps = self.footprints if mode == "dx" else [[self.index(*cell)] for cell in self.gathered]
        return steps + [list(range(len(self.cells)))] * self.padded

    def changes(self, mode: str, n: int, o: int, c: int) -> tuple[list[Any], list[list[Any]]]:
        """How the accumulator of a mode starts, and the new values of the cells `touched` in each
        step (None: empty)."""
        if mode in ("forward", "matrix"):
            return [None] * len(self.shown), [[v] for v in self.y[n, o].reshape(-1)[self.shown]]
        if mode in ("dw", "db"):
            return self._sums_over_windows(mode, n, o, c)
        if mode == "dw_gather":
            whole = self.dw[o, c - self.group(o) * self.Cg].reshape(-1).tolist()
            hidden = [None if t in self.visited_taps else v for t, v in enumerate(whole)]
            return hidden, [[whole[t]] for t in self.visited_taps]
        if mode == "borders":
            begin, ring = self.folded_back(n, c)
            steps: list[list[Any]] = [[] for _ in range(1 + len(self.remainders))]
            for (_, to), (_, after) in zip(self.copies, ring.values(), strict=True):
                steps.append([None, after] if to >= 0 else [None])
            return self.crop(begin).reshape(-1).tolist(), steps
        # the last step cuts the padding off, or adds its gradient to the pixels it copies
        framed = np.zeros(self.size)
        framed[self.pixels] = self.dx[n, c]
        dx, dxpad = self.crop(framed), self.crop(self.dxpad[n, c])
        last = [[None if self.outside(*cell) else dx.flat[k] for k, cell in enumerate(self.cells)]]
        last *= self.padded
        if mode == "dx_gather":
            visited = set(self.visited)
            blank = [None if cell in visited else dxpad.flat[k]
                     for k, cell in enumerate(self.cells)]
            return blank, [[dxpad.flat[self.index(*cell)]] for cell in self.gathered] + last
        start, states = self.scattered(n, c)
        values = [state.reshape(-1)[cells].tolist()
                  for state, cells in zip(states, self.footprints, strict=True)]
        return start.reshape(-1).tolist(), values + last

    def counts(self, mode: str) -> tuple[list[int], list[list[int]], list[Any]]:
        """How many contributions there are: in every cell before the first step, in the cells
        `touched` in each step, and in every cell at the end (None: the mode never visits it)."""
        if mode in ("forward", "matrix", "borders", "dw_gather"):
            return [], [], []
        if mode in ("dw", "db"):
            size, count = (self.T if mode == "dw" else 1), self.N * self.P
            first = count - len(self.shown)
            return [first] * size, [[first + k + 1] * size for k in range(len(self.shown))], \
                [count] * size
        coverage = self.crop(self.coverage).astype(int).reshape(-1)
        last = [coverage.tolist()] * self.padded
        if mode == "dx_gather":
            places = [self.index(*cell) for cell in self.gathered]
            at_end: list[Any] = [None] * len(coverage)
            for k in places:
                at_end[k] = int(coverage[k])
            return [0] * len(coverage), [[at_end[k]] for k in places] + last, at_end
        so_far = coverage.copy()
        for cells in self.footprints:
            so_far[cells] -= 1
        before, steps = so_far.tolist(), []
        for cells in self.footprints:
            so_far[cells] += 1
            steps.append(so_far[cells].tolist())
        return before, steps + last, coverage.tolist()

    # -- the accumulators --------------------------------------------------------------------------

    def _sums_over_windows(self, mode: str, n: int, o: int, c: int) -> tuple[list[Any], list[Any]]:
        """dW[o, c] or db[o], window by window.

        The other samples and the hidden windows come first, so the last step is the whole gradient.
        """
        if mode == "dw":
            end = self.dw[o, c - self.group(o) * self.Cg].reshape(-1)
            read = self.columns[n, c][:, self.shown]
            others = self.g[:, o].reshape(self.N, self.P).copy()
            others[n, self.shown] = 0.0
            begin = np.einsum("np,ntp->t", others, self.columns[:, c])
        else:
            end, read = self.db[[o]], np.ones((1, len(self.shown)))
            begin = end - self.g[n, o].reshape(-1)[self.shown].sum()
        terms = (self.g[n, o].reshape(-1)[self.shown] * read).T             # (shown windows, taps)
        states = begin + np.cumsum(terms, axis=0)
        check_equal(f"the last step of {mode}", states[-1], "the gradient of backward()", end)
        return begin.tolist(), states.tolist()

    def scattered(self, n: int, c: int) -> tuple[Array, Array]:
        """dX (padded, shown part) before the first and after each step: fold of the columns so
        far."""
        hidden = self.dcols[n, c].copy()
        hidden[:, self.shown] = 0.0
        start = self.crop(self.fold(hidden[None], self.size)[0, 0])
        upto = np.tri(len(self.shown))[:, None, :]                          # (steps, 1, windows)
        states = start + self.fold(upto * self.dcols[n, c][:, self.shown], start.shape)[:, 0]
        check_equal("the last step of dx", states[-1], "the gradient of the padded input",
                    self.crop(self.dxpad[n, c]))
        return start, states

    def folded_back(self, n: int, c: int) -> tuple[Array, dict[Cell, tuple[float, float]]]:
        """dX with its border; then, for each padding cell of the ring, the gradient of the pixel it
        copies, before and after the cell's gradient is added. Hidden padding is added first."""
        state = self.dxpad[n, c].copy()
        ring = set(self.ring)
        for r, q in np.argwhere(self.source >= 0).tolist():
            if self.outside(r, q) and (r, q) not in ring:
                state[self.pixel(r, q)] += state[r, q]
        start, steps = state.copy(), {}
        for r, q in self.ring:
            pixel = self.pixel(r, q)
            if pixel is None:
                steps[r, q] = (0.0, 0.0)
                continue
            before = state[pixel]
            state[pixel] += state[r, q]
            steps[r, q] = (before, state[pixel])
        check_equal("the border folded back", state[self.pixels], "x.grad", self.dx[n, c])
        return start, steps
