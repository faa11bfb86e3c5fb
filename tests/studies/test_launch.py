"""Who trains: tasks that are begun, ended, lost and done again, without training anything."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sigma2r.studies import launch
from sigma2r.studies.launch import Finished, LocalLauncher, RayLauncher, Started, Task
from sigma2r.studies.launch import local as local_module
from sigma2r.studies.launch import task as task_module
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where
from sigma2r.training import TrainingDivergedError
from tests.report.conftest import make_record

QUIET = Where(device="cpu", progress=False)


@pytest.fixture
def tasks(tmp_path):
    return [Task(Run(init_seed=seed), tmp_path / str(seed), QUIET) for seed in range(3)]


def record_of(task):
    return make_record("sigma2r@0.01", task.run.init_seed)


def test_one_after_another_begins_before_it_ends(tasks, monkeypatch):
    monkeypatch.setattr(local_module, "do", record_of)
    events = list(LocalLauncher(1)(tasks))
    assert [type(event) for event in events] == [Started, Finished] * 3
    assert [event.task for event in events] == [task for task in tasks for _ in "12"]
    assert [event.record.run.init_seed for event in events[1::2]] == [0, 1, 2]


class Worker:
    """Stands for a process: dies over a run as often as it is told, or raises in it."""

    dies: dict[int, int] = {}  # noqa: RUF012 - set by each test
    raises = False

    def __init__(self, threads):
        self.task, (self.connection, self.other) = None, os.pipe()
        os.write(self.other, b"ended")

    def begin(self, task):
        self.task = task

    def end(self):
        task, self.task = self.task, None
        seed = task.run.init_seed
        if Worker.dies.get(seed, 0):
            Worker.dies[seed] -= 1
            return task, None
        return task, record_of(task)

    def stop(self):
        os.close(self.connection)
        os.close(self.other)


def test_a_run_whose_process_dies_is_begun_again_and_the_third_death_ends_it(tasks, monkeypatch):
    monkeypatch.setattr(local_module, "_Worker", Worker)
    monkeypatch.setattr(Worker, "dies", {1: 2})
    events = list(LocalLauncher(2)(tasks))
    assert sorted(e.task.run.init_seed for e in events if isinstance(e, Finished)) == [0, 1, 2]
    assert sorted(e.task.run.init_seed for e in events if isinstance(e, Started)) == [0, 1, 1, 1, 2]
    monkeypatch.setattr(Worker, "dies", {1: 3})
    with pytest.raises(RuntimeError, match=r"died 3 times, as when memory runs out. Try fewer jobs than 2"):
        list(LocalLauncher(2)(tasks))


def test_what_a_task_raises_in_a_process_is_raised_here(tasks):
    worker = local_module._Worker.__new__(local_module._Worker)
    worker.task = tasks[0]
    worker.connection = SimpleNamespace(recv=lambda: ValueError("no such data"))
    with pytest.raises(ValueError, match="no such data"):
        worker.end()
    worker.task, worker.connection = tasks[1], SimpleNamespace(recv=lambda: record_of(tasks[1]))
    assert worker.end()[1].run.init_seed == 1


def test_launchers_refuse_what_makes_no_sense():
    for jobs in (0, -1):
        with pytest.raises(ValueError, match="jobs must be"):
            LocalLauncher(jobs)
    with pytest.raises(ValueError, match="gpus_per_run must be a finite number of at least 0"):
        RayLauncher(gpus_per_run=-0.5)
    assert set(launch.__all__) >= {"LocalLauncher", "RayLauncher"}


class Ray:
    """Stands for a cluster that does each task where it is asked for."""

    exceptions = SimpleNamespace(RayError=KeyError, RayTaskError=LookupError)

    def __init__(self):
        self.options, self.cancelled, self.retries, self.records = [], [], None, {}

    def is_initialized(self):
        return True

    def remote(self, **settings):
        if "max_restarts" in settings:
            return lambda kind: SimpleNamespace(remote=lambda: _Actor(kind()))
        self.retries = settings["max_retries"]

        def options(**wanted):
            self.options.append(wanted)
            return SimpleNamespace(remote=self.done)

        return lambda function: SimpleNamespace(options=options)

    def done(self, task, number, register):
        register.actor.begin(number)
        self.records[number] = record_of(task)
        return number

    def wait(self, waiting, num_returns, timeout):
        return [waiting[-1]], waiting[:-1]  # the last first

    def get(self, reference):
        return reference if isinstance(reference, list) else self.records[reference]

    def cancel(self, reference, force):
        self.cancelled.append(reference)


class _Actor:
    def __init__(self, actor):
        self.actor = actor
        self.take = SimpleNamespace(remote=actor.take)


def test_a_cluster_holds_threads_and_gpus_and_tells_of_each_task_once(tasks):
    ray, launcher = Ray(), RayLauncher.__new__(RayLauncher)
    launcher._ray, launcher.address, launcher.gpus_per_run = ray, None, 0.5
    events = list(launcher(tasks))
    assert ray.retries == 3
    assert ray.options == [{"num_cpus": 1, "num_gpus": 0.5}] * 3
    assert [e.task for e in events if isinstance(e, Started)] == tasks
    finished = [e for e in events if isinstance(e, Finished)]
    assert [e.task for e in finished] == tasks[::-1]
    assert [e.record.run.init_seed for e in finished] == [2, 1, 0]
    assert ray.cancelled == []


def test_a_task_is_done_where_it_was_started_and_one_that_diverges_leaves_a_record(tmp_path, monkeypatch):
    (tmp_path / "started").mkdir()
    seen = []

    def diverges(run, folder, where):
        seen.append(Path.cwd())
        raise TrainingDivergedError("in epoch 3")

    monkeypatch.setattr(task_module, "train", diverges)
    task = Task(Run(), tmp_path / "out", QUIET, tmp_path / "started")
    before = Path.cwd()
    record = task_module.do(task)
    assert seen == [tmp_path / "started"]
    assert Path.cwd() == before
    assert (record.diverged, record.final) == ("in epoch 3", {})
    assert (tmp_path / "out/record.json").exists()


def test_libraries_that_are_loaded_later_use_so_many_threads():
    code = (
        "import os; from sigma2r.studies.launch.task import limit_threads; limit_threads(3); "
        "print(os.environ['OMP_NUM_THREADS'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "3"
