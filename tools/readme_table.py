"""Fill the results tables of README and docs from committed records: ``python -m tools.readme_table [--write]``."""

import re
import sys
from pathlib import Path

from sigma2r.report import markdown_table
from sigma2r.studies.record import read_records

ROOT = Path(__file__).parent.parent
_PLACE = re.compile(r"(<!-- results/([\w-]+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def filled_in(text: str) -> str:
    """The text with the table of ``results/NAME`` between ``<!-- results/NAME -->`` and ``<!-- end -->``."""

    def table(place: re.Match[str]) -> str:
        return place[1] + markdown_table(read_records(ROOT / "results" / place[2])) + "\n" + place[3]

    return _PLACE.sub(table, text)


if __name__ == "__main__":
    behind = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        before = page.read_text(encoding="utf-8")
        after = filled_in(before)
        if before != after:
            behind.append(page.name)
            if "--write" in sys.argv:
                page.write_text(after, encoding="utf-8")
    if behind and "--write" not in sys.argv:
        sys.exit(f"{', '.join(behind)} must show the committed records: make report")
