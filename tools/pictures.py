"""Run the examples of the documents, and make their pictures: ``python -m tools.pictures [FOLDER]``.

A page says what a picture is of: ``<!-- picture NAME of FILE -->`` of one that a block has drawn, and ``<!-- picture
NAME of PAGE.html#PART WIDTHxHEIGHT -->`` of what a browser shows from that part on.
"""

import base64
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigma2r.cli import main as sigma2r
from tools.pages import ROOT, Step, steps, words_of

PAGE = ROOT / "docs/examples.md"
OUT = ROOT / "docs/pictures"


@dataclass(frozen=True)
class Picture:
    """What a page says of a picture.

    Args:
        name: Its file in ``docs/pictures``.
        source: An image or a page, in the folder of the example.
        part: The ``id`` in the page from which on it is shown; none: its top.
        size: Pixels of the browser, width and height; None for an image, which is taken as it is.
    """

    name: str
    source: str
    part: str
    size: tuple[int, int] | None

    @classmethod
    def said(cls, words: str) -> "Picture":
        """What the words in a page say."""
        name, _, rest = words.strip().partition(" of ")
        source, _, size = rest.partition(" ")
        width, _, height = size.partition("x")
        path, _, part = source.partition("#")
        return cls(name, path, part, (int(width), int(height)) if size else None)


def example(page: Path, folder: Path, shortened: Callable[[list[str]], list[str]] = list) -> Iterator[Picture]:
    """Run what a page shows, from top to bottom, in a folder that is the current one; each picture once it can be made.

    Args:
        page: With blocks and commands.
        folder: An empty one.
        shortened: From the words of a call to those that are called.

    Raises:
        RuntimeError: If a command does not end well.
    """
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        for step in steps(page):
            if step.kind == "picture":
                yield Picture.said(step.text)
            else:
                _run(step, names, folder, shortened)


def _run(step: Step, names: dict[str, Any], folder: Path, shortened: Callable[[list[str]], list[str]]) -> None:
    if step.kind == "python":
        exec(compile(step.text, "example", "exec"), names)
    elif code := sigma2r(shortened(words_of(step.text, folder))):
        raise RuntimeError(f"{step.text} must end well; its exit code is {code}.")


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, with the driver that is installed beside it."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def shown(driver: Any, page: Path, part: str, size: tuple[int, int]) -> bytes:
    """What a browser shows of a page from a part on, as PNG.

    Args:
        driver: Of the browser.
        page: An HTML file.
        part: An ``id`` in it; none: its top.
        size: Pixels, width and height.
    """
    from selenium.webdriver.common.by import By

    width, height = size
    driver.set_window_size(width, height)
    driver.get(page.as_uri())
    top = driver.find_element(By.ID, part).location["y"] - 12 if part else 0
    clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return base64.b64decode(taken["data"])


def made(driver: Any, picture: Picture, folder: Path) -> bytes:
    """The content of a picture."""
    if picture.size is None:
        return (folder / picture.source).read_bytes()
    return shown(driver, folder / picture.source, picture.part, picture.size)


def main(folder: Path) -> None:
    """Run the page, and write its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser() as driver:
        for picture in example(PAGE, folder):
            (OUT / picture.name).write_bytes(made(driver, picture, folder.absolute()))
            print(f"docs/pictures/{picture.name}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary).absolute())
