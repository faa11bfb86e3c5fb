"""What is asked of the augmentation changes that alone: the rest stays as the data set has it."""

from dataclasses import asdict, replace

import pytest
import yaml

from sigma2r import cli
from sigma2r.cli import verbs
from sigma2r.data import POLICIES, Augmentation, default_augmentation
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from tests.studies.test_cli import call
from tests.studies.test_train import QUIET

FOLDER = default_augmentation("folder:tiny")
CLOTHES = default_augmentation("fashion-mnist")
IN_FILES = {
    "a block": "augmentation:\n  horizontal_flip: 0.25\n",
    "a flow": "augmentation: {horizontal_flip: 0.25}\n",
    "with the data set": "augmentation: {horizontal_flip: 0.25}\ndataset: folder:tiny\n",
}
ASKED = {
    "nothing": ([], {}),
    "null": (["--augmentation", "null"], {}),
    "an empty mapping": (["--augmentation", "{}"], {}),
    "one flag": (["--augmentation.horizontal_flip", "0.25"], {"horizontal_flip": 0.25}),
    "a flag of 0": (["--augmentation.horizontal_flip", "0"], {"horizontal_flip": 0.0}),
    "a mapping": (["--augmentation", '{"horizontal_flip": 0}'], {"horizontal_flip": 0.0}),
    "a policy": (["--augmentation.policy", "photographs"], asdict(POLICIES["photographs"])),
    "a policy and a flag": (["--augmentation", "{policy: none, crop: 3}"], {**asdict(POLICIES["none"]), "crop": 3}),
    "several flags": (["--augmentation.crop=0", "--augmentation.rotation", "0"], {"crop": 0, "rotation": 0.0}),
    "a mapping and a flag": (
        ["--augmentation", "{crop: 1}", "--augmentation.vertical_flip", "1"], {"crop": 1, "vertical_flip": 1.0}),
}  # fmt: skip


@pytest.fixture
def heard(monkeypatch):
    """What a verb was given, instead of what it does."""
    given = []
    monkeypatch.setattr(verbs, "VERBS", dict.fromkeys(verbs.VERBS, given.append))
    return given


@pytest.mark.parametrize("verb", ["train", "compare"])
@pytest.mark.parametrize(("dataset", "usual"), [("folder:tiny", FOLDER), ("fashion-mnist", CLOTHES)])
@pytest.mark.parametrize(("words", "changed"), ASKED.values(), ids=ASKED)
def test_what_is_not_asked_for_stays_as_the_data_set_has_it(heard, verb, dataset, usual, words, changed):
    assert cli.main([verb, *words, "--dataset", dataset]) == 0
    assert verbs.described(heard[0]).augmentation == replace(usual, **changed)


@pytest.mark.parametrize("verb", ["train", "compare"])
@pytest.mark.parametrize("settings", IN_FILES.values(), ids=IN_FILES)
def test_a_file_of_settings_adds_to_the_data_set_and_flags_to_the_file(heard, tmp_path, verb, settings):
    (tmp_path / "run.yaml").write_text(settings)
    words = [verb, "--config", str(tmp_path / "run.yaml"), "--dataset", "folder:tiny"]
    assert cli.main(words) == cli.main([*words, "--augmentation.crop", "1"]) == 0
    assert verbs.described(heard[0]).augmentation == replace(FOLDER, horizontal_flip=0.25)
    assert verbs.described(heard[1]).augmentation == replace(FOLDER, horizontal_flip=0.25, crop=1)


@pytest.mark.parametrize("words", [words for words, _ in ASKED.values()], ids=ASKED)
def test_what_print_config_writes_is_read_as_the_same_augmentation(heard, tmp_path, capsys, words):
    words = [*words, "--dataset", "cifar10"]
    code, printed, _ = call(capsys, "train", *words, "--print_config")
    assert code == 0
    (tmp_path / "run.yaml").write_text(printed)
    assert cli.main(["train", *words]) == cli.main(["train", "--config", str(tmp_path / "run.yaml")]) == 0
    assert verbs.described(heard[0]) == verbs.described(heard[1])
    assert yaml.safe_load(printed)["dataset"] == "cifar10"


def test_the_flag_that_is_advised_before_training_takes_the_flips_alone(heard):
    assert cli.main(["train", "--dataset", "cifar10", "--augmentation.horizontal_flip", "0"]) == 0
    assert verbs.described(heard[0]).augmentation == Augmentation(crop=4, rotation=10.0)


def test_an_augmentation_made_in_python_is_whole():
    assert Run(dataset="cifar10", augmentation=Augmentation(crop=1)).augmentation == Augmentation(crop=1)


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(crop=1), FOLDER, CLOTHES])
def test_the_description_in_a_record_is_whole(augmentation):
    run = Run(dataset="cifar10", augmentation=augmentation)
    assert run.as_dict()["augmentation"] == asdict(augmentation)
    assert Run.from_dict(run.as_dict()) == run


def test_a_description_without_a_data_set_is_refused_for_that():
    with pytest.raises(ValueError, match="Run: dataset must be a text; got 3"):
        Run.from_dict({"dataset": 3, "augmentation": {"crop": 1}})


@pytest.mark.parametrize("crop", [8, 9, 100])
def test_a_shift_that_moves_whole_images_out_is_refused(tiny_run, tmp_path, crop):
    run = replace(tiny_run, dataset="fuzzy-rgb", image_size=8, augmentation=Augmentation(crop=crop))
    with pytest.raises(ValueError, match=rf"crop must be below the 8 pixels of a side, .*; got {crop}\. Try --aug"):
        train(run, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_a_shift_that_leaves_a_row_is_taken(tiny_run, tmp_path):
    run = replace(tiny_run, dataset="fuzzy-rgb", image_size=8, epochs=1, augmentation=Augmentation(crop=7))
    assert train(run, tmp_path / "run", QUIET).run == run
