"""What an evaluation is given, checked and in one form.

Axes: N images, C classes, D feature dimensions.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sigma2r._shown import listed, shown
from sigma2r.evaluation._influence import ClassMeans
from sigma2r.evaluation._inputs import are_the_same, check_finite, check_range, labelled, matrix, prepared
from sigma2r.evaluation._ranged import halves
from sigma2r.evaluation.bootstrap import Bootstrap
from sigma2r.evaluation.figure import Figure, finite
from sigma2r.evaluation.temperature import check_logits
from sigma2r.evaluation.unknowns import Unknowns, tell_unknown
from sigma2r.losses._checks import check_labels
from sigma2r.metrics import ClassStatistics, class_statistics

WHO = "evaluate_features"
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Given:
    """All of it, on the device of the features."""

    features: Tensor
    """(N, D), float32 or float64."""
    labels: Tensor
    """(N,) int64."""
    num_classes: int
    class_names: tuple[str, ...]
    logits: Tensor | None
    """(N, C)."""
    centers: Tensor | None
    """(C, D)."""
    classifier: Tensor | None
    """(C, D)."""
    references: Pair | None
    """Features and labels."""
    validation: Pair | None
    """Logits and labels."""
    ood: Mapping[str, Mapping[str, Unknowns]]
    bootstrap: Bootstrap
    cosine: bool
    normalize: bool
    """Whether centers are those of features of unit length."""
    ks: tuple[int, ...]
    max_pairs: int
    silhouette_images: int

    @property
    def num_images(self) -> int:
        """N."""
        return self.features.shape[0]

    @property
    def by_class(self) -> bool:
        """Whether whole classes are drawn for intervals."""
        return self.bootstrap.classes is not None

    @property
    def over_images(self) -> Bootstrap:
        """The draws for figures that are about all classes, whatever the others are about."""
        return replace(self.bootstrap, classes=None)

    def draws(self, number: int) -> torch.Generator:
        """A generator for one purpose, so that what is skipped changes nothing elsewhere."""
        return torch.Generator().manual_seed(self.bootstrap.seed + number)

    @cached_property
    def statistics(self) -> ClassStatistics:
        """Of features and labels."""
        return class_statistics(self.features, self.labels, self.num_classes)

    @cached_property
    def means(self) -> ClassMeans:
        """Features with the means of their classes."""
        return ClassMeans(self.features, self.labels, self.statistics)

    def of_halves(self, figures: Callable[[ClassMeans], Tensor]) -> Tensor:
        """Figures ``(K,)`` of class means for halves of the images, ``(H, K)``, CPU.

        NaN if each image is alone in its class: nothing then tells how far a class mean is off.
        """
        found = []
        for places in halves(self.labels, self.draws(3)):
            some = places.to(self.labels.device)
            rows, own = self.features[some], self.labels[some]
            found.append(figures(ClassMeans(rows, own, class_statistics(rows, own, self.num_classes))).cpu())
        return torch.stack(found) if int(self.statistics.count.max()) > 1 else torch.stack(found) * torch.nan

    @cached_property
    def predictions(self) -> Tensor | None:
        """Of the network, (N,)."""
        return None if self.logits is None else self.logits.argmax(1)

    @cached_property
    def compared(self) -> Tensor:
        """Features between which distances are taken."""
        return prepared(self.features, self.cosine)

    @cached_property
    def references_compared(self) -> Pair | None:
        """References and labels between which and the features distances are taken."""
        if self.references is None:
            return None
        rows, labels = self.references
        return prepared(rows, self.cosine), labels

    @property
    def num_present(self) -> int:
        """Classes that have images."""
        return int((self.statistics.count > 0).sum())

    def figure(
        self,
        value: Tensor,
        interval: tuple[Tensor, Tensor] | None,
        definition: str,
        num: int | None = None,
        samples: str = "images",
    ) -> Figure:
        """A figure of all images, or of ``num`` samples."""
        low, high = (None, None) if interval is None else (finite(float(end)) for end in interval)
        return Figure(
            value=float(value),
            low=low,
            high=high,
            num_samples=self.num_images if num is None else num,
            samples=samples,
            definition=definition,
        )


def several(name: str, given: Any, what: str) -> tuple[Any, ...]:
    """What is one of several, as a tuple.

    Raises:
        ValueError: If there is but one, or it is a text.
    """
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0:
        raise ValueError(f"{WHO}: {name} must be a list of {what}; got {shown(given)}.")
    return tuple(given)


def pair(name: str, given: Any, what: str) -> tuple[Any, Any]:
    """What comes with the labels of its rows.

    Raises:
        ValueError: If it does not.
    """
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(f"{WHO}: {name} must be a pair, ({what}, labels); got {shown(given)}.")
    return given[0], given[1]


def checked_features(features: Any, labels: Any, who: str = WHO, feature_dim: int | None = None) -> Pair:
    """Features and labels, at least one image, all of it finite, float32 or float64.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a feature is not finite.
    """
    rows, indices = labelled(who, features, labels, width=feature_dim)
    if not rows.shape[0] or not rows.shape[1]:
        raise ValueError(f"{who}: features must hold one image and one dimension at least; got {tuple(rows.shape)}.")
    check_finite(who, "features", rows)
    check_range(who, "features", rows)
    device = torch.device("cpu") if rows.device.type == "mps" else rows.device  # which lacks float64
    rows = rows.to(device)
    return rows.to(torch.promote_types(rows.dtype, torch.float32)).contiguous(), indices.to(device)


def check_others(features: Tensor, references: Tensor) -> None:
    """Refuse references that are the images themselves.

    Raises:
        ValueError: As above.
    """
    if are_the_same(references, features):
        raise ValueError(
            f"{WHO}: references must be other images than those that are looked at, as each finds itself among them; "
            "they are the same. Leave references out: the images are then searched, and none is its own neighbour."
        )


def number_of_classes(names: tuple[str, ...] | None, validation: Any, logits: Any, **tables: Any) -> int | None:
    """C, from whatever tells it; None where labels alone do.

    Raises:
        ValueError: If two of them disagree.
    """
    told = {"class_names": len(names)} if names is not None else {}
    given = {"logits": (logits, 1), **{name: (table, 0) for name, table in tables.items()}}
    for name, (value, axis) in given.items():
        if value is not None and len(getattr(value, "shape", ())) == 2:
            told[name] = value.shape[axis]
    if len(set(told.values())) > 1:
        raise ValueError(
            f"{WHO}: all must have the same number of classes; got {listed([f'{n} in {k}' for k, n in told.items()])}."
        )
    if not told and validation is not None:
        return int(check_logits(f"{WHO} (validation)", *validation)[0].shape[1])
    return next(iter(told.values()), None)


def numbered(labels: Tensor, references: Pair | None) -> tuple[tuple[str, ...], Tensor, Pair | None]:
    """Names of the classes that have an image or a reference, which are their labels, and labels that count these.

    So what is held follows how many classes there are, whatever numbers they have: of identities, mostly large ones.
    """
    ids = torch.unique(labels if references is None else torch.cat([labels, references[1].to(labels.device)]))
    if references is not None:
        references = references[0], torch.searchsorted(ids, references[1].to(ids.device))
    return tuple(str(number) for number in ids.tolist()), torch.searchsorted(ids, labels), references


def checked_table(name: str, table: Any, num_classes: int, features: Tensor) -> Tensor | None:
    """Centers or weights of a classifier, ``(C, D)``.

    Raises:
        ValueError: If they have another shape or dtype, or are not finite.
    """
    if table is None:
        return None
    rows = matrix(WHO, name, table)
    wanted = (num_classes, features.shape[1])
    if rows.shape != wanted:
        raise ValueError(f"{WHO}: {name} must have one row per class, shape {wanted}; got {tuple(rows.shape)}.")
    check_finite(WHO, name, rows)
    check_range(WHO, name, rows)
    return rows.detach().to(features.device)


def checked_logits(who: str, given: Any, num_classes: int) -> Pair:
    """Logits ``(N, C)`` and labels.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a logit is not finite.
    """
    logits, labels = check_logits(who, *given)
    if logits.shape[1] != num_classes:
        raise ValueError(f"{who}: logits must have {num_classes} columns, one per class; got {logits.shape[1]}.")
    check_labels(who, logits, labels, num_classes)
    return logits, labels


def checked_ood(ood: Any) -> dict[str, dict[str, Unknowns]]:
    """Scores by data set and score.

    Raises:
        ValueError: If they have another form.
    """
    found: dict[str, dict[str, Unknowns]] = {}
    wanted = f"{WHO}: ood must hold {{data set: {{score: (scores of known images, of unknown images)}}}}; got"
    if not isinstance(ood, Mapping | None):
        raise ValueError(f"{wanted} {shown(ood)}.")
    for data, scores in (ood or {}).items():
        if not isinstance(scores, Mapping):
            raise ValueError(f"{wanted} {shown(scores)} for {data}.")
        found[data] = {}
        for score, sides in scores.items():
            if not isinstance(sides, (tuple, list)) or len(sides) != 2:
                raise ValueError(f"{wanted} {shown(sides)} for {data}, {score}.")
            found[data][score] = tell_unknown(*sides)
    return found
