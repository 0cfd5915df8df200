"""Everything gives on a GPU what it gives on the CPU: values, gradients, second-order gradients, training."""

from __future__ import annotations

import functools
from typing import Any

import nn_operations
import numpy as np
import operations
import pytest
from nn_operations import call, classes
from operations import Case, other, positive, real, run, ties

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim

f64 = np.float64


def images(*shape: int) -> np.ndarray:
    return real(*shape, dtype=f64)


def seeded(f: Any) -> Any:
    @functools.wraps(f)
    def again(T: Any, *tensors: Any) -> Any:
        T.manual_seed(5)
        return f(T, *tensors)

    return again


def on_device(x: Any, array: np.ndarray) -> Any:
    return tinynet.tensor(array).to(x.device)


IMAGE_CASES = [
    Case("linear", call("linear"), (real(4, 3), other(2, 3), real(2))),
    Case("conv2d", call("conv2d"), (images(2, 3, 5, 6), images(4, 3, 3, 2), images(4))),
    Case("conv2d geometry", call("conv2d", stride=(2, 3), padding=(2, 1), dilation=(1, 2)), (images(2, 2, 7, 8), images(3, 2, 3, 2))),
    Case("conv2d groups", call("conv2d", stride=2, groups=2, padding=1), (images(2, 4, 6, 5), images(6, 2, 3, 3), images(6))),
    Case("conv2d same", call("conv2d", padding="same", dilation=(2, 1)), (images(1, 1, 5, 6), images(2, 1, 2, 3))),
    Case("conv2d unbatched", call("conv2d"), (images(3, 5, 6), images(4, 3, 3, 2))),
    Case("conv2d no samples", call("conv2d"), (images(0, 3, 5, 6), images(4, 3, 3, 2))),
    Case("conv2d float32", call("conv2d", padding=1), (real(2, 3, 5, 6), other(4, 3, 3, 2), real(4))),
    Case("conv2d int64", call("conv2d"), (operations.whole(1, 2, 4, 5), operations.whole(3, 2, 2, 3))),
    Case("conv_transpose2d", call("conv_transpose2d", stride=(2, 1), padding=(1, 0), output_padding=(1, 0)), (images(2, 3, 3, 4), images(3, 2, 3, 2), images(2))),
    Case("conv_transpose2d groups", call("conv_transpose2d", groups=2, dilation=2), (images(2, 4, 3, 4), images(4, 3, 2, 2))),
    Case("unfold", call("unfold", kernel_size=(2, 3), dilation=(2, 1), padding=(0, 2), stride=(1, 2)), (images(2, 3, 5, 6),)),
    Case("fold", call("fold", output_size=(5, 6), kernel_size=(2, 3), stride=(2, 1)), (images(2, 12, 8),)),
    Case("max_pool2d", call("max_pool2d", kernel_size=2), (images(2, 3, 5, 6),)),
    Case("max_pool2d overlap", call("max_pool2d", kernel_size=(3, 2), stride=(2, 1), padding=1), (images(2, 3, 5, 6),)),
    Case("max_pool2d dilation, ceil", call("max_pool2d", kernel_size=2, stride=3, dilation=(1, 2), ceil_mode=True), (images(2, 3, 6, 7),)),
    Case("max_pool2d ties", call("max_pool2d", kernel_size=3, stride=1), (ties(2, 3, 5, 6),)),
    Case("max_pool2d indices", call("max_pool2d", kernel_size=3, stride=2, padding=1, return_indices=True), (ties(2, 3, 5, 6),)),
    Case("max_pool2d float32", call("max_pool2d", kernel_size=2), (-positive(2, 3, 5, 6),)),
    Case("max_pool2d int64", call("max_pool2d", kernel_size=3, padding=1), (operations.whole(1, 2, 4, 5),)),
    Case("max_pool2d int32", call("max_pool2d", kernel_size=2), (operations.whole(1, 2, 4, 5, dtype=np.int32),)),
    Case("max_pool2d uint8", call("max_pool2d", kernel_size=2), (np.arange(40, dtype=np.uint8).reshape(1, 2, 4, 5),)),
    Case("max_pool2d bool", call("max_pool2d", kernel_size=2, padding=1), (operations.truth(1, 2, 4, 5),)),
    Case("max_pool2d minus infinity", lambda T, x: T.nn.functional.max_pool2d(T.where(x > 0, -float("inf"), x), 2, 1, 1), (images(1, 2, 4, 5),)),
    Case("avg_pool2d", call("avg_pool2d", kernel_size=(3, 2), stride=(2, 1), padding=1), (images(2, 3, 5, 6),)),
    Case("avg_pool2d ceil", call("avg_pool2d", kernel_size=2, ceil_mode=True, count_include_pad=False), (images(2, 3, 5, 7),)),
    Case("adaptive_avg_pool2d", call("adaptive_avg_pool2d", output_size=(2, 3)), (images(2, 3, 5, 7),)),
    Case("adaptive_avg_pool2d 1", call("adaptive_avg_pool2d", output_size=1), (images(2, 3, 5, 7),)),
    Case("adaptive_max_pool2d", call("adaptive_max_pool2d", output_size=(2, 3), return_indices=True), (images(2, 3, 5, 7),)),
    *[
        Case(f"interpolate {mode}", call("interpolate", size=(7, 3), mode=mode), (images(2, 3, 4, 5),))
        for mode in ("nearest", "nearest-exact", "bilinear")
    ],
    *[
        Case(f"pad {mode}", call("pad", pad=(1, 2, 2, 1), mode=mode), (images(2, 3, 4, 5),))
        for mode in ("constant", "reflect", "replicate", "circular")
    ],
    Case("batch_norm", lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, training=True), (images(3, 4, 2, 5), images(4), images(4))),
    Case("batch_norm of vectors", lambda T, x, w, b: T.nn.functional.batch_norm(x, None, None, w, b, training=True), (images(6, 4), images(4), images(4))),
    Case("batch_norm plain", lambda T, x: T.nn.functional.batch_norm(x, None, None, training=True), (images(3, 4, 2, 5),)),
    Case("batch_norm evaluation", lambda T, x, m: T.nn.functional.batch_norm(x, m.detach(), m.detach() * m.detach()), (images(3, 4, 2, 5), images(4))),
    Case("instance_norm", call("instance_norm"), (images(3, 4, 2, 5),)),
    Case("layer_norm", lambda T, x, w, b: T.nn.functional.layer_norm(x, (2, 5), w, b), (images(3, 4, 2, 5), images(2, 5), images(2, 5))),
    Case("group_norm", lambda T, x, w, b: T.nn.functional.group_norm(x, 2, w, b), (images(3, 4, 2, 5), images(4), images(4))),
    Case("dropout", seeded(call("dropout", p=0.3)), (images(4, 5),)),
    Case("dropout2d", seeded(call("dropout2d", p=0.5)), (images(4, 5, 2, 3),)),
    Case(
        "bitwise_and bitwise_or bitwise_xor bitwise_not",
        lambda T, a, b: (T.bitwise_and(a, b), T.bitwise_or(a, b), T.bitwise_xor(a, b), T.bitwise_not(a)),
        (operations.whole(5), operations.whole(5)[::-1].copy()),
    ),
    Case("allclose equal", lambda T, a: T.tensor([T.allclose(a, a + 1e-9), T.equal(a, a), T.equal(a, a + 1)]), (real(2, 3),)),
    Case("cosine_similarity", call("cosine_similarity"), (images(3, 4), images(3, 4))),
    Case(
        "cross_entropy weight, ignored",
        lambda T, x, w: T.nn.functional.cross_entropy(
            x, on_device(x, classes(6, C=4, ignored=-100)), w.detach(), label_smoothing=0.1
        ),
        (images(6, 4), positive(4, dtype=f64)),
    ),
]  # fmt: skip

CASES = {case.name: case for case in [*operations.CASES, *nn_operations.CASES, *IMAGE_CASES]}


class On:
    """tinynet, its new tensors on a device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(tinynet, name)

    def tensor(self, *arguments: Any, **options: Any) -> tinynet.Tensor:
        return tinynet.tensor(*arguments, **options, device=self.device)

    def full(self, *arguments: Any, **options: Any) -> tinynet.Tensor:
        return tinynet.full(*arguments, **options, device=self.device)


@pytest.mark.filterwarnings("ignore::UserWarning")  # some cases give what PyTorch warns of
@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_cpu(name, last_gpu):
    case = CASES[name]
    try:
        expected = run(tinynet, case)
    except (TypeError, RuntimeError, ValueError) as refusal:
        with pytest.raises(type(refusal)):
            run(On(last_gpu), case)
        return
    found = run(On(last_gpu), case)
    assert found.pop("requires_grad") == expected.pop("requires_grad")
    assert found.keys() == expected.keys()
    for kind in expected:
        for mine, theirs in zip(found[kind], expected[kind], strict=True):
            if theirs is None:
                assert mine is None
                continue
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
            tolerance = 1e-10 if mine.dtype == f64 else 3e-3 if mine.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(
                mine, theirs, rtol=tolerance, atol=tolerance / 10, err_msg=kind
            )


def test_no_function_is_left_out():
    """What is public has a case here, under its own name, or is named here as no computation on tensors."""
    tested = " ".join(CASES) + " " + " ".join(name.split()[0] for name in CASES)
    elsewhere = {"pad": "pad constant"}
    lacking = [
        name
        for name in F.__all__
        if name not in tested.split() and elsewhere.get(name) not in CASES
    ]
    assert not lacking, f"add cases for {lacking}"
    no_computation = set(
        """Checkpoint Generator Size Tensor as_tensor cuda detect_anomaly device dtype enable_grad from_dlpack from_numpy get_num_threads grad gradcheck
        inference_mode is_grad_enabled load manual_seed no_grad result_type save set_grad_enabled set_num_threads set_printoptions summary
        tensor Any mm""".split()
    )
    drawn_or_filled = set(
        """arange bernoulli empty empty_like eye full full_like linspace normal ones ones_like rand rand_like randint randint_like randn
        randn_like randperm zeros zeros_like""".split()
    )  # in test_gpu_devices.py
    computations = {
        n
        for n in vars(tinynet)
        if not n.startswith("_") and callable(getattr(tinynet, n)) and n not in F.__all__
    }
    code = {
        name: " ".join(map(str, case.f.__code__.co_names + case.f.__code__.co_consts))
        for name, case in CASES.items()
        if hasattr(case.f, "__code__")
    }
    words = set(" ".join([*CASES, *code.values()]).replace(",", " ").split())
    lacking = sorted(computations - no_computation - drawn_or_filled - words)
    assert not lacking, f"add cases for {lacking} to operations.py"


# ---------------------------------------------------------------------------------------------------- training


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        # a bias before batch norm would have no gradient but rounding errors, which Adam would blow up
        self.conv1, self.norm = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.dropout, self.linear = nn.Dropout(0.3), nn.Linear(6 * 2 * 2, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        return self.linear(self.dropout(F.relu(self.conv2(x)).flatten(1)))


def optimizers() -> dict[str, Any]:
    return {
        "SGD": lambda p: optim.SGD(p, lr=0.05), "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.2, weight_decay=0.01),
        "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, maximize=True), "Adam": lambda p: optim.Adam(p, lr=0.01),
        "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01), "AdamW": lambda p: optim.AdamW(p, lr=0.01),
        "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True), "Adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    }  # fmt: skip


def train(device: str, make: Any, folder: Any, steps: int = 4) -> dict[str, np.ndarray]:
    """Two steps, a checkpoint, a reload into new objects, two more: parameters, buffers and losses."""
    tinynet.manual_seed(0)
    model, losses = Net().to(device), []
    optimizer = make(model.parameters())
    data = tinynet.randn(4 * steps, 1, 8, 8), tinynet.randint(5, (4 * steps,))
    loader = tinynet.utils.data.DataLoader(tinynet.utils.data.TensorDataset(*data), 4)
    for step, (x, y) in enumerate(loader):
        if step == steps // 2:
            tinynet.save(
                {"model": model.state_dict(), "optimizer": optimizer.state_dict()},
                folder / "state.safetensors",
            )
            state = tinynet.load(folder / "state.safetensors", map_location=device)
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


@pytest.mark.parametrize("name", optimizers())
def test_training_is_equal(name, last_gpu, tmp_path):
    """Conv, batch norm, pooling, dropout, an optimiser, a checkpoint and a reload: on a GPU as on the CPU, to rounding."""
    found, expected = (train(device, optimizers()[name], tmp_path) for device in (last_gpu, "cpu"))
    assert expected["losses"][0] != expected["losses"][-1]
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        np.testing.assert_allclose(found[key], value, rtol=2e-4, atol=2e-5, err_msg=key)
