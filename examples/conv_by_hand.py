"""One small convolution, forward and backward, by matrices and by autograd, every number printed.

    python examples/conv_by_hand.py                          one 4 x 4 image, a 3 x 3 kernel
    python examples/conv_by_hand.py --stride 2 --padding 1   steps of two pixels, zeros around
    python examples/conv_by_hand.py --help                   all options

The first part uses numpy alone: loops and matrix products. The last part computes the same with
tinynet's autograd and compares.
"""

from __future__ import annotations

import argparse

import numpy as np

import tinynet
import tinynet.nn.functional as F


def im2col(x, kernel, stride, padding):
    """One column per window, with what it reads: (C, H, W) -> (C * K * K, OH * OW)."""
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    tops = range(0, padded.shape[1] - kernel + 1, stride)
    lefts = range(0, padded.shape[2] - kernel + 1, stride)
    return np.stack(
        [padded[:, i : i + kernel, j : j + kernel].ravel() for i in tops for j in lefts], axis=1
    )


def col2im(columns, shape, kernel, stride, padding):
    """Add every entry to the pixel it came from: (C * K * K, OH * OW) -> (C, H, W)."""
    channels, height, width = shape
    padded = np.zeros((channels, height + 2 * padding, width + 2 * padding))
    tops = range(0, padded.shape[1] - kernel + 1, stride)
    lefts = range(0, padded.shape[2] - kernel + 1, stride)
    for (i, j), column in zip(((i, j) for i in tops for j in lefts), columns.T, strict=True):
        padded[:, i : i + kernel, j : j + kernel] += column.reshape(channels, kernel, kernel)
    return padded[:, padding : padding + height, padding : padding + width]


def show(title, array):
    print(f"\n{title}, {' x '.join(map(str, array.shape))}")
    print(np.array2string(np.asarray(array, np.int64), max_line_width=150, threshold=10_000))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--size", type=int, default=4, help="height and width of the image")
    parser.add_argument("--channels", type=int, default=1, help="channels of the image")
    parser.add_argument("--filters", type=int, default=1, help="channels of the result")
    parser.add_argument("--kernel", type=int, default=3, help="height and width of the kernel")
    parser.add_argument("--stride", type=int, default=1, help="pixels from one window to the next")
    parser.add_argument("--padding", type=int, default=0, help="zeros around the image")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers")
    options = parser.parse_args()
    size, channels, filters, kernel, stride, padding = (
        getattr(options, name)
        for name in ("size", "channels", "filters", "kernel", "stride", "padding")
    )
    if min(size, channels, filters, kernel, stride) < 1 or padding < 0:
        parser.error("sizes and counts must be positive, and padding not negative")
    if kernel > size + 2 * padding:
        parser.error(
            f"a kernel of {kernel} does not fit into an image of {size} with padding {padding}"
        )

    # small whole numbers, so that what is printed is exact and easy to check
    random = np.random.default_rng(options.seed)
    x = random.integers(0, 4, (channels, size, size)).astype(float)
    weight = random.integers(-2, 3, (filters, channels, kernel, kernel)).astype(float)
    out = (size + 2 * padding - kernel) // stride + 1
    # the upstream gradient: of some loss, for each pixel of the result
    gradient = random.integers(-1, 2, (filters, out, out)).astype(float)

    print("y = W @ columns: the forward pass")
    columns = im2col(x, kernel, stride, padding)
    matrix = weight.reshape(filters, -1)
    y = (matrix @ columns).reshape(filters, out, out)
    show("the image x", x)
    show("the columns: what each window reads, from top to bottom", columns)
    show("the kernel as a matrix W, one row per filter", matrix)
    show("the result y", y)

    print("\ndW = dY @ columns.T: each weight sums over all windows, because all windows use it")
    flat = gradient.reshape(filters, -1)
    weight_gradient = (flat @ columns.T).reshape(weight.shape)
    show("dY, the upstream gradient (G in the lesson)", gradient)
    show("dW", weight_gradient)

    print("\ndX = col2im(W.T @ dY): each pixel sums over all windows that read it")
    column_gradient = matrix.T @ flat
    x_gradient = col2im(column_gradient, x.shape, kernel, stride, padding)
    show("W.T @ dY, the gradient of the columns", column_gradient)
    show("dX", x_gradient)

    x_tensor, weight_tensor = (tinynet.tensor(value, requires_grad=True) for value in (x, weight))
    y_tensor = F.conv2d(x_tensor.unsqueeze(0), weight_tensor, stride=stride, padding=padding)
    y_tensor.backward(tinynet.tensor(gradient).unsqueeze(0))
    print("\nautograd says the same:")
    pairs = {
        "y": (y, y_tensor[0]),
        "dW": (weight_gradient, weight_tensor.grad),
        "dX": (x_gradient, x_tensor.grad),
    }
    same = {
        name: np.array_equal(by_hand, tensor.detach().numpy())
        for name, (by_hand, tensor) in pairs.items()
    }
    for name, equal in same.items():
        print(f"  {name:2} {'equal' if equal else 'DIFFERENT'}")
    if not all(same.values()):
        raise SystemExit("the numbers by hand and by autograd differ: one of the two is wrong")


if __name__ == "__main__":
    main()
