"""What small frameworks can do with a convolution: the facts in the README's table.

    pip install dezero mygrad tinygrad micrograd torch && python benchmarks/abilities.py

Each answer is found by doing it: a gradient of a convolution and a derivative of such a gradient
are compared with central differences. A framework that isn't installed is left out. Where there is
no compiler for it, tinygrad needs DEV=PYTHON in the environment.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import re
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
np.int = int  # type: ignore[attr-defined]  # DeZero's last version asks for it, numpy removed it

X = np.random.default_rng(0).standard_normal((2, 3, 6, 5))
W = np.random.default_rng(1).standard_normal((4, 3, 3, 3))


def convolution(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    return np.einsum("ncijhw,ochw->noij", windows, w)


def differences(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Central differences."""
    slope = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-4
        slope[place] = (function(at + step) - function(at - step)) / 2e-4
    return slope


def loss(w: np.ndarray) -> float:
    return float((convolution(X, w) ** 2).sum())


def loss_of_weight_gradient(w: np.ndarray) -> float:
    """The sum of the squares of the loss's gradient with respect to the weight."""
    windows = np.lib.stride_tricks.sliding_window_view(X, (3, 3), (2, 3))
    return float((np.einsum("ncijhw,noij->ochw", windows, 2 * convolution(X, w)) ** 2).sum())


def loss_of_input_gradient(w: np.ndarray) -> float:
    """The sum of the squares of the loss's gradient with respect to the input."""
    wide = np.pad(2 * convolution(X, w), ((0, 0), (0, 0), (2, 2), (2, 2)))
    return float((convolution(wide, w[:, :, ::-1, ::-1].swapaxes(0, 1)) ** 2).sum())


LOSSES = {"": loss, "weight": loss_of_weight_gradient, "input": loss_of_input_gradient}

# Each returns the gradient at W of `LOSSES[of]`.


def pytorch(of: str, module: str = "torch") -> Any:
    torch = importlib.import_module(module)
    x, w = torch.tensor(X).requires_grad_(), torch.tensor(W).requires_grad_()
    y = torch.nn.functional.conv2d(x, w)
    (g,) = torch.autograd.grad((y * y).sum(), [x if of == "input" else w], create_graph=bool(of))
    if of:
        (g,) = torch.autograd.grad((g * g).sum(), [w])
    return g.detach().numpy()


def tinynet(of: str) -> Any:
    return pytorch(of, "tinynet")


def dezero(of: str) -> Any:
    import dezero
    import dezero.functions as F

    x, w = dezero.Variable(X), dezero.Variable(W)
    y = F.conv2d(x, w)
    F.sum(y * y).backward(create_graph=bool(of))
    if of:
        g = x.grad if of == "input" else w.grad
        w.cleargrad()
        F.sum(g * g).backward()
    return w.grad.data


def mygrad(of: str) -> Any:
    import mygrad
    from mygrad.nnet.layers import conv_nd

    x, w = mygrad.tensor(X), mygrad.tensor(W)
    y = conv_nd(x, w, stride=1)
    (y * y).sum().backward()
    if of and not hasattr(w.grad, "backward"):
        raise NotImplementedError("a gradient is an array without a history")
    return w.grad


def tinygrad(of: str) -> Any:
    from tinygrad import Tensor, dtypes

    x, w = (Tensor(a.tolist(), dtype=dtypes.float64) for a in (X, W))
    y = x.conv2d(w)
    (g,) = (y * y).sum().gradient(x if of == "input" else w)
    if of:
        (g,) = (g * g).sum().gradient(w)
    return g.numpy()


def micrograd(of: str) -> Any:
    from micrograd.engine import Value

    raise NotImplementedError(f"{Value.__name__} holds one number; there are no arrays")


LIBRARIES = {"tinynet": tinynet, "torch": pytorch, "dezero": dezero, "micrograd": micrograd,
             "tinygrad": tinygrad, "mygrad": mygrad}  # fmt: skip


def agrees(name: str, of: str) -> str:
    """Whether a framework computes that gradient: "yes", or "no" with its reason."""
    expected = differences(LOSSES[of], W)
    try:
        found = LIBRARIES[name](of)
    except Exception as error:
        return f"no ({type(error).__name__}: {str(error).splitlines()[0]:.60})"
    return "yes" if np.allclose(found, expected, rtol=1e-5, atol=1e-4) else "no (a wrong value)"


def files(name: str) -> list[Path]:
    """A package's Python files, without those that a program has written."""
    (folder,) = importlib.util.find_spec(name).submodule_search_locations
    return [path for path in Path(folder).rglob("*.py") if "autogen" not in path.parts]


def recurrent(name: str) -> str:
    """Whether a package defines an LSTM or a GRU."""
    pattern = re.compile(r"^(?:class|def) (?:LSTM|GRU|gru)", re.MULTILINE)
    return "yes" if any(pattern.search(path.read_text("utf-8")) for path in files(name)) else "no"


def lines_of_code(name: str) -> int:
    """Lines with code in a package's Python files: no comments, docstrings or blank lines."""
    total = 0
    for path in files(name):
        lines: set[int] = set()
        statement_begins = True
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
            if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                statement_begins = True
            elif token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
                if not (statement_begins and re.match(r"""[rR]?("|')""", token.string)):
                    lines |= {*range(token.start[0], token.end[0] + 1)}
                statement_begins = False
        total += len(lines)
    return total


def main() -> None:
    for name in LIBRARIES:
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        print(f"{name}: {lines_of_code(name):,} lines of Python; recurrent layers "
              f"{recurrent(name)}")  # fmt: skip
        print(f"  gradient of a convolution: {agrees(name, '')}")
        for of in ("weight", "input"):
            print(f"  derivative of the gradient of the {of}: {agrees(name, of)}")


if __name__ == "__main__":
    main()
