"""Where two frameworks differ on a random program, and where gradients differ from differences.

By hand, for as long as you like:   python tests/support/program_differences.py --minutes 60
It prints each kind of difference once, with the shortest program that shows it.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from random_programs import Run, array_of, dtype_of, write

# Differences on purpose, each listed in docs/coming_from_pytorch.md: a pattern of the program with
# the difference below it, and the reason.
ON_PURPOSE: tuple[tuple[str, str], ...] = (
    (r"does not fit into u?int", "PyTorch lets a number wrap round in arithmetic, and -1 in uint8"),
    (r"some numbers don't fit u?int", "PyTorch writes whatever a conversion makes of nan and 300"),
    (r"backward: .* is RuntimeError\(.(Subtraction|output with shape)",
     "faults in PyTorch's derivatives of a power of a bool, and of bounds that broadcast"),
    (r"IndexError\('indexing: index array is out of range",
     "PyTorch does not look at positions if the result is empty"),
    (r"F\.elu\(.*gradient of order 2", "at 0 that of the left side; PyTorch gives 0"),
    (r"T\.sign\(.*nan", "the sign of a nan is a nan; PyTorch gives 0"),
    (r"TypeError\(.pow: bool", "the power of two bools; PyTorch knows True as an exponent"),
    (r"must have a class", "no scores to choose from; PyTorch gives nan or 0"),
    (r"uint8.*[<>=]=? (-1|300)", "no uint8 is as small as -1; PyTorch compares with 255"),
    (r"pad: value must be a number, got (True|False)", "a bool is no number"),
    (r"mT: IndexError", "a 0-d tensor has no last two dims; PyTorch warns"),
    (r"is expanded: several elements|shares a read-only array",
     "an expanded tensor is not written to, not even one of its rows"),
)

TOLERANCE = {"float16": 2e-2, "float32": 1e-4, "float64": 1e-8}


def tolerance_of(run: Run) -> float:
    """For equality up to rounding: a program with halves is as exact as these."""
    return max(TOLERANCE.get(dtype_of(t), 0.0) for t in run.tensors().values())


def same(ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> bool:
    """Equal up to rounding."""
    if ours.dtype.kind != "f":
        return np.array_equal(ours, theirs)
    with np.errstate(all="ignore"):
        close = np.abs(ours.astype("f8") - theirs.astype("f8")) <= tolerance
    return bool(np.all(close | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))


def requires_grad(tensor: Any) -> bool:
    """Whether a gradient flows; PyTorch says so of integers too, into which floats were copied."""
    return tensor.requires_grad and dtype_of(tensor).startswith("float")


def largest(arrays: list[np.ndarray]) -> float:
    finite = [np.abs(a[np.isfinite(a)]).max(initial=0) for a in arrays if a.dtype.kind == "f"]
    return float(max(finite, default=0))


def weighted(run: Run, tensors: list[Any]) -> Any:
    """One number made of all elements, each with a weight of its own."""
    T = run.framework
    total = T.zeros((), dtype=T.float64)
    for t in tensors:
        weights = T.linspace(0.5, 1.5, max(t.numel(), 1), dtype=T.float64)[: t.numel()]
        total = total + (t.double().reshape(-1) * weights).sum()
    return total


def gradients(run: Run, leaves: list[str]) -> list[list[np.ndarray | None]] | Exception:
    """The gradients of first and of second order of all results with respect to the leaves."""
    at = [run.names[name] for name in leaves]
    results = [t for t in run.tensors().values() if t.requires_grad and not t.is_leaf]
    orders = []
    try:
        for last in (False, True):
            if not results:
                break
            total = weighted(run, results)
            found = run.framework.autograd.grad(
                total, at, create_graph=not last, allow_unused=True
            )
            orders.append([None if g is None else array_of(g) for g in found])
            results = [g for g in found if g is not None and g.requires_grad]
    except Exception as error:
        return error
    return orders


# Refusals of PyTorch's that protect nobody: words of theirs, and why ours computes
NEEDLESS = (
    "modified by an inplace operation",  # ours keeps less, so it computes the right gradient
    "not implemented",  # floor division has a derivative here: zero
    "refer to a single memory location",  # numpy computes as if the operand were copied first
    "is a view and its base or another view of its base has been modified",
    "is the output of a function that returns multiple views",  # ours follow their base like others
    "does not support bool input",  # of argmax and argmin: False is less than True
    "clamp() received an invalid combination",  # one bound may be a tensor, the other a number
    "Index put requires the source and destination dtypes match",  # as under basic indices
    # images without channels or pixels: ours have the shape that follows
    "0 batch size", "non-zero size for non-batch dimensions", "zero channel inputs are supported",
    "index 0 out of range for tensor of size [0]",
    "INTERNAL ASSERT FAILED",
    "Autograd not support dtype",  # of views of integers into which floats were copied
    "unallocated storage",  # a fault of PyTorch's in a second derivative that is zero
)


def needless(error: Any) -> bool:
    """Whether this is a refusal of PyTorch's that nobody needs to repeat."""
    return isinstance(error, Exception) and any(words in str(error) for words in NEEDLESS)


def leaves_of(run: Run) -> list[str]:
    """The first name of every leaf that requires a gradient."""
    leaves = {id(t): n for n, t in reversed(run.tensors().items()) if t.requires_grad and t.is_leaf}
    return sorted(leaves.values())


def differences(lines: list[str], ours: Run, theirs: Run) -> Iterator[str]:
    """Where two runs of the same lines differ, in words."""
    mine, other = ours.tensors(), theirs.tensors()
    if set(mine) != set(other):
        name = next(iter(set(mine) ^ set(other)))
        yield f"only {'tinynet' if name in mine else 'PyTorch'} has {name}"
        return
    # rounding is relative to the largest number that the program has met
    size, rounding = max(1.0, largest([array_of(t) for t in other.values()])), tolerance_of(theirs)
    for name, b in other.items():
        a = mine[name]
        for what in (dtype_of, lambda t: tuple(t.shape), requires_grad):
            if what(a) != what(b):
                yield f"{name}: {what(a)} is {what(b)} in PyTorch"
                return
        if not same(array_of(a), array_of(b), rounding * size):
            yield f"{name}: {array_of(a)} is {array_of(b)} in PyTorch"
            return
    try:
        leaves = leaves_of(theirs)
    except RuntimeError:  # PyTorch refuses to be asked about outputs of unbind changed in place
        return
    if not leaves:
        return
    with warnings.catch_warnings():  # PyTorch warns in a backward pass too
        warnings.simplefilter("ignore")
        mine_grad, other_grad = gradients(ours, leaves), gradients(theirs, leaves)
    if isinstance(mine_grad, Exception) or isinstance(other_grad, Exception):
        refused = isinstance(other_grad, Exception) and isinstance(mine_grad, Exception)
        if not refused and not needless(other_grad):
            yield f"backward: {mine_grad!r} is {other_grad!r} in PyTorch"
        return
    if any(np.isnan(g).any() for order in other_grad[:1] for g in order if g is not None):
        other_grad = other_grad[:1]  # what is no number has no derivative
    zipped = zip(mine_grad, other_grad, strict=False)
    for order, (first, second) in enumerate(zipped, start=1):
        size = max(size, largest([g for g in second if g is not None]))
        for name, a, b in zip(leaves, first, second, strict=True):
            dtype = dtype_of(theirs.names[name])
            zero = np.zeros(tuple(theirs.names[name].shape), dtype)
            a, b = (zero if g is None else g for g in (a, b))
            if order == 2 and a.shape == b.shape:  # 0 * inf in PyTorch's alone
                b = np.where(np.isnan(b) & np.isfinite(a), a, b)
            if a.shape != b.shape or not same(a, b, rounding * size):
                yield f"gradient of order {order} for {name}: {a} is {b} in PyTorch"
                return


def run_again(lines: list[str], ours: Any, theirs: Any) -> str | None:
    """The first difference between two frameworks that run these lines, in words."""
    mine, other = Run(ours), Run(theirs)
    for line in lines:
        a, b = mine.do(line), other.do(line)
        if a is not None and not isinstance(a, (ValueError, TypeError, IndexError, RuntimeError)):
            return f"{line}: raises {a!r}, which is none of the promised errors"
        if (a is None) != (b is None):
            return None if needless(b) else f"{line}: {a!r} is {b!r} in PyTorch"
    return next(differences(lines, mine, other), None)


def difference(lines: list[str], ours: Any, theirs: Any) -> str | None:
    """As `run_again`, without the differences that are there on purpose."""
    found = run_again(lines, ours, theirs)
    text = "\n".join([*lines, found or ""])
    if found is None or any(re.search(pattern, text, re.DOTALL) for pattern, _ in ON_PURPOSE):
        return None
    return found


def kind(found: str) -> str:
    """What is left of a difference when names, numbers and lists are taken away."""
    found = re.sub(r"\s+", " ", re.sub(r"v\d+", "v", re.sub(r"-?\d[\d.e+-]*", "#", found)))
    found = re.sub(r"\[[^a-z]*\]", "[]", re.sub(r"nan|inf|True|False", "#", found))
    return "no program" if "NameError" in found else re.sub(r"array\(.*", "", found)[:90]


def shortest(lines: list[str], ours: Any, theirs: Any) -> list[str]:
    """The program without every line that the same kind of difference does not need."""
    wanted = kind(difference(lines, ours, theirs) or "")
    for at in reversed(range(len(lines))):
        fewer = [*lines[:at], *lines[at + 1 :]]
        if kind(difference(fewer, ours, theirs) or "") == wanted:
            lines = fewer
    return lines


def against_differences(seed: int, ours: Any, step: float = 1e-5) -> str | None:
    """Whether a smooth program's gradients of two orders are those of central differences.

    The gradient is taken along one direction for each leaf. The second order is checked as the
    derivative of the first along the same direction.
    """
    lines, (run,) = write(seed, [ours], smooth=True)
    leaves = leaves_of(run)
    arrays = [array_of(run.names[name]) for name in leaves]
    rng = np.random.default_rng(seed)
    along = [rng.choice([-1.0, 1.0], a.shape) for a in arrays]
    if not leaves or largest([array_of(t) for t in run.tensors().values()]) > 1e3:
        return None

    def at(t: float) -> tuple[float, float, float]:
        """The results' weighted sum, its derivative along the direction, and that one's."""
        again = Run(ours)
        for line in lines:
            error = again.do(line)
            assert error is None, (line, error)
            name = line.split(" ")[0]
            if name in leaves:
                moved = arrays[leaves.index(name)] + t * along[leaves.index(name)]
                with ours.no_grad():
                    again.names[name].copy_(ours.tensor(moved, dtype=ours.float64))
        inputs = [again.names[name] for name in leaves]
        results = [r for r in again.tensors().values() if r.requires_grad and not r.is_leaf]
        if not results:
            return 0.0, 0.0, 0.0
        value = weighted(again, results)
        first = directed(again, value, inputs, along, create_graph=True)
        second = directed(again, first, inputs, along) if first.requires_grad else first * 0
        return value.item(), first.item(), second.item()

    try:
        value, first, second = at(0.0)
    except RuntimeError as error:  # a value that the backward pass needs was changed in place
        if "changed that in place" in str(error):
            return None
        raise
    (low, low_first, _), (high, high_first, _) = at(-step), at(step)
    for order, exact, numeric in (
        (1, first, (high - low) / (2 * step)),
        (2, second, (high_first - low_first) / (2 * step)),
    ):
        if abs(exact - numeric) > 1e-5 * max(1.0, abs(exact), abs(value), abs(first)):
            text = "\n".join(lines)
            return f"{text}\norder {order}: {exact}, but central differences give {numeric}"
    return None


def directed(run: Run, value: Any, inputs: list[Any], along: list[np.ndarray],
             create_graph: bool = False) -> Any:
    """The derivative of `value` along a direction."""
    T = run.framework
    found = T.autograd.grad(value, inputs, create_graph=create_graph, allow_unused=True)
    total = T.zeros((), dtype=T.float64)
    for gradient, direction in zip(found, along, strict=True):
        if gradient is not None:
            total = total + (gradient * T.tensor(direction, dtype=T.float64)).sum()
    return total


def main() -> None:
    import torch

    import tinynet

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    options = parser.parse_args()
    seen: dict[str, int] = {}
    seed, end = options.seed, time.monotonic() + 60 * options.minutes
    while time.monotonic() < end:
        lines, _ = write(seed, [tinynet, torch])
        found = difference(lines, tinynet, torch)
        if found:
            lines = shortest(lines, tinynet, torch)
            found, program = difference(lines, tinynet, torch) or "", "\n".join(lines)
            seen[kind(found)] = seen.get(kind(found), 0) + 1
            if seen[kind(found)] == 1:
                print(f"# seed {seed}: {found}\n{program}\n", flush=True)
        found = against_differences(seed, tinynet)
        if found:
            print(f"# seed {seed}, central differences\n{found}\n", flush=True)
        seed += 1
    print(f"{seed - options.seed} programs, {len(seen)} kinds of differences")


if __name__ == "__main__":
    main()
