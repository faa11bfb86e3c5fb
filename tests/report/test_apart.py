"""Several studies on one page: what is named alike in two of them stands there under two names."""

from dataclasses import replace

import pytest

from sigma2r.report.apart import apart
from sigma2r.report.document import Document, Section
from sigma2r.report.folder import studies_document
from sigma2r.report.grid import Grid
from sigma2r.report.picture import Picture
from sigma2r.studies.study import Part, Study
from tests.report.conftest import make_record

RECORD = make_record("center@0.1")
DONE = {RECORD.run_id: RECORD}


def study(name, part, **changes) -> Study:
    parts = [Part(name=part, title=part, text="", runs=(RECORD.run,))]
    return Study(**{"name": name, "title": name, "source": "", "parts": lambda scale, done: parts,
                    "settings": {"short": ""}, **changes})  # fmt: skip


def grid(name) -> Grid:
    return Grid(name=name, title="", caption="", headings=("a",), rows=(("1",),))


def section(title, *names) -> Section:
    picture = Picture(name="drawn", caption="", alt="", svg=b"", png=b"", pdf=b"")
    return Section(title=title, grids=tuple(map(grid, names)), pictures=(picture,))


def page_of(*studies) -> Document:
    return studies_document(DONE, {each.name: "short" for each in studies}, {each.name: each for each in studies})


def test_names_that_two_studies_put_together_alike_are_numbered():
    names = [each.name for each in page_of(study("a", "b-c"), study("a-b", "c")).grids()]
    assert names == ["a-b-c-results", "a-b-c-statistics", "a-b-c-results-2", "a-b-c-statistics-2"]
    alone = [each.name for each in page_of(study("a", "b-c")).grids()]
    assert alone == names[:2]


def test_tables_of_ones_own_and_titles_may_be_alike_in_two_studies():
    extras = {"extras": lambda part, records: [grid("mine")], "figures": ()}
    page = page_of(*(study(name, "p", title="Bars", **extras) for name in "abc"))
    assert [each.name for each in page.grids() if "mine" in each.name] == ["mine", "mine-2", "mine-3"]
    assert [each.title for each in page.sections[:3]] == ["Bars: p", "Bars: p (b)", "Bars: p (c)"]


def test_a_number_is_free_of_all_names_on_the_page():
    of_each = {"a": [section("A", "t")], "b": [section("B", "t", "t-2")], "c": [section("C", "t-3", "t")]}
    made = list(apart(of_each, [Section(title="b", grids=(grid("t-4"),))]))
    assert [[each.name for each in one.grids] for one in made] == [["t"], ["t-5", "t-2"], ["t-3", "t-6"]]
    assert [one.pictures[0].name for one in made] == ["drawn", "drawn-2", "drawn-3"]
    assert [one.title for one in made] == ["A", "B (b)", "C"]


def test_one_name_twice_within_a_study_is_a_slip():
    twice = study("a", "p", extras=lambda part, records: [grid("mine"), grid("mine")])
    with pytest.raises(ValueError, match="names of a table must differ; mine is there twice"):
        page_of(twice)
    with pytest.raises(ValueError, match="mine-2 is there twice"):
        page_of(study("b", "p", extras=lambda part, records: [grid("mine")]), replace(twice, title="Another"))
