"""Extras: what they bring, what is told of them, and what a shell completes."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from sigma2r._extras import EXTRAS, extra_of, installed, or_which_extra, version_of
from sigma2r.cli.version import environment
from sigma2r.cli.words import USES
from tests.studies.test_cli import call
from tools.extras import CORE, TRIED

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOR_THIS_PACKAGE = {"docs", "dev"}  # to work on it


def packages(lines):
    return {re.split(r"[\[<>=;]", line)[0].strip() for line in lines}


def test_the_extras_are_those_of_the_project():
    theirs = {name: packages(lines) - {"torch", "sigma2r"} for name, lines in PROJECT["optional-dependencies"].items()}
    shared = {"parquet": {"numpy"}}  # of which the module is known by another extra
    ours = {name: {*modules.values(), *shared.get(name, ())} for name, modules in EXTRAS.items()}
    assert ours == {name: wanted for name, wanted in theirs.items() if name not in FOR_THIS_PACKAGE}


def test_tests_have_all_extras():
    (of_ours,) = [line for line in PROJECT["optional-dependencies"]["dev"] if line.startswith("sigma2r[")]
    assert set(of_ours[len("sigma2r[") : -1].split(",")) == {*PROJECT["optional-dependencies"]} - {"dev"}
    for name in EXTRAS:
        assert all(importlib.util.find_spec(module) for module in EXTRAS[name])


def test_each_extra_is_tried_alone():
    assert {CORE, *EXTRAS} == set(TRIED)


def test_the_page_of_installing_names_every_extra():
    page = (ROOT / "docs/installing.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == list(EXTRAS)


def test_what_no_extra_brings_is_told_as_python_does():
    with pytest.raises(ModuleNotFoundError, match=r"^No module named .not_to_be_had.$"), or_which_extra("it"):
        import not_to_be_had  # noqa: F401
    assert extra_of(ModuleNotFoundError("", name="matplotlib.pyplot")) == "report"
    for name, extras in (("rich", "train,report"), ("scipy.stats", "train,report"), ("ray", "ray")):
        told = rf'^it needs more \(\): pip install "sigma2r\[{extras}\]"$'
        with pytest.raises(ImportError, match=told), or_which_extra("it", ("train", "report")):
            raise ModuleNotFoundError("", name=name)
    assert extra_of(ImportError("")) is None


def test_version_tells_of_torch_the_device_and_every_extra(capsys):
    code, said, err = call(capsys, "--version")
    assert (code, err) == (0, "")
    lines = said.splitlines()
    assert lines[0] == f"sigma2r {PROJECT['version']}"
    assert lines[1].startswith(f"python {sys.version.split()[0]}, ")
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
    assert {"list", "train", "compare", "reproduce", "report", "completion", "audit", *USES} <= verbs
    assert completed(script, "sigma2r exp") == {"export"}
    assert completed(script, "sigma2r train --dat") >= {"--dataset", "--data_seed", "--data_dir"}
    assert completed(script, "sigma2r export --f") == {"--format"}
    assert completed(script, "sigma2r train --dataset f") == {"fuzzy-rgb", "fashion-mnist"}
    assert completed(script, "sigma2r train --model res") == {"resnet18"}
    assert completed(script, "sigma2r train --loss sig") == {"sigma2r"}
    assert completed(script, "sigma2r compare --losses arc") == {"arcface"}
    assert completed(script, "sigma2r evaluate runs --split v") == {"val"}
    assert completed(script, "sigma2r rejector runs --score m") == {"mahalanobis", "max-softmax"}
    assert completed(script, "sigma2r audit r") == {"runs"}
    assert completed(script, "sigma2r export runs --images pic") == {"picture.png"}
    assert completed(script, "sigma2r reproduce table-") == {f"table-{number}" for number in (1, 2, 3, 4)}
    assert completed(script, "sigma2r predict r") == {"runs"}


def test_the_verb_prints_the_script(script, capsys):
    code, said, err = call(capsys, "completion", "bash")
    assert (code, err) == (0, "")
    assert said == script.read_text() + "\n"
    assert call(capsys, "completion", "fish")[0] == 2
    assert "compdef" in call(capsys, "completion", "zsh")[1]
