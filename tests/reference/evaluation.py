"""What features are good for, figure by figure, one sample and one pair at a time, written from the definitions.

Points are lists of D floats, labels lists of class indices, probabilities and logits lists of C floats.
"""

import math
from itertools import pairwise
from statistics import mean, pstdev

Point = list[float]


def ranks_of_own(queries, query_labels, references, reference_labels, alone):
    """For each query the ranks of the references of its class; where two are as near, that of another class first."""
    found = []
    for i, (x, y) in enumerate(zip(queries, query_labels, strict=True)):
        listed = []
        for j, (r, z) in enumerate(zip(references, reference_labels, strict=True)):
            if not (alone and i == j):
                listed.append((math.dist(x, r), z == y))
        listed.sort()
        found.append([rank for rank, (_, own) in enumerate(listed, start=1) if own])
    return found


def retrieval(ranks, k):
    """Recall@k, R-precision and MAP@R of each query; None without a reference of its class."""
    values = []
    for own in ranks:
        total = len(own)
        if not total:
            values.append((None, None, None))
            continue
        precisions = [j / rank for j, rank in enumerate(own, start=1) if rank <= total]
        values.append((float(own[0] <= k), len(precisions) / total, sum(precisions) / total))
    return values


def silhouettes(features, labels):
    values = []
    for i, x in enumerate(features):
        distances = {}
        for j, z in enumerate(features):
            if i != j:
                distances.setdefault(labels[j], []).append(math.dist(x, z))
        if labels[i] not in distances:
            values.append(0.0)
            continue
        a = mean(distances[labels[i]])
        b = min(mean(those) for label, those in distances.items() if label != labels[i])
        values.append((b - a) / max(a, b) if max(a, b) else 0.0)
    return values


def class_means(features, labels):
    return {
        k: [mean(column) for column in zip(*(x for x, y in zip(features, labels, strict=True) if y == k), strict=True)]
        for k in sorted(set(labels))
    }


def fisher(features, labels):
    means = class_means(features, labels)
    middle = [mean(column) for column in zip(*features, strict=True)]
    between = sum(math.dist(means[y], middle) ** 2 for y in labels)
    within = sum(math.dist(x, means[y]) ** 2 for x, y in zip(features, labels, strict=True))
    return between / within


def nearest(features, centers):
    return [min(range(len(centers)), key=lambda k: math.dist(x, centers[k])) for x in features]


def nearest_mean_of_the_others(features, labels):
    """None for a sample that is alone in its class."""
    found = []
    for i, x in enumerate(features):
        if labels.count(labels[i]) == 1:
            found.append(None)
            continue
        means = class_means(features[:i] + features[i + 1 :], labels[:i] + labels[i + 1 :])
        found.append(min(means, key=lambda k: math.dist(x, means[k])))
    return found


def about_their_mean(vectors):
    middle = [mean(column) for column in zip(*vectors, strict=True)]
    return [[p - q for p, q in zip(v, middle, strict=True)] for v in vectors]


def simplex(vectors):
    """Equinorm, equiangular and maximal angle of NC2."""
    lengths = [math.hypot(*v) for v in vectors]
    cosines = [
        sum(p * q for p, q in zip(a, b, strict=True)) / lengths[i] / lengths[j]
        for i, a in enumerate(vectors)
        for j, b in enumerate(vectors)
        if i != j
    ]
    least = -1 / (len(vectors) - 1)
    return pstdev(lengths) / mean(lengths), pstdev(cosines), mean(abs(c - least) for c in cosines)


def duality(means, rows):
    """NC3."""
    sizes = [math.sqrt(sum(p * p for v in table for p in v)) for table in (means, rows)]
    return sum(
        (q / sizes[1] - p / sizes[0]) ** 2 for m, w in zip(means, rows, strict=True) for p, q in zip(m, w, strict=True)
    )


def confusion(labels, predictions, num_classes):
    table = [[0] * num_classes for _ in range(num_classes)]
    for y, p in zip(labels, predictions, strict=True):
        table[y][p] += 1
    return table


def rates(positives, negatives):
    """Shares of positives and of negatives accepted, threshold after threshold, from none on; small scores accept."""
    points = [(0.0, 0.0)]
    for t in sorted(set(positives) | set(negatives)):
        points.append((mean(s <= t for s in positives), mean(s <= t for s in negatives)))
    return points


def equal_error_rate(positives, negatives):
    points = rates(positives, negatives)
    for (t0, f0), (t1, f1) in pairwise(points):
        if f1 >= 1 - t1:
            before, after = f0 - (1 - t0), f1 - (1 - t1)
            share = -before / (after - before)
            return f0 + share * (f1 - f0)
    raise AssertionError


def true_accepts(positives, negatives, most):
    return max(t for t, f in rates(positives, negatives) if f <= most)


def auroc(known, unknown):
    return mean((k > u) + (u == k) / 2 for k in known for u in unknown)


def average_precision(known, unknown):
    """Of finding the unknown by low scores."""
    value = recall = 0.0
    for t in sorted(set(known) | set(unknown)):
        found, wrong = sum(u <= t for u in unknown), sum(k <= t for k in known)
        value += (found / len(unknown) - recall) * found / (found + wrong)
        recall = found / len(unknown)
    return value


def false_accepts(known, unknown, least=0.95):
    return min(mean(u >= t for u in unknown) for t in known if mean(k >= t for k in known) >= least)


def softmax(logits, temperature=1.0):
    top = max(logits)
    terms = [math.exp((z - top) / temperature) for z in logits]
    return [term / sum(terms) for term in terms]


def calibration(probabilities, labels, num_bins):
    """ECE, Brier score and negative log-likelihood."""
    bins = [[] for _ in range(num_bins)]
    brier, nll = [], []
    for p, y in zip(probabilities, labels, strict=True):
        confidence = max(p)
        place = next(b for b in range(num_bins) if confidence <= (b + 1) / num_bins or b == num_bins - 1)
        bins[place].append((float(p.index(confidence) == y), confidence))
        brier.append(sum((q - (k == y)) ** 2 for k, q in enumerate(p)))
        nll.append(-math.log(p[y]))
    gaps = [len(b) * abs(mean(right for right, _ in b) - mean(sure for _, sure in b)) for b in bins if b]
    return sum(gaps) / len(labels), mean(brier), mean(nll)
