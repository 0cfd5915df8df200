"""Gradients measured instead of derived: dX, dW and db by central differences, and dX under each
padding mode."""
from __future__ import annotations

from typing import Any

import numpy as np

from .convolution import PADDING_MODES, Array, Convolution, pad, tensor64, view_key
from .sentences import rounded_values

H = 2.0 ** -10              # the step: a power of two, so whole numbers stay exact
CHECK_BUDGET = 3e8          # multiplications; beyond it, one cell per grid is checked


class Comparison:
    """Central differences of the loss ⟨y, G⟩ against `backward()`, and the largest error so far."""

    def __init__(self) -> None:
        self.worst, self.count = 0.0, 0

    def rows(self, analytic: Array, losses: Array) -> list[list[str]]:
        """(gradient, central difference, error) as texts; `losses` are those of the numbers moved
        by +H, then of the same numbers moved by −H."""
        up, down = losses.reshape(2, -1)
        numeric = (up - down) / (2 * H)
        errors = np.abs(numeric - analytic)
        self.worst, self.count = max(self.worst, float(errors.max())), self.count + len(errors)
        return [[f"{a:.6g}".replace("-", "−"), f"{v:.6f}".replace("-", "−"), f"{error:.1e}"]
                for a, v, error in zip(analytic, numeric, errors, strict=True)]


def check(e: Convolution) -> dict[str, Any]:
    """Check every shown cell of dX, dW and db."""
    cells = [k for k, cell in enumerate(e.cells) if not e.outside(*cell)]
    taps = list(range(e.T))
    forward = 2 * e.Cg * e.T * e.P                          # multiplications per output channel
    work = forward * (len(e.views("nc")) * len(cells) * e.O // e.groups
                      + len(e.views("oc")) * e.N * e.T)
    if work > CHECK_BUDGET:
        cells, taps = [cells[len(cells) // 2]], [e.T // 2]
    compared = Comparison()
    dx, dw, db = {}, {}, {}
    places = np.array(e.cells)[cells].T - [[e.rows.before], [e.cols.before]]
    for n, o, c in e.views("nc"):
        group = c // e.Cg
        ins, outs = (slice(group * k, (group + 1) * k) for k in (e.Cg, e.O // e.groups))
        moved = moved_copies(e.x[n, ins], (c - group * e.Cg, *places))
        losses = (convolved(e, moved, e.w[outs]) * e.g[n, outs]).sum((1, 2, 3))
        rows = compared.rows(e.dx[n, c][tuple(places)], losses)
        dx[view_key("nc", n, o, c)] = dict(zip(cells, rows, strict=True))
    for n, o, c in e.views("oc"):
        first = e.group(o) * e.Cg
        place = (c - first, *np.array(e.taps)[taps].T)
        x = e.x[:, first:first + e.Cg]
        losses = (convolved(e, x, moved_copies(e.w[o], place)) * e.g[:, [o]]).sum((0, 2, 3))
        rows = compared.rows(e.dw[o][place], losses)
        dw[view_key("oc", n, o, c)] = dict(zip(taps, rows, strict=True))
    for o in e.outs:                                        # moving the bias moves all of y
        losses = np.array([((e.y[:, o] + h) * e.g[:, o]).sum() for h in (H, -H)])
        db[str(o)] = {0: compared.rows(e.db[[o]], losses)[0]}
    return {"dx": dx, "dw": dw, "db": db, "worst": f"{compared.worst:.1e}", "count": compared.count}


def moved_copies(array: Array, places: tuple[Any, ...]) -> Array:
    """Copies of `array` along a new first axis: one for each of its `places` moved by +H, then one
    for each moved by −H."""
    count = len(places[-1])
    copies = np.repeat(array[None], 2 * count, axis=0)
    copies[(np.arange(count), *places)] += H
    copies[(np.arange(count, 2 * count), *places)] -= H
    return copies


def convolved(e: Convolution, x: Array, w: Array) -> Array:
    return np.array(e.convolve(e.pad(tensor64(x)), tensor64(w)).array)


def compare(e: Convolution) -> dict[str, Any]:
    """dX as it would be under each padding mode; None where a mode is impossible, empty without
    padding."""
    results: dict[str, Any] = {}
    for mode in PADDING_MODES if e.padded else ():
        x = tensor64(e.x, requires_grad=True)
        try:
            padded = pad(x, e.rows, e.cols, mode)
        except (ValueError, RuntimeError):  # reflect and circular need a padding below the size
            results[mode] = None
            continue
        e.convolve(padded, tensor64(e.w), None, e.groups).backward(tensor64(e.g))
        rows, cols = ([r - a.before for r in a.shown_pixels] for a in (e.rows, e.cols))
        shown = np.array(x.grad.array)[:, :, rows[0]:rows[-1] + 1, cols[0]:cols[-1] + 1]
        views = {view_key("nc", n, o, c): rounded_values(shown[n, c].reshape(-1))
                 for n, o, c in e.views("nc")}
        results[mode] = {"rows": rows, "cols": cols, "views": views}
    return results
