"""What must be equal on the CPU and on a GPU: operations with their gradients, and training.

`tests/gpu` runs these cases on the stand-in for cupy, and on a GPU `tests/gpu/check.py` does. So
this file imports nothing but numpy and tinynet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nn_operations
import numpy as np
import operations
from nn_operations import call, classes
from operations import Case, other, positive, real, run, ties, truth, whole

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim

f64 = np.float64


def images(*shape: int) -> np.ndarray:
    return real(*shape, dtype=f64)


def seeded(f: Any) -> Any:
    """`f` with the default generator seeded before each call."""

    @functools.wraps(f)
    def again(T: Any, *tensors: Any) -> Any:
        T.manual_seed(5)
        return f(T, *tensors)

    return again


def on_device(x: Any, array: np.ndarray) -> Any:
    """`array` as a tensor on the device of the tensor `x`."""
    return tinynet.tensor(array).to(x.device)


# ----------------------------------------------------------------------------------- operations


def batch_norm(T: Any, x: Any, w: Any = None, b: Any = None) -> Any:
    return T.nn.functional.batch_norm(x, None, None, w, b, training=True)


def weighted_cross_entropy(T: Any, x: Any, w: Any) -> Any:
    target = on_device(x, classes(6, C=4, ignored=-100))
    return T.nn.functional.cross_entropy(x, target, w.detach(), label_smoothing=0.1)


def pool_minus_infinity(T: Any, x: Any) -> Any:
    return T.nn.functional.max_pool2d(T.where(x > 0, -float("inf"), x), 2, 1, 1)


def bitwise(T: Any, a: Any, b: Any) -> Any:
    return T.bitwise_and(a, b), T.bitwise_or(a, b), T.bitwise_xor(a, b), T.bitwise_not(a)


def comparisons(T: Any, a: Any) -> Any:
    return T.tensor([T.allclose(a, a + 1e-9), T.equal(a, a), T.equal(a, a + 1)])


def named(name: str, *inputs: np.ndarray, **options: Any) -> Case:
    """The function of `nn.functional` that is the first word of `name`."""
    return Case(name, call(name.split()[0], **options), inputs)


IMAGE_CASES = [
    named("linear", real(4, 3), other(2, 3), real(2)),
    named("conv2d", images(2, 3, 5, 6), images(4, 3, 3, 2), images(4)),
    named(
        "conv2d geometry", images(2, 2, 7, 8), images(3, 2, 3, 2),
        stride=(2, 3), padding=(2, 1), dilation=(1, 2),
    ),
    named(
        "conv2d groups", images(2, 4, 6, 5), images(6, 2, 3, 3), images(6),
        stride=2, groups=2, padding=1,
    ),
    named(
        "conv2d same", images(1, 1, 5, 6), images(2, 1, 2, 3), padding="same", dilation=(2, 1)
    ),
    named("conv2d unbatched", images(3, 5, 6), images(4, 3, 3, 2)),
    named("conv2d no samples", images(0, 3, 5, 6), images(4, 3, 3, 2)),
    named("conv2d float32", real(2, 3, 5, 6), other(4, 3, 3, 2), real(4), padding=1),
    named("conv2d int64", whole(1, 2, 4, 5), whole(3, 2, 2, 3)),
    named(
        "conv_transpose2d", images(2, 3, 3, 4), images(3, 2, 3, 2), images(2),
        stride=(2, 1), padding=(1, 0), output_padding=(1, 0),
    ),
    named(
        "conv_transpose2d groups", images(2, 4, 3, 4), images(4, 3, 2, 2), groups=2, dilation=2
    ),
    named(
        "unfold", images(2, 3, 5, 6),
        kernel_size=(2, 3), dilation=(2, 1), padding=(0, 2), stride=(1, 2),
    ),
    named("fold", images(2, 12, 8), output_size=(5, 6), kernel_size=(2, 3), stride=(2, 1)),
    named("max_pool2d", images(2, 3, 5, 6), kernel_size=2),
    named(
        "max_pool2d overlap", images(2, 3, 5, 6), kernel_size=(3, 2), stride=(2, 1), padding=1
    ),
    named(
        "max_pool2d dilation, ceil", images(2, 3, 6, 7),
        kernel_size=2, stride=3, dilation=(1, 2), ceil_mode=True,
    ),
    named("max_pool2d ties", ties(2, 3, 5, 6), kernel_size=3, stride=1),
    named(
        "max_pool2d indices", ties(2, 3, 5, 6),
        kernel_size=3, stride=2, padding=1, return_indices=True,
    ),
    named("max_pool2d float32", -positive(2, 3, 5, 6), kernel_size=2),
    named("max_pool2d int64", whole(1, 2, 4, 5), kernel_size=3, padding=1),
    named("max_pool2d int32", whole(1, 2, 4, 5, dtype=np.int32), kernel_size=2),
    named("max_pool2d uint8", np.arange(40, dtype=np.uint8).reshape(1, 2, 4, 5), kernel_size=2),
    named("max_pool2d bool", truth(1, 2, 4, 5), kernel_size=2, padding=1),
    Case("max_pool2d minus infinity", pool_minus_infinity, (images(1, 2, 4, 5),)),
    named("avg_pool2d", images(2, 3, 5, 6), kernel_size=(3, 2), stride=(2, 1), padding=1),
    named(
        "avg_pool2d ceil", images(2, 3, 5, 7),
        kernel_size=2, ceil_mode=True, count_include_pad=False,
    ),
    named("adaptive_avg_pool2d", images(2, 3, 5, 7), output_size=(2, 3)),
    named("adaptive_avg_pool2d 1", images(2, 3, 5, 7), output_size=1),
    named("adaptive_max_pool2d", images(2, 3, 5, 7), output_size=(2, 3), return_indices=True),
    *[
        named(f"interpolate {mode}", images(2, 3, 4, 5), size=(7, 3), mode=mode)
        for mode in ("nearest", "nearest-exact", "bilinear")
    ],
    *[
        named(f"pad {mode}", images(2, 3, 4, 5), pad=(1, 2, 2, 1), mode=mode)
        for mode in ("constant", "reflect", "replicate", "circular")
    ],
    Case("batch_norm", batch_norm, (images(3, 4, 2, 5), images(4), images(4))),
    Case("batch_norm of vectors", batch_norm, (images(6, 4), images(4), images(4))),
    Case("batch_norm plain", batch_norm, (images(3, 4, 2, 5),)),
    Case(
        "batch_norm evaluation",
        lambda T, x, m: T.nn.functional.batch_norm(x, m.detach(), m.detach() * m.detach()),
        (images(3, 4, 2, 5), images(4)),
    ),
    named("instance_norm", images(3, 4, 2, 5)),
    Case(
        "layer_norm",
        lambda T, x, w, b: T.nn.functional.layer_norm(x, (2, 5), w, b),
        (images(3, 4, 2, 5), images(2, 5), images(2, 5)),
    ),
    Case(
        "group_norm",
        lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b),
        (images(3, 4, 2, 5), images(4), images(4)),
    ),
    Case("dropout", seeded(call("dropout", p=0.3)), (images(4, 5),)),
    Case("dropout2d", seeded(call("dropout2d", p=0.5)), (images(4, 5, 2, 3),)),
    Case(
        "bitwise_and bitwise_or bitwise_xor bitwise_not",
        bitwise,
        (whole(5), whole(5)[::-1].copy()),
    ),
    Case("allclose equal", comparisons, (real(2, 3),)),
    named("cosine_similarity", images(3, 4), images(3, 4)),
    Case(
        "cross_entropy weight, ignored",
        weighted_cross_entropy,
        (images(6, 4), positive(4, dtype=f64)),
    ),
]  # fmt: skip

GROUPS = {
    "operations on tensors": operations.CASES,
    "activations and losses": nn_operations.CASES,
    "layers for images": IMAGE_CASES,
}
CASES = {case.name: case for group in GROUPS.values() for case in group}


class On:
    """tinynet, but `tensor` and `full` create tensors on a device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(tinynet, name)

    def tensor(self, *arguments: Any, **options: Any) -> tinynet.Tensor:
        return tinynet.tensor(*arguments, **options, device=self.device)

    def full(self, *arguments: Any, **options: Any) -> tinynet.Tensor:
        return tinynet.full(*arguments, **options, device=self.device)


def assert_equal_to_the_cpu(case: Case, device: str, looser: float = 1) -> None:
    """Values, gradients and second-order gradients on `device` are the CPU's, or errors are.

    `looser` is a factor for the tolerance.
    """
    try:
        expected = run(tinynet, case)
    except (TypeError, RuntimeError, ValueError) as refusal:
        try:
            run(On(device), case)
        except type(refusal):
            return
        raise AssertionError(f"the CPU raises {refusal!r}, {device} raises nothing") from None
    found = run(On(device), case)
    assert found.pop("requires_grad") == expected.pop("requires_grad")
    assert found.keys() == expected.keys()
    for kind in expected:
        for mine, theirs in zip(found[kind], expected[kind], strict=True):
            if theirs is None:
                assert mine is None
                continue
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
            tolerance = 1e-10 if mine.dtype == f64 else 3e-3 if mine.dtype == np.float16 else 1e-5
            tolerance *= looser
            np.testing.assert_allclose(
                mine, theirs, rtol=tolerance, atol=tolerance / 10, err_msg=kind
            )


# ------------------------------------------------------------------------------------- training


class Net(nn.Module):
    """Convolution, batch norm, max-pooling, dropout, linear."""

    def __init__(self) -> None:
        super().__init__()
        # No bias before batch norm: its gradient would be 0 plus rounding errors, and Adam would
        # scale these up.
        self.conv1, self.norm = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.dropout, self.linear = nn.Dropout(0.3), nn.Linear(6 * 2 * 2, 5)

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        return self.linear(self.dropout(F.relu(self.conv2(x)).flatten(1)))


OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.05),
    "momentum": lambda p: optim.SGD(
        p, lr=0.05, momentum=0.9, dampening=0.2, weight_decay=0.01
    ),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, maximize=True),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05),
}


def train(device: str, make: Any, folder: Path, steps: int = 4) -> dict[str, np.ndarray]:
    """Parameters, buffers and losses after some steps.

    After half of the steps everything is saved and loaded into new objects.
    """
    tinynet.manual_seed(0)
    model, losses = Net().to(device), []
    optimizer = make(model.parameters())
    data = tinynet.randn(4 * steps, 1, 8, 8), tinynet.randint(5, (4 * steps,))
    loader = tinynet.utils.data.DataLoader(tinynet.utils.data.TensorDataset(*data), 4)
    for step, (x, y) in enumerate(loader):
        if step == steps // 2:
            file = folder / "state.safetensors"
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            tinynet.save(state, file)
            state = tinynet.load(file, map_location=device)
            assert all(v.device == tinynet.device(device) for v in state["model"].values())
            random_state = tinynet.default_generator.get_state()
            model = Net().to(device)
            optimizer = make(model.parameters())
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            tinynet.default_generator.set_state(random_state)
        loss = F.cross_entropy(model(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    kept = {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
    return {**kept, "losses": np.array(losses)}


def assert_training_is_equal(name: str, device: str, folder: Path, looser: float = 1) -> None:
    """Training with an optimiser gives on `device` what it gives on the CPU, to rounding."""
    found, expected = (train(where, OPTIMIZERS[name], folder) for where in (device, "cpu"))
    assert expected["losses"][0] != expected["losses"][-1]
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        np.testing.assert_allclose(
            found[key], value, rtol=looser * 2e-4, atol=looser * 2e-5, err_msg=key
        )


def lenet() -> nn.Sequential:
    """LeNet-5."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip
