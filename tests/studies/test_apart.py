"""Results never lie where a listing would take them for images or classes; whoever would write there is refused."""

import os
import shutil
from pathlib import Path

import pytest

from sigma2r.report import write_report
from sigma2r.studies.apart import refuse_within_data
from sigma2r.studies.comparison import AS_DESCRIBED, comparison_study
from sigma2r.studies.launch import LocalLauncher
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from tests.data.test_datasets import write_images
from tests.report.conftest import for_run, make_record
from tests.studies.test_cli import call
from tests.studies.test_folder import content_of
from tests.studies.test_train import QUIET

UP = os.pardir


@pytest.fixture
def pics(tmp_path, monkeypatch) -> Path:
    """A data set in ``pics``, of which ``test``, a class and a folder of a class are links; in the current folder."""
    pics = write_images(tmp_path / "pics")
    for place, store in (("test", "tests"), ("train/dog", "dogs"), ("train/cat/more", "cats/more")):
        (tmp_path / "store" / store).parent.mkdir(parents=True, exist_ok=True)
        if (pics / place).exists():
            (pics / place).rename(tmp_path / "store" / store)
        else:
            (tmp_path / "store" / store).mkdir()
        (pics / place).symlink_to(tmp_path / "store" / store)
    (tmp_path / "by-link").symlink_to("pics")
    (tmp_path / "to-come").symlink_to("pics/train/new")
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return pics


def refuse(dataset: str, out: str | Path, data_dir: Path | None = None) -> None:
    refuse_within_data([Run(dataset=dataset)], data_dir, [Path(out)])


WITHIN = [
    "pics", "pics/", "pics/runs", "pics/train", "pics/train/runs", "pics/train/cat/runs/a", "pics/test", "pics/val",
    "./pics/runs", f"elsewhere/{UP}/pics/runs", f"elsewhere/deep/{UP}/{UP}/pics", "by-link", "by-link/runs", "to-come",
    "to-come/run", "store/dogs", "store/dogs/runs", "store/cats/more/run", "store/tests", "store/tests/a/b",
    "pics/.runs", "pics/train/.runs",
]  # fmt: skip
APART = [
    ".", "runs", "pics-runs", "elsewhere", "store", "store/runs", "store/cats", "store/cats/runs", f"pics/{UP}/runs",
    f"pics/train/{UP}/{UP}/runs", "nowhere/at/all", "elsewhere/pics/train",
]  # fmt: skip


@pytest.mark.message
@pytest.mark.parametrize("out", WITHIN)
@pytest.mark.parametrize("dataset", ["pics", f"elsewhere/{UP}/pics", "by-link", "./pics/"])
def test_a_folder_within_the_images_is_refused_however_it_is_spelled(pics, out, dataset):
    for folder in map(Path, (out, pics.parent / out)):
        with pytest.raises(ValueError, match=r"^folder:\S+: results must lie apart from the images; ") as refused:
            refuse(f"folder:{dataset}", folder)
        assert str(refused.value).endswith(
            f"; {folder} lies in a folder that is listed for them. Choose another --out."
        )


@pytest.mark.parametrize("out", APART)
@pytest.mark.parametrize("dataset", ["pics", "by-link"])
def test_a_folder_beside_or_around_the_images_is_not(pics, out, dataset):
    for folder in (out, pics.parent / out):
        refuse(f"folder:{dataset}", folder)
    refuse("folder:nowhere", "nowhere/runs")  # nothing is listed: who needs the images says so
    refuse("folder:~nobody-of-that-name/pics", out)


def test_data_that_cannot_be_listed_are_told_by_who_needs_them(pics):
    (pics / "train/cat/loop").symlink_to(pics)
    refuse("folder:pics", "runs")
    for out in ("pics/runs", "store/dogs"):
        with pytest.raises(ValueError, match="apart"):
            refuse("folder:pics", out)
    Path("self").symlink_to("self")
    refuse("folder:pics", "self/runs")
    refuse("folder:self", "runs")


def test_a_folder_of_data_is_no_obstacle_unless_its_listing_makes_the_data_set(pics, monkeypatch):
    """Files by their names are read whatever lies beside them; a tree is listed."""
    data = pics.parent / "data"
    (data / "cifar10").mkdir(parents=True)
    write_images(data / "cifar100")
    (data / "cifar-10-batches-py").mkdir()
    write_images(data / "both/cifar10")
    (data / "both/cifar-10-batches-py").mkdir()
    for dataset in ("fashion-mnist", "fuzzy-rgb", "cifar10", "cifar100", "tests.studies.test_apart:write"):
        for out in ("data", "data/runs", "data/FashionMNIST/raw/runs", "data/cifar-10-batches-py/runs"):
            refuse(dataset, out, data)
    refuse("cifar10", "data/cifar10/runs", data)
    refuse("cifar10", "data/cifar100/runs", data)
    refuse("cifar10", "data/both/cifar10/runs", data / "both")  # its files go before a tree
    refuse("cifar100", "data/cifar100/runs", pics)
    refuse("cifar100", "data/cifar100/runs")
    for out in ("data/cifar100", "data/cifar100/runs", "data/cifar100/train/runs"):
        with pytest.raises(ValueError, match=r"^cifar100: results must lie apart"):
            refuse("cifar100", out, data)
    monkeypatch.setenv("SIGMA2R_DATA_DIR", "data")
    with pytest.raises(ValueError, match=r"^cifar100: results must lie apart"):
        refuse("cifar100", "data/cifar100/runs")


WORDS = ("--feature_dim", "2", "--epochs", "1", "--progress", "false", "--image_size", "8", "--device", "cpu")


@pytest.mark.message
@pytest.mark.parametrize("verb", ["train", "compare"])
@pytest.mark.parametrize("out", ["pics", "pics/runs", "by-link/train/runs", "store/dogs/runs", "to-come"])
def test_a_refused_command_writes_nothing(pics, capsys, verb, out):
    before = content_of(pics.parent)
    code, _, err = call(capsys, verb, "--dataset", "folder:pics", *WORDS, "--out", out)
    assert code == 1
    assert err.startswith(f"sigma2r: folder:pics: results must lie apart from the images; {out} lies in a folder")
    assert err.endswith(" Choose another --out.\n")
    assert err.count("\n") == 1
    assert content_of(pics.parent) == before


@pytest.mark.message
@pytest.mark.parametrize("verb", ["train", "compare"])
def test_the_folder_that_is_taken_where_none_is_named_is_looked_at_too(pics, capsys, monkeypatch, verb):
    monkeypatch.chdir(pics)
    before = content_of(pics)
    code, _, err = call(capsys, verb, "--dataset", "folder:.", *WORDS)
    assert (code, content_of(pics)) == (1, before)
    assert err.startswith("sigma2r: folder:.: results must lie apart from the images; runs/")


@pytest.mark.message
@pytest.mark.parametrize("name", ["runs", "comparison", "tables", "figures"])
def test_data_that_lie_where_a_comparison_writes_are_not_written_into(pics, capsys, name):
    pics.rename(name)
    before = content_of(pics.parent)
    for verb in (["compare", "--out", "."], ["compare", "--out", pics.parent]):
        code, _, err = call(capsys, *verb, "--dataset", f"folder:{name}", *WORDS)
        assert (code, err.count("\n")) == (1, 1)
        assert f"results must lie apart from the images; {Path(verb[-1]) / name} lies in a" in err
        assert content_of(pics.parent) == before


def test_data_within_the_folder_of_results_are_read(pics, capsys):
    pics.joinpath("train/cat/more").unlink()
    code, _, err = call(
        capsys, "compare", "--losses", "cross-entropy", "--dataset", "folder:pics", *WORDS, "--out", "."
    )
    assert (code, err) == (0, "")
    assert Path("report.html").exists()
    assert len(list(Path("runs").glob("*/record.json"))) == 1


@pytest.fixture
def study(tmp_path):
    """The file of a study on ``folder:pics``."""
    (tmp_path / "study.py").write_text(
        "from sigma2r.studies.study import Part, Study\nfrom sigma2r.studies.run import Run\n"
        "part = Part(name='all', title='All', text='', runs=(Run(dataset='folder:pics', epochs=1, image_size=8),))\n"
        "STUDY = Study(name='mine', title='Mine', source='', parts=lambda scale, done: iter([part]),\n"
        "              settings={'desk': 'Little.', 'all': 'All.'})\n"
    )
    return "study.py:STUDY"


@pytest.mark.message
@pytest.mark.parametrize("scale", ["desk", "all"])
@pytest.mark.parametrize(
    ("out", "flag"),
    [("pics", "--out"), ("pics/train/runs", "--out"), ("by-link", "--records"), ("pics/kept", "--records")],
)
def test_a_study_is_kept_apart_from_its_images(pics, study, capsys, out, flag, scale):
    before = content_of(pics.parent)
    other = {"--out": "--records", "--records": "--out"}[flag]
    code, printed, err = call(capsys, "reproduce", study, "--scale", scale, flag, out, other, "fine", "--device", "cpu")
    assert (code, printed) == (1, "")
    assert err.startswith("sigma2r: folder:pics: results must lie apart from the images; ")
    assert err.endswith(f" Choose another {flag}.\n")
    after = content_of(pics.parent)
    assert {path: content for path, content in after.items() if "__pycache__" not in str(path)} == before


@pytest.mark.message
@pytest.mark.parametrize("name", ["runs", "mine", "mine/figures"])
def test_a_study_does_not_keep_what_it_leaves_in_images_of_such_a_name(pics, study, capsys, name):
    Path(name).parent.mkdir(exist_ok=True)
    pics.rename(name)
    (Path(name) / "test").unlink()
    (Path(name) / "test").symlink_to(pics.parent / "store/tests")
    Path("study.py").write_text(Path("study.py").read_text().replace("folder:pics", f"folder:{name}"))
    for words in (["--out", "."], ["--out", "fine", "--records", "."])[: 2 if name == "mine" else 1]:
        code, _, err = call(capsys, "reproduce", study, *words, "--device", "cpu")
        assert (code, err.count("\n")) == (1, 1)
        assert f"; {name} lies in a folder that is listed" in err


@pytest.mark.message
def test_in_python_it_is_refused_too(pics):
    run = Run(dataset="folder:pics", epochs=1, image_size=8)
    study = comparison_study(run, ["center@0.1"], 1)
    record = make_record("center@0.1", dataset="folder:pics")
    before = content_of(pics.parent)
    for write in (
        lambda out: train(run, out, QUIET),
        lambda out: reproduce(study, AS_DESCRIBED, out, where=QUIET, launcher=LocalLauncher(2)),
        lambda out: reproduce(study, AS_DESCRIBED, Path("fine"), records=out, where=QUIET),
        lambda out: write_report([record], out),
    ):
        for out in (pics, pics / "runs", Path("store/dogs/runs")):
            with pytest.raises(ValueError, match=r"^folder:pics: results must lie apart from the images; "):
                write(out)
    pics.rename("figures")
    with pytest.raises(ValueError, match=r"; figures lies in a folder"):
        write_report([make_record("center@0.1", dataset="folder:figures")], Path())
    Path("figures").rename(pics)
    assert content_of(pics.parent) == before


@pytest.mark.message
@pytest.mark.parametrize("kind", ["runs", "a study", "studies"])
def test_a_report_is_kept_apart_from_the_images_of_its_records(pics, study, capsys, kind):
    record = for_run(make_record("cross-entropy"), Run(dataset="folder:pics", epochs=1, image_size=8))
    kept = {"runs": "kept/a", "a study": "kept", "studies": "kept/mine"}[kind]
    Path(kept).mkdir(parents=True)
    record.write(Path(kept) / ("record.json" if kind == "runs" else f"{record.run_id}.json"))
    if kind != "runs":
        (Path(kept) / "study.json").write_text('{"study": "study.py:STUDY", "scale": "desk"}')
    own = [] if kind == "runs" else ["--study", study]
    for out in ("pics", "pics/train/page", "store/dogs"):
        before = content_of(pics)
        code, _, err = call(capsys, "report", "kept", "--out", out, *own)
        assert code == 1
        assert err.startswith(f"sigma2r: folder:pics: results must lie apart from the images; {out} lies in a folder")
        assert err.count("\n") == 1
        assert content_of(pics) == before
    shutil.copytree("kept", "pics/kept")
    code, _, err = call(capsys, "report", "pics/kept", *own)  # the report's folder is then that of the records
    assert (code, "; pics/kept lies in a folder" in err) == (1, True)
