"""Compactness, neural collapse and silhouette: against loops, scikit-learn and definitions written with matrices."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torch.testing import assert_close

from sigma2r.evaluation import fisher_ratio, neural_collapse, silhouettes
from sigma2r.evaluation._influence import ClassMeans
from sigma2r.evaluation.collapse import centered_means, simplex, variability
from sigma2r.evaluation.compactness import Compactness, fisher_of
from sigma2r.metrics import class_statistics, inter_class_distance, intra_class_spread, intra_inter_ratio
from tests.losses.memory import Memory
from tests.reference import evaluation as reference


def example(num=60, feature_dim=5, num_classes=6, seed=0, apart=2.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num,), generator=generator)
    means = apart * torch.randn(num_classes, feature_dim, generator=generator, dtype=torch.float64)
    return torch.randn(num, feature_dim, generator=generator, dtype=torch.float64) + means[labels], labels


def close(got, want, rtol=1e-10):
    assert_close(got, torch.as_tensor(want, dtype=torch.float64), rtol=rtol, atol=1e-13, equal_nan=True)


def test_fisher_matches_loops_and_the_index_of_scikit_learn():
    features, labels = example()
    found = fisher_ratio(features, labels, 6)
    close(found, reference.fisher(features.tolist(), labels.tolist()))
    index = float(sklearn_metrics.calinski_harabasz_score(features, labels))
    close(found, index * (6 - 1) / (60 - 6))
    close(fisher_ratio(100 * features + 7, labels, 6), found)
    parts = class_statistics(features[:25], labels[:25], 6).merge(class_statistics(features[25:], labels[25:], 6))
    close(fisher_of(parts), found)


def test_fisher_by_hand():
    """Classes {0, 2} and {6, 8} about 4: between 4 * 9, within 4 * 1."""
    assert fisher_ratio(torch.tensor([[0.0], [2.0], [6.0], [8.0]]), torch.tensor([0, 0, 1, 1]), 2) == 9


def test_fisher_keeps_its_digits_far_from_the_origin():
    features, labels = example()
    far = features.float() * 1e-2 + 1e4
    close(fisher_ratio(far, labels, 6), reference.fisher(far.double().tolist(), labels.tolist()), rtol=1e-8)


def test_compactness_is_that_of_the_metrics():
    features, labels = example()
    means = ClassMeans(features, labels, class_statistics(features, labels, 7))  # a class without samples
    want = torch.stack(
        [
            intra_class_spread(features, labels, 7).nanmean(),
            inter_class_distance(features, labels, 7),
            intra_inter_ratio(features, labels, 7),
            fisher_ratio(features, labels, 7),
        ]
    )
    for by_class in (False, True):
        found = Compactness(means, by_class=by_class)
        close(found.values(), want)
        close(found.redrawn(torch.ones(1, 60, dtype=torch.float64))[0], want)


def test_compactness_of_drawn_classes_is_that_of_copies():
    """Class 0 twice, class 1 once, class 2 not: means over classes, over pairs of two different ones, over images."""
    features, labels = example(num_classes=3)
    times = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    found = Compactness(ClassMeans(features, labels, class_statistics(features, labels, 3)), by_class=True)
    intra, inter, ratio, _ = found.redrawn(times[labels].unsqueeze(0))[0]
    spread = intra_class_spread(features, labels, 3)
    close(intra, (2 * spread[0] + spread[1]) / 3)
    of_pair = inter_class_distance(features[labels < 2], labels[labels < 2], 2)
    close(inter, of_pair)  # both copies of class 0 are as far from class 1; a class is not paired with itself
    close(ratio, intra / inter)


def moved(features, labels, weights):
    """Each image as often as it counts."""
    return features.repeat_interleave(weights.long(), 0), labels.repeat_interleave(weights.long())


def test_redrawn_compactness_follows_to_first_order(generator):
    """Against features in which images are there as often as they were drawn: off by the square of the change."""
    features, labels = example(num=40_000, num_classes=4)
    means = ClassMeans(features, labels, class_statistics(features, labels, 4))
    found = Compactness(means, by_class=False)
    weights = torch.bincount(torch.randint(40_000, (40_000,), generator=generator), minlength=40_000).double()
    copies = moved(features, labels, weights)
    want = Compactness(ClassMeans(*copies, class_statistics(*copies, 4)), by_class=False).values()
    got, now = found.redrawn(weights.unsqueeze(0))[0], found.values()
    assert ((want - now).abs() > 5e-3).any()  # it moved
    assert ((got - want).abs() / (want - now).abs().clamp_min(5e-3)).max() < 0.1


def with_matrices(features, labels, num_classes, classifier):
    """NC1 to NC3 as Papyan et al. write them, with covariances and a pseudo-inverse."""
    means = torch.stack([features[labels == k].mean(0) for k in range(num_classes)])
    centered = means - means.mean(0)
    apart = features - means[labels]
    within = torch.einsum("ni,nj->ij", apart, apart) / len(features)
    between = torch.einsum("ci,cj->ij", centered, centered) / num_classes
    nc1 = torch.trace(within @ torch.linalg.pinv(between, hermitian=True)) / num_classes
    nc3 = (classifier / classifier.norm() - centered / centered.norm()).square().sum()
    return nc1, nc3, centered


@pytest.mark.parametrize("size", [(5, 4), (3, 8), (12, 12)], ids=["more dimensions", "more classes", "as many"])
def test_collapse_matches_loops_and_matrices(size, generator):
    feature_dim, num_classes = size
    features, labels = example(200, feature_dim, num_classes)
    classifier = torch.randn(num_classes, feature_dim, generator=generator, dtype=torch.float64)
    predictions = torch.randint(num_classes, (200,), generator=generator)
    found = neural_collapse(features, labels, num_classes, classifier=classifier, predictions=predictions)
    nc1, nc3, centered = with_matrices(features, labels, num_classes, classifier)
    close(found.nc1, nc1, rtol=1e-8)
    close(found.nc3, nc3)
    close(found.nc3, reference.duality(centered.tolist(), classifier.tolist()))
    for got, vectors in ((found.nc2, centered), (found.nc2_classifier, classifier)):
        close(torch.stack(list(vars(got).values())), reference.simplex(vectors.tolist()))
    means = reference.class_means(features.tolist(), labels.tolist())
    nearest = reference.nearest(features.tolist(), list(means.values()))
    wrong = sum(a != b for a, b in zip(nearest, predictions.tolist(), strict=True))
    close(found.nc4, wrong / 200)


def test_a_collapsed_network_has_zeros():
    """Features on the corners of a simplex, the classifier twice as long: all figures are 0."""
    corners = torch.eye(4, dtype=torch.float64) - 1 / 4
    labels = torch.arange(20) % 4
    found = neural_collapse(corners[labels] + 3, labels, 4, classifier=2 * corners, predictions=labels)
    values = [found.nc1, *vars(found.nc2).values(), *vars(found.nc2_classifier).values(), found.nc3, found.nc4]
    close(torch.stack(values), [0.0] * 9, rtol=0)


def test_neural_collapse_by_hand():
    """Means 1 and -1, deviations 0.5 along them: within 0.25, between 1, over two classes."""
    features = torch.tensor([[1.5], [0.5], [-0.5], [-1.5]])
    close(neural_collapse(features, torch.tensor([0, 0, 1, 1]), 2).nc1, 0.125)


@pytest.mark.parametrize("line", [False, True], ids=["a plane", "a line"])
@pytest.mark.parametrize("offset", [0.0, 30.0, 1e3, 1e6, 1e9])
def test_neither_offset_nor_scale_nor_parts_change_the_variability(offset, line):
    """Rounding of means far from the origin makes no direction; nor do means that were merged image by image."""
    features, labels = example(90, 4, 3)
    if line:
        # The means lie in one direction of the two that three can have.
        features = features[:, :1] * torch.tensor([1.0, -0.7, 0.3, 1.9], dtype=torch.float64)
    want = neural_collapse(features, labels, 3).nc1
    rtol = 1e-9 + 1e-15 * offset
    for scale in (1.0, 2.0**200, 2.0**-200):
        far = (features + offset) * scale
        merged = class_statistics(far[:1], labels[:1], 3)
        for one in range(1, 90):
            merged = merged.merge(class_statistics(far[one : one + 1], labels[one : one + 1], 3))
        close(neural_collapse(far, labels, 3).nc1, want, rtol=rtol)
        close(neural_collapse(far, labels, 3, statistics=merged).nc1, want, rtol=10 * rtol)


def test_means_that_differ_by_rounding_alone_coincide():
    generator = torch.Generator().manual_seed(1)
    half = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    features = torch.cat([half[:20], -half[:20], half[20:], -half[20:]]) + 1e3
    with pytest.raises(ValueError, match="the means of the classes must differ"):
        neural_collapse(features, torch.arange(80) // 40, 2)


def test_variability_has_the_gradient_that_it_says(generator):
    """Central differences of the definition, all features of a class being moved."""
    for feature_dim, num_classes in ((5, 3), (3, 7)):
        features, labels = example(80, feature_dim, num_classes)
        classifier = torch.ones(num_classes, feature_dim, dtype=torch.float64)
        means = ClassMeans(features, labels, class_statistics(features, labels, num_classes))
        within, gradient = variability("test", means)
        close(within.mean(), with_matrices(features, labels, num_classes, classifier)[0], rtol=1e-8)
        step = 1e-6 * torch.randn(num_classes, feature_dim, generator=generator, dtype=torch.float64)
        up, down = (
            with_matrices(features + sign * step[labels], labels, num_classes, classifier)[0] for sign in (1, -1)
        )
        close(((up - down) / 2), (gradient * step).sum(), rtol=1e-5)


def test_classes_without_samples_are_left_out_of_collapse(generator):
    features, labels = example(num_classes=3)
    classifier = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    spread = torch.tensor([0, 2, 4])[labels]
    found = neural_collapse(features, spread, 5, classifier=classifier)
    want = neural_collapse(features, labels, 3, classifier=classifier[::2])
    for name in ("nc1", "nc3"):
        close(getattr(found, name), getattr(want, name))
    close(found.nc2_classifier.equiangular, want.nc2_classifier.equiangular)


def test_directions_without_length_do_no_harm():
    assert torch.stack(list(vars(simplex(torch.zeros(3, 2, dtype=torch.float64))).values()))[1:].isfinite().all()
    features, labels = example()
    means = ClassMeans(features, labels, class_statistics(features, labels, 6))
    close(centered_means(means).sum(0), torch.zeros(5), rtol=0)


KINDS = ["plain", "compact", "far", "same", "singles", "twins"]


def test_measures_hold_what_follows_the_classes_that_are_there():
    features, labels = example(num_classes=2)
    calls = (inter_class_distance, intra_inter_ratio, fisher_ratio)
    with Memory() as memory:
        found = [call(features, 999_999 * labels, 1_000_000) for call in calls]
        spread = intra_class_spread(features, 999_999 * labels, 1_000_000)
    assert memory.peak < 10e6  # the result, 8 MB; a row of 5 for each class would take 40
    assert found == [call(features, labels, 2) for call in calls]
    assert_close(spread[[0, 999_999]], intra_class_spread(features, labels, 2))
    assert int(spread.isnan().sum()) == 999_998


def silhouette_example(kind):
    features, labels = example(num=90, num_classes=40 if kind == "singles" else 5, apart=0.5)
    if kind == "compact":
        features = 1e-4 * features + labels.unsqueeze(1)
    elif kind == "far":
        features = (1e-2 * features + 1e4).float().double()
    elif kind == "same":
        features = torch.ones_like(features)
    elif kind == "twins":
        features[1::2] = features[::2]
    return features, labels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [1024, 16, 3])
def test_silhouettes_match_loops_and_scikit_learn(kind, side, monkeypatch):
    monkeypatch.setattr("sigma2r.evaluation.silhouette._SIDE", side)
    features, labels = silhouette_example(kind)
    found = silhouettes(features, labels)
    close(found, reference.silhouettes(features.tolist(), labels.tolist()), rtol=1e-9)
    if kind not in ("far", "compact"):  # there it expands the square
        assert_close(
            found, torch.from_numpy(sklearn_metrics.silhouette_samples(features, labels)), rtol=1e-6, atol=1e-6
        )
    some = torch.tensor([7, 3, 80])
    close(silhouettes(features, labels, of=some), found[some])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=14).filter(lambda labels: len(set(labels)) > 1))
def test_small_silhouettes_match_loops(labels):
    features = torch.randn(len(labels), 2, dtype=torch.float64)
    close(silhouettes(features, torch.tensor(labels)), reference.silhouettes(features.tolist(), labels), rtol=1e-9)


def test_a_silhouette_by_hand():
    """0, 1 | 4, 5: the first has a = 1, b = 4.5."""
    found = silhouettes(torch.tensor([[0.0], [1.0], [4.0], [5.0]]), torch.tensor([0, 0, 1, 1]))
    close(found, [3.5 / 4.5, 2.5 / 3.5, 2.5 / 3.5, 3.5 / 4.5])


def test_memory_of_silhouettes_is_bounded(monkeypatch):
    """Of 4,000 samples no matrix of all pairs is made: 128 MB."""
    monkeypatch.setattr("sigma2r.evaluation.silhouette._SIDE", 256)
    features, labels = torch.randn(4000, 4), torch.arange(4000) % 500
    with Memory() as memory:
        silhouettes(features, labels)
    assert memory.peak < 10e6


@pytest.mark.message
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: silhouettes(x, 0 * y), r"silhouettes: labels must hold two classes at least; got 1"),
        (lambda x, y: silhouettes(x, y, of=y + 5), r"silhouettes: of must hold indices of samples, in \[0, 6\)"),
        (lambda x, y: neural_collapse(x, 0 * y, 2), r"neural_collapse: labels must hold two classes at least; got 1"),
        (lambda x, y: neural_collapse(0 * x, y, 2), r"neural_collapse: the means of the classes must differ"),
        (
            lambda x, y: neural_collapse(x, y, 2, classifier=x),
            r"neural_collapse: classifier must have .* \(2, 3\); got \(6, 3\)",
        ),
        (lambda x, y: neural_collapse(x, y, 2, predictions=y[:3]), r"neural_collapse: predictions must hold one class"),
        (lambda x, y: fisher_ratio(x, y, 1), r"class_statistics: labels must lie in \[0, 1\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(torch.randn(6, 3), torch.arange(6) % 2)


def test_a_ratio_without_scatter_is_infinite():
    assert fisher_ratio(torch.tensor([[0.0], [0.0], [1.0]]), torch.tensor([0, 0, 1]), 2) == math.inf


def test_collapse_of_two_halves_about_the_means_of_all_is_that_of_the_whole():
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(50) % 4
    features = torch.randn(50, 5, generator=generator) + 2 * torch.eye(5)[labels]
    predictions = torch.where(torch.arange(50) % 6 == 0, (labels + 1) % 4, labels)
    whole = neural_collapse(features, labels, 4, predictions=predictions)
    halves = slice(0, 17), slice(17, 50)
    statistics = [class_statistics(features[some], labels[some], 4) for some in halves]
    merged = statistics[0].merge(statistics[1])
    parts = [
        neural_collapse(features[some], labels[some], 4, predictions=predictions[some], statistics=merged)
        for some in halves
    ]
    together = parts[0].merge(parts[1])
    for name in ("nc1", "nc4"):
        torch.testing.assert_close(getattr(together, name), getattr(whole, name))
        assert getattr(parts[0], name) != getattr(whole, name)
    torch.testing.assert_close(together.nc2.equinorm, whole.nc2.equinorm)
    assert together.num_samples == 50
