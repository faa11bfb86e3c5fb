"""Eqs. 8-10 and Algorithm 1, the σ²R loss, one sample at a time, in three readings of sigma.

Points are lists of D floats; ``features`` and ``centers`` are lists of points, ``labels`` a list of class indices,
``growth`` (the paper's w_K) a list of one float per class; n is the paper's n and ``ceiling`` its Z.
The paper leaves sigma open. ``excess`` is sigma(n, x_i) - sigma(n, C_{y_i}), the argument of Eq. 8 less its K.
"""

import math

from tests.reference.center import Point, squared_distance


def nearest(anchor: Point, candidates: list[Point], n: int) -> list[Point]:
    """The n candidates nearest to the anchor; all of them where there are fewer."""
    return sorted(candidates, key=lambda point: squared_distance(anchor, point))[:n]


def std_of_distances(anchor: Point, near: list[Point]) -> float | None:
    """``distance-std``: standard deviation of the distances from the anchor, divisor count - 1."""
    if len(near) < 2:
        return None
    distances = [math.sqrt(squared_distance(anchor, point)) for point in near]
    mean = math.fsum(distances) / len(distances)
    return math.sqrt(math.fsum((d - mean) ** 2 for d in distances) / (len(distances) - 1))


def std_of_points(anchor: Point, near: list[Point]) -> float | None:
    """``std``, the form of Eq. 12: over the p points {anchor and its neighbours}, divisor p - 1."""
    points = [anchor, *near]
    if len(points) < 2:
        return None
    mean = [math.fsum(point[axis] for point in points) / len(points) for axis in range(len(anchor))]
    return math.sqrt(math.fsum(squared_distance(point, mean) for point in points) / (len(points) - 1))


def rms_of_distances(anchor: Point, near: list[Point]) -> float | None:
    """``rms``: root of the mean squared distance from the anchor."""
    if not near:
        return None
    return math.sqrt(math.fsum(squared_distance(anchor, point) for point in near) / len(near))


SIGMA = {"distance-std": std_of_distances, "std": std_of_points, "rms": rms_of_distances}


def spread_excess(
    features: list[Point], labels: list[int], centers: list[Point], *, n: int, spread: str
) -> list[float]:
    """sigma(n, x_i) - sigma(n, C_{y_i}) for each sample; 0 where too few points stand behind either."""
    sigma, excess = SIGMA[spread], []
    for i, (x, y) in enumerate(zip(features, labels, strict=True)):
        others = [features[j] for j in range(len(features)) if labels[j] == y and j != i]
        around_sample = sigma(x, nearest(x, others, n))
        around_center = sigma(centers[y], nearest(centers[y], [*others, x], n))
        if around_sample is None or around_center is None:
            excess.append(0.0)
        else:
            excess.append(around_sample - around_center)
    return excess


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t)) if t >= 0 else math.exp(t) / (1 + math.exp(t))


def growth_rate(growth: list[float], *, ceiling: float = 40.0, eps: float = 1e-3) -> list[float]:
    """Eq. 9: K = eps + Z sigmoid(w_K)."""
    return [eps + ceiling * sigmoid(w) for w in growth]


def gate_of_excess(
    excess: list[float], labels: list[int], growth: list[float], *, ceiling: float, eps: float
) -> list[float]:
    """Eq. 8, with the difference of the two sigmas given."""
    rates = growth_rate(growth, ceiling=ceiling, eps=eps)
    return [ceiling * sigmoid(rates[y] * e) for y, e in zip(labels, excess, strict=True)]


def sigma_squared_r_gate(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    growth: list[float],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: str = "distance-std",
) -> list[float]:
    """Eq. 8: beta for each sample."""
    excess = spread_excess(features, labels, centers, n=neighbors, spread=spread)
    return gate_of_excess(excess, labels, growth, ceiling=ceiling, eps=eps)


def sigma_squared_r_loss(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    growth: list[float],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: str = "distance-std",
    frozen_excess: list[float] | None = None,
) -> list[float]:
    """The summands of Eq. 10; with ``frozen_excess`` the function whose true gradient is the default's."""
    excess = frozen_excess
    if excess is None:
        excess = spread_excess(features, labels, centers, n=neighbors, spread=spread)
    betas = gate_of_excess(excess, labels, growth, ceiling=ceiling, eps=eps)
    return [b * squared_distance(x, centers[y]) for b, x, y in zip(betas, features, labels, strict=True)]


def sigma_squared_r_loss_gradients(
    features: list[Point],
    labels: list[int],
    centers: list[Point],
    growth: list[float],
    *,
    neighbors: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: str = "distance-std",
) -> tuple[list[Point], list[Point], list[float]]:
    """Of the sum of :func:`sigma_squared_r_loss` with both sigmas constant: for features, centers and growth.

    With e the excess: d/dx = 2 beta (x - c), d/dc its negative summed over the class, and d/dw = ||x - c||^2
    (d beta / dK) (dK / dw), where d beta / dK = beta (1 - beta / Z) e and dK / dw = Z sigmoid(w) sigmoid(-w).
    """
    excess = spread_excess(features, labels, centers, n=neighbors, spread=spread)
    betas = gate_of_excess(excess, labels, growth, ceiling=ceiling, eps=eps)
    d_features, d_centers, d_growth = [], [[0.0] * len(c) for c in centers], [0.0] * len(growth)
    for x, y, beta, e in zip(features, labels, betas, excess, strict=True):
        d_features.append([2 * beta * (p - q) for p, q in zip(x, centers[y], strict=True)])
        for axis, value in enumerate(d_features[-1]):
            d_centers[y][axis] -= value
        beta_by_rate = beta * (1 - beta / ceiling) * e
        rate_by_growth = ceiling * sigmoid(growth[y]) * sigmoid(-growth[y])
        d_growth[y] += squared_distance(x, centers[y]) * beta_by_rate * rate_by_growth
    return d_features, d_centers, d_growth
