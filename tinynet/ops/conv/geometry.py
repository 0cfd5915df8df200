"""Where the taps of a kernel or window meet an image.

Size letters, here and in all of `ops`:  N samples, C channels in, H x W pixels in, O channels out, OH x OW pixels out,
KH x KW taps of the kernel, G groups.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)  # compared, and remembered, by identity: that is quicker than by eight numbers
class Geometry:
    """All that a convolution or pooling needs to know besides its arrays: made and checked once, by whoever takes the user's arguments.

    `padding` is ``((top, bottom), (left, right))``.
    """

    H: int
    W: int
    KH: int
    KW: int
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.H, self.W

    @property
    def kernel(self) -> tuple[int, int]:
        """(KH, KW)."""
        return self.KH, self.KW

    def out(self, axis: int) -> int:
        """Positions along an axis at which the whole (dilated) kernel lies on the padded image."""
        cover = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (self.size[axis] + sum(self.padding[axis]) - cover) // self.stride[axis] + 1

    @functools.cached_property
    def OH(self) -> int:
        """Rows of the output."""
        return self.out(0)

    @functools.cached_property
    def OW(self) -> int:
        """Columns of the output."""
        return self.out(1)

    def tap(self, kh: int, kw: int) -> tuple[slice, slice]:
        """The rows and columns of the padded image that meet tap (kh, kw), over all positions of the kernel."""
        (sh, sw), (dh, dw) = self.stride, self.dilation
        return (
            slice(kh * dh, kh * dh + (self.OH - 1) * sh + 1, sh),
            slice(kw * dw, kw * dw + (self.OW - 1) * sw + 1, sw),
        )

    @functools.lru_cache(maxsize=1024)  # noqa: B019 - geometries are small
    def inside(self, axis: int) -> list[tuple[int, slice, slice]]:
        """For each tap along one axis that ever meets the image itself: the tap, the outputs for which it does, the pixels it meets then."""
        size, stride, n = self.size[axis], self.stride[axis], self.out(axis)
        taps = []
        for k in range(self.kernel[axis]):
            shift = k * self.dilation[axis] - self.padding[axis][0]
            first, last = max(0, -(shift // stride)), min(n, -((shift - size) // stride))
            if first < last:
                taps.append((k, slice(first, last), slice(first * stride + shift, (last - 1) * stride + shift + 1, stride)))
        return taps
