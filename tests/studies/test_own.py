"""A study of a user's own, with its own loss, model, data set and table: the page of the documentation, executed."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sigma2r._resolve import resolve
from sigma2r.models import build_model
from sigma2r.studies.fit import fit
from sigma2r.studies.losses import build_loss, loss_options
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where
from tests.studies.test_cli import call
from tests.studies.test_train import numbers

PAGE = Path(__file__).parent.parent.parent / "docs/your-own-study.md"
QUIET = Where(device="cpu", progress=False)


@pytest.fixture
def study_file(tmp_path, monkeypatch) -> Path:
    """``study.py`` of the page, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    file = tmp_path / "study.py"
    file.write_text(block)
    return file


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_page_train_report_and_compare(study_file, capsys):
    first, long, report, compare = commands()
    code, out, err = call(capsys, *first, "--progress", "false")
    assert (code, err) == (0, "")
    assert out.startswith("bars, scale short: Two seeds.\n0 of 8 runs are done; 8 are left.")
    assert Path("runs/studies/bars/report.html").stat().st_size > 10_000
    code, out, err = call(capsys, *long, "--progress", "false")
    assert (code, err) == (0, "")
    assert "How long it will take is not known: estimate: the size of study.py:bars is not known" in out
    assert "8 of 20 runs are done; 12 are left." in out
    assert "[20/20]" in out
    assert len(list(Path("runs/studies/bars").glob("*.json"))) == 21
    code, out, err = call(capsys, *report)
    assert (code, err) == (0, "")
    table = Path("page/tables/bars-equal-weight-outliers.md").read_text()
    assert table.count("study.py:HuberCenterLoss@0.1[delta=0.2]") == 5
    assert "sigma2r reproduce study.py:STUDY --scale long" in Path("page/report.html").read_text()
    assert Path("page/report.html").read_bytes() == Path("runs/studies/bars/report.html").read_bytes()
    code, out, err = call(capsys, *compare, "--progress", "false")
    assert (code, err) == (0, "")
    assert "4 are left" in out
    assert len(list(Path("runs/study.py-bars-study.py-Network/runs").glob("*/record.json"))) == 4


@pytest.mark.filterwarnings("default")
def test_a_report_runs_no_code_for_what_a_file_says(study_file, capsys):
    first, *_ = commands()
    assert call(capsys, *first, "--progress", "false")[0] == 0
    study_file.write_text("raise SystemExit('this code was run')")
    for folder in ("runs/studies/bars", "runs/studies"):
        code, _, err = call(capsys, "report", folder, "--out", "page")
        assert code == 0
        assert err.count("\n") == 1
        assert err.startswith(f"warning: report: {folder}")
        assert "holds a study of somebody's own" in err
        assert not Path("page/tables/bars-equal-weight-outliers.md").exists()
    code, _, err = call(capsys, "report", "runs/studies/bars", "--study", "nowhere:STUDY")
    assert code == 1
    assert "there is no nowhere" in err


def test_a_study_of_ones_own_that_is_killed_ends_with_the_same_records(study_file):
    study_file.write_text(study_file.read_text().replace("epochs=6", "epochs=40"))
    root = PAGE.parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    words = [sys.executable, "-m", "sigma2r", "reproduce", "study.py:STUDY", "--progress", "false", "--out"]
    subprocess.run([*words, "alone"], check=True, env=environment, capture_output=True)
    process = subprocess.Popen([*words, "killed", "--jobs", "2"], env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(Path("killed").rglob("last.ckpt")):
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    time.sleep(1)  # workers notice that they are alone
    assert len(list(Path("killed/bars").glob("*.json"))) < 9
    subprocess.run([*words, "killed", "--jobs", "2"], check=True, env=environment, capture_output=True)
    kept = {path.name: path for path in Path("alone/bars").glob("*.json") if path.name != "study.json"}
    assert len(kept) == 8
    for name, path in kept.items():
        assert numbers(Record.read(path)) == numbers(Record.read(Path("killed/bars") / name))


def test_a_run_with_parts_of_ones_own_needs_no_folder(study_file):
    run = Run(dataset="study.py:bars", model="study.py:Network", loss="study.py:HuberCenterLoss@0.1[delta=0.5]",
              epochs=2, batch_size=40)  # fmt: skip
    before = set(Path.cwd().rglob("*"))
    fitted = fit(run, QUIET)
    assert fitted.record.run.loss_name == "study.py:HuberCenterLoss@0.1[delta=0.5]"
    assert fitted.criterion.auxiliary.delta == 0.5
    assert fitted.criterion.auxiliary.centers.abs().max() > 0  # it is trained though it has no param_groups
    features, logits = fitted.model(fitted.preprocess(torch.zeros(3, 1, 12, 12, dtype=torch.uint8)))
    assert (features.shape, logits.shape) == ((3, 8), (3, 4))
    assert {path for path in set(Path.cwd().rglob("*")) - before if "__pycache__" not in path.parts} == set()


def test_a_description_is_read_without_the_code_that_it_names(tmp_path):
    run = Run(dataset="gone.py:data", model="gone:Model", loss="gone:Loss@0.25[margin=2]", layers=("a",))
    assert Run.from_dict(json.loads(json.dumps(run.as_dict()))).run_id == run.run_id
    assert (run.feature_dim, run.loss_weight, run.loss_options) == (None, 0.25, {"margin": 2})
    with pytest.raises(ValueError, match=r"resolve: the file of a data set cannot be used: there is no file gone.py"):
        run.check_own_code()


BROKEN = """
import torch
from torch import nn
from sigma2r.data import ImageData
number = 3
table = {"x": 3}
def bare(features, labels): return features.mean()
def flat(split): return ImageData(torch.zeros(4, 3), torch.arange(4), ("a", "b", "c", "d"))
def strings(split): return ["a.png"]
def beyond(split): return ImageData(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4), ("a", "b"))
def floats(split): return ImageData(torch.zeros(4, 1, 8, 8), torch.arange(4), ("a", "b", "c", "d"))
class Silent(nn.Linear):
    def __init__(self): super().__init__(8, 4)
    def forward(self, x): return super().forward(x.flatten(1)[:, :8])
class Raises(nn.Module):
    def forward(self, x): raise RuntimeError("too small")
class Many(nn.Module):
    def forward(self, x): return x.flatten(1), x.flatten(1)
def margin(margin): return nn.Identity()
def no_module(): return 3
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text(BROKEN)
    Path("syntax.py").write_text("def (:\n")
    Path("raises.py").write_text("x = 1\nraise TypeError('no')\n")
    study = "Study(name='a', title='', source='', parts=iter, settings={'a': ''})"
    Path("two.py").write_text(f"from sigma2r.studies.study import Study\nFIRST = {study}\nSECOND = {study}\n")
    Path("needs.py").write_text("import not_to_be_had\n")


@pytest.mark.message
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "nowhere.at.all:Loss@1"}, "there is no nowhere.at.all"),
        ({"loss": "gone.py:Loss@1"}, "there is no file gone.py"),
        ({"loss": "syntax.py:Loss@1"}, "the file of a loss cannot be used: .*syntax.py, line 1"),
        ({"loss": "raises.py:Loss@1"}, r"importing the loss of raises.py raised TypeError: no \(raises.py, line 2\)"),
        ({"loss": "needs.py:Loss@1"}, "raised ModuleNotFoundError: No module named 'not_to_be_had'"),
        ({"loss": "broken.py:Flat@1"}, "unknown loss of broken.py 'Flat'.*Did you mean flat"),
        ({"loss": "broken.py:number@1"}, "a loss must be a class or a function that returns one; got 3"),
        ({"loss": "broken.py:no_module@1"}, "a loss must be a torch.nn.Module.*got int"),
        ({"loss": "broken.py:margin@1"}, "options without a default must be given; margin is missing"),
        ({"loss": "broken.py:bare@1"}, "features, labels is missing.* belongs in the forward of a torch.nn.Module"),
        ({"loss": "broken.py:margin@1[margn=2]"}, "unknown option of the loss broken.py:margin 'margn'.*mean margin"),
        ({"loss": "sigma2r.losses:CenterLoss@-1"}, "Run: loss_weight must be a finite number of at least 0"),
        ({"loss": "sigma2r.losses:CenterLoss@1", "layers": ("body.2",)}, "layers are for losses that learn nothing"),
        ({"dataset": "broken.py:flat"}, r"images of train must be a uint8 tensor .*got torch.float32 \(4, 3\)"),
        ({"dataset": "broken.py:floats"}, "images of train must be a uint8 tensor"),
        ({"dataset": "broken.py:strings"}, "a data set must return sigma2r.data.ImageData.*got list"),
        ({"dataset": "broken.py:beyond"}, r"labels of train must lie in \[0, 2\).*from 0 to 3"),
        ({"dataset": "broken.py:number"}, "a data set must be a function of a split"),
        ({"model": "broken.py:Silent"}, r"must return features \(N, D\) and logits .*got one tensor of shape \(2, 4\)"),
        ({"model": "broken.py:Raises"}, r"must take images of shape .*raised RuntimeError: too small"),
        ({"model": "broken.py:Many"}, r"must return features \(N, D\) and then logits \(N, 3\)"),
        ({"model": "broken.py:number"}, "a model must be a class or a function"),
        ({"model": "broken.py:no_module"}, "a model must be a torch.nn.Module; got int"),
        ({"model": "broken.py"}, "unknown model 'broken.py'.* One's own is named with its file, broken.py:NAME"),
        ({"loss": "broken.py@0.1"}, "unknown loss 'broken.py'.* One's own is named with its file, broken.py:NAME"),
        ({"model": "a-b:c"}, "unknown model 'a-b:c'"),
        ({"dataset": "module:"}, "unknown data set 'module:'"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_one_sentence(broken, tiny, changes, message):
    with pytest.raises(ValueError, match=message):
        fit(Run(**{"dataset": tiny, "batch_size": 12, "epochs": 1, "loss": "center@0.1", **changes}), QUIET)


def test_a_wrong_path_of_a_study_is_told_before_anything_is_written(broken, capsys):
    for study, message in (
        ("broken.py:STUDY", "unknown study of broken.py 'STUDY'"),
        ("broken.py:number", "a study must be a sigma2r.studies.study.Study; got int"),
        ("study.py", "there is no file study.py"),
        ("broken.py", "a study of one's own is named with its file, broken.py:NAME; that file has none."),
        ("two.py", "named with its file, two.py:NAME; that file has two.py:FIRST, two.py:SECOND."),
        ("broken.py:nothing.at_all", "unknown study of broken.py 'nothing'"),
        ("broken.py:table.x", "unknown study of broken.py:table 'x'"),
    ):
        code, _, err = call(capsys, "reproduce", study)
        assert code == 1
        assert message in err
        assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_module_is_found_in_the_current_folder_and_a_file_once(study_file, monkeypatch):
    sys.modules.pop("study", None)  # of another test
    first = resolve("loss", "study.py:HuberCenterLoss")
    assert resolve("loss", f"{study_file}:HuberCenterLoss") is first
    assert resolve("loss", "study:HuberCenterLoss").__name__ == "HuberCenterLoss"
    sys.modules.pop("study")
    Path("package").mkdir()
    Path("package/parts.py").write_text("from study import HuberCenterLoss as Nested")
    assert resolve("loss", "package.parts:Nested").__module__ == "study"
    for name in ("study", "package", "package.parts"):
        with contextlib.suppress(KeyError):
            del sys.modules[name]


def test_names_stay_names_and_options_of_a_path_are_its_arguments():
    assert loss_options("sigma2r.losses:SoftNearestNeighborLoss")["temperature"] == 1.0
    assert build_loss("sigma2r.losses:CenterLoss", 3, 2, {"alpha": 0.1}).centers.shape == (3, 2)
    model = build_model("sigma2r.models:LeNet", in_channels=1, image_size=16, num_classes=3, feature_dim=5)
    assert model.feature_dim == 5
