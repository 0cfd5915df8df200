"""PyTorch's own samples of its functions and layers, run by PyTorch and by tinynet.

PyTorch tests itself on thousands of calls that its packages bring along. This program makes each of
them twice and prints, as JSON, how many had the same answer or an error from tinynet, and what had
another answer: values, dtypes, shapes, gradients. It is a process of its own, because what it
imports changes settings of PyTorch.

    python tools/pytorch_samples.py
"""

from __future__ import annotations

import collections
import itertools
import json
import warnings
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

import tinynet

SAMPLES = 16  # of each function and dtype
REFUSALS = (TypeError, ValueError, RuntimeError, IndexError, AttributeError)

# What is drawn, or left as memory was; where equal elements leave the index open.
RANDOM = {
    *"bernoulli empty empty_like multinomial new_empty normal rand_like randint".split(),
    *"randint_like randn randn_like uniform nn.functional.alpha_dropout".split(),
    *"nn.functional.dropout nn.functional.dropout2d nn.functional.rrelu".split(),
}
OPEN = {"argsort", "kthvalue", "mode", "sort", "topk"}
OTHERWISE = {"where"}  # its samples are for a function with the operands in another order


def ours(value: Any) -> Any:
    """An argument of PyTorch's, as one of tinynet's."""
    if isinstance(value, torch.Tensor):
        return tinynet.tensor(value.detach().numpy().copy(), requires_grad=value.requires_grad)
    if isinstance(value, torch.dtype):
        return getattr(tinynet, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, list):
        return [ours(item) for item in value]
    if isinstance(value, tuple):
        return tuple(map(ours, value))
    if isinstance(value, dict):
        return {key: ours(item) for key, item in value.items()}
    return value


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def tensors(value: Any) -> list[Any]:
    return [leaf for leaf in leaves(value) if isinstance(leaf, torch.Tensor | tinynet.Tensor)]


def close(a: Any, b: Any) -> bool:
    a, b = a.detach().numpy(), b.detach().numpy()
    return (a.dtype, a.shape) == (b.dtype, b.shape) and np.allclose(
        a, b, rtol=2e-3, atol=2e-4, equal_nan=True
    )


def slopes(library: Any, results: list[Any], wanted: list[Any]) -> Any:
    """Gradients with respect to `wanted`, each result weighted with the same waves by both."""
    waves = [np.cos(np.arange(t.numel())).reshape(t.shape) for t in results]
    start = [library.tensor(w, dtype=t.dtype) for w, t in zip(waves, results, strict=True)]
    return library.autograd.grad(results, wanted, start, allow_unused=True)


def difference(name: str, theirs: Any, mine: Any, inputs: Any, my_inputs: Any) -> str:
    """What differs between two answers and their gradients; "" if nothing does."""
    found, known = leaves(theirs), leaves(mine)
    if len(found) != len(known):
        return f"{len(found)} results, here {len(known)}"
    for a, b in zip(found, known, strict=True):
        if isinstance(a, torch.Tensor) != isinstance(b, tinynet.Tensor):
            return f"{type(a).__name__}, here {type(b).__name__}"
        if not isinstance(a, torch.Tensor):
            if a != b:
                return f"{a}, here {b}"
        elif name in RANDOM or (name in OPEN and not a.is_floating_point()):
            if a.shape != b.shape or a.detach().numpy().dtype != b.array.dtype:
                return f"{a.dtype}{tuple(a.shape)}, here {b.dtype}{tuple(b.shape)}"
        elif not close(a, b):
            return f"{str(a)[:200]}\nhere {str(b)[:200]}"
    results = [[t for t in tensors(v) if t.requires_grad] for v in (theirs, mine)]
    wanted = [[t for t in tensors(v) if t.requires_grad] for v in (inputs, my_inputs)]
    if name in RANDOM or not results[0] or not wanted[0]:
        return ""
    if len(results[0]) != len(results[1]):
        return f"{len(results[0])} results require grad, here {len(results[1])}"
    try:
        expected = slopes(torch, results[0], wanted[0])
    except RuntimeError:  # it has no derivative there
        return ""
    try:
        here = slopes(tinynet, results[1], wanted[1])
    except REFUSALS:
        return ""
    for a, b in zip(expected, here, strict=True):
        if a is None or b is None:
            if any(t is not None and bool((t != 0).any()) for t in (a, b)):
                return f"gradient {a}, here {b}"
        elif not close(a, b):
            return f"gradient {str(a)[:200]}\nhere {str(b)[:200]}"
    return ""


def calls(entry: Any, kind: str) -> tuple[Any, Any]:
    """PyTorch's and tinynet's function, method or method in place; None where it is missing."""
    path = entry.name.split(".")
    if kind == "function":
        mine: Any = tinynet
        for part in path:
            mine = getattr(mine, part, None)
        return entry.op, mine
    name = path[-1] + "_" * (kind == "in place")
    theirs = entry.get_inplace() if kind == "in place" else entry.get_method()
    return theirs, getattr(tinynet.Tensor, name, None) if len(path) == 1 else None


def compare(kind: str, counts: collections.Counter[str], other: list[str]) -> None:
    """Make the calls of one kind: count how they end, and describe the answers that differ."""
    for entry in op_db:
        theirs, mine = calls(entry, kind)
        if theirs is None or not callable(mine) or isinstance(mine, type(np.dtype("f4"))):
            continue
        for dtype in {torch.float32, torch.int64, torch.bool} & entry.dtypes:
            grad = dtype == torch.float32 and entry.supports_autograd
            samples = entry.sample_inputs("cpu", dtype, requires_grad=grad)
            for sample in itertools.islice(samples, SAMPLES):
                given = [sample.input, *sample.args], dict(sample.kwargs)
                try:
                    args, options = ours(given)
                except REFUSALS:  # complex numbers, layouts, dtypes that tinynet lacks
                    continue
                changed = kind == "in place"  # the argument itself must stay
                inputs = [given[0][0].clone(), *given[0][1:]] if changed else given[0]
                my_args = [args[0].clone(), *args[1:]] if changed else args
                try:
                    answer = theirs(*inputs, **given[1])
                except Exception:
                    answer = None
                try:
                    found = mine(*my_args, **options)
                except REFUSALS:
                    counts[f"{kind} refused" + " by both" * (answer is None)] += 1
                    continue
                if answer is None:
                    counts[f"{kind} accepted by tinynet alone"] += 1
                    continue
                what = difference(entry.name, answer, found, given, (args, options))
                counts[f"{kind} another" if what else f"{kind} same"] += 1
                if what and entry.name not in OTHERWISE:
                    shapes = [tuple(t.shape) for t in tensors(given[0])]
                    other.append(
                        f"{entry.name} {entry.variant_test_name} of {dtype} {shapes}, "
                        f"{given[0][1:]!s:.150} {given[1]!s:.150}:\n{what}"
                    )


def compare_layers(counts: collections.Counter[str], other: list[str]) -> None:
    """The same for layers: their texts, results, gradients and buffers, in both modes."""
    for entry in module_db:
        name = entry.module_cls.__name__
        if (own := getattr(tinynet.nn, name, None)) is None:
            continue
        for training in (True, False):
            for sample in entry.module_inputs_func(
                entry, device="cpu", dtype=torch.float32, requires_grad=True, training=training
            ):
                made, given = sample.constructor_input, sample.forward_input
                theirs = entry.module_cls(*made.args, **made.kwargs).train(training)
                try:
                    mine = own(*ours(made.args), **ours(made.kwargs)).train(training)
                    mine.load_state_dict(ours(dict(theirs.state_dict())))
                    my_given = ours(given.args), ours(given.kwargs)
                    found = mine(*my_given[0], **my_given[1])
                except REFUSALS:
                    counts["layer refused"] += 1
                    continue
                answer = theirs(*given.args, **given.kwargs)
                drawn = "nn.functional.dropout" if "Dropout" in name or name == "RReLU" else ""
                inputs = [given.args, given.kwargs, list(theirs.parameters())]
                my_inputs = [*my_given, list(mine.parameters())]
                what = difference(drawn, answer, found, inputs, my_inputs)
                pairs = zip(theirs.state_dict().items(), mine.state_dict().items(), strict=True)
                if not all(a == b and close(v, w) for (a, v), (b, w) in pairs):
                    what += "other buffers"
                if repr(theirs) != repr(mine):
                    what += repr(mine)
                # one tensor in two roles, which are two tensors here
                twice = len({id(v) for v in given.args}) < len(given.args)
                counts["layer another" if what else "layer same"] += 1
                if what and not twice:
                    other.append(f"{theirs!r} {[tuple(t.shape) for t in tensors(given)]}: {what}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    found: tuple[collections.Counter[str], list[str]] = collections.Counter(), []
    for one in ("function", "method", "in place"):
        compare(one, *found)
    compare_layers(*found)
    print(json.dumps({"counts": found[0], "other": found[1]}, indent=1))
