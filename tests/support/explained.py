"""A small convolution whose results are known, for the tests of the explainer."""

from __future__ import annotations

import numpy as np
import pytest

import tinynet

X = [[1, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]]
K = [[1, 2, 1], [0, 1, 0], [2, 1, 0]]

# (stride, padding, dilation): y, dX, dW of X and K with G = ones, computed without this library
GOLDEN = {
    (1, 0, 1): (
        "10 12 12/18 16 16/13 9 3",
        "1 3 4 3 1/1 4 5 4 1/3 7 8 5 1/2 4 4 2 0/2 3 3 1 0",
        "10 14 11/17 15 12/17 11 8",
    ),
    (2, 0, 1): (
        "10 12/13 3",
        "1 2 2 2 1/0 1 0 1 0/3 3 4 3 1/0 1 0 1 0/2 1 2 1 0",
        "3 7 2/10 7 7/4 4 2",
    ),
    (1, 1, 1): (
        "1 3 4 10 8/5 10 12 12 6/7 18 16 16 8/11 13 9 3 4/14 13 9 7 4",
        "4 5 5 5 4/7 8 8 8 5/7 8 8 8 5/7 8 8 8 5/4 4 4 4 2",
        "27 30 23/31 35 26/25 28 20",
    ),
    (1, 0, 2): ("7", "1 0 2 0 1/0 0 0 0 0/0 0 1 0 0/0 0 0 0 0/2 0 1 0 0", "1 0 1/1 1 0/2 0 1"),
    (2, 1, 1): (
        "1 4 8/7 16 8/14 9 4",
        "1 0 1 0 1/3 4 3 4 3/1 0 1 0 1/3 4 3 4 3/1 0 1 0 1",
        "7 12 7/9 7 9/7 12 7",
    ),
}
settings = pytest.mark.parametrize(
    "setting", GOLDEN, ids=lambda s: "stride{}-padding{}-dilation{}".format(*s)
)


def matrix(text: str) -> np.ndarray:
    return np.array([[float(value) for value in row.split()] for row in text.split("/")])


def explain(setting=(1, 0, 1), **more):
    stride, padding, dilation = setting
    return tinynet.explain.conv2d(X, K, stride=stride, padding=padding, dilation=dilation, **more)
