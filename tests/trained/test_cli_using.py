"""``sigma2r embed`` and ``sigma2r predict``, end to end, as a user calls them, and what they load."""

import csv
import functools
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sigma2r
from sigma2r.cli.parser import build_parser
from sigma2r.cli.words import USES
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from tests.studies.test_cli import call
from tests.trained.conftest import QUIET

PROGRAM = Path(sys.executable).parent / "sigma2r"
TRAINING = ("pytorch_lightning", "lightning_fabric", "torchmetrics", "tensorboard", "jsonargparse", "sigma2r.training")


def final(run: Path, split: str = "test") -> float:
    return json.loads((run / "record.json").read_text())["final"][split]["accuracy"]


def test_predict_writes_a_row_for_each_image_and_tells_the_accuracy(worn, clothes, tmp_path, capsys):
    out = tmp_path / "p.csv"
    code, said, err = call(capsys, "predict", worn, f"folder:{clothes}", "--out", out, "--device", "cpu")
    assert (code, err) == (0, "")
    assert said == f"120 images; accuracy {final(worn):.4f}.\nPredictions: {out}\n"
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == 120
    assert sum(row["label"] == row["class"] for row in rows) / 120 == pytest.approx(final(worn), abs=1e-7)


def test_embed_writes_what_python_gives(worn, clothes, tmp_path, capsys):
    words = ("embed", worn, clothes / "test", "--out", tmp_path / "f.npz", "--batch-size", "50", "--device", "cpu")
    code, said, err = call(capsys, *words)
    assert (code, err) == (0, "")
    assert said.endswith(f"\nFeatures: {tmp_path / 'f.npz'}\n")
    trained = sigma2r.load(worn, device="cpu")
    with np.load(tmp_path / "f.npz") as held:
        expected = trained.embed(clothes / "test", batch_size=50).numpy()
        assert np.array_equal(held["features"], expected)
    assert call(capsys, *words[:4], tmp_path / "g.parquet", "--workers", "0")[0] == 0


def test_options_reach_the_run_and_its_images(made, clothes, tmp_path, capsys):
    code, said, _ = call(capsys, "predict", made, "fuzzy-rgb", "--split", "train", "--out", tmp_path / "a.csv")
    assert code == 0
    assert said.startswith("9,000 images; accuracy 0.")
    assert call(capsys, "predict", made, "fuzzy-rgb", "--checkpoint", "best", "--out", tmp_path / "a.csv")[0] == 0
    image = clothes / "test/Bag/0.png"  # 28 x 28 and gray, for a network of 32 x 32 and RGB
    assert call(capsys, "predict", made, image, "--out", tmp_path / "b.csv")[0] == 3
    assert call(capsys, "predict", made, image, "--resize", "crop", "--out", tmp_path / "b.csv")[0] == 0
    assert call(capsys, "predict", made, image, "--resize", "refuse", "--out", tmp_path / "b.csv")[0] == 3


def test_into_a_pipe_it_writes_rows_and_tells_how_many_could_not_be_read(worn, clothes, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [clothes / "test/Bag/0.png", tmp_path / "bad.png", clothes / "test/Bag/1.png"]
    told = subprocess.run([PROGRAM, "predict", worn, *paths], capture_output=True, text=True, check=False)
    assert told.returncode == 3
    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert [bool(row["class"]) for row in rows] == [True, False, True]
    assert rows[1]["problem"].startswith(f"{paths[1]} must be a readable image")
    assert told.stderr == (
        "sigma2r: 1 of 3 images could not be read; their rows say why, as of the first: " + rows[1]["problem"] + "\n"
    )


def test_a_path_among_others_that_leads_to_no_image_does_not_end_the_job(worn, clothes, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.png")
    paths = [clothes / "test/Bag/0.png", tmp_path / "gone.png", tmp_path / "pipe.png"]
    code, said, err = call(capsys, "predict", worn, *paths, "--out", tmp_path / "out/p.csv", "--workers", "1")
    assert (code, said.splitlines()[0]) == (3, "3 images.")
    assert "2 of 3 images could not be read" in err
    with (tmp_path / "out/p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["problem"].removeprefix(f"{tmp_path}/") for row in rows] == [
        "",
        "gone.png must be a file, a folder or a data set; nothing lies there.",
        "pipe.png must be a readable image; it is a pipe. Take it out.",
    ]
    assert call(capsys, "predict", worn, paths[2], "--out", tmp_path / "out/p.csv")[0] == 3


def on_a_terminal(*words: object, lines: int = 24) -> tuple[int, str]:
    """Exit code and all that is shown, where a terminal of so many lines shows it; of 0: one that has no size."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (lines, 100 if lines else 0))
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen([str(word) for word in words], stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
    return process.wait(), plain


def test_on_a_terminal_it_shows_a_table(made, worn, clothes):
    code, shown = on_a_terminal(PROGRAM, "predict", worn, clothes / "test/Bag/0.png", "--device", "cpu")
    assert code == 0
    assert all(name in shown for name in ("path", "class", "probability", "distance", "0.png"))
    assert "problem" not in shown
    assert "1 image." in shown
    code, shown = on_a_terminal(PROGRAM, "predict", made, "fuzzy-rgb", "--device", "cpu")
    assert code == 0
    assert "fuzzy-rgb/test/199" in shown
    assert "fuzzy-rgb/test/200" not in shown
    assert f"1,500 images; accuracy {final(made):.4f}." in shown
    assert "1,300 more are not shown: --out predictions.csv keeps all." in " ".join(shown.split())


def loaded(*words: object, first: str = "") -> set[str]:
    """The modules that are there after a call, or after what is imported in its place."""
    does = first or "from sigma2r.cli import main\ncode = main(sys.argv[1:])"
    script = f"import sys\ncode = 0\n{does}\nprint('\\n'.join(['', 'loaded', *sys.modules]))\nsys.exit(code)"
    call = [sys.executable, "-c", script, *map(str, words)]
    told = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    return set(told.partition("\nloaded\n")[2].split())


def test_a_run_of_timm_loads_beside_timm_what_any_run_does(made, tmp_path):
    train(Run(model="timm:test_resnet", loss="cross-entropy", epochs=1, images_per_class=20), tmp_path / "run", QUIET)
    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    modules = loaded("predict", tmp_path / "run", tmp_path / "one.png", "--device", "cpu")
    timms, any_runs = loaded(first="import timm"), loaded("predict", made, tmp_path / "one.png", "--device", "cpu")
    assert "timm" in modules
    assert modules - timms - any_runs == set()
    assert {name for name in TRAINING if name in modules} == set()


def test_nothing_of_training_is_loaded_nor_what_the_images_do_not_need(worn, made, clothes, tmp_path):
    image = clothes / "test/Bag/0.png"
    for words in (
        ("predict", worn, image),
        ("predict", made, "fuzzy-rgb"),
        ("embed", worn, clothes / "test", "--workers", "1", "--batch_size", "50", "--out", tmp_path / "f.npz"),
        ("embed", worn, image, "--out", tmp_path / "f.parquet"),
    ):
        modules = loaded(*words)
        assert "sigma2r.trained" in modules
        assert {name for name in TRAINING if name in modules} == set()
        assert "matplotlib" not in modules
        assert "torchvision" not in modules
        assert ("pyarrow" in modules) == (words[-1] == tmp_path / "f.parquet")
    assert {"jsonargparse"} <= loaded("list")  # the check can fail


def test_the_help_of_all_verbs_names_them(capsys):
    code, said, _ = call(capsys, "--help")
    assert code == 0
    for verb, what in USES.items():
        assert re.search(rf"\b{verb}\b", said)
        assert what in " ".join(said.split())
        code, said_of_verb, _ = call(capsys, verb, "--help")
        assert code == 0
        if verb == "export":
            continue  # flags of its own
        for flag in ("--checkpoint", "--own_code", "--batch_size", "--device", "--data_dir", "--download", "--workers",
                     *(["--score", "--false_rejects", "--thresholds", "--k", "--dataset"] if verb == "rejector" else
                       ["--out", "--split", "--resize", "--progress"])):  # fmt: skip
            assert flag in said_of_verb
    chosen = build_parser().parse_args(["predict", "runs/a", "a.png", "b.png", "--workers", "3"])
    assert (chosen.predict.sources, chosen.predict.workers) == (["a.png", "b.png"], 3)


@pytest.mark.message
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["predict"], 2, "the following arguments are required: run, sources. sigma2r predict --help explains."),
        (["embed", "RUN", "x.png"], 2, "the following arguments are required: --out. sigma2r embed --help explains."),
        (["predict", "RUN", "x.png", "--wrokers", "3"], 2, "unrecognized arguments: --wrokers 3. Did you mean --work"),
        (
            ["predict", "RUN", "x.png", "--workers", "-1"],
            2,
            "must be a whole number of at least 0; got '-1'.",
        ),
        (
            ["predict", "RUN", "x.png", "--batch_size", "010"],
            2,
            "--batch_size: must be a whole number of at least 1",
        ),
        (["predict", "RUN", "x.png", "--work", "1"], 2, "unrecognized arguments: --work 1. Did you mean --workers"),
        (["predict", "nowhere", "x.png"], 1, "load: nowhere must be the folder of a run; there is no such folder."),
        (["predict", "RUN", "x.png"], 1, "images: x.png must be a file, a folder or a data set; nothing lies there."),
        (
            ["predict", "RUN", "fuzzy-rgb", "--split", "dev"],
            1,
            "images: split must be train, test or val; got 'dev'.",
        ),
        (["predict", "RUN", "fuzzy-rgb", "--out", "p.txt"], 1, "predict: --out must end in .csv; got 'p.txt'."),
        (["predict", "RUN", "fuzzy-rgb", "--checkpoint", "first"], 1, "unknown checkpoint 'first'; known: last, best."),
        (["predict", "RUN", "fuzzy-rgb", "--device", "cuda:99"], 1, "load: device cuda:99 is not there"),
        (
            ["predict", "RUN", "cifar10"],
            1,
            "cifar10: --data-dir or SIGMA2R_DATA_DIR must name the folder",
        ),
    ],
    ids=str,
)
def test_a_wrong_call_is_told_in_one_line(made, tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGMA2R_DATA_DIR", raising=False)
    got, said, err = call(capsys, *(made if word == "RUN" else word for word in words))
    assert (got, said) == (code, "")
    assert err.startswith("sigma2r: ")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_files_may_stand_before_and_behind_options(made, tmp_path, capsys):
    for name in "ab":
        Image.new("RGB", (32, 32)).save(tmp_path / f"{name}.png")
    words = (made, tmp_path / "a.png", "--out", tmp_path / "p.csv", tmp_path / "b.png")
    assert call(capsys, "predict", *words)[0] == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 3


@pytest.mark.message
def test_a_library_that_is_missing_is_told_once(worn, clothes, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = call(capsys, "embed", worn, clothes / "test", "--out", tmp_path / "f.parquet")
    assert code == 1
    assert err.count("pip install") == err.count("\n") == 1
    assert err.startswith("sigma2r: a file of features in .parquet needs more (")
    assert err.endswith('pip install "sigma2r[parquet]"\n')


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_file(made, tmp_path, number, code):
    folder = tmp_path / "many"
    folder.mkdir()
    Image.new("RGB", (32, 32)).save(folder / "0.png")
    for i in range(1, 4000):
        os.link(folder / "0.png", folder / f"{i}.png")
    words = [PROGRAM, "embed", made, folder, "--out", tmp_path / "out/f.npz", "--batch_size", "1", "--workers", "0"]
    words = [str(word) for word in words]
    hears = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whatever the shell of the tests ignores
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=hears) as process:
        deadline = time.monotonic() + 100
        while not list(tmp_path.glob("out/.f.npz.*.part")):  # it writes
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=60) == code
        assert process.stderr.read().endswith("; no file was written.\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_how_far_it_is_is_told_where_that_is_asked_for(made, tmp_path, capsys):
    words = ("predict", made, "fuzzy-rgb", "--out", tmp_path / "p.csv", "--batch_size", "400")
    code, _, err = call(capsys, *words, "--progress", "true")
    assert code == 0
    assert err.splitlines() == [f"{done} of 1,500 images" for done in ("400", "800", "1,200", "1,500")]
    assert call(capsys, *words)[2] == ""
    _, shown = on_a_terminal(PROGRAM, *words)
    assert "images" in shown.partition("1,500 images; accuracy")[0]
