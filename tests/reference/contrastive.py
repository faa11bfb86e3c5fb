"""Eq. 7, the contrastive loss, one pair of samples at a time.

Points are lists of D floats; ``features`` is a list of points, ``labels`` a list of class indices.
"""

import math

from tests.reference.center import Point, squared_distance


def has_value(labels: list[int]) -> list[bool]:
    """A sample that is alone in its batch has none."""
    return [len(labels) > 1 for _ in labels]


def contrastive_loss(features: list[Point], labels: list[int], *, margin: float = 1.0) -> list[float]:
    """The mean over all others of the distance, if of one class, or max(0, margin - distance), if not; 0 if alone."""
    values = []
    for i, x in enumerate(features):
        value = 0.0
        for j, other in enumerate(features):
            if j != i:
                d = math.sqrt(squared_distance(x, other))
                term = d if labels[j] == labels[i] else max(0.0, margin - d)
                value += term / (len(features) - 1)
        values.append(value)
    return values


def contrastive_loss_gradients(features: list[Point], labels: list[int], *, margin: float = 1.0) -> tuple[list[Point]]:
    """Of the sum of :func:`contrastive_loss`, with respect to features.

    d(a, b) has the gradient u = (a - b) / d(a, b) for a and -u for b (0 where a = b). Each ordered pair adds that of
    +d / (N - 1) if of one class, of -d / (N - 1) if not and nearer than the margin, and 0 otherwise, at the margin
    itself included.
    """
    d_features = [[0.0] * len(x) for x in features]
    for i, x in enumerate(features):
        for j, other in enumerate(features):
            d = math.sqrt(squared_distance(x, other))
            if j == i or d == 0:
                continue
            sign = 1 if labels[j] == labels[i] else -1
            if sign < 0 and margin - d <= 0:
                continue
            for axis in range(len(x)):
                by_anchor = sign * (x[axis] - other[axis]) / d / (len(features) - 1)
                d_features[i][axis] += by_anchor
                d_features[j][axis] -= by_anchor
    return (d_features,)
