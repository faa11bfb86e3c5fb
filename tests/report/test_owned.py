"""What is not a report's is never overwritten or removed; of an older report nothing stays behind."""

import dataclasses
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sigma2r._places import WrongKindError
from sigma2r.cli import main
from sigma2r.report import refuse_foreign, write_report
from sigma2r.report.document import Document, Section, write_document
from sigma2r.report.grid import Grid
from sigma2r.report.owned import LIST, PAGE
from tests.report.conftest import make_record


def document(*names, cell="1"):
    grids = [Grid(name=name, title=name, caption="c", headings=("a",), rows=((cell,),)) for name in names]
    return Document(title="sigma2r: t", sections=(Section(title="s", grids=tuple(grids)),))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_a_list(folder: Path) -> None:
    """As reports were that kept no list and had no mark."""
    (folder / LIST).unlink()
    text = (folder / PAGE).read_text()
    (folder / PAGE).write_text(text.replace('<meta name="generator" content="sigma2r">\n', ""))


def test_the_list_is_one_that_sha256sum_reads(tmp_path):
    write_document(document("one"), tmp_path)
    listed = dict(reversed(line.split("  ")) for line in (tmp_path / LIST).read_text().splitlines())
    assert listed == {name: hashlib.sha256(content).hexdigest()
                      for name, content in files(tmp_path).items() if name != LIST}  # fmt: skip


def test_a_new_report_removes_what_the_older_one_wrote_and_it_does_not(tmp_path):
    write_document(document("one", "two"), tmp_path)
    (tmp_path / "tables/mine.csv").write_text("mine")
    (tmp_path / "record.json").write_text("{}")
    write_document(document("two", "three"), tmp_path)
    tables = {f"tables/{name}.{ending}" for name in ("two", "three") for ending in ("md", "tex", "csv")}
    assert set(files(tmp_path)) == {PAGE, LIST, "record.json", "tables/mine.csv", *tables}


def test_folders_that_are_empty_then_go_too(tmp_path):
    write_document(document("one"), tmp_path)
    write_document(document(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [PAGE, LIST]


FOREIGN = {
    "report.html": "<html>my own report</html>",
    "report.sha256": "my own list",
    "tables/one.csv": "my,own,table",
    "tables/one.md": "",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_somebody_else_is_refused_before_anything_is_written(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(FOREIGN[name])
    before = files(tmp_path)
    with pytest.raises(ValueError, match=rf"^report: a file that no report wrote.*{name} is such a file\. Move it"):
        write_document(document("zero", "one"), tmp_path)
    assert files(tmp_path) == before
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", ["tables", "figures", os.curdir])
def test_a_file_in_the_place_of_a_folder_is_told_before_anything_is_written(tmp_path, name):
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    path = tmp_path / "out" / name
    path.write_text("theirs")
    with pytest.raises(WrongKindError, match=rf"{re.escape(str(path))} must be a folder; it is a file\. Move it away"):
        write_document(document("one"), tmp_path / "out")
    assert files(tmp_path) == {path.relative_to(tmp_path).as_posix(): b"theirs"}


@pytest.mark.parametrize("name", [PAGE, LIST, "tables/one.csv", "tables"])
def test_links_folders_and_pipes_in_the_way_are_somebody_elses(tmp_path, name):
    (tmp_path / "theirs").write_text("theirs")
    makers = [lambda path: path.symlink_to(tmp_path / "theirs"), lambda path: path.symlink_to(tmp_path / "nothing")]
    if name != "tables":
        makers += [Path.mkdir, os.mkfifo]
    for i, make in enumerate(makers):
        folder = tmp_path / str(i)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make(folder / name)
        before = sorted(folder.rglob("*"))
        with pytest.raises(ValueError, match=r"is such a file|must be a (file|folder); it is a "):
            write_document(document("one"), folder)
        assert sorted(folder.rglob("*")) == before
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not (tmp_path / "nothing").exists()


def test_a_link_to_what_would_be_written_is_still_somebody_elses(tmp_path):
    write_document(document("one"), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / PAGE).symlink_to(tmp_path / "a" / PAGE)
    with pytest.raises(ValueError, match="is such a file"):
        write_document(document("one"), tmp_path / "b")


@pytest.mark.parametrize("name", [PAGE, "tables/one.csv"])
def test_what_a_user_changed_in_a_report_is_the_users(tmp_path, name):
    write_document(document("one"), tmp_path)
    (tmp_path / name).write_text((tmp_path / name).read_text() + "<!-- my remark -->")
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"or that was changed since, is never overwritten"):
        write_document(document("one", cell="2"), tmp_path)
    assert files(tmp_path) == before


def test_what_a_user_changed_stays_where_it_is_no_longer_written_and_that_is_told_once(tmp_path):
    write_document(document("one", "two"), tmp_path)
    (tmp_path / "tables/one.csv").write_text("mine")
    with pytest.warns(
        UserWarning, match=r"tables/one\.csv of an older report in .* were changed since, and stay"
    ) as told:
        write_document(document("two"), tmp_path)
    assert len(told) == 1
    assert (tmp_path / "tables/one.csv").read_text() == "mine"
    assert not (tmp_path / "tables/one.md").exists()
    write_document(document("two"), tmp_path)


def test_a_file_that_happens_to_hold_what_would_be_written_is_no_loss(tmp_path):
    write_document(document("one"), tmp_path / "a")
    (tmp_path / "b/tables").mkdir(parents=True)
    (tmp_path / "b/tables/one.csv").write_bytes((tmp_path / "a/tables/one.csv").read_bytes())
    write_document(document("one"), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("breaks_at", range(1, 10))
def test_a_report_that_was_interrupted_is_known_as_ours(tmp_path, monkeypatch, breaks_at):
    write_document(document("one", "two"), tmp_path)
    replace, count = Path.replace, iter(range(1, 99))

    def full(part, to):
        if next(count) == breaks_at:
            raise OSError(28, "No space left")
        return replace(part, to)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_document(document("two", "three", cell="2"), tmp_path)
    monkeypatch.undo()
    write_document(document("four"), tmp_path)
    write_document(document("four"), tmp_path / "new")
    ours = files(tmp_path / "new")
    assert {name: content for name, content in files(tmp_path).items() if not name.startswith("new/")} == ours


def test_a_list_that_leads_out_of_the_folder_is_not_ours(tmp_path):
    (tmp_path / "outside.txt").write_text("theirs")
    number = hashlib.sha256(b"theirs").hexdigest()
    for name in (
        f"{os.pardir}/outside.txt",
        f"tables/{os.pardir}/{os.pardir}/outside.txt",
        str(tmp_path / "outside.txt"),
        "record.json",
        "tables/.x",
    ):
        folder = tmp_path / "folder"
        folder.mkdir(exist_ok=True)
        (folder / LIST).write_text(f"{number}  {name}\n")
        with pytest.raises(ValueError, match=r"report\.sha256 is such a file"):
            write_document(document("one"), folder)
        assert (tmp_path / "outside.txt").read_text() == "theirs"


def test_a_page_of_ours_is_known_where_the_list_is_lost(tmp_path):
    write_document(document("one"), tmp_path)
    (tmp_path / LIST).unlink()
    with pytest.warns(UserWarning, match="left no list of its files; 3 files of other names stay"):
        write_document(document("two"), tmp_path)
    (tmp_path / LIST).unlink()
    with pytest.raises(ValueError, match="is such a file"):
        write_document(document("two", cell="other"), tmp_path)


def test_a_report_from_before_there_were_lists_is_replaced(tmp_path):
    write_document(document("one", "two"), tmp_path)
    without_a_list(tmp_path)
    with pytest.warns(UserWarning, match="left no list of its files; 3 files of other names stay"):
        write_document(document("one", cell="new"), tmp_path)
    assert b"new" in (tmp_path / "tables/one.csv").read_bytes()
    assert (tmp_path / "tables/two.csv").exists()
    write_document(document("one"), tmp_path)


def test_names_that_would_leave_the_folder_are_refused():
    for name in (f"{os.pardir}/out", "a/b", ".hidden", "a\x1bb", "", "a\\b"):
        with pytest.raises(ValueError, match="a table or figure must have the name of a file"):
            document(name)


def test_what_is_in_the_way_is_told_before_hours_of_training(tmp_path, capsys):
    refuse_foreign(tmp_path / "not there")
    (tmp_path / PAGE).write_text("<html>mine</html>")
    with pytest.raises(ValueError, match=r"report\.html is such a file"):
        refuse_foreign(tmp_path)
    assert main(["compare", "--out", str(tmp_path)]) == 1
    assert files(tmp_path) == {PAGE: b"<html>mine</html>"}
    assert capsys.readouterr().err.startswith("sigma2r: report: a file that no report wrote")


def test_the_command_line_refuses_too_and_writes_nothing(tmp_path, capsys):
    make_record("center@0.1").write(tmp_path / "records/a.json")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / PAGE).write_text("mine")
    assert main(["report", str(tmp_path / "records"), "--out", str(tmp_path / "out")]) == 1
    assert files(tmp_path / "out") == {PAGE: b"mine"}
    assert capsys.readouterr().err.count("\n") == 1


WRITER = """
import sys
from pathlib import Path
from tests.report.test_owned import document
from sigma2r.report.document import write_document
for number in range(30):
    write_document(document(*sys.argv[2:], cell=str(number)), Path(sys.argv[1]))
"""


def test_three_reports_at_once_in_one_folder_all_succeed_and_one_remains(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "shared", name], stderr=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    assert [writer.communicate()[1] for writer in writers] == [b""] * 3
    assert [writer.returncode for writer in writers] == [0] * 3
    assert len(files(tmp_path)) == 2 + 2 * 3
    assert not list(tmp_path.rglob("*.part"))


def test_a_report_of_records_leaves_nothing_of_the_one_before(tmp_path):
    several = [make_record("center@0.1"), dataclasses.replace(make_record("center@0.1", epochs=5))]
    write_report(several, tmp_path)
    assert (tmp_path / "figures/2-classes.svg").exists()
    write_report(several[:1], tmp_path)
    write_report(several[:1], tmp_path / "fresh")
    fresh = files(tmp_path / "fresh")
    assert {name for name in files(tmp_path) if not name.startswith("fresh/")} == set(fresh)
