"""Measures of compact features: pure functions; :class:`IntraClassSpread` is their torchmetrics shell."""

from typing import TYPE_CHECKING, Any

from sigma2r.metrics.spread import (
    ClassStatistics,
    class_statistics,
    distance_tail,
    inter_class_distance,
    intra_class_spread,
    intra_inter_ratio,
)

if TYPE_CHECKING:
    from sigma2r.metrics.shell import IntraClassSpread

__all__ = [
    "ClassStatistics",
    "IntraClassSpread",
    "class_statistics",
    "distance_tail",
    "inter_class_distance",
    "intra_class_spread",
    "intra_inter_ratio",
]


def __getattr__(name: str) -> Any:
    """Import the torchmetrics shell only when it is asked for: the core does without torchmetrics."""
    if name != "IntraClassSpread":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from sigma2r.metrics.shell import IntraClassSpread
    except ModuleNotFoundError as error:
        raise ImportError(f'IntraClassSpread needs torchmetrics ({error}): pip install "sigma2r[train]"') from error
    return IntraClassSpread
