"""Each example runs, in a very short form: it writes its files, and what it trains gets better."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet
from tinynet.vision.datasets import cifar, download, image_set
from tinynet.vision.datasets.mnist import MNIST_FILES, idx_header
from tinynet.datasets import CIFAR10

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch, capsys, tmp_path):
    """Runs an example as its command line would, without network and cache; returns its output."""
    monkeypatch.setattr(image_set, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    monkeypatch.setattr(CIFAR10, "mirrors", ())
    monkeypatch.syspath_prepend(EXAMPLES)  # where Python finds what an example imports
    download.first_to_answer.cache_clear()
    image_set._say_once.cache_clear()

    def run(name: str, *options: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def digits(tmp_path) -> Path:
    """A folder as MNIST's, with 192 and 12 images of a bar each, as wide as its label says."""
    folder = tmp_path / "digits"
    folder.mkdir()
    for count, (images, labels) in zip((192, 12), (MNIST_FILES[:2], MNIST_FILES[2:]), strict=True):
        numbers = np.arange(count, dtype=np.uint8) % 10
        pixels = np.zeros((count, 28, 28), np.uint8)
        pixels[:, 9:19] = 255 * (np.arange(28) // 3 < 1 + numbers[:, None])[:, None]
        (folder / images.name).write_bytes(idx_header(pixels.shape) + pixels.tobytes())
        (folder / labels.name).write_bytes(idx_header(numbers.shape) + numbers.tobytes())
    return folder


def check_picture(path: Path) -> None:
    image = pytest.importorskip(
        "matplotlib.image", reason="matplotlib, which draws the picture, is not installed"
    ).imread(path)
    assert min(image.shape[:2]) > 200
    assert len(np.unique(image[..., :3].reshape(-1, 3), axis=0)) > 20, "the picture is empty"


def test_mnist(example, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(digits))
    said = example("mnist.py", "--epochs", 1, "--out", tmp_path / "out")
    assert re.search(r"^epoch 1: test accuracy [\d.]+%$", said, re.MULTILINE)
    assert tinynet.load(tmp_path / "out/mnist.safetensors")["conv1.weight"].shape == (16, 1, 5, 5)
    check_picture(tmp_path / "out/mnist.png")


def test_mnist_resumable(example, digits, tmp_path):
    said = example(
        "mnist_resumable.py",
        *("--data", digits, "--epochs", 1, "--batch-size", 32),
        *("--report", "--out", tmp_path / "out"),
    )
    assert re.search(r"^epoch 1: test accuracy [\d.]+%, [\d,]+ images/s$", said, re.MULTILINE)
    check_picture(tmp_path / "out/mnist.png")
    assert (tmp_path / "out/report.html").stat().st_size > 10_000


def test_both_mnist_examples_end_with_the_same_weights(example, digits, tmp_path, monkeypatch):
    """With its defaults the second example is the first one, with something added."""
    monkeypatch.setenv("TINYNET_DATA", str(digits))
    for name in ("mnist", "mnist_resumable"):
        example(f"{name}.py", "--epochs", 2, "--seed", 3, "--out", tmp_path / name)
    first, second = (
        (tmp_path / name / "mnist.safetensors").read_bytes()
        for name in ("mnist", "mnist_resumable")
    )
    assert first == second


def test_autoencoder(example, digits, tmp_path):
    said = example(
        "autoencoder.py",
        "--data",
        digits,
        "--epochs",
        5,
        "--batch-size",
        16,
        "--code",
        4,
        "--out",
        tmp_path / "out",
    )
    losses = [
        float(loss)
        for loss in re.findall(
            r"^epoch \d: loss of a pixel ([\d.]+) on test digits$", said, re.MULTILINE
        )
    ]
    assert len(losses) == 5
    assert losses[-1] < 0.8 * losses[0]
    assert losses[-1] < np.log(2) / 2, "half of what a model that knows nothing would lose"
    weights = tinynet.load(tmp_path / "out/autoencoder.safetensors")
    assert weights["decoder.0.weight"].shape == (32 * 7 * 7, 4)
    check_picture(tmp_path / "out/autoencoder.png")


def test_autoencoder_is_repeatable(example, digits, tmp_path):
    for out in ("a", "b"):
        example(
            "autoencoder.py",
            "--data",
            digits,
            "--epochs",
            1,
            "--batch-size",
            64,
            "--out",
            tmp_path / out,
        )
    first, second = (tinynet.load(tmp_path / out / "autoencoder.safetensors") for out in "ab")
    for name, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[name].numpy(), err_msg=name)


def test_cifar_resnet_learns_the_stand_in(example, tmp_path):
    said = example(
        "cifar_resnet.py",
        "--synthetic",
        "--epochs",
        2,
        "--limit",
        320,
        "--batch-size",
        16,
        "--width",
        4,
        "--out",
        tmp_path / "out",
    )
    assert "320 training and 320 test images" in said
    assert "CIFAR-10 can't be had" not in said
    accuracies = [
        float(value)
        for value in re.findall(r"test accuracy ([\d.]+)% on the stand-in, [\d,]+ images/s", said)
    ]
    assert len(accuracies) == 2
    assert accuracies[-1] > 30, "three times what guessing gives"
    assert tinynet.load(tmp_path / "out/cifar_resnet.safetensors")["linear.weight"].shape == (
        10,
        16,
    )


def test_cifar_resnet_says_that_it_has_no_cifar(example, tmp_path):
    said = example(
        "cifar_resnet.py",
        "--epochs",
        1,
        "--limit",
        8,
        "--batch-size",
        4,
        "--width",
        2,
        "--out",
        tmp_path / "out",
    )
    assert said.startswith(
        "CIFAR-10 can't be had (CIFAR10: there are no files, because no mirror answered"
    )
    assert "Made-up stripes stand in for it: they show nothing about CIFAR-10.\n" in said
    assert re.search(r"epoch 1: test accuracy [\d.]+% on the stand-in", said)


def test_cifar_resnet_uses_cifar_where_it_is(example, tmp_path, monkeypatch):
    from cifar_batches import BATCHES  # batches of four images

    monkeypatch.setattr(cifar, "_PUBLISHED_COUNT", 5)
    (tmp_path / "data").mkdir()
    for name, content in BATCHES.items():
        (tmp_path / "data" / name).write_bytes(content)
    said = example(
        "cifar_resnet.py",
        "--data",
        tmp_path / "data",
        "--epochs",
        1,
        "--batch-size",
        4,
        "--width",
        2,
        "--out",
        tmp_path / "out",
    )
    assert "20 training and 4 test images" in said
    assert "stand-in" not in said


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--stride", 2, "--padding", 1, "--channels", 2, "--filters", 3),
        ("--size", 5, "--kernel", 2, "--stride", 2),
    ],
)
def test_conv_by_hand(example, options):
    said = example("conv_by_hand.py", *options)
    assert said.endswith("autograd says the same:\n  y  equal\n  dW equal\n  dX equal\n")
    for title in (
        "the image x",
        "the columns",
        "the kernel as a matrix W",
        "the result y",
        "dY",
        "\ndW,",
        "\nW.T @ dY",
        "\ndX,",
    ):
        assert title in said


def test_conv_by_hand_notices_a_difference(example, monkeypatch):
    right = np.stack
    monkeypatch.setattr(
        np, "stack", lambda *given, **options: right(*given, **options)[::-1]
    )  # the columns upside down
    with pytest.raises(SystemExit, match="one of the two is wrong"):
        example("conv_by_hand.py")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "autoencoder.py",
            ("--code", 0),
            "--epochs, --batch-size, --code and --lr must be positive",
        ),
        ("autoencoder.py", ("--lr", "nan"), "must be positive"),
        ("mnist_resumable.py", ("--resume",), "--resume needs --checkpoint DIR"),
        ("mnist_resumable.py", ("--checkpoint-every", 0), "--checkpoint-every must be positive"),
        ("cifar_resnet.py", ("--limit", 0), "--limit and --lr must be positive"),
        ("cifar_resnet.py", ("--blocks", 0), "must be positive"),
        (
            "conv_by_hand.py",
            ("--kernel", 5),
            "a kernel of 5 does not fit into an image of 4 with padding 0",
        ),
        ("conv_by_hand.py", ("--stride", 0), "sizes and counts must be positive"),
    ],
)
def test_wrong_options_are_named(example, capsys, name, options, message):
    with pytest.raises(SystemExit):
        example(name, *options)
    assert message in capsys.readouterr().err
