"""Images: torchvision's part, under its names.

`datasets` and `transforms` (public as `tinynet.datasets` and `tinynet.transforms` too), and
`utils`, which puts images together and saves them.
"""

from . import datasets, transforms, utils

__all__ = ["datasets", "transforms", "utils"]
