"""From a csv file or a folder of any layout to a record: what is set aside, kept, gone on from, and told."""

import csv
import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Literal

import pytest
import torch

from sigma2r.cli.verbs import described
from sigma2r.data import POLICIES, Augmentation, ImageData, default_augmentation, fingerprint, load_images
from sigma2r.data.registry import usual_image_size
from sigma2r.data.splits import load_splits
from sigma2r.report.again import commands
from sigma2r.studies.comparison import AS_DESCRIBED, comparison_study
from sigma2r.studies.data import listing_of_chosen
from sigma2r.studies.record import DamagedFileError, Record
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from tests.data.photographs import write_photographs
from tests.studies.test_cli import call
from tests.studies.test_folder import PowerCut, content_of, cut_after
from tests.studies.test_train import QUIET, numbers

SMALL = {"model": "lenet", "feature_dim": 2, "epochs": 2, "batch_size": 16, "loss": "center@0.1", "image_size": 16}
WORDS = ["--feature_dim", "2", "--epochs", "1", "--batch_size", "16", "--image_size", "16", "--progress", "false",
         "--device", "cpu"]  # fmt: skip


@pytest.fixture
def photos(tmp_path) -> Path:
    """Class folders of 8 real photographs each, and no split."""
    return write_photographs(tmp_path / "photos", count=8)


@pytest.fixture
def validated(tmp_path) -> Path:
    """train/, test/ and val/ of them."""
    whole = write_photographs(tmp_path / "whole", count=12)
    for path in sorted(whole.rglob("*.*")):
        split = ("train", "train", "test", "val")[int(path.stem) % 4]
        (tmp_path / "three" / split / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "three" / split / path.parent.name)
    return tmp_path / "three"


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_test_images_that_are_set_aside_are_recorded_and_a_data_set_themselves(photos, tmp_path, monkeypatch):
    run = Run(dataset=f"folder:{photos}", test_fraction=0.25, test_seed=4, **SMALL)
    record = train(run, tmp_path / "run", QUIET)
    assert record.data is not None
    assert record.data["test"] | {"fingerprint": ""} == {
        "fingerprint": "", "images": 8, "classes": 4, "chosen": {"fraction": 0.25, "seed": 4},
    }  # fmt: skip
    assert Record.read(tmp_path / "run/record.json").as_dict() == record.as_dict()
    with (tmp_path / "run/split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for split in ("train", "test"):
        data = load_images(run.dataset, split, image_size=16, test_fraction=0.25, test_seed=4)
        told = [(row["path"], row["label"]) for row in rows if row["split"] == split]
        assert told == [
            (str(path), data.class_names[k]) for path, k in zip(data.paths, data.labels.tolist(), strict=True)
        ]
    (photos / "zebra").mkdir()  # whatever becomes of the folder
    shutil.copy(next(photos.glob("*/00.*")), photos / "zebra/0.jpg")
    as_listed = Run(dataset=f"csv:{tmp_path / 'run/split.csv'}", **SMALL)
    again = train(as_listed, tmp_path / "again", QUIET)
    assert [each["fingerprint"] for each in again.data.values()] == [
        each["fingerprint"] for each in record.data.values()
    ]
    assert numbers(again)["history"] == numbers(record)["history"]
    assert not (tmp_path / "again/split.csv").exists()


def test_paths_in_what_is_recorded_are_as_the_user_wrote_them(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for dataset, beside, first in (
        ("folder:photos", tmp_path / "runs/one", f"{os.pardir}/{os.pardir}/photos/"),
        (f"folder:{photos}", Path("x"), f"{photos}/"),
    ):
        text = listing_of_chosen(load_splits(dataset, image_size=8, test_fraction=0.5), beside)
        lines = text.splitlines()
        assert lines[0] == "path,label,split"
        assert all(line.startswith(first) for line in lines[1:])
    there = {
        name: load_images("folder:photos", split, image_size=8, test_fraction=0.5)
        for name, split in (("train",) * 2, ("test",) * 2)
    }
    (tmp_path / "runs/one").mkdir(parents=True)
    (tmp_path / "runs/one/split.csv").write_text(
        listing_of_chosen(load_splits("folder:photos", image_size=8, test_fraction=0.5), tmp_path / "runs/one")
    )
    for split, data in there.items():
        assert fingerprint(load_images("csv:runs/one/split.csv", split, image_size=8)) == fingerprint(data)


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_run_that_was_cut_ends_as_one_that_was_not(photos, tmp_path, monkeypatch, in_memory):
    """With test images that are set aside, and the augmentation of photographs."""
    if not in_memory:
        monkeypatch.setattr("sigma2r.data.folder.IN_MEMORY_BYTES", 1)
    where = dataclasses.replace(QUIET, workers=0)
    run = Run(
        dataset=f"folder:{photos}", test_fraction=0.25, augmentation=POLICIES["photographs"], **SMALL | {"epochs": 3}
    )
    whole = train(run, tmp_path / "whole", where)
    with monkeypatch.context() as patch:
        cut_after(patch, 2)
        with pytest.raises(PowerCut):
            train(run, tmp_path / "cut", where)
    assert (tmp_path / "cut/split.csv").read_bytes() == (tmp_path / "whole/split.csv").read_bytes()
    assert numbers(train(run, tmp_path / "cut", where)) == numbers(whole)
    assert whole.history[0]["train_loss"] != whole.history[1]["train_loss"]


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_an_image_more_is_another_data_set(photos, tmp_path, monkeypatch):
    run = Run(dataset=f"folder:{photos}", test_fraction=0.25, **SMALL)
    with monkeypatch.context() as patch:
        cut_after(patch, 1)
        with pytest.raises(PowerCut):
            train(run, tmp_path / "run", QUIET)
    first = next(photos.glob("*/00.*"))
    shutil.copy(first, first.with_name("99.jpg"))
    before = content_of(tmp_path)
    with pytest.raises(ValueError, match=r"images of folder:.*photos are others now \(.*Choose another --out"):
        train(run, tmp_path / "run", QUIET)
    assert content_of(tmp_path) == before


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_images_for_validation_choose_the_best_checkpoint(validated, tmp_path):
    run = Run(dataset=f"folder:{validated}", **SMALL)
    record = train(run, tmp_path / "run", QUIET)
    assert {name: record.counts[name] for name in ("train", "test", "validation")} == {
        "train": 24, "test": 12, "validation": 12,
    }  # fmt: skip
    assert record.data["validation"]["images"] == 12
    assert set(record.final) == {"train", "test", "validation"}
    assert (tmp_path / "run/checkpoints/best.ckpt").exists()
    assert Record.read(tmp_path / "run/record.json").as_dict() == record.as_dict()
    assert train(run, tmp_path / "run", QUIET).as_dict() == record.as_dict()
    study = comparison_study(run, ["center@0.1"], 1)
    (kept,) = reproduce(study, AS_DESCRIBED, tmp_path / "several", where=QUIET)
    assert numbers(kept) == numbers(record)


HARMS = {
    "no figures of it": (lambda v: v["final"].pop("validation"), "final lacks validation"),
    "other images": (
        lambda v: v["data"]["validation"].update(images=13),
        r"data.validation.images must be the 12 that",
    ),
    "images of train counted": (
        lambda v: v["data"]["train"].update(images=36),
        r"data.train.images must be the 24 that",
    ),
    "no fingerprint": (lambda v: v["data"]["validation"].pop("fingerprint"), r"data.validation lacks fingerprint"),
    "a share of no number": (
        lambda v: v["data"]["test"].update(chosen={"fraction": 2, "seed": 0}),
        r"fraction must lie in",
    ),
    "a choice of training images": (
        lambda v: v["data"]["train"].update(chosen={"fraction": 0.2, "seed": 0}),
        r"unknown part",
    ),
    "an epoch without it": (
        lambda v: v["history"][0].update(validation=None),
        r"validation of epoch 1 must hold the fig",
    ),
}


@pytest.mark.message
@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_a_record_that_contradicts_itself_about_validation_is_damaged(validated, tmp_path):
    train(Run(dataset=f"folder:{validated}", **SMALL), tmp_path / "run", QUIET)
    plain = (tmp_path / "run/record.json").read_text()
    for harm, message in HARMS.values():
        values = json.loads(plain)
        harm(values)
        (tmp_path / "record.json").write_text(json.dumps(values))
        with pytest.raises(DamagedFileError, match=message):
            Record.read(tmp_path / "record.json")


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_images_for_validation_that_come_or_go_are_noticed(validated, tmp_path, monkeypatch):
    run = Run(dataset=f"folder:{validated}", **SMALL)
    (validated / "val").rename(tmp_path / "val")
    with monkeypatch.context() as patch:
        cut_after(patch, 1)
        with pytest.raises(PowerCut):
            train(run, tmp_path / "run", QUIET)
    (tmp_path / "val").rename(validated / "val")
    with pytest.raises(
        ValueError, match=r"the validation images of folder:.* are others now \(12 images, .*; then none\)"
    ):
        train(run, tmp_path / "run", QUIET)
    (validated / "val").rename(tmp_path / "val")
    finished = train(run, tmp_path / "run", QUIET)
    (tmp_path / "val").rename(validated / "val")
    assert train(run, tmp_path / "run", QUIET).as_dict() == finished.as_dict()  # it says nothing of them
    train(run, tmp_path / "with", QUIET)
    (validated / "val").rename(tmp_path / "val")
    with pytest.raises(ValueError, match=r"the validation images of folder:.* are others now \(none; then 12 images"):
        train(run, tmp_path / "with", QUIET)


# Names of runs


def test_runs_from_before_there_was_a_choice_keep_their_names():
    """By the version without csv files, other resizing, parts and colors."""
    assert Run().run_id == "0bedb3353bf9bbc8"
    assert Run(dataset="cifar10", loss="center@0.1", model="resnet18").run_id == "a89fb2bbfb48e49e"
    assert Run(dataset="folder:photos").run_id == "d087e0cca5b81d52"
    flipped = Augmentation(horizontal_flip=0.5)
    before = {"dataset": "folder:photos", "image_size": 64}
    assert Run(**before, resize="stretch", validation_fraction=0.1).run_id == "f36863b05e072a44"
    assert Run(**before, resize="stretch", augmentation=flipped).run_id == "b5ac1368810fe31f"


def old_description(**changed):
    """What the version before wrote into run.json and record.json."""
    values = {**Run(**changed).as_dict(), "augmentation": None}
    values = {key: value for key, value in values.items() if key not in ("resize", "test_fraction", "test_seed")}
    settings = {"crop": 4, "rotation": 10.0, "horizontal_flip": 0.0, "vertical_flip": 0.0}
    return json.loads(json.dumps({**values, "augmentation": settings}))


def test_descriptions_from_before_mean_what_they_meant():
    run = Run.from_record(old_description(dataset="folder:photos", image_size=64, validation_fraction=0.1))
    assert (run.resize, run.run_id) == ("stretch", "f36863b05e072a44")
    assert run.augmentation == Augmentation(crop=4, rotation=10.0)
    assert Run.from_record(run.as_written()) == Run.from_dict(run.as_dict()) == run
    assert Run.from_record(old_description(dataset="folder:photos")).resize is None
    assert Run.from_record(old_description(dataset="fuzzy-rgb", image_size=16)).resize is None
    settings = Run.from_record({"dataset": "cifar10", "augmentation": {"crop": 1}}).augmentation
    assert settings == default_augmentation("cifar10").changed({"crop": 1})


def test_what_is_new_is_written_where_it_is_used():
    plain = Run(dataset="cifar10").as_written()
    assert not {"resize", "test_fraction", "test_seed"} & plain.keys()
    assert set(plain["augmentation"]) == {"crop", "rotation", "horizontal_flip", "vertical_flip"}
    used = Run(dataset="csv:a.csv", image_size=8, test_fraction=0.1, augmentation=POLICIES["photographs"])
    assert (used.as_written()["resize"], used.as_written()["test_fraction"]) == ("crop", 0.1)
    assert used.as_written()["augmentation"] == dataclasses.asdict(POLICIES["photographs"])
    assert Run.from_record(json.loads(json.dumps(used.as_written()))) == used


def test_a_size_brings_the_way_to_it_with_it():
    assert Run(dataset="folder:a").resize is None
    assert dataclasses.replace(Run(dataset="folder:a"), image_size=8).resize == "crop"
    assert Run(dataset="csv:a.csv", image_size=8).resize == "crop"
    assert Run(dataset="fuzzy-rgb", image_size=8).resize is None
    assert Run(dataset="a.b:c", image_size=8).resize is None
    names = {Run(dataset="folder:a", image_size=8, resize=how).run_id for how in (None, "crop", "stretch")}
    assert len(names) == 2


@pytest.mark.message
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"test_fraction": 0.0}, r"^Run: test_fraction must .*lie in \(0, 1\); 0.2 sets a fifth"),
        ({"test_fraction": 1.0}, r"^Run: test_fraction must"),
        ({"test_seed": -1}, r"^Run: test_seed must be a whole number from 0"),
        ({"resize": "fit"}, r'^Run: resize must be None, "crop" or "stretch"; got .fit.'),
    ],
)
def test_values_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Run(dataset="folder:a", **values)


@pytest.mark.parametrize("how", ["crop", "stretch"])
def test_the_command_of_a_report_names_the_very_run(how):
    run = Run(dataset="csv:my images.csv", image_size=24, resize=how, test_fraction=0.3, test_seed=2, loss="center@0.1",
              augmentation=POLICIES["photographs"])  # fmt: skip
    (command,) = commands([run])
    assert "--test_fraction 0.3 --test_seed 2" in command
    assert "--augmentation.area 0.35" in command
    assert ("--resize stretch" in command) == (how == "stretch")


# The command line


def test_the_command_line_takes_a_policy_by_name(monkeypatch):
    from sigma2r import cli
    from sigma2r.cli import verbs

    heard = []
    monkeypatch.setattr(verbs, "VERBS", dict.fromkeys(verbs.VERBS, heard.append))
    words = ["train", "--dataset", "folder:a", "--augmentation.policy"]
    for more, wanted in (
        (["photographs"], POLICIES["photographs"]),
        (["none"], Augmentation()),
        (["photographs", "--augmentation.color", "0"], POLICIES["photographs"].changed({"color": 0.0})),
        (["null", "--augmentation.crop", "1"], Augmentation(crop=1, rotation=10.0)),
    ):
        assert cli.main([*words, *more]) == 0
        assert described(heard.pop()).augmentation == wanted


@pytest.mark.filterwarnings("default")
def test_the_command_line_trains_on_a_csv_file_and_says_what_becomes_of_images(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Path("my photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("path", "label"),
                *((path.relative_to(tmp_path), path.parent.name) for path in sorted(photos.rglob("*.*"))),
            ]
        )
    code, out, err = call(capsys, "train", "--dataset", "csv:my photos.csv", "--loss", "center@0.1", *WORDS)
    assert (code, err.count("\n")) == (0, err.count("warning: "))
    assert (
        "warning: csv: my photos.csv says of no image that it is for the test; 0.2 of each class are set aside" in err
    )
    assert "Images are scaled until the shorter side has 16 pixels, and the middle 16 x 16 are used." in out
    assert "Training images are shifted by up to 4 pixels and turned by up to 10 degrees, and not flipped." in out
    assert "there is --augmentation.policy photographs." in out
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("my-photos-center@0.1-")
    assert out.index("Images are scaled") < out.index("accuracy")
    assert {path.name for path in folder.iterdir()} >= {"record.json", "run.json", "split.csv"}
    code, out, _ = call(capsys, "train", "--dataset", "csv:my photos.csv", "--loss", "center@0.1", *WORDS,
                        "--augmentation.policy", "photographs", "--test_fraction", "0.5", "--out", "again")  # fmt: skip
    assert code == 0
    assert "Training images are cut to a part of at least 35 % of their area" in out
    assert "--augmentation.policy" not in out
    assert Record.read(Path("again/record.json")).counts["test"] == 16


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_the_command_line_compares_losses_on_a_folder_with_val(validated, tmp_path, capsys):
    words = ["--dataset", f"folder:{validated}", *WORDS, "--out"]
    code, out, _ = call(capsys, "compare", "--losses", "center@0.1", *words, tmp_path / "out")
    assert code == 0
    assert "the middle 16 x 16 are used" in out
    code, _, err = call(capsys, "train", *words, tmp_path / "one", "--validation_fraction", "0.2")
    assert (code, err.count("\n")) == (1, 1)
    assert (
        "validation_fraction sets training images aside where none are for validation, and there are some; got 0.2"
        in err
    )
    assert not (tmp_path / "one").exists()


@pytest.mark.filterwarnings("ignore:train. batches hold as few as")
def test_a_size_is_found_for_images_that_have_none_in_common(photos, validated, tiny, tmp_path, capsys, monkeypatch):
    """The shorter sides of eight photographs are 50, 50, 64, 31, 33, 20, 50 and 50."""
    monkeypatch.chdir(tmp_path)
    words = ["--loss", "center@0.1", *WORDS[:6], "--progress", "false", "--device", "cpu", "--test_fraction", "0.25"]
    code, out, _ = call(capsys, "train", "--dataset", "folder:photos", *words)
    assert code == 0
    assert "Images of folder:photos are not square or not of one size: --image_size 50 is taken, the median" in out
    assert "the middle 50 x 50 are used" in out
    (found,) = Path("runs").glob("*/record.json")
    run = Record.read(found).run
    assert (run.image_size, run.resize) == (50, "crop")
    asked = Run(dataset="folder:photos", loss="center@0.1", feature_dim=2, epochs=1, batch_size=16, image_size=50,
                test_fraction=0.25)  # fmt: skip
    assert run.run_id == asked.run_id
    monkeypatch.setattr("sigma2r.data.survey.MOST_USUAL_SIDE", 32)
    assert usual_image_size("folder:photos", test_fraction=0.25) == 32
    assert usual_image_size(tiny) is usual_image_size("fuzzy-rgb") is None
    with pytest.raises(ValueError, match=r"must be square and of one size, .* Try --image-size 32\."):
        load_splits("folder:photos", test_fraction=0.25)  # who writes Python is asked
    code, _, err = call(capsys, "train", "--dataset", "folder:gone", *words)
    assert (code, err.count("\n")) == (1, 1)
    assert "folder: gone must hold train/ and test/" in err


@pytest.mark.message
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\ngone.png,cat\n", "images.csv, line 2, must name a file"),
        ("path;label\n", "images.csv, line 1, must be a header"),
    ],
)
def test_the_command_line_refuses_a_csv_file_in_one_sentence(tmp_path, capsys, text, said):
    (tmp_path / "images.csv").write_text(text)
    code, _, err = call(
        capsys, "train", "--dataset", f"csv:{tmp_path / 'images.csv'}", *WORDS, "--out", tmp_path / "run"
    )
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("sigma2r: csv: ")
    assert said in err
    assert not (tmp_path / "run").exists()


# Data sets of one's own


def bars(split: Literal["train", "val", "test"]) -> ImageData:
    """Images of one brightness, ten times their class and one for each split."""
    labels = torch.arange(12) % 3
    first = {"train": 1, "test": 2, "val": 3}[split]
    return ImageData(
        (10 * labels + first).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).to(torch.uint8), labels, ("a", "b", "c")
    )


def careless(split: str) -> ImageData:
    """Gives test images for whatever is not train."""
    return bars("train" if split == "train" else "test")


def test_images_for_validation_are_asked_of_who_says_to_have_some(tmp_path):
    found = load_splits("tests.studies.test_sources:bars")
    assert {name: split.data.images[0, 0, 0, 0].item() for name, split in found.items()} == {
        "train": 1, "test": 2, "validation": 3,
    }  # fmt: skip
    assert set(load_splits("tests.studies.test_sources:careless")) == {"train", "test"}
    with pytest.raises(ValueError, match=r"^tests.*:bars: validation_fraction sets training images aside"):
        load_splits("tests.studies.test_sources:bars", validation_fraction=0.5)
    assert set(load_splits("tests.studies.test_sources:careless", validation_fraction=0.5)) >= {"validation"}
    run = Run(dataset="tests.studies.test_sources:bars", feature_dim=2, epochs=1, batch_size=12, loss="center@0.1")
    record = train(run, tmp_path / "run", QUIET)
    assert record.counts["validation"] == 12
    assert set(record.data) == {"train", "test", "validation"}
