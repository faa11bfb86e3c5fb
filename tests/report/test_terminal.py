"""What stands on the terminal: a heading over each column, the caption, and the differences if there are any."""

import sys

from rich.console import Console

from sigma2r.cli.streams import ready_streams
from sigma2r.report import print_table, terminal
from sigma2r.report.paired import DIFFERENCE_HEADINGS
from sigma2r.report.tables import HEADINGS, make_table
from tests.report.conftest import make_record


def test_a_table_has_its_headings_and_its_caption_and_no_differences_of_one_seed(records, capsys):
    print_table(records)
    told = capsys.readouterr().out
    heading = next(line for line in told.splitlines() if "intra/inter" in line)
    assert all(name in heading for name in HEADINGS)
    assert make_table(records).caption.split(".")[-2] in " ".join(told.split())
    assert "Differences" not in told


def test_differences_follow_where_seeds_are_shared(capsys):
    print_table([make_record(loss, seed, accuracy=0.8 + seed / 100) for loss in ("cross-entropy", "center@0.4")
                 for seed in range(3)])  # fmt: skip
    told = capsys.readouterr().out
    below = told[told.index("Differences") :].splitlines()
    assert all(name.split()[0] in " ".join(below[:5]) for name in DIFFERENCE_HEADINGS)
    assert sum("center@0.4" in line and "cross-entropy" in line for line in below) == 4


def test_names_are_never_cut(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "_console", lambda: Console(width=60))
    losses = ("center@0.1", "center@0.01", "soft-nearest-neighbor@0.001")
    print_table([make_record(loss, seed) for loss in losses for seed in range(2)])
    told = capsys.readouterr().out
    assert "\N{HORIZONTAL ELLIPSIS}" not in told
    assert "..." not in told


def test_each_stream_that_a_shell_closed_is_opened_on_nothing(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, None)
            ready_streams()
            with getattr(sys, name) as stream:
                assert stream.name == "/dev/null"
