"""A study as a whole: what it trains, what it keeps, how it survives, and that it does not matter who trains."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from sigma2r.studies.catalog import find_study, read_study
from sigma2r.studies.comparison import run_folder
from sigma2r.studies.launch import Finished, LocalLauncher, RayLauncher, Started, Task
from sigma2r.studies.record import Record
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.study import Part, Study
from sigma2r.studies.train import LOCK, train
from sigma2r.studies.tuning import matched
from sigma2r.studies.where import Where
from sigma2r.training.module import CompactClassifier
from tests.studies.test_train import QUIET, numbers


def study_of(run, *, seeds=2, epochs=None) -> Study:
    run = run if epochs is None else dataclasses.replace(run, epochs=epochs)
    others = [run, dataclasses.replace(run, loss="center@0.1", loss_options={})]
    runs = tuple(dataclasses.replace(each, init_seed=seed) for each in others for seed in range(seeds))

    def parts(scale, done):
        yield Part(name="all", title="All", text="", runs=runs)

    return Study(name="tiny", title="", source="", parts=parts, settings={"desk": "", "paper": ""})


def same(first, second) -> bool:
    return [json.dumps(numbers(r), sort_keys=True) for r in first] == [
        json.dumps(numbers(r), sort_keys=True) for r in second
    ]


@pytest.fixture
def study(tiny_run) -> Study:
    return study_of(tiny_run)


@pytest.fixture
def plain_records(study, tmp_path):
    """The study's records, each run trained by itself."""
    return [train(run, tmp_path / "alone" / run.run_id, QUIET) for run in study.runs("desk", {})]


def test_a_study_keeps_its_records_and_trains_nothing_twice(study, plain_records, tmp_path, monkeypatch):
    said = []
    records = reproduce(study, "desk", tmp_path / "out", where=QUIET, say=said.append)
    assert same(records, plain_records)
    kept = sorted(path.name for path in (tmp_path / "out/tiny").iterdir())
    assert kept == sorted([*(f"{r.run_id}.json" for r in records), "study.json"])
    assert "4 are left" in said[0]
    assert said[-1].startswith("[4/4]")
    assert "0 left" in said[-1]
    monkeypatch.setattr(CompactClassifier, "training_step", None)
    assert not any("Nothing is trained" in line for line in said)
    said.clear()
    assert same(reproduce(study, "desk", tmp_path / "out", where=QUIET, say=said.append), records)
    day = records[0].finished[:10]
    assert said == [f"Nothing is trained: {tmp_path / 'out'} holds the records of all 4 runs, of {day}."]


def test_records_can_be_kept_elsewhere_and_serve_another_study(study, tmp_path, monkeypatch):
    records = reproduce(study, "desk", tmp_path / "out", records=tmp_path / "kept", where=QUIET)
    assert not (tmp_path / "out/tiny").exists()
    monkeypatch.setattr(CompactClassifier, "training_step", None)
    again = reproduce(
        dataclasses.replace(study, name="twin"), "desk", tmp_path / "new", records=tmp_path / "kept", where=QUIET
    )
    assert same(again, records)
    assert len(list((tmp_path / "kept/twin").iterdir())) == len(records) + 1


def test_several_processes_leave_the_same_records(study, plain_records, tmp_path):
    assert same(reproduce(study, "desk", tmp_path / "out", where=QUIET, launcher=LocalLauncher(jobs=2)), plain_records)


class KillOnce:
    """Kills one of some processes, whose command line holds ``word``, when a line is told that begins with ``sign``."""

    def __init__(self, word, sign, among) -> None:
        self.word, self.sign, self.among = word, sign, among
        self.killed: int | None = None

    def __call__(self, line: str) -> None:
        if self.killed is None and line.startswith(self.sign):
            for process in self.among():
                with contextlib.suppress(psutil.Error):  # it has just ended
                    if self.word in " ".join(process.cmdline()):
                        process.send_signal(signal.SIGKILL)
                        self.killed = process.pid
                        return


@pytest.mark.parametrize("sign", ["[", "folder:"], ids=["in the midst of a run", "before it has begun"])
def test_a_worker_that_is_killed_leaves_its_run_to_another(tiny_run, tmp_path, sign):
    study = study_of(tiny_run, epochs=40)
    alone = [train(run, tmp_path / "alone" / run.run_id, QUIET) for run in study.runs("desk", {})]
    kill_once = KillOnce("spawn_main", sign, lambda: psutil.Process().children(recursive=True))
    records = reproduce(study, "desk", tmp_path / "out", where=QUIET, launcher=LocalLauncher(jobs=2), say=kill_once)
    assert kill_once.killed
    assert same(records, alone)


SCRIPT = """
import sys
from pathlib import Path
from sigma2r.studies.launch import LocalLauncher
from sigma2r.studies.record import read_json
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where
from tests.studies.test_reproduce import study_of

if __name__ == "__main__":
    study = study_of(Run.from_dict(read_json(Path(sys.argv[1]))), epochs=30)
    reproduce(study, "desk", Path(sys.argv[2]), where=Where(device="cpu", progress=False),
              launcher=LocalLauncher(int(sys.argv[3])))
"""


def written_since(moment: float, folder: Path) -> bool:
    """Whether a process that began then has begun to train: it writes a checkpoint after each epoch."""
    return any(path.stat().st_mtime > moment for path in folder.rglob("last.ckpt"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_killed_at_any_moment_ends_with_the_same_records(tiny_run, tmp_path, jobs):
    study = study_of(tiny_run, epochs=30)
    alone = [train(run, tmp_path / "alone" / run.run_id, QUIET) for run in study.runs("desk", {})]
    tenth = sum(record.seconds["total"] for record in alone) / 10
    (tmp_path / "run.json").write_text(json.dumps(tiny_run.as_dict()))
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    words = [sys.executable, tmp_path / "script.py", tmp_path / "run.json", tmp_path / "out", str(jobs)]
    moments, kills = random.Random(jobs), 0
    for _ in range(4):
        started = time.time()
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while kills < 3 and process.poll() is None and not written_since(started, tmp_path / "out/runs"):
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0, tenth) if kills < 3 else 600)
        if process.poll() is None:
            process.kill()
            kills += 1
        _, told = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, told.decode()
        time.sleep(1)  # workers notice that they are alone
    assert kills == 3
    left = [Record.read(tmp_path / f"out/tiny/{run.run_id}.json") for run in study.runs("desk", {})]
    assert same(left, alone)


def test_a_ray_cluster_leaves_the_same_records_though_a_task_is_killed(tiny_run, tmp_path):
    study = study_of(tiny_run, epochs=15)
    alone = [train(run, tmp_path / "alone" / run.run_id, QUIET) for run in study.runs("desk", {})]
    kill_once = KillOnce("_do_with_threads", "[", psutil.process_iter)
    root = Path(__file__).parent.parent.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        launcher = RayLauncher("local")
        records = reproduce(study, "desk", tmp_path / "out", where=QUIET, launcher=launcher, say=kill_once)
    assert kill_once.killed
    assert same(records, alone)


def test_an_error_of_a_run_is_told_whoever_trains(tiny_run, tmp_path):
    gone = dataclasses.replace(tiny_run, dataset=f"folder:{tmp_path / 'gone'}")
    for i, launcher in enumerate((LocalLauncher(1), LocalLauncher(2), RayLauncher("local"))):
        with pytest.raises(ValueError, match="gone"):
            reproduce(study_of(gone), "desk", tmp_path / str(i), where=QUIET, launcher=launcher)


def test_a_launcher_tells_of_each_task_as_it_begins_and_ends(study, tmp_path):
    tasks = [Task(run, run_folder(tmp_path, run), QUIET) for run in study.runs("desk", {})]
    events = list(LocalLauncher(1)(tasks))
    assert [type(event) for event in events] == [Started, Finished] * 4
    assert [event.task for event in events[::2]] == tasks


def test_a_run_that_diverges_has_a_record_that_says_so(tiny_run, tmp_path, monkeypatch):
    wild = dataclasses.replace(tiny_run, lr=1e30, loss="cross-entropy", loss_options={})
    study = study_of(tiny_run)
    bad = dataclasses.replace(study, parts=lambda scale, done: [Part(name="a", title="", text="", runs=(wild,))])
    said = []
    (record,) = reproduce(bad, "desk", tmp_path, where=QUIET, say=said.append)
    assert "epoch 1" in record.diverged
    assert "diverged" in said[-1]
    monkeypatch.setattr(CompactClassifier, "training_step", None)
    assert reproduce(bad, "desk", tmp_path, where=QUIET)[0].diverged == record.diverged


def test_a_damaged_record_is_set_aside_and_its_run_trained_again(study, plain_records, tmp_path):
    reproduce(study, "desk", tmp_path / "out", where=QUIET)
    first = study.runs("desk", {})[0]
    kept = tmp_path / f"out/tiny/{first.run_id}.json"
    for path in (kept, run_folder(tmp_path / "out/runs", first) / "record.json"):
        path.write_text(path.read_text()[:100])
    said = []
    with pytest.warns(UserWarning, match=r"record.json must hold JSON.*Set aside as record.json.broken-1"):
        records = reproduce(study, "desk", tmp_path / "out", where=QUIET, say=said.append)
    assert "Set aside" in said[0]
    assert same(records, plain_records)
    assert (tmp_path / f"out/tiny/{first.run_id}.json.broken-1").stat().st_size == 100


def test_a_damaged_checkpoint_is_set_aside_and_the_run_starts_over(tiny_run, tmp_path):
    whole = train(tiny_run, tmp_path / "run", QUIET)
    checkpoint = tmp_path / "run/checkpoints/last.ckpt"
    (tmp_path / "run/record.json").unlink()
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"cannot be loaded.*Set aside as last.ckpt.broken-1; the run starts over"):
        again = train(tiny_run, tmp_path / "run", QUIET)
    assert numbers(again) == numbers(whole)
    assert checkpoint.with_name("last.ckpt.broken-1").stat().st_size == 1000


def test_a_folder_in_which_another_process_trains_is_left_alone(tiny_run, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with FileLock(folder / LOCK), pytest.raises(ValueError, match=r"another process is training in .*run"):
        train(tiny_run, folder, QUIET)
    assert [path.name for path in folder.iterdir()] == [LOCK]
    train(dataclasses.replace(tiny_run, epochs=1), folder, QUIET)


def test_a_full_disk_is_told_and_nothing_is_lost(tiny_run, tmp_path, monkeypatch):
    open_file, calls = Path.open, []

    def full(self, mode="r", *args, **kwargs):
        if "record" in self.name and "w" in mode:
            calls.append(self)
            raise OSError(28, "No space left on device", str(self))
        return open_file(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left on device"):
        train(tiny_run, tmp_path / "run", QUIET)
    monkeypatch.undo()
    assert calls

    def must_not_train(self, batch, batch_idx):
        raise AssertionError("the checkpoint of the last epoch is there")

    monkeypatch.setattr(CompactClassifier, "training_step", must_not_train)
    assert numbers(train(tiny_run, tmp_path / "run", QUIET)) == numbers(Record.read(tmp_path / "run/record.json"))


@pytest.mark.filterwarnings("ignore:train. the first step is far from scale")  # weights are tried up to 0.4
def test_the_weight_is_chosen_on_images_set_aside(tiny_run, tmp_path):
    def parts(scale, done):
        yield from matched([tiny_run, dataclasses.replace(tiny_run, loss="center", loss_options={})], range(2), done,
                           epochs=2)  # fmt: skip

    study = dataclasses.replace(study_of(tiny_run), parts=parts)
    records = {r.run_id: r for r in reproduce(study, "desk", tmp_path, where=QUIET)}
    tuning, final = list(study.parts("desk", records))
    assert len(tuning.runs) == 8
    assert {run.validation_fraction for run in tuning.runs} == {0.1}
    assert {run.epochs for run in tuning.runs} == {2}
    for several, loss in ((tuning.runs[:4], "sigma2r"), (tuning.runs[4:], "center")):
        merits = {}
        for run in several:
            figures = records[run.run_id].final["validation"]
            merits[run.loss_weight] = (figures["accuracy"], -figures["intra_inter"])
        best = max(merits, key=merits.get)
        assert [r.loss_weight for r in final.runs if r.loss == loss] == [best] * 2
    assert {run.validation_fraction for run in final.runs} == {0.0}
    assert {run.epochs for run in final.runs} == {tiny_run.epochs}


@pytest.mark.filterwarnings("ignore:train. the first step is far from scale")  # weights are tried up to 0.4
def test_a_choice_among_weights_that_all_diverged_is_refused(tiny_run, tmp_path):
    wild = dataclasses.replace(tiny_run, lr=1e30)
    study = dataclasses.replace(study_of(tiny_run), parts=lambda scale, done: matched([wild], range(1), done, epochs=1))
    with pytest.raises(ValueError, match=r"every weight of sigma2r diverged"):
        reproduce(study, "desk", tmp_path, where=QUIET)


def test_a_study_that_does_not_exist_is_told_with_the_nearest(study):
    with pytest.raises(ValueError, match=r"unknown study 'tinny'; known: tiny. Did you mean tiny"):
        find_study("tinny", {"tiny": study})


def test_a_folder_says_which_study_it_holds(study, tmp_path):
    reproduce(study, "desk", tmp_path, where=QUIET)
    assert read_study(tmp_path / "tiny", {"tiny": study}) == (study, "desk")
    (tmp_path / "tiny/study.json").write_text('{"study": "tiny", "scale": "moon"}')
    with pytest.raises(ValueError, match="unknown scale of tiny 'moon'; known: desk, paper"):
        read_study(tmp_path / "tiny", {"tiny": study})
    (tmp_path / "tiny/study.json").write_text('{"study": 3}')
    with pytest.raises(ValueError, match="must name a study and its scale"):
        read_study(tmp_path / "tiny", {"tiny": study})


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LocalLauncher(0), "jobs must be"),
        (lambda: RayLauncher(gpus_per_run=-1), "gpus_per_run must be a finite number of at least 0"),
    ],
)
def test_a_launcher_that_makes_no_sense_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_where_runs_happen_changes_no_number(tiny_run, tmp_path):
    first = train(tiny_run, tmp_path / "a", QUIET)
    assert numbers(train(tiny_run, tmp_path / "b", Where(device="cpu", progress=False, workers=0))) == numbers(first)
