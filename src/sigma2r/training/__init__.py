"""Training with Lightning: the module, its epochs, the measures taken after them, and what is kept."""

from sigma2r._checkpoint import UnusableCheckpointError
from sigma2r._extras import or_which_extra

with or_which_extra("training"):
    from sigma2r.training.checkpoints import Files
    from sigma2r.training.fine_tuning import FineTuning
    from sigma2r.training.module import CompactClassifier, TrainingDivergedError
    from sigma2r.training.plane import plane_of
    from sigma2r.training.trainer import Plan, fit

__all__ = [
    "CompactClassifier",
    "Files",
    "FineTuning",
    "Plan",
    "TrainingDivergedError",
    "UnusableCheckpointError",
    "fit",
    "plane_of",
]
