"""Sections of an evaluation that need scores of images of unknown classes.

Axes: K known and U unknown images, S draws.
"""

from dataclasses import replace

import torch
from torch import Tensor

from sigma2r.evaluation._given import Given
from sigma2r.evaluation._roc import Curve, area, average_precision_of_refusal, false_rate_at
from sigma2r.evaluation.figure import Section
from sigma2r.evaluation.unknowns import Unknowns

DEFINITIONS = {
    "auroc": "How often a known image has a higher score than an unknown one; equal scores count half.",
    "aupr": "Average precision of finding the unknown images by low scores; {share:.3f} by chance.",
    "fpr95": "Share of unknown images accepted by the highest threshold that accepts 95 % of the known ones.",
}


def told_apart(given: Given, scores: Unknowns) -> Section:
    """AUROC, AUPR and FPR95; for intervals known and unknown images are drawn, each among themselves."""
    known, unknown = scores.known.cpu(), scores.unknown.cpu()
    curve = Curve(-known, -unknown)
    draws = [
        replace(given.over_images, num_images=side.shape[0], seed=given.bootstrap.seed + more)
        for more, side in enumerate((known, unknown))
    ]
    width = 4 * (known.shape[0] + unknown.shape[0])
    low = high = torch.full((3,), torch.nan)
    if given.bootstrap.resamples:
        both = zip(draws[0].weights(width), draws[1].weights(width), strict=True)
        low, high = draws[0].ends(torch.cat([_figures(curve, *weights) for weights in both]))
    share = unknown.shape[0] / (known.shape[0] + unknown.shape[0])
    figures = {
        name: given.figure(
            value, (low[place], high[place]), DEFINITIONS[name].format(share=share), known.shape[0] + unknown.shape[0]
        )
        for place, (name, value) in enumerate(zip(DEFINITIONS, _figures(curve).squeeze(0), strict=True))
    }
    notes = (f"{known.shape[0]:,} known and {unknown.shape[0]:,} unknown images, drawn each among themselves.",)
    return Section(figures=figures, notes=notes)


def _figures(curve: Curve, known: Tensor | None = None, unknown: Tensor | None = None) -> Tensor:
    """All three, ``(S, 3)``."""
    if known is not None and unknown is not None:
        known, unknown = known.index_select(1, curve.order), unknown.index_select(1, curve.order_of_negatives)
    true, false = curve.shares(known, unknown)
    precision = average_precision_of_refusal(*curve.accepted(known, unknown))
    return torch.stack([area(true, false), precision, false_rate_at(true, false, 0.95)], dim=1)
