"""Eq. 6 as the paper words it: triplets of a sample, each of its positives, and its one nearest negative.

Points are lists of D floats; ``features`` is a list of points, ``labels`` a list of class indices.
"""

import math

from tests.reference.center import Point, squared_distance


def distance(a: Point, b: Point) -> float:
    return math.sqrt(squared_distance(a, b))


def positives(labels: list[int], i: int) -> list[int]:
    """The other samples of the class of sample i."""
    return [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]


def has_value(labels: list[int]) -> list[bool]:
    """A sample has a value where it has a positive and a negative."""
    return [bool(positives(labels, i)) and any(y != labels[i] for y in labels) for i in range(len(labels))]


def nearest_negative(features: list[Point], labels: list[int], i: int) -> int:
    """The nearest sample of another class; the first of equally near ones."""
    others = [j for j in range(len(labels)) if labels[j] != labels[i]]
    return min(others, key=lambda j: squared_distance(features[i], features[j]))


def nearest_negative_triplet_loss(features: list[Point], labels: list[int], *, margin: float = 1.0) -> list[float]:
    """The mean over positives of max(0, margin + distance to it - distance to the nearest negative); 0 without both."""
    values = []
    for i, defined in enumerate(has_value(labels)):
        value = 0.0
        if defined:
            to_negative = distance(features[i], features[nearest_negative(features, labels, i)])
            paired = positives(labels, i)
            for p in paired:
                value += max(0.0, margin + distance(features[i], features[p]) - to_negative) / len(paired)
        values.append(value)
    return values


def nearest_negative_triplet_loss_gradients(
    features: list[Point], labels: list[int], *, margin: float = 1.0
) -> tuple[list[Point]]:
    """Of the sum of :func:`nearest_negative_triplet_loss`, with respect to features.

    d(a, b) has the gradient u = (a - b) / d(a, b) for a and -u for b (0 where a = b). Each positive p of i whose hinge
    is above 0 adds, divided by the number of positives, the gradient of d(i, p) less that of d(i, nearest negative).
    """
    d_features = [[0.0] * len(x) for x in features]
    for i, defined in enumerate(has_value(labels)):
        if not defined:
            continue
        n, paired = nearest_negative(features, labels, i), positives(labels, i)
        to_negative = distance(features[i], features[n])
        for p in paired:
            to_positive = distance(features[i], features[p])
            if margin + to_positive - to_negative <= 0:
                continue
            for other, length, sign in ((p, to_positive, 1), (n, to_negative, -1)):
                if length == 0:
                    continue
                for axis in range(len(features[i])):
                    by_anchor = sign * (features[i][axis] - features[other][axis]) / length / len(paired)
                    d_features[i][axis] += by_anchor
                    d_features[other][axis] -= by_anchor
    return (d_features,)
