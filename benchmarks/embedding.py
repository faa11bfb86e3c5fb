"""``sigma2r embed`` against the loop that one writes by hand: images from disk, a DataLoader, the network, a file."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.timing import Ratio, Work, compare
from sigma2r.cli import main
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from sigma2r.trained import Trained, load

_WORKERS, _BATCH = 2, 256


class BareImages(Dataset[Tensor]):
    """Pillow, NumPy, torch, and nothing between them."""

    def __init__(self, paths: list[Path], side: int) -> None:
        self.paths, self.side = paths, side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        if image.size != (self.side, self.side):
            image = image.resize((self.side, self.side), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@torch.no_grad()
def bare_loop(trained: Trained, folder: Path, out: Path) -> None:
    """Features of all images of a folder, kept in memory and saved at the end."""
    paths = sorted(folder.rglob("*.*"))
    data = BareImages(paths, trained.frame.image_shape[1])
    loader = DataLoader(data, batch_size=_BATCH, num_workers=_WORKERS)
    features = torch.cat([trained.model(trained.preprocess(images))[0] for images in loader])
    np.savez(out, features=features.numpy(), paths=np.array([str(path) for path in paths]))


def write_images(folder: Path, count: int, side: int, ending: str) -> None:
    """Smooth pictures with a little noise, which compress as photographs do."""
    generator = torch.Generator().manual_seed(0)
    for index in range(count):
        coarse = torch.rand(1, 3, 6, 6, generator=generator)
        fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
        noisy = (255 * fine + 6 * torch.randn(1, 3, side, side, generator=generator)).clamp(0, 255)
        place = folder / f"{index % 100:02}" / f"{index:05}{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy[0].permute(1, 2, 0).to(torch.uint8).numpy()).save(place)


def measured(root: Path, model: str, count: int, side: int, ending: str, n: int) -> Ratio:
    """One size of images, and a network that takes them as they are, in the number of threads that torch has."""
    images, run = root / f"images-{side}", root / f"run-{model}"
    write_images(images, count, side, ending)
    described = Run(model=model, loss="center@0.1", image_size=side, images_per_class=64, batch_size=96, epochs=1)
    train(described, run, Where(device="cpu", progress=False))
    trained = load(run, device="cpu")
    words = ["embed", run, images, "--out", root / "ours.npz", "--device", "cpu", "--batch_size", _BATCH]
    words += ["--workers", _WORKERS, "--progress", "false"]

    def ours() -> None:
        assert main([str(word) for word in words]) == 0

    def rival() -> None:
        bare_loop(trained, images, root / "rival.npz")

    what = f"{count:,} {ending[1:].upper()} files of {side} x {side}, {model}, {_WORKERS} workers"
    ratio = compare(what, ("sigma2r embed", ours), ("DataLoader and network", rival), target=1.1, n=n, warm_up=1)
    with np.load(root / "ours.npz") as a, np.load(root / "rival.npz") as b:
        assert a["paths"].tolist() == b["paths"].tolist()
        np.testing.assert_allclose(a["features"], b["features"], rtol=1e-4, atol=1e-5)
    return ratio


def one_image(root: Path, n: int) -> Ratio:
    """A whole process that tells the class of one image, against one that imports torch."""
    image = next((root / "images-32").rglob("*.png"))
    words = [sys.executable, "-m", "sigma2r", "predict", str(root / "run-lenet"), str(image), "--device", "cpu"]

    def process(*call: str) -> Work:
        return lambda: subprocess.run(call, capture_output=True, check=True)

    rival = process(sys.executable, "-c", "import torch")
    what = "one image, lenet: the whole process"
    return compare(what, ("sigma2r predict", process(*words)), ("import torch", rival), target=2.0, n=n, warm_up=1)


def run() -> Iterator[Ratio]:
    """Small files, where what is done for each counts most; larger ones; and a single one."""
    with tempfile.TemporaryDirectory() as folder:
        yield measured(Path(folder), "lenet", 20_000, 32, ".png", n=7)
        yield measured(Path(folder), "resnet18", 4_000, 128, ".jpg", n=5)
        yield one_image(Path(folder), n=9)
