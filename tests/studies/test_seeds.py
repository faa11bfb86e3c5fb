"""Which seed decides what, and which images normalisation is fitted to."""

import dataclasses

import pytest
import torch

from sigma2r.data import ImageData
from sigma2r.data.splits import Split
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.studies.build import build
from sigma2r.studies.data import load
from sigma2r.studies.fit import fit
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where

CPU = Where(device="cpu", progress=False)


def image_numbers(run):
    return {name: split.indices.tolist() for name, split in load(run, CPU).items()}


@pytest.fixture
def run(tiny_run):
    return dataclasses.replace(tiny_run, validation_fraction=0.25, images_per_class=12)


def test_the_data_seed_draws_the_validation_split_and_the_images_and_first_weights_do_not(run):
    first = image_numbers(run)
    assert image_numbers(dataclasses.replace(run, init_seed=1)) == first
    other = image_numbers(dataclasses.replace(run, data_seed=1))
    assert other["validation"] != first["validation"]
    assert other["train"] != first["train"]
    assert other["test"] == first["test"]
    assert (len(first["validation"]), len(first["train"])) == (3 * 6, 3 * 12)
    assert not set(first["validation"]) & set(first["train"])


def built(run):
    training = load(run, CPU)["train"]
    return build(run, training, BalancedBatchSampler(training.labels, run.batch_size, seed=run.data_seed))


def test_the_init_seed_draws_the_first_weights_and_centers_and_the_data_seed_does_not(run):
    first, same, other = (
        built(dataclasses.replace(run, **seeds)).state_dict() for seeds in ({}, {"data_seed": 1}, {"init_seed": 1})
    )
    drawn = [name for name in first if name.startswith(("model.", "criterion."))]
    drawn = [name for name in drawn if first[name].unique().numel() > 1]  # not slopes of PReLU, nor growth
    assert "criterion.auxiliaries.0.centers" in drawn
    assert len(drawn) > 5
    assert all(torch.equal(first[name], same[name]) for name in drawn)
    assert not any(torch.equal(first[name], other[name]) for name in drawn)


def test_what_is_built_does_not_depend_on_what_was_drawn_before(run):
    first = built(run).state_dict()
    torch.rand(17)
    again = built(run).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_normalisation_is_fitted_to_the_images_that_train_and_to_no_others():
    images = torch.randint(100, 110, (12, 1, 16, 16), dtype=torch.uint8)
    images[1::2] = 255  # set aside
    data = ImageData(images, torch.arange(12) // 2 % 3, ("a", "b", "c"))
    training = Split(data, torch.arange(0, 12, 2))
    run = Run(dataset="fuzzy-rgb", loss="center@0.1", feature_dim=2, batch_size=6)
    preprocess = build(run, training, BalancedBatchSampler(training.labels, 6)).preprocess
    seen = preprocess(images[::2])
    assert seen.mean().item() == pytest.approx(0, abs=1e-3)
    assert seen.std().item() == pytest.approx(1, abs=1e-2)


def test_a_trained_run_normalises_by_its_training_images_alone(run):
    splits = load(run, CPU)
    fitted = fit(dataclasses.replace(run, epochs=1), CPU)
    training = splits["train"]
    chosen = training.data.images[training.indices].double()
    assert fitted.preprocess.mean.item() == pytest.approx(chosen.mean().item(), rel=1e-4)
    everything = training.data.images.double()
    assert abs(everything.mean().item() - chosen.mean().item()) > 1e-2  # the two can be told apart


def test_the_data_seed_decides_the_augmentation_and_the_init_seed_does_not(run):
    module = built(dataclasses.replace(run, data_seed=5, init_seed=7))
    assert module.data_seed == 5
