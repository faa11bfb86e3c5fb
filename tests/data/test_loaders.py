"""Batches on the device, batches from disk, validation splits, normalisation."""

import pytest
import torch
from torch.testing import assert_close

from sigma2r import BalancedBatchSampler
from sigma2r.data import Augmentation, ImageData
from sigma2r.data.folder import folder_images
from sigma2r.data.loaders import EpochRows, in_order, make_batches, split_off
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
