"""What the command line understands, and what it hands on; nothing is trained."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sigma2r import cli
from sigma2r.cli import registry, verbs
from sigma2r.cli.parser import underscored
from sigma2r.paper.page import paper_document
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from sigma2r.studies.where import Where
from tests.report.conftest import make_record


@pytest.fixture
def heard(monkeypatch):
    """What a verb was given, instead of what it does."""
    given = []
    monkeypatch.setattr(verbs, "VERBS", dict.fromkeys(verbs.VERBS, given.append))
    return given


def test_dashes_and_underscores_mean_the_same_flag_and_values_stay(heard):
    assert cli.main(["train", "--loss-lr", "0.5", "--data-dir", "some-where", "--jobs-of", "1"]) == 2
    assert cli.main(["train", "--loss-lr", "0.5", "--data-dir", "some-where", "--loss=center@0.25"]) == 0
    (chosen,) = heard
    assert (chosen.loss_lr, chosen.data_dir) == (0.5, Path("some-where"))
    assert verbs.described(chosen) == Run(loss="center@0.25", loss_lr=0.5)
    assert verbs.described(chosen, loss="git@0.1") == Run(loss="git@0.1", loss_lr=0.5)
    assert verbs._where(chosen) == Where(data_dir=Path("some-where"))
    assert underscored("--data-dir=my-data") == "--data_dir=my-data"
    assert underscored("-x-y") == "-x-y"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "--epoch", "3"], "Did you mean --epochs or --warmup_epochs?"),
        (["train", "--epochs", "many"], "epochs must be a whole number; got 'many'"),
        (["train", "--lr", "fast"], "lr must be a finite number; got 'fast'"),
        (["train", "--epochs="], "epochs must be a whole number; got ''"),
        (["train", "--augmentation", '{"crop": "x"}'], "augmentation.crop must be a whole number; got 'x'"),
        (
            ["train", "--augmentation", '{"rotation": []}'],
            "augmentation.rotation must be a finite number; got a list of 0",
        ),
        (["train", "--pixel_range", "[0]"], "pixel_range must be a list of 2 or null; got ['0']"),
        (["train", "--pixel_range", "[0, a]"], "pixel_range must be a finite number; got 'a'"),
        (["train", "--gray", "maybe"], "gray must be true or false, or be none; got 'maybe'"),
        (["train", "--augmentation.flip", "1"], "augmentation does not take flip"),
        (["train", "--layers", "body.2"], "layers must be a list, [value, ...]; got body.2"),
        (["trian"], "--help explains"),
    ],
)
def test_a_wrong_call_ends_with_2_and_one_line(heard, capsys, words, told):
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sigma2r: ")
    assert told in err
    assert err.count("\n") == 1
    assert heard == []


@pytest.mark.parametrize(
    ("raised", "code"), [(ValueError, 1), (OSError, 1), (ImportError, 1), (KeyboardInterrupt, 130)]
)
def test_what_cannot_be_done_is_told_on_the_screen_for_errors(monkeypatch, capsys, raised, code):
    def breaks(chosen):
        raise raised("no such thing")

    monkeypatch.setattr(verbs, "VERBS", {"list": breaks})
    assert cli.main(["list"]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_what_the_system_says_is_a_sentence_that_names_the_path(monkeypatch, capsys):
    def breaks(chosen):
        raise OSError(28, "No space left on device", "out/record.json")

    monkeypatch.setattr(verbs, "VERBS", {"list": breaks})
    assert cli.main(["list"]) == 1
    told = "sigma2r: files: out/record.json cannot be used: no space left on device.\n"
    assert capsys.readouterr().err == told


def test_a_page_that_is_not_ours_is_refused_before_any_record_is_read(tmp_path, capsys):
    (tmp_path / "record.json").write_text("{")
    (tmp_path / "report.html").write_text("mine")
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "report.html" in capsys.readouterr().err


def test_the_launcher_is_the_one_that_was_asked_for(heard):
    assert cli.main(["compare", "--jobs", "3"]) == 0
    assert verbs._launcher(heard[0]).jobs == 3


def test_all_that_can_be_reproduced_is_what_is_computed_and_what_is_trained():
    assert registry.names()[:4] == ["figure-1", "figure-2", "figure-3", "table-1"]
    assert registry.find("table-1").name == "table-1"


@pytest.fixture
def written(monkeypatch):
    """What a report is written of, and who puts several studies together."""
    calls = []
    monkeypatch.setattr("sigma2r.report.folder.folder_document", lambda *given: calls.append(given) or "document")
    monkeypatch.setattr("sigma2r.report.document.write_document", lambda document, out: out / document)
    return calls


def test_a_folder_is_reported_with_the_papers_studies_and_those_of_ones_own(written):
    parts = Part(name="p", title="", text="", runs=(Run(),))
    own = [
        Study(name=name, title="", source="", parts=lambda *_: iter([parts]), settings={"s": ""}, reference=reference)
        for name, reference in (("mine", "m.py:STUDY"), ("other", None))
    ]
    assert registry.write_folder_report(Path("kept"), Path("out"), own) == Path("out/document")
    ((folder, known, several, look),) = written
    look([make_record("center@0.1")])  # of a data set that no folder is listed for
    assert (folder, several) == (Path("kept"), paper_document)
    assert known == {**registry.STUDIES, "m.py:STUDY": own[0], "other": own[1]}
    again = [own[0], replace(own[1], name="mine", reference="other.py:STUDY")]
    for tell in (
        partial(registry.write_folder_report, Path("kept"), Path("out")),
        partial(registry.print_folder_tables, Path("kept")),
    ):
        with pytest.raises(ValueError, match=r"m.py:STUDY and other.py:STUDY are all called mine\. Rename"):
            tell(again)


@pytest.fixture
def untrained(monkeypatch):
    """Records that nobody trained, and what was asked for."""
    asked = []

    def reproduce(study, scale, out, **keywords):
        asked.append((study.name, scale, out, keywords))
        return [make_record("center@0.1")]

    monkeypatch.setattr("sigma2r.studies.reproduce.reproduce", reproduce)
    monkeypatch.setattr("sigma2r.report.print_table", lambda records: None)
    monkeypatch.setattr("sigma2r.report.write_report", lambda records, out, evaluations: out / "the-page.html")
    monkeypatch.setattr(registry, "write_folder_report", lambda kept, out, own: out / "the-page.html")
    monkeypatch.setattr(verbs, "_say_how_long", lambda study, scale, chosen: print(f"how long: {scale}"))
    return asked


def test_a_comparison_has_its_report(untrained, capsys):
    assert cli.main(["compare", "--losses", "center@0.1", "--seeds", "2", "--jobs", "2", "--out", "here"]) == 0
    ((name, _, out, keywords),) = untrained
    assert (name, out, keywords["launcher"].jobs) == ("comparison", Path("here"), 2)
    assert capsys.readouterr().out.endswith("Report: here/the-page.html\n")


@pytest.mark.parametrize(("words", "scale"), [([], "desk"), (["--scale", "paper"], "paper")])
def test_a_study_is_trained_at_the_scale_that_is_named(untrained, capsys, words, scale):
    assert cli.main(["reproduce", "figure-4", *words, "--device", "cpu"]) == 0
    ((name, found, out, keywords),) = untrained
    assert (name, found, out, keywords["where"]) == ("figure-4", scale, Path("runs/studies"), Where(device="cpu"))
    told = capsys.readouterr().out
    assert told.startswith(f"figure-4, scale {scale}: ")
    assert ("how long: paper" in told) == (scale == "paper")


def test_what_the_command_line_itself_needs_is_told_with_what_to_install(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "sigma2r.cli.parser", raising=False)
    monkeypatch.setitem(sys.modules, "jsonargparse", None)  # Python's own way to say that it is not there
    assert cli.main(["list"]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("sigma2r: the command line needs more (")
    assert sentence.endswith('): pip install "sigma2r[train,report]"')
