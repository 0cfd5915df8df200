"""Where the taps of a kernel or window meet an image.

Size letters, here and in all of `ops`: N samples, C channels in, H x W pixels in, O channels out,
OH x OW pixels out, KH x KW taps of the kernel.
"""

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple


class Tap(NamedTuple):
    """Tap `k` along one axis, the outputs for which it lies on the image, the pixels it reads."""

    k: int
    outputs: slice
    pixels: slice


@dataclass(frozen=True, eq=False)  # equal only if identical: a cache hashes that faster
class Geometry:
    """All that a convolution or pooling needs to know besides its arrays.

    Whoever takes the user's arguments makes it and checks it. `padding` is
    ``((top, bottom), (left, right))``.
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
        """Number of positions along an axis where the (dilated) kernel lies on the padded image."""
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

    def part(self, axis: int, outputs: slice) -> "Geometry":
        """The geometry of some outputs along an axis: the same image, seen through other padding.

        Padding is negative where these outputs do not see the image to its edge:

        >>> Geometry(6, 6, 3, 3).part(0, slice(2, 4)).padding
        ((-2, 0), (0, 0))
        """
        padding, (near, far), step = [*self.padding], self.padding[axis], self.stride[axis]
        padding[axis] = near - outputs.start * step, far - (self.out(axis) - outputs.stop) * step
        return replace(self, padding=(padding[0], padding[1]))

    @functools.lru_cache(maxsize=1024)  # noqa: B019 - keeps geometries alive, which are small
    def taps_on_image(self, axis: int) -> list[Tap]:
        """The taps along one axis that ever lie on the image itself, not only on its padding.

        With 4 pixels, 3 taps and a padding of 1, the first tap of output 0 lies on the padding:

        >>> Geometry(4, 4, 3, 3, padding=((1, 1), (1, 1))).taps_on_image(0)[0]
        Tap(k=0, outputs=slice(1, 4, None), pixels=slice(0, 3, 1))
        """
        size, stride, n = self.size[axis], self.stride[axis], self.out(axis)
        taps = []
        for k in range(self.kernel[axis]):
            shift = k * self.dilation[axis] - self.padding[axis][0]  # of output 0's pixel
            first, last = max(0, -(shift // stride)), min(n, -((shift - size) // stride))
            if first < last:
                pixels = slice(first * stride + shift, (last - 1) * stride + shift + 1, stride)
                taps.append(Tap(k, slice(first, last), pixels))
        return taps
