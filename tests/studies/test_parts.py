"""What a study and its parts are made of: each run once, each reading whole, each value of its kind."""

from dataclasses import replace

import pytest

from sigma2r.report.grid import Grid
from sigma2r.studies.comparison import comparison
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study

BASE = Run(loss="center@0.1")


def part(**changes) -> Part:
    return Part(**{"name": "all", "title": "All", "text": "", "runs": (BASE,), **changes})


def study(**changes) -> Study:
    return Study(**{"name": "mine", "title": "Mine", "source": "", "parts": lambda scale, done: [part()],
                    "settings": {"short": ""}, **changes})  # fmt: skip


@pytest.mark.parametrize(
    "runs",
    [
        (BASE, BASE),
        (BASE, replace(BASE, init_seed=1), replace(BASE, loss="center@0.10")),
        (replace(BASE, init_seed=seed) for seed in (0, 1, 0)),
    ],
    ids=["the same", "spelled otherwise", "of an iterator"],
)
def test_a_run_that_is_there_twice_is_no_second_seed(runs):
    with pytest.raises(ValueError, match=r"Part: runs of all must differ; center@0.1, init_seed 0, is there twice\."):
        part(runs=runs)


def test_a_comparison_trains_a_loss_once_however_often_it_is_named():
    runs = list(comparison(BASE, ["center@0.1", "cross-entropy", "center@0.10"], 2))
    assert [(run.loss_name, run.init_seed) for run in runs] == [
        ("center@0.1", 0), ("center@0.1", 1), ("cross-entropy", 0), ("cross-entropy", 1),
    ]  # fmt: skip


def test_parts_are_yielded_each_time_they_are_called():
    once = iter([part()])
    for own in (study(parts=lambda scale, done: iter(())), study(parts=lambda scale, done: [])):
        with pytest.raises(ValueError, match=r"parts of mine must yield at least one Part\(\.\.\.\) each time"):
            own.runs("short", {})
    own = study(parts=lambda scale, done: once)
    assert own.runs("short", {}) == [BASE]
    with pytest.raises(ValueError, match=r"got none\. A generator that was made once yields its parts once\."):
        own.missing("short", {})


def test_what_can_be_read_once_is_read_once():
    follows = replace(BASE, init_seed=5)
    assert study(figures=(name for name in ["learning"])).figures == ("learning",)
    assert study(figures=["learning"]).figures == ("learning",)
    made = part(runs=iter([BASE]), followed_by=(run for run in [follows]))
    assert (made.runs, made.followed_by, made.followed_by) == ((BASE,), (follows,), (follows,))
    grid = Grid(name="g", title="", caption="", headings=(word for word in "ab"),
                rows=((cell for cell in "12") for _ in range(2)), all_rows=iter([("3", "4")]))  # fmt: skip
    assert (grid.headings, grid.rows, grid.all_rows) == (("a", "b"), (("1", "2"),) * 2, (("3", "4"),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": 3}, "Study: title must be a text; got 3"),
        ({"source": None}, "Study: source must be a text; got None"),
        ({"name": 3}, "Study: name must be a file name .*; got 3"),
        ({"settings": {"short": None}}, "Study: settings must be a mapping from texts to texts"),
        ({"settings": {1: "One."}}, "Study: settings must be a mapping from texts to texts"),
        ({"caveats": "none"}, "Study: caveats must be a mapping"),
        ({"figures": None}, "Study: figures must be a list of texts; got None"),
        ({"figures": (1,)}, "Study: figures must be a list of texts"),
        ({"parts": [part()]}, "Study: parts of mine must be a function of a scale and the records so far"),
        ({"extras": None}, "Study: extras of mine must be a function of a part and its records; got None"),
        ({"reference": 3}, "Study: reference must be a text; got 3"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_a_value_of_another_kind_is_refused_where_a_study_is_made(changes, message):
    with pytest.raises(ValueError, match=message):
        study(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": None}, "Part: title must be a text; got None"),
        ({"text": ["a"]}, "Part: text must be a text"),
        ({"baseline": 0.1}, "Part: baseline must be a text; got 0.1"),
        ({"shown": "no"}, "Part: shown must be True or False; got 'no'"),
        ({"runs": ()}, "Part: runs of all must be at least one; got none"),
        ({"runs": ("center@0.1",)}, "Part: runs must be a list of"),
        ({"runs": BASE}, "Part: runs must be a list of"),
        ({"followed_by": (3,)}, "Part: followed_by must be a list of"),
    ],
    ids=lambda given: str(given)[:30],
)
def test_a_value_of_another_kind_is_refused_where_a_part_is_made(changes, message):
    with pytest.raises(ValueError, match=message):
        part(**changes)
