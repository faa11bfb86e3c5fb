"""Packages that are not installed: one sentence with what to install, whatever is called; and what is told of them."""

import contextlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from sigma2r._extras import EXTRAS, extra_of, installed, or_which_extra, version_of
from sigma2r.cli.version import environment
from tests.studies.test_cli import call

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOR_THIS_PACKAGE = {"docs", "dev"}  # to work on it


def packages(lines):
    return {re.split(r"[\[<>=;]", line)[0].strip() for line in lines}


def test_the_extras_are_those_of_the_project():
    theirs = {name: packages(lines) - {"torch"} for name, lines in PROJECT["optional-dependencies"].items()}
    shared = {"parquet": {"numpy"}}  # of which the module is known by another extra
    ours = {name: {*modules.values(), *shared.get(name, ())} for name, modules in EXTRAS.items()}
    assert ours == {name: wanted for name, wanted in theirs.items() if name not in FOR_THIS_PACKAGE}


def test_tests_have_all_extras():
    for name in EXTRAS:
        assert all(importlib.util.find_spec(module) for module in EXTRAS[name])


def test_what_no_extra_brings_is_told_as_python_does():
    with pytest.raises(ModuleNotFoundError, match=r"^No module named .not_to_be_had.$"), or_which_extra("it"):
        import not_to_be_had  # noqa: F401
    assert extra_of(ModuleNotFoundError("", name="matplotlib.pyplot")) == "report"
    assert extra_of(ImportError("")) is None


# One process imports torch once, and then a child of it for each package does without that package. It says, for each
# thing it calls, whether that went well or what one is told.
CHILDREN = """
    import json, os, sys, torch
    from importlib.abc import MetaPathFinder

    class Absent(MetaPathFinder):
        def __init__(self, name):
            self.name = name

        def find_spec(self, fullname, path=None, target=None):
            if fullname.partition(".")[0] == self.name:
                raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)

    def python(code):
        try:
            exec(code, {})
        except ImportError as error:
            print(f"sigma2r: {error}", file=sys.stderr)
            return 1
        return 0

    def say(package, what, code):
        sys.stderr.flush()
        told = open("err", encoding="utf-8").read()
        print(json.dumps([package, what, code, told]), file=report, flush=True)

    report = os.fdopen(os.dup(1), "w")
    for package, calls in json.load(open("calls")).items():
        if os.fork():
            os.wait()
            continue
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.meta_path.insert(0, Absent(package))
        for kind, text in calls:
            out, err = (os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err"))
            os.dup2(out, 1), os.dup2(err, 2)
            from sigma2r.cli import main
            try:
                code = main(text.split()) if kind == "words" else python(text)
            except BaseException as error:
                code = f"{type(error).__name__}: {error}"
            say(package, text, code)
        os._exit(0)
"""
RUN = "--dataset fuzzy-rgb --loss center@0.1 --feature_dim 2 --epochs 1 --images_per_class 20 --batch_size 30"
QUIETLY = "--progress false --device cpu"
RECORD = (
    "from pathlib import Path; from sigma2r.studies.record import Record; from sigma2r.report import write_report, "
    "print_table; records = [Record.read(Path('run/record.json'))]; "
)
CALLS = [
    ("words", "list"),
    ("words", "--version"),
    ("words", "--help"),
    ("words", "completion bash"),
    ("words", f"train {RUN} --out run {QUIETLY}"),  # it has finished
    ("words", "train --dataset folder:. --out folder"),
    ("words", "reproduce figure-1 --out studies"),
    ("words", "report run --out page"),
    ("words", "embed run fuzzy-rgb --out f.npz"),
    ("words", "embed run fuzzy-rgb --out f.parquet"),
    ("words", "predict run fuzzy-rgb --out p.csv"),
    ("words", "predict run image.png --out q.csv"),
    ("python", "from sigma2r.metrics import IntraClassSpread"),
    ("python", "from sigma2r.studies.train import train"),
    ("python", "import sigma2r.training"),
    ("python", "import sigma2r; sigma2r.load('run', device='cpu').predict('image.png')"),
    ("python", "from sigma2r.exporting.onnx_file import refuse_absent; refuse_absent()"),
    ("python", "from sigma2r.models import ResNet18; ResNet18(3, 2)"),
    ("python", "from sigma2r.studies.yardsticks import arcface; arcface(3, 2)"),
    ("python", "from sigma2r.studies.launch.ray import RayLauncher; RayLauncher()"),
    ("python", f"{RECORD}print_table(records)"),
    ("python", f"{RECORD}write_report(records, Path('page'))"),
]  # fmt: skip
# Called without some packages alone, as they would train: nothing is trained then.
COMPARE = f"compare --losses center@0.1 {RUN.replace('--loss center@0.1 ', '')} --out compared {QUIETLY}"
ALSO = {
    "tensorboard": [("words", f"train {RUN} --init_seed 1 --out new {QUIETLY}")],
    "matplotlib": [("words", COMPARE)],
    "jinja2": [("words", COMPARE)],
    "scipy": [("words", COMPARE)],
}
# What goes wrong for each package: of each of these calls one is told what to install; the others do without it.
NEEDED_BY = {
    "torchvision": "ResNet18",
    "PIL": "predict run image.png",
    "pytorch_lightning": f"train {RUN}",
    "torchmetrics": "IntraClassSpread",
    "jsonargparse": "list",
    "yaml": "list",
    "rich": "print_table(",
    "tensorboard": "--init_seed 1",
    "shtab": "completion bash",
    "numpy": "f.npz",
    "matplotlib": "write_report(",
    "jinja2": "write_report(",
    "scipy": "compare",
    "onnx": "onnx_file",
    "onnxruntime": "onnx_file",
    "onnxscript": "onnx_file",
    "pyarrow": "f.parquet",
    "pytorch_metric_learning": "arcface",
    "ray": "RayLauncher",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What is told of each call without each package."""
    from PIL import Image

    from sigma2r.cli import main

    place = tmp_path_factory.mktemp("without")
    with contextlib.chdir(place), contextlib.redirect_stdout(io.StringIO()):
        assert main(f"train {RUN} --out run {QUIETLY}".split()) == 0
    Image.new("RGB", (32, 32)).save(place / "image.png")
    calls = {name: [*CALLS, *ALSO.get(name, [])] for name in NEEDED_BY}
    (place / "calls").write_text(json.dumps(calls))
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONIOENCODING": "utf-8"}
    process = [sys.executable, "-c", textwrap.dedent(CHILDREN)]
    done = subprocess.run(process, cwd=place, env=environ, capture_output=True, text=True, check=True)
    assert not (place / "compared").exists()
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == sum(map(len, calls.values()))
    return said


@pytest.mark.slow
def test_absence_of_a_package_is_one_sentence_whatever_is_called(told):
    extras = {module: extra for extra, modules in EXTRAS.items() for module in modules}
    wrong = []
    for package, what, code, err in told:
        sentences = [line for line in err.splitlines() if line.startswith("sigma2r: ")]
        installs = re.findall(r'pip install "sigma2r\[([\w,]+)\]"', err)
        names_it = len(installs) == 1 and extras[package] in installs[0].split(",")
        if code != 0 and "folder:." not in what and not (code == 1 and len(sentences) == 1 and names_it):
            wrong.append((package, what, code, err))
        if "Traceback" in err:
            wrong.append((package, what, code, err))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("package", NEEDED_BY)
def test_what_needs_a_package_says_so_and_what_does_not_does_without(package, told):
    of_it = {what: code for name, what, code, _ in told if name == package}
    assert [what for what, code in of_it.items() if code == 1 and NEEDED_BY[package] in what]
    assert of_it["--version"] == 0
    assert of_it["predict run fuzzy-rgb --out p.csv"] == 0  # a run is used with the core


def test_version_tells_of_torch_the_device_and_every_extra(capsys):
    code, said, err = call(capsys, "--version")
    assert (code, err) == (0, "")
    lines = said.splitlines()
    assert lines[0] == f"sigma2r {PROJECT['version']}"
    assert lines[1].startswith(f"python {sys.version.split()[0]}, ")
    import torch

    assert re.fullmatch(rf"torch {re.escape(torch.__version__.partition('+')[0])}\S*, jaxtyping [\d.]+", lines[2])
    assert lines[3].startswith("device cpu: " if not torch.cuda.is_available() else "device cuda: ")
    assert [line.split()[1].rstrip(":") for line in lines[4:]] == list(EXTRAS)
    assert f"matplotlib {version_of('matplotlib')}" in said


def test_version_tells_what_is_missing(monkeypatch):
    monkeypatch.setitem(EXTRAS, "parquet", {"pyarrow": "pyarrow", "absent": "not-to-be-had"})
    monkeypatch.setitem(EXTRAS, "ray", {"ray": "not-to-be-had-either"})
    assert installed("ray") == {"not-to-be-had-either": None}
    lines = environment().splitlines()
    assert lines[-1] == "extra ray: not installed: not-to-be-had-either"
    assert f"extra parquet: pyarrow {version_of('pyarrow')}; not installed: not-to-be-had" in lines


def completed(script: Path, line: str) -> set[str]:
    """What a real bash offers behind a line."""
    words = line.split(" ")
    source = (
        f"source {script}\n"
        f"COMP_WORDS=({' '.join(word or chr(39) * 2 for word in words)}); COMP_CWORD={len(words) - 1}\n"
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}\n"
        "complete -p sigma2r >/dev/null || exit 9\n"
        "name=$(complete -p sigma2r | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\n"
        '$name sigma2r "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"\n'
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", source], capture_output=True, text=True, check=True, cwd=script.parent
    )
    return {word.strip() for word in done.stdout.split("\n") if word.strip()}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    from sigma2r.cli.completion import completion_script
    from sigma2r.cli.parser import build_parser

    assert shutil.which("bash"), "the test of completion needs bash"
    place = tmp_path_factory.mktemp("completion")
    (place / "runs").mkdir()
    (place / "picture.png").touch()
    path = place / "sigma2r.bash"
    path.write_text(completion_script(build_parser(), "bash"))
    return path


def test_bash_completes_verbs_flags_and_names(script):
    verbs = completed(script, "sigma2r ")
    assert {"list", "train", "compare", "reproduce", "report", "embed", "predict", "export", "completion"} <= verbs
    assert completed(script, "sigma2r exp") == {"export"}
    assert completed(script, "sigma2r train --dat") >= {"--dataset", "--data_seed", "--data_dir"}
    assert completed(script, "sigma2r export --f") == {"--format"}
    assert completed(script, "sigma2r train --dataset f") == {"fuzzy-rgb", "fashion-mnist"}
    assert completed(script, "sigma2r train --model res") == {"resnet18"}
    assert completed(script, "sigma2r train --loss sig") == {"sigma2r"}
    assert completed(script, "sigma2r reproduce table-") == {f"table-{number}" for number in (1, 2, 3, 4)}
    assert completed(script, "sigma2r predict r") == {"runs"}


def test_the_verb_prints_the_script(script, capsys):
    code, said, err = call(capsys, "completion", "bash")
    assert (code, err) == (0, "")
    assert said == script.read_text() + "\n"
    assert call(capsys, "completion", "fish")[0] == 2
    assert "compdef" in call(capsys, "completion", "zsh")[1]
