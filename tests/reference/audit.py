"""What an audit computes, by slow loops in float64, from the formulas alone."""

import math

import numpy as np


def squared_distances(features, centers):
    return [[sum((float(a) - float(b)) ** 2 for a, b in zip(x, c, strict=True)) for c in centers] for x in features]


def evened(rows):
    centered = [[value - sum(row) / len(row) for value in row] for row in rows]
    scale = math.sqrt(sum(value**2 for row in centered for value in row) / sum(len(row) for row in centered))
    return [[value / scale if scale else value for value in row] for row in centered]


def log_softmax(row):
    top = max(row)
    total = top + math.log(sum(math.exp(value - top) for value in row))
    return [value - total for value in row]


def best_weight(evidence, labels):
    """By bisection of the slope of the loss, which rises."""

    def slope(weight):
        total = weight
        for row, label in zip(evidence, labels, strict=True):
            odds = [math.exp(value) for value in log_softmax([weight * value for value in row])]
            total += sum(p * value for p, value in zip(odds, row, strict=True)) - row[label]
        return total

    low, high = 0.0, 1e4
    if slope(low) >= 0:
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low


def log_probabilities(features, logits, centers, labels):
    logits = [[float(value) for value in row] for row in logits]
    squares = [[-value for value in row] for row in squared_distances(features, centers)]
    opinions = []
    for evidence in map(evened, (logits, squares)):
        weight = best_weight(evidence, labels)
        opinions.append([log_softmax([weight * value for value in row]) for row in evidence])
    return [log_softmax([(a + b) / 2 for a, b in zip(p, q, strict=True)]) for p, q in zip(*opinions, strict=True)]


def errors(logs, labels):
    """Score, suggestion, and how many are likely."""
    classes = range(len(logs[0]))
    usual = {}
    for k in classes:
        own = [math.exp(row[k]) for row, label in zip(logs, labels, strict=True) if label == k]
        usual[k] = sum(own) / len(own) if own else math.inf
    scores, suggested, count = [], [], 0
    for row, label in zip(logs, labels, strict=True):
        best = max((k for k in classes if k != label), key=lambda k: row[k])
        scores.append(row[best] - row[label])
        suggested.append(best)
        count += row[best] > row[label] and math.exp(row[best]) >= usual[best]
    return scores, suggested, count


def isolation(features, k):
    apart = []
    for i, x in enumerate(features):
        others = sorted(math.dist(x, y) for j, y in enumerate(features) if j != i)
        apart.append(others[min(k, len(others)) - 1])
    usual = sorted(apart)[(len(apart) - 1) // 2]
    return [value / usual for value in apart]


def signature(image):
    """Of one whose sides are multiples of the areas: means over areas, less their mean, over their length."""
    image = np.asarray(image, dtype=np.float64)
    channels, height, width = image.shape
    rows, columns = min(height, 16), min(width, 16)
    tall, wide = height // rows, width // columns
    means = [
        image[c, tall * r : tall * (r + 1), wide * q : wide * (q + 1)].mean()
        for c in range(channels)
        for r in range(rows)
        for q in range(columns)
    ]
    centered = np.array(means) - np.mean(means)
    length = math.sqrt(float((centered**2).sum()))
    return centered / length if length >= math.sqrt(len(means)) else 0 * centered


def near(signatures, within):
    found = {}
    for i, one in enumerate(signatures):
        for j in range(i + 1, len(signatures)):
            if not one.any() or not signatures[j].any():
                continue
            distance = math.sqrt(float(((one - signatures[j]) ** 2).sum()))
            if distance <= within:
                found[i, j] = distance
    return found


def quartile_fence(values):
    logs = [math.log(value) for value in values if value > 0]
    low, high = np.percentile(logs, [25, 75])
    return [value > 0 and math.log(value) > high + 3 * (high - low) for value in values]
