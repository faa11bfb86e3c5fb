"""Features in two dimensions, to be drawn."""

from typing import Any

import torch
from torch import Tensor

from sigma2r.data.loaders import in_order, make_batches, seats
from sigma2r.data.splits import Split
from sigma2r.models.modes import evaluating
from sigma2r.training.measure import features_and_logits
from sigma2r.training.module import CompactClassifier

_POINTS = 300  # a class
_BATCH = 500


def plane_of(module: CompactClassifier, split: Split, device: torch.device) -> dict[str, Any] | None:
    """Features and labels of up to 300 images a class, class means and learned centers; None beyond two dimensions."""
    if module.model.feature_dim != 2:
        return None
    by_class, seat = seats(split.data.labels, split.indices)
    chosen = by_class[seat < _POINTS]
    rows = in_order(chosen, _BATCH)
    precision = module.trainer.precision_plugin.forward_context
    with evaluating(module.model):
        features = torch.cat(
            [
                features_and_logits(module.model, module.preprocess, images, precision())[0].float().cpu()
                for images, _ in make_batches(split.data, rows, len(rows), device, workers=0)
            ]
        )
    labels = split.data.labels[chosen]
    loss = module.criterion.auxiliary if module.criterion is not None else None
    means = torch.stack([features[labels == k].mean(0) for k in range(len(split.data.class_names))])
    centers = getattr(loss, "centers", None)
    if not isinstance(centers, Tensor) or centers.shape != means.shape:
        centers = None  # what a loss of one's own calls so may be anything
    return {
        "features": features.tolist(),
        "labels": labels.tolist(),
        "centers": None if centers is None else centers.detach().float().cpu().tolist(),
        "means": means.tolist(),
    }
