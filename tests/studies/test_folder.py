"""The folder of a run: what a kill, a flipped bit or a wrong command leaves, and that nothing is lost or pretended."""

import dataclasses
import functools
import json
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch

from sigma2r.studies.fit import fit
from sigma2r.studies.launch.task import Task, do
from sigma2r.studies.record import Record
from sigma2r.studies.train import train
from sigma2r.training import checkpoints
from sigma2r.training.history import History
from tests.studies.test_train import QUIET, numbers


class PowerCut(BaseException):
    """Stops a training where it stands."""


def cut_after(monkeypatch, count):
    """Let the power fail when so many checkpoints have been written."""
    written = []
    save = checkpoints.WholeFiles.save_checkpoint

    def saves(self, checkpoint, path, storage_options=None):
        if len(written) == count:
            raise PowerCut
        written.append(Path(path).name)
        save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(checkpoints.WholeFiles, "save_checkpoint", saves)
    return written


@pytest.fixture
def rated(monkeypatch):
    """Validation accuracies that rise, and then fall."""
    accuracies = {1: 0.3, 2: 0.7, 3: 0.9, 4: 0.5}
    end = History.on_train_epoch_end

    def rate(self, trainer, pl_module):
        end(self, trainer, pl_module)
        self.entries[-1]["validation"]["accuracy"] = accuracies[self.entries[-1]["epoch"]]

    monkeypatch.setattr(History, "on_train_epoch_end", rate)


@pytest.mark.parametrize("count", range(8))
def test_the_best_checkpoint_is_the_best_wherever_the_power_fails(tiny_run, tmp_path, monkeypatch, rated, count):
    run = dataclasses.replace(tiny_run, validation_fraction=0.25)
    with monkeypatch.context() as patch:
        written = cut_after(patch, count)
        try:
            train(run, tmp_path / "run", QUIET)
        except PowerCut:
            assert len(written) == count
    shutil.move(tmp_path / "run", tmp_path / "moved")  # wherever it lies
    train(run, tmp_path / "moved", QUIET)
    best = torch.load(tmp_path / "moved/checkpoints/best.ckpt", weights_only=True)
    assert best["epoch"] == 2
    last = torch.load(tmp_path / "moved/checkpoints/last.ckpt", weights_only=True)
    assert last["epoch"] == 3


def test_of_equally_good_epochs_the_first_is_the_best():
    history = History(lambda *_: {}, 1, 4)
    assert history.best_epoch() is None
    history.entries = [{"epoch": e, "validation": None if e == 2 else {"accuracy": a}}
                       for e, a in ((1, 0.5), (2, 0.9), (3, 0.8), (4, 0.8))]  # fmt: skip
    assert history.best_epoch() == 3


@pytest.fixture
def unfinished(tiny_run, tmp_path, monkeypatch):
    """A folder whose run stopped in its third epoch, and what the whole run gives."""
    whole = train(tiny_run, tmp_path / "whole", QUIET)
    with monkeypatch.context() as patch:
        cut_after(patch, 2)
        with pytest.raises(PowerCut):
            train(tiny_run, tmp_path / "run", QUIET)
    return tmp_path / "run", whole


def flipped_inside(path: Path, seed: int) -> None:
    """One bit of the content of one of the checkpoint's members."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = max(archive.infolist(), key=lambda info: info.file_size)
        start = member.header_offset + 30 + len(member.filename) + 80
    place = random.Random(seed).randrange(start, start + member.file_size // 2)
    content[place] ^= 1 << random.Random(seed).randrange(8)
    path.write_bytes(content)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_noticed_and_the_run_starts_over(unfinished, tiny_run, seed):
    folder, whole = unfinished
    flipped_inside(folder / "checkpoints/last.ckpt", seed)
    with pytest.warns(UserWarning, match=r"last.ckpt cannot be gone on from: .*Set aside as last.ckpt.broken-1"):
        again = train(tiny_run, folder, QUIET)
    assert numbers(again) == numbers(whole)
    assert (folder / "checkpoints/last.ckpt.broken-1").exists()


def changed(**changes):
    """A checkpoint in which parts are replaced."""

    def change(checkpoint):
        return {**checkpoint, **{k: v(checkpoint[k]) if callable(v) else v for k, v in changes.items()}}

    return change


def without(name):
    return lambda checkpoint: {key: value for key, value in checkpoint.items() if key != name}


def history_of(**changes):
    return changed(callbacks=lambda states: {name: {**state, **changes} for name, state in states.items()})


CHECKPOINTS = {
    "empty": lambda c: {},
    "a list": lambda c: [],
    "a number": lambda c: 3,
    "no weights": without("state_dict"),
    "no optimizer": without("optimizer_states"),
    "no history": without("callbacks"),
    "no loops": without("loops"),
    "loops of nothing": changed(loops={}),
    "weights of another shape": changed(state_dict=lambda s: {k: v[:1] if v.ndim else v for k, v in s.items()}),
    "a weight missing": changed(state_dict=lambda s: dict(list(s.items())[1:])),
    "a weight that is text": changed(state_dict=lambda s: {**s, next(iter(s)): "no"}),
    "an epoch beyond": changed(epoch=99),
    "an epoch that is text": changed(epoch="1"),
    "entries of nothing": history_of(entries=None),
    "entries twice": changed(
        callbacks=lambda states: {k: {**s, "entries": 2 * s["entries"]} for k, s in states.items()}
    ),
    "another run": history_of(of="0123456789abcdef"),
    "another optimizer": changed(optimizer_states=lambda s: [{**s[0], "param_groups": s[0]["param_groups"][:1]}]),
    "no state of an optimizer": changed(optimizer_states=[]),
    "moments of another shape": changed(
        optimizer_states=lambda s: [
            {**s[0], "state": {k: {n: t.flatten()[:1] if t.ndim else t for n, t in v.items()}
                               for k, v in s[0]["state"].items()}}
        ]
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("change", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit_is_set_aside_and_the_run_starts_over(unfinished, tiny_run, change):
    folder, whole = unfinished
    path = folder / "checkpoints/last.ckpt"
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.warns(UserWarning, match=r"Set aside as last.ckpt.broken-1; the run starts over") as told:
        again = train(tiny_run, folder, QUIET)
    assert len([w for w in told if "last.ckpt" in str(w.message)]) == 1
    assert "weights_only" not in str(told[0].message)  # torch's advice to load it unsafely
    assert numbers(again) == numbers(whole)


def test_what_a_kill_left_of_a_file_is_swept_and_blocks_nothing(tiny_run, tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    parts = [folder / ".run.json.1.part", folder / "checkpoints/.last.ckpt.77.part"]
    for part in parts[:1]:
        part.touch()
    (folder / "checkpoints").rmdir()
    train(dataclasses.replace(tiny_run, epochs=1), folder, QUIET)
    assert not any(part.exists() for part in parts)
    (folder / "record.json").unlink()
    parts[1].touch()
    train(dataclasses.replace(tiny_run, epochs=1), folder, QUIET)
    assert not any(part.exists() for part in parts)


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.message
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "folder:gone"}, "gone"),
        ({"model": "gone.py:Model"}, "there is no file gone.py"),
        ({"layers": ("nowhere",), "loss": "contrastive@0.1", "loss_options": {}}, "unknown layer"),
        ({"validation_fraction": 0.001}, "sets no image aside"),
        ({"precision": "16-mixed"}, "16-mixed needs a GPU"),
    ],
    ids=str,
)
def test_a_run_that_is_refused_leaves_nothing_and_the_corrected_command_goes(tiny_run, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(dataclasses.replace(tiny_run, epochs=1, **changes), tmp_path / "deep/run", QUIET)
    assert content_of(tmp_path) == {}
    train(dataclasses.replace(tiny_run, epochs=1), tmp_path / "deep/run", QUIET)


@pytest.mark.message
@pytest.mark.parametrize("name", ["thesis.txt", "record.json", "run.json"])
def test_a_refused_command_changes_nothing(tiny_run, tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    other = dataclasses.replace(tiny_run, lr=0.5).as_dict()
    (folder / name).write_text(json.dumps(other) if name == "run.json" else '{"precious": true}')
    before = content_of(folder)
    with pytest.raises(ValueError, match=r"holds (other files|another run)"):
        train(tiny_run, folder, QUIET)
    assert content_of(folder) == before
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(ValueError, match="must be a folder"):
        train(tiny_run, file, QUIET)
    assert file.read_text() == "precious"


@pytest.mark.filterwarnings("default")
def test_a_damaged_description_is_set_aside(unfinished, tiny_run):
    folder, whole = unfinished
    (folder / "run.json").write_text("{")
    with pytest.warns(UserWarning, match=r"run.json is damaged. Set aside as run.json.broken-1"):
        assert numbers(train(tiny_run, folder, QUIET)) == numbers(whole)
    assert Record.read(folder / "record.json").run == tiny_run


@pytest.mark.parametrize("loss", ["cross-entropy", "center@0.1", "sigma2r@0.01", "git@0.01"])
def test_64_bit_runs_go_on_bit_for_bit(tiny_run, tmp_path, monkeypatch, loss):
    run = dataclasses.replace(tiny_run, precision="64-true", loss=loss, loss_options={}, batch_size=24)
    whole = train(run, tmp_path / "whole", QUIET)
    with monkeypatch.context() as patch:
        cut_after(patch, 2)
        with pytest.raises(PowerCut):
            train(run, tmp_path / "cut", QUIET)
    assert numbers(train(run, tmp_path / "cut", QUIET)) == numbers(whole)
    states = [torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
              for name in ("whole", "cut")]  # fmt: skip
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(value.dtype == torch.float64 for value in states[0].values())


def test_a_task_is_done_where_it_was_said_whatever_folder_its_process_is_in(tiny_run, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "cluster").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("data").symlink_to(tiny_run.dataset.removeprefix("folder:"))
    task = Task(dataclasses.replace(tiny_run, dataset="folder:data", epochs=1), Path("out"), QUIET)
    monkeypatch.chdir(tmp_path / "cluster")
    do(task)
    assert (tmp_path / "here/out/record.json").exists()
    assert list((tmp_path / "cluster").iterdir()) == []
    assert Path.cwd() == tmp_path / "cluster"


STOPPED = "sigma2r: {how}; the same command goes on after the last finished epoch.\n"


@pytest.mark.parametrize(
    ("verb", "number", "code", "how"),
    [
        ("train", signal.SIGTERM, 143, "stopped by SIGTERM"),
        ("train", signal.SIGINT, 130, "interrupted"),
        ("compare", signal.SIGTERM, 143, "stopped by SIGTERM"),
        ("compare --jobs 2", signal.SIGTERM, 143, "stopped by SIGTERM"),
        ("compare --jobs 2", signal.SIGINT, 130, "interrupted"),
    ],
)
def test_a_signal_is_told_by_the_exit_code_and_a_sentence(tiny, tmp_path, verb, number, code, how):
    sizes = ("--feature_dim", "2", "--batch_size", "36", "--epochs", "4000", "--measure_every", "0")
    long = (*sizes, "--progress", "false")
    words = [sys.executable, "-m", "sigma2r", *verb.split(), *long, "--dataset", tiny, "--out", str(tmp_path / "out")]
    hears = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whatever the shell of the tests ignores
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hears)
    while process.poll() is None and not list(tmp_path.rglob("last.ckpt")):
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert (process.returncode, told) == (code, STOPPED.format(how=how))
    assert not list(tmp_path.rglob("record.json"))


def test_a_half_precision_run_of_a_gpu_is_refused_on_a_cpu(tiny_run):
    with pytest.raises(ValueError, match=r"16-mixed needs a GPU.*bf16-mixed"):
        fit(dataclasses.replace(tiny_run, precision="16-mixed"), QUIET)
