"""Accuracy in its forms, and calibration, against loops, scikit-learn and torchmetrics."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torch.testing import assert_close
from torchmetrics.functional import classification as torchmetrics_classification

from sigma2r.evaluation import (
    count_confusion,
    fit_temperature,
    measure_calibration,
    nearest_center,
    nearest_class_mean,
)
from tests.reference import evaluation as reference

pairs_of_classes = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


def close(got, want, rtol=1e-12):
    assert_close(got, torch.as_tensor(want, dtype=torch.float64), rtol=rtol, atol=1e-15, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(pairs_of_classes)
def test_counts_and_what_follows_from_them_match_loops_and_scikit_learn(pairs):
    labels, predictions = (list(side) for side in zip(*pairs, strict=True))
    counts = count_confusion(torch.tensor(labels), torch.tensor(predictions), 5)
    table = reference.confusion(labels, predictions, 5)
    assert counts.matrix().tolist() == table
    assert counts.of_labels().tolist() == [sum(row) for row in table]
    close(counts.accuracy(), sum(table[k][k] for k in range(5)) / len(labels))
    close(counts.recall(), [table[k][k] / sum(table[k]) if sum(table[k]) else math.nan for k in range(5)])
    present = sorted(set(labels))
    recall = sklearn_metrics.recall_score(labels, predictions, labels=present, average="macro", zero_division=0.0)
    close(counts.balanced_accuracy(), float(recall))
    close(counts.macro_f1(), float(sklearn_metrics.f1_score(labels, predictions, average="macro")))


def test_a_confusion_by_hand():
    """Three cats, one taken for a dog; one dog; a fish taken for a cat; nobody is a cow."""
    counts = count_confusion(torch.tensor([0, 0, 0, 1, 2]), torch.tensor([0, 0, 1, 1, 0]), num_classes=4)
    assert counts.matrix().tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert counts.accuracy().item() == 3 / 5
    close(counts.recall(), [2 / 3, 1, 0, math.nan])
    close(counts.balanced_accuracy(), 5 / 9)
    close(counts.f1(), [4 / 6, 2 / 3, 0, math.nan])
    close(counts.macro_f1(), 4 / 9)


@settings(max_examples=40, deadline=None)
@given(pairs_of_classes, st.integers(0, 30))
def test_counts_of_parts_merge(pairs, cut):
    labels, predictions = (torch.tensor(side) for side in zip(*pairs, strict=True))
    whole = count_confusion(labels, predictions, 5)
    merged = count_confusion(labels[:cut], predictions[:cut], 5).merge(
        count_confusion(labels[cut:], predictions[cut:], 5)
    )
    for name in ("labels", "predictions", "count"):
        assert torch.equal(getattr(merged, name), getattr(whole, name))


def test_very_many_classes_take_no_matrix():
    counts = count_confusion(torch.tensor([0, 999_999]), torch.tensor([999_999, 999_999]), 1_000_000)
    assert counts.count.tolist() == [1, 1]
    assert counts.accuracy() == 0.5


@pytest.mark.parametrize("kind", ["plain", "far", "ties"])
def test_the_nearest_center_is_that_of_loops(kind, generator):
    features, centers = torch.randn(60, 3, generator=generator), torch.randn(7, 3, generator=generator)
    if kind == "far":
        features, centers = 1e4 + 1e-2 * features, 1e4 + 1e-2 * centers
    if kind == "ties":
        features, centers = features.round(), centers.round()
    assert nearest_center(features, centers).tolist() == reference.nearest(
        features.double().tolist(), centers.double().tolist()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=15), st.integers(0, 99))
def test_the_nearest_mean_is_that_of_loops(labels, seed):
    features = torch.randn(len(labels), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    means = reference.class_means(features.tolist(), labels)
    places = reference.nearest(features.tolist(), list(means.values()))
    found = nearest_class_mean(features, torch.tensor(labels), 5, leave_one_out=False)
    assert found.tolist() == [list(means)[place] for place in places]
    left_out = reference.nearest_mean_of_the_others(features.tolist(), labels)
    found = nearest_class_mean(features, torch.tensor(labels), 5)
    assert found.tolist() == [-1 if k is None else k for k in left_out]


def some_logits(num=400, num_classes=7, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num,), generator=generator)
    logits = scale * torch.randn(num, num_classes, generator=generator)
    return logits + 2 * torch.nn.functional.one_hot(labels, num_classes), labels


@pytest.mark.parametrize("num_bins", [1, 10, 15])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_calibration_matches_loops(num_bins, temperature):
    logits, labels = some_logits()
    found = measure_calibration(logits, labels, temperature=temperature, num_bins=num_bins)
    probabilities = [reference.softmax(row, temperature) for row in logits.double().tolist()]
    ece, brier, nll = reference.calibration(probabilities, labels.tolist(), num_bins)
    close(found.expected_calibration_error(), ece)
    close(found.brier_score(), brier)
    close(found.negative_log_likelihood(), nll)


def test_calibration_matches_torchmetrics_and_scikit_learn():
    logits, labels = some_logits()
    found = measure_calibration(logits, labels)
    shares = logits.double().softmax(1)
    rival = torchmetrics_classification.multiclass_calibration_error(shares, labels, num_classes=7, n_bins=15)
    assert_close(found.expected_calibration_error(), rival.double(), rtol=1e-5, atol=1e-7)
    close(found.brier_score(), float(sklearn_metrics.brier_score_loss(labels, shares, scale_by_half=False)))
    close(found.negative_log_likelihood(), float(sklearn_metrics.log_loss(labels, shares)), rtol=1e-9)


def test_a_calibration_by_hand():
    """Confidences 0.8, 0.6, 0.7 in one bin of two, two of three right: |2/3 - 0.7| = 1/30."""
    logits = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], dtype=torch.float64).log()
    found = measure_calibration(logits, torch.tensor([0, 1, 1]), num_bins=2)
    close(found.expected_calibration_error(), 1 / 30, rtol=1e-9)
    close(found.brier_score(), (2 * 0.04 + 2 * 0.36 + 2 * 0.09) / 3)
    close(found.negative_log_likelihood(), -(math.log(0.8) + math.log(0.4) + math.log(0.7)) / 3)


def test_a_confidence_on_the_edge_of_bins_belongs_to_the_lower_one():
    """0.5 in (0, 1/2] is wrong and 0.75 in (1/2, 1] right: gaps 0.5 and 0.25, averaged."""
    logits = torch.tensor([[0.5, 0.5], [0.75, 0.25]], dtype=torch.float64).log()
    found = measure_calibration(logits, torch.tensor([1, 0]), num_bins=2)
    assert found.gaps()[0, 0] != 0
    close(found.expected_calibration_error(), (0.5 + 0.25) / 2, rtol=1e-9)


def test_calibration_of_parts_merges(monkeypatch):
    logits, labels = some_logits()
    whole = measure_calibration(logits, labels)
    merged = measure_calibration(logits[:130], labels[:130]).merge(measure_calibration(logits[130:], labels[130:]))
    close(merged.expected_calibration_error(), whole.expected_calibration_error())
    monkeypatch.setattr("sigma2r.evaluation.temperature._AT_ONCE", 30)
    assert torch.equal(measure_calibration(logits, labels).brier, whole.brier)
    assert fit_temperature(logits, labels) == pytest.approx(fit_temperature(logits[:], labels), rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 3.0, 6.0])
def test_the_temperature_has_the_least_likelihood_loss(scale):
    logits, labels = some_logits(scale=scale)
    temperature = fit_temperature(logits, labels)

    def loss(t):
        return measure_calibration(logits, labels, temperature=t).negative_log_likelihood().item()

    assert loss(temperature) <= min(loss(temperature * factor) for factor in (0.99, 0.999, 1.001, 1.01))
    assert fit_temperature(4 * logits, labels) == pytest.approx(4 * temperature, rel=1e-9)


def test_a_temperature_by_hand():
    """Three of four are right with logits 4 and 0: log 3 = 4 / T."""
    logits, labels = torch.tensor([[4.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1])
    assert fit_temperature(logits, labels) == pytest.approx(4 / math.log(3), rel=1e-9)


def test_a_temperature_beyond_all_bounds_is_said():
    labels = torch.tensor([0, 1])
    with pytest.warns(UserWarning, match=r"fit_temperature: .* beyond 0.01, .* classified correctly\?"):
        assert fit_temperature(10 * torch.eye(2), labels) == 0.01
    with pytest.warns(UserWarning, match=r"fit_temperature: .* beyond 100, .* by chance\?"):
        assert fit_temperature(torch.eye(2), 1 - labels) == 100


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0])
def test_logits_that_are_all_the_same_have_no_temperature(value):
    logits = torch.full((4, 3), value) + torch.arange(4).unsqueeze(1)
    told = (
        "fit_temperature: the logits of each validation image are all the same, and no temperature changes what they "
        "say; 1 is taken."
    )
    with pytest.warns(UserWarning, match=f"^{told}$") as caught:
        assert fit_temperature(logits, torch.tensor([0, 1, 2, 2])) == 1
    assert [warning.filename for warning in caught] == [__file__]


def test_half_logits_are_calibrated_in_float64():
    logits, labels = some_logits()
    found = measure_calibration(logits.bfloat16(), labels)
    assert found.brier.dtype == torch.float64
    close(found.brier_score(), measure_calibration(logits.bfloat16().double(), labels).brier_score())


@pytest.mark.message
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda z, y: count_confusion(y, y, 2),
            r"count_confusion: labels must lie in \[0, 2\); got .* 0 to 2",
        ),
        (lambda z, y: count_confusion(y[:2], y, 3), r"count_confusion: predictions must hold one class index per row"),
        (lambda z, y: count_confusion(y, y, 3).merge(count_confusion(y, y, 4)), r"Confusion.merge: .*; got 3 and 4"),
        (lambda z, y: measure_calibration(z, y, temperature=0), r"measure_calibration: temperature must be positive"),
        (
            lambda z, y: measure_calibration(z * math.nan, y),
            r"measure_calibration: logits must be finite; 3 of 3",
        ),
        (lambda z, y: measure_calibration(z[:, :2], y), r"measure_calibration: labels must lie in \[0, 2\)"),
        (
            lambda z, y: measure_calibration(z[:0], y[:0]),
            r"measure_calibration: logits must hold one row per image",
        ),
        (lambda z, y: fit_temperature(y, z), r"fit_temperature: logits must be a floating-point matrix"),
        (
            lambda z, y: measure_calibration(z, y).merge(measure_calibration(z, y, num_bins=2)),
            r"Calibration.merge: .* number of bins; got 15 and 2",
        ),
        (lambda z, y: nearest_center(z, z[:, :2]), r"nearest_center: features must have the 2 dimensions"),
        (lambda z, y: nearest_class_mean(z, y, 2), r"nearest_class_mean: labels must lie in \[0, 2\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(torch.eye(3), torch.arange(3))
