"""Losses as modules, and a similarity. `reduction` is "mean" (the default), "sum" or "none" throughout."""

from __future__ import annotations

from typing import Any

from ..ops.arguments import as_reduction
from ..tensor import Tensor
from . import functional as F
from .module import FunctionModule


class _Loss(FunctionModule):
    """Constants that are tensors become buffers, and move with the module. Nothing is shown in the `repr`."""

    def __init__(self, reduction: str, *more: str, buffers: dict[str, Tensor | None] | None = None, **constants: Any):
        super().__init__(reduction=as_reduction(type(self).__name__, reduction, *more), **constants)
        for name, tensor in (buffers or {}).items():
            self.register_buffer(name, tensor)
            self._constants.append(name)

    def extra_repr(self) -> str:
        return ""


class CrossEntropyLoss(_Loss):
    """How surprised scores (N, C, ...) are by class numbers or probabilities. See `functional.cross_entropy`."""

    function = F.cross_entropy

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ):
        super().__init__(reduction, ignore_index=ignore_index, label_smoothing=label_smoothing, buffers={"weight": weight})


class NLLLoss(_Loss):
    """The negative log-likelihood of class numbers, given log-probabilities (N, C, ...). See `functional.nll_loss`."""

    function = F.nll_loss

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction, ignore_index=ignore_index, buffers={"weight": weight})


class MSELoss(_Loss):
    """The squared difference. See `functional.mse_loss`."""

    function = F.mse_loss

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction)


class L1Loss(_Loss):
    """The absolute difference. See `functional.l1_loss`."""

    function = F.l1_loss

    def __init__(self, *, reduction: str = "mean"):
        super().__init__(reduction)


class SmoothL1Loss(_Loss):
    """The squared difference where it is small, the absolute one elsewhere. See `functional.smooth_l1_loss`."""

    function = F.smooth_l1_loss

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction, beta=beta)


class HuberLoss(_Loss):
    """Half the squared difference up to `delta`, linear beyond. See `functional.huber_loss`."""

    function = F.huber_loss

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction, delta=delta)


class BCELoss(_Loss):
    """How surprised probabilities are by the truth, yes or no. See `functional.binary_cross_entropy`."""

    function = F.binary_cross_entropy

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean"):
        super().__init__(reduction, buffers={"weight": weight})


class BCEWithLogitsLoss(_Loss):
    """How surprised scores are by the truth, yes or no. See `functional.binary_cross_entropy_with_logits`."""

    function = F.binary_cross_entropy_with_logits

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None):
        super().__init__(reduction, buffers={"weight": weight, "pos_weight": pos_weight})


class KLDivLoss(_Loss):
    """How far a distribution is from another. `reduction` may also be "batchmean". See `functional.kl_div`."""

    function = F.kl_div

    def __init__(self, *, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction, "batchmean", log_target=log_target)


class CosineSimilarity(FunctionModule):
    """The cosine of the angle between vectors along `dim`. See `functional.cosine_similarity`."""

    function = F.cosine_similarity

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__(dim=dim, eps=eps)

    def extra_repr(self) -> str:
        return ""
