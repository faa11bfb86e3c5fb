"""Csv files of images: what they mean, and one sentence with file and line for each that cannot be used."""

import csv
import os
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigma2r._absent import AbsentError
from sigma2r._places import WrongKindError
from sigma2r._text import visible
from sigma2r.data import FolderImages, ImageData, fingerprint, is_listed, load_images
from sigma2r.data.csv_listing import list_csv
from sigma2r.data.csv_rows import read_rows
from sigma2r.data.folder import read_listing
from sigma2r.data.registry import check_dataset
from sigma2r.data.splits import load_splits
from tests.data.photographs import write_photographs
from tests.data.test_layout import classes, reds
from tests.data.test_tree import colour, warned

ROWS = [(f"{split}/{name}/{number}.png", name, split)
        for split in ("train", "val", "test") for name in ("cat", "dog", "fox") for number in range(4)]  # fmt: skip


@pytest.fixture
def root(tmp_path) -> Path:
    for first, split in enumerate(("train", "test", "val")):
        classes(tmp_path / split, count=4, first=50 * first)
    return tmp_path


def written(root: Path, rows, header=("path", "label", "split"), name="images.csv", encoding="utf-8") -> Path:
    with (root / name).open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])
    return root / name


def as_text(root: Path, text: str | bytes) -> Path:
    path = root / "images.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_file_is_the_folder_that_it_names(root):
    file = written(root, ROWS)
    found = {}
    assert warned(lambda: found.update(load_splits(f"csv:{file}"))) == []
    folder = load_splits(f"folder:{root}")
    assert found.keys() == folder.keys() == {"train", "test", "validation"}
    for split, each in found.items():
        assert torch.equal(each.data.images, folder[split].data.images)
        assert fingerprint(each.data) == fingerprint(folder[split].data)
        assert each.data.class_names == ("cat", "dog", "fox")
        assert each.data.paths == folder[split].data.paths
    for split in ("train", "test", "val"):
        assert torch.equal(load_images(f"csv:{file}", split).images, load_images(f"folder:{root}", split).images)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_marks_ends_of_lines_and_the_order_of_columns_and_rows_mean_nothing(root, encoding, ends, order):
    plain = load_splits(f"csv:{written(root, ROWS)}")
    rows = [("path", "label", "split"), *reversed(ROWS)]
    text = ends.join(",".join(row[column] for column in order) for row in rows) + ends * 2
    (root / "other.csv").write_bytes(text.encode(encoding))
    other = load_splits(f"csv:{root / 'other.csv'}")
    for split, each in plain.items():
        assert fingerprint(other[split].data) == fingerprint(each.data)


def test_names_in_quotes_may_hold_anything(root):
    names = ['a,b "c".png', "line\nbreak.png", "caf\u00e9 \u732b.png"]
    labels = ["x, y", 'say "so"', "two\nlines"]
    rows = []
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        for folder in ("one", "two"):
            colour(root / folder / name, (number, 5, 5))
            rows.append((f"{folder}/{name}", label, "train" if folder == "one" else "test"))
    data = load_images(f"csv:{written(root, rows)}", "train")
    assert data.class_names == tuple(sorted(labels))
    assert [labels.index(data.class_names[label]) for label in data.labels.tolist()] == reds(data)


def test_without_a_column_split_test_images_are_set_aside(root):
    rows = [(path, label) for path, label, split in ROWS if split == "train"]
    file = written(root, rows, header=("path", "label"))
    (told,) = warned(lambda: load_splits(f"csv:{file}"))
    assert told.startswith(
        f"csv: {file} says of no image that it is for the test; 0.2 of each class are set aside, 3 of 12 "
    )
    found = load_splits(f"csv:{file}", test_fraction=0.5, test_seed=3)
    assert {split: each.labels.bincount().tolist() for split, each in found.items()} == {
        "train": [2, 2, 2],
        "test": [2, 2, 2],
    }
    assert (found["test"].chosen.fraction, found["test"].chosen.seed) == (0.5, 3)
    folder = load_splits(f"folder:{root / 'train'}", test_fraction=0.5, test_seed=3)
    inside = written(
        root / "train", [(Path(path).relative_to("train"), label) for path, label in rows], ("path", "label")
    )
    again = load_splits(f"csv:{inside}", test_fraction=0.5, test_seed=3)
    for split in ("train", "test"):  # by the names below its folder, as of the folder itself
        assert fingerprint(again[split].data) == fingerprint(folder[split].data)


@pytest.mark.message
@pytest.mark.parametrize("given", [{"test_fraction": 0.2}, {"test_seed": 1}])
def test_a_share_beside_a_column_split_is_refused(root, given):
    (name,) = given
    with pytest.raises(
        ValueError, match=rf"^csv: {name} is for a file without a column split; .*images.csv says itself"
    ):
        load_splits(f"csv:{written(root, ROWS)}", **given)


def test_paths_are_told_from_the_file_on_and_may_be_whole(root, tmp_path, monkeypatch):
    rows = [(path if number % 2 else root / path, label, split) for number, (path, label, split) in enumerate(ROWS)]
    file = written(root, rows)
    wanted = fingerprint(load_images(f"folder:{root}", "train"))
    monkeypatch.chdir(root / "train")
    assert fingerprint(load_images(f"csv:{file}", "train")) == wanted
    (root / "lists").mkdir()
    there = written(root / "lists", [(f"{os.pardir}/{path}", label, split) for path, label, split in ROWS])
    assert fingerprint(load_images(f"csv:{there}", "train")) == wanted
    monkeypatch.chdir(root)
    assert fingerprint(load_images("csv:images.csv", "train")) == wanted
    monkeypatch.setenv("HOME", str(root))
    assert fingerprint(load_images("csv:~/images.csv", "train")) == wanted


def test_what_it_says_is_part_of_the_fingerprint(root):
    plain = [fingerprint(load_images(f"csv:{written(root, ROWS)}", split)) for split in ("train", "test")]
    others = {
        "a label": [(p, "dog" if p == "train/cat/1.png" else label, s) for p, label, s in ROWS],
        "the name of a class": [(p, label.replace("fox", "wolf"), s) for p, label, s in ROWS],
        "a split": [(p, label, "train" if p == "test/cat/1.png" else s) for p, label, s in ROWS],
        "a row less": [row for row in ROWS if row[0] != "train/fox/3.png"],
    }
    for rows in others.values():
        name = f"csv:{written(root, rows)}"
        assert [fingerprint(load_images(name, split)) for split in ("train", "test")] != plain


def test_any_file_counts_whatever_it_is_called(root):
    """A folder's rules for names are for what is found; here all is named."""
    moved = []
    for number, (path, label, split) in enumerate(ROWS):
        name = [f".hidden{number}", f"Thumbs{number}.db", f"{number}.txt"][number % 3]
        shutil.copy(root / path, root / name)
        moved.append((name, label, split))
    assert len(load_images(f"csv:{written(root, moved)}", "train")) == 12


def test_too_many_images_for_memory_stay_on_disk(tmp_path, monkeypatch):
    photographs = write_photographs(tmp_path / "photos", count=6)
    rows = [(path.relative_to(tmp_path), path.parent.name) for path in sorted(photographs.rglob("*.*"))]
    file = written(tmp_path, rows, header=("path", "label"))
    held = load_splits(f"csv:{file}", image_size=20, test_fraction=0.4)
    monkeypatch.setattr("sigma2r.data.folder.IN_MEMORY_BYTES", 1)
    on_disk = load_splits(f"csv:{file}", image_size=20, test_fraction=0.4)
    for split in ("train", "test"):
        assert isinstance(held[split].data, ImageData)
        assert isinstance(on_disk[split].data, FolderImages)
        assert [on_disk[split].data[i][0].tolist() for i in range(len(on_disk[split]))] == held[
            split
        ].data.images.tolist()


def test_rows_that_say_the_same_again_count_once_and_are_told(root):
    again = [ROWS[0], (f"./{ROWS[1][0]}", *ROWS[1][1:]), (f"train/{os.pardir}/{ROWS[2][0]}", *ROWS[2][1:])]
    file = written(root, [*ROWS, *again])
    (told,) = warned(lambda: load_images(f"csv:{file}", "train"))
    assert told == f"csv: {file} names 3 images again, which count once: line 38, 39, 40."
    with pytest.warns(UserWarning, match="names 1 image again, which count once: line 3"):
        assert len(load_images(f"csv:{written(root, [ROWS[0], *ROWS])}", "train")) == 12


def test_links_to_one_image_are_told_or_refused(root):
    (root / "linked").symlink_to("train")
    (root / "link.png").symlink_to("train/cat/0.png")
    with pytest.warns(
        UserWarning, match=r"^csv: in .*images.csv: 1 name was .* links to images that are there .*link.png"
    ):
        assert len(load_images(f"csv:{written(root, [*ROWS, ('link.png', 'cat', 'train')])}", "train")) == 12
    with pytest.warns(UserWarning, match=r"links to images that are there already: 1"):  # through a linked folder
        assert len(load_images(f"csv:{written(root, [*ROWS, ('linked/cat/0.png', 'cat', 'train')])}", "train")) == 12
    for row in (("link.png", "dog", "train"), ("link.png", "cat", "test"), ("linked/cat/0.png", "dog", "train"),
                ("linked/cat/0.png", "cat", "val")):  # fmt: skip
        with pytest.raises(
            ValueError, match=r"^csv: an image must be of one class and of one split; .* are one, by a li"
        ):
            load_images(f"csv:{written(root, [*ROWS, row])}", "train")
    (root / "hard.png").hardlink_to(root / "train/cat/0.png")
    with pytest.warns(
        UserWarning, match=r"^csv: .*images.csv has 1 image with several names .*, such as .*; each name"
    ):
        load_images(f"csv:{written(root, [*ROWS, ('hard.png', 'dog', 'test')])}", "train")


def test_classes_that_look_the_same_are_told(root):
    rows = [(path, label + " " * (label == "cat" and path.endswith("1.png")), split) for path, label, split in ROWS]
    with pytest.warns(UserWarning, match=r"^csv: .*images.csv has classes that look the same: 'cat' and 'cat '"):
        load_images(f"csv:{written(root, rows)}", "train")


def test_other_columns_are_told(root):
    rows = [(*row, "x", "y") for row in ROWS]
    file = written(root, rows, header=("path", "label", "split", "width", "note"))
    (told,) = warned(lambda: load_splits(f"csv:{file}"))
    assert told == f"csv: {file} has other columns than path, label and split, which are not read: width, note."
    with pytest.warns(UserWarning, match=r"which are not read: Split\. Did you mean split\?"):
        load_splits(f"csv:{written(root, ROWS, header=('path', 'label', 'Split'))}", test_fraction=0.5)


@pytest.mark.message
def test_classes_of_the_splits_are_compared(root):
    rows = [row for row in ROWS if row[1:] != ("fox", "test")]
    with pytest.raises(
        ValueError,
        match=r"^csv: rows of test in .*images.csv must have the .* train; they differ in: fox\. --missing_class",
    ):
        load_splits(f"csv:{written(root, rows)}")
    name = f"csv:{written(root, rows)}"
    assert load_splits(name, missing_classes=True)["test"].labels.unique().tolist() == [0, 1]
    assert len(load_images(name, "train")) == 12  # it is said to who wants the test images
    rows = [(path, label.replace("fox", "Fox") if split == "val" else label, split) for path, label, split in ROWS]
    with pytest.raises(ValueError, match=r"differ in: Fox, fox\. 'Fox' of val and 'fox' of train differ only in capit"):
        load_splits(f"csv:{written(root, rows)}")


HEAD = "path,label,split\n"
ONE = "train/cat/0.png,cat,train\n"
BAD = {
    "empty": ("", r", line 1, must be a header that names the columns path and label; the file is empty\."),
    "a header alone": (HEAD, r" must name images; it holds a header alone\."),
    "no header": (ONE, r", line 1, .*it lacks path and label and is 'train/cat/0.png,cat,train'\."),
    "a column missing": ("path,split\n", r", line 1, .*it lacks label and is 'path,split'\."),
    "capitals": ("Path,label\n", r", line 1, .*it lacks path and is 'Path,label'\. Did you mean path\?"),
    "white space": ("path, label\n", r", line 1, .*it lacks label .*Did you mean label\?"),
    "semicolons": ("path;label\na;b\n", r", line 1, .* Separate columns by commas, not by ';'\."),
    "tabs": ("path\tlabel\n", r", line 1, .* Separate columns by commas, not by '\\t'\."),
    "a column twice": ("path,label,label\n", r", line 1, must name each column once; label stands there 2 times\."),
    "an empty label": (
        HEAD + ONE + "train/cat/1.png,,train\n",
        r", line 3, must say the label of train/cat/1.png; it is",
    ),
    "a blank label": (HEAD + "train/cat/1.png, ,train\n", r", line 2, must say the label of train/cat/1.png"),
    "no path": (HEAD + ",cat,train\n", r", line 2, must name a file, from the folder of the csv on; it names none\."),
    "no such file": (
        HEAD + ONE + "\n\ntrain/cat/9.png,cat,train\n",
        r", line 5, must name a file.*/train/cat/9.png is not there\.",
    ),
    "a folder": (HEAD + "train/cat,cat,train\n", r", line 2, must name a file.*/train/cat is a folder\."),
    "a name with a NUL": (HEAD + "train/cat/\0.png,cat,train\n", r", line 2, must name a file.*\\x00.png is not there"),
    "backslashes": (HEAD + "train\\cat\\0.png,cat,train\n", r", line 2, .* is not there\. Write / between folders\."),
    "another split": (
        HEAD + "train/cat/0.png,cat,valid\n",
        r", line 2, must have the split train, val or test; got 'valid'\. Did you mean va",
    ),
    "an empty split": (HEAD + "train/cat/0.png,cat,\n", r", line 2, must have the split train, val or test; got ''\."),
    "too few cells": (
        HEAD + ONE + "train/cat/0.png,cat\n",
        r", line 3, must have 3 columns, as the header has; it has 2\. Put quotes",
    ),
    "too many cells": (HEAD + "train/cat/0.png,cat, tabby,train\n", r", line 2, must have 3 columns, .*; it has 4"),
    "two labels": (
        HEAD + ONE + "./train/cat/0.png,dog,train\n",
        r", line 3, must give .*/0.png the label 'cat', as line 2 does; it says 'dog'\. An image has one label\.",
    ),
    "two splits": (
        HEAD + ONE + "train/cat/0.png,cat,test\n",
        r", line 3, must give .* the split 'train', as line 2 does; it says 'test'\. An image has one split\.",
    ),
    "a quote that stays open": (
        HEAD + ONE + '"train/cat/1.png,cat,train\n',
        r", line 3, must be csv; unexpected end of data\. Write a quote within quotes twice\.",
    ),
    "a quote within": (HEAD + '"train"cat/1.png",cat,train\n', r", line 2, must be csv; .* Write a quote"),
    "no test images": (
        HEAD + ONE,
        r" must have rows of the splits train and test; it has none of test\. Leave the column split",
    ),
    "no training images": (
        HEAD + ONE.replace(",train", ",test"),
        r" must have rows .* train and test; it has none of train\.",
    ),
    "latin letters": (
        (HEAD + ONE + "train/caf\u00e9.png,cat,train\n").encode("latin1"),
        r", line 3, must be text in UTF-8; byte 0xe9 is not\. Save it as UTF-8\.",
    ),
    "UTF-16": ((HEAD + ONE).encode("utf-16"), r", line 1, must be text in UTF-8; byte 0x(ff|fe) is not"),
    "an image": (b"\x89PNG\r\n\x1a\n", r", line 1, must be text in UTF-8; byte 0x89 is not"),
}


@pytest.mark.message
@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_told_with_file_and_line(root, text, message):
    file = as_text(root, text)
    for split in ("train", "test"):
        with pytest.raises(ValueError, match=rf"^csv: {file}{message}") as refused:
            load_images(f"csv:{file}", split)
        assert str(refused.value).isprintable()
        assert str(refused.value)[-1] in ".?"


@pytest.mark.message
def test_lines_are_those_of_an_editor(root):
    """A row of several lines counts as all of them, an empty one as one."""
    colour(root / "two\nlines.png", "red")
    text = HEAD + '"two\nlines.png","a\n\nb",train\n\n' + "gone.png,cat,train\n"
    with pytest.raises(ValueError, match=rf"line {text[: text.index('gone')].count(chr(10)) + 1}, must name a file"):
        load_images(f"csv:{as_text(root, text)}", "train")


@pytest.mark.message
def test_a_file_that_is_not_there_or_no_file_is_told(root):
    with pytest.raises(
        AbsentError, match=r"^csv: .*gone.csv must be a csv file with the columns path and label; there is"
    ):
        load_images(f"csv:{root / 'gone.csv'}", "train")
    with pytest.raises(WrongKindError, match=r"must be a file; it is a folder"):
        load_images(f"csv:{root}", "train")
    os.mkfifo(root / "pipe.csv")
    with pytest.raises(WrongKindError, match=r"must be a file; it is a pipe"):
        load_images(f"csv:{root / 'pipe.csv'}", "train")
    with pytest.raises(ValueError, match=r"unknown data set 'csv:'"):
        load_images("csv:", "train")
    with pytest.raises(ValueError, match=r"must have images of val; it has none"):
        load_images(f"csv:{written(root, [row for row in ROWS if row[2] != 'val'])}", "val")


@pytest.mark.message
def test_an_image_that_cannot_be_read_is_named(root):
    (root / "train/dog/2.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"train/dog/2.png must be a readable image"):
        load_images(f"csv:{written(root, ROWS)}", "train")


@pytest.mark.parametrize("name", ["csv:images", "csv:a.b", "csv:images.csv", "folder:a", "folder:a.py:b"])
def test_a_file_that_is_called_like_a_module_is_none(name):
    assert is_listed(name)
    check_dataset(name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6)), max_size=4), st.randoms())
def test_whatever_a_file_holds_is_rows_or_one_sentence(tmp_path_factory, rows, random):
    file = written(tmp_path_factory.mktemp("any"), rows, encoding="utf-8")
    content = bytearray(file.read_bytes())
    for _ in range(random.randrange(3)):
        content[random.randrange(len(content))] = random.randrange(256)
    file.write_bytes(bytes(content))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that are not read
            read_rows(file)
    except ValueError as error:
        said = str(error)
    else:
        said = "csv: nothing"
    assert said.startswith("csv: ")
    assert said == visible(said)


def test_a_listing_tells_where_each_image_is_from(root):
    listing = list_csv(written(root, ROWS))
    assert {name: sum(map(len, tree.images.values())) for name, tree in listing.trees.items()} == {
        "train": 12,
        "test": 12,
        "val": 12,
    }
    assert read_listing(listing, "val").class_names == ("cat", "dog", "fox")
