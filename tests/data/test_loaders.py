"""Batches on the device, batches from disk, validation splits, normalisation."""

import contextlib
import gc
import multiprocessing
import pickle
import re

import pytest
import torch
from PIL import Image
from torch._utils import ExceptionWrapper
from torch.testing import assert_close
from torch.utils.data import DataLoader

from sigma2r import BalancedBatchSampler
from sigma2r.data import Augmentation, ImageData, augment
from sigma2r.data.folder import folder_images
from sigma2r.data.loaders import EpochRows, at_most, in_order, make_batches, split_off
from sigma2r.data.names import RefusedError
from sigma2r.data.preprocess import Preprocess
from tests.data.test_datasets import write_images

CPU = torch.device("cpu")


def test_batches_from_memory_and_from_disk_are_the_same(tmp_path):
    root = write_images(tmp_path, count=6)
    held, on_disk = folder_images(root, "train"), folder_images(root, "train", in_memory_bytes=1)
    indices = torch.tensor([0, 1, 2, 4, 7, 8, 9, 11])
    got = []
    for data in (held, on_disk):
        sampler = BalancedBatchSampler(data.labels[indices], 4, seed=2)
        batches = make_batches(data, EpochRows(sampler, indices), len(sampler), CPU, workers=0)
        assert len(batches) == len(sampler)
        got.append(list(batches))
    for (images, labels), (same_images, same_labels) in zip(*got, strict=True):
        assert images.dtype == torch.uint8
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)
        assert labels.tolist().count(0) == 2
    shown = torch.cat([images[:, 0, 0, 0] for images, _ in got[0]]).tolist()
    allowed = held.images[indices][:, 0, 0, 0].tolist()
    assert set(shown) == set(allowed)  # every chosen image, and no other


def test_measuring_takes_each_image_once():
    rows = in_order(torch.arange(10, 17), 3)
    assert [row.tolist() for row in rows] == [[10, 11, 12], [13, 14, 15], [16]]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.34, 0.99])
def test_a_split_takes_its_share_of_each_class_and_leaves_one(fraction):
    labels = torch.tensor([0] * 50 + [1] * 10 + [2])[torch.randperm(61)]
    kept, aside = split_off(labels, fraction, seed=1)
    assert sorted([*kept.tolist(), *aside.tolist()]) == list(range(61))
    counts = torch.bincount(labels[aside], minlength=3).tolist()
    assert counts == [min(round(fraction * n), n - 1) for n in (50, 10, 1)]
    assert torch.equal(split_off(labels, fraction, seed=1)[1], aside)


def test_a_split_is_drawn_at_random_in_every_class():
    labels = torch.arange(3).repeat_interleave(200)
    kept, aside = split_off(labels, 0.25, seed=0)
    for k in range(3):
        places = aside[labels[aside] == k] - 200 * k
        assert len(places) == 50
        for low in range(0, 200, 50):  # from each quarter of the class some 12.5
            assert 3 <= int(((low <= places) & (places < low + 50)).sum()) <= 25
    assert not set(kept.tolist()) & set(aside.tolist())
    assert not torch.equal(split_off(labels, 0.25, seed=1)[1], aside)
    together = at_most(labels, kept, 40, seed=0)
    assert torch.bincount(labels[together]).tolist() == [40] * 3
    assert set(together.tolist()) <= set(kept.tolist())
    assert (together[:40] > 50).sum() > 10
    assert not torch.equal(at_most(labels, kept, 40, seed=1), together)


@pytest.mark.parametrize("on_disk", [False, True])
def test_normalisation_is_that_of_the_images_named_and_of_no_others(tmp_path, on_disk):
    root = write_images(tmp_path, count=4)
    data = folder_images(root, "train", in_memory_bytes=1 if on_disk else 2**30)
    indices = torch.tensor([1, 2, 6])
    chosen = folder_images(root, "train").images[indices].double()
    preprocess = Preprocess.fitted_to(data, indices)
    assert_close(preprocess.mean.flatten().double(), chosen.mean((0, 2, 3)))
    assert_close(preprocess.std.flatten().double(), chosen.std((0, 2, 3), correction=0).clamp_min(1e-3))
    others = Preprocess.fitted_to(data, torch.arange(8))
    assert not torch.equal(others.mean, preprocess.mean)


def test_normalisation_of_very_many_images_on_disk_samples_them_evenly(tmp_path, monkeypatch):
    data = folder_images(write_images(tmp_path, count=9), "train", in_memory_bytes=1)
    monkeypatch.setattr("sigma2r.data.preprocess._SAMPLE", 6)
    looked_at = []
    read = type(data).__getitem__
    monkeypatch.setattr(type(data), "__getitem__", lambda self, i: (looked_at.append(i), read(self, i))[1])
    Preprocess.fitted_to(data, torch.arange(18))
    assert looked_at == [0, 3, 6, 9, 12, 15]


def test_one_image_of_one_colour_can_be_normalised():
    data = ImageData(torch.full((1, 1, 4, 4), 7, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), ("only",))
    assert torch.isfinite(Preprocess.fitted_to(data, torch.arange(1))(data.images)).all()


def test_training_images_are_augmented_only_where_a_generator_is_given(generator):
    images = torch.randint(0, 256, (20, 3, 6, 6), generator=generator, dtype=torch.uint8)
    preprocess = Preprocess(torch.zeros(3), torch.ones(3))
    asked = Augmentation(crop=2, rotation=10.0, horizontal_flip=0.5)
    changed = preprocess(images, asked, torch.Generator().manual_seed(3))
    assert_close(changed, augment(images.float(), asked, torch.Generator().manual_seed(3)))
    assert not torch.equal(changed, images.float())
    assert torch.equal(preprocess(images), images.float())
    assert torch.equal(preprocess(images, asked), images.float())


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_one_sentence_from_a_worker_too(tmp_path, workers):
    root = write_images(tmp_path, count=4)
    data = folder_images(root, "train", in_memory_bytes=1)
    (root / "train/dog/1.png").write_bytes(b"no image")
    batches = make_batches(data, in_order(torch.arange(8), 2), 4, CPU, workers=workers)
    read = iter(batches)
    assert next(read)[0].shape == (2, 3, 8, 8)
    assert next(read)[1].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"^folder: .*dog/1.png must be a readable image: [^\n]*$"):
        next(read)


@pytest.mark.parametrize("harm", ["gone", "size"])
def test_an_image_that_has_changed_since_is_one_sentence_from_a_worker(tmp_path, harm):
    root = write_images(tmp_path, count=4)
    data = folder_images(root, "train", in_memory_bytes=1)
    path = root / "train/dog/1.png"
    path.unlink()
    if harm == "size":
        Image.new("RGB", (9, 9)).save(path)
    with pytest.raises(ValueError, match=r"^folder: .*dog/1.png must (be a readable image|have the size)[^\n]*$"):
        list(make_batches(data, in_order(torch.arange(8), 4), 2, CPU, workers=1))


HARMS = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "no image": lambda path: path.write_bytes(b"no image"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "of another size": lambda path: Image.new("RGB", (9, 9)).save(path),
    "of floats": lambda path: Image.new("F", (8, 8)).save(path, format="TIFF"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_an_image_that_is_refused_is_the_same_sentence_from_a_plain_loader(tmp_path, harm):
    root = write_images(tmp_path, count=4)
    data = folder_images(root, "train", in_memory_bytes=0)
    harm(root / "train/dog/1.png")
    with pytest.raises(RefusedError, match=r"^folder: .*dog/1.png [^\n]*$") as refused:
        data[5]
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    sent = ExceptionWrapper(
        (refused.type, refused.value, refused.tb), "in DataLoader worker process 0"
    )  # as torch does
    with pytest.raises(RefusedError) as told:
        sent.reraise()
    assert str(told.value) == str(refused.value)


def test_of_a_chain_of_refusals_the_last_is_told():
    first, last = RefusedError("folder: a must be first.\n"), RefusedError("folder: b must be last.")
    last.__cause__ = first
    with pytest.raises(RefusedError, match=r"^folder: b must be last\.$"):
        ExceptionWrapper((RefusedError, last, None), "in DataLoader worker process 0").reraise()


def test_a_worker_of_a_plain_loader_sends_one_sentence(tmp_path):
    root = write_images(tmp_path, count=4)
    data = folder_images(root, "train", in_memory_bytes=0)
    HARMS["cut off"](root / "train/dog/1.png")
    assert re.fullmatch(
        r"folder: .*dog/1.png must be a readable image: [^\n]*", refusal_of(DataLoader(data, num_workers=1))
    )
    gc.collect()  # torch's own error holds the workers


def refusal_of(loader):
    """What a loader says."""
    try:
        list(loader)
    except RefusedError as error:
        return str(error)


def test_a_sentence_that_is_no_workers_is_kept_whole():
    for sentence in ("folder: Caught RefusedError in a name", "Caught", "folder: a\nb", ""):
        assert str(RefusedError(sentence)) == sentence
    assert str(pickle.loads(pickle.dumps(RefusedError("folder: x must be y.")))) == "folder: x must be y."


def test_after_an_error_no_worker_stays(tmp_path):
    root = write_images(tmp_path, count=4)
    data = folder_images(root, "train", in_memory_bytes=1)
    (root / "train/cat/0.png").write_bytes(b"no image")
    batches = make_batches(data, in_order(torch.arange(8), 2), 4, CPU, workers=1)
    with contextlib.suppress(ValueError):
        list(batches)
    assert multiprocessing.active_children()
    del batches
    assert not multiprocessing.active_children()


def test_workers_read_epoch_after_epoch(tmp_path):
    data = folder_images(write_images(tmp_path, count=4), "train", in_memory_bytes=1)
    batches = make_batches(data, in_order(torch.arange(8), 4), 2, CPU, workers=1)
    assert len(batches) == 2
    epochs = [list(batches) for _ in range(2)]
    assert [labels.tolist() for _, labels in epochs[1]] == [[0] * 4, [1] * 4]
    assert torch.equal(epochs[0][1][0], epochs[1][1][0])
    assert epochs[0][0][0].dtype == torch.uint8


def test_normalised_training_images_have_mean_0_and_deviation_1(generator):
    images = torch.randint(0, 256, (200, 3, 6, 6), generator=generator, dtype=torch.uint8)
    images[:, 1] //= 4
    data = ImageData(images, torch.zeros(200, dtype=torch.int64), ("only",))
    preprocess = Preprocess.fitted_to(data, torch.arange(200))
    pixels = preprocess(images)
    assert_close(pixels.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    assert_close(pixels.std((0, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-5)
    assert preprocess.double()(images).dtype == torch.float64


def test_what_augmentation_moves_in_is_black_before_normalisation():
    preprocess = Preprocess(torch.tensor([100.0]), torch.tensor([50.0]))
    white = torch.full((40, 1, 5, 5), 255, dtype=torch.uint8)
    changed = preprocess(white, Augmentation(crop=2), torch.Generator().manual_seed(0))
    assert_close(changed.unique(), torch.tensor([-2.0, 3.1]))
