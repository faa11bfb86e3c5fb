"""Eq. 2, the soft nearest neighbour loss, one pair of samples at a time.

Points are lists of D floats; ``features`` is a list of points, ``labels`` a list of class indices.
"""

import math

from tests.reference.center import Point, squared_distance


def partners(labels: list[int], i: int) -> list[int]:
    """The other samples of the class of sample i."""
    return [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]


def has_value(labels: list[int]) -> list[bool]:
    """A sample without a partner of its class has none."""
    return [bool(partners(labels, i)) for i in range(len(labels))]


def log_sum_exp(scores: list[float]) -> float:
    """log of the sum of exponentials, the largest taken out first: exp then never overflows, and one of them is 1."""
    largest = max(scores)
    return largest + math.log(math.fsum(math.exp(score - largest) for score in scores))


def soft_nearest_neighbor_loss(features: list[Point], labels: list[int], *, temperature: float = 1.0) -> list[float]:
    """Minus the log of the share that the own class has in the sum of exp(-d²/T) over all others; 0 without partner."""
    values = []
    for i, x in enumerate(features):
        scores = {j: -squared_distance(x, other) / temperature for j, other in enumerate(features) if j != i}
        paired = [scores[j] for j in partners(labels, i)]
        values.append(log_sum_exp(list(scores.values())) - log_sum_exp(paired) if paired else 0.0)
    return values


def soft_nearest_neighbor_loss_gradients(
    features: list[Point], labels: list[int], *, temperature: float = 1.0
) -> tuple[list[Point]]:
    """Of the sum of :func:`soft_nearest_neighbor_loss`, with respect to features.

    With s_ij = -||x_i - x_j||²/T, the derivative of value i by s_ij is q_ij - p_ij: the softmax of s_i over all j != i
    less the softmax over the partners (0 for others); and d s_ij / dx_i = -2 (x_i - x_j)/T = -d s_ij / dx_j.
    """
    d_features = [[0.0] * len(x) for x in features]
    for i, x in enumerate(features):
        paired = partners(labels, i)
        if not paired:
            continue
        scores = {j: -squared_distance(x, other) / temperature for j, other in enumerate(features) if j != i}
        log_all = log_sum_exp(list(scores.values()))
        log_paired = log_sum_exp([scores[j] for j in paired])
        for j, score in scores.items():
            by_score = math.exp(score - log_all) - (math.exp(score - log_paired) if j in paired else 0.0)
            for axis in range(len(x)):
                by_anchor = by_score * -2 * (x[axis] - features[j][axis]) / temperature
                d_features[i][axis] += by_anchor
                d_features[j][axis] -= by_anchor
    return (d_features,)
