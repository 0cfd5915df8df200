"""The slider of a training report: the kernels of the first convolution as they were in between.

The page shows the kernels at the end. A script paints the others from their shades, one byte per
weight, and moves a mark along the curve of the loss.
"""
from __future__ import annotations

import base64
import html
import json
from typing import Any

import numpy as np

from . import report_elements as parts
from .report_charts import drawable, loss_scale, thinned
from .sentences import number
from .texts import Texts, both
from .training import TrainingRun

MOST_KEPT = 60              # steps that the slider has at most
SHADES = 127                # of each sign


def largest_weight(e: TrainingRun, weight: np.ndarray) -> float:
    """The weight that gets the full colour: the largest at any time."""
    arrays = [weight, *(array for _, array in e.kept)]
    return float(max(np.abs(array[np.isfinite(array)]).max(initial=0.0) for array in arrays))


def caption(e: TrainingRun, seen: float) -> Texts:
    """What stands beside the slider: the images seen, and the loss recorded last before."""
    known = [(x, y) for x, y in drawable(e.loss, True) if x <= seen]
    if not known:
        return both("report.kept_at", seen=f"{seen:,.0f}")
    return both("report.kept_loss", seen=f"{seen:,.0f}", loss=number(known[-1][1]))


def slider(e: TrainingRun, places: list[tuple[int, int]], most: float) -> str:
    """The slider with everything that its script needs; nothing if no step was kept."""
    if not e.kept or e.first_conv is None:
        return ""
    kept = thinned(e.kept, MOST_KEPT - 1)
    weights = [array for _, array in kept] + [e.first_conv[1]]
    texts = [caption(e, seen) for seen, _ in kept] + [both("report.kept_end")]
    data: dict[str, Any] = {
        "size": list(weights[0].shape[2:]), "most": most, "texts": [list(t) for t in texts],
        "marks": marks(e, [seen for seen, _ in kept]),
        "frames": [base64.b64encode(shades(w, places, most)).decode() for w in weights],
        "play": [both("report.kept_play"), both("report.kept_pause")],
    }
    last = len(weights) - 1
    button = parts.element(e.lang, "button", both("report.kept_play"),
                           'type="button" class="tn-kept-play"')
    return (f'<div class="tn-kept" hidden data-kept="{html.escape(json.dumps(data))}">'
            f"<label>{parts.element(e.lang, 'span', both('report.kept'))}"
            f'<input type="range" min="0" max="{last}" value="{last}"></label>{button}'
            f'<output></output></div>')


def shades(weight: np.ndarray, places: list[tuple[int, int]], most: float) -> bytes:
    """The kernels at `places`, one after the other, as bytes: 127 is nothing, 0 and 254 full."""
    kernels = np.stack([weight[o, c] for o, c in places])
    part = np.nan_to_num(kernels / (most or 1.0), posinf=1.0, neginf=-1.0).clip(-1, 1)
    return np.rint(SHADES + SHADES * part).astype(np.uint8).tobytes()


def marks(e: TrainingRun, seen: list[float]) -> list[float]:
    """Where each step stands on the x axis of the loss, in units of the chart."""
    loss = drawable(e.loss, True)
    if not loss:
        return []
    x = loss_scale(loss)
    ends = loss[0][0], loss[-1][0]
    return [round(x(min(max(v, ends[0]), ends[1])), 1) for v in [*seen, ends[1]]]
