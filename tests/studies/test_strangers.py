"""What strangers write: losses, models, data and studies of every shape either work or are told in one sentence."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sigma2r.report.folder import folder_document
from sigma2r.report.grid import Grid
from sigma2r.studies.catalog import find_study, read_study
from sigma2r.studies.comparison import AS_DESCRIBED, comparison_study
from sigma2r.studies.fit import fit
from sigma2r.studies.launch import LocalLauncher
from sigma2r.studies.losses import build_loss, has_classes, may_be_raised
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from sigma2r.studies.tuning import weights_of
from sigma2r.studies.where import Where
from tests.studies.test_cli import call
from tests.studies.test_folder import PowerCut, content_of, cut_after
from tests.studies.test_train import QUIET, numbers

ZOO = """
import torch
from torch import nn
from sigma2r import CenterLoss
from sigma2r.data import ImageData

def tiny(split):
    images = torch.arange(24 * 64).view(24, 1, 8, 8).remainder(251).to(torch.uint8)
    return ImageData(images + 20 * (torch.arange(24) % 3).view(24, 1, 1, 1).to(torch.uint8), torch.arange(24) % 3,
                     ("a", "b", "c"))
def numbered(split):
    data = tiny(split)
    return ImageData(data.images, data.labels, (0, 1, 2))
def halved(split):
    data = tiny(split)
    return ImageData(data.images, data.labels, ("a", "b", chr(0xD800)))

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
        self.head = nn.Linear(4, num_classes)
    def forward(self, images):
        features = self.body(images)
        return features, self.head(features)
class Drop(Net):
    def forward(self, images):
        features = nn.functional.dropout(self.body(images), 0.5, self.training)
        return features, self.head(features)
class Wide(Net):
    @property
    def feature_dim(self):
        return 4
class Wrong(Net):
    @property
    def feature_dim(self):
        return 5

class Passing(CenterLoss):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
class Compact(nn.Module):
    def forward(self, features, labels):
        return features.square().mean()
class Raised(Compact):
    may_be_raised = True
class Plain(nn.Module):
    def __init__(self, num_classes, feature_dim):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(num_classes, feature_dim))
    def forward(self, features, labels):
        return (features - self.centers[labels]).square().mean()
    def param_groups(self, *, lr):
        return [{"params": [self.centers]}]
class Drawing(Compact):
    def forward(self, features, labels):
        return (features + torch.randn_like(features)).square().mean()
class Each(nn.Module):
    def forward(self, features, labels): return features.square().mean(1)
class Pair(nn.Module):
    def forward(self, features, labels): return features.mean(), labels
class Nothing(nn.Module):
    def forward(self, features, labels): pass
class Number(nn.Module):
    def forward(self, features, labels): return 0.5
class Cut(nn.Module):
    def forward(self, features, labels): return features.detach().mean()
class Raises(nn.Module):
    def forward(self, features, labels): return {}["margin"]
class Listed(Compact):
    def class_figures(self): return {"growth": [1, 2, 3]}
class Truths(Compact):
    def class_figures(self): return {"growth": torch.ones(3, dtype=torch.bool)}
class Gated(Compact):
    def class_figures(self): return {"gate": torch.zeros(3)}
class Taking(Compact):
    def class_figures(self): return {"train": torch.zeros(3)}
"""


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """``zoo.py`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("zoo.py").write_text(ZOO)
    return Run(dataset="zoo.py:tiny", model="zoo.py:Net", loss="center@0.1", epochs=3, batch_size=12)


def test_what_stands_beside_a_file_is_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, factor in (("v1", 1.0), ("v2", 1000.0)):
        Path(name).mkdir()
        Path(name, "core.py").write_text(f"FACTOR = {factor}")
        Path(name, "loss.py").write_text("from core import FACTOR\nfrom torch import nn\nclass Loss(nn.Module): pass")
    built = [build_loss(f"{name}/loss.py:Loss", 3, 2, {}) for name in ("v1", "v2")]
    assert [sys.modules[type(loss).__module__].FACTOR for loss in built] == [1.0, 1000.0]


@pytest.mark.parametrize("changes", [{"model": "zoo.py:Drop"}, {"loss": "zoo.py:Drawing@0.1"}], ids=str)
def test_what_models_and_losses_draw_follows_from_the_description(zoo, tmp_path, monkeypatch, changes):
    run = dataclasses.replace(zoo, **changes)
    first = fit(run, QUIET).record
    assert numbers(fit(run, QUIET).record) == numbers(first)
    assert fit(dataclasses.replace(run, init_seed=1), QUIET).record.final != first.final
    study = comparison_study(run, [run.loss_name], 2)
    alone = reproduce(study, AS_DESCRIBED, tmp_path / "a", where=QUIET)
    together = reproduce(study, AS_DESCRIBED, tmp_path / "b", where=QUIET, launcher=LocalLauncher(2))
    assert [numbers(r) for r in together] == [numbers(r) for r in alone]
    with monkeypatch.context() as patch:
        cut_after(patch, 1)
        with pytest.raises(PowerCut):
            reproduce(study, AS_DESCRIBED, tmp_path / "c", where=QUIET)
    again = reproduce(study, AS_DESCRIBED, tmp_path / "c", where=QUIET)
    assert [numbers(r) for r in again] == [numbers(r) for r in alone]


def test_files_of_others_are_neither_read_nor_renamed(zoo, tmp_path):
    for name in ("data/annotations.json", ".vscode/settings.json", "mine/run.json", "comparison/notes.json"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    before = content_of(tmp_path / "project")
    reproduce(comparison_study(zoo, ["center@0.1"], 1), AS_DESCRIBED, tmp_path / "project", where=QUIET)
    after = content_of(tmp_path / "project")
    assert {name: after[name] for name in before} == before


def study_of(run, **changes) -> Study:
    part = Part(name="all", title="All", text="", runs=(run,))
    return Study(**{"name": "mine", "title": "Mine", "source": "", "parts": lambda scale, done: [part],
                    "settings": {"full": ""}, **changes})  # fmt: skip


def part(name, title) -> Part:
    return Part(name=name, title=title, text="", runs=(Run(),))


def grid(name, headings, *rows) -> Grid:
    return Grid(name=name, title="", caption="", headings=headings, rows=rows)


def test_a_study_is_found_again_however_its_path_is_spelled(zoo, tmp_path, capsys):
    Path("study.py").write_text(
        "from tests.studies.test_strangers import study_of\nfrom sigma2r.studies.run import Run\n"
        f"STUDY = study_of(Run.from_dict({zoo.as_dict()!r}))\n"
    )
    reproduce(find_study("study.py:STUDY", {}), "full", tmp_path / "out", where=QUIET)
    for spelled in ("./study.py:STUDY", f"{tmp_path}/study.py:STUDY", "study:STUDY"):
        own = find_study(spelled, {})
        assert read_study(tmp_path / "out/mine", {spelled: own}) == (own, "full")
    code, _, err = call(capsys, "report", "out", "--study", "./study.py:STUDY", "--out", "page")
    assert (code, err) == (0, "")


def test_a_study_made_in_python_leaves_a_folder_that_can_be_reported(zoo, tmp_path):
    reproduce(study_of(zoo), "full", tmp_path / "out", where=QUIET)
    assert json.loads((tmp_path / "out/mine/study.json").read_text()) == {"study": "mine", "scale": "full"}
    for folder in (tmp_path / "out/mine", tmp_path / "out"):
        with pytest.warns(UserWarning, match="holds a study of somebody's own"):
            assert folder_document(folder, {}).sections


def test_no_study_is_called_as_the_folder_of_runs(zoo):
    with pytest.raises(ValueError, match="name must not be runs"):
        study_of(zoo, name="runs")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": lambda s, d: None}, r"parts of mine raised TypeError: .*not iterable"),
        ({"parts": lambda s, d: [d["gone"]]}, r"parts of mine raised KeyError: 'gone' \(test_strangers.py, line \d+\)"),
        ({"parts": lambda s, d: [Run()]}, r"parts of mine must yield Part\(\.\.\.\)"),
        ({"parts": lambda s, d: [part("a", "A"), part("a", "B")]}, r"its own name; 'a' is there"),
        ({"parts": lambda s, d: [part("a", "A"), part("b", "A")]}, r"its own title; 'A'"),
        ({"settings": []}, r"settings of mine must be a text for each scale"),
        ({"figures": ("learnings",)}, r"unknown figure of mine 'learnings'.*Did you mean learning\?"),
    ],
    ids=["nothing", "raises", "runs", "a name twice", "a title twice", "settings", "figures"],
)  # fmt: skip
def test_a_study_that_could_not_be_reported_is_refused_before_it_is_trained(zoo, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        reproduce(study_of(zoo, **changes), "full", tmp_path / "out", where=QUIET)
    assert not (tmp_path / "out/runs").exists()


def test_a_baseline_that_no_run_has_is_refused_with_the_nearest(zoo):
    with pytest.raises(ValueError, match=r"unknown baseline of a 'center@0.2'; .*Did you mean center@0.1\?"):
        Part(name="a", title="", text="", runs=(zoo,), baseline="center@0.2")


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        (lambda p, r: None, "extras of mine raised TypeError"),
        (lambda p, r: [1 / 0], r"extras of mine raised ZeroDivisionError.*test_strangers.py"),
        (lambda p, r: ["table"], r"must be sigma2r.report.grid.Grid or .*got str"),
        (lambda p, r: [grid("x", ("a",), (1,))], r"rows of x must hold a text"),
        (lambda p, r: [grid("x", ("a", "b"), ("1",))], r"each of the 2 headings"),
        (lambda p, r: [grid(f"{os.pardir}/x", ("a",), ("1",))], r"must have the name of a file"),
    ],
    ids=["none", "raises", "text", "a number", "too short", "a path"],
)  # fmt: skip
def test_tables_of_ones_own_that_are_none_are_told_in_a_sentence(zoo, tmp_path, extras, message):
    study = study_of(zoo, extras=extras)
    reproduce(study, "full", tmp_path, where=QUIET)
    with pytest.raises(ValueError, match=message):
        folder_document(tmp_path / "mine", {"mine": study})


def test_titles_in_any_script_have_sections_of_their_own(zoo, tmp_path):
    parts = [Part(name=n, title=t, text="", runs=(zoo,)) for n, t in (("a", "一"), ("b", "二"))]
    study = study_of(zoo, title="研究", parts=lambda s, d: parts)
    reproduce(study, "full", tmp_path, where=QUIET)
    anchors = [section.anchor for section in folder_document(tmp_path / "mine", {"mine": study}).sections]
    assert len(set(anchors)) == len(anchors) == 3


@pytest.mark.parametrize("model", ["zoo.py:Net", "zoo.py:Wide"])
@pytest.mark.parametrize("loss", ["zoo.py:Passing@0.1", "zoo.py:Plain@0.1", "zoo.py:Compact@0.1"])
def test_losses_and_models_of_many_shapes_train(zoo, model, loss):
    record = fit(dataclasses.replace(zoo, model=model, loss=loss), QUIET).record
    assert record.history[-1]["auxiliary"] != record.history[0]["auxiliary"]
    assert set(record.code) == {"zoo.py:tiny", model, loss.partition("@")[0]}


def test_what_a_loss_passes_on_is_known_of_it(zoo):
    assert has_classes("zoo.py:Passing")
    assert not has_classes("zoo.py:Compact")
    assert build_loss("zoo.py:Passing", 3, 2, {"alpha": 0.1}).alpha == 0.1
    with pytest.raises(ValueError, match=r"unknown option of the loss zoo.py:Passing 'alfa'.*Did you mean alpha"):
        fit(dataclasses.replace(zoo, loss="zoo.py:Passing@0.1[alfa=2]"), QUIET)


def test_only_a_loss_that_says_so_is_raised_at_hidden_layers(zoo):
    assert (may_be_raised("zoo.py:Compact"), may_be_raised("zoo.py:Raised")) == (False, True)
    for loss, sign in (("zoo.py:Compact@1", 1), ("zoo.py:Raised@1", -1)):
        weights = [run.loss_weight for run in weights_of(dataclasses.replace(zoo, loss=loss, layers=("body.1",)))]
        assert all(sign * weight > 0 for weight in weights)


@pytest.mark.message
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "zoo.py:Each@1"}, r"Each: a loss must give one number in the graph.*of shape \(6,\)"),
        ({"loss": "zoo.py:Pair@1"}, r"must give one number in the graph.*a tuple of 2"),
        ({"loss": "zoo.py:Nothing@1"}, r"must give one number in the graph.*got None"),
        ({"loss": "zoo.py:Number@1"}, r"must give one number in the graph.*got 0.5"),
        ({"loss": "zoo.py:Cut@1"}, r"must give one number in the graph"),
        ({"loss": "zoo.py:Raises@1"}, r"calling it raised KeyError: 'margin' \(zoo.py, line \d+\)"),
        ({"loss": "zoo.py:Listed@1"}, r"class_figures must give numbers in a tensor of shape \(3,\) for each name"),
        ({"loss": "zoo.py:Truths@1"}, r"class_figures must give numbers in a tensor of shape \(3,\) for each name"),
        ({"loss": "zoo.py:Gated@1"}, r"class_figures must give .* none of them auxiliary, .*gate"),
        ({"loss": "zoo.py:Taking@1"}, r"class_figures must give .* none of them auxiliary"),
        ({"loss": "zoo.py:Compact@1", "center_init": "class-means"}, r"class-means is for losses with init_centers"),
        ({"model": "zoo.py:Wrong"}, r"feature_dim of the model must be 4, the width of its features; it says 5"),
        ({"dataset": "zoo.py:numbered"}, r"class_names of train must be texts"),
        ({"dataset": "zoo.py:halved"}, r"class_names of train must be texts in UTF-8, one for each class; got .*ud800"),
        ({"image_size": 16}, r"image_size 16 was asked for, and images have 8 x 8 pixels"),
    ],
    ids=str,
)
def test_what_would_go_wrong_later_is_told_before_training(zoo, changes, message):
    with pytest.raises(ValueError, match=message) as told:
        fit(dataclasses.replace(zoo, **changes), QUIET)
    assert "\n" not in str(told.value)


@pytest.mark.filterwarnings("default")
def test_code_that_changed_since_is_told_and_what_was_trained_stays(zoo, tmp_path):
    run = dataclasses.replace(zoo, loss="zoo.py:Compact@0.1")
    study = comparison_study(run, [run.loss_name], 1)
    first = reproduce(study, AS_DESCRIBED, tmp_path / "out", where=QUIET)
    Path("zoo.py").write_text(ZOO.replace("features.square().mean()", "features.abs().mean()"))
    with pytest.warns(UserWarning, match=r"the code of zoo.py:tiny, zoo.py:Net, zoo.py:Compact has changed since"):
        again = reproduce(study, AS_DESCRIBED, tmp_path / "out", where=QUIET)
    assert [r.as_dict() for r in again] == [r.as_dict() for r in first]


def test_a_study_file_that_exits_is_an_error(tmp_path):
    (tmp_path / "study.py").write_text("import sys\nsys.exit(0)\n")
    told = subprocess.run([sys.executable, "-m", "sigma2r", "reproduce", "study.py:STUDY"], cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert told.returncode == 1
    assert "raised SystemExit: 0 (study.py, line 2)" in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_path_may_hold_signs_of_a_spelling(zoo, tmp_path):
    folder = tmp_path / "me@work [1]"
    folder.mkdir()
    (folder / "zoo.py").write_text(ZOO)
    run = dataclasses.replace(zoo, loss=f"{folder}/zoo.py:Compact@0.25", epochs=1)
    assert run.loss_weight == 0.25
    assert fit(run, QUIET).record.run.loss_name == f"{folder}/zoo.py:Compact@0.25"


def test_a_worker_tells_what_was_raised(zoo, tmp_path):
    Path("raises.py").write_text("class OwnError(Exception):\n    def __init__(self, a, b): super().__init__(a)\n"
                                 "def data(split): raise OwnError('too', 'bad')\n")  # fmt: skip
    study = comparison_study(dataclasses.replace(zoo, dataset="raises.py:data"), ["center@0.1"], 2)
    with pytest.raises(ValueError, match=r"raises.py:data: calling it raised OwnError: too \(raises.py, line 3\)"):
        reproduce(study, AS_DESCRIBED, tmp_path / "out", where=Where(device="cpu", progress=False),
                  launcher=LocalLauncher(2))  # fmt: skip
