"""Tensors made larger at their edges, or smaller."""

from typing import Any

from ...ops import shapes
from ...ops.arguments import as_choice, as_ints, as_real, as_tensor
from ...tensor import Tensor

_MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` made larger (or, with negative sizes, smaller) at its edges.

    Args:
        input: any shape for "constant". For the other modes 2-D or 3-D with one pair of sizes, 3-D
            or 4-D with two, 4-D or 5-D with three.
        pad: sizes from the last dimension backwards: (left, right), (left, right, top, bottom), ...
        mode: "constant" fills with `value`, "reflect" mirrors without repeating the edge,
            "replicate" repeats the edge, "circular" continues at the opposite edge.
        value: for "constant" only; default 0.

    Raises:
        ValueError: the sizes take away more than there is, or ask "reflect" or "circular" for more
            than there is; an argument is out of range, or two contradict each other.
        TypeError: an argument is of the wrong type.

    >>> import tinynet
    >>> pad(tinynet.tensor([[1, 2, 3]]), (2, 1), mode="reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    """
    as_tensor("pad", "input", input)
    pairs = _as_pairs(pad)
    if len(pairs) > input.ndim:
        rule = f"need an input with at least {len(pairs)} dims"
        raise ValueError(f"pad: {len(pairs)} pairs of sizes {rule}, got shape {tuple(input.shape)}")
    as_choice("pad", "mode", mode, _MODES)
    fill = 0 if value is None else as_real("pad", "value", value)
    if mode != "constant":
        if value is not None:
            rule = f"takes its values from the input; value={value} has no meaning there"
            raise ValueError(f"pad: mode {mode!r} {rule}")
        if len(pairs) not in (1, 2, 3) or input.ndim - len(pairs) not in (1, 2):
            rule = "pads the last one, two or three dims, and leaves one or two"
            given = f"{len(pairs)} pairs of sizes for an input with {input.ndim} dims"
            raise ValueError(f"pad: mode {mode!r} {rule}; got {given}")
    for dim, (before, after) in enumerate(pairs, 1):
        if before or after:
            input = _pad_dim(input, input.ndim - dim, before, after, mode)
    added = [(max(before, 0), max(after, 0)) for before, after in pairs[::-1]]
    if mode != "constant" or not any(map(any, added)):
        return input
    return shapes.pad(input, [(0, 0)] * (input.ndim - len(added)) + added, fill)


def _as_pairs(sizes: Any) -> list[tuple[int, int]]:
    """The pairs (before, after), the last dimension first."""
    rule = "ints in pairs (left, right, top, bottom, ...)"
    ints = as_ints("pad", "sizes", sizes, rule=rule)
    if len(ints) % 2:
        raise ValueError(f"pad: sizes must be {rule}, got {sizes!r}")
    return list(zip(ints[::2], ints[1::2], strict=True))


def _pad_dim(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """One dimension cropped and, except for "constant", made larger."""
    n, cropped = x.shape[dim], (min(before, 0), min(after, 0))
    start, kept = -cropped[0], n + sum(cropped)
    most = {"reflect": max(n - 1, 0), "circular": max(kept, 0)}.get(mode, n + before + after)
    is_empty = mode != "constant" and n + before + after <= 0
    if kept < 0 or is_empty or max(before, after) > max(most, 0):
        limit = f", and mode {mode!r} can add at most {most} on a side"
        raise ValueError(
            f"pad: sizes {(before, after)} don't fit dim {dim}: of its {n} elements {max(kept, 0)} "
            f"are left{limit if mode in ('reflect', 'circular') else ''}")
    before, after = max(before, 0), max(after, 0)
    inner = shapes.narrow(x, dim, start, kept)
    if mode == "constant":
        return inner
    if mode == "circular":
        front = shapes.narrow(inner, dim, kept - before, before)
        back = shapes.narrow(inner, dim, 0, after)
    elif mode == "reflect":
        front = shapes.flip(shapes.narrow(x, dim, 1 if before else 0, before), dim)
        back = shapes.flip(shapes.narrow(x, dim, max(n - 1 - after, 0), after), dim)
    else:
        front, back = _repeated(x, dim, 0, before), _repeated(x, dim, n - 1, after)
    return shapes.cat([part for part in (front, inner, back) if part.shape[dim]], dim)


def _repeated(x: Tensor, dim: int, position: int, times: int) -> Tensor:
    """The slice of `x` at a position along `dim`, so many times."""
    sizes = [times if d == dim else -1 for d in range(x.ndim)]
    return shapes.expand(shapes.narrow(x, dim, position, 1), sizes)
