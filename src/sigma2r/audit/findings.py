"""All that an audit finds, computed from images and from what networks say of them.

Axes: N images, M of them judged, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sigma2r.audit.beside import Beside, cleanlab_beside, tell_if_of_one_class
from sigma2r.audit.classes import FEW_TESTS, Overlap, confusion, overlaps, too_small
from sigma2r.audit.groups import Group, duplicate_groups
from sigma2r.audit.held_out import HeldOut
from sigma2r.audit.images import Images
from sigma2r.audit.labels import LabelErrors, class_log_probabilities, label_errors
from sigma2r.audit.near import NEAR
from sigma2r.audit.outliers import far_out, isolation, rank_among
from sigma2r.trained.predictions import NO_CLASS

NEIGHBORS = 10
"""Which neighbour's distance makes an outlier."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What an audit finds.

    Args:
        images: All of them, of all splits.
        labelled: Positions of the images whose label was judged, shape ``(M,)``.
        errors: How their labels fare, in that order.
        beside: What cleanlab says of them, in that order; None where it was not asked.
        judged: Positions of all images whose features are known.
        isolation: How far each of these is from others, over what is usual.
        outliers: Which of these are outliers.
        groups: Duplicates; leaks first.
        counts: Images of each class by split, shape ``(C,)`` each.
        overlaps: Pairs of classes, those that are mixed up most first.
        small: Classes that are too small to be learned, shape ``(C,)``.
        unread: Why images could not be read, by their name.
        alone: Positions of images that no network could judge, since their class has no other.
        neighbors: Which neighbour's distance was asked for.
        ranks: Which one it is among the images of each network: the last, where there are fewer others.
    """

    images: Images
    labelled: Int[Tensor, " M"]
    errors: LabelErrors
    beside: Beside | None
    judged: Int[Tensor, " K"]
    isolation: Float[Tensor, " K"]
    outliers: Bool[Tensor, " K"]
    groups: Sequence[Group]
    counts: Mapping[str, Tensor]
    overlaps: Sequence[Overlap]
    small: Bool[Tensor, " C"]
    unread: Mapping[str, str] = field(default_factory=dict)
    alone: Sequence[int] = ()
    neighbors: int = NEIGHBORS
    ranks: Sequence[int] = ()

    @property
    def leaks(self) -> list[Group]:
        """Duplicates across splits."""
        return [group for group in self.groups if group.is_leak]

    @property
    def within(self) -> list[Group]:
        """Duplicates within a split."""
        return [group for group in self.groups if not group.is_leak]

    @property
    def why_small(self) -> dict[int, list[str]]:
        """Why a class is too small, by its number: few images to learn from, few test images to be measured by."""
        tests = self.counts.get("test")
        few = torch.zeros_like(self.small) if tests is None else tests < FEW_TESTS
        reasons = (("few images", self.small), ("few test images", few))
        return {
            number: [why for why, those in reasons if those[number]]
            for number in (self.small | few).nonzero().flatten().tolist()
        }

    def suspicious(self) -> Tensor:
        """Places within ``labelled``, the most suspicious label first."""
        return self.errors.score.argsort(descending=True, stable=True)

    def farthest(self) -> Tensor:
        """Places within ``judged``, the farthest image first."""
        return self.isolation.argsort(descending=True, stable=True)


def find(
    images: Images,
    outputs: Sequence[HeldOut],
    *,
    near: float = NEAR,
    neighbors: int = NEIGHBORS,
    cleanlab: bool = False,
    unread: Mapping[str, str] | None = None,
    alone: Sequence[int] = (),
) -> Findings:
    """Look for all that may be wrong.

    Args:
        images: Of all splits.
        outputs: What networks say of images that they were not trained on; ``rows`` are positions in ``images``.
        near: How much nearer than usual two images are that count as nearly the same.
        neighbors: Which neighbour's distance makes an outlier.
        cleanlab: Ask cleanlab, too.
        unread: Images that could not be read.
        alone: Images that no network could judge.

    Raises:
        ValueError: If features or logits are not finite.
        ImportError: In one sentence, if cleanlab is asked for and missing.
    """
    num_classes = len(images.class_names)
    logs, given, places, softmax = [], [], [], []
    for each in outputs:
        labels = images.labels[each.rows]
        has = (labels != NO_CLASS) & each.known[labels.clamp_min(0)]
        if has.any():
            sure = class_log_probabilities(
                each.features[has], each.logits[has], each.centers, labels[has], each.known
            )  # fmt: skip
            logs.append(sure)
            given.append(labels[has])
            places.append(each.rows[has])
            softmax.append(each.logits[has].double().softmax(1))
    none = torch.empty(0, dtype=torch.int64)
    labelled, known = torch.cat([none, *places]), torch.cat([none, *given])
    errors = label_errors([torch.empty(0, num_classes, dtype=torch.float64), *logs], [none, *given])
    predicted = errors.probabilities.argmax(1)
    judged = torch.cat([none, *(each.rows for each in outputs)])
    apart = torch.cat([torch.empty(0, dtype=torch.float64), *(isolation(e.features, neighbors) for e in outputs)])
    counts = {
        split: torch.bincount(its[its != NO_CLASS], minlength=num_classes)
        for split in dict.fromkeys(images.splits)
        if (its := images.labels[images.of_split(split)]) is not None
    }
    return Findings(
        images=images,
        labelled=labelled,
        errors=errors,
        beside=cleanlab_beside(torch.cat(softmax), known)
        if cleanlab and softmax and not tell_if_of_one_class(known)
        else None,
        judged=judged,
        isolation=apart,
        outliers=far_out(apart),
        groups=duplicate_groups(images, near),
        counts=counts,
        overlaps=overlaps(confusion(known, predicted, num_classes)),
        small=too_small(counts.get("train", next(iter(counts.values())))),
        unread=unread or {},
        alone=alone,
        neighbors=neighbors,
        ranks=[rank_among(len(each.rows), neighbors) for each in outputs],
    )
