"""What an evaluation says: figures with their intervals, in sections, as plain numbers and words.

Axes: C classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigma2r._suggest import unknown
from sigma2r.evaluation.confusion import Confusion


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Args:
        value: Of the images that were given.
        low: The lower end of its interval; None if it has none.
        high: The upper end.
        num_samples: Of how many samples it is.
        samples: What these are: images, classes or pairs.
        definition: What it is, in a sentence.
    """

    value: float
    low: float | None = None
    high: float | None = None
    num_samples: int
    samples: str = "images"
    definition: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not finite is None."""
        numbers = {name: finite(getattr(self, name)) for name in ("value", "low", "high")}
        return {**numbers, "num_samples": self.num_samples, "samples": self.samples, "definition": self.definition}


@dataclass(frozen=True, kw_only=True)
class Section:
    """Figures that belong together.

    Args:
        figures: By name.
        left_out: Why some were not computed, by name, a sentence each.
        notes: What else is to be known of them, a sentence each.
    """

    figures: Mapping[str, Figure] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Figure:
        if name not in self.figures:
            raise KeyError(self.left_out.get(name) or str(unknown("figure", name, self.figures)))
        return self.figures[name]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {name: figure.as_dict() for name, figure in self.figures.items()}
        return {"figures": figures, "left_out": dict(self.left_out), "notes": list(self.notes)}


@dataclass(frozen=True, kw_only=True)
class PerClass:
    """A row for each class; None where a class has no such figure.

    Args:
        names: Shape ``(C,)``; likewise the others.
        num_images: Images of the class.
        recall: Share of them that the network puts into the class; None without logits.
        recall_low: The lower end of its interval, for as many images of this class.
        recall_high: The upper end.
        spread: Their spread about their mean, Eq. 12.
    """

    names: tuple[str, ...]
    num_images: tuple[int, ...]
    recall: tuple[float | None, ...] | None
    recall_low: tuple[float | None, ...] | None
    recall_high: tuple[float | None, ...] | None
    spread: tuple[float | None, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: None if column is None else list(column) for name, column in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What :func:`~sigma2r.evaluation.evaluate_features` found.

    Args:
        num_images: N.
        num_classes: C.
        feature_dim: D.
        settings: Distance, what was drawn for the intervals and how often, and so on.
        sections: By name: classification, compactness, collapse, silhouette, retrieval, verification, calibration.
        ood: By name of the data set and name of the score.
        per_class: A row for each class.
        confusion: Which class is taken for which; None without logits.
    """

    num_images: int
    num_classes: int
    feature_dim: int
    settings: Mapping[str, Any]
    sections: Mapping[str, Section]
    ood: Mapping[str, Mapping[str, Section]]
    per_class: PerClass
    confusion: Confusion | None = None

    def __getitem__(self, name: str) -> Section:
        if name not in self.sections:
            raise KeyError(str(unknown("section", name, self.sections)))
        return self.sections[name]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: numbers, texts, None, lists and mappings."""
        counts = None
        if self.confusion is not None:
            parts = ("labels", "predictions", "count")
            counts = {name: getattr(self.confusion, name).tolist() for name in parts}
        return {
            "num_images": self.num_images,
            "num_classes": self.num_classes,
            "feature_dim": self.feature_dim,
            "settings": dict(self.settings),
            "sections": {name: section.as_dict() for name, section in self.sections.items()},
            "ood": {
                data: {score: section.as_dict() for score, section in scores.items()}
                for data, scores in self.ood.items()
            },
            "per_class": self.per_class.as_dict(),
            "confusion": counts,
        }


def finite(value: float | None) -> float | None:
    """A number that JSON has, or None."""
    return value if value is not None and math.isfinite(value) else None
