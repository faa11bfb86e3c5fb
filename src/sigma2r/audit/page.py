"""An audit as a page with thumbnails, and its tables as files; the tables are sorted where a reader clicks."""

from collections.abc import Sequence
from pathlib import Path

from sigma2r._shown import plural
from sigma2r.audit.classes import FEW, FEW_TESTS, SHARE
from sigma2r.audit.findings import Findings
from sigma2r.audit.groups import Group
from sigma2r.audit.summary import sentences
from sigma2r.audit.thumbnails import thumbnail
from sigma2r.report.document import Document, Section, write_document
from sigma2r.report.grid import Grid

ROWS = 100
"""Rows of a table that a page shows; its CSV file has all."""
_SCORE = (
    "score",
    "Log-odds of the suggested class against the given one: 0 is undecided, 2.3 is ten to one. Of images that the "
    "judging network was not trained on, by its logits and by the distances to the centers of its classes together.",
)
_GIVEN = ("given p", "Probability of the given class by the same two together.")
_LIKELY = (
    "likely error",
    "Of the images of the largest scores, as many as look more like another class than like their own, and as much "
    "like it as the average image that bears its name.",
)
_BESIDE = ("cleanlab", "cleanlab's quality of the label, from 0 (worst) to 1, and ! where it takes it for an error.")
_ISOLATION = (
    "isolation",
    "Distance to the tenth nearest other image in feature space, unless another number was asked for, over its median: "
    "1 is usual.",
)


def write_audit(findings: Findings, title: str, out: Path) -> Path:
    """Write ``report.html`` and its tables into a folder; of other files none is touched.

    Args:
        findings: What was found.
        title: Of the page.
        out: Made if it is not there.

    Returns:
        The page.

    Raises:
        ValueError: If a file that no report wrote is in the way; nothing is written then.
        OSError: If the folder cannot be written to.
    """
    return write_document(audit_document(findings, title), out)


def audit_document(findings: Findings, title: str) -> Document:
    """The page of an audit: leaks first."""
    sections = [
        _duplicates(findings, "Leaks between splits", "leaks", findings.leaks),
        _labels(findings),
        _outliers(findings),
        _duplicates(findings, "Duplicates within a split", "duplicates", findings.within),
        _overlaps(findings),
        _sizes(findings),
    ]
    if findings.unread:
        sections.append(_unread(findings))
    return Document(title=title, paragraphs=tuple(sentences(findings)), sections=tuple(sections))


def _labels(found: Findings) -> Section:
    names, errors = found.images.class_names, found.errors
    rows = []
    for place in found.suspicious().tolist():
        row = int(found.labelled[place])
        beside = () if found.beside is None else (_quality(found, place),)
        rows.append(
            (
                found.images.names[row],
                found.images.splits[row],
                names[int(found.images.labels[row])],
                names[int(errors.suggested[place])],
                f"{float(errors.score[place]):+.2f}",
                f"{float(errors.given[place]):.2g}",
                "yes" if errors.likely[place] else "no",
                *beside,
            )
        )
    terms = (_SCORE, _GIVEN, _LIKELY, *((_BESIDE,) if found.beside is not None else ()))
    shown = found.labelled[found.suspicious()[:ROWS]].tolist()
    grid = _grid(
        found,
        "labels",
        "Likely label errors",
        ("file", "split", "given", "suggested", *(term for term, _ in terms)),
        rows,
        shown,
    )
    told = "A suspicious label is not a wrong one: look before you change it. Hard images stand beside wrong labels."
    return Section(title="Likely label errors", paragraphs=(told,), grids=grid, terms=terms if grid else ())


def _quality(found: Findings, place: int) -> str:
    assert found.beside is not None, "its column is there only then"
    return f"{float(found.beside.quality[place]):.4f}{' !' if found.beside.issue[place] else ''}"


def _outliers(found: Findings) -> Section:
    order = found.farthest().tolist()
    rows = []
    for place in order:
        row = int(found.judged[place])
        rows.append(
            (
                found.images.names[row],
                found.images.splits[row],
                found.images.label(row),
                f"{float(found.isolation[place]):.2f}",
                "yes" if found.outliers[place] else "no",
            )
        )
    shown = found.judged[found.farthest()[:ROWS]].tolist()
    grid = _grid(found, "outliers", "Outliers", ("file", "split", "given", "isolation", "outlier"), rows, shown)
    meaning = ("outlier", "Isolation beyond the third quartile by more than three times the distance of the quartiles.")
    return Section(title="Outliers", grids=grid, terms=(_ISOLATION, meaning) if grid else ())


def _duplicates(found: Findings, title: str, name: str, groups: Sequence[Group]) -> Section:
    rows = [
        (
            found.images.names[row],
            str(number),
            found.images.splits[row],
            found.images.label(row),
            "same pixels" if group.exact else f"near, {group.distance:.3f}",
            "yes" if group.contradicts else "no",
        )
        for number, group in enumerate(groups, start=1)
        for row in group.rows
    ]
    headings = ("file", "group", "split", "given", "how alike", "labels differ")
    shown = [row for group in groups for row in group.rows][:ROWS]
    grid = _grid(found, name, title, headings, rows, shown)
    told = () if rows else ("None found.",)
    meaning = (
        "how alike",
        "The same pixels as the network sees them; or near: how far apart they are as 16 x 16 areas, brightness and "
        "contrast aside, from 0 to 2. Cuts, turns and mirror images are not looked for.",
    )
    return Section(title=title, paragraphs=told, grids=grid, terms=(meaning,) if grid else ())


def _overlaps(found: Findings) -> Section:
    names = found.images.class_names
    rows = [
        (names[each.one], names[each.other], f"{100 * each.share:.1f} %", str(each.as_other), str(each.as_one))
        for each in found.overlaps
    ]
    headings = ("class", "other class", "taken for each other", "class as other", "other as class")
    grid = _grid(found, "overlap", "Classes that overlap", headings, rows)
    told = () if rows else ("No class is taken for another.",)
    meaning = (
        "taken for each other",
        "Share of the images of both classes that are predicted as the other one, by networks that were not trained on "
        "them.",
    )
    return Section(title="Classes that overlap", paragraphs=told, grids=grid, terms=(meaning,) if grid else ())


def _sizes(found: Findings) -> Section:
    splits = list(found.counts)
    why = found.why_small
    rows = [
        (
            name,
            *(str(int(found.counts[split][number])) for split in splits),
            ", ".join(why[number]) if number in why else "no",
        )
        for number, name in enumerate(found.images.class_names)
    ]
    rows.sort(key=lambda row: row[-1] == "no")
    grid = _grid(found, "sizes", "Classes that are too small", ("class", *splits, "too small"), rows)
    meaning = (
        "too small",
        f"Few images: below {FEW}, or below {SHARE:.0%} of the median class. Few test images: below {FEW_TESTS}, so "
        "that one of them moves the recall of the class by more than 10 points.",
    )
    return Section(title="Classes that are too small", grids=grid, terms=(meaning,))


def _unread(found: Findings) -> Section:
    rows = list(found.unread.items())
    return Section(
        title="Images that could not be read",
        grids=_grid(found, "unread", "Images that could not be read", ("file", "why"), rows),
    )


def _grid(
    found: Findings,
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    shown: Sequence[int] = (),
) -> tuple[Grid, ...]:
    """A table of the first rows, each with the thumbnail of its image if it has one; none where there are no rows."""
    if not rows:
        return ()
    held = tuple(tuple(row) for row in rows)
    more = f"The first {ROWS} of {len(held):,}; tables/{name}.csv has all." if len(held) > ROWS else ""
    return (
        Grid(
            name=name,
            title=title,
            caption=more or f"{plural(len(held), 'row')}.",
            headings=tuple(headings),
            rows=held[:ROWS],
            all_rows=held,
            thumbnails=tuple((thumbnail(found.images.read([row])[0]),) for row in shown),
        ),
    )
