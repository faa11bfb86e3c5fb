"""Which order an iteration gets, and how it is gone on with: the same with any loader, finished or not."""

import copy
import pickle
from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from sigma2r import BalancedBatchSampler

LABELS = [0] * 9 + [1] * 9 + [2] * 6
SIZE = 6


def make(seed=3, **keywords):
    return BalancedBatchSampler(LABELS, SIZE, seed=seed, **keywords)


def orders(count, **keywords):
    """The orders of the first epochs, chosen one by one."""
    sampler, found = make(**keywords), []
    for epoch in range(count):
        sampler.set_epoch(epoch)
        found.append(sampler.epoch_indices().tolist())
    assert len({str(order) for order in found}) == count  # this example can tell them apart
    return found


def loader(sampler, **keywords):
    return DataLoader(TensorDataset(torch.arange(len(LABELS))), batch_sampler=sampler, **keywords)


def drawn(batches, count=None):
    return [batch[0].tolist() for batch in islice(batches, count)]


WORKERS = [{}, {"num_workers": 2}, {"num_workers": 1, "persistent_workers": True}]
WORKERS_IDS = ["none", "two", "persistent"]


@pytest.mark.parametrize("workers", WORKERS, ids=WORKERS_IDS)
def test_every_iteration_begins_another_order_finished_or_not_whatever_the_workers(workers):
    expected = orders(6)
    batches = loader(make(), **workers)
    wanted = (2, None, 1, 1, 3, None)
    assert [drawn(batches, count) for count in wanted] == [
        order[:count] for order, count in zip(expected, wanted, strict=True)
    ]


@pytest.mark.parametrize("workers", WORKERS[:2], ids=WORKERS_IDS[:2])
def test_two_iterations_at_once_have_two_orders(workers):
    expected = orders(5)
    batches = loader(make(), **workers)
    together = list(zip(batches, batches, strict=True))
    assert drawn([a for a, _ in together]) == expected[0]
    assert drawn([b for _, b in together]) == expected[1]
    short = list(zip([0, 0], batches, strict=False))
    assert drawn([b for _, b in short]) == expected[2][:2]
    assert drawn(batches) == expected[3]


@pytest.mark.parametrize("workers", WORKERS[:2], ids=WORKERS_IDS[:2])
def test_set_epoch_speaks_of_the_iterations_that_begin_after_it(workers):
    expected = orders(9)
    sampler = make()
    batches = loader(sampler, **workers)
    first = iter(batches)
    sampler.set_epoch(7)
    second = iter(batches)
    assert drawn(second) == expected[7]
    assert drawn(first) == expected[0]
    assert drawn(batches, 2) == expected[8][:2]
    for epoch in (4, 4, 0):
        sampler.epoch = epoch
        assert sampler.epoch == epoch
        assert drawn(batches, epoch or None) == expected[epoch][: epoch or None]


def test_set_epoch_speaks_of_iterators_that_have_not_begun_if_no_other_is_made():
    """As Lightning makes its first iterator before it sets the epoch."""
    expected = orders(9)
    sampler = make()
    first, second = iter(sampler), iter(sampler)
    sampler.set_epoch(7)
    assert [list(first), list(second), list(sampler)] == [expected[7], expected[8], orders(10)[9]]


def test_an_iterator_that_draws_nothing_uses_up_no_order():
    sampler = make()
    for _ in range(3):
        assert iter(sampler) is not None
    assert sampler.epoch == 0
    assert list(sampler) == orders(1)[0]
    assert sampler.epoch == 1
    assert sampler.epoch_indices().tolist() == orders(2)[1]  # looks ahead, and moves nothing
    assert sampler.epoch == 1


def test_a_finished_iterator_stays_finished():
    batches = iter(make())
    list(batches)
    assert list(batches) == list(batches) == []


@pytest.mark.parametrize("done", [0, 1, 2, None])
def test_state_gives_the_order_that_comes_next_finished_or_not(done):
    sampler = make()
    list(sampler)
    going_on = iter(sampler)
    list(islice(going_on, done))
    state = sampler.state_dict()
    fresh = make(seed=99)
    fresh.load_state_dict(state)
    assert [list(fresh), list(fresh)] == orders(4)[1:3] if done == 0 else orders(4)[2:4]


@pytest.mark.parametrize("workers", WORKERS[:2], ids=WORKERS_IDS[:2])
@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_state_within_an_epoch_goes_on_with_the_batch_behind(done, workers):
    expected = orders(4)
    assert len(expected[2]) == 5
    sampler = make()
    sampler.set_epoch(2)
    going_on = iter(loader(sampler, **workers))
    got = drawn(going_on, done) if done else [next(going_on)][:0]
    state = pickle.loads(pickle.dumps(sampler.state_dict(batches_done=done)))
    fresh = make(seed=99)
    fresh.load_state_dict(state)
    batches = loader(fresh, **workers)
    assert got + drawn(batches) == expected[2]
    assert drawn(batches) == expected[3]


def test_a_resumed_epoch_can_be_resumed_again():
    expected = orders(4)
    sampler = make()
    list(islice(sampler, 1))
    for _ in range(2):
        state = sampler.state_dict(batches_done=1)
        sampler = make()
        sampler.load_state_dict(state)
        list(islice(sampler, 1))
    assert sampler.state_dict(batches_done=1) == {"seed": 3, "epoch": 0, "batch": 3, "samples": 24}
    assert sampler.state_dict(batches_done=3) == {"seed": 3, "epoch": 1, "batch": 0, "samples": 24}  # the epoch is over
    sampler.load_state_dict(sampler.state_dict(batches_done=1))
    assert list(sampler) == expected[0][3:]


def test_a_state_without_a_batch_is_read_as_before():
    sampler = make(seed=1)
    sampler.load_state_dict({"seed": 3, "epoch": 2})
    assert list(sampler) == orders(3)[2]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_on_by_itself(copied):
    expected = orders(4)
    sampler = make()
    list(islice(sampler, 1))
    twin = copied(sampler)
    assert [list(sampler), list(sampler)] == expected[1:3]
    assert [list(twin), list(twin)] == expected[1:3]
    twin.set_epoch(3)
    twin.load_state_dict({"seed": 8, "epoch": 0})
    assert sampler.state_dict() == {"seed": 3, "epoch": 3, "batch": 0, "samples": 24}


@pytest.mark.parametrize("done", [0, 1, 5])
def test_an_iterator_has_a_state_for_loaders_that_keep_it(done):
    """What torchdata's StatefulDataLoader does: the sampler's state, then that of a new iterator."""
    expected = orders(4)
    sampler = make()
    list(islice(sampler, 2))
    going_on = iter(sampler)
    got = list(islice(going_on, done))
    states = pickle.loads(pickle.dumps((sampler.state_dict(), going_on.state_dict())))
    fresh = make(seed=99)
    fresh.load_state_dict(states[0])
    resumed = iter(fresh)
    resumed.load_state_dict(states[1])
    assert got + list(resumed) == expected[1]
    assert list(fresh) == expected[2]


@pytest.mark.parametrize("workers", WORKERS[:2], ids=WORKERS_IDS[:2])
def test_the_order_of_a_seed_does_not_depend_on_the_global_generator(workers):
    torch.manual_seed(1)
    first = drawn(loader(make(), **workers))
    torch.manual_seed(2)
    assert drawn(loader(make(), **workers)) == first == orders(1)[0]


@pytest.mark.message
@pytest.mark.parametrize("epoch", [-1, 1.5, "1", None, True, float("nan")])
def test_an_epoch_that_is_no_whole_number_is_refused(epoch):
    with pytest.raises(ValueError, match=r"BalancedBatchSampler: epoch must be (a whole number of )?at least 0; got"):
        make().set_epoch(epoch)


@pytest.mark.message
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, r"state must be what state_dict\(\) gives; it lacks seed and epoch"),
        ({"seed": 1}, r"state must be what state_dict\(\) gives; it lacks epoch"),
        ({"batch": 1, "epoch": 1}, r"state must be what state_dict\(\) gives; it lacks seed"),
        ({"seed": None, "epoch": 0}, "seed must be a whole number of at least 0; got None"),
        ({"seed": 1, "epoch": True}, "epoch must be a whole number of at least 0; got True"),
        ({"seed": 1, "epoch": 0, "batch": False}, "batch must be a whole number of at least 0; got False"),
        ({"seed": 1, "epoch": "2"}, "epoch must be a whole number of at least 0; got '2'"),
        ({"seed": 1, "epoch": 2, "batch": 5}, r"batch must lie below the 5 batches .* got 5. Is this the state of a"),
    ],
)
def test_a_state_of_something_else_is_refused(state, message):
    with pytest.raises(ValueError, match=f"BalancedBatchSampler: {message}"):
        make().load_state_dict(state)


@pytest.mark.message
def test_batches_done_that_no_order_has_are_refused():
    sampler = make()
    with pytest.raises(ValueError, match=r"BalancedBatchSampler: batches_done counts .* none has since .*; got 1"):
        sampler.state_dict(batches_done=1)
    list(islice(sampler, 2))
    with pytest.raises(ValueError, match=r"batches_done must be at most the 5 batches of the order; got 6"):
        sampler.state_dict(batches_done=6)
    with pytest.raises(ValueError, match=r"batches_done must be at least 0; got -1"):
        sampler.state_dict(batches_done=-1)
    for value in (True, False, "1", 1.5):
        with pytest.raises(ValueError, match=rf"batches_done must be a whole number of at least 0; got {value!r}"):
            sampler.state_dict(batches_done=value)


@pytest.mark.parametrize("state", [None, [1], "a"])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(ValueError, match=r"state must be what state_dict\(\) gives; got a"):
        make().load_state_dict(state)


def test_the_state_of_a_sampler_of_other_data_is_refused():
    other = BalancedBatchSampler([*LABELS, 0], SIZE)
    with pytest.raises(ValueError, match="state is that of a sampler of 25 samples; this has 24"):
        make().load_state_dict(other.state_dict())
