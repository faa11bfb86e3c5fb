"""Eq. 3, the Git loss, one pair of a sample and another sample's center at a time.

Points are lists of D floats; ``features`` and ``centers`` are lists of points, ``labels`` a list of class indices.
"""

from tests.reference.center import Point, squared_distance


def pushing(labels: list[int], i: int, negatives: str) -> list[int]:
    """The samples j whose centers push sample i away: all others, or those of other classes."""
    return [j for j in range(len(labels)) if j != i and (negatives == "all" or labels[j] != labels[i])]


def git_loss(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    *,
    center_weight: float,
    push_weight: float,
    negatives: str = "all",
) -> list[float]:
    """Half the squared distance to the own center, and for each other sample's center 1 / (1 + squared distance)."""
    values = []
    for i, x in enumerate(features):
        value = center_weight * squared_distance(x, centers[labels[i]]) / 2
        for j in pushing(labels, i, negatives):
            value += push_weight / (1 + squared_distance(x, centers[labels[j]]))
        values.append(value)
    return values


def git_loss_gradients(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    *,
    center_weight: float,
    push_weight: float,
    negatives: str = "all",
) -> tuple[list[Point], list[Point]]:
    """Of the sum of :func:`git_loss`, with respect to features and centers.

    Every term depends on x - c alone, so the gradient for c is minus that for x: center_weight (x_i - c_{y_i}) for the
    pull, -2 push_weight (x_i - c) / (1 + ||x_i - c||²)² for the push by the center c of sample j.
    """
    d_features, d_centers = [[0.0] * len(x) for x in features], [[0.0] * len(c) for c in centers]
    for i, x in enumerate(features):
        terms = [(labels[i], center_weight)]
        for j in pushing(labels, i, negatives):
            terms.append((labels[j], -2 * push_weight / (1 + squared_distance(x, centers[labels[j]])) ** 2))
        for k, factor in terms:
            for axis in range(len(x)):
                by_feature = factor * (x[axis] - centers[k][axis])
                d_features[i][axis] += by_feature
                d_centers[k][axis] -= by_feature
    return d_features, d_centers
