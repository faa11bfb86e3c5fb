"""Committed results as tables of docs/benchmarks.md: ``python -m benchmarks.tables --write``."""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs/benchmarks.md"
_PLACE = re.compile(r"(<!-- benchmarks/(\w+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def filled_in(text: str) -> str:
    """The page with the newest table of each suite between ``<!-- benchmarks/NAME -->`` and ``<!-- end -->``."""
    return _PLACE.sub(lambda place: place[1] + table(place[2]) + "\n" + place[3], text)


def table(suite: str) -> str:
    """The newest result of a suite as Markdown."""
    path = max((HERE / "results").glob(f"{suite}_*.json"), key=lambda p: p.stem.rpartition("_")[2])
    result = json.loads(path.read_text(encoding="utf-8"))
    lines = ["| what | ours | against | ratio (quartiles) | wanted | n |", "| --- | --- | --- | ---: | ---: | ---: |"]
    lines += [_row(ratio) for ratio in result["ratios"]]
    known = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return "\n".join([*lines, "", f"{result['device']}, {result['threads']} threads; {known}. `{path.name}`"])


def _row(ratio: dict[str, Any]) -> str:
    spread = "" if ratio["n"] == 1 else f" ({ratio['low']:.3g} to {ratio['high']:.3g})"
    wanted = "–" if ratio["target"] is None else f"{'≤' if ratio['met'] else 'missed: ≤'} {ratio['target']:.3g}"
    cells = [ratio["what"], ratio["ours"], ratio["rival"], f"{ratio['ratio']:.3g}{spread}", wanted, str(ratio["n"])]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    after = filled_in(before)
    if "--write" in sys.argv:
        PAGE.write_text(after, encoding="utf-8")
    elif before != after:
        sys.exit("docs/benchmarks.md does not show the committed results: python -m benchmarks.tables --write")
