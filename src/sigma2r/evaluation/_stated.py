"""The sentences that say what a :class:`~sigma2r.evaluation.Rejector` accepts, and what that promises."""

from typing import NamedTuple

from torch import Tensor

from sigma2r.evaluation._inputs import told
from sigma2r.evaluation.thresholds import rank_of, rate_range


class Facts(NamedTuple):
    """What the sentences say."""

    kind: str
    """The name of the score."""
    false_rejects: float
    """The rate."""
    class_names: tuple[str, ...]
    """C names."""
    threshold: float
    """That of all validation images."""
    own: Tensor | None
    """Those of classes, (C,), NaN where there is none; None where none was asked for."""
    images: Tensor
    """Validation images of each class, (C,)."""
    rejected: Tensor
    """How many of these are rejected, (C,)."""


def stated(facts: Facts) -> str:
    """A few sentences: the threshold, its promise, and how the validation images fare."""
    begin = f"Accepted is what has a score ({facts.kind}, higher is more known) of at least"
    if facts.own is None or facts.own.isnan().all():
        none = "" if facts.own is None else " No class has images enough for a threshold of its own."
        return f"{begin} {_common(facts)}{none} {_by_class(facts)}"
    least, most = (float(end) for end in facts.own[~facts.own.isnan()].aminmax())
    text = (
        f"{begin} the threshold of the class that it is taken for, from {least:.6g} to {most:.6g}: of n validation "
        f"images taken for that class the floor({facts.false_rejects:g} (n + 1))-th smallest score. Of new images of "
        "the known classes that are taken for it, drawn as these were, at most "
        f"{_percent(facts.false_rejects)} % are rejected in the mean over such sets."
    )
    lacks = facts.own.isnan().tolist()
    if few := [name for name, lack in zip(facts.class_names, lacks, strict=True) if lack]:
        text += (
            f" Too few for that have {len(few)} of {len(lacks)} classes ({told(few)}), whose threshold is "
            f"{_common(facts)}"
        )
    return f"{text} {_by_class(facts)}"


def _common(facts: Facts) -> str:
    num_images = int(facts.images.sum())
    rank = rank_of(num_images, facts.false_rejects)
    low, high = rate_range(rank, num_images)
    return (
        f"{facts.threshold:.6g}, the {_ordinal(rank)}smallest score of {num_images} validation images (false_rejects "
        f"{facts.false_rejects:g}). Of new images of the known classes, drawn as these were, at most "
        f"{_percent(rank / (num_images + 1))} % are rejected in the mean over such sets; in nine of ten sets it is a "
        f"share between {_percent(low)} and {_percent(high)} %."
    )


def _by_class(facts: Facts) -> str:
    share = facts.rejected / facts.images.clamp_min(1)
    worst = int(share.argmax())
    name, rejected, images = told([facts.class_names[worst]]), int(facts.rejected[worst]), int(facts.images[worst])
    return (
        f"Rejected are {int(facts.rejected.sum())} of the {int(facts.images.sum())} validation images; the largest "
        f"share in class {name}, {rejected} of {images}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"


def _ordinal(rank: int) -> str:
    if rank == 1:
        return ""
    last = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{last} "
