"""The triplet-center loss of He et al. 2018 (1803.06189), one sample and one center at a time.

Points are lists of D floats; ``features`` and ``centers`` are lists of points, ``labels`` a list of class indices.
"""

from tests.reference.center import Point, squared_distance


def has_value(labels: list[int], centers: list[Point]) -> list[bool]:
    """Where there is one class there is no negative, and no sample has a value."""
    return [len(centers) > 1 for _ in labels]


def nearest_other_class(x: Point, y: int, centers: list[Point]) -> int | None:
    """The class other than y whose center is nearest, out of all; the first of equally near ones."""
    others = [k for k in range(len(centers)) if k != y]
    return min(others, key=lambda k: squared_distance(x, centers[k])) if others else None


def triplet_center_loss(
    features: list[Point], labels: list[int], centers: list[Point], *, margin: float = 5.0
) -> list[float]:
    """max(0, margin + D_own - D_nearest other), D half the squared distance; 0 where there is no other class."""
    values = []
    for x, y in zip(features, labels, strict=True):
        nearest = nearest_other_class(x, y, centers)
        if nearest is None:
            values.append(0.0)
            continue
        own, other = squared_distance(x, centers[y]) / 2, squared_distance(x, centers[nearest]) / 2
        values.append(max(0.0, margin + own - other))
    return values


def triplet_center_loss_gradients(
    features: list[Point], labels: list[int], centers: list[Point], *, margin: float = 5.0
) -> tuple[list[Point], list[Point]]:
    """Of the sum of :func:`triplet_center_loss`, with respect to features and centers.

    Where the hinge is above 0, with n the nearest other class: d/dx = (x - c_y) - (x - c_n) = c_n - c_y,
    d/dc_y = c_y - x and d/dc_n = x - c_n. 0 elsewhere, a hinge of exactly 0 included.
    """
    d_features, d_centers = [[0.0] * len(x) for x in features], [[0.0] * len(c) for c in centers]
    values = triplet_center_loss(features, labels, centers, margin=margin)
    for i, (x, y) in enumerate(zip(features, labels, strict=True)):
        nearest = nearest_other_class(x, y, centers)
        if nearest is None or values[i] == 0:
            continue
        for axis in range(len(x)):
            d_features[i][axis] = centers[nearest][axis] - centers[y][axis]
            d_centers[y][axis] += centers[y][axis] - x[axis]
            d_centers[nearest][axis] += x[axis] - centers[nearest][axis]
    return d_features, d_centers
