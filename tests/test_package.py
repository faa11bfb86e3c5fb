"""The package as a whole: its names, its imports, its README, its house."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sigma2r
from tests.pages import python_blocks, run_page

ROOT = Path(__file__).parent.parent
PUBLIC = (
    "sigma2r", "sigma2r.adapters", "sigma2r.functional", "sigma2r.losses", "sigma2r.metrics", "sigma2r.samplers",
    "sigma2r.data", "sigma2r.evaluation", "sigma2r.trained", "sigma2r.exporting",
)  # fmt: skip
HEAVY = ("pytorch_lightning", "torchmetrics", "torchvision", "matplotlib", "jsonargparse", "scipy", "PIL", "sklearn")
OF_OTHERS = ("accelerate", "fastai", "pytorch_metric_learning", "skorch", "timm", "transformers")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_exist_are_sorted_and_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    exported = module.__all__
    assert exported == sorted(exported, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for exported_name in exported:
        thing = getattr(module, exported_name)
        if callable(thing) and not isinstance(thing, type(ast.AST)) and thing.__module__.startswith("sigma2r"):
            assert thing.__doc__, exported_name


def loaded_by(statement):
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return {name for name in (*HEAVY, *OF_OTHERS) if name in told.split()}


def test_importing_sigma2r_imports_torch_and_little_else():
    assert loaded_by("import torch; import sigma2r") == set()
    assert loaded_by("import sigma2r, PIL, scipy") == {"PIL", "scipy"}  # the check can fail


def test_adapters_import_no_library_that_is_not_asked_for():
    assert loaded_by("import sigma2r.adapters, sigma2r.studies.losses, sigma2r.studies.yardsticks") == set()
    assert "skorch" in loaded_by("import sigma2r.adapters.skorch")  # the check can fail


def test_a_report_is_built_without_what_trains():
    assert not {"pytorch_lightning", "torchvision"} & loaded_by(
        "import sigma2r.cli.registry, sigma2r.paper.page, sigma2r.cli.verbs"
    )


# Each may import itself and what stands before it; what shares a number knows nothing of the other.
RANKS = {
    "_call": 0, "_checkpoint": 0, "_extras": 0, "_files": 0, "_hooks": 0, "_layout": 0, "_shown": 0, "_suggest": 0,
    "_text": 0, "_arrays": 1, "_classifier": 1, "_kinds": 1, "_resolve": 1, "_values": 2, "losses": 3, "samplers": 3,
    "taps": 3, "functional": 4, "metrics": 4, "diagnosis": 4, "adapters": 5, "data": 5, "evaluation": 5, "models": 5,
    "training": 6, "studies": 7, "trained": 8, "exporting": 9, "report": 9, "audit": 10, "paper": 10, "cli": 11,
    "__main__": 12,
}  # fmt: skip


def imports_of_the_package():
    """Each import of a part by another: (file, its part, the part that it imports, the module)."""
    for path in sorted((ROOT / "src/sigma2r").rglob("*.py")):
        own = path.relative_to(ROOT / "src/sigma2r").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            for module in modules:
                if module.startswith("sigma2r.") and (other := module.split(".")[1]) in RANKS and own != "__init__":
                    yield path, own, other, module


def test_imports_point_one_way():
    seen = {(own, other) for _, own, other, _ in imports_of_the_package()}
    assert {("cli", "paper"), ("paper", "report"), ("studies", "training")} < seen  # the check sees some
    wrong = [(own, other) for own, other in seen if own != other and RANKS[other] >= RANKS[own]]
    assert wrong == []


def test_the_paper_is_known_to_the_registry_of_the_command_line_alone():
    knows = {str(path.relative_to(ROOT / "src/sigma2r")) for path, own, other, _ in imports_of_the_package()
             if other == "paper" and own != "paper"}  # fmt: skip
    assert knows == {"cli/registry.py"}
    general = [path for path in (ROOT / "src/sigma2r").rglob("*.py") if "paper" not in path.parts]
    assert [path.name for path in general if "paper" in path.stem] == []


@pytest.mark.parametrize(
    "part",
    [
        "losses",
        "metrics",
        "samplers",
        "data",
        "evaluation",
        "models",
        "studies",
        "trained",
        "exporting",
        "report",
        "paper",
    ],
)
def test_lightning_is_known_to_training_alone(part):
    files = list((ROOT / "src/sigma2r" / part).rglob("*.py"))
    assert files
    assert [path.name for path in files if "import pytorch_lightning" in path.read_text()
            or "from pytorch_lightning" in path.read_text()] == []  # fmt: skip


def test_no_source_file_is_longer_than_400_lines():
    sources = [path for folder in ("src", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    assert [path.name for path in sources if len(path.read_text().splitlines()) > 400] == []


ADAPTERS = ROOT / "docs" / "adapters"  # whose pages are run beside the tests of their library
EXAMPLES = ROOT / "docs/examples.md"  # whose blocks and commands are run in turns by tests/test_examples.py
PAGES = [ROOT / "README.md", *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent != ADAPTERS)]


@pytest.mark.parametrize("path", [p for p in PAGES if python_blocks(p) and p != EXAMPLES], ids=lambda p: p.name)
def test_every_block_of_the_documents_runs(path, tmp_path):
    run_page(str(path.relative_to(ROOT)), tmp_path)


def test_every_page_of_an_adapter_is_run_by_its_tests():
    run = {name for path in (ROOT / "tests/adapters").glob("test_*.py")
           for name in re.findall(r'run_page\("docs/adapters/([\w-]+\.md)", tmp_path', path.read_text())}  # fmt: skip
    assert run == {path.name for path in ADAPTERS.glob("*.md")}


def test_the_readme_has_a_block_to_run():
    assert python_blocks(ROOT / "README.md")


def test_the_readme_shows_the_table_of_the_committed_records():
    from tools.readme_table import filled_in

    text = (ROOT / "README.md").read_text()
    assert "sigma2r@0.01" in text
    assert filled_in(text) == text


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sigma2r.__version__
    newest = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[0]
    assert newest == sigma2r.__version__
    assert f"version: {sigma2r.__version__}" in (ROOT / "CITATION.cff").read_text()


def test_make_help_names_every_target():
    text = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)[1].split())
    assert targets == set(re.findall(r"^([a-z]+):.*## ", text, flags=re.MULTILINE)) | {"help"}
    assert {"demo", "test", "check", "bench", "docs"} <= targets


def test_ci_calls_the_targets_of_the_makefile_and_nothing_else():
    steps = re.findall(r"run: (.*)", (ROOT / ".github/workflows/ci.yml").read_text())
    assert steps == ["make check", "make test", "make docs"]
