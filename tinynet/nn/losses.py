"""Losses as layers: a table. Arguments, defaults and formulas are those of `functional`."""

from __future__ import annotations

from ..ops.arguments import as_reduction
from . import functional as F
from .function_module import FunctionModule


class _Loss(FunctionModule):
    def _check(self) -> None:
        as_reduction(type(self).__name__, self.reduction)

    def extra_repr(self) -> str:
        return ""


class CrossEntropyLoss(_Loss, function=F.cross_entropy): ...
class NLLLoss(_Loss, function=F.nll_loss): ...
class MSELoss(_Loss, function=F.mse_loss, arguments="reduction"): ...
class L1Loss(_Loss, function=F.l1_loss, arguments="reduction"): ...
class SmoothL1Loss(_Loss, function=F.smooth_l1_loss): ...
class HuberLoss(_Loss, function=F.huber_loss, arguments="reduction delta"): ...
class BCELoss(_Loss, function=F.binary_cross_entropy): ...
class BCEWithLogitsLoss(_Loss, function=F.binary_cross_entropy_with_logits): ...


class KLDivLoss(_Loss, function=F.kl_div):
    def _check(self) -> None:
        as_reduction("KLDivLoss", self.reduction, "batchmean")


class CosineSimilarity(FunctionModule, function=F.cosine_similarity, shows=""): ...
