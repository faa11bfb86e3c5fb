"""Folds, overlap and size of classes."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sigma2r.audit import assign_folds, confusion, overlaps, too_small
from sigma2r.audit.folds import NEVER


@given(st.lists(st.integers(0, 4), min_size=12, max_size=60), st.integers(2, 5), st.integers(0, 9))
def test_each_image_is_held_out_once_and_classes_are_spread(labels, folds, seed):
    given_labels = torch.tensor(labels)
    counts = Counter(labels)
    if sum(n for n in counts.values() if n > 1) < folds:
        return
    assigned = assign_folds(given_labels, folds, seed)
    for label, count in counts.items():
        its = Counter(assigned[given_labels == label].tolist())
        if count == 1:
            assert its == {NEVER: 1}
        else:
            assert NEVER not in its
            held = [its.get(fold, 0) for fold in range(folds)]
            assert max(held) - min(held) <= 1
            assert all(count > n for n in held)  # others of the class are trained on
    sizes = [int((assigned == fold).sum()) for fold in range(folds)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_follow_from_the_seed():
    labels = torch.arange(40) % 4
    assert assign_folds(labels, 4, 1).equal(assign_folds(labels, 4, 1))
    assert not assign_folds(labels, 4, 1).equal(assign_folds(labels, 4, 2))


@pytest.mark.message
def test_folds_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"^audit: folds must be at least 2; got 1\."):
        assign_folds(torch.zeros(9, dtype=torch.int64), 1)
    with pytest.raises(ValueError, match=r"^audit: folds must be at most .* another of their class, 3; got 4\.$"):
        assign_folds(torch.tensor([0, 0, 0, 1, 2]), 4)
    with pytest.raises(
        ValueError, match=r"^audit: classes must have 2 .* each of the 3 training images is alone .*--data"
    ):
        assign_folds(torch.arange(3), 2)


def test_confusion_and_overlaps_are_those_of_loops(generator):
    labels, predicted = (torch.randint(0, 5, (80,), generator=generator) for _ in range(2))
    counts = confusion(labels, predicted, 6)
    pairs = list(zip(labels.tolist(), predicted.tolist(), strict=True))
    assert counts.tolist() == [[sum(pair == (a, b) for pair in pairs) for b in range(6)] for a in range(6)]
    found = overlaps(counts)
    assert [pair.share for pair in found] == sorted((pair.share for pair in found), reverse=True)
    for pair in found:
        either = [given for given, _ in pairs if given in (pair.one, pair.other)]
        assert pair.one < pair.other
        assert pair.as_other == pairs.count((pair.one, pair.other))
        assert pair.as_one == pairs.count((pair.other, pair.one))
        assert pair.share == pytest.approx((pair.as_other + pair.as_one) / len(either))
    mixed = {tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]}
    assert {(pair.one, pair.other) for pair in found} == mixed


def test_small_is_few_or_few_beside_the_others():
    assert too_small(torch.tensor([19, 20, 21, 20])).tolist() == [True, False, False, False]
    assert too_small(torch.tensor([500, 500, 49, 51])).tolist() == [False, False, False, False]  # median 275.5
    assert too_small(torch.tensor([500, 500, 49, 500])).tolist() == [False, False, True, False]
