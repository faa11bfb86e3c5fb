"""What compact features are good for: figures of them, prototypes of classes, and the rejection of what is none."""

from sigma2r.evaluation.bootstrap import Bootstrap
from sigma2r.evaluation.calibration import Calibration, measure_calibration
from sigma2r.evaluation.collapse import NeuralCollapse, Simplex, neural_collapse
from sigma2r.evaluation.compactness import fisher_ratio
from sigma2r.evaluation.confusion import Confusion, count_confusion
from sigma2r.evaluation.evaluate import evaluate_features
from sigma2r.evaluation.figure import Evaluation, Figure, PerClass, Section
from sigma2r.evaluation.nearest import nearest_center, nearest_class_mean
from sigma2r.evaluation.prototypes import ClassPrototypes
from sigma2r.evaluation.rejector import Rejector
from sigma2r.evaluation.retrieval import Retrieval, retrieve
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
from sigma2r.evaluation.silhouette import silhouettes
from sigma2r.evaluation.temperature import fit_temperature
from sigma2r.evaluation.unknowns import Unknowns, tell_unknown
from sigma2r.evaluation.verification import Verification, verify

__all__ = [
    "SCORES",
    "Bootstrap",
    "Calibration",
    "CenterDistance",
    "ClassPrototypes",
    "Confusion",
    "Energy",
    "Evaluation",
    "Figure",
    "Judged",
    "MahalanobisDistance",
    "MaxSoftmax",
    "NeighborDistance",
    "NeuralCollapse",
    "PerClass",
    "Rejector",
    "Retrieval",
    "Score",
    "Section",
    "Simplex",
    "Unknowns",
    "Verification",
    "count_confusion",
    "evaluate_features",
    "fisher_ratio",
    "fit_temperature",
    "measure_calibration",
    "nearest_center",
    "nearest_class_mean",
    "neural_collapse",
    "retrieve",
    "silhouettes",
    "tell_unknown",
    "verify",
]
