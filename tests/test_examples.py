"""The page of examples, run from top to bottom with trainings cut short; and its pictures."""

import re
from pathlib import Path

import pytest
from PIL import Image

from sigma2r.data.fashion_mnist import DEBIAN_FOLDER
from tests.conftest import require
from tests.report.test_browser import browser as browser
from tests.test_commands import shortened
from tools.pages import ROOT, steps
from tools.pictures import OUT, PAGE, Picture, example, made, shown

README = ROOT / "README.md"


def short(words: list[str]) -> list[str]:
    """As of every page; and intervals of few draws."""
    return [*shortened(words), *(["--resamples", "20"] if words[0] == "evaluate" else [])]


@pytest.mark.filterwarnings("default")  # what is said of the data is shown, and is no error
def test_the_examples_run_and_their_pictures_can_be_taken(tmp_path: Path, browser, capsys: pytest.CaptureFixture[str]):
    require("FashionMNIST in /usr/share/datasets", DEBIAN_FOLDER.is_dir())
    taken = []
    for picture in example(PAGE, tmp_path, short):
        (tmp_path / "taken.png").write_bytes(made(browser, picture, tmp_path))
        with Image.open(tmp_path / "taken.png") as image:
            assert image.size == picture.size or picture.size is None
            assert len(image.convert("L").getcolors()) > 10
        taken.append(picture.name)
    assert len(taken) >= 4
    assert (tmp_path / "digits.csv").read_text().count("\n") == 1 + 1797


def test_every_picture_of_the_documents_is_there_and_small():
    said = {Picture.said(step.text).name for step in steps(PAGE) if step.kind == "picture"}
    named = re.compile(r"(?<=pictures/)[\w-]+\.png")
    shown = {name for page in (PAGE, README) for name in named.findall(page.read_text())}
    assert shown == said
    assert len(set(named.findall(README.read_text()))) == 3
    for name in said:
        with Image.open(OUT / name) as image:
            assert image.width > 600
        assert (OUT / name).stat().st_size < 200_000


def test_what_a_page_says_of_a_picture_is_read():
    assert Picture.said("a.png of b/c.html#d 12x34 ") == Picture("a.png", "b/c.html", "d", (12, 34))
    assert Picture.said(" a.png of b.png") == Picture("a.png", "b.png", "", None)


def test_a_picture_begins_where_the_part_does(tmp_path: Path, browser):
    page = tmp_path / "page.html"
    page.write_text("<body style='margin:0'><div style='height:900px;background:#f00'></div>"
                    "<div id='low' style='height:900px;background:#00f'></div>")  # fmt: skip
    for part, wanted in (("", (255, 0, 0)), ("low", (0, 0, 255))):
        (tmp_path / "shot.png").write_bytes(shown(browser, page, part, (300, 200)))
        with Image.open(tmp_path / "shot.png") as image:
            assert image.size == (300, 200)
            assert image.convert("RGB").getpixel((150, 150)) == wanted


def test_a_command_that_fails_ends_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ sigma2r predict nowhere x.png\n```\n")
    with pytest.raises(RuntimeError, match=r"sigma2r predict nowhere x\.png must end well; its exit code is 1"):
        list(example(page, tmp_path))
