"""The page of an audit, its files, and the command line, end to end."""

import base64
import csv
import io
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r._shown import plural
from sigma2r.audit import find, too_small
from sigma2r.audit.held_out import HeldOut
from sigma2r.audit.images import Images
from sigma2r.audit.page import ROWS, audit_document, write_audit
from sigma2r.audit.summary import sentences
from sigma2r.audit.thumbnails import thumbnail
from sigma2r.cli import main
from sigma2r.cli.using import UNREAD
from sigma2r.report.document import render
from sigma2r.report.grid import Grid
from tests.audit.conftest import FLIPPED

COUNT = 260


@pytest.fixture(scope="module")
def found():
    """Two classes whose features lie apart; labels of rows 1 and 2 are exchanged; row 3 is far from all."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(COUNT) % 2
    features = 8.0 * torch.nn.functional.one_hot(truth, 2) + torch.randn(COUNT, 2, generator=generator)
    features[3] = torch.tensor([0.0, 60.0])
    labels = truth.clone()
    labels[1], labels[2] = 0, 1
    pixels = torch.randint(0, 256, (COUNT, 3, 16, 16), generator=generator).to(torch.uint8)
    pixels[200] = pixels[10]
    images = Images(
        names=[f"photos/<b>{row}.png" for row in range(COUNT)],
        splits=["train"] * 150 + ["test"] * (COUNT - 150),
        labels=labels,
        class_names=("cat", "dog"),
        read=lambda rows: pixels[list(rows)],
    )
    held = HeldOut(
        rows=torch.arange(COUNT), features=features, logits=features / 4, centers=8 * torch.eye(2),
        known=torch.ones(2, dtype=torch.bool),
    )  # fmt: skip
    return find(images, [held], cleanlab=True, unread={"bad.png": "bad.png is no image."})


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    text = (folder / "tables" / f"{name}.csv").read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_each_row_has_file_given_and_suggested_label_and_score(found, tmp_path):
    page = write_audit(found, "Audit of photos", tmp_path / "out")
    rows = rows_of(tmp_path / "out", "labels")
    assert page.name == "report.html"
    assert len(rows) == COUNT  # all of them, where the page has the first
    assert {rows[0]["file"], rows[1]["file"]} == {"photos/<b>1.png", "photos/<b>2.png"}
    assert {(row["given"], row["suggested"], row["likely error"]) for row in rows[:2]} == {
        ("cat", "dog", "yes"), ("dog", "cat", "yes"),
    }  # fmt: skip
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert all(row["cleanlab"].endswith(" !") for row in rows[:2])
    assert rows_of(tmp_path / "out", "outliers")[0] == {
        "file": "photos/<b>3.png", "split": "train", "given": "dog", "outlier": "yes",
        "isolation": rows_of(tmp_path / "out", "outliers")[0]["isolation"],
    }  # fmt: skip
    leaks = rows_of(tmp_path / "out", "leaks")
    assert [(row["file"], row["group"], row["split"], row["given"]) for row in leaks] == [
        ("photos/<b>10.png", "1", "train", "cat"), ("photos/<b>200.png", "1", "test", "cat"),
    ]  # fmt: skip
    assert rows_of(tmp_path / "out", "unread") == [{"file": "bad.png", "why": "bad.png is no image."}]
    assert [(row["class"], row["train"], row["test"]) for row in rows_of(tmp_path / "out", "sizes")] == [
        ("cat", "75", "55"), ("dog", "75", "55"),
    ]  # fmt: skip


def test_names_in_csv_are_those_of_the_files_and_classes(found, tmp_path):
    names = [f"=1/{row}\n\x1b.png" for row in range(COUNT)]
    bad = {"-bad\r.png": "is no image."}
    write_audit(
        replace(found, images=replace(found.images, names=names, class_names=("=SUM(A1)", "@\n")), unread=bad),
        "Audit", tmp_path / "out",
    )  # fmt: skip
    read = {name: rows_of(tmp_path / "out", name) for name in ("labels", "outliers", "leaks", "sizes", "unread")}
    assert sorted(row["file"] for row in read["labels"]) == sorted(row["file"] for row in read["outliers"])
    assert {row["file"] for row in read["labels"]} == set(names)
    assert [row["file"] for row in read["leaks"]] == [names[10], names[200]]
    assert [row["class"] for row in read["sizes"]] == ["=SUM(A1)", "@\n"]
    assert {row[key] for row in read["labels"] for key in ("given", "suggested")} == {"=SUM(A1)", "@\n"}
    assert read["unread"][0]["file"] == "-bad\r.png"
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert r"=1/3\n\x1b.png" in page


def test_each_group_of_copies_has_a_number_and_each_of_its_images_a_row(found):
    groups = [
        replace(found.groups[0], rows=(5, 9, 20), splits=("train",)),
        replace(found.groups[0], rows=(30, 31), splits=("train",), exact=False, distance=0.25),
    ]
    document = audit_document(replace(found, groups=groups), "Audit")
    (grid,) = next(each for each in document.sections if each.title == "Duplicates within a split").grids
    assert [(row[0], row[1], row[4]) for row in grid.rows] == [
        *((f"photos/<b>{row}.png", "1", "same pixels") for row in (5, 9, 20)),
        *((f"photos/<b>{row}.png", "2", "near, 0.250") for row in (30, 31)),
    ]
    assert [len(images) for images in grid.thumbnails] == [1] * 5


def test_the_page_holds_everything_and_asks_nothing_of_a_network(found):
    html = render(audit_document(found, "Audit"))
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert "<b>1" not in html  # names are text
    pngs = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pngs) == 2 * ROWS + 2  # labels, outliers, and the two of the leak
    most_suspicious = int(found.labelled[found.suspicious()[0]])
    assert most_suspicious != int(found.labelled[0])
    for png, row in zip(pngs[::2], (10, most_suspicious), strict=False):  # after both images of the leak
        image = Image.open(io.BytesIO(base64.b64decode(png)))
        assert image.size == (16, 16)
        shown = torch.tensor(list(image.tobytes()), dtype=torch.uint8).reshape(16, 16, 3)
        assert shown.permute(2, 0, 1).equal(found.images.read([row])[0])


def test_leaks_stand_first_and_what_is_said_is_counted(found):
    document = audit_document(found, "Audit")
    assert [section.title for section in document.sections][:2] == ["Leaks between splits", "Likely label errors"]
    told = sentences(found)
    assert told[0] == (
        "Leaks: 2 images (1 group with the same pixels, 0 nearly the same) in more than one of train and test."
    )
    assert told[1].startswith(f"Labels: 2 likely errors (cleanlab: 2) among {COUNT} images judged; most suspicious is")
    assert told[2] == "Outliers: 1 image; the farthest is photos/<b>3.png."
    assert told[3] == "Duplicates within a split: no image."
    assert told[4].startswith("Classes that overlap: none")
    assert told[5] == "Classes that are too small: none."
    assert told[6] == "1 image could not be read, and stands at the end: bad.png is no image."
    assert (plural(1, "row"), plural(2, "row")) == ("1 row", "2 rows")


@pytest.mark.parametrize(
    ("ranks", "told"),
    [
        ([1000, 1000], ""),
        ([121, 1000, 149], "121 to 149 others"),
        ([1], "1 other"),
        ([0], ""),
    ],
)
def test_that_there_are_fewer_neighbours_than_were_asked_for_is_told(found, ranks, told):
    if told:
        told = f" Images were judged beside {told}, of which the last stands for neighbour 1,000."
    few = replace(found, neighbors=1000, ranks=ranks)
    assert sentences(few)[2] == f"Outliers: 1 image; the farthest is photos/<b>3.png.{told}"
    none = replace(few, outliers=torch.zeros_like(few.outliers))
    assert sentences(none)[2] == f"Outliers: none.{told}"
    assert found.ranks == [10]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"train": [60, 60, 60], "test": [30, 30, 9]}, "eel (few test images)"),
        ({"train": [60, 19, 60], "test": [30, 30, 1]}, "bee (few images), eel (few test images)"),
        ({"train": [60, 60, 3], "test": [30, 30, 1]}, "eel (few images and few test images)"),
        ({"given": [60, 60, 60], "train": [60, 60, 60]}, "none"),
        ({"train": [60, 60, 60], "test": [10, 10, 10]}, "none"),
    ],
)
def test_the_summary_tells_every_small_class_that_the_table_tells(found, counts, told):
    counts = {split: torch.tensor(each) for split, each in counts.items()}
    names = ("ant", "bee", "eel")
    few = replace(
        found, images=replace(found.images, class_names=names), counts=counts, small=too_small(counts["train"])
    )
    assert sentences(few)[5] == f"Classes that are too small: {told}."
    document = audit_document(few, "Audit")
    (grid,) = next(each for each in document.sections if each.title == "Classes that are too small").grids
    marked = [(row[0], row[-1]) for row in grid.rows if row[-1] != "no"]
    assert [f"{name} ({why.replace(', ', ' and ')})" for name, why in marked] == (told.split(", ") * (told != "none"))


def test_images_of_one_class_are_audited_without_cleanlab(found):
    held = HeldOut(
        rows=torch.arange(0, COUNT, 2)[3:],
        features=torch.rand(COUNT // 2 - 3, 2),
        logits=torch.rand(COUNT // 2 - 3, 2),
        centers=torch.eye(2),
        known=torch.ones(2, dtype=torch.bool),
    )
    with pytest.warns(UserWarning, match="cleanlab beside ours: labels must be of 2 classes"):
        assert find(found.images, [held], cleanlab=True).beside is None


def test_what_somebody_else_wrote_is_never_overwritten(found, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/labels.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"labels\.csv is such a file"):
        write_audit(found, "Audit", tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "tables/labels.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("shape", "mode", "size"),
    [((1, 28, 28), "L", (28, 28)), ((3, 300, 150), "RGB", (48, 96)), ((4, 8, 9), "L", (9, 8))],
)
def test_thumbnails_are_small_and_keep_their_proportions(shape, mode, size):
    image = Image.open(io.BytesIO(thumbnail(torch.zeros(shape, dtype=torch.uint8))))
    assert (image.format, image.mode, image.size) == ("PNG", mode, size)


@pytest.mark.message
def test_thumbnails_are_as_many_as_rows():
    with pytest.raises(ValueError, match=r"^Grid: thumbnails of x must be as many as its 1 rows; got 2\.$"):
        Grid(name="x", title="", caption="", headings=("a",), rows=(("b",),), thumbnails=((b"",), (b"",)))


def run(*words: object) -> int:
    return main([str(word) for word in (*words, "--device", "cpu", "--progress", "false", "--workers", "0")])


def test_the_command_line_from_a_run_to_a_page(planted, capsys):
    out = planted.run / "audit"
    assert run("audit", planted.run, "--folds", 3) == 0
    told = capsys.readouterr().out.splitlines()
    said = [line for line in told if not line.startswith("Fold ")]
    assert said[0] == "The run's own network judges the 37 test images."
    assert said[1].startswith("Leaks: ")
    assert any("given Bag, looks like Trouser" in line or "looks like" in line for line in said)
    assert said[-1] == f"Page: {out / 'report.html'}"
    assert "1 training image could not be judged: the class of each has no other image." in said
    rows = rows_of(out, "labels")
    assert {row["file"] for row in rows[:3]} == set(planted.flips)
    assert {row["file"]: row["suggested"] for row in rows[:3]} == planted.flips
    assert rows_of(out, "leaks")[0]["how alike"] == "same pixels"
    assert "cleanlab" in rows[0]
    assert run("audit", planted.run, "--folds", 3, "--cleanlab", "false") == 0
    assert "cleanlab" not in rows_of(out, "labels")[0]
    assert not any(path.name == "record.json" for path in out.rglob("*"))  # no report takes a fold for a run


def test_the_command_line_on_other_images(planted, tmp_path, capsys):
    shutil.copytree(planted.root / "test", tmp_path / "new")
    (tmp_path / "new/zzz").mkdir()
    shutil.copy(tmp_path / "new/Bag/leak.png", tmp_path / "new/zzz/one.png")
    assert run("audit", planted.run, "--data", tmp_path / "new", "--out", tmp_path / "page", "--neighbors", 1000) == 0
    told = capsys.readouterr().out
    one = tmp_path / "new/zzz/one.png"
    assert f"1 image, {one}, has no label that the run knows: looked at for outliers and duplicates alone." in told
    assert "judged beside 37 others, of which the last stands for neighbour 1,000." in told
    (tmp_path / "new/Bag/bad.png").write_bytes(b"no image")
    assert run("audit", planted.run, "--data", tmp_path / "new", "--out", tmp_path / "page") == UNREAD
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("sigma2r: 1 image could not be read and is left out, as of the first: ")
    assert "bad.png" in said
    (tmp_path / "new/Bag/bad.png").unlink()
    for name in FLIPPED:
        (tmp_path / "new" / name).rename(tmp_path / "new" / name.lower())
    assert run("audit", planted.run, "--data", tmp_path / "new", "--out", tmp_path / "page") == 0
    told = capsys.readouterr().out
    assert "Labels: no image has a label that the network knows, so none was judged." in told
    assert "in more than one of given, train and test." in told
    assert (tmp_path / "page/report.html").exists()
    assert (tmp_path / "new/bag/leak.png").exists()


@pytest.mark.message
def test_refusals_are_one_line(planted, tmp_path, capsys, monkeypatch):
    (tmp_path / "report.html").write_text("mine")
    monkeypatch.setattr("sigma2r.audit.held_out.fit", None)  # refused before anything is trained
    for words, told in (
        (["--out", tmp_path], "report.html is such a file"),
        (["--folds", "many"], "folds must be a whole number"),
        (["--folds", "1"], "folds must be at least 2"),
        (["--data", tmp_path / "nowhere", "--out", tmp_path / "x"], "nothing lies there"),
    ):
        assert run("audit", planted.run, *words) in (1, 2)
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    assert run("audit", planted.run, "--cleanlab", "true", "--out", tmp_path / "x") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('pip install "sigma2r[cleanlab]"')
    assert not (tmp_path / "x").exists()


def test_the_table_of_the_document_shows_the_committed_result():
    from benchmarks import planted_tables

    text = planted_tables.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- planted-labels -->") == 1
    assert "| cifar10 | most similar |" in text
    assert planted_tables.filled_in(text) == text
