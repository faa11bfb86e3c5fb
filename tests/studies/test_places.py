"""Each verb on each file and folder that it reads or writes, where something else lies in its place."""

import dataclasses
import json
from pathlib import Path

import pytest

from sigma2r.cli import main
from sigma2r.studies.fit import fit
from sigma2r.studies.record import write_json
from sigma2r.studies.reproduce import Kept, reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.train import RUN_FILE, train
from sigma2r.training import Files
from tests.report.conftest import make_record
from tests.studies.test_reproduce import study_of
from tests.studies.test_train import QUIET
from tests.test_places import NO_FILES, NO_FOLDERS, lying_in

FILES = [(kind, "a file", put) for kind, put in NO_FILES.items()]
FOLDERS = [(kind, "a folder", put) for kind, put in NO_FOLDERS.items()]


def put_in_place_of(path: Path, put) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert not path.exists()
    put(path)


def refused(capsys, words, path, wanted, kind, folder):
    """The command says in one line what lies where, ends with 1, and changes nothing."""
    before = lying_in(folder)
    assert main([str(word) for word in words]) == 1
    assert capsys.readouterr().err == (
        f"sigma2r: files: {path} must be {wanted}; it is {kind}. Move it away, or choose another place.\n"
    )
    assert lying_in(folder) == before


def described_in(folder: Path) -> list:
    """A folder that a run has begun in, and the words that go on with it."""
    run = Run(images_per_class=40, feature_dim=2, epochs=1, batch_size=36, loss="cross-entropy")
    write_json(folder / RUN_FILE, run.as_dict())
    words = ["--images_per_class", 40, "--feature_dim", 2, "--epochs", 1, "--batch_size", 36, "--loss", "cross-entropy"]
    return ["train", *words, "--progress", "false", "--out", folder]


OF_A_RUN = [
    *(("record.json", *each) for each in FILES),
    *((".lock", *each) for each in FILES),
    *(("checkpoints/last.ckpt", *each) for each in FILES),
    *(("checkpoints/best.ckpt", *each) for each in FILES),
    *(("logs/tensorboard/hparams.yaml", *each) for each in FILES),
    *(("checkpoints", *each) for each in FOLDERS),
    *(("logs", *each) for each in FOLDERS),
    *(("logs/tensorboard", *each) for each in FOLDERS),
]


@pytest.mark.parametrize(("name", "kind", "wanted", "put"), OF_A_RUN)
def test_a_run_that_goes_on_meets_what_lies_in_the_place_of_its_files(tmp_path, capsys, name, kind, wanted, put):
    words = described_in(tmp_path / "run")
    put_in_place_of(tmp_path / "run" / name, put)
    refused(capsys, words, tmp_path / "run" / name, wanted, kind, tmp_path)


@pytest.mark.parametrize(("kind", "wanted", "put"), FILES)
@pytest.mark.parametrize("name", ["record.json", "run.json", ".lock"])
def test_a_new_run_meets_it_too(tmp_path, capsys, name, kind, wanted, put):
    words = described_in(tmp_path / "run")
    (tmp_path / "run" / RUN_FILE).unlink()
    put_in_place_of(tmp_path / "run" / name, put)
    refused(capsys, words, tmp_path / "run" / name, wanted, kind, tmp_path)


@pytest.mark.parametrize(("kind", "wanted", "put"), FOLDERS)
@pytest.mark.parametrize("verb", ["train", "compare", "reproduce", "figure", "report"])
def test_a_folder_that_is_none_is_refused_by_every_verb(tmp_path, capsys, verb, kind, wanted, put):
    out = tmp_path / "out"
    put_in_place_of(out, put)
    words = {
        "train": ["train", "--out", out],
        "compare": ["compare", "--out", out],
        "reproduce": ["reproduce", "table-1", "--out", out],
        "figure": ["reproduce", "figure-1", "--out", out],
        "report": ["report", out, "--out", tmp_path / "page"],
    }
    refused(capsys, words[verb], out, wanted, kind, tmp_path)
    if verb != "report":
        deeper = [word / "deep/er" if word == out else word for word in words[verb]]
        refused(capsys, deeper, out, wanted, kind, tmp_path)


KEPT = "0123456789abcdef.json"
OF_A_REPORT = [
    *(("report.html", *each) for each in FILES),
    *(("report.sha256", *each) for each in FILES),
    *(("tables", *each) for each in FOLDERS),
    *(("figures", *each) for each in FOLDERS),
]
OF_A_STUDY = [
    *((f"table-1/{name}", *each) for name, *each in OF_A_REPORT),
    *((f"table-1/{KEPT}", *each) for each in FILES),
    *(("table-1/study.json", *each) for each in FILES),
    *(("table-1", *each) for each in FOLDERS),
    *(("runs", *each) for each in FOLDERS),
]
OF_A_COMPARISON = [
    *OF_A_REPORT,
    *((f"comparison/{KEPT}", *each) for each in FILES),
    *(("comparison", *each) for each in FOLDERS),
    *(("runs", *each) for each in FOLDERS),
]


@pytest.mark.parametrize(("name", "kind", "wanted", "put"), OF_A_STUDY)
def test_a_study_meets_it_before_anything_is_trained(tmp_path, capsys, name, kind, wanted, put):
    put_in_place_of(tmp_path / "out" / name, put)
    refused(
        capsys, ["reproduce", "table-1", "--out", tmp_path / "out"], tmp_path / "out" / name, wanted, kind, tmp_path
    )


@pytest.mark.parametrize(("name", "kind", "wanted", "put"), OF_A_COMPARISON)
def test_a_comparison_meets_it_before_anything_is_trained(tmp_path, capsys, name, kind, wanted, put):
    put_in_place_of(tmp_path / "out" / name, put)
    refused(capsys, ["compare", "--out", tmp_path / "out"], tmp_path / "out" / name, wanted, kind, tmp_path)


@pytest.mark.parametrize(("kind", "wanted", "put"), FILES)
def test_what_lies_among_the_records_of_another_study_is_not_ours_to_judge(tiny_run, tmp_path, kind, wanted, put):
    put_in_place_of(tmp_path / "other" / KEPT, put)
    before = lying_in(tmp_path / "other")
    assert Kept(tmp_path, study_of(tiny_run), "desk").done == {}
    assert lying_in(tmp_path / "other") == before


def report_refused(capsys, folder, record, name, put, wanted, kind):
    """A report of one record meets what was put in the place of ``name``."""
    make_record("center@0.1").write(folder / record)
    put_in_place_of(folder / name, put)
    words = ["report", folder / "records", "--out", folder / "page"]
    refused(capsys, words, folder / name, wanted, kind, folder)


@pytest.mark.parametrize(("kind", "wanted", "put"), FILES)
@pytest.mark.parametrize(
    "name",
    [
        *("records/run/record.json", "records/study.json", "records/a/study.json"),
        *("page/report.html", "page/report.sha256"),
    ],
)
def test_a_report_meets_what_lies_in_the_place_of_a_file(tmp_path, capsys, name, kind, wanted, put):
    report_refused(capsys, tmp_path, "records/b/record.json", name, put, wanted, kind)


@pytest.mark.parametrize(("kind", "wanted", "put"), FILES)
def test_a_report_of_flat_records_meets_it_too(tmp_path, capsys, kind, wanted, put):
    report_refused(capsys, tmp_path, "records/b.json", "records/a.json", put, wanted, kind)


@pytest.mark.parametrize(("kind", "wanted", "put"), FOLDERS)
@pytest.mark.parametrize("name", ["page", "page/tables", "page/figures"])
def test_a_report_meets_what_lies_in_the_place_of_a_folder(tmp_path, capsys, name, kind, wanted, put):
    report_refused(capsys, tmp_path, "records/b/record.json", name, put, wanted, kind)


@pytest.mark.parametrize(("kind", "wanted", "put"), FOLDERS)
@pytest.mark.parametrize("data", ["folder:{}", "fashion-mnist", "cifar10"])
def test_a_folder_of_images_that_is_none_is_told(tmp_path, capsys, data, kind, wanted, put):
    put_in_place_of(tmp_path / "images", put)
    dataset = data.format(tmp_path / "images")
    beside = [] if ":" in dataset else ["--data_dir", tmp_path / "images"]
    words = ["train", "--dataset", dataset, *beside, "--out", tmp_path / "out"]
    refused(capsys, words, tmp_path / "images", wanted, kind, tmp_path)


@pytest.mark.parametrize(("kind", "wanted", "put"), FILES)
@pytest.mark.parametrize("flag", ["--model", "--loss", "--dataset"])
def test_code_of_ones_own_that_is_no_file_is_told(tmp_path, capsys, flag, kind, wanted, put):
    put_in_place_of(tmp_path / "mine.py", put)
    name = f"{tmp_path / 'mine.py'}:Mine" + ("@1" if flag == "--loss" else "")
    refused(capsys, ["train", flag, name, "--out", tmp_path / "out"], tmp_path / "mine.py", wanted, kind, tmp_path)


@pytest.mark.parametrize(("kind", "wanted", "put"), FILES)
def test_a_training_without_a_verb_meets_it_before_it_begins(tiny_run, tmp_path, kind, wanted, put):
    put_in_place_of(tmp_path / "best.ckpt", put)
    before = lying_in(tmp_path)
    files = Files(tmp_path / "last.ckpt", tmp_path / "best.ckpt", tmp_path / "logs")
    with pytest.raises(ValueError, match=f"best.ckpt must be {wanted}; it is {kind}"):
        fit(dataclasses.replace(tiny_run, epochs=1), QUIET, files)
    assert lying_in(tmp_path) == before


def test_links_to_what_belongs_there_are_no_obstacle(tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, epochs=1)
    for name in ("disk", "disk/checkpoints", "disk/logs"):
        (tmp_path / name).mkdir()
    write_json(tmp_path / "disk/run.json", run.as_dict())
    (tmp_path / "run").mkdir()
    for name in ("checkpoints", "logs", "run.json"):
        (tmp_path / "run" / name).symlink_to(tmp_path / "disk" / name)
    record = train(run, tmp_path / "run", QUIET)
    assert (tmp_path / "disk/checkpoints/last.ckpt").is_file()
    assert train(run, tmp_path / "run", QUIET) == record


def test_what_is_called_like_a_part_and_is_none_stays(tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, epochs=1)
    write_json(tmp_path / "run.json", run.as_dict())
    (tmp_path / ".mine.part").mkdir()
    (tmp_path / ".killed.part").touch()
    train(run, tmp_path, QUIET)
    assert (tmp_path / ".mine.part").is_dir()
    assert not (tmp_path / ".killed.part").exists()


def test_logs_of_an_earlier_attempt_are_never_written_over(tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, epochs=1)
    write_json(tmp_path / "run.json", run.as_dict())
    (tmp_path / "logs/csv-2").mkdir(parents=True)
    (tmp_path / "logs/csv-2/metrics.csv").write_text("of an earlier attempt")
    train(run, tmp_path, QUIET)
    assert (tmp_path / "logs/csv-2/metrics.csv").read_text() == "of an earlier attempt"
    assert (tmp_path / "logs/csv-3/metrics.csv").is_file()


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"study": 3, "scale": "desk"}', '{"study": "tiny"}', "null"])
def test_a_file_that_names_no_study_is_refused(tiny_run, tmp_path, content):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/study.json").write_text(content)
    with pytest.raises(ValueError, match=r"study\.json must name a study and its scale; "):
        reproduce(study_of(tiny_run), "desk", tmp_path, where=QUIET)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == [content]


SEEN = {"fingerprint": "0" * 16, "images": 3, "classes": 3}
WRONG_DESCRIPTIONS = {
    "data of nothing": {"data": {}},
    "data a list": {"data": [1]},
    "data of one split": {"data": {"train": SEEN}},
    "data of a number": {"data": {"train": 3, "test": 3}},
    "a fingerprint of text": {"data": {"train": {**SEEN, "fingerprint": "?"}, "test": SEEN}},
    "code a list": {"code": ["m.py:Loss"]},
    "code of another run": {"code": {"m.py:Loss": "0" * 16}},
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("change", WRONG_DESCRIPTIONS.values(), ids=WRONG_DESCRIPTIONS)
def test_a_description_that_tells_of_no_data_is_set_aside(tiny_run, tmp_path, change):
    run = dataclasses.replace(tiny_run, epochs=1)
    written = json.loads(json.dumps({**run.as_dict(), "data": None, "code": {}, **change}))
    (tmp_path / "run.json").write_text(json.dumps(written))
    with pytest.warns(UserWarning, match=r"run\.json is damaged\. Set aside as run\.json\.broken-1"):
        train(run, tmp_path, QUIET)
    assert json.loads((tmp_path / "run.json.broken-1").read_text()) == written
