"""Data sets to learn with: `MNIST` and `FashionMNIST`.

`idx` reads the files, `download` fetches them, `mnist` decides where to look and makes tensors.
"""

from .mnist import MNIST, FashionMNIST

__all__ = ["MNIST", "FashionMNIST"]
