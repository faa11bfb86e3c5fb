"""Ctrl-C and SIGTERM during a training: nothing is half written, and none is lost."""

import dataclasses
import signal
import threading

import pytest
import torch

from sigma2r.studies.train import train
from sigma2r.training import trainer as fitting
from sigma2r.training.module import CompactClassifier
from tests.studies.test_train import QUIET

ENDS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]


@pytest.fixture(autouse=True)
def handlers():
    """Those of a fresh interpreter, whatever the shell of the tests ignores; as they were afterwards."""
    fresh = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in fresh.items()}
    yield
    left = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert left == fresh, "a training leaves the handlers as it found them"


def raising(monkeypatch, where, name, number, times=1):
    """Let a signal come when something is called first; a list of what was called, which grows once a call is over."""
    inner, done = getattr(where, name), []

    def call(*args, **kwargs):
        for _ in range(0 if done else times):
            signal.raise_signal(number)
        result = inner(*args, **kwargs)
        done.append(args)
        return result

    monkeypatch.setattr(where, name, call)
    return done


def unstopped(run, folder):
    try:
        return train(run, folder, QUIET)
    except (KeyboardInterrupt, SystemExit) as stop:
        pytest.fail(f"stopped by {stop!r}")


@pytest.mark.parametrize(("number", "end"), ENDS)
def test_a_checkpoint_that_is_being_written_is_finished_and_gone_on_from(tiny_run, tmp_path, monkeypatch, number, end):
    with monkeypatch.context() as patched:
        saved = raising(patched, torch, "save", number)
        with pytest.raises(end) as stop:
            train(tiny_run, tmp_path, QUIET)
    assert number == signal.SIGINT or stop.value.code == 143
    assert len(saved) == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    epochs = []
    monkeypatch.setattr(CompactClassifier, "on_train_epoch_start", lambda self: epochs.append(self.current_epoch))
    unstopped(tiny_run, tmp_path)
    assert epochs == list(range(1, tiny_run.epochs))


@pytest.mark.parametrize(("number", "end"), ENDS)
@pytest.mark.parametrize("logger", ["CSVLogger", "TensorBoardLogger"])
def test_a_line_of_the_log_is_finished(tiny_run, tmp_path, monkeypatch, logger, number, end):
    written = raising(monkeypatch, getattr(fitting, logger), "log_metrics", number)
    with pytest.raises(end):
        train(tiny_run, tmp_path, QUIET)
    assert len(written) == 1


@pytest.mark.parametrize(("number", "end"), ENDS)
def test_a_step_is_finished_and_the_next_one_not_begun(tiny_run, tmp_path, monkeypatch, number, end):
    steps = raising(monkeypatch, CompactClassifier, "training_step", number)
    with pytest.raises(end):
        train(dataclasses.replace(tiny_run, measure_every=0), tmp_path, QUIET)
    assert len(steps) == 1


@pytest.mark.parametrize(("number", "end"), ENDS)
def test_a_second_signal_does_not_wait(tiny_run, tmp_path, monkeypatch, number, end):
    steps = raising(monkeypatch, CompactClassifier, "training_step", number, times=2)
    with pytest.raises(end):
        train(tiny_run, tmp_path, QUIET)
    assert not steps


@pytest.mark.parametrize(("number", "end"), ENDS)
def test_where_nothing_is_written_nothing_is_waited_for(tiny_run, tmp_path, monkeypatch, number, end):
    went_on = raising(monkeypatch, fitting, "measure_splits", number)
    with pytest.raises(end):
        train(tiny_run, tmp_path, QUIET)
    assert not went_on


@pytest.mark.parametrize(("number", "end"), ENDS)
def test_one_that_comes_with_the_last_write_is_heard_after_it(tiny_run, tmp_path, monkeypatch, number, end):
    run = dataclasses.replace(tiny_run, epochs=1)
    with monkeypatch.context() as patched:
        raising(patched, torch, "save", number)
        with pytest.raises(end):
            train(run, tmp_path, QUIET)
    assert not (tmp_path / "record.json").exists()
    steps = raising(monkeypatch, CompactClassifier, "training_step", number, times=0)
    unstopped(run, tmp_path)
    assert not steps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_ignored_stays_ignored(tiny_run, tmp_path, monkeypatch, number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        raising(monkeypatch, CompactClassifier, "training_step", number)
        record = unstopped(tiny_run, tmp_path)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert len(record.history) == tiny_run.epochs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_handler_of_a_user_decides_what_a_signal_means(tiny_run, tmp_path, monkeypatch, number):
    told = []
    before = signal.signal(number, lambda *_: told.append(number))
    try:
        raising(monkeypatch, CompactClassifier, "training_step", number)
        record = unstopped(tiny_run, tmp_path)
    finally:
        signal.signal(number, before)
    assert len(record.history) == tiny_run.epochs
    assert set(told) == {number}


def test_a_thread_trains_without_listening(tiny_run, tmp_path):
    records = []
    thread = threading.Thread(target=lambda: records.append(train(tiny_run, tmp_path, QUIET)))
    thread.start()
    thread.join()
    assert len(records[0].history) == tiny_run.epochs
