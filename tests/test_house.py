"""The repository around the package: it speaks of itself alone, its documents hold together, its set-up recovers."""

import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from sigma2r.cli.parser import build_parser, flags
from sigma2r.cli.verbs import described
from sigma2r.studies.comparison import comparison
from sigma2r.studies.record import STUDY_FILE, Record
from tools.pages import commands
from tools.readme_table import filled_in

ROOT = Path(__file__).parent.parent
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]  # fmt: skip
PAGES = [path for path in TRACKED if path.suffix == ".md"]
SYSTEM = {"dev", "etc", "proc", "usr"}  # roots of absolute paths that mean the same on every machine


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def paths_of_one_machine(text: str) -> list[str]:
    found = re.finditer(r"(?<![\w./:~$)}>*\\-])/(\w[\w.-]*)/", text)
    return [match[0] for match in found if match[1] not in SYSTEM]


def test_no_file_names_a_path_of_one_machine():
    assert paths_of_one_machine("see '/data/images/x.png'") == ["/data/"]  # the check can fail
    assert paths_of_one_machine("/usr/share/datasets, train/class/x, https://a.org/b/c") == []
    others = [
        path
        for path in TRACKED
        if path not in (Path(__file__), ROOT / ".gitignore") and path.suffix not in (".xz", ".png")
    ]
    texts = {path: path.read_bytes().decode(errors="ignore") for path in others}
    assert {name_of(path): found for path, text in texts.items() if (found := paths_of_one_machine(text))} == {}


def test_no_code_reaches_outside_the_repository():
    code = [path for path in TRACKED if path.suffix == ".py" and path != Path(__file__)]
    assert len(code) > 30
    assert [name_of(path) for path in [*code, ROOT / "Makefile"] if "../" in path.read_text()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_documents_lead_somewhere(page: Path):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_documents_show_commands():
    assert sum(len(commands(page)) for page in PAGES) > 8


@pytest.mark.parametrize("command", sorted({c for page in PAGES for c in commands(page)}))
def test_every_command_of_the_documents_is_understood(command: str):
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    words = [word for word in words if word not in ("--config", "run.yaml", "--print_config")]
    chosen = build_parser().parse_args(flags(words))
    if chosen.verb in ("train", "compare"):
        run = described(chosen[chosen.verb])  # refuses names and options that do not exist
        if chosen.verb == "compare":
            assert list(comparison(run, chosen.compare.losses, chosen.compare.seeds))


def test_tables_in_the_documents_show_the_committed_records():
    pages = [page for page in PAGES if "<!-- results/" in page.read_text()]
    assert len(pages) >= 2
    assert [name_of(page) for page in pages if filled_in(page.read_text()) != page.read_text()] == []


def test_every_committed_record_is_read():
    paths = [path for path in (ROOT / "results").rglob("*.json") if path.name != STUDY_FILE]
    assert len(paths) > 300
    assert {path.stem for path in paths} == {Record.read(path).run_id for path in paths}


def test_every_public_package_has_a_page_of_reference():
    text = "".join(path.read_text() for path in (ROOT / "docs/api").glob("*.md"))
    packages = {path.parent.name for path in (ROOT / "src/sigma2r").glob("*/__init__.py")}
    assert {"losses", "report"} < packages
    assert {name for name in packages if f".. automodule:: sigma2r.{name}" not in text} == set()


# A Python that only pretends: it makes an empty environment and installs nothing, as fast as can be.
PRETENDER = """#!/bin/sh
case "$*" in
  *version_info*) exit ${TOO_OLD:-0} ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *"pip install"*) echo "$*"; exit ${PIP_FAILS:-0} ;;
esac
"""


@pytest.fixture
def make(tmp_path: Path):
    assert shutil.which("make"), "the Makefile's tests need make"
    python, stamp = tmp_path / "python", tmp_path / "venv"
    python.write_text(PRETENDER)
    python.chmod(0o755)

    def run(name: str = ".ready", **environment: str) -> subprocess.CompletedProcess[str]:
        call = ["make", f"PYTHON={python}", f"VENV={stamp}", str(stamp / name)]
        return subprocess.run(call, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)

    return run


def test_set_up_runs_once(make):
    assert make().returncode == 0
    assert "up to date" in make().stdout


def test_set_up_that_was_interrupted_starts_over(make, tmp_path: Path):
    assert make(PIP_FAILS="1").returncode != 0
    half_installed = tmp_path / "venv" / "half-installed"
    half_installed.touch()
    assert make().returncode == 0
    assert not half_installed.exists()
    assert "up to date" in make().stdout


def test_set_up_follows_a_change_of_its_settings_and_keeps_what_is_there(make, tmp_path: Path):
    make()
    (tmp_path / "venv" / "mine").touch()
    os.utime(tmp_path / "venv" / ".ready", (0, 0))  # older than pyproject.toml
    assert "Setting up" in make().stdout
    assert (tmp_path / "venv" / "mine").exists()


def test_the_demo_installs_what_it_needs_and_tests_bring_the_rest(make):
    first = make(".ready-demo")
    assert first.returncode == 0
    assert "--editable .[train,report]" in first.stdout
    assert "--quiet" not in first.stdout  # pip is seen at work
    assert "up to date" in make(".ready-demo").stdout
    assert "--editable .[dev]" in make().stdout
    assert "up to date" in make().stdout
    assert "up to date" in make(".ready-demo").stdout  # which needs less


@pytest.mark.parametrize(("stopped", "then"), [(".ready", ".ready-demo"), (".ready-demo", ".ready")])
def test_after_a_set_up_that_was_interrupted_the_other_starts_over(stopped: str, then: str, make, tmp_path: Path):
    make(".ready-demo")
    os.utime(tmp_path / "venv" / ".ready-demo", (0, 0))  # older than pyproject.toml
    assert make(stopped, PIP_FAILS="1").returncode != 0
    (tmp_path / "venv" / "half-installed").touch()
    told = make(then)
    assert told.returncode == 0
    assert "Setting up" in told.stdout
    assert not (tmp_path / "venv" / "half-installed").exists()
    assert "up to date" in make(then).stdout


def test_an_upgrade_of_the_demo_that_was_interrupted_is_no_environment_for_the_demo(make, tmp_path: Path):
    make(".ready-demo")
    assert make(".ready", PIP_FAILS="1").returncode != 0
    (tmp_path / "venv" / "half-installed").touch()
    assert "Setting up" in make(".ready-demo").stdout
    assert not (tmp_path / "venv" / "half-installed").exists()


def test_an_old_python_is_refused_in_one_sentence(make):
    refused = make(TOO_OLD="1")
    assert refused.returncode != 0
    assert "needs Python 3.11 or newer" in refused.stderr


def test_benchmark_tables_show_the_committed_results():
    from benchmarks import tables

    text = tables.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- benchmarks/") == 8
    assert tables.filled_in(text) == text


def test_every_mutation_finds_its_place_in_the_source():
    from tools.mutations import MUTATIONS, TESTS, tests_of

    assert len(MUTATIONS) > 80
    for mutation in MUTATIONS:
        path = ROOT / "src/sigma2r" / mutation.file
        assert mutation.apply(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    assert all((ROOT / name).exists() for names in TESTS.values() for name in names)
    assert all(tests_of(mutation.file) for mutation in MUTATIONS)
    assert [key for key in TESTS if not (ROOT / "src/sigma2r" / key).exists()] == []
    from sigma2r.studies import losses as registry

    modules = {loss.replace("-", "_") for loss in registry.AUXILIARY_LOSSES}
    assert modules <= {Path(mutation.file).stem for mutation in MUTATIONS}


def test_every_public_module_has_three_mutations_at_least():
    from tools.mutations import MUTATIONS

    source = ROOT / "src/sigma2r"
    names_alone = {"functional.py"}  # it hands on functions of the losses, whose modules have mutations of their own
    public = {str(path.relative_to(source)) for path in source.rglob("*.py") if not path.name.startswith("_")}
    public |= {"cli/__init__.py"}  # a package whose code stands in its first file
    assert len(public) > 70
    counted = Counter(mutation.file for mutation in MUTATIONS)
    assert {name: counted[name] for name in public - names_alone if counted[name] < 3} == {}


def test_the_longest_path_says_which_tests_notice_a_mutation():
    from tools.mutations import TESTS, tests_of

    assert tests_of("paper/judges.py") == TESTS["paper/judges.py"] != TESTS["paper"]
    assert tests_of("paper/studies/table_1.py") == TESTS["paper/studies"]
    assert tests_of("studies/tuning.py") != tests_of("studies/anything.py") == TESTS["studies"]
    assert tests_of("data/folder.py") == TESTS["data"]


def test_each_test_of_the_mutations_runs_once_without_a_change():
    from tools.mutations import MUTATIONS, each_once, stages_of

    words = ("-k", "not compiled")
    stages = [(*words, "tests/a/test_x.py", "tests/b/test_y.py"), (*words, "tests/a"), (*words, "tests/b/test_y.py")]
    assert each_once(stages) == [(*words, "tests/b/test_y.py"), (*words, "tests/a")]
    assert each_once([*stages, ("tests/a",)])[-1] == ("tests/a",)
    asked = {stages_of(mutation.file)[-1] for mutation in MUTATIONS}
    paths = [word for run in each_once(asked) for word in run if word.startswith("tests/")]
    assert len(paths) == len(set(paths))
    named = {word for stage in asked for word in stage if word.startswith("tests/")}
    assert all(any(path == each or path.startswith(f"{each}/") for each in paths) for path in named)


def test_what_caught_a_mutation_is_kept_until_the_mutation_is_gone(tmp_path):
    from tools.mutations import Mutation
    from tools.mutations._memory import Memory

    kept, gone = Mutation("a.py", "a sign", "+", "-"), Mutation("a.py", "a factor", "2", "3")
    memory = Memory(tmp_path / "caught_by.json")
    assert memory.test_of(kept) is None
    memory.learn(gone, "tests/test_a.py::test_factor")
    memory.learn(kept, "tests/test_a.py::test_sign")
    later = Memory(tmp_path / "caught_by.json")
    assert later.test_of(gone) == "tests/test_a.py::test_factor"
    later.forget_all_but([kept])
    assert later.test_of(gone) is None
    later.learn(kept, "tests/test_a.py::test_other")
    assert Memory(tmp_path / "caught_by.json").test_of(gone) is None
    assert Memory(tmp_path / "caught_by.json").test_of(kept) == "tests/test_a.py::test_other"
