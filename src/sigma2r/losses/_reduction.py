"""From one value per sample to what a caller asked for: ``"none"``, ``"mean"`` or ``"sum"``."""

from typing import Literal, get_args

import torch
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r.losses._checks import check_choice

Reduction = Literal["none", "mean", "sum"]
_REDUCTIONS = get_args(Reduction)


def check_reduction(who: str, reduction: str) -> None:
    """Refuse a reduction that does not exist.

    Raises:
        ValueError: If ``reduction`` is not ``"none"``, ``"mean"`` or ``"sum"``.
    """
    check_choice(who, "reduction", reduction, _REDUCTIONS)


def reduce(
    values: Tensor, reduction: Reduction, has_value: Tensor | None = None, weights: Tensor | None = None
) -> Tensor:
    """Reduce per-sample ``values`` (N,).

    Args:
        values: One value per sample.
        reduction: ``"mean"`` is over the samples that have a value, weighted if there are weights: the sum of
            weight times value over the sum of weights. Where nothing has one it is 0 and stays in the graph. It
            divides before it adds, so that it overflows only where it is too large itself.
        has_value: Which samples have a value, (N,) bool; the rest count as 0. None: all have.
        weights: A factor for each sample, (N,).
    """
    if has_value is not None:
        values = torch.where(has_value, values, 0.0)
    if weights is not None:
        weights = as_tensor("reduce", "weights", weights).to(values)
        values = values * weights
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    if has_value is None and weights is None:
        return (values / max(values.shape[0], 1)).sum()
    if weights is None:
        assert has_value is not None
        return (values / has_value.sum().clamp_min(1)).sum()
    total = (weights if has_value is None else torch.where(has_value, weights, 0.0)).sum()
    return (values / torch.where(total == 0, 1.0, total)).sum()
