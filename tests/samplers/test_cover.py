"""Classes of very unequal size: the policy that goes through the data once, and what is said of the other."""

import warnings
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma2r import BalancedBatchSampler
from tests.samplers.test_balanced import make, shuffled_labels

LONG_TAIL = [20_000] + [20] * 499


def tail_labels():
    return torch.arange(500).repeat_interleave(torch.tensor(LONG_TAIL))


def by_batch(sampler, labels):
    """How often each class stands in each batch, shape (T, C)."""
    ranks = torch.tensor(labels).unique(return_inverse=True)[1]
    return torch.stack([torch.bincount(ranks[b], minlength=int(ranks.max()) + 1) for b in sampler.epoch_indices()])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(1, 12) | st.integers(30, 300), min_size=1, max_size=12),
    st.integers(1, 50),
    st.integers(0, 9),
    st.none() | st.integers(1, 12),
    st.data(),
)
def test_each_sample_is_drawn_about_once_and_big_classes_are_spread_evenly(counts, size, seed, length, data):
    labels = shuffled_labels(counts, seed)
    places = data.draw(st.none() | st.integers(1, min(len(counts), size)))
    sampler = make(labels, size, seed=seed, classes_per_batch=places, num_batches=length, sampling="cover")
    assert len(sampler) == (length or -(-len(labels) // size))
    batches = list(sampler)
    assert [len(batch) for batch in batches] == [size] * len(sampler)
    drawn = Counter(i for batch in batches for i in batch)
    passes = len(sampler) * size // len(labels)
    assert {drawn[i] for i in range(len(labels))} <= {passes, passes + 1}
    sampler.set_epoch(seed)
    found = by_batch(sampler, labels)
    assert int(found.max()) <= sampler.max_per_class
    together = size // places if places else size // len(counts) if 1 < size // len(counts) < 8 else min(8, size)
    plenty = found.sum(0) > together * len(sampler)
    spread = found.max(0).values - found.min(0).values
    assert (spread[plenty] <= 1).all()


def test_the_long_tail_is_as_long_as_the_data():
    sampler = BalancedBatchSampler(tail_labels(), 512, seed=1, sampling="cover")
    assert len(sampler) == -(-29_980 // 512) == 59
    found = by_batch(sampler, tail_labels().tolist())
    assert set(found[:, 0].tolist()) == {338, 339}
    assert sampler.max_per_class == 339
    visits = found[:, 1:]
    assert int(visits.max()) <= 9  # 173 or 174 places are 21 groups
    assert float((visits > 0).sum(0).float().mean()) < 4  # together, not one by one: 20 of a class in 8, 8 and 4
    assert int((visits == 1).sum()) < 0.03 * 9_980  # hardly one without a neighbour


def test_what_is_left_of_the_last_batch_goes_to_the_smallest_classes():
    counts = [50, 20, 3]
    labels = shuffled_labels(counts, 0)
    sampler = make(labels, 10, sampling="cover")  # 80 places for 73 samples
    assert sorted(by_batch(sampler, labels).sum(0).tolist()) == [6, 24, 50]  # 3 twice, then the next


def test_classes_of_one_size_take_turns_at_what_is_left():
    labels = shuffled_labels([1] * 10, 0)
    sampler = make(labels, 4, sampling="cover")  # 12 places for 10 samples
    twice = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        twice.append(tuple(by_batch(sampler, labels).sum(0).gt(1).nonzero().flatten().tolist()))
    assert {len(two) for two in twice} == {2}
    assert len(set(twice)) > 1


def test_fewer_batches_than_cover_leave_out_samples_of_the_largest_classes():
    counts = [50, 20, 3]
    labels = shuffled_labels(counts, 0)
    sampler = make(labels, 10, sampling="cover", num_batches=3)
    drawn = by_batch(sampler, labels).sum(0).tolist()
    assert sorted(drawn) == [3, 13, 14]


def test_equal_classes_are_covered_as_they_are_repeated():
    labels = torch.arange(6000) % 10
    for keywords in ({}, {"sampling": "cover"}):
        sampler = BalancedBatchSampler(labels, 256, **keywords)
        assert len(sampler) == 24
        assert sampler.max_per_class == 26
        assert set(by_batch(sampler, labels.tolist()).flatten().tolist()) == {25, 26}


@pytest.mark.parametrize("sampling", ["repeat", "cover"])
def test_classes_are_dealt_in_another_order_each_epoch(sampling):
    labels = shuffled_labels([24] * 12, 0)
    every, some = (make(labels, 24, sampling=sampling, classes_per_batch=places) for places in (None, 3))
    epochs = range(6)
    in_order = [tuple(labels[i] for i in next(iter(every))) for _ in epochs]
    assert len(set(in_order)) == len(epochs)
    company = [frozenset(frozenset(labels[i] for i in batch) for batch in some) for _ in epochs]
    assert len(set(company)) == len(epochs)  # and so other classes meet


def test_the_order_of_cover_follows_from_seed_and_epoch_alone():
    labels = shuffled_labels([40, 9, 3, 3, 3, 1], 0)
    first = make(labels, 7, seed=4, sampling="cover")
    epochs = [list(first) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    torch.rand(100)
    second = make(labels, 7, seed=4, sampling="cover")
    second.set_epoch(2)
    assert list(second) == epochs[2]
    assert list(make(labels, 7, seed=5, sampling="cover")) != epochs[0]


@pytest.mark.message
def test_an_epoch_far_longer_than_the_data_is_said_before_the_first_batch():
    far = (
        r"draws 10,000,384 samples in 19,532 batches, 334 times the 29,980 that there are: with sampling='repeat' "
        r"every class is drawn as often as the largest, of 20,000\. sampling='cover' draws each about once, in 59 "
        r"batches; num_batches chooses another number"
    )
    with pytest.warns(UserWarning, match="so some have no neighbour"), pytest.warns(UserWarning, match=far):
        BalancedBatchSampler(tail_labels(), 512)
    small = r"4 times the 400 .* classes of 2 samples stand in a batch with 8 or more"
    with pytest.warns(UserWarning, match=small):
        BalancedBatchSampler(torch.arange(400) % 200, 64)


@pytest.mark.parametrize(
    ("counts", "size", "keywords"),
    [
        ([60, 20], 8, {}),  # 1.5 times
        ([60, 5, 5], 8, {"sampling": "cover"}),
        ([60, 5, 5], 8, {"num_batches": 99}),  # chosen
        ([9, 9], 8, {"num_replicas": 8}),  # one batch each
        ([9, 3], 8, {"num_replicas": 8, "sampling": "cover"}),
        ([3, 1], 256, {}),  # one batch, whatever the policy
        ([60, 5, 5], 8, {"sampler": torch.utils.data.DistributedSampler(range(9), num_replicas=2, rank=1)}),  # a copy
    ],
)
def test_nothing_is_said_of_an_epoch_that_is_near_the_data_or_was_chosen(counts, size, keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BalancedBatchSampler(shuffled_labels(counts, 0), size, **keywords)


@pytest.mark.message
@pytest.mark.parametrize("sampling", ["covr", None, True, "Cover"])
def test_another_policy_is_refused(sampling):
    with pytest.raises(ValueError, match=r"BalancedBatchSampler: sampling must be 'repeat' or 'cover'; got"):
        BalancedBatchSampler([0, 0, 1, 1], 4, sampling=sampling)
