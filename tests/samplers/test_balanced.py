"""Every promise of the balanced sampler, counted in plain Python over random compositions."""

import hashlib
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from sigma2r import BalancedBatchSampler


def make(labels, batch_size, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small batches are meant here
        return BalancedBatchSampler(labels, batch_size, **keywords)


def shuffled_labels(counts, seed):
    """Labels that are not contiguous, in random order."""
    labels = torch.tensor([7 * c - 3 for c, n in enumerate(counts) for _ in range(n)])
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))].tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 15), min_size=1, max_size=9), st.integers(1, 24), st.integers(0, 9), st.data())
def test_every_batch_is_balanced_and_every_sample_is_drawn(counts, batch_size, seed, data):
    labels = shuffled_labels(counts, seed)
    most = min(len(counts), batch_size)
    places = data.draw(st.none() | st.integers(1, most))
    sampler = make(labels, batch_size, seed=seed, classes_per_batch=places)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    stand = sampler.classes_per_batch
    if places is None:
        assert stand == (len(counts) if batch_size >= len(counts) else max(1, batch_size // 8))
    for batch in batches:
        of_class = Counter(labels[i] for i in batch)
        assert len(batch) == batch_size
        assert len(of_class) == stand
        assert set(of_class.values()) <= {batch_size // stand, -(-batch_size // stand)}
        assert max(of_class.values()) <= sampler.max_per_class
    drawn = Counter(i for batch in batches for i in batch)
    assert len(drawn) == len(labels)  # every sample at least once
    for name in set(labels):
        times = [drawn[i] for i, label in enumerate(labels) if label == name]
        assert max(times) - min(times) <= 1
    if stand == len(counts):
        of_class = Counter(labels[i] for batch in batches for i in batch)
        assert max(of_class.values()) - min(of_class.values()) <= 1
        assert (len(sampler) - 1) * batch_size // stand < max(counts)  # no batch more than it takes


def test_fashion_mnist_has_25_or_26_of_each_class_in_235_batches():
    sampler = BalancedBatchSampler(torch.arange(60_000) % 10, 256)
    counts = torch.stack([torch.bincount(batch % 10, minlength=10) for batch in sampler.epoch_indices()])
    assert counts.shape == (235, 10)
    assert set(counts.unique().tolist()) == {25, 26}
    assert sampler.max_per_class == 26


def test_a_giant_class_does_not_make_the_others_repeat_more_than_they_must():
    labels = [0] * 1000 + [k for k in range(1, 101) for _ in range(4)]
    sampler = make(labels, 8, classes_per_batch=2, seed=3)
    visits = Counter(label for batch in sampler for label in {labels[i] for i in batch})
    assert visits[0] == 250 == len(sampler)
    others = [visits[k] for k in range(1, 101)]
    assert max(others) - min(others) <= 1


def test_the_order_follows_from_seed_and_epoch_alone():
    labels = shuffled_labels([5, 9, 3], 0)
    first = make(labels, 6, seed=4)
    torch.rand(100)  # the global generator does not matter
    second = make(labels, 6, seed=4)
    epochs = [list(first) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]  # going on without set_epoch is a new order
    second.set_epoch(2)
    assert list(second) == epochs[2]
    second.set_epoch(0)
    assert list(second) == epochs[0]
    assert list(make(labels, 6, seed=5)) != epochs[0]
    zero_one, one_zero = make(labels, 6, seed=0), make(labels, 6, seed=1)
    zero_one.set_epoch(1)
    assert list(zero_one) != list(one_zero)


# Of release 0.1.0, epochs 0, 1 and 7: committed records follow from these orders.
ORDERS = [
    ([60] * 10, 64, {}, "9947405379e6 352b4b6fcf4d 71e51db36e9a"),
    ([5, 9, 3], 6, {}, "d8167d2f8848 f0101ac5c470 676e092a6fd1"),
    ([1000] + [4] * 100, 8, {"classes_per_batch": 2}, "fdaac04d9f3c 109f28add345 2d36ee34c05b"),
    ([20, 5, 5, 1], 7, {"num_batches": 3}, "c70c380dcb2b bb70f4b44571 a8474c8ca9f2"),
    ([3] * 50, 16, {}, "6dc118175c01 c842fcf04ea0 2ebb1540d985"),
    ([40, 7, 90] * 7, 32, {"classes_per_batch": 5, "num_batches": 40}, "3a24ab15ad4c 40d3c607985e 3ca1e9309cd8"),
]


@pytest.mark.parametrize(
    ("counts", "batch_size", "keywords", "expected"), ORDERS, ids=[str(case[1]) for case in ORDERS]
)
def test_orders_stay_what_they_were(counts, batch_size, keywords, expected):
    sampler = make(shuffled_labels(counts, 11), batch_size, seed=5, **keywords)
    found = []
    for epoch in (0, 1, 7):
        sampler.set_epoch(epoch)
        assert sampler.epoch_indices().dtype == torch.int64
        order = ",".join(str(i) for batch in sampler for i in batch)
        found.append(hashlib.sha256(order.encode()).hexdigest()[:12])
    assert " ".join(found) == expected


def test_a_generator_draws_the_seed_once():
    def order(seed):
        return list(make([0] * 9 + [1] * 9, 4, generator=torch.Generator().manual_seed(seed)))

    assert order(1) == order(1) != order(2)


def test_state_goes_on_where_it_was_taken():
    sampler = make([0] * 9 + [1] * 9, 4, seed=7)
    list(sampler)
    state, expected = sampler.state_dict(), list(sampler)
    fresh = make([0] * 9 + [1] * 9, 4)
    fresh.load_state_dict(state)
    assert list(fresh) == expected


def test_the_length_of_an_epoch_can_be_chosen():
    for keywords in ({}, {"classes_per_batch": 2}):
        for length in (1, 3, 50):
            batches = list(make([0] * 20 + [1] * 5 + [2] * 5, 6, num_batches=length, **keywords))
            assert len(batches) == length
            assert {len(batch) for batch in batches} == {6}


def test_a_data_loader_with_workers_takes_it():
    labels = torch.arange(40) % 4
    loader = DataLoader(TensorDataset(labels), batch_sampler=BalancedBatchSampler(labels, 8), num_workers=1)
    batches = [batch.bincount(minlength=4).tolist() for (batch,) in loader]
    assert batches == [[2, 2, 2, 2]] * 5


@pytest.mark.parametrize("convert", [list, tuple, np.array, torch.tensor, lambda x: torch.tensor(x, dtype=torch.int32)])
def test_labels_come_in_any_form(convert):
    labels = [3, 3, 8, 8, 8, 3]
    assert list(make(convert(labels), 4)) == list(make(labels, 4))


@pytest.mark.parametrize("convert", [float, np.int64, torch.tensor])
def test_numbers_come_in_any_form_that_is_whole(convert):
    sampler = make([0] * 9 + [1] * 9, convert(4), seed=convert(3), num_batches=convert(2))
    assert list(sampler) == list(make([0] * 9 + [1] * 9, 4, seed=3, num_batches=2))
    assert {type(number) for number in sampler.state_dict().values()} == {int}


def test_a_batch_too_small_for_two_of_a_class_is_said_once_with_the_size_needed():
    with pytest.warns(
        UserWarning, match=r"a batch of 5 cannot hold two .* batch_size=8 or more, or classes_per_batch=2"
    ):
        sampler = BalancedBatchSampler([0, 1, 2, 3], 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(sampler)


@pytest.mark.message
@pytest.mark.parametrize(
    ("labels", "batch_size", "keywords", "message"),
    [
        ([], 4, {}, r"labels must hold one class .* got \(0,\)"),
        ([[0, 1]], 4, {}, r"got \(1, 2\)"),
        ([0.5, 1.0], 4, {}, r"labels must be integers; got torch.float32"),
        ([True, False], 4, {}, r"labels must be integers; got torch.bool"),
        ([0, 1], 0, {}, r"batch_size must be a whole number of at least 1; got 0"),
        ([0, 1], 2.5, {}, r"batch_size must be a whole number of at least 1; got 2.5"),
        ([0, 1], 4, {"classes_per_batch": 3}, r"must not exceed the 2 classes or the batch size 4; got 3"),
        ([0, 1, 2], 2, {"classes_per_batch": 3}, r"must not exceed the 3 classes or the batch size 2; got 3"),
        ([0, 1], 4, {"num_batches": 0}, r"num_batches must be a whole number of at least 1; got 0"),
        ([0, 1], 4, {"seed": -1}, r"seed must be at least 0; got -1"),
        ([0, 1], 4, {"seed": 0.5}, r"seed must be a whole number of at least 0; got 0.5"),
        ([0, 1], 4, {"seed": 1, "generator": torch.Generator()}, r"give seed or generator, not both"),
        ([0, 1], "4", {}, r"batch_size must be a whole number of at least 1; got '4'"),
        ([0, 1], True, {}, r"batch_size must be a whole number of at least 1; got True"),
        ([0, 1], float("inf"), {}, r"batch_size must be a whole number of at least 1; got inf"),
        (
            [0, 1],
            4,
            {"num_replicas": 0},
            r"num_replicas must be a whole number of at least 1; got 0",
        ),
        ([0, 1], 4, {"num_replicas": 2, "rank": 2}, r"rank must lie below num_replicas, 2; got 2"),
        ([0, 1], 4, {"rank": -1}, r"rank must be at least 0; got -1"),
        ([0, 1], 4, {"sampler": 3}, r"sampler must be a DistributedSampler, .*; got 3"),
    ],
)
def test_bad_arguments_are_refused(labels, batch_size, keywords, message):
    with pytest.raises(ValueError, match=f"BalancedBatchSampler: .*{message}"):
        BalancedBatchSampler(labels, batch_size, **keywords)


@pytest.mark.message
def test_a_negative_epoch_is_refused():
    with pytest.raises(ValueError, match=r"BalancedBatchSampler: epoch must be at least 0; got -1"):
        BalancedBatchSampler([0, 0, 1, 1], 4).set_epoch(-1)
