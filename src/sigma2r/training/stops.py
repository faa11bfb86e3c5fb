"""Ctrl-C and SIGTERM end a training between two steps, where nothing is half written.

Python raises wherever a signal finds it: within ``torch.save``, which then fails with words of its own, or within the
queue of a log, which the one who closes the log then waits for.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stops(pl.Callback):
    """Remembers the first signal until the next step begins; a second one does not wait."""

    def __init__(self) -> None:
        self._handlers: dict[int, Any] = {}
        self._asked: int | None = None
        self._at_once = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear signals, in the main thread, which alone may; one that is ignored stays ignored.

        Raises:
            KeyboardInterrupt: At the next step, after Ctrl-C; after SIGTERM SystemExit with 143; or what the handler
                raises that was there before.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        found = {number: signal.getsignal(number) for number in _SIGNALS}
        self._handlers = {
            number: handler for number, handler in found.items() if handler is not None
        }  # None: not Python's
        try:
            self._listen()
            yield
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):  # which Lightning makes an exit with 1
                raise KeyboardInterrupt from None
            raise
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        self._stop_if_asked()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Do not wait for the next step: nothing is written here."""
        self._at_once = True
        try:
            self._stop_if_asked()
            yield
        finally:
            self._at_once = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen again: Lightning has put an answer of its own before ours, which is an exit with 0."""
        self._listen()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop if a signal has come."""
        self._stop_if_asked()

    def _listen(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_IGN if handler is signal.SIG_IGN else self._hear)

    def _hear(self, number: int, frame: Any) -> None:
        waits = self._asked is None and not self._at_once
        self._asked = number
        if not waits:
            self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        number, self._asked = self._asked, None
        if number is None:
            return
        handler = self._handlers[number]
        if callable(handler):
            handler(number, None)
        else:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
