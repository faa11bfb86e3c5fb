"""Packages that are not there, one after another: one sentence with what to install, whatever is called."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import textwrap

import pytest

from sigma2r._extras import EXTRAS

# One process imports torch once, and then a child of it for each package does without that package. It says, for each
# thing it calls, whether that went well or what one is told.
CHILDREN = """
    import json, os, sys, torch

    class Without:
        # A finder that does not find one package: neither to import it nor its version.
        def __init__(self, finder, name):
            self.finder, self.name = finder, name

        def find_spec(self, fullname, path=None, target=None):
            return None if fullname.partition(".")[0] == self.name else self.finder.find_spec(fullname, path, target)

        def find_distributions(self, context):
            if context.name is None or context.name.replace("-", "_") != self.name:
                yield from getattr(self.finder, "find_distributions", lambda context: [])(context)

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
        sys.meta_path = [Without(finder, package) for finder in sys.meta_path]
        for kind, text in calls:
            out, err = (os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err"))
            os.dup2(out, 1), os.dup2(err, 2)
            try:
                from sigma2r.cli import main
                code = main(text.split()) if kind == "words" else python(text)
            except SystemExit as error:
                code = error.code
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
    ("python", "from sigma2r.models import ResNet18; ResNet18(3, 2)"),
    ("python", f"{RECORD}print_table(records)"),
    ("python", f"{RECORD}write_report(records, Path('page'))"),
]  # fmt: skip
# Called without some packages alone, as they take long or would train: nothing is trained then.
COMPARE = f"compare --losses center@0.1 {RUN.replace('--loss center@0.1 ', '')} --out compared {QUIETLY}"
EVALUATE, AUDIT = "evaluate run --resamples 0 --out evaluated", "audit run --data image.png --out audited"
EXPORT = "export run --format torch-export --overwrite true"
TIMM = "from sigma2r.models.hub import check_timm; check_timm('timm:resnet18')"
ONNX = "from sigma2r.exporting.onnx_file import refuse_absent; refuse_absent()"
YARDSTICKS = "from sigma2r.studies.yardsticks import arcface, theirs; "
ALSO = {
    "PIL": [("words", AUDIT), ("python", TIMM)],
    "torchvision": [("python", TIMM)],
    "pytorch_metric_learning": [
        ("python", f"{YARDSTICKS}arcface(3, 2)"),
        ("python", f"{YARDSTICKS}theirs('pml:CosFaceLoss')"),
    ],
    "cleanlab": [("words", AUDIT), ("words", f"{AUDIT} --cleanlab true")],
    "ray": [("python", "from sigma2r.studies.launch.ray import RayLauncher; RayLauncher()")],
    "tensorboard": [("words", f"train {RUN} --init_seed 1 --out new {QUIETLY}")],
    "matplotlib": [("words", COMPARE), ("words", EVALUATE), ("words", AUDIT)],
    "jinja2": [("words", COMPARE), ("words", EVALUATE), ("words", AUDIT)],
    "rich": [("words", EVALUATE)],
    "scipy": [("words", COMPARE)],
    "timm": [("words", f"train {RUN} --model timm:test_resnet --out timm {QUIETLY}"), ("python", TIMM)],
    "onnx": [("words", EXPORT), ("python", ONNX)],
    "onnxruntime": [("python", ONNX)],
    "onnxscript": [("python", ONNX)],
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
    "timm": "check_timm",
    "cleanlab": "--cleanlab true",
    "ray": "RayLauncher",
}


@pytest.fixture
def told(tmp_path):
    """What is told of each call without each package."""
    from PIL import Image

    from sigma2r.cli import main

    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()):
        assert main(f"train {RUN} --out run {QUIETLY}".split()) == 0
    Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
    calls = {name: [*CALLS, *ALSO.get(name, [])] for name in NEEDED_BY}
    (tmp_path / "calls").write_text(json.dumps(calls))
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONIOENCODING": "utf-8"}
    process = [sys.executable, "-c", textwrap.dedent(CHILDREN)]
    done = subprocess.run(process, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert not (tmp_path / "compared").exists()
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
    for package, needs_it in NEEDED_BY.items():
        of_it = {what: code for name, what, code, _ in told if name == package}
        assert [what for what, code in of_it.items() if code == 1 and needs_it in what], package
        assert of_it["--version"] == 0
        assert of_it["predict run fuzzy-rgb --out p.csv"] == 0  # a run is used with the core
