"""Train the digit reader of docs/network.html and write that page.

    python tools/make_network.py                 trains as examples/mnist.py does, a few minutes
    python tools/make_network.py --keep-weights  takes the weights that the page holds already

The training is that of examples/mnist.py: its network, its step, its schedule, and the complete
MNIST set where that is at hand. After training, batch normalisation multiplies and shifts each
channel by fixed numbers, so it is folded into the weights of the convolution before it, and dropout
does nothing and is left out. What remains is convolution, ReLU, pooling and one linear layer. The
weights are rounded to 16 bits, which halves the page; the accuracy is printed before and after.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np

import tinynet
from tinynet import nn, optim
from tinynet.datasets import MNIST
from tinynet.explain import NetworkExplanation, network
from tinynet.explain.network_page import unpacked
from tinynet.transforms import Compose, Normalize, ToTensor
from tinynet.utils.data import DataLoader

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "network.html"
EPOCHS, SEED = 5, 0

normalise = Compose([ToTensor(), Normalize(0.1307, 0.3081)])  # as examples/mnist.py does


def reader() -> nn.Sequential:
    """The network of examples/mnist.py as it computes after training, with weights to be set."""
    layers = {
        "conv1": nn.Conv2d(1, 16, 5, padding=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(16, 32, 5, padding=2), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2),
        "flatten": nn.Flatten(), "linear": nn.Linear(32 * 7 * 7, 10),
    }  # fmt: skip
    return nn.Sequential(OrderedDict(layers)).eval()


def train() -> nn.Module:
    """The network of examples/mnist.py, trained as that program trains it."""
    sys.path.insert(0, str(ROOT / "examples"))
    from mnist import Net, train_step

    tinynet.manual_seed(SEED)
    model, digits, order = Net(), MNIST(train=True, transform=normalise), tinynet.Generator()
    loader = DataLoader(digits, 64, shuffle=True, generator=order)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=EPOCHS * len(loader)
    )
    for epoch in range(1, EPOCHS + 1):
        order.manual_seed(SEED + epoch)
        model.train()
        for images, labels in loader:
            loss = train_step(model, images, labels, optimizer, scheduler)
        print(f"epoch {epoch}/{EPOCHS}: loss of the last batch {loss.item():.3f}", flush=True)
    return model.eval()


@tinynet.no_grad()
def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> list[np.ndarray]:
    """Weight and bias of the one convolution that computes `norm(conv(x))` in eval mode."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = (conv.bias - norm.running_mean) * scale + norm.bias
    return [(conv.weight * scale.reshape(-1, 1, 1, 1)).numpy(), bias.numpy()]


def weights_of_training(net: nn.Module) -> list[np.ndarray]:
    own = [net.linear.weight.detach().numpy(), net.linear.bias.detach().numpy()]
    return [*folded(net.conv1, net.norm1), *folded(net.conv2, net.norm2), *own]


def weights_of_page(page: str) -> list[np.ndarray]:
    """The weights that a page holds, in the order of the reader's parameters."""
    data = json.loads(re.search(r'class="tn-data">(.*?)</script>', page, re.S)[1])
    return [unpacked(layer[name]) for layer in data["layers"] for name in ("weight", "bias")
            if name in layer]  # fmt: skip


@tinynet.no_grad()
def with_weights(weights: list[np.ndarray]) -> nn.Sequential:
    """The reader with these weights, rounded to 16 bits."""
    model = reader()
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.copy_(tinynet.tensor(weight.astype(np.float16).astype(np.float32)))
    return model


@tinynet.no_grad()
def scores(model: nn.Module, digits: MNIST) -> np.ndarray:
    images, _ = digits[:]
    parts = range(0, len(images), 500)
    return np.concatenate([model(images[k : k + 500]).numpy() for k in parts])


class Shipped(MNIST):
    """The digits that ship with tinynet, whatever else is at hand."""

    def find(self, folder: Path) -> list[Path]:
        return []


def shipped_digits() -> MNIST:
    return Shipped(train=False, transform=normalise, download=False)


def explained(model: nn.Module) -> NetworkExplanation:
    """The page of the reader. Its images are the first test digit of each class and, before them,
    the mistake that is nearest to right: there the gradients are largest and tell most."""
    digits = shipped_digits()
    images, labels = (part.numpy() for part in digits[:])
    found = scores(model, digits)
    margin = found[np.arange(len(labels)), labels] - found.max(1)
    mistakes = np.flatnonzero(margin < 0)
    chosen = [mistakes[margin[mistakes].argmax()]]
    chosen += [np.flatnonzero(labels == digit)[0] for digit in range(10)]
    return network(model, images[chosen], labels[chosen].tolist(), name="examples/mnist.py")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep-weights", action="store_true", help="do not train")
    if parser.parse_args().keep_weights:
        weights = weights_of_page(PAGE.read_text(encoding="utf-8"))
    else:
        net, test = train(), MNIST(train=False, transform=normalise)
        weights = weights_of_training(net)
        for what, model in (("trained", net), ("as shown", with_weights(weights))):
            right = (scores(model, test).argmax(1) == test.targets.numpy()).mean()
            print(f"{what}: {right:.2%} of {len(test):,} test digits read rightly")
    explained(with_weights(weights)).save(PAGE)
    print(f"{PAGE}: {PAGE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
