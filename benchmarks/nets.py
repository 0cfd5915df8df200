"""The nets of the benchmarks, built by PyTorch's names from the `nn` of any framework."""

from __future__ import annotations

import importlib
from typing import Any


def lenet(nn: Any) -> Any:
    """LeNet-5 on 28 x 28."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def small(nn: Any) -> Any:
    """Two 5 x 5 convolutions of 16 and 32 channels."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1568, 10),
    )


def mnist(nn: Any) -> Any:
    """The net of PyTorch's MNIST example, without its dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def cifar(nn: Any) -> Any:
    """Four 3 x 3 convolutions with batch norm, on 32 x 32 colour images."""
    layers: list[Any] = []
    for number, (C, O) in enumerate([(3, 32), (32, 32), (32, 64), (64, 64)]):
        layers += [nn.Conv2d(C, O, 3, padding=1), nn.BatchNorm2d(O), nn.ReLU()]
        if number % 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 10))


def example(nn: Any) -> Any:
    """The net of examples/mnist.py."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(1568, 10),
    )


def block(nn: Any, C: int, O: int, stride: int) -> Any:
    """A residual block of two 3 x 3 convolutions."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(C, O, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(O),
                nn.ReLU(),
                nn.Conv2d(O, O, 3, padding=1, bias=False),
                nn.BatchNorm2d(O),
            )
            self.shortcut = nn.Identity()
            if C != O:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(C, O, 1, stride, bias=False), nn.BatchNorm2d(O)
                )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    return Block()


def resnet(nn: Any) -> Any:
    """The net of examples/cifar_resnet.py: a residual block in each of three stages."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        block(nn, 16, 16, 1),
        block(nn, 16, 32, 2),
        block(nn, 32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def resnet18(nn: Any) -> Any:
    """ResNet-18 (He et al. 2015, arXiv 1512.03385)."""
    layers = [nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, padding=1))
    for C, O in [(64, 64), (64, 128), (128, 256), (256, 512)]:
        layers += [block(nn, C, O, 1 if C == O else 2), block(nn, O, O, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def vgg16(nn: Any) -> Any:
    """The convolutions of VGG-16 (Simonyan and Zisserman 2014, arXiv 1409.1556)."""
    layers: list[Any] = []
    C = 3
    for O, times in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(times):
            layers += [nn.Conv2d(C, O, 3, padding=1), nn.ReLU()]
            C = O
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def mobilenet(nn: Any) -> Any:
    """MobileNet (Howard et al. 2017, arXiv 1704.04861): depthwise and 1 x 1 convolutions."""
    layers = [nn.Conv2d(3, 32, 3, 2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()]
    C = 32
    for O, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5,
                      (1024, 2), (1024, 1)]:  # fmt: skip
        layers += [nn.Conv2d(C, C, 3, stride, padding=1, groups=C, bias=False)]
        layers += [nn.BatchNorm2d(C), nn.ReLU(), nn.Conv2d(C, O, 1, bias=False)]
        layers += [nn.BatchNorm2d(O), nn.ReLU()]
        C = O
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10))


def unet(nn: Any) -> Any:
    """A U-Net (Ronneberger et al. 2015, arXiv 1505.04597) of 32 to 256 channels, 10 classes."""
    cat = importlib.import_module(nn.__name__.split(".")[0]).cat

    def twice(C: int, O: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(C, O, 3, padding=1), nn.BatchNorm2d(O), nn.ReLU(),
            nn.Conv2d(O, O, 3, padding=1), nn.BatchNorm2d(O), nn.ReLU(),
        )

    class Level(nn.Module):
        def __init__(self, C: int, O: int, deeper: Any) -> None:
            super().__init__()
            self.down, self.pool, self.deeper = twice(C, O), nn.MaxPool2d(2), deeper
            self.up = nn.ConvTranspose2d(2 * O, O, 2, 2)
            self.join = twice(2 * O, O)

        def forward(self, x: Any) -> Any:
            x = self.down(x)
            return self.join(cat([x, self.up(self.deeper(self.pool(x)))], 1))

    deepest = twice(128, 256)
    for C, O in [(64, 128), (32, 64), (3, 32)]:
        deepest = Level(C, O, deepest)
    return nn.Sequential(deepest, nn.Conv2d(32, 10, 1))


NETS = {
    "LeNet-5": (lenet, (1, 28, 28)),
    "small": (small, (1, 28, 28)),
    "MNIST example": (mnist, (1, 28, 28)),
    "CIFAR": (cifar, (3, 32, 32)),
    "ResNet": (resnet, (3, 32, 32)),
}

# Larger ones: the images, the batch, and the shape of a sample's labels.
MODELS: dict[str, Any] = {
    "ResNet-18": (resnet18, (3, 224, 224), 4, ()),
    "VGG-16": (vgg16, (3, 224, 224), 1, ()),
    "MobileNet": (mobilenet, (3, 224, 224), 4, ()),
    "U-Net": (unet, (3, 128, 128), 2, (128, 128)),
}
