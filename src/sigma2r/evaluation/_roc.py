r"""Shares accepted at every threshold, for many weights of the samples at once.

Axes: P positives and N negatives, whose scores are small where they should be accepted; S draws; G thresholds, which
are the distinct scores, ascending, and before them one that accepts nothing.
"""

import torch
from torch import Tensor

_SLACK = 1e-12  # of a share that is asked for: 0.1 of 30 pairs are 3


class Curve:
    """Two sets of scores, sorted once.

    Args:
        positives: Scores of what should be accepted, shape ``(P,)``.
        negatives: Scores of what should not, shape ``(N,)``.
        thin: Look at some 2,000 thresholds only: shares of positives to 0.1 %, of negatives to 1 % of themselves.
    """

    def __init__(self, positives: Tensor, negatives: Tensor, *, thin: bool = False) -> None:
        (ordered, self.order), (ordered_negatives, self.order_of_negatives) = positives.sort(), negatives.sort()
        looked_at = [ordered, ordered_negatives]
        if thin:
            looked_at = [ordered[_steps(ordered)], ordered_negatives[_steps(ordered_negatives, geometric=True)]]
        thresholds = torch.unique(torch.cat(looked_at))
        self.below, self.negatives_below = (
            torch.nn.functional.pad(torch.searchsorted(side, thresholds, right=True), (1, 0))
            for side in (ordered, ordered_negatives)
        )

    def accepted(self, positives: Tensor | None = None, negatives: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Weight of positives and of negatives at or below each threshold, ``(S, G)`` each.

        Args:
            positives: Weights in the order of the sorted scores, shape ``(S, P)``; None: 1 each, and S is 1.
            negatives: Weights, shape ``(S, N)``, likewise.
        """
        return _running(positives, self.below), _running(negatives, self.negatives_below)

    def shares(self, positives: Tensor | None = None, negatives: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same as shares of all positives and of all negatives; NaN where all weights are 0."""
        return shares_of(*self.accepted(positives, negatives))


def shares_of(positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Weights accepted, ``(S, G)`` each, as shares of those accepted by the last threshold, which accepts all."""
    return positives / positives[:, -1:], negatives / negatives[:, -1:]


def _running(weights: Tensor | None, below: Tensor) -> Tensor:
    if weights is None:
        return below.unsqueeze(0).double()
    return torch.nn.functional.pad(weights.cumsum(1), (1, 0)).index_select(1, below)


def _steps(scores: Tensor, *, geometric: bool = False) -> Tensor:
    """Places among sorted scores, the last one with them."""
    last = scores.shape[0] - 1
    if not geometric:
        return torch.linspace(0, last, 1000, dtype=torch.float64, device=scores.device).long()
    growing = 1.01 ** torch.arange(0, 3000, dtype=torch.float64, device=scores.device)
    places: Tensor = torch.unique(growing.sub(1).long().clamp_max(last))
    return places


def equal_error_rate(true: Tensor, false: Tensor) -> Tensor:
    """Where the share of negatives accepted is that of positives refused, on lines between thresholds, ``(S,)``."""
    surplus = true + false - 1  # ascends from -1 to 1
    after = (surplus < 0).sum(1, keepdim=True).clamp_min(1)
    above, below = surplus.gather(1, after), surplus.gather(1, after - 1)
    part = above / (above - below)
    return (false.gather(1, after) * (1 - part) + false.gather(1, after - 1) * part).squeeze(1)


def true_rate_at(true: Tensor, false: Tensor, most: float) -> Tensor:
    """The largest share of positives accepted while at most such a share of negatives is, ``(S,)``."""
    last = ((false <= most * (1 + _SLACK)).sum(1, keepdim=True) - 1).clamp_min(0)
    return true.gather(1, last).squeeze(1) + 0 * false[:, -1]  # NaN where there is no negative


def false_rate_at(true: Tensor, false: Tensor, least: float) -> Tensor:
    """The least share of negatives accepted while at least such a share of positives is, ``(S,)``."""
    first = (true < least * (1 - _SLACK)).sum(1, keepdim=True)
    return false.gather(1, first).squeeze(1) + 0 * true[:, -1]


def area(true: Tensor, false: Tensor) -> Tensor:
    """Area under the curve: how often a positive has the smaller score, ties counted half, ``(S,)``."""
    return ((true[:, 1:] + true[:, :-1]) / 2 * (false[:, 1:] - false[:, :-1])).sum(1)


def average_precision_of_refusal(positives: Tensor, negatives: Tensor) -> Tensor:
    """Precision of what is refused, averaged over the negatives in it, from weights accepted ``(S, G)``; ``(S,)``."""
    refused_negatives = negatives[:, -1:] - negatives[:, :-1]
    refused = refused_negatives + positives[:, -1:] - positives[:, :-1]
    step = (negatives[:, 1:] - negatives[:, :-1]) / negatives[:, -1:]
    return torch.where(refused > 0, step * refused_negatives / refused, 0.0).sum(1)
