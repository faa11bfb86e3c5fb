"""Names and texts of whatever origin: visible in every form of a report and on the terminal, code in none."""

import csv
import dataclasses
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from sigma2r._text import visible
from sigma2r.report import print_table, write_report
from sigma2r.report.document import Document, Section, render
from sigma2r.report.grid import Grid
from sigma2r.report.picture import picture
from sigma2r.report.tables import class_rows, make_tables
from sigma2r.report.terminal import encodable
from tests.report.conftest import make_record

UNSEEN = ("a\x1b[31mred", "nul\x00", "bell\x07", "\x9b31m", "del\x7f", "\u202egnp.exe", "\u2066in", "caf\udce9",
          "\ud800", "line\nbreak", "tab\tstop", "return\r", "\u2028", "\u200bzero", "\ufffe")  # fmt: skip
FORMULAS = ("+1+1", "=1+1", "-1-1", "@x", "=cmd|' /C calc'!A0", "+A1", "-A1", "-1/2", "+1.5.2", "=", "+", "-", "--1",
            " =1+1", "\xa0=1+1", "＝1+1", "＋1", "－1-1", "＠x", "+1 to =1", "-1 ± x", "+1e1+1", "-0x10")  # fmt: skip


def of_classes(names, **kwargs):
    return [make_record(loss, names=names, **kwargs) for loss in ("cross-entropy", "center@0.4", "sigma2r@0.01")]


def unseen_in(text, keep="\n"):
    return sorted({hex(ord(letter)) for letter in text if visible(letter, keep) != letter})


def test_no_file_of_a_report_holds_what_cannot_be_seen(tmp_path):
    records = of_classes(UNSEEN)
    hostile = {"versions": {"torch": "\x1b[2J"}, "device": {"name": "\x07cpu", "type": "\u202ecpu", "threads": 1}}
    records = [dataclasses.replace(record, **hostile) for record in records]
    gone = dataclasses.replace(make_record("center@0.4", 9), final={}, history=(), diverged="in epoch \x1b[2J\x00")
    write_report([*records, gone], tmp_path)
    written = [path for path in tmp_path.rglob("*") if path.suffix in (".html", ".md", ".tex", ".svg", ".sha256")]
    assert len(written) == 1 + 1 + 4 + 3 * 2
    for path in written:
        assert unseen_in(path.read_bytes().decode()) == [], path
    for path in tmp_path.rglob("*.svg"):
        ET.fromstring(path.read_bytes())
    page = (tmp_path / "report.html").read_text()
    for name in UNSEEN:
        assert visible(name) in page
    assert r"diverged: in epoch \x1b[2J\x00" in page
    assert r"\x07cpu" in page


def test_each_name_is_one_cell_in_every_form():
    (table,) = make_tables(of_classes(UNSEEN))
    rows = class_rows(table, "test")
    assert [row[0] for row in rows] == list(UNSEEN)
    grid = Grid(name="n", title="t", caption="c", headings=("class", *"abc"), rows=tuple(map(tuple, rows)))
    assert len(grid.markdown().splitlines()) == 2 + len(UNSEEN) + 2
    assert grid.latex().count(r" \\") == 1 + len(UNSEEN)
    assert [row[0] for row in grid.shown] == [visible(name) for name in UNSEEN]
    assert r"a\textbackslash{}x1b[31mred" in grid.latex()
    assert r"a\\x1b[31mred" in grid.markdown()


@pytest.mark.parametrize("text", UNSEEN)
def test_every_text_of_a_document_is_made_visible(text, tmp_path):
    def draw(figure):
        ax = figure.subplots()
        ax.plot([0, 1], label=f"x{text}")
        ax.set_title(text)
        ax.legend()
        return text, text

    grid = Grid(name="n", title=text, caption=text, headings=(text,), rows=((text,),), all_rows=((text,), (text,)))
    section = Section(title=f"s{text}", paragraphs=(text,), notes=(text,), code=text, terms=((text, text),),
                      grids=(grid,), pictures=(picture("p", draw),))  # fmt: skip
    document = Document(title=text, paragraphs=(text,), sections=(section,))
    assert unseen_in(render(document)) == []
    assert unseen_in(grid.markdown() + grid.latex()) == []
    assert unseen_in(section.pictures[0].svg.decode()) == []
    ET.fromstring(section.pictures[0].svg)


def test_names_read_from_the_csv_of_a_report_are_those_of_the_record(tmp_path):
    names = (*FORMULAS, *UNSEEN, "a;=1+1", '"', 'a"b', "a,b", " a ", "NA")
    write_report(of_classes(names), tmp_path)
    text = (tmp_path / "tables/classes-test.csv").read_bytes().decode(errors="surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows] == ["class", *(r"\ud800" if name == "\ud800" else name for name in names)]


class Stream(io.TextIOWrapper):
    """A terminal of some encoding."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16"])
def test_a_table_is_printed_in_the_letters_that_the_terminal_has(encoding, monkeypatch):
    stream = Stream(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    run = {"dataset": "folder:caf\udce9 猫\x1b[2J", "model": "m.py:Net", "epochs": 2}
    print_table([make_record("center@0.4", seed, accuracy=0.9 + seed / 100, **run) for seed in range(2)])
    text = stream.text()
    assert r"caf\udce9" in text
    assert r"\x1b[2J" in text
    assert "\x1b" not in text
    assert ("0.9050 +- 0.0635" if encoding == "ascii" else "0.9050 ± 0.0635") in text
    if not encoding.startswith("utf"):
        assert r"\u732b" in text
        assert "┏" not in text


def test_names_of_losses_are_no_markup_and_no_pictures(capsys):
    print_table([make_record("package.module:smile@0.1", dataset="folder:x:smile:[bold]", model="a/[red]/b.py:Net")])
    told = capsys.readouterr().out
    assert "folder:x:smile:[bold], a/[red]/b.py:Net" in told
    assert "package.module:smile@0.1" in told


def test_plain_letters_stand_for_those_that_an_encoding_lacks():
    assert encodable("1 ± 2 – σ²… é", "ascii") == r"1 +- 2 - \u03c32... \xe9"
    assert encodable("1 ± 2 – σ²… é", "utf-8") == "1 ± 2 – σ²… é"


@pytest.fixture
def folder(tmp_path):
    for seed in range(2):
        record = make_record("center@0.4", seed, names=("a\x1b", "caf\u202e", "猫"), dataset="folder:caf\udce9")
        record.write(tmp_path / f"records/{seed}.json")
    return tmp_path


def report(folder, words="", **environment):
    line = f'"{sys.executable}" -m sigma2r report records --out "$OUT" {words}'
    told = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True,
                          env={**os.environ, "OUT": "out", **environment})  # fmt: skip
    page = folder / environment.get("OUT", "out") / "report.html"
    assert page.exists() == (told.returncode == 0), told.stderr
    return told


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii", "OUT": "Zürich"},
    ],
    ids=str,
)
def test_a_terminal_of_few_letters_gets_the_table_and_the_place_of_the_page(folder, environment):
    told = report(folder, **environment)
    assert told.returncode == 0
    assert told.stderr == b""
    assert b"Report: " in told.stdout
    assert b"center@0.4" in told.stdout
    if environment.get("PYTHONIOENCODING") == "ascii":
        assert told.stdout.isascii()


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_keep_the_report_from_being_written(folder, closed):
    told = report(folder, closed)
    assert told.returncode == 0
    assert told.stderr == b""


def test_what_is_written_to_a_closed_stream_lands_in_no_file(tmp_path):
    script = (
        "import os; from sigma2r.cli.streams import ready_streams; ready_streams(); print('told')\n"
        "files = [open(f'file-{number}', 'w') for number in range(3)]\n"
        "os.write(1, b'by a library'); os.write(2, b'by a library'); assert os.read(0, 1) == b''"
    )
    line = f'"{sys.executable}" -c "$SCRIPT" <&- >&- 2>&-'
    told = subprocess.run(["bash", "-c", line], cwd=tmp_path, env={**os.environ, "SCRIPT": script})
    assert told.returncode == 0
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"", b"", b""]


def test_a_full_disk_behind_the_output_is_one_sentence_after_the_report_is_written(folder):
    line = f'"{sys.executable}" -m sigma2r report records --out out >/dev/full'
    told = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True)
    assert told.returncode != 0
    assert b"Traceback" not in told.stderr
    assert (folder / "out/report.html").exists()


def test_training_goes_on_with_closed_streams(tmp_path):
    words = "compare --losses center@0.1 --epochs 1 --images_per_class 20 --out out >&- 2>&-"
    told = subprocess.run(["bash", "-c", f'"{sys.executable}" -m sigma2r {words}'], cwd=tmp_path, capture_output=True)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "out/report.html").exists()
