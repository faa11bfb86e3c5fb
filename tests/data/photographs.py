"""Photographs of several sizes, as files: real ones where there are some, for tests that want them."""

import os
import tarfile
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from tests.conftest import require

ARCHIVE = "cifar10-20k.tar.xz"
PER_CLASS, CLASSES = 12, 4


@cache
def real_pixels() -> dict[str, list[Image.Image]]:
    """Some photographs of CIFAR10 by the names of their classes, 32 pixels a side."""
    archive = Path(os.environ.get("SIGMA2R_TEST_DATA", "nowhere")) / ARCHIVE
    require(f"{ARCHIVE} in the folder that SIGMA2R_TEST_DATA names", archive.is_file())
    found: dict[str, list[Image.Image]] = {}
    with tarfile.open(archive) as packed:
        for member in packed:
            name = Path(member.name).parent.name
            if "train" not in member.name or not member.isfile() or len(found.get(name, ())) == PER_CLASS:
                continue
            if name in found or len(found) < CLASSES:
                content = packed.extractfile(member)
                assert content is not None
                found.setdefault(name, []).append(Image.open(content).convert("RGB"))
            if len(found) == CLASSES and all(len(images) == PER_CLASS for images in found.values()):
                break
    return found


SIZES = [(75, 50), (50, 75), (64, 64), (31, 90), (120, 33), (20, 30)]
ENDINGS = ["jpg", "png", "webp"]


def write_photographs(folder: Path, count: int = PER_CLASS) -> Path:
    """Class folders of real photographs as JPEG, PNG and WebP, of several sizes and proportions."""
    for name, images in real_pixels().items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images[:count]):
            scaled = image.resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC)
            scaled.save(folder / name / f"{number:02}.{ENDINGS[number % len(ENDINGS)]}", quality=90)
    return folder


def as_tensor(image: Image.Image) -> Tensor:
    """Pixels (ch, H, W) uint8, read one by one."""
    channels = len(image.getbands())
    values = torch.tensor(list(image.tobytes()), dtype=torch.uint8)
    return values.view(image.height, image.width, channels).permute(2, 0, 1)
