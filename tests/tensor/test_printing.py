"""What a tensor prints is what PyTorch 2.13 prints, with ``tinynet.`` for ``torch.``.

``RECORDED`` holds PyTorch's own answers, and a property test asks PyTorch itself where it is
installed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy import inf, nan

from tinynet.printing import format_tensor, set_printoptions

f16, f32, f64 = np.float16, np.float32, np.float64
GRAD = "requires_grad=True"
FN = "grad_fn=<MulBackward0>"


@pytest.fixture(autouse=True)
def default_options():
    yield
    set_printoptions(profile="default")


def case(array, text, *suffixes, **options):
    """The elements of a tensor, what PyTorch printed for it, what else it says, and the print
    options.
    """
    return pytest.param(np.asarray(array), text, list(suffixes), options)


RECORDED = [
    # 0-d
    case(f32(3), "tensor(3.)"),
    case(f32(-0.5), "tensor(-0.5000)"),
    case(f32(-0.0), "tensor(-0.)"),
    case(f32(1e-5), "tensor(1.0000e-05)"),
    case(f32(123456.0), "tensor(123456.)"),
    case(f32(nan), "tensor(nan)"),
    case(f64(-inf), "tensor(-inf, dtype=tinynet.float64)"),
    case(np.int64(-7), "tensor(-7)"),
    case(np.bool_(True), "tensor(True)"),
    case(f32(2.5), "tensor(2.5000, grad_fn=<MulBackward0>)", FN),
    # whole numbers end in a point; others get four decimals
    case(f32([1, 2, 3]), "tensor([1., 2., 3.])"),
    case(f32([1, -20, 300]), "tensor([  1., -20., 300.])"),
    case(f32([1, 2.5]), "tensor([1.0000, 2.5000])"),
    case(f32([-0.0, 0, 0]), "tensor([-0., 0., 0.])"),
    case(f32([-0.0, 1.5]), "tensor([-0.0000, 1.5000])"),
    case(f32([1, 1.0000001]), "tensor([1.0000, 1.0000])"),
    case(
        f32([[1.5, -22.25], [333.125, 0]]),
        """\
tensor([[  1.5000, -22.2500],
        [333.1250,   0.0000]])""",
    ),
    case(f32([9.99995, 0.99999, 0.00012]), "tensor([1.0000e+01, 9.9999e-01, 1.2000e-04])"),
    case(f32([100000000, 99999999]), "tensor([100000000., 100000000.])"),
    # scientific: too far apart, too large, too small
    case(f32([1000, 1]), "tensor([1000.,    1.])"),
    case(f32([1001, 1]), "tensor([1.0010e+03, 1.0000e+00])"),
    case(f32([1000.5, 0.5]), "tensor([1.0005e+03, 5.0000e-01])"),
    case(f32([1e5, 1e-3, -2]), "tensor([ 1.0000e+05,  1.0000e-03, -2.0000e+00])"),
    case(f32([2e8, 2e8]), "tensor([2.0000e+08, 2.0000e+08])"),
    case(f32([1.5e8]), "tensor([1.5000e+08])"),
    case(f32([9.9e-5]), "tensor([9.9000e-05])"),
    case(f32([1e-4]), "tensor([1.0000e-04])"),
    case(f64([1e-4]), "tensor([0.0001], dtype=tinynet.float64)"),
    case(f64([1e-100, 2]), "tensor([1.0000e-100,  2.0000e+00], dtype=tinynet.float64)"),
    case(f64([1e308, -5e-324]), "tensor([ 1.0000e+308, -4.9407e-324], dtype=tinynet.float64)"),
    case(f32([1e-45]), "tensor([1.4013e-45])"),
    case(
        f16([65504, 6e-8, 0]), "tensor([6.5504e+04, 5.9605e-08, 0.0000e+00], dtype=tinynet.float16)"
    ),
    case(f32([nan, 1e-7, inf]), "tensor([       nan, 1.0000e-07,        inf])"),
    # nan and inf; where all other elements are whole they may stick out
    case(f32([nan]), "tensor([nan])"),
    case(f32([nan, 1]), "tensor([nan, 1.])"),
    case(
        f32([[1, nan], [-inf, 2]]),
        """\
tensor([[1., nan],
        [-inf, 2.]])""",
    ),
    case(f32([0, nan, inf]), "tensor([0., nan, inf])"),
    case(f32([inf, 1.5, -2]), "tensor([    inf,  1.5000, -2.0000])"),
    case(f16([nan, -0.25, 8]), "tensor([    nan, -0.2500,  8.0000], dtype=tinynet.float16)"),
    case(
        f32([[0, nan], [-0.0, -inf]]),
        """\
tensor([[0., nan],
        [-0., -inf]])""",
    ),
    # bool and integers
    case(np.array([True, False]), "tensor([ True, False])"),
    case(np.array([True, True]), "tensor([True, True])"),
    case(
        np.array([[False], [False]]),
        """\
tensor([[False],
        [False]])""",
    ),
    case(np.int8([-128, 127, 0]), "tensor([-128,  127,    0], dtype=tinynet.int8)"),
    case(
        np.uint8([[0, 255], [7, 10]]),
        """\
tensor([[  0, 255],
        [  7,  10]], dtype=tinynet.uint8)""",
    ),
    case(
        np.int16([[1, -20], [300, 4]]),
        """\
tensor([[  1, -20],
        [300,   4]], dtype=tinynet.int16)""",
    ),
    case(np.int32([5]), "tensor([5], dtype=tinynet.int32)"),
    case(np.int64([2**63 - 1, -(2**63)]), "tensor([ 9223372036854775807, -9223372036854775808])"),
    case(
        np.uint64([2**64 - 1, 0]),
        "tensor([18446744073709551615,                    0], dtype=tinynet.uint64)",
    ),
    # float16 and float64 say their dtype
    case(f16([0.1, 0.2]), "tensor([0.1000, 0.2000], dtype=tinynet.float16)"),
    case(
        f16([[1, 2], [3, 4]]),
        """\
tensor([[1., 2.],
        [3., 4.]], dtype=tinynet.float16)""",
    ),
    case(f64(0.1), "tensor(0.1000, dtype=tinynet.float64)"),
    case(f64([1, 2]), "tensor([1., 2.], dtype=tinynet.float64, requires_grad=True)", GRAD),
    case(f64([3.14159265, 2.71828182]), "tensor([3.1416, 2.7183], dtype=tinynet.float64)"),
    # empty tensors
    case(f32([]), "tensor([])"),
    case(np.zeros((0, 3), f32), "tensor([], size=(0, 3))"),
    case(np.zeros((2, 0, 3), f32), "tensor([], size=(2, 0, 3))"),
    case(np.zeros((0, 3), f64), "tensor([], size=(0, 3), dtype=tinynet.float64)"),
    case(np.int64([]), "tensor([], dtype=tinynet.int64)"),
    case(np.zeros(0, bool), "tensor([], dtype=tinynet.bool)"),
    case(np.zeros((4, 0), np.int64), "tensor([], size=(4, 0), dtype=tinynet.int64)"),
    case(f32([]), "tensor([], requires_grad=True)", GRAD),
    case(
        np.zeros((1, 0, 2), f16),
        "tensor([], size=(1, 0, 2), dtype=tinynet.float16, requires_grad=True)",
        GRAD,
    ),
    case(
        np.zeros((0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), f64),
        """\
tensor([], size=(0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), dtype=tinynet.float64,
       grad_fn=<MulBackward0>)""",
        FN,
    ),
    # more axes
    case(np.ones((1, 1, 1, 1), f32), "tensor([[[[1.]]]])"),
    case(
        np.arange(8).reshape(2, 2, 2),
        """\
tensor([[[0, 1],
         [2, 3]],

        [[4, 5],
         [6, 7]]])""",
    ),
    case(
        np.arange(8, dtype=f32).reshape(2, 2, 1, 2) / 4,
        """\
tensor([[[[0.0000, 0.2500]],

         [[0.5000, 0.7500]]],


        [[[1.0000, 1.2500]],

         [[1.5000, 1.7500]]]])""",
    ),
    case(
        np.arange(4).reshape(2, 1, 1, 1, 2),
        """\
tensor([[[[[0, 1]]]],



        [[[[2, 3]]]]])""",
    ),
    case(
        np.arange(6).reshape(2, 3).T,
        """\
tensor([[0, 3],
        [1, 4],
        [2, 5]])""",
    ),
    # long lines wrap
    case(
        np.arange(30, dtype=f32),
        """\
tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,
        28., 29.])""",
    ),
    case(
        np.arange(25),
        """\
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24])""",
    ),
    case(
        np.arange(26, dtype=f32).reshape(2, 13) / 8,
        """\
tensor([[0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750, 1.0000,
         1.1250, 1.2500, 1.3750, 1.5000],
        [1.6250, 1.7500, 1.8750, 2.0000, 2.1250, 2.2500, 2.3750, 2.5000, 2.6250,
         2.7500, 2.8750, 3.0000, 3.1250]])""",
    ),
    case(
        np.zeros(30, f32),
        """\
tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., \
0., 0., 0., 0., 0., 0.,
        0., 0., 0., 0., 0., 0.])""",
    ),
    case(
        np.arange(24, dtype=f32).reshape(1, 1, 2, 12) * 1.25,
        """\
tensor([[[[ 0.0000,  1.2500,  2.5000,  3.7500,  5.0000,  6.2500,  7.5000,
            8.7500, 10.0000, 11.2500, 12.5000, 13.7500],
          [15.0000, 16.2500, 17.5000, 18.7500, 20.0000, 21.2500, 22.5000,
           23.7500, 25.0000, 26.2500, 27.5000, 28.7500]]]])""",
    ),
    case(
        np.array([True, False] * 7),
        """\
tensor([ True, False,  True, False,  True, False,  True, False,  True, False,
         True, False,  True, False])""",
    ),
    case(
        np.arange(12, dtype=f32) * 1e-6,
        """\
tensor([0.0000e+00, 1.0000e-06, 2.0000e-06, 3.0000e-06, 4.0000e-06, 5.0000e-06,
        6.0000e-06, 7.0000e-06, 8.0000e-06, 9.0000e-06, 1.0000e-05, 1.1000e-05])""",
    ),
    # suffixes go to a line of their own where the line would be too long
    case(np.arange(3, dtype=f32), "tensor([0., 1., 2.], requires_grad=True)", GRAD),
    case(
        np.arange(9, dtype=f32) + 0.5,
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000, 7.5000, 8.5000],
       requires_grad=True)""",
        GRAD,
    ),
    case(
        np.arange(7, dtype=f32) + 0.5,
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000],
       requires_grad=True)""",
        GRAD,
    ),
    case(
        np.arange(6, dtype=f64) + 0.5,
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000, 4.5000, 5.5000], dtype=tinynet.float64,
       requires_grad=True)""",
        GRAD,
    ),
    case(
        np.arange(10, dtype=f64) + 0.5,
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000, 4.5000, 5.5000, 6.5000, 7.5000, 8.5000,
        9.5000], dtype=tinynet.float64, grad_fn=<MulBackward0>)""",
        FN,
    ),
    case(
        np.arange(11, dtype=f32).reshape(1, 11) - 5.5,
        """\
tensor([[-5.5000, -4.5000, -3.5000, -2.5000, -1.5000, -0.5000,  0.5000,  1.5000,
          2.5000,  3.5000,  4.5000]], grad_fn=<MulBackward0>)""",
        FN,
    ),
    case(
        np.int16([[15946, 5869, 28103, 15320, 22470, 6661, 23568]]),
        "tensor([[15946,  5869, 28103, 15320, 22470,  6661, 23568]], dtype=tinynet.int16)",
    ),
    case(f32(1.5), "tensor(1.5000, requires_grad=True)", GRAD, linewidth=35),
    case(
        f32(1.5),
        """\
tensor(1.5000,
       requires_grad=True)""",
        GRAD,
        linewidth=34,
    ),
    case(f64(1.5), "tensor(1.5000, dtype=tinynet.float64, requires_grad=True)", GRAD, linewidth=56),
    case(
        f64(1.5),
        """\
tensor(1.5000, dtype=tinynet.float64,
       requires_grad=True)""",
        GRAD,
        linewidth=55,
    ),
    case(
        np.arange(6, dtype=f64) + 0.5,
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000,
        4.5000, 5.5000], dtype=tinynet.float64,
       requires_grad=True)""",
        GRAD,
        linewidth=46,
    ),
    case(
        np.arange(6, dtype=f64) + 0.5,
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000,
        4.5000, 5.5000],
       dtype=tinynet.float64,
       requires_grad=True)""",
        GRAD,
        linewidth=45,
    ),
    # more than 1000 elements are summarised
    case(np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    case(
        np.arange(1001, dtype=f32) * 1.5,
        """\
tensor([   0.0000,    1.5000,    3.0000,  ..., 1497.0000, 1498.5000,
        1500.0000], grad_fn=<MulBackward0>)""",
        FN,
    ),
    case(
        np.arange(2100, dtype=f32).reshape(30, 70),
        """\
tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 6.7000e+01, 6.8000e+01,
         6.9000e+01],
        [7.0000e+01, 7.1000e+01, 7.2000e+01,  ..., 1.3700e+02, 1.3800e+02,
         1.3900e+02],
        [1.4000e+02, 1.4100e+02, 1.4200e+02,  ..., 2.0700e+02, 2.0800e+02,
         2.0900e+02],
        ...,
        [1.8900e+03, 1.8910e+03, 1.8920e+03,  ..., 1.9570e+03, 1.9580e+03,
         1.9590e+03],
        [1.9600e+03, 1.9610e+03, 1.9620e+03,  ..., 2.0270e+03, 2.0280e+03,
         2.0290e+03],
        [2.0300e+03, 2.0310e+03, 2.0320e+03,  ..., 2.0970e+03, 2.0980e+03,
         2.0990e+03]])""",
    ),
    case(
        np.arange(1200).reshape(2, 600),
        """\
tensor([[   0,    1,    2,  ...,  597,  598,  599],
        [ 600,  601,  602,  ..., 1197, 1198, 1199]])""",
    ),
    case(
        np.arange(1200).reshape(200, 1, 6),
        """\
tensor([[[   0,    1,    2,    3,    4,    5]],

        [[   6,    7,    8,    9,   10,   11]],

        [[  12,   13,   14,   15,   16,   17]],

        ...,

        [[1182, 1183, 1184, 1185, 1186, 1187]],

        [[1188, 1189, 1190, 1191, 1192, 1193]],

        [[1194, 1195, 1196, 1197, 1198, 1199]]])""",
    ),
    case(
        np.arange(1120).reshape(2, 1, 7, 80),
        """\
tensor([[[[   0,    1,    2,  ...,   77,   78,   79],
          [  80,   81,   82,  ...,  157,  158,  159],
          [ 160,  161,  162,  ...,  237,  238,  239],
          ...,
          [ 320,  321,  322,  ...,  397,  398,  399],
          [ 400,  401,  402,  ...,  477,  478,  479],
          [ 480,  481,  482,  ...,  557,  558,  559]]],


        [[[ 560,  561,  562,  ...,  637,  638,  639],
          [ 640,  641,  642,  ...,  717,  718,  719],
          [ 720,  721,  722,  ...,  797,  798,  799],
          ...,
          [ 880,  881,  882,  ...,  957,  958,  959],
          [ 960,  961,  962,  ..., 1037, 1038, 1039],
          [1040, 1041, 1042,  ..., 1117, 1118, 1119]]]])""",
    ),
    case(
        np.zeros((1, 2, 3, 400), bool),
        """\
tensor([[[[False, False, False,  ..., False, False, False],
          [False, False, False,  ..., False, False, False],
          [False, False, False,  ..., False, False, False]],

         [[False, False, False,  ..., False, False, False],
          [False, False, False,  ..., False, False, False],
          [False, False, False,  ..., False, False, False]]]])""",
    ),
    case(
        np.where(np.arange(1500) == 700, 1e9, 1).astype(f32),
        "tensor([1., 1., 1.,  ..., 1., 1., 1.])",
    ),
    # print options
    case(f32([1 / 3, 10]), "tensor([ 0.33, 10.00])", precision=2),
    case(f32([2.5, 1]), "tensor([2, 1])", precision=0),
    case(f32([2e-5, 1]), "tensor([2e-05, 1e+00])", precision=0),
    case(f64([1 / 3]), "tensor([0.3333333333], dtype=tinynet.float64)", precision=10),
    case(f32([1, 20]), "tensor([1.0000e+00, 2.0000e+01])", sci_mode=True),
    case(f32([0, 0]), "tensor([0., 0.])", sci_mode=True),
    case(f32([1e-7, 5.5]), "tensor([0.0000, 5.5000])", sci_mode=False),
    case(f32([1e10, 1.5]), "tensor([10000000000.0000,           1.5000])", sci_mode=False),
    case(np.int64([1, 20]), "tensor([ 1, 20])", sci_mode=True),
    case(np.arange(20), "tensor([ 0,  1,  2,  ..., 17, 18, 19])", threshold=5),
    case(
        np.arange(20, dtype=f32).reshape(4, 5),
        """\
tensor([[ 0.,  ...,  4.],
        ...,
        [15.,  ..., 19.]])""",
        threshold=5,
        edgeitems=1,
    ),
    case(np.arange(20), "tensor([...], size=(20,))", threshold=5, edgeitems=0),
    case(
        np.zeros((4, 5), f64),
        "tensor([...], size=(4, 5), dtype=tinynet.float64, requires_grad=True)",
        GRAD,
        threshold=5,
        edgeitems=0,
    ),
    case(f32([1, 2]), "tensor([1., 2.], size=(2,))", edgeitems=0),
    case(f32(5), "tensor(5., size=())", threshold=0, edgeitems=0),
    case(np.arange(3), "tensor([0, 1, 2])", threshold=0),
    case(np.arange(8), "tensor([0, 1, 2,  ..., 5, 6, 7])", threshold=0),
    case(
        np.arange(6, dtype=f32),
        """\
tensor([0., 1., 2.,
        3., 4., 5.],
       requires_grad=True)""",
        GRAD,
        linewidth=20,
    ),
    case(
        np.arange(6, dtype=f32),
        """\
tensor([0.,
        1.,
        2.,
        3.,
        4.,
        5.],
       requires_grad=True)""",
        GRAD,
        linewidth=1,
    ),
    case(
        f32(5),
        """\
tensor(5.,
       grad_fn=<MulBackward0>)""",
        FN,
        linewidth=30,
    ),
    case(
        np.zeros(30, f32),
        """\
tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.,
        0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.,
        0., 0., 0., 0., 0., 0., 0., 0.])""",
        linewidth=40,
    ),
    case(
        np.arange(40),
        """\
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
        23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39])""",
        linewidth=100,
    ),
    case(
        np.arange(1600, dtype=f32).reshape(40, 40) / 1600,
        """\
tensor([[0.00e+00, 6.25e-04,  ..., 2.37e-02, 2.44e-02],
        [2.50e-02, 2.56e-02,  ..., 4.87e-02, 4.94e-02],
        ...,
        [9.50e-01, 9.51e-01,  ..., 9.74e-01, 9.74e-01],
        [9.75e-01, 9.76e-01,  ..., 9.99e-01, 9.99e-01]])""",
        profile="short",
    ),
    case(f32([1.5]), "tensor([1.500000])", profile="short", precision=6),
]


@pytest.mark.parametrize(("array", "text", "suffixes", "options"), RECORDED)
def test_prints_what_pytorch_printed(array, text, suffixes, options):
    if options:
        set_printoptions(**options)
    assert format_tensor(array, suffixes) == text


def test_the_device_comes_before_size_and_dtype():
    device = "device='cuda:0'"
    text = "tensor([], device='cuda:0', size=(0, 2), dtype=tinynet.float64)"
    assert format_tensor(np.zeros((0, 2)), [device]) == text
    assert (
        format_tensor(f32(1), [GRAD, device]) == "tensor(1., device='cuda:0', requires_grad=True)"
    )


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(np.asfortranarray, id="fortran order"),
        pytest.param(lambda a: np.flip(np.flip(a).copy()), id="negative strides"),
        pytest.param(lambda a: np.repeat(a, 2, axis=1)[:, ::2], id="every second column"),
        pytest.param(lambda a: a.astype(a.dtype.newbyteorder()), id="swapped bytes"),
    ],
)
def test_memory_layout_does_not_show(view):
    array = np.arange(6, dtype=f32).reshape(2, 3) / 4
    assert not (view(array).flags.c_contiguous and view(array).dtype.isnative)
    assert format_tensor(view(array)) == format_tensor(array)


def test_a_summary_reads_only_what_it_shows():
    # A trillion elements in four bytes: gathering more of them than the corners would not fit into
    # memory.
    huge = np.broadcast_to(f32(0.5), (10**6, 10**6))
    row = "[0.5000, 0.5000, 0.5000,  ..., 0.5000, 0.5000, 0.5000]"
    between = ",\n        "
    assert format_tensor(huge) == "tensor([" + between.join([row] * 3 + ["..."] + [row] * 3) + "])"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(2, np.complex64),
        np.array([None]),
        np.array(["a"]),
        pytest.param(
            np.zeros(2, np.longdouble),
            marks=pytest.mark.skipif(
                np.dtype(np.longdouble).itemsize == 8, reason="longdouble is float64 here"
            ),
        ),
    ],
)
def test_other_dtypes_are_refused(array):
    with pytest.raises(
        TypeError, match="format_tensor: the array has dtype .*; a tensor holds bool, integers or"
    ):
        format_tensor(array)


def test_options_stay_until_they_are_set_again():
    third = f32([1 / 3])
    set_printoptions(precision=2)
    set_printoptions(linewidth=40)
    assert format_tensor(third) == "tensor([0.33])"
    set_printoptions(profile="full")
    assert format_tensor(third) == "tensor([0.3333])"
    assert "..." not in format_tensor(np.zeros(1001))


def test_every_call_sets_sci_mode():
    set_printoptions(sci_mode=True)
    assert format_tensor(f32([2])) == "tensor([2.0000e+00])"
    set_printoptions(precision=3)
    assert format_tensor(f32([2])) == "tensor([2.])"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"profile": "long"},
            ValueError,
            "profile must be 'default', 'short' or 'full', got 'long'",
        ),
        ({"profile": ["full"]}, ValueError, r"profile must be .*, got \['full'\]"),
        ({"precision": -1}, ValueError, "precision must be an int from 0 up, got -1"),
        ({"precision": 2.0}, TypeError, "precision must be an int from 0 up, got 2.0"),
        ({"precision": True}, TypeError, "precision must be an int from 0 up, got True"),
        ({"threshold": -1}, ValueError, "threshold must be at least 0, got -1"),
        ({"threshold": nan}, ValueError, "threshold must be at least 0, got nan"),
        ({"threshold": "all"}, TypeError, "threshold must be a number, got 'all'"),
        ({"edgeitems": -1}, ValueError, "edgeitems must be an int from 0 up, got -1"),
        ({"edgeitems": 1.5}, TypeError, "edgeitems must be an int from 0 up, got 1.5"),
        ({"linewidth": 0}, ValueError, "linewidth must be an int from 1 up, got 0"),
        ({"linewidth": inf}, TypeError, "linewidth must be an int from 1 up, got inf"),
        ({"sci_mode": 1}, TypeError, "sci_mode must be True or False, got 1"),
    ],
)
def test_bad_options_are_refused_and_change_nothing(options, error, message):
    valid = {
        "precision": 1,
        "threshold": 1,
        "edgeitems": 1,
        "linewidth": 30,
        "profile": "short",
        "sci_mode": True,
    }
    with pytest.raises(error, match="set_printoptions: " + message):
        set_printoptions(**{**valid, **options})
    third = np.full(1000, 1 / 3, f32)
    assert format_tensor(third).startswith("tensor([" + ", ".join(["0.3333"] * 9) + ",\n")
    assert "..." not in format_tensor(third)


@pytest.fixture(scope="module")
def torch(torch):
    yield torch
    torch.set_printoptions(profile="default")


DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"]
# Values at which the format changes; hypothesis rarely draws two of them together by itself.
TURNING = [
    0.0,
    -0.0,
    1.0,
    -2.0,
    0.5,
    1e-4,
    9.9e-5,
    1e-3,
    1000.0,
    1001.0,
    1e8,
    1.1e8,
    0.99999,
    9.99995,
    inf,
    nan,
]


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=12))
    while math.prod(shape) > 300:
        shape = shape[1:]
    elements = hnp.from_dtype(dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # 1e8 is inf in float16
            turning = np.array(TURNING).astype(dtype).tolist()
        elements = st.one_of(elements, st.sampled_from(turning), st.integers(-20, 20).map(float))
        if draw(st.booleans()):
            elements = st.sampled_from(turning)
    return draw(hnp.arrays(dtype, shape, elements=elements))


OPTIONS = st.fixed_dictionaries(
    {"profile": st.sampled_from(["default", "short", "full"])},
    optional={
        "precision": st.integers(0, 10),
        "threshold": st.sampled_from([0, 5, 50, inf]),
        "edgeitems": st.integers(0, 4),
        "linewidth": st.integers(1, 130),
        "sci_mode": st.booleans(),
    },
)


def assert_prints_like(torch, array, history, options):
    tensor = torch.from_numpy(array.copy())
    suffixes = []
    if array.dtype.kind == "f" and history is not None:
        suffixes = [history]
        tensor.requires_grad_()
        if history == FN:
            tensor = tensor * 1
    torch.set_printoptions(**options)
    set_printoptions(**options)
    assert format_tensor(array, suffixes).replace("tinynet.", "torch.") == repr(tensor)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(array=arrays(), history=st.sampled_from([None, GRAD, FN]), options=OPTIONS)
def test_prints_what_pytorch_prints(torch, array, history, options):
    assert_prints_like(torch, array, history, options)


@pytest.mark.parametrize("history", [GRAD, FN])
@pytest.mark.parametrize("shape", [(), (5,), (2, 7), (2, 1, 3)])
@pytest.mark.parametrize("edgeitems", [0, 3])
def test_lines_break_where_those_of_pytorch_do(torch, shape, history, edgeitems):
    for linewidth in range(1, 130):
        assert_prints_like(
            torch,
            np.full(shape, 0.5),
            history,
            {"profile": "default", "linewidth": linewidth, "edgeitems": edgeitems},
        )
