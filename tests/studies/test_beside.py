"""What the runs of a study name stands beside its file, wherever the study is started and whoever trains."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from sigma2r._resolve import folder_of, looking_beside, resolve
from sigma2r.studies.catalog import find_study
from sigma2r.studies.launch import Finished, Started, Task
from sigma2r.studies.record import Record
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.where import Where
from tests.studies.test_cli import call

QUIET = Where(device="cpu", progress=False)
STUDY = """
import torch
from torch import nn
from sigma2r.data import ImageData
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from helping_hand import SCALE

def data(split):
    images = torch.arange(12 * 64).reshape(12, 1, 8, 8) % 251
    return ImageData(images.to(torch.uint8), torch.arange(12) % 2, (OWNER, "other"))

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body, self.head = nn.Linear(64, 3), nn.Linear(3, num_classes)
    def forward(self, images):
        features = self.body(images.flatten(1))
        return features, self.head(features)

class Loss(nn.Module):
    def forward(self, features, labels): return SCALE * features.square().mean()

def parts(scale, done):
    named = {"dataset": "study.py:data", "model": "study.py:Net", "loss": LOSS}
    yield Part(name="one", title="One", text="", runs=(Run(**named, epochs=1, batch_size=6),))

STUDY = Study(name="own", title="", source="", parts=parts, settings={"short": ""})
"""


def write(folder: Path, owner: str, loss: str = "study.py:Loss@0.1") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.py").write_text(f"OWNER, LOSS = {owner!r}, {loss!r}\n{STUDY}")
    (folder / "helping_hand.py").write_text("SCALE = 1.0\n")
    (folder / "parts_of_it.py").write_text(f"from study import Loss\nOWNER = {owner!r}\n")


@pytest.fixture
def path(elsewhere) -> str:
    """Of the study that lies outside the current folder."""
    return f"{os.path.relpath(elsewhere.parent / 'sp ace/in ner')}/study.py:STUDY"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """The current folder, which has a study of the same name as the one beside it in ``sp ace/in ner``."""
    write(tmp_path / "sp ace/in ner", "study")
    write(tmp_path / "here", "somebody")
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    for name in ("study", "helping_hand", "parts_of_it"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("loss", ["study.py:Loss@0.1", "parts_of_it:Loss@0.1"], ids=["a file", "a module"])
def test_a_study_means_what_stands_beside_it_and_not_what_is_called_alike_here(elsewhere, path, capsys, loss):
    write(elsewhere.parent / "sp ace/in ner", "study", loss)
    assert call(capsys, "reproduce", path, "--progress", "false", "--device", "cpu")[::2] == (0, "")
    (kept,) = (file for file in Path("runs/studies/own").glob("*.json") if file.name != "study.json")
    assert Record.read(kept).class_names == ("study", "other")
    code, out, err = call(capsys, "reproduce", path, "--progress", "false", "--device", "cpu")
    assert (code, err) == (0, "")
    assert "Nothing is trained" in out
    assert call(capsys, "report", "runs/studies/own", "--study", path, "--out", "page")[::2] == (0, "")


@pytest.mark.filterwarnings("default")
def test_the_run_of_a_study_that_is_named_without_it_is_told_to_be_of_other_data(elsewhere, path, capsys):
    assert call(capsys, "reproduce", path, "--progress", "false", "--device", "cpu")[0] == 0
    (folder,) = Path("runs/studies/runs").iterdir()
    words = ("--dataset", "study.py:data", "--model", "study.py:Net", "--loss", "study.py:Loss@0.1", "--epochs", "1",
             "--batch_size", "6")  # fmt: skip
    code, _, err = call(capsys, "train", *words, "--progress", "false", "--device", "cpu", "--out", folder)
    assert code == 1
    assert "the train images of study.py:data are others now" in err


class Far:
    """Trains in a new process that begins in another folder and inherits nothing but the task."""

    def __init__(self, begins_in: Path) -> None:
        self.begins_in = begins_in

    def __call__(self, tasks):
        """Train each task."""
        code = (
            "import pickle, sys; from sigma2r.studies.launch.task import do\n"
            "record = do(pickle.load(sys.stdin.buffer)); sys.stdout.buffer.write(pickle.dumps(record))"
        )
        for task in tasks:
            yield Started(task)
            done = subprocess.run(
                [sys.executable, "-c", code], input=pickle.dumps(task), cwd=self.begins_in, capture_output=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr.decode()
            yield Finished(task, pickle.loads(done.stdout))


def test_a_task_carries_what_another_machine_needs_to_find_the_code_of_its_run(elsewhere, path, tmp_path):
    study = find_study(path, {})
    (tmp_path / "worker").mkdir()
    (record,) = reproduce(study, "short", Path("far"), where=QUIET, launcher=Far(tmp_path / "worker"), say=[].append)
    assert record.class_names == ("study", "other")
    assert Task(record.run, Path("far"), QUIET).beside is None


def test_a_folder_is_looked_in_first_within_the_block_alone(elsewhere, path):
    own = folder_of(path)
    assert own == elsewhere.parent / "sp ace/in ner"
    with looking_beside(own):
        assert resolve("study", "study.py:OWNER") == "study"
        assert resolve("study", "parts_of_it:OWNER") == "study"
        with looking_beside(None):
            assert resolve("study", "study.py:OWNER") == "study"
        with pytest.raises(ValueError, match=r"there is no file gone.py; .*in ner, and then .*here, was looked in"):
            resolve("study", "gone.py:OWNER")
    assert resolve("study", "study.py:OWNER") == "somebody"
    (own / "only_there.py").write_text("x = 1")
    assert folder_of("study.py:STUDY") == elsewhere
    assert folder_of("gone.py:STUDY") is None
    assert folder_of("parts_of_it:STUDY") is None
