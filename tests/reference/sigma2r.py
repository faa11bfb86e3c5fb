"""Eqs. 8-10, one sample at a time, with three readings of sigma; and the gradient with sigma held constant."""

import math

from tests.reference.center import Vector, squared_distance


def sigma(anchor: Vector, others: list[Vector], n: int, reading: str) -> float | None:
    """Over the n of ``others`` that are nearest to ``anchor``; None where too few stand behind it."""
    near = sorted(others, key=lambda q: squared_distance(q, anchor))[:n]
    if reading == "distance-std":
        if len(near) < 2:
            return None
        distances = [math.sqrt(squared_distance(q, anchor)) for q in near]
        mean = sum(distances) / len(distances)
        return math.sqrt(sum((d - mean) ** 2 for d in distances) / (len(distances) - 1))
    if not near:
        return None
    if reading == "rms":
        return math.sqrt(sum(squared_distance(q, anchor) for q in near) / len(near))
    points = [anchor, *near]
    mean_point = [sum(q[d] for q in points) / len(points) for d in range(len(anchor))]
    return math.sqrt(sum(squared_distance(q, mean_point) for q in points) / (len(points) - 1))


def logistic(t: float) -> float:
    return 1 / (1 + math.exp(-t)) if t > -700 else 0.0


def growth_rate(growth: list[float], ceiling: float, eps: float) -> list[float]:
    return [eps + ceiling / (1 + math.exp(-w)) for w in growth]


def excesses(features: list[Vector], labels: list[int], centers: list[Vector], n: int, reading: str) -> list[float]:
    """sigma(n, x_i) - sigma(n, C_y) for each sample, 0 where one is undefined."""
    found = []
    for i, (x, y) in enumerate(zip(features, labels, strict=True)):
        of_class = [j for j in range(len(features)) if labels[j] == y]
        around_x = sigma(x, [features[j] for j in of_class if j != i], n, reading)
        around_c = sigma(centers[y], [features[j] for j in of_class], n, reading)
        found.append(0.0 if around_x is None or around_c is None else around_x - around_c)
    return found


def gate(
    features: list[Vector],
    labels: list[int],
    centers: list[Vector],
    growth: list[float],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: str = "distance-std",
) -> list[float]:
    rates = growth_rate(growth, ceiling, eps)
    excess = excesses(features, labels, centers, neighbors, spread)
    return [ceiling * logistic(rates[y] * e) for y, e in zip(labels, excess, strict=True)]


def sigma_squared_r_loss(
    features: list[Vector], labels: list[int], centers: list[Vector], growth: list[float], **settings: object
) -> list[float]:
    beta = gate(features, labels, centers, growth, **settings)  # type: ignore[arg-type]
    return [b * squared_distance(x, centers[y]) for b, x, y in zip(beta, features, labels, strict=True)]


def sigma_squared_r_gradients(
    features: list[Vector],
    labels: list[int],
    centers: list[Vector],
    growth: list[float],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: str = "distance-std",
) -> tuple[list[Vector], list[Vector], list[float]]:
    """Of the sum over samples, by the chain rule with sigma constant: for features, centers, growth."""
    rates = growth_rate(growth, ceiling, eps)
    excess = excesses(features, labels, centers, neighbors, spread)
    of_features: list[Vector] = []
    of_centers = [[0.0] * len(c) for c in centers]
    of_growth = [0.0] * len(growth)
    for x, y, e in zip(features, labels, excess, strict=True):
        s = logistic(rates[y] * e)
        of_features.append([2 * ceiling * s * (p - q) for p, q in zip(x, centers[y], strict=True)])
        for d, value in enumerate(of_features[-1]):
            of_centers[y][d] -= value
        w = logistic(growth[y])
        of_growth[y] += squared_distance(x, centers[y]) * ceiling * s * (1 - s) * e * ceiling * w * (1 - w)
    return of_features, of_centers, of_growth
