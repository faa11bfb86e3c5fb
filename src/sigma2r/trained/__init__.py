"""A trained run, used: ``load(folder)`` gives features, classes and distances of images, without what trains."""

from sigma2r.trained.loading import load
from sigma2r.trained.predictions import Predictions
from sigma2r.trained.rejecting import fit_rejector
from sigma2r.trained.trained import Trained

__all__ = ["Predictions", "Trained", "fit_rejector", "load"]
