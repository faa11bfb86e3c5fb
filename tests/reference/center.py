"""Eq. 1, the center loss, one sample and one coordinate at a time.

Points are lists of D floats; ``features`` and ``centers`` are lists of points, ``labels`` a list of class indices.
"""

Point = list[float]


def squared_distance(a: Point, b: Point) -> float:
    total = 0.0
    for p, q in zip(a, b, strict=True):
        total += (p - q) ** 2
    return total


def center_loss(features: list[Point], labels: list[int], centers: list[Point]) -> list[float]:
    """1/2 ||x_i - c_{y_i}||^2 for each sample."""
    values = []
    for x, y in zip(features, labels, strict=True):
        values.append(squared_distance(x, centers[y]) / 2)
    return values


def center_loss_gradients(
    features: list[Point], labels: list[int], centers: list[Point]
) -> tuple[list[Point], list[Point]]:
    """Of the sum of :func:`center_loss`, with respect to features and centers."""
    d_features, d_centers = [], [[0.0] * len(center) for center in centers]
    for x, y in zip(features, labels, strict=True):
        d_features.append([p - q for p, q in zip(x, centers[y], strict=True)])
        for axis, value in enumerate(d_features[-1]):
            d_centers[y][axis] -= value
    return d_features, d_centers
