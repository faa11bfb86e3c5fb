"""Labels as scikit-learn has them, of any kind, and the class indices that a network has for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sigma2r._shown import listed


def names_of(who: str, labels: Any, criterion: nn.Module) -> Any:
    """The sorted names of the classes of labels that are no class indices; None: they are.

    Indices are whole numbers of at least 0 and, where a loss says how many classes it has, below that.

    Raises:
        ValueError: If there are not as many names as a loss has classes.
    """
    if labels.ndim != 1:
        return None
    names = np.unique(labels)
    told = (getattr(part, "num_classes", None) for part in criterion.modules())
    number = next((count for count in told if isinstance(count, int)), None)
    if not len(names) or (names.dtype.kind in "iu" and names[0] >= 0 and (number is None or names[-1] < number)):
        return None
    if number is not None and len(names) != number:
        raise ValueError(
            f"{who}: labels must be class indices, or names of as many classes as the losses have, {number}; got "
            f"{len(names)}: {listed([str(name) for name in names])}. Where some are absent give classes=[...] with all."
        )
    return names


def indices_of(who: str, labels: Any, names: Any) -> Any:
    """The place of each label among the names.

    Raises:
        ValueError: If one is none of them.
    """
    places = {name: place for place, name in enumerate(names.tolist())}
    odd = next((label for label in labels.tolist() if label not in places), None)
    if odd is not None:
        raise ValueError(
            f"{who}: labels must be among the classes, {listed([str(name) for name in names])}; got {odd!r}. Name "
            "all of them with classes=[...]."
        )
    return np.array([places[label] for label in labels.tolist()], dtype=np.int64)


def as_precise_as(network: nn.Module, batch: Any) -> Any:
    """A batch with its floating-point tensors in the precision of a network."""
    if isinstance(batch, Tensor):
        wanted = next((p.dtype for p in network.parameters() if p.is_floating_point()), batch.dtype)
        return batch.to(wanted) if batch.is_floating_point() else batch
    if isinstance(batch, Mapping):
        return {name: as_precise_as(network, part) for name, part in batch.items()}
    return type(batch)(as_precise_as(network, part) for part in batch) if type(batch) in (tuple, list) else batch


def as_labels(labels: Any) -> Any:
    """Labels as an array of numpy."""
    return labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
