"""Which figures a table has, and which epochs their lines show."""

import dataclasses

import pytest
from matplotlib.figure import Figure

from sigma2r.report.figures import _learning, make_figures
from sigma2r.report.tables import make_table
from tests.report.conftest import make_record


@pytest.mark.parametrize("wanted", [(), ("learning",), ("growth", "classes"), ("features",)])
def test_only_the_figures_that_are_wanted_are_made(records, wanted):
    assert {picture.name for picture in make_figures(make_table(records), "a-", wanted)} <= {f"a-{w}" for w in wanted}
    assert {picture.name for picture in make_figures(make_table(records), "a-")} > {"a-learning", "a-classes"}


def test_lines_show_the_epochs_that_every_seed_measured():
    first, second = (make_record("center@0.4", seed) for seed in range(2))
    unmeasured = [{k: v for k, v in entry.items() if k not in ("train", "test")} for entry in second.history[:1]]
    table = make_table([first, dataclasses.replace(second, history=(*unmeasured, second.history[1]))])
    figure = Figure()
    _learning(figure, table)
    lines = [line for ax in figure.axes for line in ax.lines]
    assert lines
    assert all(list(line.get_xdata()) == [2] for line in lines)
