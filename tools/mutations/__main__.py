"""Break each formula in turn and see a test fail: ``python -m tools.mutations [--jobs N] [WORD ...]``.

A mutation is a sign, a factor, a term or a case of an equation, or of what trains, draws and judges, changed in a copy of the source. It is caught if the
tests fail on that copy. Exit code 1 if one survives; words choose the mutations whose file or text holds one of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.mutations import LOSSES, MUTATIONS, Mutation, tests_of

ROOT = Path(__file__).parent.parent.parent

_NAMES = {
    "center": "center_loss",
    "sigma2r": "sigma_squared_r",
    "_spread": "sigma_squared_r",
    "_groups": "sigma_squared_r",
}


def is_caught(mutation: Mutation) -> bool:
    """Whether the tests fail on a copy of the repository with that change."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("src", "tests", "benchmarks", "docs", "tools"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / "src/sigma2r" / mutation.file
        path.write_text(mutation.apply(path.read_text(encoding="utf-8")), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        loss = Path(mutation.file).stem
        # Those of the loss in the contract first: mostly they are enough.
        few = [LOSSES[0], "-k", f"{_NAMES.get(loss, loss)} and not compiled and not composition"]
        all_of_them = ["-k", "not compiled", *tests_of(mutation.file)]
        for chosen in (few, all_of_them) if mutation.file.startswith("losses/") else (all_of_them,):
            done = subprocess.run([*words, *chosen], cwd=copy, env=environment, capture_output=True, text=True)
            if done.returncode not in (0, 1, 5):  # 5: none of that name
                raise RuntimeError(
                    f"mutations: the tests did not run on {mutation.what!r}:\n{done.stdout}{done.stderr}"
                )
            if done.returncode == 1:
                return True
        return False


def main(arguments: Sequence[str]) -> int:
    """Make the mutations and tell which were caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    mutations = [m for m in MUTATIONS if not chosen.words or any(w in f"{m.file} {m.what}" for w in chosen.words)]
    survivors = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for mutation, caught in zip(mutations, pool.map(is_caught, mutations), strict=True):
            survivors += not caught
            print(f"{'caught  ' if caught else 'SURVIVED'} {mutation.file}: {mutation.what}", flush=True)
    print(f"{len(mutations) - survivors} of {len(mutations)} mutations caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
