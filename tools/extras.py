"""Install the built wheel in an empty environment, each extra alone: ``python -m tools.extras [EXTRA ...]``.

First the core alone, from nothing; each extra is then installed beside a copy of it, whose files are links to the
core's until pip replaces them. In each it is tried that what the extra is for works, and that what others are for is
refused in one sentence. ``--folder`` keeps the environments, and goes on with those that it holds.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORE = "core"
_RUN = "runs/tried"  # of train, beside the environments

# What is called in each environment, as words of Python or of the command line, and what it must say.
_TRAIN = (
    "sigma2r train --dataset fuzzy-rgb --loss center@0.1 --feature-dim 2 --epochs 1 --images_per_class 20 "
    f"--device cpu --progress true --out {_RUN}"
)
_ARCFACE = "from sigma2r.studies.yardsticks import arcface; arcface(3, 2); print('built')"
_TIMM = "from sigma2r.models.hub import check_timm; check_timm('timm:resnet18'); print('known')"
_RAY = "from sigma2r.studies.launch.ray import RayLauncher; RayLauncher(); print('found')"
_CLEANLAB = "import sigma2r.audit; import cleanlab; print('found')"
_REPORT = (
    "from pathlib import Path; from sigma2r.report import write_report; from sigma2r.studies.record import Record; "
    f"write_report([Record.read(Path('{_RUN}/record.json'))], Path('page')); print('written')"
)
TRIED: dict[str, list[tuple[str, str]]] = {
    CORE: [
        ("sigma2r --version", "extra onnx: not installed: onnx"),
        ("sigma2r list", "[train,report]"),
        ("sigma2r train", "[train,report]"),
        ("sigma2r export nowhere", "there is no such folder"),
        ("import sigma2r; print(sigma2r.SigmaSquaredRLoss(num_classes=3, feature_dim=2))", "SigmaSquaredRLoss"),
        (_ARCFACE, "[yardsticks]"),
        (_TIMM, "[timm]"),
        (_RAY, "[train]"),
    ],
    "train": [
        (_RAY, "[ray]"),
        (_TRAIN, f"Record: {_RUN}"),
        (f"sigma2r predict {_RUN} fuzzy-rgb --out p.csv", "1,500 images; accuracy"),
        (f"sigma2r embed {_RUN} fuzzy-rgb --out f.npz", "Features: f.npz"),
        (f"sigma2r embed {_RUN} fuzzy-rgb --out f.parquet", "[parquet]"),
        (f"sigma2r export {_RUN} --out m.pt2 --format torch-export", "same class for all 64"),
        (f"sigma2r export {_RUN} --out m.onnx", "[onnx]"),
        ("sigma2r compare --out c", "[report]"),
        ("sigma2r completion bash", "complete -o"),
    ],
    "report": [(_REPORT, "written"), ("sigma2r report runs", "[train,report]")],
    "parquet": [(f"sigma2r embed {_RUN} fuzzy-rgb --out g.parquet", "Features: g.parquet")],
    "onnx": [(f"sigma2r export {_RUN} --out n.onnx", "same class for all 64")],
    "yardsticks": [(_ARCFACE, "built")],
    "timm": [(_TIMM, "known")],
    "cleanlab": [(_CLEANLAB, "found")],
    "ray": [(_RAY, "found")],
}


def wheel_in(folder: Path) -> Path:
    """The wheel of this source, built into a folder."""
    call = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(call, check=True)
    return next(folder.glob("sigma2r-*.whl"))


def environment(folder: Path, extra: str, wheel: Path) -> Path:
    """The Python of an environment in which the wheel is installed with one extra."""
    place = folder / extra
    python = place / "bin/python"
    if not place.exists():
        if extra == CORE:
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        else:
            shutil.copytree(folder / CORE, place, symlinks=True, copy_function=_link)
    wanted = str(wheel) if extra == CORE else f"{wheel}[{extra}]"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--force-reinstall", "--no-deps", str(wheel)], check=True)  # its version may be as before
    subprocess.run([*install, wanted], check=True)
    return python


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def told(python: Path, words: str, folder: Path) -> str:
    """All that a call says; it is of the command line where it begins with its name, otherwise Python."""
    call = ["-m", *words.split()] if words.startswith("sigma2r ") else ["-c", words]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, *call], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def main(arguments: Sequence[str]) -> int:
    """Install and try; 1 if something did not say what it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", help=f"default: all of {', '.join(TRIED)}")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.extras) - set(TRIED):
        parser.error(f"extras must be of {', '.join(TRIED)}; got {', '.join(sorted(unknown))}")
    asked = [extra for extra in TRIED if not chosen.extras or extra in {CORE, "train", *chosen.extras}]
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = (chosen.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = wheel_in(Path(temporary))
        for extra in asked:
            python = environment(folder, extra, wheel)
            for words, wanted in TRIED[extra]:
                said = told(python, words, folder)
                is_refusal = wanted.startswith("[") and not words.startswith("sigma2r ")  # which Python shows its way
                fine = wanted in said and (is_refusal or "Traceback" not in said)
                wrong += not fine
                print(f"{'fine ' if fine else 'WRONG'} {extra}: {words}", flush=True)
                if not fine:
                    print(f"      must say {wanted!r}; it says:\n{said}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
