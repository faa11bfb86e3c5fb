"""A result belongs to the data that it came from: what changes them is noticed, wherever the result is used."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r._absent import AbsentError
from sigma2r.data import ImageData, load_images
from sigma2r.studies.comparison import AS_DESCRIBED, comparison_study
from sigma2r.studies.record import Record
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.train import train
from tests.data.test_datasets import write_tiny_fashion
from tests.studies.test_cli import call
from tests.studies.test_folder import PowerCut, content_of, cut_after
from tests.studies.test_train import QUIET


@pytest.fixture
def own(tiny, tmp_path):
    """A copy of the tiny folder that may be changed."""
    shutil.copytree(tiny.removeprefix("folder:"), tmp_path / "photos")
    return tmp_path / "photos"


def added(folder: Path) -> None:
    shutil.copy(folder / "train/dark/0.png", folder / "train/dark/new.png")


def deleted(folder: Path) -> None:
    (folder / "train/gray/3.png").unlink()


def overwritten(folder: Path) -> None:
    shutil.copy(folder / "train/light/1.png", folder / "train/dark/0.png")


def of_the_test(folder: Path) -> None:
    shutil.copy(folder / "test/light/1.png", folder / "test/dark/0.png")


def moved(folder: Path) -> None:
    (folder / "train/dark/0.png").rename(folder / "train/light/99.png")


def renamed(folder: Path) -> None:
    for split in ("train", "test"):
        (folder / split / "dark").rename(folder / split / "black")


def a_class_more(folder: Path) -> None:
    for split in ("train", "test"):
        shutil.copytree(folder / split / "dark", folder / split / "night")


CHANGES = (added, deleted, overwritten, of_the_test, moved, renamed, a_class_more)
OTHERS = r"images of folder:.*photos are others now \(\d+ images, \d classes, .*; then \d+ images, 3 classes"


def refused_once_changed(change, own, tiny_run, tmp_path, message):
    """A run in ``run`` and a comparison in ``several``, both of which refuse to tell their records after ``change``."""
    run = dataclasses.replace(tiny_run, dataset=f"folder:{own}", epochs=1)
    study = comparison_study(dataclasses.replace(run, loss_options={}), ["center@0.1"], 1)
    train(run, tmp_path / "run", QUIET)
    reproduce(study, AS_DESCRIBED, tmp_path / "several", where=QUIET)
    change(own)
    before = content_of(tmp_path)
    with pytest.raises(ValueError, match=message):
        train(run, tmp_path / "run", QUIET)
    with pytest.raises(ValueError, match=message):
        reproduce(study, AS_DESCRIBED, tmp_path / "several", where=QUIET)
    assert content_of(tmp_path) == before
    return run


@pytest.mark.parametrize("change", CHANGES)
def test_a_record_of_other_data_is_not_told_as_the_result(own, tiny_run, tmp_path, change):
    run = refused_once_changed(change, own, tiny_run, tmp_path, OTHERS)
    assert train(run, tmp_path / "again", QUIET).data != Record.read(tmp_path / "run/record.json").data


def a_class_in_train_alone(folder: Path) -> None:
    shutil.copytree(folder / "train/dark", folder / "train/night")


def cut_off(folder: Path) -> None:
    path = folder / "train/gray/3.png"
    path.write_bytes(path.read_bytes()[:45])  # within its pixels


def of_another_size(folder: Path) -> None:
    Image.new("L", (9, 9)).save(folder / "train/dark/1.png")


def a_class_without_test_images(folder: Path) -> None:
    for path in (folder / "test/dark").iterdir():
        path.unlink()


def without_test(folder: Path) -> None:
    shutil.rmtree(folder / "test")


def emptied(folder: Path) -> None:
    for split in ("train", "test"):
        shutil.rmtree(folder / split)


def a_file_for_a_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


USELESS = {
    a_class_in_train_alone: r"they differ in: night",
    cut_off: r"gray/3.png must be a readable image",
    of_another_size: r"1.png must have the size of the other images",
    a_class_without_test_images: r"each class must have images",
    without_test: r"test/ is missing",
    emptied: r"train/ is missing",
    a_file_for_a_folder: r"must be a folder; it is a file",
}


@pytest.mark.parametrize("change", USELESS)
def test_a_record_is_not_told_as_the_result_of_data_that_cannot_be_used_any_more(own, tiny_run, tmp_path, change):
    message = rf"those of folder:.*photos are others now, .*: .*{USELESS[change]}[^\n]*\. Choose another --out [^\n]*$"
    refused_once_changed(change, own, tiny_run, tmp_path, message)


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_does_not_go_on_with_other_data(own, tiny_run, tmp_path, monkeypatch, change):
    run = dataclasses.replace(tiny_run, dataset=f"folder:{own}")
    with monkeypatch.context() as patch:
        cut_after(patch, 2)
        with pytest.raises(PowerCut):
            train(run, tmp_path / "run", QUIET)
    change(own)
    before = content_of(tmp_path)
    with pytest.raises(ValueError, match=OTHERS):
        train(run, tmp_path / "run", QUIET)
    assert content_of(tmp_path) == before


def test_the_same_data_in_another_folder_are_the_same(own, tiny, tiny_run, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    for place in ("here", "there"):
        (tmp_path / place / "data").symlink_to(own if place == "here" else tiny.removeprefix("folder:"))
    run = dataclasses.replace(tiny_run, dataset="folder:data", epochs=1)
    monkeypatch.chdir(tmp_path / "here")
    first = train(run, tmp_path / "run", QUIET)
    monkeypatch.chdir(tmp_path / "there")
    assert train(run, tmp_path / "run", QUIET).as_dict() == first.as_dict()
    overwritten(own)
    monkeypatch.chdir(tmp_path / "here")  # the same words mean other data here
    with pytest.raises(ValueError, match=r"images of folder:data are others now"):
        train(run, tmp_path / "run", QUIET)


def test_a_record_from_before_data_were_told_still_serves(own, tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, dataset=f"folder:{own}", epochs=1)
    train(run, tmp_path / "run", QUIET)
    path = tmp_path / "run/record.json"
    values = json.loads(path.read_text())
    del values["data"]
    path.write_text(json.dumps(values))
    added(own)
    assert train(run, tmp_path / "run", QUIET).data is None


@pytest.mark.filterwarnings("default")
def test_data_that_are_gone_are_told_and_the_record_still_serves(own, tiny_run, tmp_path):
    run = dataclasses.replace(tiny_run, dataset=f"folder:{own}", epochs=1)
    first = train(run, tmp_path / "run", QUIET)
    shutil.rmtree(own)
    with pytest.warns(UserWarning, match=r"cannot be looked at, so its record may be of other data: .*photos"):
        assert train(run, tmp_path / "run", QUIET).as_dict() == first.as_dict()


@pytest.mark.filterwarnings("default")
def test_a_module_of_data_that_is_gone_is_told_and_a_function_that_fails_is_refused(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        "import torch, sigma2r.data as d\ndef bars(split):\n    values = torch.arange(24)\n    return d.ImageData("
        "values.view(24, 1, 1, 1).expand(24, 1, 8, 8).to(torch.uint8), values % 3, ('a', 'b', 'c'))\n"
    )
    for name, after in (("gone.py", None), ("failing.py", "def bars(split):\n    return open('gone.bin')\n")):
        path = tmp_path / name
        path.write_text(text)
        run = dataclasses.replace(tiny_run, dataset=f"{name}:bars", epochs=1, augmentation=None)
        first = train(run, tmp_path / path.stem, QUIET)
        for module in [module for module in sys.modules if module.startswith(f"{path.stem}_")]:
            monkeypatch.delitem(sys.modules, module)  # as in another process
        if after is None:
            path.unlink()
            with pytest.warns(UserWarning, match=r"cannot be looked at, so .*: resolve: .* there is no file gone.py"):
                assert train(run, tmp_path / path.stem, QUIET).as_dict() == first.as_dict()
        else:
            path.write_text(after)
            with (
                pytest.warns(UserWarning, match=r"the code of failing.py:bars has changed"),
                pytest.raises(ValueError, match=r"are others now, which cannot be used: .*FileNotFoundError.*--out"),
            ):
                train(run, tmp_path / path.stem, QUIET)


def test_files_of_a_named_data_set_are_absent_only_where_none_is_there(tmp_path):
    for name in ("fashion-mnist", "cifar10", "cifar100"):
        with pytest.raises(AbsentError, match=rf"^{name}: "):
            load_images(name, "train", data_dir=tmp_path)
    write_tiny_fashion(tmp_path)
    for name in ("t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "train-images-idx3-ubyte"):
        (tmp_path / name).unlink()
        with pytest.raises(ValueError, match=r"^fashion-mnist: .* must lie in one of") as refused:
            load_images("fashion-mnist", name.split("-")[0].replace("t10k", "test"), data_dir=tmp_path)
        assert type(refused.value) is ValueError
    (tmp_path / "cifar10/test").mkdir(parents=True)
    (tmp_path / "cifar-100-python").mkdir()
    for name in ("cifar10", "cifar100"):
        with pytest.raises(ValueError, match=rf"^{name}: ") as refused:
            load_images(name, "train", data_dir=tmp_path)
        assert type(refused.value) is ValueError


def test_a_data_set_of_ones_own_is_looked_at_too(tiny_run, tmp_path, monkeypatch):
    shift = 0

    def bars(split):
        images = (torch.arange(24).view(24, 1, 1, 1) * 10 + shift).expand(24, 1, 8, 8).to(torch.uint8).clone()
        return ImageData(images, torch.arange(24) % 3, ("a", "b", "c"))

    monkeypatch.setattr("tests.studies.test_data.bars", bars, raising=False)
    run = dataclasses.replace(tiny_run, dataset="tests.studies.test_data:bars", epochs=1, augmentation=None)
    train(run, tmp_path / "run", QUIET)
    train(run, tmp_path / "run", QUIET)
    shift = 1
    with pytest.raises(ValueError, match=r"images of tests.studies.test_data:bars are others now"):
        train(run, tmp_path / "run", QUIET)


def test_the_command_line_says_it_in_one_sentence(own, tmp_path, capsys):
    words = ["--dataset", f"folder:{own}", "--feature_dim", "2", "--epochs", "1", "--batch_size", "36", "--progress",
             "false", "--out", tmp_path / "out"]  # fmt: skip
    assert call(capsys, "compare", "--losses", "center@0.1", *words)[0] == 0
    added(own)
    code, out, err = call(capsys, "compare", "--losses", "center@0.1", *words)
    assert code == 1
    assert err.count("\n") == 1
    assert "are others now (73 images, 3 classes" in err
    assert "accuracy" not in out
