"""Losses of other libraries beside ours: which label they ignore, whether they take weights, how wide they compute."""

import inspect
import operator
from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from sigma2r.losses._module import FeatureLoss


def bare(loss: nn.Module) -> nn.Module:
    """The loss itself, behind what compiles it."""
    inside: nn.Module = getattr(loss, "_orig_mod", loss)
    return inside


def ignored_by(part: nn.Module) -> int | None:
    """Which label a part of a loss says that it ignores, be it a scalar of torch or numpy; None: it says none."""
    try:
        return operator.index(cast("int", getattr(part, "ignore_index", None)))
    except TypeError:
        return None


def all_ignored_by(loss: nn.Module) -> Iterator[tuple[str, int]]:
    """Who of a loss ignores which label: itself, and those of ours that are parts of it.

    Parts of others do not count: an ArcFace of theirs holds a cross-entropy that ignores -100, and takes -100 for a
    class all the same.
    """
    root = bare(loss)
    for part in root.modules():
        if (part is root or isinstance(part, FeatureLoss)) and (value := ignored_by(part)) is not None:
            yield type(part).__name__, value


def check_take_weights(losses: Iterable[nn.Module]) -> None:
    """Refuse weights of samples where a loss is not called with any.

    Raises:
        ValueError: Naming the first.
    """
    for loss in map(bare, losses):
        taken = inspect.signature(loss.forward).parameters.values()
        if not any(p.name == "weights" or p.kind is p.VAR_KEYWORD for p in taken):
            raise ValueError(
                f"JointLoss: weights of samples must be known to every loss, loss(features, labels, weights=...); "
                f"{type(loss).__name__} takes none. Leave them out, or leave out rows: label them ignore_index."
            )


def as_wide_as(loss: nn.Module, features: Tensor) -> Tensor:
    """Features as a loss of others computes: in half precision some cast what they learn to it, and keep it so."""
    learned = {parameter.dtype for parameter in loss.parameters() if parameter.is_floating_point()}
    half = features.is_floating_point() and features.dtype.itemsize < 4
    return features.float() if half and learned == {torch.float32} else features
