"""Distances, prototypes, scores and thresholds by their definitions, one number at a time.

Points are lists of D floats, ``labels`` lists of class indices; scores are higher for what is more known.
"""

import math
from fractions import Fraction

from tests.reference.center import Point, squared_distance


def distances(features: list[Point], centers: list[Point]) -> list[list[float]]:
    return [[math.sqrt(squared_distance(x, c)) for c in centers] for x in features]


def distance_gradients(
    features: list[Point], centers: list[Point], factors: list[list[float]]
) -> tuple[list[Point], list[Point]]:
    """Of the sum of factors times distances, with respect to features and centers: along the unit vectors between."""
    d_features, d_centers = [[0.0] * len(x) for x in features], [[0.0] * len(c) for c in centers]
    for i, x in enumerate(features):
        for k, c in enumerate(centers):
            distance = math.sqrt(squared_distance(x, c))
            for axis in range(len(x)):
                step = factors[i][k] * (x[axis] - c[axis]) / distance if distance else 0.0
                d_features[i][axis] += step
                d_centers[k][axis] -= step
    return d_features, d_centers


def exact_squares(features: list[Point], centers: list[Point]) -> list[list[Fraction]]:
    """Squared distances without any rounding."""
    return [
        [sum((Fraction(p) - Fraction(q)) ** 2 for p, q in zip(x, c, strict=True)) for c in centers] for x in features
    ]


def nearest(features: list[Point], centers: list[Point]) -> list[int]:
    return [row.index(min(row)) for row in distances(features, centers)]


def means(features: list[Point], labels: list[int], num_classes: int) -> list[Point | None]:
    """The mean of each class; None where it has no sample."""
    found: list[Point | None] = []
    for k in range(num_classes):
        own = [x for x, y in zip(features, labels, strict=True) if y == k]
        found.append([math.fsum(axis) / len(own) for axis in zip(*own, strict=True)] if own else None)
    return found


def unit(x: Point) -> Point:
    length = math.sqrt(math.fsum(p * p for p in x))
    return [p / length for p in x]


def covariance(residuals: list[Point]) -> list[Point]:
    """The mean outer product."""
    dim, count = len(residuals[0]), len(residuals)
    return [[math.fsum(r[a] * r[b] for r in residuals) / count for b in range(dim)] for a in range(dim)]


def oas(sample: list[Point], count: int) -> float:
    """Chen et al. 2010, eq. 23, term by term."""
    dim = len(sample)
    trace_of_square = math.fsum(sample[a][b] * sample[b][a] for a in range(dim) for b in range(dim))
    trace = math.fsum(sample[a][a] for a in range(dim))
    above = (1 - 2 / dim) * trace_of_square + trace**2
    below = (count + 1 - 2 / dim) * (trace_of_square - trace**2 / dim)
    return 1.0 if below <= 0 else min(1.0, above / below)


def shrunk(sample: list[Point], share: float) -> list[Point]:
    dim = len(sample)
    level = math.fsum(sample[a][a] for a in range(dim)) / dim
    return [[(1 - share) * sample[a][b] + share * level * (a == b) for b in range(dim)] for a in range(dim)]


def solve(matrix: list[Point], right: Point) -> Point:
    """Gauss's elimination with pivots."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, size):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [p - factor * q for p, q in zip(rows[r], rows[i], strict=True)]
    found = [0.0] * size
    for i in reversed(range(size)):
        rest = math.fsum(rows[i][j] * found[j] for j in range(i + 1, size))
        found[i] = (rows[i][size] - rest) / rows[i][i]
    return found


def mahalanobis(
    features: list[Point], known: list[Point], labels: list[int], *, per_class: bool, share: float | None = None
) -> tuple[list[float], list[int]]:
    """The negative distance to the nearest class mean, and its class; the covariance is shrunk by OAS, or by share."""
    num_classes = max(labels) + 1
    centers = means(known, labels, num_classes)
    away = [[p - q for p, q in zip(x, centers[y], strict=True)] for x, y in zip(known, labels, strict=True)]
    groups = [[r for r, y in zip(away, labels, strict=True) if not per_class or y == k] for k in range(num_classes)]
    matrices = []
    for residuals in groups:
        sample = covariance(residuals)
        matrices.append(shrunk(sample, oas(sample, len(residuals)) if share is None else share))
    scores, classes = [], []
    for x in features:
        each = []
        for center, matrix in zip(centers, matrices, strict=True):
            apart = [p - q for p, q in zip(x, center, strict=True)]
            each.append(math.sqrt(math.fsum(p * q for p, q in zip(apart, solve(matrix, apart), strict=True))))
        scores.append(-min(each))
        classes.append(each.index(min(each)))
    return scores, classes


def neighbors(features: list[Point], known: list[Point], k: int, *, normalize: bool) -> list[float]:
    """The negative distance to the k-th nearest."""
    if normalize:
        features, known = [unit(x) for x in features], [unit(x) for x in known]
    return [-sorted(row)[k - 1] for row in distances(features, known)]


def max_softmax(logits: list[Point], temperature: float) -> list[float]:
    scores = []
    for z in logits:
        powers = [math.exp(p / temperature) for p in z]
        scores.append(max(powers) / math.fsum(powers))
    return scores


def negative_energy(logits: list[Point], temperature: float) -> list[float]:
    return [temperature * math.log(math.fsum(math.exp(p / temperature) for p in z)) for z in logits]


def threshold(scores: list[float], rate: Fraction) -> float | None:
    """The largest score t of these for which, whichever of n + 1 exchangeable images is the new one, at most the share
    ``rate`` of the n + 1 choices would see it rejected: r of them are below the r-th of the others."""
    rank = math.floor(rate * (len(scores) + 1))
    return sorted(scores)[rank - 1] if rank else None
