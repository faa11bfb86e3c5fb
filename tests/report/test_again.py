"""Run it again: the commands of a page, read back, are the very runs of its table."""

import dataclasses
import json
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma2r.cli.parser import build_parser, underscored
from sigma2r.cli.verbs import described
from sigma2r.data import Augmentation
from sigma2r.report.again import commands
from sigma2r.report.page import records_document
from sigma2r.report.study import study_sections
from sigma2r.studies.comparison import comparison
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from tests.report.conftest import make_record

PARSER = build_parser()


def runs_of(line: str) -> list[Run]:
    """What a command line trains, as the command line itself understands it."""
    words = shlex.split(line)
    if words[:2] == ["python", "-c"]:
        return trained_by(words[2])
    chosen = PARSER.parse_args([underscored(word) for word in words[1:]])
    run = described(chosen[chosen.verb])
    if chosen.verb == "train":
        return [run]
    return list(comparison(run, chosen.compare.losses, chosen.compare.seeds))


def trained_by(script: str) -> list[Run]:
    """What a line of Python trains, with a train that only takes note."""
    noted: list[Run] = []
    scope: dict[str, object] = {}
    imports, call = script.rsplit("; ", 1)
    exec(imports, scope)
    scope["train"] = lambda run, folder: noted.append(run)
    exec(call, scope)
    return noted


def read_back(lines) -> list[str]:
    return [run.run_id for line in lines for run in runs_of(line)]


def with_seeds(run: Run, *seeds: int) -> list[Run]:
    return [dataclasses.replace(run, init_seed=seed) for seed in seeds]


PATH = "my folder/study.py:Loss"
KINDS = {
    "one loss": [Run(loss="center@0.4")],
    "several losses and seeds": [r for loss in ("cross-entropy", "center@0.4", "sigma2r@0.01") for r in
                                 with_seeds(Run(loss=loss), 0, 1, 2)],
    "options": [Run(loss="git@0.01[push_weight=0.1,negatives=other-class]"), Run(loss="sigma2r@0.01[spread=std]")],
    "two kinds of one loss": [Run(loss="sigma2r@0.01"), Run(loss="sigma2r@0.01[neighbors=3]"), Run(loss="sigma2r@0.1")],
    "words and numbers as options": [Run(loss="soft-nearest-neighbor@0.1[learn_temperature=True,temperature=100.0]"),
                                     Run(loss="sigma2r@1e-05[ceiling=1e+20,eps=1e-300]")],
    "digits": [Run(loss="center", loss_weight=0.1 + 0.2), Run(loss="center", loss_weight=1 / 3, lr=1e-5 / 3)],
    "negative weights": with_seeds(Run(loss="soft-nearest-neighbor@-0.01"), 0, 1),
    "label smoothing": [Run(loss="cross-entropy"), Run(loss="label-smoothing@0.1"), Run(loss="supcon@0.1")],
    "layers": with_seeds(Run(loss="soft-nearest-neighbor@-0.1", layers=("body.2", "body.5", "0", "true")), 0, 1),
    "class means": [Run(loss="cross-entropy"), Run(loss="center@0.1", center_init="class-means")],
    "one loss started in two ways": [Run(loss="center@0.1"), Run(loss="center@0.1", center_init="class-means"),
                                     Run(loss="center@0.1", warmup_epochs=3)],
    "other starts and seeds": [*with_seeds(Run(loss="center@0.1", warmup_epochs=2), 0, 1),
                               *with_seeds(Run(loss="git@0.1", warmup_epochs=2), 0), Run(loss="cross-entropy")],
    "seeds that do not begin at 0": with_seeds(Run(loss="center@0.1"), 3, 5),
    "seeds with a gap": with_seeds(Run(loss="center@0.1"), 0, 1, 3),
    "uneven seeds": [*with_seeds(Run(loss="center@0.1"), 0, 1, 2), *with_seeds(Run(loss="cross-entropy"), 0)],
    "a loss by its path": [Run(loss="study.py:Loss@0.1[delta=0.2]"), Run(loss=f"{PATH}@0.5"),
                           Run(loss="package.module:Loss@2")],
    "paths with signs that a shell reads": [Run(loss="a'b$(ls)`;&/s.py:Loss@0.1", dataset="folder:it's $HOME/*",
                                                model="a b/m.py:Net", feature_dim=8)],
    "paths that look like flags": [Run(loss="-l.py:Loss@0.1", dataset="--d.py:f", model="-m.py:Net")],
    "texts that no command line can spell": [Run(loss=PATH, loss_options={"a": "1", "b": "x,y", "c": [1, "2"]}),
                                             Run(loss=PATH, loss_options={"it's": " a\n\"b\" \\ "}),
                                             *(Run(loss=PATH, loss_options={"a": value})
                                               for value in ("1", "true", " x", "-1e5", [1]))],
    "every other setting": [Run(
        dataset="cifar10", image_size=48, model="resnet18", feature_dim=64, loss="center@0.1", images_per_class=100,
        epochs=3, batch_size=64, optimizer="sgd", lr=0.05, loss_lr=0.5, weight_decay=1e-4, precision="bf16-mixed",
        validation_fraction=0.1, measure_every=0, data_seed=7, threads=4,
        augmentation=Augmentation(crop=0, rotation=3.5, horizontal_flip=0.0, vertical_flip=0.25))],
    "augmentation switched off": [Run(dataset="fashion-mnist", augmentation=Augmentation())],
    "augmentation in part": [Run(dataset="fashion-mnist", augmentation=Augmentation(crop=2))],
    "a whole number where a command line has none": [Run(augmentation=Augmentation(rotation=5))],
    "settings side by side": [Run(epochs=3), Run(epochs=4)],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_commands_read_back_are_these_runs_and_no_others(kind):
    runs = KINDS[kind]
    assert sorted(read_back(commands(runs))) == sorted(run.run_id for run in runs)


@pytest.mark.parametrize("kind", ["several losses and seeds", "options", "class means", "label smoothing"])
def test_one_comparison_is_one_command_and_names_no_folder(kind):
    (line,) = commands(KINDS[kind])
    assert line.startswith("sigma2r compare --dataset fuzzy-rgb --model lenet --losses ")
    assert "--out" not in line


def test_several_commands_share_a_folder_that_one_report_shows():
    lines = commands(KINDS["other starts and seeds"])
    folders = [Path(shlex.split(line)[-1]) for line in lines]
    assert len(lines) == 2
    assert all(shlex.split(line)[-2] == "--out" for line in lines)
    assert all(Path("runs/again") in (folder, *folder.parents) for folder in folders)
    lines = commands(KINDS["seeds that do not begin at 0"])
    assert len({shlex.split(line)[-1] for line in lines}) == len(lines) == 2


def test_a_run_that_is_there_twice_is_trained_once():
    assert read_back(commands([Run(), Run()])) == [Run().run_id]


NAMES = ("cross-entropy", "center", "sigma2r", "git", "contrastive-center", "label-smoothing", "triplet-center")
FREE = ("soft-nearest-neighbor", "contrastive", "nearest-negative-triplet", "supcon", "m.n:Loss", "a b/s.py:Loss")
FINITE = st.floats(0, 0.9, allow_nan=False)
VALUES = st.one_of(st.integers(-9, 9), st.floats(allow_nan=False), st.booleans(), st.none(),
                   st.text("a1.,=[]@ 'e-", max_size=5))  # fmt: skip


@st.composite
def of_one_table(draw) -> list[Run]:
    base = {"epochs": draw(st.integers(1, 3)), "lr": draw(FINITE), "data_seed": draw(st.integers(0, 1))}
    runs = []
    for _ in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from((*NAMES, *FREE)))
        starts = {
            "warmup_epochs": draw(st.integers(0, 1)),
            "center_init": draw(st.sampled_from(("normal", "class-means"))),
        }
        if name in FREE and draw(st.booleans()):
            starts["layers"] = tuple(draw(st.lists(st.text("ab.1", min_size=1), max_size=2)))
        options = draw(st.dictionaries(st.text("ab", min_size=1), VALUES, max_size=2)) if ":" in name else {}
        run = Run(loss=name, loss_weight=draw(FINITE), loss_options=options, **starts, **base)
        runs += with_seeds(run, *draw(st.sets(st.integers(0, 3), min_size=1)))
    return runs


@settings(max_examples=60, deadline=None)
@given(of_one_table())
def test_whatever_the_runs_are_their_commands_are_these_runs(runs):
    assert sorted(read_back(commands(runs))) == sorted({run.run_id for run in runs})


@pytest.mark.parametrize(
    "folder", ["a\x1b[31m", "tab\tand\nline", "caf\udce9", "it's \\ \x07", "\u202eevil", "Zürich 猫"]
)
def test_a_name_that_cannot_be_seen_reaches_the_program_byte_by_byte_and_the_page_in_letters(folder):
    run = Run(dataset=f"folder:{folder}", loss="center@0.1")
    (line,) = commands([run])
    assert line.isprintable()
    printed = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    words = printed.decode(errors="surrogateescape").split("\0")
    assert words[3] == f"--dataset={run.dataset}" or words[words.index("--dataset") + 1] == run.dataset


def test_the_page_holds_the_commands_and_says_how_to_see_their_runs_together():
    records = [make_record("center@0.1", seed) for seed in (1, 2)]
    section = records_document(records).sections[0]
    assert sorted(read_back(section.code.splitlines())) == sorted(r.run_id for r in records)
    assert section.notes[0] == "sigma2r report runs/again then shows these runs on one page."
    section = records_document([*records[:1], make_record("center@0.1")]).sections[0]
    assert read_back(section.code.splitlines()) == [make_record("center@0.1", seed).run_id for seed in (0, 1)]
    assert not any("runs/again" in note for note in section.notes)


def test_runs_that_diverged_are_run_again_with_the_others_of_their_settings():
    gone = dataclasses.replace(
        make_record("center@0.1", 1), final={}, history=(), class_names=(), diverged="in epoch 1"
    )
    other = dataclasses.replace(make_record("center@0.1", 1, epochs=9), final={}, history=(), diverged="in epoch 1")
    section = records_document([make_record("center@0.1"), gone, other]).sections[0]
    assert read_back(section.code.splitlines()) == [make_record("center@0.1").run_id, gone.run_id]


def test_the_command_of_a_study_is_quoted_too():
    run = make_record("center@0.1").run
    study = Study(name="s", title="S", source="-", settings={"two words": "."}, reference="my folder/s.py:STUDY",
                  parts=lambda scale, done: iter([Part(name="p", title="P", text="", runs=(run,))]))  # fmt: skip
    (section,) = study_sections(study, "two words", {run.run_id: make_record("center@0.1")}, 1)
    chosen = PARSER.parse_args(shlex.split(section.code)[1:])
    assert (chosen.reproduce.study, chosen.reproduce.scale) == ("my folder/s.py:STUDY", "two words")


def test_records_that_were_read_from_files_give_the_same_commands(tmp_path):
    run = KINDS["every other setting"][0]
    assert commands([Run.from_dict(json.loads(json.dumps(run.as_dict())))]) == commands([run])
