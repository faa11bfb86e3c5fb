"""The blocks of a page as a reader runs them: in a process that has imported nothing else, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import sigma2r

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
_SEEDED = "import runpy, sys, torch; torch.manual_seed(0); runpy.run_path(sys.argv[1], run_name='__main__')"


def python_blocks(page: Path) -> list[str]:
    """The code that a page shows."""
    return _BLOCK.findall(page.read_text())


def run_page(page: str, folder: Path, *, warnings: str = "error") -> None:
    """Run the blocks of a page as one script, whose lines are numbered as the page's.

    Args:
        page: Below the root of the project.
        folder: An empty one, in which it runs.
        warnings: What becomes of them; ``"ignore"`` where a library has its own.
    """
    text, lines = (ROOT / page).read_text(), []
    for block in _BLOCK.finditer(text):
        lines += [""] * (text.count("\n", 0, block.start(1)) - len(lines)) + block[1].splitlines()
    assert lines
    (folder / "page.py").write_text("\n".join(lines) + "\n")
    path = os.pathsep.join([str(Path(sigma2r.__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-c", _SEEDED, "page.py"],
        cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{page}: {done.stderr}"
