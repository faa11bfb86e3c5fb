"""Losses for deep features that are compact within each class.

The core needs torch and jaxtyping alone. Training, the command line and the report are extras:
``pip install "sigma2r[train,report]"``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sigma2r import functional
from sigma2r.diagnosis import Diagnosis, Watch, diagnose
from sigma2r.evaluation import ClassPrototypes, Rejector
from sigma2r.losses import (
    CenterLoss,
    ContrastiveCenterLoss,
    ContrastiveLoss,
    GitLoss,
    JointLoss,
    NearestNegativeTripletLoss,
    SigmaSquaredRLoss,
    SoftNearestNeighborLoss,
    TripletCenterLoss,
    WarmUp,
)
from sigma2r.losses._checks import check_values
from sigma2r.metrics import intra_class_spread
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.taps import FeatureTap

if TYPE_CHECKING:
    from sigma2r.exporting import export
    from sigma2r.trained import load

__version__ = "0.1.0"

__all__ = [
    "BalancedBatchSampler",
    "CenterLoss",
    "ClassPrototypes",
    "ContrastiveCenterLoss",
    "ContrastiveLoss",
    "Diagnosis",
    "FeatureTap",
    "GitLoss",
    "JointLoss",
    "NearestNegativeTripletLoss",
    "Rejector",
    "SigmaSquaredRLoss",
    "SoftNearestNeighborLoss",
    "TripletCenterLoss",
    "WarmUp",
    "Watch",
    "check_values",
    "diagnose",
    "export",
    "functional",
    "intra_class_spread",
    "load",
]


_OF_RUNS = {"export": "sigma2r.exporting", "load": "sigma2r.trained"}


def __getattr__(name: str) -> Any:
    """Import what uses trained runs only when it is asked for: a training loop does without."""
    if name not in _OF_RUNS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OF_RUNS[name]), name)
