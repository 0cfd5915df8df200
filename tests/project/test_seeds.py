"""Listings of PyTorch tutorials, written with only their import lines changed, print what the
tutorials print.
"""

from __future__ import annotations

import ast

import numpy as np
import pytest

IMPORTS = {
    "import torch.nn": "import tinynet as torch, tinynet.nn",
    "import torch": "import tinynet as torch",
    "from torch import nn": "from tinynet import nn",
}

DATA = """
import torch.nn

input = torch.tensor([[1,2,0,3,1],
                      [0,1,2,3,1],
                      [1,2,1,0,0],
                      [5,2,3,1,1],
                      [2,1,0,1,1]])

kernel = torch.tensor([[1,2,1],
                       [0,1,0],
                       [2,1,0]])
"""

RESHAPE = """
input = torch.reshape(input,(1,1,5,5))
kernel = torch.reshape(kernel,(1,1,3,3))
"""

STRIDE_1 = """
output = torch.nn.functional.conv2d(input, kernel, bias=None, stride=1, padding=0, dilation=1,
    groups= 1)
print(output)
"""
STRIDE_2 = """
output = torch.nn.functional.conv2d(input, kernel, bias=None, stride=2, padding=0, dilation=1,
    groups= 1)
print(output)
"""
PADDING_1 = """
output = torch.nn.functional.conv2d(input, kernel, bias=None, stride=1, padding=1, dilation=1,
    groups= 1)
print(output)
"""

LAYER = [
    """
import torch
from torch import nn
""",
    """
conv = nn.Conv2d(in_channels=1, out_channels=1, kernel_size=3, stride=1, padding=1, dilation=1,
    groups=1, bias=True)
conv
""",
    """
conv.weight.shape
""",
    """
conv.bias.shape
""",
    """
input = torch.ones(1, 1, 5, 5)
output = conv(input)
input, output
""",
    """
input.shape, output.shape
""",
]


def session(cells: list[str]) -> tuple[dict, list[str]]:
    """Run cells as a notebook does: what the last expression of each gives is shown. Only import
    lines are changed.
    """
    names: dict = {}
    shown = []
    for cell in cells:
        lines = [IMPORTS.get(line, line) for line in cell.splitlines()]
        body = ast.parse("\n".join(lines)).body
        last = body.pop() if isinstance(body[-1], ast.Expr) and not _prints(body[-1]) else None
        exec(compile(ast.Module(body, []), "listing", "exec"), names)
        if last is not None:
            shown.append(repr(eval(compile(ast.Expression(last.value), "listing", "eval"), names)))
    return names, shown


def _prints(statement: ast.Expr) -> bool:
    call = statement.value
    return (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
    )


def test_the_data_as_such_has_two_dims():
    names, _ = session([DATA])
    assert names["input"].shape == (5, 5)
    assert names["kernel"].shape == (3, 3)


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        (
            STRIDE_1,
            """\
tensor([[[[10, 12, 12],
          [18, 16, 16],
          [13,  9,  3]]]])
""",
        ),
        (
            STRIDE_2,
            """\
tensor([[[[10, 12],
          [13,  3]]]])
""",
        ),
        (
            PADDING_1,
            """\
tensor([[[[ 1,  3,  4, 10,  8],
          [ 5, 10, 12, 12,  6],
          [ 7, 18, 16, 16,  8],
          [11, 13,  9,  3,  4],
          [14, 13,  9,  7,  4]]]])
""",
        ),
    ],
)
def test_conv2d_by_function(call, printed, capsys):
    session([DATA + RESHAPE + call])
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_conv2d_as_a_layer(seed):
    import tinynet

    tinynet.manual_seed(seed)
    names, shown = session(LAYER)
    layer, weight_shape, bias_shape, values, shapes = shown
    assert layer == "Conv2d(1, 1, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert weight_shape == "tinynet.Size([1, 1, 3, 3])"
    assert bias_shape == "tinynet.Size([1])"
    assert shapes == "(tinynet.Size([1, 1, 5, 5]), tinynet.Size([1, 1, 5, 5]))"

    # what doesn't depend on random values: the ones, and how the two tensors are laid out
    ones = (
        "(tensor([[[[1., 1., 1., 1., 1.],\n"
        + 3 * "          [1., 1., 1., 1., 1.],\n"
        + "          [1., 1., 1., 1., 1.]]]]),"
    )
    assert values.startswith(ones + " tensor([[[[")
    assert values.endswith(", grad_fn=<Conv2dBackward0>))") or values.endswith(
        ",\n       grad_fn=<Conv2dBackward0>))"
    )

    # the pattern that the tutorial shows: one value inside, another along each edge, a third in
    # each corner
    y = names["output"].detach().numpy()[0, 0]
    for part in (y[1:4, 1:4], y[0, 1:4], y[4, 1:4], y[1:4, 0], y[1:4, 4]):
        np.testing.assert_allclose(part, part.flat[0], 1e-5, 1e-6)
    edges = [y[2, 2], y[0, 2], y[4, 2], y[2, 0], y[2, 4], y[0, 0], y[0, 4], y[4, 0], y[4, 4]]
    assert len(np.unique(np.round(edges, 5))) == 9
    weight, bias = names["conv"].weight.detach().numpy()[0, 0], names["conv"].bias.item()
    assert y[2, 2] == pytest.approx(weight.sum() + bias, abs=1e-5)
    assert y[0, 2] == pytest.approx(weight[1:].sum() + bias, abs=1e-5)
    assert y[4, 0] == pytest.approx(weight[:2, 1:].sum() + bias, abs=1e-5)
    assert np.abs(weight).max() <= 1 / 3  # initialised uniformly in ±1/sqrt(9)
