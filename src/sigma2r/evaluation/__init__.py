"""What compact features are good for: prototypes of classes, and the rejection of what belongs to none."""

from sigma2r.evaluation.prototypes import ClassPrototypes
from sigma2r.evaluation.rejector import Rejector
from sigma2r.evaluation.scores import (
    SCORES,
    CenterDistance,
    Energy,
    Judged,
    MahalanobisDistance,
    MaxSoftmax,
    NeighborDistance,
    Score,
)

__all__ = [
    "SCORES",
    "CenterDistance",
    "ClassPrototypes",
    "Energy",
    "Judged",
    "MahalanobisDistance",
    "MaxSoftmax",
    "NeighborDistance",
    "Rejector",
    "Score",
]
