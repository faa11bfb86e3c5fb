"""Measures of compact features: pure functions; :class:`IntraClassSpread` is their torchmetrics shell."""

from typing import TYPE_CHECKING, Any

from sigma2r._extras import or_which_extra
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
    with or_which_extra("IntraClassSpread"):
        from sigma2r.metrics.shell import IntraClassSpread
    return IntraClassSpread
