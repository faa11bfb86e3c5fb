"""Work on several threads gives what one would."""

import threading

import pytest

from sigma2r.data.threads import mapped


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 5_000])
def test_results_come_in_their_order_and_all_of_them(count):
    assert list(mapped(lambda number: -number, range(count))) == [-number for number in range(count)]


def test_an_error_comes_where_its_result_would():
    def work(number: int) -> int:
        if number >= 200:
            raise ValueError(f"at {number}")
        return number

    with pytest.raises(ValueError, match=r"^at 200$"):
        list(mapped(work, range(3_000)))


def test_who_stops_asking_stops_the_work():
    done, before = [], threading.active_count()
    assert not all(mapped(lambda number: (done.append(number), number != 3)[1], range(1_000_000)))
    assert len(done) < 50_000
    assert threading.active_count() == before
