"""How a :class:`~sigma2r.evaluation.Rejector` comes to its score, and its score to what it sees."""

from typing import Any

import torch
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r._shown import listed, shown
from sigma2r._suggest import near
from sigma2r.evaluation._inputs import are_the_same, told_by_labels
from sigma2r.evaluation.scores import SCORES, CenterDistance, Judged, Score


def fitted(who: str, score: Any, reference: Any, features: Any) -> Score:
    """The score that is meant, fitted.

    Raises:
        ValueError: If there is no such score, it is not fitted, or it was by what is to set the threshold.
    """
    if isinstance(score, str):
        return _named(who, score, reference, features)
    if reference is not None:
        raise ValueError(
            f"{who}: reference is for a score given by name; got {shown(score)}, which is fitted. Leave it out."
        )
    if isinstance(score, Score):
        return score
    if isinstance(getattr(score, "centers", None), Tensor):
        return CenterDistance.of(score)
    raise ValueError(
        f"{who}: score must be one of {listed(list(SCORES), 'or')}, a Score, a loss with centers or ClassPrototypes; "
        f"got {shown(score)}."
    )


def _named(who: str, score: str, reference: Any, features: Any) -> Score:
    if score not in SCORES:
        raise ValueError(f"{who}: unknown score {score!r}; known: {', '.join(SCORES)}.{near(score, SCORES)}")
    kind = SCORES[score]
    if not kind.learns:
        if reference is not None:
            raise ValueError(f"{who}: {score} learns nothing from a reference; leave it out.")
        return kind()
    if not isinstance(reference, (tuple, list)) or len(reference) != 2:
        raise ValueError(
            f"{who}: {score} must be fitted to images other than those that set its threshold: give "
            f"reference=(train_features, train_labels), or a score that is fitted; got {shown(reference)}."
        )
    if features is not None and are_the_same(reference[0], features):
        raise ValueError(
            f"{who}: the images that set a threshold must be others than those of reference, as a score knows the "
            "images that it was fitted to too well; they are the same. Divide them first."
        )
    return kind.fit(*reference)


def judged(who: str, score: Score, features: Any, logits: Any) -> Judged:
    """What a score says of samples.

    Raises:
        ValueError: If what it sees is not given, does not fit, or has other rows than what it does not see.
    """
    num_rows(who, features, logits)
    seen = features if score.sees == "features" else logits
    if seen is None:
        kind = score.name or type(score).__name__
        raise ValueError(
            f"{who}: {kind} is a score of {score.sees}, which must be given; got none. Call it with "
            + ("features." if score.sees == "features" else "logits=logits.")
        )
    return score.judge(seen, who)


def num_rows(who: str, features: Any, logits: Any) -> int:
    """N, of what is given.

    Raises:
        ValueError: If nothing is given, or not as much of one as of the other.
    """
    given = {"features": features, "logits": logits}
    rows = {name: as_tensor(who, name, one).shape[:1] for name, one in given.items() if one is not None}
    if not rows:
        raise ValueError(f"{who}: features or logits must be given; got neither.")
    if len(set(rows.values())) > 1 or () in rows.values():
        told = listed([f"{name} of {tuple(shape)}" for name, shape in rows.items()])
        raise ValueError(f"{who}: features and logits must be matrices with a row for each sample; got {told}.")
    return next(iter(rows.values()))[0]


def num_classes_of(who: str, score: Score, labels: Tensor, says: Judged, logits: Any) -> int:
    """C, and that labels and what the score says lie in [0, C).

    Raises:
        ValueError: If they do not.
    """
    num_classes = score.num_classes
    if num_classes is None and score.sees == "logits":
        num_classes = int(logits.shape[1])
    if num_classes is None:
        num_classes = told_by_labels(who, torch.cat([labels, says.label]))
    for name, classes in (("labels", labels), ("the classes that the score says", says.label)):
        low, high = (int(end) for end in classes.aminmax())
        if low < 0 or high >= num_classes:
            raise ValueError(
                f"{who}: {name} must lie in [0, {num_classes}), one index for each of the {num_classes} classes of the "
                f"score; got values from {low} to {high}. Images of unknown classes set no threshold: leave them out."
            )
    return num_classes
