"""How a convolution learns: a page that shows it forward and backward, step by step, with real
numbers.

>>> import tinynet
>>> e = tinynet.explain.conv2d([[1, 2, 0], [0, 1, 2], [1, 2, 1]], [[1, 2], [0, 1]])
>>> e.steps("dx")[0]
'G[0,0] = 1 travels back through the 4 taps: dX[0:2,0:2] += 1·w. Cell (1,1): 0 → 1, contribution \
1 of 4. Windows overlap, so we add; assigning would keep only the last.'

`e.save("conv.html")` writes one self-contained file; a notebook shows `e` as a page, a terminal as
text.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet

from .explanation import Conv2dExplanation
from .graph import GraphExplanation, graph
from .network import NetworkExplanation, network
from .report import TrainingReport, report
from .watch import TrainingWatch, watch

__all__ = ["Conv2dExplanation", "GraphExplanation", "NetworkExplanation", "TrainingReport",
           "TrainingWatch", "conv2d", "graph", "layer", "network", "report", "watch"]


def conv2d(x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, padding_mode: str = "zeros", grad_out: Any = None, *,
           name: str | None = None, lang: str = "en", cell: tuple[int, int] | None = None,
           sample: int = 0) -> Conv2dExplanation:
    """Explain `F.conv2d(x, w, b, stride, padding, dilation, groups)` and its backward pass.

    Args:
        x: input (N, C, H, W), (C, H, W) or (H, W): a tensor on any device, an array, nested lists.
        w: weight (O, C/groups, KH, KW), or (KH, KW) for one kernel.
        b: bias (O,), or None.
        stride, padding, dilation, groups: as for `F.conv2d`; `padding` may be "same" or "valid".
        padding_mode: "zeros", "reflect", "replicate" or "circular", as for `nn.Conv2d`.
        grad_out: the upstream gradient G, of the shape of the output; None: ones.
        name: a title such as the layer's name.
        lang: "en" or "zh", the language shown first (the page has a switch).
        cell: the output cell (row, column) around which a large convolution is cropped; None: the
            middle one.
        sample: the sample shown first; of a large batch, at most eight samples around it are shown.

    Everything is computed in float64.

    Raises what `F.conv2d` raises for a wrong geometry, ValueError or TypeError for anything that
    can't be shown, and RuntimeError if two ways to compute the same numbers disagree.
    """
    return Conv2dExplanation(x, w, b, stride, padding, dilation, groups, padding_mode, grad_out,
                             name=name, lang=lang, cell=cell, sample=sample)


def layer(module: Any, x: Any, loss: Callable[[Any], Any] | None = None, sample: int = 0, *,
          name: str | None = None, lang: str = "en",
          cell: tuple[int, int] | None = None) -> Conv2dExplanation:
    """Explain one `nn.Conv2d` of your own model, with the upstream gradient that it really gets.

    Args:
        module: the layer, for example ``model.conv1``.
        x: the layer's input, (N, C, H, W) or (C, H, W).
        loss: the rest of the model: a function of the layer's output that returns a scalar tensor,
            for example ``lambda y: F.cross_entropy(model.head(y), target)``; None: the sum of the
            output.
        sample: the sample shown first. dW and db are sums over the whole batch.
        name: a title; None: the layer as it prints.
        lang, cell: as for `conv2d`; cell None: where the gradient of `sample` is largest.

    The page opens where the gradient is largest, and says where it is 0 because ReLU was off.

    Parameters keep their values and `.grad`. `loss` runs once, with its modules in the mode (train
    or eval) that they are in.

    Raises TypeError unless `module` is an `nn.Conv2d`, ValueError if the loss isn't a scalar.
    """
    if not isinstance(module, tinynet.nn.Conv2d):
        raise TypeError(f"explain.layer: module is a {type(module).__name__}; it must be an "
                        "nn.Conv2d")
    grad_out, relu, out_channel = None, False, 0
    if loss is not None:
        with tinynet.no_grad():
            output = module(x)
        output = output.detach().requires_grad_()
        with tinynet.enable_grad():
            value = loss(output)
        if not isinstance(value, tinynet.Tensor) or value.numel() != 1:
            given = (f"shape {tuple(value.shape)}" if isinstance(value, tinynet.Tensor)
                     else f"type {type(value).__name__}")
            raise ValueError(f"explain.layer: loss(y) has {given}; it must be a tensor with one "
                             "number, for example its .sum()")
        if not value.requires_grad:
            raise ValueError("explain.layer: loss(y) does not depend on y, so the layer gets no "
                             "gradient; compute it from the argument that the function gets")
        (grad_out,) = tinynet.grad(value, [output])
        relu, out_channel, cell = where_to_begin(output, grad_out, sample, cell)
    return Conv2dExplanation(
        x, module.weight, module.bias, module.stride, module.padding, module.dilation,
        module.groups, module.padding_mode, grad_out,
        name=repr(module) if name is None else name, lang=lang, cell=cell, sample=sample,
        out_channel=out_channel, relu=relu)


def where_to_begin(output: Any, grad_out: Any, sample: int, cell: tuple[int, int] | None
                   ) -> tuple[bool, int, tuple[int, int] | None]:
    """Whether a ReLU follows the layer, and the output channel and cell where G is largest."""
    y, g = (t.detach().cpu().array for t in (output, grad_out))
    y, g = (a.reshape((1,) * (4 - a.ndim) + a.shape) for a in (y, g))
    off = y < 0
    relu = bool(off.any() and g.any() and not g[off].any())
    if not 0 <= sample < len(g):                            # Conv2dExplanation says what is wrong
        return relu, 0, cell
    if cell is None:
        out, row, col = np.unravel_index(abs(g[sample]).argmax(), g[sample].shape)
        return relu, int(out), (int(row), int(col))
    return relu, int(abs(g[(sample, slice(None), *cell)]).argmax()), cell
