"""Data sets to learn with: `MNIST`, `FashionMNIST` and `CIFAR10`.

`idx` reads MNIST's files, `cifar` those of CIFAR-10, `download` fetches them, `mnist` decides where to look and makes tensors.
"""

from .cifar import CIFAR10
from .mnist import MNIST, FashionMNIST

__all__ = ["CIFAR10", "MNIST", "FashionMNIST"]
