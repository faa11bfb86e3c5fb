"""Training as a plain loop of torch: what the trainer must come to. It takes first weights and order from the library,
and shares nothing else with it."""

import copy
import math

import torch
import torch.nn.functional as F

from sigma2r.data import Augmentation
from sigma2r.data.splits import Split
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.studies.build import build
from sigma2r.studies.data import load
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where


def batches(run: Run, split: Split, epoch: int):
    """uint8 images and labels of each batch of an epoch."""
    sampler = BalancedBatchSampler(split.labels, run.batch_size, seed=run.data_seed)
    sampler.set_epoch(epoch)
    for rows in list(sampler):
        chosen = split.indices[torch.tensor(rows)]
        yield split.data.images[chosen], split.data.labels[chosen]


def trained(run: Run) -> tuple[torch.nn.Module, torch.Tensor | None, list[torch.nn.Module]]:
    """The model, its centers if it has some, and the model at the end of each epoch, after SGD or Adam in 64 bits."""
    assert run.augmentation == Augmentation(), "batches here are as they are"
    assert run.precision == "64-true"
    split = load(run, Where())["train"]
    module = build(run, split, BalancedBatchSampler(split.labels, run.batch_size, seed=run.data_seed)).double()
    model, mean, std = module.model, module.preprocess.mean, module.preprocess.std
    centers = None if module.criterion is None else module.criterion.auxiliary.centers
    backbone = getattr(model, "backbone", None)
    inner = [] if backbone is None else list(backbone.parameters())
    outer = [p for p in model.parameters() if all(p is not each for each in inner)]
    groups = [
        {"params": inner, "start": run.lr if run.backbone_lr is None else run.backbone_lr},
        {"params": outer, "start": run.lr},
        {"params": [] if centers is None else [centers], "start": run.loss_lr},
    ]
    make = {
        "sgd": lambda: torch.optim.SGD(groups, lr=1.0, momentum=0.9, foreach=False),
        "adam": lambda: torch.optim.Adam(groups, lr=1.0, foreach=False),
    }
    optimizer = make[run.optimizer]()
    average, kept = None, []
    for epoch in range(run.epochs):
        frozen = run.freeze == "all" or epoch < run.freeze
        model.train()
        if frozen:
            backbone.eval()
        for parameter in inner:
            parameter.requires_grad_(not frozen)
        for group in optimizer.param_groups:
            group["lr"] = group["start"] * 0.5 * (1 + math.cos(math.pi * epoch / run.epochs))
        order = list(batches(run, split, epoch))
        for start in range(0, len(order), run.accumulate):
            window = order[start : start + run.accumulate]
            optimizer.zero_grad()
            for images, labels in window:
                features, logits = model((images.double() - mean) / std)
                loss = F.cross_entropy(logits, labels)
                if centers is not None:
                    loss = loss + run.loss_weight * 0.5 * (features - centers[labels]).square().sum(1).mean()
                (loss / len(window)).backward()
            optimizer.step()
            average = averaged(average, model, run.ema)
        kept.append(copy.deepcopy(model if run.ema is None else average))
    return kept[-1], centers, kept


def averaged(average: torch.nn.Module | None, model: torch.nn.Module, decay: float | None) -> torch.nn.Module | None:
    """The moving average after a step, number by number of the state."""
    if decay is None:
        return None
    if average is None:
        return copy.deepcopy(model)
    state = average.state_dict()
    for name, value in model.state_dict().items():
        mixed = decay * state[name] + (1 - decay) * value if value.is_floating_point() else value
        state[name].copy_(mixed)
    return average
