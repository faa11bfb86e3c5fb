r"""Likely label errors, from what a network says of images that it was not trained on.

Axes: M images judged by one network, C classes, D feature dimensions, N images of all networks together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sigma2r.losses._distances import distances_between

_STEPS = 100  # of Newton's method, which takes about ten
_ENOUGH = 1e-9  # the relative step at which it ends


@dataclass(frozen=True, kw_only=True)
class LabelErrors:
    """How the given label of each image fares.

    Args:
        probabilities: Of each class, by logits and distances together, shape ``(N, C)``, float64.
        given: How probable the given class is, shape ``(N,)``.
        score: Log-odds of the suggested class against the given one, shape ``(N,)``: the larger, the more suspicious.
        suggested: The most probable class but the given one, shape ``(N,)``.
        likely: Whether it is a likely error, shape ``(N,)``.
    """

    probabilities: Float[Tensor, "N C"]
    given: Float[Tensor, " N"]
    score: Float[Tensor, " N"]
    suggested: Int[Tensor, " N"]
    likely: Bool[Tensor, " N"]


def class_log_probabilities(
    features: Float[Tensor, "M D"],
    logits: Float[Tensor, "M C"],
    centers: Float[Tensor, "C D"],
    labels: Int[Tensor, " M"],
    known: Bool[Tensor, " C"] | None = None,
) -> Float[Tensor, "M C"]:
    r"""The log-probability of each class by logits and distances together, each trusted as it explains the labels.

    .. math::
        \log p_{ik} = a\, \tilde z_{ik} + \text{const}_i, \qquad
        \log q_{ik} = -b\, \tilde d^2_{ik} + \text{const}_i, \qquad
        \log r_{ik} = \tfrac{1}{2} (\log p_{ik} + \log q_{ik}) + \text{const}_i

    with the logits z and the squared distances d² to the centers of the classes, each centered over the classes of an
    image and divided by its root mean square over all. Each weight, a and b, is the one of at least 0 under which the
    given labels of these images are most probable (a logistic regression of one number, with half its square beside
    the sum of the M losses, which keeps it finite where all labels are explained).

    Why: a softmax that was trained to the end is far too sure of what it never saw, and a distance has no scale of its
    own. Labels of held-out images say how far each can be trusted; that some of them are wrong makes it softer, and
    changes no order. Networks that were trained apart, one for each fold, become comparable so. The geometric mean
    wants both to agree: what either finds improbable is.

    Args:
        features: Shape ``(M, D)``, of images that the network was not trained on.
        logits: Shape ``(M, C)``.
        centers: The mean of each class, shape ``(C, D)``, in the space of the features.
        labels: Given classes, shape ``(M,)``.
        known: Classes that the network was trained on, shape ``(C,)``; others have probability 0. Default: all.

    Returns:
        Shape ``(M, C)``, float64.

    Raises:
        ValueError: If a label is of a class that the network was not trained on, or features or logits are not finite.
    """
    there = torch.ones(logits.shape[1], dtype=torch.bool) if known is None else known.cpu()
    for name, values in (("features", features), ("logits", logits)):
        refuse_not_finite(name, values)
    if not there[labels].all():
        raise ValueError(
            f"audit: labels must be of classes that the network was trained on; {int((~there[labels]).sum())} are not."
        )
    place = (torch.cumsum(there, 0) - 1)[labels]
    squares = distances_between(features.double(), centers[there].double(), torch.float64).square()
    opinions = [_calibrated(_even(evidence), place) for evidence in (logits.double()[:, there], -squares)]
    whole = torch.full(logits.shape, -math.inf, dtype=torch.float64)
    whole[:, there] = torch.stack(opinions).mean(0).log_softmax(1)
    return whole


def refuse_not_finite(name: str, rows: Tensor) -> None:
    """Refuse rows with NaN or infinite values.

    Raises:
        ValueError: With their number.
    """
    if bad := int((~rows.isfinite().all(1)).sum()):
        raise ValueError(f"audit: {name} must be finite; {bad:,} of {rows.shape[0]:,} rows hold NaN or infinity.")


def label_errors(log_probabilities: Sequence[Tensor], labels: Sequence[Tensor]) -> LabelErrors:
    r"""Which given labels are likely errors, over all networks together.

    The score is :math:`\log r_{i\hat k} - \log r_{iy}`, with y the given and :math:`\hat k` the most probable other
    class. How many errors there are is counted as confident learning does: images with a positive score whose
    :math:`r_{i\hat k}` is at least the mean of :math:`r_{j\hat k}` over the images j whose given class is
    :math:`\hat k`, which look as much like that class as what bears its name. So many images, those of the largest
    scores, are the likely errors.

    Args:
        log_probabilities: Of each network's images, shape ``(M, C)`` each.
        labels: Their given classes, shape ``(M,)`` each.

    Returns:
        For all images, in the order of the networks.

    Source: the threshold is that of "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021, eq. (2);
    there it is taken of p alone, and which images are errors is decided class by class.
    """
    logs, given = torch.cat(list(log_probabilities)), torch.cat(list(labels))
    own = logs.gather(1, given.unsqueeze(1)).squeeze(1)
    others = logs.scatter(1, given.unsqueeze(1), -math.inf)
    best, suggested = others.max(1)
    score = best - own
    classes = logs.shape[1]
    sums = torch.zeros(classes, dtype=torch.float64).index_add_(0, given, own.exp())
    usual = sums / torch.bincount(given, minlength=classes)  # NaN, and so never reached, of a class without images
    count = int(((score > 0) & (best.exp() >= usual[suggested])).sum())
    likely = torch.zeros_like(given, dtype=torch.bool)
    likely[score.argsort(descending=True, stable=True)[:count]] = True
    return LabelErrors(probabilities=logs.exp(), given=own.exp(), score=score, suggested=suggested, likely=likely)


def _even(values: Tensor) -> Tensor:
    """Centered over the classes of each image, and of root mean square 1 over all; zeros stay."""
    centered = values - values.mean(1, keepdim=True)
    scale = centered.square().mean().sqrt()
    return centered / scale if scale > 0 else centered


def _calibrated(evidence: Tensor, labels: Tensor) -> Tensor:
    """The log-softmax of the evidence (M, C) times the weight of at least 0 under which labels are most probable.

    The loss is convex: by Newton's method, with steps halved until they lead down; a minimum below 0 gives 0.
    """
    own = evidence.gather(1, labels.unsqueeze(1)).squeeze(1)

    def loss(weight: float) -> float:
        return float(((weight * evidence).logsumexp(1) - weight * own).sum()) + 0.5 * weight**2

    weight = 1.0
    for _ in range(_STEPS):
        odds = (weight * evidence).softmax(1)
        mean = (odds * evidence).sum(1)
        slope = float((mean - own).sum()) + weight
        curve = float((odds * (evidence - mean.unsqueeze(1)).square()).sum()) + 1
        step, before = slope / curve, loss(weight)
        while loss(weight - step) > before and abs(step) > _ENOUGH:
            step /= 2
        weight -= step
        if abs(step) <= _ENOUGH * max(1.0, abs(weight)):
            break
    return (max(weight, 0.0) * evidence).log_softmax(1)
