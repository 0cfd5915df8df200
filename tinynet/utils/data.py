"""Data sets, samplers and `DataLoader`, where PyTorch has them; `tinynet.data` has the code."""

from ..data.dataset import *
from ..data.loader import *
from ..data.sampler import *
