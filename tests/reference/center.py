"""Eq. 1, one sample at a time."""

Vector = list[float]


def squared_distance(a: Vector, b: Vector) -> float:
    total = 0.0
    for p, q in zip(a, b, strict=True):
        total += (p - q) ** 2
    return total


def center_loss(features: list[Vector], labels: list[int], centers: list[Vector]) -> list[float]:
    return [squared_distance(x, centers[y]) / 2 for x, y in zip(features, labels, strict=True)]


def center_gradients(
    features: list[Vector], labels: list[int], centers: list[Vector]
) -> tuple[list[Vector], list[Vector]]:
    """Of the sum over samples, with respect to features and centers."""
    of_features = [[p - q for p, q in zip(x, centers[y], strict=True)] for x, y in zip(features, labels, strict=True)]
    of_centers = [[0.0] * len(c) for c in centers]
    for y, gradient in zip(labels, of_features, strict=True):
        for d, value in enumerate(gradient):
            of_centers[y][d] -= value
    return of_features, of_centers
