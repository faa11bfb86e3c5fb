"""Verification and unknown classes against loops, scikit-learn, torchmetrics and pytorch-ood."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_ood.metrics import OODMetrics
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import metrics as sklearn_metrics
from torch.testing import assert_close
from torchmetrics.functional import classification as torchmetrics_classification

from sigma2r.evaluation import tell_unknown, verify
from sigma2r.evaluation._pairs import Numbered
from sigma2r.evaluation._roc import Curve, area, equal_error_rate, false_rate_at, true_rate_at
from tests.reference import evaluation as reference

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


def example(num=60, num_classes=6, feature_dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num,), generator=generator)
    features = torch.randn(num, feature_dim, generator=generator)
    return features + torch.randn(num_classes, feature_dim, generator=generator)[labels], labels


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=15))
def test_every_pair_has_a_number(labels):
    every = [(i, j) for i in range(len(labels)) for j in range(i)]
    for genuine in (True, False):
        pairs = Numbered(torch.tensor(labels), genuine=genuine)
        want = {frozenset(pair) for pair in every if (labels[pair[0]] == labels[pair[1]]) == genuine}
        found = pairs[torch.arange(pairs.total)].tolist()
        assert len(found) == pairs.total == len(want)
        assert {frozenset(pair) for pair in found} == want


def test_drawn_pairs_are_as_likely_as_any(generator):
    """Classes of 5, 2 and 1: 11 genuine pairs, each drawn 1,000 times of 11,000, give or take four deviations."""
    labels = torch.tensor([0, 1, 0, 0, 2, 1, 0, 0])
    for genuine, total in ((True, 11), (False, 17)):
        pairs = Numbered(labels, genuine=genuine)
        assert pairs.total == total
        drawn = pairs.some(total - 1, generator)
        assert drawn.shape == (total - 1, 2)
        numbers = torch.randint(total, (1000 * total,), generator=generator)
        _, count = torch.unique(pairs[numbers].sort(1).values, dim=0, return_counts=True)
        assert count.shape == (total,)
        assert (count - 1000).abs().max() < 4 * 1000**0.5


def test_all_pairs_match_loops():
    features, labels = example()
    found = verify(features, labels)
    rows, classes = features.double().tolist(), labels.tolist()
    apart = {True: [], False: []}
    for i, x in enumerate(rows):
        for j in range(i):
            apart[classes[i] == classes[j]].append(math.dist(x, rows[j]))
    genuine, impostor = apart[True], apart[False]
    assert (found.total_genuine, found.total_impostor) == (len(genuine), len(impostor))
    for got, want in ((found.genuine, genuine), (found.impostor, impostor)):
        assert_close(got.sort().values, torch.tensor(want, dtype=torch.float64).sort().values, rtol=1e-12, atol=0)
    assert found.equal_error_rate().item() == pytest.approx(reference.equal_error_rate(genuine, impostor), abs=1e-12)
    for rate in (0.5, 0.1, 0.01, 1e-4):
        want = reference.true_accepts(genuine, impostor, rate)
        assert found.true_accept_rate(rate).item() == pytest.approx(want, abs=1e-12)


def test_verification_matches_scikit_learn_and_torchmetrics():
    features, labels = example(seed=1)
    found = verify(features, labels)
    right = torch.cat([torch.ones_like(found.genuine), torch.zeros_like(found.impostor)])
    nearness = -torch.cat([found.genuine, found.impostor])
    false, true, _ = sklearn_metrics.roc_curve(right, nearness, drop_intermediate=False)
    crossing = brentq(lambda x: 1 - x - interp1d(false, true)(x), 0, 1, xtol=1e-14)
    assert found.equal_error_rate().item() == pytest.approx(crossing, abs=1e-9)
    rival = torchmetrics_classification.binary_eer((nearness / 20).exp(), right.long())  # no lines between thresholds
    assert found.equal_error_rate().item() == pytest.approx(rival.item(), abs=2 / found.genuine.shape[0])
    for rate in (0.1, 0.01):
        got = found.true_accept_rate(rate)
        rival, _ = torchmetrics_classification.binary_sensitivity_at_specificity(
            (nearness / 20).exp(), right.long(), min_specificity=1 - rate - 1e-6
        )
        assert_close(got, rival.double(), rtol=1e-5, atol=0)


def test_a_verification_by_hand():
    """Genuine 1 and 3, impostor 2 and 4: between 1 and 2 one half of each error, so the rate is a half."""
    features = torch.tensor([[0.0], [1.0], [10.0], [13.0]])
    found = verify(features, torch.tensor([0, 0, 1, 1]))
    assert found.genuine.tolist() == [1.0, 3.0]
    assert found.impostor.tolist() == [10.0, 13.0, 9.0, 12.0]
    assert found.equal_error_rate() == 0
    curve = Curve(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    assert equal_error_rate(*curve.shares()).item() == 0.5
    assert true_rate_at(*curve.shares(), 0.1).item() == 0.5
    assert true_rate_at(*curve.shares(), 0.5).item() == 1.0


@settings(max_examples=80, deadline=None)
@given(scores, scores)
def test_scores_with_ties_match_loops(known, unknown):
    curve = Curve(torch.tensor(known), torch.tensor(unknown))
    assert equal_error_rate(*curve.shares()).item() == pytest.approx(reference.equal_error_rate(known, unknown))
    assert true_rate_at(*curve.shares(), 0.3).item() == pytest.approx(reference.true_accepts(known, unknown, 0.3))
    found = tell_unknown(torch.tensor(known), torch.tensor(unknown))
    assert found.auroc().item() == pytest.approx(reference.auroc(known, unknown), abs=1e-12)
    assert found.aupr().item() == pytest.approx(reference.average_precision(known, unknown), abs=1e-12)
    assert found.fpr95().item() == pytest.approx(reference.false_accepts(known, unknown), abs=1e-12)
    is_unknown = [0] * len(known) + [1] * len(unknown)
    low = [-score for score in known + unknown]
    assert found.auroc().item() == pytest.approx(sklearn_metrics.roc_auc_score(is_unknown, low), abs=1e-12)
    assert found.aupr().item() == pytest.approx(sklearn_metrics.average_precision_score(is_unknown, low), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_unknown_classes_are_told_as_pytorch_ood_tells_them(seed):
    """It takes scores that are high for the unknown, which are its positives; here the known are: so sides change."""
    generator = torch.Generator().manual_seed(seed)
    known, unknown = 1 + torch.randn(300, generator=generator), torch.randn(200, generator=generator)
    found, mirrored = tell_unknown(known, unknown), tell_unknown(-unknown, -known)
    rival = OODMetrics()
    rival.update(-torch.cat([known, unknown]), torch.cat([torch.zeros(300), -torch.ones(200)]).long())
    theirs = {name: float(value) for name, value in rival.compute().items()}
    assert found.auroc().item() == pytest.approx(theirs["AUROC"], abs=1e-6)
    assert mirrored.fpr95().item() == pytest.approx(theirs["FPR95TPR"], abs=1e-6)
    # Its precision-recall curve is joined by lines, ours by steps.
    assert found.aupr().item() == pytest.approx(theirs["AUPR-OUT"], abs=1e-2)
    assert mirrored.aupr().item() == pytest.approx(theirs["AUPR-IN"], abs=1e-2)


def test_unknown_classes_by_hand():
    """Known 9 8 7 4, unknown 5 3: seven of eight pairs in order; to keep all known, 4 must be accepted, and so 5."""
    found = tell_unknown(torch.tensor([9.0, 8.0, 7.0, 4.0]), torch.tensor([5.0, 3.0]))
    assert found.auroc().item() == 7 / 8
    assert found.fpr95().item() == 1 / 2
    assert found.aupr().item() == pytest.approx((1 + 2 / 3) / 2)  # 3 first, then 4, then 5


def test_scores_of_parts_merge():
    generator = torch.Generator().manual_seed(0)
    known, unknown = torch.randn(50, generator=generator), torch.randn(30, generator=generator) - 1
    merged = tell_unknown(known[:20], unknown[:9]).merge(tell_unknown(known[20:], unknown[9:]))
    assert_close(merged.auroc(), tell_unknown(known, unknown).auroc())


def test_pairs_of_two_sets_of_images_merge():
    features, labels = example()
    first, second = verify(features[:25], labels[:25]), verify(features[25:], labels[25:])
    merged = first.merge(second)
    assert merged.num_images == 60
    assert merged.total_genuine == first.total_genuine + second.total_genuine
    for pairs, distances in ((merged.genuine_pairs, merged.genuine), (merged.impostor_pairs, merged.impostor)):
        apart = (features[pairs[:, 0]] - features[pairs[:, 1]]).double().norm(dim=1)
        assert_close(apart, distances, rtol=1e-5, atol=1e-6)
    assert (labels[merged.genuine_pairs[:, 0]] == labels[merged.genuine_pairs[:, 1]]).all()


@pytest.mark.parametrize("draw", range(3))
def test_thresholds_for_intervals_are_near_enough(draw):
    generator = torch.Generator().manual_seed(draw)
    positives, negatives = torch.randn(30_000, generator=generator), 2 + torch.randn(60_000, generator=generator)
    every, some = Curve(positives, negatives).shares(), Curve(positives, negatives, thin=True).shares()
    assert some[0].shape[1] < 3000
    assert_close(equal_error_rate(*some), equal_error_rate(*every), rtol=1e-3, atol=0)
    for rate in (1e-1, 1e-2, 1e-3):
        assert_close(true_rate_at(*some, rate), true_rate_at(*every, rate), rtol=0, atol=5e-3)


def test_weights_count_as_copies():
    positives, negatives = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([2.0, 5.0])
    copies = Curve(torch.tensor([3.0, 3.0, 2.0]), torch.tensor([2.0, 5.0, 5.0])).shares()
    curve = Curve(positives, negatives)
    weights = torch.tensor([[2.0, 0.0, 1.0]]).index_select(1, curve.order)
    others = torch.tensor([[1.0, 2.0]]).index_select(1, curve.order_of_negatives)
    for figure in (equal_error_rate, area):
        assert_close(figure(*curve.shares(weights.double(), others.double())), figure(*copies))
    nothing = torch.zeros(1, 2, dtype=torch.float64)
    assert equal_error_rate(*curve.shares(weights.double(), nothing)).isnan().all()
    assert true_rate_at(*curve.shares(weights.double(), nothing), 0.1).isnan().all()
    assert false_rate_at(*curve.shares(torch.zeros(1, 3, dtype=torch.float64), others.double()), 0.95).isnan().all()


@pytest.mark.message
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: verify(x, y, max_pairs=0), r"verify: max_pairs must be a whole number of at least 1; got 0"),
        (
            lambda x, y: verify(x, y, generator=3),
            r"verify: generator must .* torch.Generator\(\).manual_seed\(3\)",
        ),
        (lambda x, y: verify(x, y).true_accept_rate(0), r"Verification.true_accept_rate: false_accept_rate must"),
        (lambda x, y: verify(x, 0 * y).equal_error_rate(), r"Verification: there must be impostor pairs; got none"),
        (lambda x, y: tell_unknown(x, y), r"tell_unknown: known must hold one score per image, .* got \(6, 3\)"),
        (lambda x, y: tell_unknown(y, y[:0]), r"tell_unknown: unknown must hold one score per image"),
        (lambda x, y: tell_unknown(y * math.nan, y), r"tell_unknown: known must hold no NaN; got 6 of 6 scores"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(torch.randn(6, 3), torch.arange(6) % 2)


@pytest.mark.parametrize("max_pairs", [1_000_000, 60])
def test_portions_of_the_pairs_are_the_whole_together(max_pairs):
    generator = torch.Generator().manual_seed(5)
    features, labels = torch.randn(40, 3, generator=generator), torch.arange(40) % 7

    def measured(portion):
        draws = torch.Generator().manual_seed(1)
        return verify(features, labels, max_pairs=max_pairs, generator=draws, portion=portion)

    whole, parts = measured((0, 1)), [measured((k, 3)) for k in range(3)]
    assert sum(part.genuine.shape[0] for part in parts) == whole.genuine.shape[0]
    together = parts[0].merge(parts[1]).merge(parts[2])
    for name in ("genuine", "impostor", "genuine_pairs", "impostor_pairs"):
        torch.testing.assert_close(getattr(together, name), getattr(whole, name), rtol=0, atol=0)
    for name in ("num_images", "total_genuine", "total_impostor"):
        assert getattr(together, name) == getattr(whole, name)
    assert together.equal_error_rate() == whole.equal_error_rate()
    with pytest.raises(ValueError, match=r"^Verification.merge: portions must be of the same pairs; got one of 3"):
        parts[0].merge(whole)
    with pytest.raises(ValueError, match=r"^verify: portion must be \(k, n\) with k below n; got \(2, 2\)"):
        measured((2, 2))
