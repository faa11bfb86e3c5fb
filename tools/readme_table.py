"""Fill the results tables of README and docs from committed records: ``python -m tools.readme_table [--write]``.

Between ``<!-- results/WHAT -->`` and ``<!-- end -->`` stands ``verdicts``, or ``verdicts COLUMN ...`` for some columns;
``STUDY`` for all tables of a study; or ``STUDY LOSS ...`` for one table of these losses, over all its parts at the
study's own settings.
"""

import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from sigma2r.paper.claims import claims
from sigma2r.paper.page import page_family
from sigma2r.paper.studies import STUDIES
from sigma2r.report.folder import read_studies
from sigma2r.report.grid import Grid
from sigma2r.report.groups import part_records
from sigma2r.report.page import results_grid
from sigma2r.report.study import study_sections
from sigma2r.report.tables import loss_groups, make_table
from sigma2r.report.verdicts import Findings, claims_grid
from sigma2r.studies.study import Done, Scale

ROOT = Path(__file__).parent.parent
_PLACE = re.compile(r"(<!-- results/([^>]+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
_LONG = ("statistics", "classes", "trials")  # in the page of the report, not in the documents


@cache
def _read() -> tuple[Done, dict[str, Scale], int]:
    done, scales, studies = read_studies(ROOT / "results", STUDIES)
    return done, scales, page_family(done, scales, studies)


def filled_in(text: str) -> str:
    """The text with the tables that it asks for."""
    return _PLACE.sub(lambda place: place[1] + _tables(*place[2].split()) + "\n" + place[3], text)


def _tables(what: str, *losses: str) -> str:
    done, scales, family = _read()
    if what == "verdicts":
        return _columns(claims_grid(claims(), Findings(done, scales, STUDIES), family), *losses).markdown()
    study, scale = STUDIES[what], scales[what]
    if not losses:
        return "\n\n".join(
            "\n\n".join([f"### {section.title}", *section.paragraphs, *map(_titled, section.grids)])
            for section in study_sections(replace(study, figures=()), scale, done, family)
        )
    parts = [part for part in study.parts(scale, done) if part.name.startswith("equal")]
    records = {record.run_id: record for part in parts for record in part_records(part, done)}
    groups = loss_groups(records.values())
    return results_grid(make_table([record for loss in losses for record in groups[loss]]), "shown").markdown()


def _columns(grid: Grid, *names: str) -> Grid:
    """The grid with these columns alone, in this order; without names all of it."""
    if not names:
        return grid
    places = [grid.headings.index(name) for name in names]
    rows = tuple(tuple(row[place] for place in places) for row in grid.rows)
    return replace(grid, headings=names, rows=rows, caption="")


def _titled(grid: Grid) -> str:
    return "" if any(word in grid.name for word in _LONG) else f"**{grid.title}**\n\n{grid.markdown()}"


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
