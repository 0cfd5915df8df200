"""One direction of a convolution, rows or columns: where each tap of each window reads.

Everything that the page shows follows from one rule: tap k of window i reads the padded cell
i·stride + k·dilation.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

GRID = 12                   # cells of a panel along one axis; the eye cannot follow more


@dataclass(frozen=True)
class Axis:
    """The sizes along one axis, and which windows and cells are shown. Cells count the padding."""

    size: int                               # of the input, without padding
    kernel: int
    stride: int
    dilation: int
    before: int                             # padding cells before the first pixel
    after: int                              # and after the last
    chosen: int | None = None               # the window that must be shown; None: the middle one

    @property
    def padded(self) -> int:
        return self.before + self.size + self.after

    @property
    def extent(self) -> int:
        """Cells from the first to the last tap of one window."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def out(self) -> int:
        return (self.padded - self.extent) // self.stride + 1

    @property
    def remainder(self) -> int:
        """Cells at the far end that no window reaches, because the stride does not divide."""
        return (self.padded - self.extent) % self.stride

    @cached_property
    def middle(self) -> int:
        """The window around which a large axis is cropped."""
        return self.out // 2 if self.chosen is None else self.chosen

    @cached_property
    def windows(self) -> range:
        """The windows that are shown: all, or as many around the middle one as fit the grid."""
        if max(self.padded, self.out) <= GRID:
            return range(self.out)
        count = min(self.out, GRID, max(1, (GRID - self.extent) // self.stride + 1))
        first = min(max(self.middle - count // 2, 0), self.out - count)
        return range(first, first + count)

    @cached_property
    def cells(self) -> range:
        """The padded cells that are shown: those between the ends of the shown windows."""
        if len(self.windows) == self.out and self.padded <= GRID:
            return range(self.padded)
        last = self.windows[-1] * self.stride + self.extent
        return range(self.windows[0] * self.stride, last)

    @cached_property
    def shown_pixels(self) -> list[int]:
        """The shown cells that are pixels, not padding."""
        return [r for r in self.cells if self.is_pixel(r)]

    def is_pixel(self, cell: int) -> bool:
        return 0 <= cell - self.before < self.size

    def cell(self, tap: int, window: int) -> int:
        return window * self.stride + tap * self.dilation

    def readers(self, cell: int) -> list[tuple[int, int]]:
        """The (tap, window) pairs that read a padded cell, in the order of the windows."""
        starts = [(cell - k * self.dilation, k) for k in range(self.kernel)]
        windows = sorted((s // self.stride, k) for s, k in starts if s % self.stride == 0)
        return [(k, i) for i, k in windows if 0 <= i < self.out]

    def slice(self, window: int) -> str:
        """The cells that a window reads, written as a slice: ``2:5`` or ``2:7:2``."""
        start = self.cell(0, window)
        return f"{start}:{start + self.extent}" + f":{self.dilation}" * (self.dilation > 1)

    def formula(self) -> str:
        """The output size, computed step by step."""
        return (f"⌊({self.size} + {self.before} + {self.after} − "
                f"{self.dilation}·({self.kernel} − 1) − 1) / {self.stride}⌋ + 1 = {self.out}")
