"""What training images go through before the network sees them: other changes each epoch, none where it measures."""

import pytest
import torch

from sigma2r.data import Augmentation, ImageData
from sigma2r.data.preprocess import Preprocess
from sigma2r.data.splits import Split
from sigma2r.models import build_model
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.training import Plan
from sigma2r.training import fit as fit_module
from sigma2r.training.module import CompactClassifier

CHANGED = Augmentation(crop=3, rotation=10.0, horizontal_flip=0.5)
CPU = torch.device("cpu")


@pytest.fixture
def split():
    """Twelve images that are one and the same, so that the order of a batch does not matter."""
    image = torch.randint(0, 256, (1, 1, 16, 16), dtype=torch.uint8)
    data = ImageData(image.repeat(12, 1, 1, 1), torch.arange(12) % 3, ("a", "b", "c"))
    return Split(data, torch.arange(12))


def seen(split, *, augmentation=CHANGED, data_seed=0, epochs=3):
    """What the network saw: the batch of each epoch, and what it measured on."""
    torch.manual_seed(0)
    network = build_model("lenet", in_channels=1, image_size=16, num_classes=3, feature_dim=2)
    trained, measured = [], []
    network.register_forward_pre_hook(
        lambda model, inputs: (trained if model.training else measured).append(inputs[0].clone())
    )
    preprocess = Preprocess.fitted_to(split.data, split.indices)
    module = CompactClassifier(
        network, None, preprocess, augmentation=augmentation, data_seed=data_seed, epochs=epochs, optimizer="adam",
        lr=1e-3, loss_lr=0.1, weight_decay=0.0,
    )  # fmt: skip
    sampler = BalancedBatchSampler(split.labels, 12, seed=data_seed)
    fit_module(module, {"train": split, "test": split}, sampler, CPU, Plan(epochs=epochs, progress=False))
    assert len(trained) == epochs
    return trained, measured, preprocess(split.data.images)


def test_training_images_are_augmented_and_measured_ones_are_not(split):
    trained, measured, plain = seen(split)
    assert all((batch != plain).flatten(1).any(1).float().mean() > 0.9 for batch in trained)
    assert all(torch.equal(batch, plain) for batch in measured)
    still, _, _ = seen(split, augmentation=Augmentation())
    assert all(torch.equal(batch, plain) for batch in still)


@pytest.mark.parametrize("kind", ["crop", "rotation", "horizontal_flip"])
def test_each_kind_of_change_reaches_the_network(split, kind):
    trained, _, plain = seen(split, augmentation=Augmentation(**{kind: getattr(CHANGED, kind)}), epochs=1)
    assert not torch.equal(trained[0], plain)


def test_images_are_changed_in_other_ways_each_epoch(split):
    first, second, third = seen(split)[0]
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    assert not torch.equal(first, third)


def test_the_data_seed_decides_the_changes(split):
    trained, again, others = (seen(split, data_seed=seed)[0] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(trained, again, strict=True))
    assert not any(torch.equal(a, b) for a in trained for b in others)


def test_images_come_in_the_order_that_the_sampler_draws_for_the_epoch(split):
    levels = torch.arange(12, dtype=torch.uint8) * 20
    images = levels.view(-1, 1, 1, 1).expand(-1, 1, 16, 16).clone()
    told_apart = Split(ImageData(images, split.data.labels, split.data.class_names), split.indices)
    trained, _, plain = seen(told_apart, augmentation=Augmentation())
    sampler = BalancedBatchSampler(split.labels, 12, seed=0)
    orders = []
    for epoch, batch in enumerate(trained):
        sampler.set_epoch(epoch)
        (rows,) = sampler.epoch_indices()
        assert torch.equal(batch, plain[rows])
        orders.append(rows.tolist())
    assert len(set(map(tuple, orders))) == 3
