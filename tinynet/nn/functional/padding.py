"""Tensors made larger at their edges, or smaller."""

from __future__ import annotations

from typing import Any

from ...ops import shapes
from ...ops.arguments import as_tensor
from ...tensor import Tensor

__all__ = ["pad"]


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` made larger (or, with negative sizes, smaller) at its edges.

    Args:
        input: any shape for "constant". For the other modes 2-D or 3-D with one pair of sizes, 3-D or 4-D with two, 4-D or
            5-D with three.
        pad: sizes from the last dimension backwards: (left, right), (left, right, top, bottom), ...
        mode: "constant" fills with `value` (default 0); "reflect" mirrors without repeating the edge, "replicate" repeats the edge,
            "circular" goes on at the opposite edge.
        value: for "constant" only.

    ValueError for sizes that take away more than there is, or for which "reflect" or "circular" has too little to show.

    >>> import tinynet
    >>> pad(tinynet.tensor([[1, 2, 3]]), (2, 1), mode="reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    """
    as_tensor("pad", "input", input)
    if not isinstance(pad, (tuple, list)) or len(pad) % 2 or not all(isinstance(n, int) for n in pad):
        raise ValueError(f"pad: sizes must be ints in pairs (left, right, top, bottom, ...), got {pad!r}")
    count = len(pad) // 2
    if count > input.ndim:
        raise ValueError(f"pad: {count} pairs of sizes need an input with at least {count} dims, got shape {tuple(input.shape)}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if mode != "constant":
        if value is not None:
            raise ValueError(f"pad: mode {mode!r} takes its values from the input; value={value} has no meaning there")
        if count not in (1, 2, 3) or input.ndim - count not in (1, 2):
            raise ValueError(
                f"pad: mode {mode!r} pads the last one, two or three dims, and leaves one or two; got {count} pairs of sizes for an "
                f"input with {input.ndim} dims"
            )
    for dim in range(input.ndim - 1, input.ndim - count - 1, -1):
        k = 2 * (input.ndim - 1 - dim)
        if pad[k] or pad[k + 1]:
            input = _pad_dim(input, dim, pad[k], pad[k + 1], mode)
    if mode != "constant" or not any(n > 0 for n in pad):
        return input
    sizes = [(0, 0)] * (input.ndim - count) + [(max(pad[k], 0), max(pad[k + 1], 0)) for k in range(len(pad) - 2, -1, -2)]
    if value is not None and not isinstance(value, (int, float)):
        raise TypeError(f"pad: value must be a number, got {type(value).__name__}")
    return shapes.pad(input, sizes, 0 if value is None else value)  # all dims in one step


def _pad_dim(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """One dim cropped and, but for "constant", made larger."""
    n = x.shape[dim]
    start, kept = max(-before, 0), n - max(-before, 0) - max(-after, 0)
    before, after = max(before, 0), max(after, 0)
    most = {"reflect": max(n - 1, 0), "circular": max(kept, 0)}.get(mode)
    if kept < 0 or (mode != "constant" and not before + kept + after) or (most is not None and max(before, after) > most):
        adds = "" if most is None else f", and mode {mode!r} can add at most {most} on a side"
        asked = (before or -start, after or start + kept - n)
        raise ValueError(f"pad: sizes {asked} don't fit dim {dim}: of its {n} elements {max(kept, 0)} are left{adds}")
    inner = shapes.narrow(x, dim, start, kept)
    if mode == "constant":
        return inner
    if mode == "reflect":
        front = shapes.flip(shapes.narrow(x, dim, 1, before), dim) if before else None
        back = shapes.flip(shapes.narrow(x, dim, n - 1 - after, after), dim) if after else None
    elif mode == "circular":
        front, back = shapes.narrow(inner, dim, kept - before, before), shapes.narrow(inner, dim, 0, after)
    else:
        front, back = [
            shapes.expand(shapes.narrow(x, dim, edge, 1), [size if d == dim else -1 for d in range(x.ndim)])
            for edge, size in ((0, before), (n - 1, after))
        ]
    return shapes.cat([part for part in (front, inner, back) if part is not None and part.shape[dim]], dim)
