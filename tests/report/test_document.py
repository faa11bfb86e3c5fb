"""Documents: what is written, in which forms, and that no text of a user becomes code in any of them."""

import csv
import io

import pytest

from sigma2r._places import WrongKindError
from sigma2r.report.document import Document, Section, render, write_document
from sigma2r.report.figures import picture
from sigma2r.report.grid import Grid

HOSTILE = (
    "a|b",
    "100 % & $x_1$ #{~^\\}",
    '"quoted", and\nbroken',
    "=1+1",
    "<script>alert(1)</script>",
    "-5",
    "@cmd",
    "+x",
)


def draw(figure):
    figure.subplots().plot([0, 1], [0, 1], label="<script>alert(1)</script>")
    return "A line.", "A line from the origin."


def grid(name="numbers", rows=(HOSTILE,), headings=None, lines=False) -> Grid:
    headings = headings or tuple(f"column {i}" for i in range(len(HOSTILE)))
    caption = "Some_numbers, 5 % of them."
    return Grid(name=name, title="Numbers", caption=caption, headings=headings, rows=tuple(rows), lines=lines)


def document(*grids, pictures=()) -> Document:
    return Document(title="A <title>", paragraphs=("Some & text.",), sections=(
        Section(title="First", grids=grids, pictures=tuple(pictures), code="ls <x>", terms=(("column 0", "The 0th."),)),
    ))  # fmt: skip


def test_every_part_is_written_in_every_form(tmp_path):
    page = write_document(document(grid(), pictures=[picture("line", draw)]), tmp_path)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "figures/line.pdf", "figures/line.png", "figures/line.svg", "report.html",
        "report.sha256", "tables/numbers.csv", "tables/numbers.md", "tables/numbers.tex",
    ]  # fmt: skip
    assert page == tmp_path / "report.html"
    assert (tmp_path / "figures/line.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "figures/line.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_document_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_document(document(grid(), pictures=[picture("line", draw)]), tmp_path / name)
    for path in (tmp_path / "a").rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path


def test_csv_gives_every_cell_back():
    rows = list(csv.reader(io.StringIO(grid().comma_separated())))
    assert rows[1] == list(HOSTILE)
    numbers = grid(rows=[("+0.0013", "-0.0123 to +0.0042", "0.8 ± 0.1", "-5", "1", "2", "3", "4")])
    assert next(csv.reader(io.StringIO(numbers.comma_separated().splitlines()[1]))) == list(numbers.rows[0])


def test_markdown_keeps_its_columns_and_has_no_tag():
    lines = grid().markdown().splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines[:3]}) == 1
    assert "<script" not in "".join(lines)
    assert lines[-1] == "Some_numbers, 5 % of them."


def test_numbers_are_flush_right_and_words_left():
    rows = [("a", "0.8 ± 0.1", "holds", "–", "+0.1 to +0.2", "> 10,000"), ("b", "12 %", "not seen", "5", "–", "8")]
    shown = grid(rows=rows, headings=("loss", "accuracy", "verdict", "n", "interval", "seeds"))
    assert shown.markdown().splitlines()[1] == "| --- | ---: | --- | ---: | ---: | ---: |"
    assert r"\begin{tabular}{lrlrrr}" in shown.latex()
    assert grid(rows=()).markdown().splitlines()[1].count("---") == len(HOSTILE)


def test_long_cells_keep_their_lines_and_share_the_width():
    cell = "first: a sentence that is longer than a column\nsecond: <b>another</b> one"
    shown = grid(rows=[("a", cell, cell, "1")], headings=("claim", "ours", "reason", "n"), lines=True)
    assert "longer than a column<br>second: &lt;b>another" in shown.markdown()
    assert r"\begin{tabular}{lp{0.40\linewidth}p{0.40\linewidth}r}" in shown.latex()
    assert r"longer than a column\newline second" in shown.latex()
    names = grid(rows=[("one\ntwo", "b", "c", "1")], headings=("claim", "ours", "reason", "n"))
    assert names.shown[0][0] == r"one\ntwo"  # a line break of a name


def test_latex_escapes_what_means_something_to_it():
    text = grid().latex()
    assert r"100 \% \& \$x\_1\$ \#\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}" in text
    assert r"Some\_numbers, 5 \% of them." in text
    assert r"\textless{}script\textgreater{}" in text
    assert text.count(r" \\") == 2  # one for each row
    assert r"0.8 $\pm$ 0.1" in grid(rows=[("0.8 ± 0.1",) * len(HOSTILE)]).latex()


def test_the_page_shows_text_as_text():
    text = render(document(grid(headings=HOSTILE, rows=[HOSTILE])))
    assert text.count("<script>") == 1
    assert text.count("&lt;script&gt;alert(1)") == 2
    assert "A &lt;title&gt;" in text
    assert "ls &lt;x&gt;" in text


def test_names_that_would_overwrite_one_another_are_refused():
    with pytest.raises(ValueError, match="names of a table must differ; numbers is there twice"):
        document(grid(), grid())
    with pytest.raises(ValueError, match="names of a figure must differ"):
        document(pictures=[picture("line", draw)] * 2)
    with pytest.raises(ValueError, match="names of a section must differ"):
        Document(title="t", sections=(Section(title="A b"), Section(title="a B")))


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WrongKindError, match="file must be a folder; it is a file"):
        write_document(document(grid()), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    page = write_document(document(grid()), tmp_path)
    before = page.read_bytes()
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda self, target: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OSError, match="No space left"):
        write_document(document(grid(rows=[("new",) * len(HOSTILE)])), tmp_path)
    monkeypatch.undo()
    assert page.read_bytes() == before
    assert not list(tmp_path.rglob("*.part"))


def test_the_first_column_names_its_rows_even_by_numbers():
    grid = Grid(name="g", title="", caption="", headings=("margin", "share"), rows=(("0.02", "1.5 %"), ("0.1", "7 %")))
    assert grid.numeric() == [False, True]
    assert grid.markdown().splitlines()[1] == "| --- | ---: |"
