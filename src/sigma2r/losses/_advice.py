"""What was probably meant, where a batch does not fit: judged by shapes and dtypes, so that no device is waited for.

Axes: N samples, C classes, D feature dimensions.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._arrays import as_tensor
from sigma2r._shown import listed


def as_matrix(name: str, features: Tensor, feature_dim: int | None) -> str:
    """How features of another number of axes were meant to become a matrix (N, D)."""
    if features.ndim == 1:
        return f" For one sample {name}.unsqueeze(0), for one dimension {name}.unsqueeze(1)."
    if features.ndim < 2:
        return ""
    if feature_dim is not None and features.shape[1:].numel() != feature_dim:
        if features.shape[1] == feature_dim:
            return f" Did you mean {name}.flatten(2).mean(2)?"
        if features.ndim == 3 and features.shape[2] == feature_dim:
            return f" Did you mean {name}.mean(1)?"
    return f" Did you mean {name}.flatten(1)?"


def as_indices(name: str, labels: Tensor, num_samples: int, num_classes: int | None, readable: bool) -> str:
    """How labels of another shape were meant to become class indices (N,); their values count where ``readable``."""
    real = labels.is_floating_point()
    if labels.shape == (num_samples, 1):
        return f" Did you mean {name}.squeeze(1){'.long()' * real}?"
    if labels.ndim > 1 and labels.numel() == num_samples:
        return f" Did you mean {name}.flatten(){'.long()' * real}?"
    if labels.ndim != 2 or labels.shape[0] != num_samples or num_classes not in (None, labels.shape[1]):
        return ""
    if real:
        return (
            " These look like shares of classes (soft labels), and a mixture has no class of its own. Give class "
            "indices here; the cross-entropy of JointLoss takes shares, as targets=... beside labels."
        )
    if readable and not _is_one_hot(labels):
        return (
            " These are no one-hot rows, and a sample of several classes, or of none, has no class of its own. Give "
            "one class index for each; rows without one are labelled with the ignore_index."
        )
    return f" Did you mean {name}{'.int()' * (labels.dtype == torch.bool)}.argmax(1)?"


def _is_one_hot(rows: Tensor) -> bool:
    """Whether each row (C,) of whole numbers or truth values holds a single 1 among zeros."""
    ones = rows == 1
    return bool((ones | (rows == 0)).all() and (ones.sum(1) == 1).all())


def as_whole(name: str, labels: Tensor, readable: bool) -> str:
    """How labels (N,) of another kind of number were meant to become class indices."""
    if labels.is_complex():
        return ""
    if readable and labels.isnan().any():
        return " Some are missing (NaN): leave those rows out, or label them with the ignore_index."
    if readable and labels.is_floating_point() and (labels != labels.round()).any():
        return " They are no whole numbers: are they shares, or scores?"
    return f" Did you mean {name}.long()?"


def other_order(fits: Callable[..., bool], given: dict[str, Any]) -> str:
    """Which arguments were exchanged, and their order; nothing where they fit as they are, or in no order.

    Args:
        fits: Whether tensors in the order of ``given`` fit together.
        given: The arguments by name, in their order.
    """
    names, tensors = list(given), [_tensor_of(value) for value in given.values()]
    if any(tensor is None for tensor in tensors):
        return ""
    for places in permutations(range(len(names))):
        learned = any(isinstance(tensors[place], nn.Parameter) for place in places[:2])  # no features, no labels
        if learned or not fits(*(tensors[place] for place in places)):
            continue
        moved = [place for place in range(len(names)) if places[place] != place]
        if not moved:
            return ""
        told = listed([names[place] for place in moved])
        shapes = listed([str(tuple(tensors[place].shape)) for place in moved])
        order = ", ".join(names[: moved[-1] + 1])
        return f"{told} are exchanged, to judge by their shapes {shapes}. The order is loss({order})."
    return ""


def _tensor_of(value: object) -> Any:
    try:
        return as_tensor("", "", value)
    except ValueError:
        return None


def fit_together(features: Tensor, labels: Tensor, centers: Tensor | None = None, growth: Tensor | None = None) -> bool:
    """Whether these are features (N, D), labels (N,), centers (C, D) and growth (C,), by shape and kind of number."""
    if not are_features(features) or not are_indices(labels, features.shape[0]):
        return False
    if centers is None:
        return True
    if not are_features(centers) or centers.shape[1] != features.shape[1]:
        return False
    return growth is None or (growth.shape == centers.shape[:1] and growth.is_floating_point())


def are_features(features: Tensor) -> bool:
    """Whether features have the shape and the kind of number of rows of features."""
    return features.ndim == 2 and features.is_floating_point()


def are_indices(labels: Tensor, num_samples: int) -> bool:
    """Whether labels have the shape and the kind of number of class indices."""
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    return whole and labels.ndim == 1 and labels.shape[0] == num_samples
