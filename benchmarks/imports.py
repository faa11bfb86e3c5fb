"""What ``import sigma2r`` adds to ``import torch``."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.timing import Ratio, Work, compare


def import_seconds(statement: str) -> Work:
    """Seconds that a fresh interpreter takes for a statement."""
    script = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"

    def fresh() -> float:
        return float(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)

    return fresh


def run() -> Iterator[Ratio]:
    """As a ratio: torch takes some two seconds, of which 0.2 are a tenth."""
    yield compare(
        "import",
        ("import torch, sigma2r", import_seconds("import torch, sigma2r")),
        ("import torch", import_seconds("import torch")),
        target=1.1,
        n=9,
        warm_up=2,
    )
