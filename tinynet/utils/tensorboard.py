"""``SummaryWriter``, where PyTorch has it."""

from .. import compat

SummaryWriter = compat.lookup(__name__, "SummaryWriter")
