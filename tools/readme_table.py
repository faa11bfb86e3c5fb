"""Fill README's results table from the committed records: ``python -m tools.readme_table [--write]``."""

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
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = filled_in(before)
    if "--write" in sys.argv:
        readme.write_text(after, encoding="utf-8")
    elif before != after:
        sys.exit("README.md does not show the committed records: make report")
