"""Data sets to learn with: `MNIST`, `FashionMNIST` and `CIFAR10`; `tinynet.data` has the code."""

from .data.cifar import *
from .data.mnist import *
