"""Convolution, forward and backward, through columns.

Size letters:  N samples, C channels in, H x W pixels in, O channels out, OH x OW pixels out, KH x KW taps of the
kernel, G groups.

A convolution is one trilinear form,

    T(x, w, g) = <conv2d(x, w), g> = <x, conv2d_input_grad(g, w)> = <w, conv2d_weight_grad(x, g)>,

three maps, each linear in its two arguments; the derivative of any of them is one of the other two, to every order. That
is all of this file's calculus: six one-line gradients.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from ..autograd import Primitive
from .reductions import sum


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Where the taps of a kernel meet an image: made and checked once, by whoever takes the user's arguments.

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
    def OH(self) -> int:
        """Rows of the output: the positions where the whole (dilated) kernel lies on the padded image."""
        return (self.H + self.padding[0][0] + self.padding[0][1] - self.dilation[0] * (self.KH - 1) - 1) // self.stride[0] + 1

    @property
    def OW(self) -> int:
        """Columns of the output."""
        return (self.W + self.padding[1][0] + self.padding[1][1] - self.dilation[1] * (self.KW - 1) - 1) // self.stride[1] + 1

    def tap(self, kh: int, kw: int) -> tuple[slice, slice]:
        """The rows and columns of the padded image that meet tap (kh, kw), over all positions of the kernel."""
        top, left = kh * self.dilation[0], kw * self.dilation[1]
        (sh, sw), OH, OW = self.stride, self.OH, self.OW
        return slice(top, top + (OH - 1) * sh + 1, sh), slice(left, left + (OW - 1) * sw + 1, sw)


# ------------------------------------------------------------------------------------------ columns and back


def im2col(xp: Any, x: Any, geometry: Geometry) -> Any:
    """What every position of the kernel sees, side by side: (N, C, H, W) -> (C, KH, KW, OH, OW, N).

    It *gathers*: a pixel under several positions is read several times. One copy for each tap, which serves all
    positions at once.
    """
    N, C = x.shape[:2]
    padded = pad(xp, x, geometry).transpose(1, 2, 3, 0)  # (C, H', W', N)
    cols = xp.empty((C, geometry.KH, geometry.KW, geometry.OH, geometry.OW, N), x.dtype)
    for kh in range(geometry.KH):
        for kw in range(geometry.KW):
            rows, columns = geometry.tap(kh, kw)
            cols[:, kh, kw] = padded[:, rows, columns]
    return cols


def col2im(xp: Any, cols: Any, geometry: Geometry) -> Any:
    """The adjoint of `im2col`: every column entry added back to the pixel it came from. -> (N, C, H, W)

    It *scatters*, and pixels under several positions must collect all of their shares. Tap by tap no two positions meet
    the same pixel, so that a plain ``+=`` on a slice loses nothing.
    """
    C, N = cols.shape[0], cols.shape[-1]
    (top, bottom), (left, right) = geometry.padding
    H, W = geometry.H, geometry.W
    padded = xp.zeros((C, H + top + bottom, W + left + right, N), cols.dtype)
    for kh in range(geometry.KH):
        for kw in range(geometry.KW):
            rows, columns = geometry.tap(kh, kw)
            padded[:, rows, columns] += cols[:, kh, kw]
    return padded[:, top : top + H, left : left + W].transpose(3, 0, 1, 2)


def pad(xp: Any, x: Any, geometry: Geometry, value: float = 0.0) -> Any:
    """`x` (N, C, H, W) with the padding of `geometry` round it, the batch innermost in memory; `x` itself if there is none."""
    (top, bottom), (left, right) = geometry.padding
    if not (top or bottom or left or right):
        return x
    N, C, H, W = x.shape
    padded = xp.full((C, H + top + bottom, W + left + right, N), value, x.dtype).transpose(3, 0, 1, 2)
    padded[:, :, top : top + H, left : left + W] = x
    return padded


# ------------------------------------------------------------------------------------------------- the trio


@Primitive
def conv2d(xp, x, w, b, *, geometry):
    O, _, KH, KW = w.shape
    N, C = x.shape[:2]
    G, K, OH, OW = geometry.groups, C // geometry.groups * KH * KW, geometry.OH, geometry.OW
    cols = im2col(xp, x, geometry).reshape(G, K, OH * OW * N)
    y = xp.matmul(w.reshape(G, O // G, K), cols)  # (G, O/G, OH·OW·N) = (G, O/G, K) @ (G, K, OH·OW·N)
    y = y.reshape(O, OH, OW, N)
    if b is not None:
        y += b.reshape(O, 1, 1, 1)
    return y.transpose(3, 0, 1, 2)


@Primitive
def conv2d_input_grad(xp, dy, w, *, geometry):
    O, _, KH, KW = w.shape
    N, G, OH, OW = dy.shape[0], geometry.groups, geometry.OH, geometry.OW
    K = w.shape[1] * KH * KW
    dy = dy.transpose(1, 2, 3, 0).reshape(G, O // G, OH * OW * N)
    cols = xp.matmul(w.reshape(G, O // G, K).transpose(0, 2, 1), dy)  # (G, K, OH·OW·N) = (G, K, O/G) @ (G, O/G, OH·OW·N)
    return col2im(xp, cols.reshape(-1, KH, KW, OH, OW, N), geometry)


@Primitive
def conv2d_weight_grad(xp, x, dy, *, geometry):
    N, O, OH, OW = dy.shape
    G, KH, KW = geometry.groups, geometry.KH, geometry.KW
    cols = im2col(xp, x, geometry).reshape(G, -1, OH * OW * N)
    dy = dy.transpose(1, 2, 3, 0).reshape(G, O // G, OH * OW * N)
    dw = xp.matmul(dy, cols.transpose(0, 2, 1))  # (G, O/G, K) = (G, O/G, OH·OW·N) @ (G, OH·OW·N, K)
    return dw.reshape(O, -1, KH, KW)


conv2d.derivatives(
    x=lambda g, w, geometry: conv2d_input_grad(g, w, geometry=geometry),
    w=lambda g, x, geometry: conv2d_weight_grad(x, g, geometry=geometry),
    b=lambda g: sum(g, (0, 2, 3)),  # one b for all positions and samples: a sum, not a mean
)
conv2d_input_grad.derivatives(  # its result has the shape of x, and so has g
    dy=lambda g, w, geometry: conv2d(g, w, None, geometry=geometry),
    w=lambda g, dy, geometry: conv2d_weight_grad(g, dy, geometry=geometry),
)
conv2d_weight_grad.derivatives(  # its result has the shape of w, and so has g
    x=lambda g, dy, geometry: conv2d_input_grad(dy, g, geometry=geometry),
    dy=lambda g, x, geometry: conv2d(x, g, None, geometry=geometry),
)


# ------------------------------------------------------------------------------- the columns as tensors, in public


@Primitive
def unfold(xp, x, *, geometry):
    cols = im2col(xp, x, geometry)  # (C, KH, KW, OH, OW, N)
    return cols.transpose(5, 0, 1, 2, 3, 4).reshape(x.shape[0], -1, geometry.OH * geometry.OW)


@Primitive
def fold(xp, cols, *, geometry):
    N, (KH, KW, OH, OW) = cols.shape[0], (geometry.KH, geometry.KW, geometry.OH, geometry.OW)
    return col2im(xp, cols.reshape(N, -1, KH, KW, OH, OW).transpose(1, 2, 3, 4, 5, 0), geometry)


unfold.derivatives(x=lambda g, geometry: fold(g, geometry=geometry))
fold.derivatives(cols=lambda g, geometry: unfold(g, geometry=geometry))
