"""How known a sample looks: scores of features or logits, each higher for what is more known."""

from sigma2r.evaluation.scores._score import Judged, Score
from sigma2r.evaluation.scores.centers import CenterDistance
from sigma2r.evaluation.scores.logits import Energy, MaxSoftmax
from sigma2r.evaluation.scores.mahalanobis import MahalanobisDistance
from sigma2r.evaluation.scores.neighbors import NeighborDistance

__all__ = [
    "SCORES",
    "CenterDistance",
    "Energy",
    "Judged",
    "MahalanobisDistance",
    "MaxSoftmax",
    "NeighborDistance",
    "Score",
]

SCORES: dict[str, type[Score]] = {
    kind.name: kind for kind in (CenterDistance, MahalanobisDistance, NeighborDistance, MaxSoftmax, Energy)
}
"""Every score by its name."""
