"""Rebuild every generated table from raw records, and say where pages differ: ``python -m tools.recompute [ROOT]``."""

import sys
from pathlib import Path

from tools.recompute.check import checked
from tools.recompute.evidence import Evidence
from tools.recompute.records import read

HERE = Path(__file__).parent.parent.parent


def main(root: Path = HERE) -> int:
    """0 where README and docs below ``root`` say what the records there say, else 1."""
    paths = (root / "README.md", *sorted((root / "docs").glob("*.md")))
    pages = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in paths if path.exists()}
    try:
        shelf = read(root / "results")
        tally = checked(pages, Evidence(shelf))
    except ValueError as error:
        print(error)
        return 1
    print(*tally.lines(), sep="\n")
    print(f"{len(shelf):,} runs; {len(shelf) - len(shelf.used):,} of them stand in no table.")
    return 0 if tally.fine else 1


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
