"""From one value per sample to what a caller asked for: ``"none"``, ``"mean"`` or ``"sum"``."""

from typing import Literal, get_args

from torch import Tensor

Reduction = Literal["none", "mean", "sum"]


def check_reduction(who: str, reduction: str) -> None:
    """Refuse a reduction that does not exist.

    Raises:
        ValueError: If ``reduction`` is not ``"none"``, ``"mean"`` or ``"sum"``.
    """
    if reduction not in get_args(Reduction):
        raise ValueError(f'{who}: reduction must be "none", "mean" or "sum"; got {reduction!r}.')


def reduce(values: Tensor, reduction: Reduction) -> Tensor:
    """Reduce per-sample ``values`` (N,); the mean of an empty batch is 0 and stays in the graph.

    The mean divides before it adds, so that it overflows only where it is too large itself.
    """
    if reduction == "none":
        return values
    return values.sum() if reduction == "sum" else (values / max(values.shape[0], 1)).sum()
