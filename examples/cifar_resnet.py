"""Train a small residual network to tell ten kinds of photographs apart.

    python examples/cifar_resnet.py              CIFAR-10, or a stand-in if it can't be downloaded
    python examples/cifar_resnet.py --synthetic  the stand-in, without looking for CIFAR-10
    python examples/cifar_resnet.py --help       the options

The whole of CIFAR-10 takes a while on a CPU. --limit 5000 uses that many images, --device cuda a
GPU.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import tinynet
import tinynet.nn.functional as F
from tinynet import nn, optim
from tinynet.datasets import CIFAR10, Images
from tinynet.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor
from tinynet.utils.data import DataLoader, Subset

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of all training pixels, by channel


class Block(nn.Module):
    """Two convolutions and a shortcut: the convolutions learn only what to add to their input."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):  # (N, inputs, H, W)
        y = F.relu(self.norm1(self.conv1(x)))  # (N, outputs, H / stride, W / stride)
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """6 * blocks + 2 layers in three stages.

    Source: K. He et al., Deep residual learning for image recognition, section 4.2,
    https://arxiv.org/abs/1512.03385.
    """

    def __init__(self, blocks, width):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        stages, inputs = [], width
        for outputs, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
            for number in range(blocks):
                stages.append(Block(inputs, outputs, stride if number == 0 else 1))
                inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.linear = nn.Linear(inputs, 10)

    def forward(self, x):  # (N, 3, 32, 32)
        x = self.stages(self.stem(x))  # (N, 4 * width, 8, 8)
        return self.linear(x.mean((2, 3)))  # (N, 10)


class StandIn(Images):
    """Images of stripes in ten classes: five directions, in warm or cold colours.

    Phase, width, contrast and noise are drawn for each image. An accuracy on these shows that the
    network learns, and nothing about CIFAR-10.
    """

    classes = tuple(
        f"{colour} stripes at {angle} degrees"
        for angle in range(0, 180, 36)
        for colour in ("warm", "cold")
    )

    def __init__(self, count, seed):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 10, count)
        angle = np.radians(labels // 2 * 36 + random.normal(0, 6, count))[:, None, None]
        frequency = random.uniform(0.5, 1.1, (count, 1, 1))
        phase = random.uniform(0, 2 * np.pi, (count, 1, 1))
        y, x = np.mgrid[:32, :32]
        stripes = np.sin(frequency * (x * np.cos(angle) - y * np.sin(angle)) + phase)  # (N, 32, 32)
        warm_and_cold = np.array([[0.6, 0.5, 0.4], [0.4, 0.5, 0.6]])
        colour = warm_and_cold[labels % 2][:, :, None, None]  # (N, 3, 1, 1)
        contrast = random.uniform(0.1, 0.3, (count, 1, 1, 1))
        noise = random.normal(0, 0.2, (count, 3, 32, 32))
        pixels = (colour + contrast * stripes[:, None] + noise).clip(0, 1) * 255
        super().__init__(pixels.transpose(0, 2, 3, 1).astype(np.uint8), labels)


def load(options):
    """The training and the test part of CIFAR-10, or of the stand-in."""
    if not options.synthetic:
        try:
            return [CIFAR10(options.data, train=part) for part in (True, False)]
        except RuntimeError as error:
            options.synthetic = True
            print(f"CIFAR-10 can't be had ({error}).")
            print("Made-up stripes stand in for it: they show nothing about CIFAR-10.")
    return [StandIn(4000, options.seed), StandIn(1000, options.seed + 1)]


@tinynet.no_grad()
def evaluate(model, loader):
    """The accuracy over all images."""
    model.eval()
    right = count = 0
    for images, labels in loader:
        right += (model(images).argmax(1) == labels).sum()
        count += len(labels)
    return right.item() / count  # .item() waits for a GPU, so it is called once


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, default=64, help="images per step")
    parser.add_argument("--lr", type=float, default=0.1, help="the largest learning rate")
    parser.add_argument("--blocks", type=int, default=1, help="residual blocks in each stage")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--limit", type=int, metavar="IMAGES", help="use at most so many per part")
    parser.add_argument("--synthetic", action="store_true", help="use the stand-in at once")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:<number>")
    parser.add_argument(
        "--data", help="folder with CIFAR-10's files; else TINYNET_DATA, the cache or a download"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same result")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the weights")
    options = parser.parse_args()
    counts = [options.epochs, options.batch_size, options.blocks, options.width]
    if options.limit is not None:
        counts.append(options.limit)
    if min(counts) < 1 or not options.lr > 0:
        parser.error("--epochs, --batch-size, --blocks, --width, --limit and --lr must be positive")

    tinynet.manual_seed(options.seed)
    model = ResNet(options.blocks, options.width).to(options.device)
    train, test = load(options)
    # No flips for the stand-in, because mirrored stripes lean the other way: another class.
    flip = [] if options.synthetic else [RandomHorizontalFlip()]
    as_input = [ToTensor(), Normalize(MEAN, STD)]
    train.transform = Compose([RandomCrop(32, padding=4), *flip, *as_input])
    test.transform = Compose(as_input)
    if options.limit is not None:
        train, test = (Subset(data, range(min(options.limit, len(data)))) for data in (train, test))
    train_loader = DataLoader(train, options.batch_size, shuffle=True, device=options.device)
    test_loader = DataLoader(test, 250, device=options.device)
    optimizer = optim.SGD(
        model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, options.lr, epochs=options.epochs, steps_per_epoch=len(train_loader)
    )
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, {len(train):,} training and {len(test):,} test images")

    for epoch in range(1, options.epochs + 1):
        model.train()
        start = time.perf_counter()
        for images, labels in tqdm(train_loader, f"epoch {epoch}/{options.epochs}"):
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        speed = len(train) / (time.perf_counter() - start)
        accuracy = f"{evaluate(model, test_loader):.2%}{' on the stand-in' * options.synthetic}"
        print(f"epoch {epoch}: test accuracy {accuracy}, {speed:,.0f} images/s")

    options.out.mkdir(parents=True, exist_ok=True)
    tinynet.save(model.state_dict(), options.out / "cifar_resnet.safetensors")
    print(f"weights: {options.out / 'cifar_resnet.safetensors'}")


if __name__ == "__main__":
    main()
