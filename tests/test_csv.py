"""Comma-separated values: what is read back is what was given."""

import csv
import io

import pandas as pd  # comes with cleanlab
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigma2r._csv import ERRORS, csv_line
from sigma2r.trained.rows import write_rows

LETTERS = st.text(st.one_of(st.sampled_from(",\"\r\n=+-@; \t'\udce9\u2028"), st.characters(exclude_categories=["Cs"])))


def in_bytes(rows):
    return "".join(map(csv_line, rows)).encode(errors=ERRORS)


@given(st.lists(st.lists(LETTERS, min_size=2, max_size=2), min_size=1, max_size=4))
def test_every_cell_is_read_back_as_it_was_given(rows):
    text = in_bytes(rows).decode(errors=ERRORS)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


NAMES = ("=SUM(A1)", "-1", "a;=1+1", "NA", "007", "one\ntwo", "a\rb", "a\r\nb", 'say "a"', " a ", "a,b", "'", "")


@pytest.mark.parametrize("name", [*NAMES, "\udce9"])
def test_pandas_reads_names_as_they_are(name):
    content = in_bytes([("file", "class"), (name, "x"), ("y", name)])
    read = pd.read_csv(io.BytesIO(content), dtype=object, keep_default_na=False, encoding_errors=ERRORS)
    assert read.to_numpy().tolist() == [[name, "x"], ["y", name]]


def test_a_row_of_one_empty_cell_is_a_row():
    assert list(csv.reader(io.StringIO(csv_line([""])))) == [[""]]


def test_half_a_character_that_stands_for_no_byte_is_written_out():
    assert in_bytes([["\ud800", "\udfff"]]) == rb"\ud800,\udfff" + b"\n"


def test_predictions_have_the_same_form():
    file = io.StringIO()
    write_rows(file, [("path", "class"), ("a\rb", "=1")])
    assert file.getvalue() == 'path,class\n"a\rb",=1\n'
