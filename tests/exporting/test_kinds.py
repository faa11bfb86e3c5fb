"""Runs of every kind as a file: of timm, with averaged weights, with added classes, of gray and of wide images."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageOps
from torchvision import transforms

import sigma2r
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.trained import fit_rejector
from tests.exporting.test_files import by_hand, close, told_in
from tests.models.test_backbones import as_safetensors, published
from tests.trained.conftest import QUIET

ORIENTATION = 0x0112  # in EXIF data


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of photographs that are wider than high, one of them on its side; a few for validation, too."""
    root, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 10), ("test", 6)):
        for k, name in enumerate(("cat", "cow", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 90, (50, 70, 3), dtype=np.uint8)
                pixels[10:30, 10 + 5 * k : 40, k] += 150
                Image.fromarray(pixels).save(folder / f"{i}.png")
    with Image.open(root / "test/cat/0.png") as image:
        exif, on_its_side = image.getexif(), image.copy()
    exif[ORIENTATION] = 6
    on_its_side.save(root / "test/cat/0.png", exif=exif)
    return root


def run_of(root, **given):
    usual = {"epochs": 1, "batch_size": 12, "image_size": 32, "loss": "center@0.1", "feature_dim": 4}
    return Run(dataset=f"folder:{root}", **{**usual, **given})


def trained_on(run, folder):
    train(run, folder, QUIET)
    return sigma2r.load(folder, device="cpu")


def outputs_of(file, images):
    session = onnxruntime.InferenceSession(str(file.path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": np.asarray(images)}), strict=True))


def equal_to_the_equations(trained, file):
    images = torch.stack([trained.source(trained.record.run.dataset)._one(row, trained.frame)[0] for row in range(18)])
    wanted, got = by_hand(trained, images), outputs_of(file, images)
    for name in wanted:
        close(got[name], wanted[name])


def test_resnet18_of_timm_on_a_folder_is_equal_by_onnxruntime(photos, tmp_path):
    trained = trained_on(run_of(photos, model="timm:resnet18", feature_dim=None, loss="center@0.001"), tmp_path / "run")
    file = sigma2r.export(trained, tmp_path / "m.onnx")
    assert file.sample.what == f"18 test images of folder:{photos}"
    assert told_in(file)["outputs"]["features"] == ["batch", 512]
    equal_to_the_equations(trained, file)


def test_gray_images_of_a_network_for_colours_stay_gray(tiny, tmp_path):
    """They stand for all three, by the mean and the deviation of the weights."""
    as_safetensors(published("test_efficientnet", classes=0).state_dict(), tmp_path / "w.safetensors")
    run = run_of(tiny.removeprefix("folder:"), model="timm:test_efficientnet", weights=str(tmp_path / "w.safetensors"))
    trained = trained_on(run, tmp_path / "run")
    file = sigma2r.export(trained, tmp_path / "m.onnx")
    told = told_in(file)["input"]
    assert (told["channels"], told["shape"]) == ("gray", ["batch", 1, 32, 32])
    assert trained.preprocess.mean.numel() == 3
    equal_to_the_equations(trained, file)


def test_the_averaged_weights_are_those_of_the_file(photos, tmp_path):
    trained = trained_on(run_of(photos, ema=0.5, lr=0.02), tmp_path / "run")
    file = sigma2r.export(trained, tmp_path / "m.onnx")
    equal_to_the_equations(trained, file)
    held = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["trained_weights"]
    live = {name.removeprefix("model."): value for name, value in held.items() if name.startswith("model.")}
    trained.model.load_state_dict(live)
    assert sigma2r.export(trained, tmp_path / "n.onnx").path.read_bytes() != file.path.read_bytes()


@pytest.mark.parametrize("loss", ["pml:CosFaceLoss@0.1", "arcface@0.1", "label-smoothing@0.1"])
def test_a_loss_of_others_is_none_of_the_file_and_has_no_distances(loss, photos, tmp_path):
    trained = trained_on(run_of(photos, loss=loss), tmp_path / "run")
    told = told_in(file := sigma2r.export(trained, tmp_path / "m.onnx"))
    assert list(told["outputs"]) == ["features", "logits", "probabilities"]
    assert told["distances"] is None
    trained.take_means()
    told = told_in(file := sigma2r.export(trained, tmp_path / "m.onnx"))
    assert told["outputs"]["distances"] == ["batch", 3]
    equal_to_the_equations(trained, file)


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
@pytest.mark.parametrize("rejects", [False, True])
def test_a_class_that_was_added_is_told_by_the_rule_of_the_file(rejects, kind, photos, tmp_path):
    trained = trained_on(run_of(photos, epochs=3), tmp_path / "run")
    if rejects:
        trained = fit_rejector(tmp_path / "run", device="cpu", false_rejects=0.1)
    white = torch.full((12, 3, 32, 32), 250, dtype=torch.uint8)
    trained.add_class("white", white)
    file = sigma2r.export(trained, tmp_path / ("m.onnx" if kind == "onnx" else "m.pt2"), kind)
    assert file.difference.same_class == file.difference.count == 18
    told = told_in(file)
    assert (told["class_names"], told["added"]) == (["cat", "cow", "dog", "white"], ["white"])
    assert told["class"] == "that of the largest logit; but that of the smallest distance where it is an added one"
    sizes = {name: shape[1] for name, shape in told["outputs"].items() if len(shape) == 2}
    assert sizes == {"features": 4, "logits": 3, "probabilities": 3, "distances": 4}
    images = torch.cat([white[:4], torch.randint(0, 256, (40, 3, 32, 32)).to(torch.uint8)])
    wanted = trained.predict(images)
    assert 4 <= wanted.classes.count("white") < 44
    if kind == "onnx":
        got = outputs_of(file, images)
    else:
        got = {name: value.numpy() for name, value in torch.export.load(file.path).module()(images).items()}
    nearest, added = got["distances"].argmin(1), told["class_names"].index(told["added"][0])
    classes = np.where(nearest >= added, nearest, got["logits"].argmax(1))
    assert [told["class_names"][row] for row in classes] == wanted.classes
    if rejects:
        assert got["accepted"].tolist() == wanted.accepted.tolist()
        assert told["rejection"]["class_names"] == told["class_names"]
        assert got["accepted"][:4].all()


def as_a_program_would(path, told):
    """An image as the file's own words say, by Pillow and torchvision."""
    _, channels, height, width = told["shape"]
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
    if told["pixel_range"] is not None:
        low, high = told["pixel_range"]
        values = (np.asarray(image, np.float64) - low) * 255 / (high - low)
        image = Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))
    image = image.convert({"gray": "L", "RGB": "RGB"}[told["channels"]])
    if told["resize"] == "crop":
        image = transforms.CenterCrop(height)(transforms.Resize(height)(image))
    elif told["resize"] == "stretch":
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


@pytest.mark.parametrize("resize", ["crop", "stretch"])
def test_images_of_another_size_are_what_the_file_says_of_them(resize, photos, tmp_path):
    trained = trained_on(run_of(photos, resize=resize), tmp_path / "run")
    told = told_in(file := sigma2r.export(trained, tmp_path / "m.onnx"))
    assert told["input"]["resize"] == resize
    paths = sorted((photos / "test").rglob("*.png"))
    seen = np.stack([as_a_program_would(path, told["input"]) for path in paths])
    close(outputs_of(file, seen)["logits"], trained.predict(paths).logits.numpy())
    other = {"crop": "stretch", "stretch": "crop"}[resize]
    changed = sigma2r.load(tmp_path / "run", device="cpu", resize=other)
    assert told_in(sigma2r.export(changed, tmp_path / "n.onnx"))["input"]["resize"] == other
    strict = sigma2r.load(tmp_path / "run", device="cpu", resize="refuse")
    assert (
        told_in(sigma2r.export(strict, tmp_path / "n.onnx", images=seen.transpose(0, 2, 3, 1)))["input"]["resize"]
        is None
    )
    with pytest.raises(ValueError, match="must have the size of the other images"):
        strict.predict(paths)


def test_where_other_sizes_were_refused_nothing_is_scaled(tiny, tmp_path):
    trained = trained_on(run_of(tiny.removeprefix("folder:"), image_size=None), tmp_path / "run")
    told = told_in(file := sigma2r.export(trained, tmp_path / "m.onnx"))["input"]
    assert (told["resize"], told["shape"], told["channels"]) == (None, ["batch", 1, 16, 16], "gray")
    paths = list(trained.source(f"{tiny.removeprefix('folder:')}/test").names)
    seen = np.stack([as_a_program_would(path, told) for path in paths])
    close(outputs_of(file, seen)["logits"], trained.predict(paths).logits.numpy())


def test_values_of_more_than_8_bits_are_brought_to_them_as_the_file_says(tmp_path):
    generator, root = np.random.default_rng(0), tmp_path / "wide"
    for split, count in (("train", 9), ("test", 4)):
        for k, name in enumerate(("dark", "light")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                values = generator.integers(100 + 900 * k, 3000 + 1000 * k, (20, 20)).astype(np.uint16)
                Image.fromarray(values).save(folder / f"{i}.png")
    run = dataclasses.replace(run_of(root), pixel_range=(100.0, 4095.0))
    trained = trained_on(run, tmp_path / "run")
    told = told_in(file := sigma2r.export(trained, tmp_path / "m.onnx"))["input"]
    assert told["pixel_range"] == [100.0, 4095.0]
    paths = sorted((root / "test").rglob("*.png"))
    seen = np.stack([as_a_program_would(path, told) for path in paths])
    close(outputs_of(file, seen)["logits"], trained.predict(paths).logits.numpy())
