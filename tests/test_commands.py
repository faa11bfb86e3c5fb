"""Every command of the documents is run, page by page, where there is what it names; trainings are cut short."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from sigma2r.cli import main
from sigma2r.cli.parser import underscored
from sigma2r.data.fashion_mnist import DEBIAN_FOLDER
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from tests.conftest import require
from tools.pages import ROOT, commands, steps, words_of

STUDY_PAGE = ROOT / "docs/your-own-study.md"

ELSEWHERE = {"docs/your-own-study.md": "tests/studies/test_own.py", "docs/examples.md": "tests/test_examples.py"}
"""Pages whose commands other tests run."""

NOT_RUN = {
    "--scale paper": "it trains for weeks",
    "--pretrained": "it asks a hub for weights",
}
"""Words of commands that are understood, as another test sees, and not run; and why."""

PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if commands(page) and str(page.relative_to(ROOT)) not in ELSEWHERE
]

SHORT = {"--epochs": "1", "--images_per_class": "20", "--device": "cpu", "--progress": "false"}


def shortened(words: list[str]) -> list[str]:
    """The words of a verb that trains, so that it trains for seconds; of another verb as they are, but for --jobs."""
    audit = {"--folds": "2", "--device": "cpu"}
    short = {"train": SHORT, "compare": {**SHORT, "--seeds": "1"}, "audit": audit}.get(words[0], {})
    words = without(words, "--jobs", *short)
    return [*words, *(word for pair in short.items() for word in pair)]


def without(words: list[str], *flags: str) -> list[str]:
    """The words but for some flags, each with its value."""
    places = {i + k for i, word in enumerate(words) if underscored(word) in flags for k in (0, 1)}
    return [word for i, word in enumerate(words) if i not in places]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the documents name: folders of images, a trained run, weights, records."""
    root = tmp_path_factory.mktemp("world")
    generator = torch.Generator().manual_seed(0)

    def images(folder: str, count: int, channels: int = 3, ending: str = "png") -> None:
        (root / folder).mkdir(parents=True)
        for number in range(count):
            pixels = torch.randint(0, 256, (32, 32, channels), generator=generator).to(torch.uint8).squeeze(2)
            Image.fromarray(pixels.numpy()).save(root / folder / f"{number}.{ending}")

    for split, count in (("train", 40), ("test", 6)):
        for name in ("cat", "dog", "owl"):
            images(f"photos/{split}/{name}", count)
        for name in ("airplane", "bird"):
            images(f"data/cifar10/{split}/{name}", count)
    for name in ("cat", "dog"):
        images(f"PATH/{name}", 20)
    for folder in ("other", "other_photos"):
        images(folder, 12)
    images("new", 4, ending="jpg")
    listed = "".join(f"photos/train/{name}/{number}.png,{name},train\nphotos/test/{name}/{number % 6}.png,{name},test\n"
                     for name in ("cat", "dog") for number in range(6))  # fmt: skip
    (root / "images.csv").write_text("path,label,split\n" + "\n".join(dict.fromkeys(listed.splitlines())) + "\n")
    save_file(timm.create_model("resnet18", num_classes=0).state_dict(), root / "resnet18.safetensors")
    run = Run(dataset=f"folder:{root / 'photos'}", loss="center@0.1", epochs=1, batch_size=30, validation_fraction=0.2)
    train(run, root / "RUN", Where(device="cpu", progress=False))
    for name in ("photos-center-1f0c8a52", "first"):
        shutil.copytree(root / "RUN", root / "runs" / name)
    (root / "study.py").write_text(next(step.text for step in steps(STUDY_PAGE) if step.kind == "python"))
    (root / "results").symlink_to(ROOT / "results")
    shutil.copytree(ROOT / "results", root / "runs/studies")  # so that a study finds all its runs done
    return root


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder for one page, as the current one."""
    require("FashionMNIST in /usr/share/datasets", DEBIAN_FOLDER.is_dir())
    folder = tmp_path / "world"
    shutil.copytree(world, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SIGMA2R_DATA_DIR", str(folder / "data"))
    yield folder
    shutil.rmtree(folder)


def test_pages_with_commands_are_found():
    assert {page.name for page in PAGES} > {"README.md", "auditing.md", "evaluating.md", "using-a-run.md", "results.md"}
    assert all((ROOT / page).exists() and (ROOT / test).exists() for page, test in ELSEWHERE.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.filterwarnings("default")  # strangers' images have much to be told of
def test_every_command_of_a_page_is_run(page: Path, place: Path, capsys: pytest.CaptureFixture[str]):
    for command in commands(page):
        if any(word in command for word in NOT_RUN):
            continue
        out = place / command.partition(" > ")[2].strip().replace("~", "home") if " > " in command else None
        code = done(shortened(words_of(command, place)))
        said = capsys.readouterr()
        assert code == 0, f"{command}\n{said.err}"
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(said.out)


def done(words: list[str]) -> object:
    """The exit code of a call, which --print_config raises."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code
