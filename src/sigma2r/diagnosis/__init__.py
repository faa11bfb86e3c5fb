"""Is the loss doing its work? Figures of one batch, and warnings about what goes wrong over many, each told once."""

from sigma2r.diagnosis.figures import Diagnosis, diagnose
from sigma2r.diagnosis.scale import far_from_scale
from sigma2r.diagnosis.watch import Watch

__all__ = ["Diagnosis", "Watch", "diagnose", "far_from_scale"]
