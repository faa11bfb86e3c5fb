"""Progress where no terminal is: a line an epoch."""

import re
import subprocess
import sys

from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from tests.trained.test_cli_using import PROGRAM, on_a_terminal

TINY = {"loss": "cross-entropy", "feature_dim": 2, "images_per_class": 20, "batch_size": 30}


def test_where_no_terminal_is_each_epoch_is_a_line_if_asked_for(tmp_path, capsys):
    run = Run(epochs=3, measure_every=2, **TINY)
    record = train(run, tmp_path / "run", Where(device="cpu", progress=True))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [re.sub(r", \d+ s$", "", line) for line in lines] == [
        f"epoch {entry['epoch']} of 3: loss {entry['train_loss']:.4f}"
        + ("" if entry["test"] is None else f", test accuracy {entry['test']['accuracy']:.4f}")
        for entry in record.history
    ]
    assert [entry["test"] is None for entry in record.history] == [True, False, False]
    train(Run(epochs=1, **TINY), tmp_path / "other", Where(device="cpu"))
    assert capsys.readouterr() == ("", "")


def test_a_line_is_there_as_soon_as_its_epoch_has_ended(tmp_path):
    words = ["train", "--dataset", "fuzzy-rgb", "--epochs", "2", "--images_per_class", "20", "--batch_size", "30",
             "--loss", "cross-entropy", "--progress", "true", "--device", "cpu", "--out", "run"]  # fmt: skip
    script = "import sys; from sigma2r.cli import main; sys.exit(main(sys.argv[1:]))"
    call = [sys.executable, "-c", script, *words]
    with subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path) as process:
        first = process.stderr.readline()
        assert first.startswith("epoch 1 of 2: loss ")
        assert not (tmp_path / "run/record.json").exists()
        assert "epoch 2 of 2: loss " in process.stderr.read()


def test_a_terminal_shows_a_bar(tmp_path):
    words = ("--epochs", "1", "--images_per_class", "20", "--batch_size", "30", "--out", tmp_path / "run")
    code, shown = on_a_terminal(PROGRAM, "train", *words, "--device", "cpu")
    assert code == 0
    assert "Epoch 0" in shown
    assert "epoch 1 of 1" not in shown


def test_a_terminal_without_a_size_shows_lines(tmp_path):
    """On which a bar would not be seen."""
    words = ("--epochs", "1", "--images_per_class", "20", "--batch_size", "30", "--out", tmp_path / "run")
    code, shown = on_a_terminal(PROGRAM, "train", *words, "--device", "cpu", lines=0)
    assert code == 0
    assert "epoch 1 of 1: loss" in shown
    assert "Epoch 0" not in shown
