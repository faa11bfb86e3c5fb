"""Work done by several threads comes back in its order, all of it, and no more is begun than is soon asked for."""

import itertools

import pytest

from sigma2r.data.threads import mapped


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 5000])
def test_results_come_in_the_order_of_their_items(count):
    assert list(mapped(str, range(count))) == [str(i) for i in range(count)]


def test_items_without_end_are_read_only_as_far_as_results_are_asked_for():
    taken = []
    items = (taken.append(i) or i for i in itertools.count())
    assert list(itertools.islice(mapped(str, items), 100)) == [str(i) for i in range(100)]
    assert len(taken) < 10**6


def test_what_the_work_raises_comes_where_its_result_would():
    results = mapped(lambda i: 1 // (i - 70), range(100))
    assert [next(results) for _ in range(64)] == [-1] * 64
    with pytest.raises(ZeroDivisionError):
        list(results)
