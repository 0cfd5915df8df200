"""The nets of the benchmarks, built by PyTorch's names from the `nn` of any framework."""

from __future__ import annotations

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


def resnet(nn: Any) -> Any:
    """The net of examples/cifar_resnet.py: a residual block in each of three stages."""

    class Block(nn.Module):
        def __init__(self, C: int, O: int, stride: int) -> None:
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

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 16, 1),
        Block(16, 32, 2),
        Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


NETS = {
    "LeNet-5": (lenet, (1, 28, 28)),
    "small": (small, (1, 28, 28)),
    "MNIST example": (mnist, (1, 28, 28)),
    "CIFAR": (cifar, (3, 32, 32)),
}
