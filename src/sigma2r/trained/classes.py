"""Centers of classes that no loss has learned: means of features, as a run is loaded and its images are there."""

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sigma2r._shown import shown
from sigma2r._text import is_whole, visible
from sigma2r.data.spelling import say_look_alikes
from sigma2r.evaluation import ClassPrototypes
from sigma2r.evaluation._inputs import check_name, prepared
from sigma2r.evaluation._inputs import told as told_names
from sigma2r.trained.predictions import NO_CLASS, Predictions

if TYPE_CHECKING:
    from sigma2r.trained.trained import Trained


class Added(NamedTuple):
    """What a class brings with it."""

    features: Tensor
    """Of its images that could be read, (M, D)."""
    centers: Tensor
    """Those that there were, and its own behind them."""


def added(trained: "Trained", name: str, embed: Callable[[], Tensor]) -> Added:
    """The mean of a class behind the centers of a run.

    Args:
        trained: The run.
        name: Of the class.
        embed: Gives the features of its images, with NaN for those that cannot be read; called once all else is well.

    Raises:
        ValueError: If there is such a class already, the classes have no centers, or a rejector takes none.
    """
    who = "add_class"
    check_name(who, name)
    if not is_whole(name):
        raise ValueError(f"{who}: the name of a class must be UTF-8; got {shown(name)}.")
    if name in trained.class_names:
        raise ValueError(
            f"{who}: the name must be one that no class has yet; {shown(name)} is class "
            f"{trained.class_names.index(name)}."
        )
    if trained.centers is None:
        raise ValueError(
            f"{who}: the classes must have centers, of which the new one is to be the nearest; "
            f"{trained.record.run.loss} learns none. take_means() takes the means of the training images."
        )
    if trained.rejector is not None and trained.rejector.score.sees != "features":
        raise ValueError(
            f"{who}: the rejector of the run must be by a score of features, to which a class can be added without "
            f"training; it is by {trained.rejector.score.name}. Fit one by center-distance, or load the run with "
            "rejector=False."
        )
    say_look_alikes([*trained.class_names, name], f"{who}: the run")
    features = embed()
    features = features[features.isfinite().all(1)]
    normalize = trained.has_unit_features
    mean = prepared(features, normalize).to(torch.float64).mean(0, keepdim=True)
    return Added(features, torch.cat([trained.centers, mean.to(trained.centers)]))


def means_of(trained: "Trained", parts: Iterable[Predictions]) -> Tensor:
    """The mean feature of each class, shape ``(C, D)``, in one pass.

    Raises:
        ValueError: If a class has no image, or classes were added.
    """
    who = "take_means"
    if trained.added:
        raise ValueError(
            f"{who}: means are taken before classes are added; there are {told_names(trained.added)}. Load it again."
        )
    prototypes = ClassPrototypes(
        len(trained.class_names),
        trained.feature_dim,
        class_names=trained.class_names,
        normalize=trained.has_unit_features,
    )
    problems: list[str] = []
    for part in parts:
        known = (part.targets != NO_CLASS) & (part.labels != NO_CLASS)
        if known.any():
            prototypes.update(part.features[known], part.targets[known])
        problems += part.problems.values()
    if without := [name for name, n in zip(trained.class_names, prototypes.count.tolist(), strict=True) if not n]:
        why = f" Of those that cannot be read the first: {visible(problems[0])}" if problems else ""
        raise ValueError(f"{who}: there must be images of every class; there are none of {told_names(without)}.{why}")
    if problems:
        warnings.warn(
            f"{who}: {len(problems):,} images cannot be read and are left out: {visible(problems[0])}", stacklevel=3
        )
    return prototypes.centers.to(trained.dtype).to(trained.device)
