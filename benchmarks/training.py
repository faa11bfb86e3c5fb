"""Whole training: a LeNet epoch through the trainer, and what σ²R adds to a training step."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.bare import bare_loop
from benchmarks.timing import Ratio, Work, compare
from sigma2r import JointLoss, SigmaSquaredRLoss
from sigma2r.data import Augmentation
from sigma2r.models import build_model
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where


def epoch_through_the_trainer(loss: str, threads: int) -> Work:
    """The training part of one epoch of ``sigma2r train`` on FashionMNIST, in seconds."""

    def epoch() -> float:
        run = Run(dataset="fashion-mnist", loss=loss, epochs=1, measure_every=0, threads=threads)
        with tempfile.TemporaryDirectory() as folder:
            record = train(run, Path(folder) / "run", Where(device="cpu", progress=False))
        return float(record.history[0]["train_s"])

    return epoch


def training_step(name: str, channels: int, size: int, with_sigma2r: bool) -> Work:
    """One step on a batch of 256 random images."""
    torch.manual_seed(0)
    model = build_model(name, in_channels=channels, image_size=size, num_classes=10)
    criterion = JointLoss(SigmaSquaredRLoss(10, model.feature_dim), 0.01)
    groups = [{"params": list(model.parameters()), "lr": 1e-3}]
    groups += criterion.param_groups(lr=0.1) if with_sigma2r else []
    optimizer = torch.optim.Adam(groups, fused=True)
    images, labels = torch.randn(256, channels, size, size), torch.arange(256) % 10

    def step() -> None:
        features, logits = model(images)
        loss = criterion(features, logits, labels) if with_sigma2r else F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def run() -> Iterator[Ratio]:
    """The trainer against a bare loop, and σ²R against cross-entropy alone."""
    yield compare(
        "training step, resnet18, 3 x 32 x 32, batch 256",
        ("cross-entropy + sigma2R", training_step("resnet18", 3, 32, True)),
        ("cross-entropy alone", training_step("resnet18", 3, 32, False)),
        target=1.02,
        n=12,
        warm_up=2,
    )
    for threads in (1, torch.get_num_threads()):
        yield compare(
            f"LeNet epoch on FashionMNIST, sigma2r train, batch 256, {threads} threads",
            ("sigma2r@0.01", epoch_through_the_trainer("sigma2r@0.01", threads)),
            ("cross-entropy", epoch_through_the_trainer("cross-entropy", threads)),
            target=1.06,
            n=5,
            warm_up=1,
        )
    plain = Run(
        dataset="fashion-mnist",
        loss="sigma2r@0.01",
        epochs=1,
        augmentation=Augmentation(),
        threads=torch.get_num_threads(),
    )
    yield compare(
        "LeNet epoch on FashionMNIST, sigma2R, batch 256",
        ("sigma2r train with augmentation", epoch_through_the_trainer("sigma2r@0.01", torch.get_num_threads())),
        ("bare loop without augmentation", lambda: bare_loop(plain)),
        target=1.25,
        n=5,
        warm_up=1,
    )
