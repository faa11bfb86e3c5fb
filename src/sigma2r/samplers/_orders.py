"""Which order an iteration gets: each begins another, and none is used up by an iterator that draws nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass
class Orders:
    """The orders to come since the last ``set_epoch``.

    An order is begun by the first batch that is drawn, not by ``iter()``: a DataLoader with workers calls that twice
    and throws one iterator away.

    Args:
        epoch: Whose order comes next.
        batch: At which of its batches it begins, after a resume within an epoch; otherwise 0.
        begun: Epoch and first batch of the order that was begun last.
        awaited: Whether there is an iterator that was made for these orders.
    """

    epoch: int
    batch: int = 0
    begun: tuple[int, int] | None = None
    awaited: bool = False

    def begin(self) -> tuple[int, int]:
        """The epoch and the first batch of the next order, which is then taken."""
        self.begun = self.epoch, self.batch
        self.epoch, self.batch = self.epoch + 1, 0
        return self.begun

    def behind(self, done: int, num_batches: int) -> tuple[int, int]:
        """Epoch and batch that follow the first ``done`` batches of the order that was begun last.

        Raises:
            ValueError: If no order has been begun, or it has not so many batches; the sentence lacks who says it.
        """
        if self.begun is None:
            raise ValueError(
                "batches_done counts batches of an order that has begun, and none has since the last set_epoch or "
                f"load_state_dict; got {done}."
            )
        epoch, first = self.begun
        left = num_batches - first - done
        if left < 0:
            raise ValueError(
                f"batches_done must be at most the {num_batches - first} batches of the order; got {done}."
            )
        return (epoch, first + done) if left else (epoch + 1, 0)


class Batches(Iterator[list[int]]):
    """The batches of one order, computed when the first is drawn.

    Has the ``state_dict`` of an iterator that torchdata's StatefulDataLoader looks for.

    Args:
        rows: Gives all batches of an epoch, shape ``(T, B)``.
        current: Gives the orders to come at the time of asking.
    """

    def __init__(self, rows: Callable[[int], Tensor], current: Callable[[], Orders]) -> None:
        self._rows_of, self._current = rows, current
        self._orders = current()
        self._orders.awaited = True
        self._epoch: int | None = None
        self._rows: Tensor | None = None
        self._batch = 0

    def __next__(self) -> list[int]:
        if self._epoch is None:
            # After a set_epoch the orders are for the iterators that are made then. If there are none, as in
            # Lightning, which makes its first before it sets the epoch, those that have not begun are meant.
            current = self._current()
            orders = self._orders if current.awaited else current
            self._epoch, self._batch = orders.begin()
        if self._rows is None:
            self._rows = self._rows_of(self._epoch)
        if self._batch >= self._rows.shape[0]:
            self._rows = self._rows[:0].clone()  # a loader may keep the iterator for long
            raise StopIteration
        row: list[int] = self._rows[self._batch].tolist()
        self._batch += 1
        return row

    def state_dict(self) -> dict[str, int | None]:
        """Which order this is, if any yet, and how many of its batches are drawn."""
        return {"epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._epoch, self._batch, self._rows = state["epoch"], int(state["batch"]), None
