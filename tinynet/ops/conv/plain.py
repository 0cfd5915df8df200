"""Convolution, forward and backward, by im2col.

Size letters (N C H W O OH OW KH KW) as in `geometry`. A convolution is one trilinear form,

    T(x, w, g) = <conv2d(x, w), g> = <x, conv2d_input_grad(g, w)> = <w, conv2d_weight_grad(x, g)>,

three maps, each linear in its two arguments. The derivative of any of them is one of the other two,
to every order. That is all of this file's calculus: six one-line gradients.

In matrix words, with ``cols = im2col(x)``: forward ``w @ cols``, weight gradient ``dy @ cols.T``,
input gradient ``col2im(w.T @ dy)``; groups add a leading axis. That plain way is written out first.
On the CPU the maps take the fast way, in `fast`, which gives the same numbers without ever making
all columns; the tests hold one against the other.
"""

import math
from typing import Any

import numpy as np

from ...arrays import empty, gpu as kernels, pieces
from ...autograd.engine import Primitive
from . import fast
from .channels import sum_channels
from .geometry import Geometry

# -------------------------------------------------------------------------------- columns and back


@kernels.on_gpu(kernels.im2col)
def im2col(xp: Any, x: Any, geometry: Geometry) -> Any:
    """What every position of the kernel sees: (N, C, H, W) -> (C, KH, KW, OH, OW, N).

    It *gathers*: a pixel under several positions is read several times. One copy for each tap
    serves all positions at once. Where a tap lies on the padding, it sees 0.
    """
    N, C = x.shape[:2]
    x = x.transpose(1, 2, 3, 0)
    cols = xp.zeros((C, geometry.KH, geometry.KW, geometry.OH, geometry.OW, N), x.dtype)
    for kh, out_rows, rows in geometry.taps_on_image(0):
        for kw, out_columns, columns in geometry.taps_on_image(1):
            cols[:, kh, kw, out_rows, out_columns] = x[:, rows, columns]
    return cols


@kernels.on_gpu(kernels.col2im)
def col2im(xp: Any, cols: Any, geometry: Geometry) -> Any:
    """The adjoint of `im2col`, (C, KH, KW, OH, OW, N) -> (N, C, H, W).

    It *scatters*: every entry is added to the pixel it came from, and a pixel under several
    positions gets the sum. Tap by tap no two positions meet the same pixel, so a plain ``+=`` on a
    slice loses nothing.
    """
    x = xp.zeros((cols.shape[0], geometry.H, geometry.W, cols.shape[-1]), cols.dtype)
    for kh, out_rows, rows in geometry.taps_on_image(0):
        for kw, out_columns, columns in geometry.taps_on_image(1):
            x[:, rows, columns] += cols[:, kh, kw, out_rows, out_columns]
    return x.transpose(3, 0, 1, 2)


# ----------------------------------------------------------------------------------- the plain trio

# Comments give the sizes of the products, which are (groups, ., .), or (., .) for one group: of a
# stack of matrices cupy.matmul copies those that lie transposed, and it knows no TF32 there.


def _product(xp: Any, a: Any, b: Any) -> Any:
    return xp.matmul(a[0], b[0]) if len(a) == 1 else xp.matmul(a, b)


def plain_conv2d(xp: Any, x: Any, w: Any, geometry: Geometry) -> Any:
    """y (N, O, OH, OW): an output is the sum of what its window sees, each value times its tap."""
    N, O, groups, OH, OW = x.shape[0], w.shape[0], geometry.groups, geometry.OH, geometry.OW
    w = w.reshape(groups, O // groups, -1)
    cols = im2col(xp, x, geometry).reshape(groups, w.shape[2], OH * OW * N)
    # (O/groups, OH·OW·N) = (O/groups, C/groups·KH·KW) @ (.., OH·OW·N)
    return _product(xp, w, cols).reshape(O, OH, OW, N).transpose(3, 0, 1, 2)


def plain_input_grad(xp: Any, dy: Any, w: Any, geometry: Geometry) -> Any:
    """dx (N, C, H, W): an output's gradient goes through all taps to the pixels its window saw."""
    (N, O, OH, OW), groups, KH, KW = dy.shape, geometry.groups, geometry.KH, geometry.KW
    dy = dy.transpose(1, 2, 3, 0).reshape(groups, O // groups, OH * OW * N)
    # (C/groups·KH·KW, OH·OW·N) = (.., O/groups) @ (O/groups, ..)
    cols = _product(xp, w.reshape(groups, O // groups, -1).transpose(0, 2, 1), dy)
    return col2im(xp, cols.reshape(w.shape[1] * groups, KH, KW, OH, OW, N), geometry)


def plain_weight_grad(xp: Any, x: Any, dy: Any, geometry: Geometry) -> Any:
    """dw (O, C/groups, KH, KW): a tap collects what it saw times the output's gradient.

    It collects over all positions and samples.
    """
    (N, O, OH, OW), groups, KH, KW = dy.shape, geometry.groups, geometry.KH, geometry.KW
    cols = im2col(xp, x, geometry).reshape(groups, x.shape[1] // groups * KH * KW, OH * OW * N)
    dy = dy.transpose(1, 2, 3, 0).reshape(groups, O // groups, OH * OW * N)
    if groups == 1:  # (O, C·KH·KW) = (O, OH·OW·N) @ (OH·OW·N, C·KH·KW)
        return xp.matmul(dy[0], cols[0].T).reshape(O, -1, KH, KW)
    # (groups, C/groups·KH·KW, O/groups), so that dy is copied for the product, and not the columns
    return xp.matmul(cols, dy.transpose(0, 2, 1)).transpose(0, 2, 1).reshape(O, -1, KH, KW)


# ------------------------------------------------------------------------ the trio and its calculus

# On a GPU the plain way is the fast way: one kernel launch makes all columns, and the whole
# convolution is one large product. Columns that would be too large are made slice by slice.


# Which of x, w and dy (0, 1 and 2) are a map's arguments, and which it makes.
_ROLES = {plain_conv2d: (0, 1, 2), plain_input_grad: (2, 1, 0), plain_weight_grad: (0, 2, 1)}


def by_slices(plain: Any, xp: Any, a: Any, b: Any, geometry: Geometry) -> Any:
    """`plain(xp, a, b, geometry)`, one of the trio, with columns up to `gpu.workspace_limit` bytes.

    It slices the batch, down to single samples. If one of those has too many columns, it slices
    the rows of its output, and then a row's pixels. One pixel's columns are made at once.
    """
    first, second, made = _ROLES[plain]
    C, O = (a.shape[1], b.shape[1]) if made == 1 else (b.shape[1] * geometry.groups, len(b))
    N, OH, OW = sizes = len(a), geometry.OH, geometry.OW
    pixel = C * geometry.KH * geometry.KW * a.itemsize  # bytes of an output pixel's columns
    if pixel * math.prod(sizes) <= kernels.workspace_limit or max(sizes) == 1:
        return plain(xp, a, b, geometry)
    axis = next(axis for axis, size in enumerate(sizes) if size > 1)
    fit = max(1, kernels.workspace_limit // (pixel * math.prod(sizes[axis + 1:])))
    shapes = (N, C, *geometry.size), (O, C // geometry.groups, *geometry.kernel), (N, O, OH, OW)
    whole = empty(xp, shapes[made], a.dtype, None if made == 1 else (1, 2, 3, 0))
    whole[...] = 0
    for part in pieces(sizes[axis], -(-sizes[axis] // fit)):
        # where the slice lies in x, w and dy
        at: Any = (..., ..., (slice(None),) * (axis + 1) + (part,)) if axis else (part, ..., part)
        view = whole[at[made]]
        view += by_slices(plain, xp, a[at[first]], b[at[second]],
            geometry.part(axis - 1, part) if axis else geometry)
    return whole


@Primitive
def conv2d(xp, x, w, b, *, geometry):
    if xp is np:
        return fast.forward(x, w, b, geometry)
    y = by_slices(plain_conv2d, xp, x, w, geometry)
    return y if b is None else y + b.reshape(-1, 1, 1)


@Primitive
def conv2d_input_grad(xp, dy, w, *, geometry):
    return (fast.input_grad(dy, w, geometry) if xp is np
        else by_slices(plain_input_grad, xp, dy, w, geometry))


@Primitive
def conv2d_weight_grad(xp, x, dy, *, geometry):
    return (fast.weight_grad(x, dy, geometry) if xp is np
        else by_slices(plain_weight_grad, xp, x, dy, geometry))


conv2d.derivatives(
    x=lambda g, w, geometry: conv2d_input_grad(g, w, geometry=geometry),
    w=lambda g, x, geometry: conv2d_weight_grad(x, g, geometry=geometry),
    b=lambda g: sum_channels(g, None))  # one b for all positions and samples: a sum, not a mean
conv2d_input_grad.derivatives(  # its result has the shape of x, and so has g
    dy=lambda g, w, geometry: conv2d(g, w, None, geometry=geometry),
    w=lambda g, dy, geometry: conv2d_weight_grad(g, dy, geometry=geometry))
conv2d_weight_grad.derivatives(  # its result has the shape of w, and so has g
    x=lambda g, dy, geometry: conv2d_input_grad(dy, g, geometry=geometry),
    dy=lambda g, x, geometry: conv2d(x, g, None, geometry=geometry))


# -------------------------------------------------------------------- the columns as public tensors


@Primitive
def unfold(xp, x, *, geometry):
    N, rows = x.shape[0], x.shape[1] * geometry.KH * geometry.KW
    cols = im2col(xp, x, geometry)  # (C, KH, KW, OH, OW, N)
    return cols.transpose(5, 0, 1, 2, 3, 4).reshape(N, rows, geometry.OH * geometry.OW)


@Primitive
def fold(xp, cols, *, geometry):
    C = cols.shape[1] // (geometry.KH * geometry.KW)
    sizes = (cols.shape[0], C, geometry.KH, geometry.KW, geometry.OH, geometry.OW)
    return col2im(xp, cols.reshape(sizes).transpose(1, 2, 3, 4, 5, 0), geometry)


unfold.derivatives(x=lambda g, geometry: fold(g, geometry=geometry))
fold.derivatives(cols=lambda g, geometry: unfold(g, geometry=geometry))
