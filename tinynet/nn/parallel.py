"""PyTorch's path to `DistributedDataParallel`; the code lives in `tinynet.distributed.parallel`."""

from ..distributed.parallel import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
