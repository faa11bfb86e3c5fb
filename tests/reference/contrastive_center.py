"""Eq. 5, the contrastive-center loss, one sample and one center at a time.

Points are lists of D floats; ``features`` and ``centers`` are lists of points, ``labels`` a list of class indices.
"""

from tests.reference.center import Point, squared_distance


def contrast_share(centers: list[Point], per_class: bool) -> float:
    """What each squared distance to another center counts: 1, or its part of the C - 1."""
    return 1 / (len(centers) - 1) if per_class and len(centers) > 1 else 1.0


def denominator(x: Point, y: int, centers: list[Point], *, delta: float, per_class: bool) -> float:
    """Delta plus the squared distances to all centers but the own; Delta alone where there is one class."""
    total = 0.0
    for k, center in enumerate(centers):
        if k != y:
            total += squared_distance(x, center)
    return total * contrast_share(centers, per_class) + delta


def contrastive_center_loss(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    *,
    delta: float = 1.0,
    per_class: bool = False,
) -> list[float]:
    """Half the squared distance to the own center, divided by the sum over all other centers plus delta."""
    values = []
    for x, y in zip(features, labels, strict=True):
        below = denominator(x, y, centers, delta=delta, per_class=per_class)
        values.append(squared_distance(x, centers[y]) / 2 / below)
    return values


def contrastive_center_loss_gradients(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    *,
    delta: float = 1.0,
    per_class: bool = False,
) -> tuple[list[Point], list[Point]]:
    """Of the sum of :func:`contrastive_center_loss`, with respect to features and centers.

    With own = ||x - c_y||² and B the denominator, by the quotient rule the term of the own center gives (x - c_y) / B,
    and that of each other center -own (x - c_j) / B² (divided by C - 1 with ``per_class``); for the centers, their
    negatives.
    """
    d_features, d_centers = [[0.0] * len(x) for x in features], [[0.0] * len(c) for c in centers]
    for i, (x, y) in enumerate(zip(features, labels, strict=True)):
        below, own = denominator(x, y, centers, delta=delta, per_class=per_class), squared_distance(x, centers[y])
        for k, center in enumerate(centers):
            factor = 1 / below if k == y else -own * contrast_share(centers, per_class) / below**2
            for axis in range(len(x)):
                by_feature = factor * (x[axis] - center[axis])
                d_features[i][axis] += by_feature
                d_centers[k][axis] -= by_feature
    return d_features, d_centers
