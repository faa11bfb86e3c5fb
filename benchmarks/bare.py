"""The loop that a run comes down to: no trainer, no logs, no checkpoints, nothing measured."""

import time

import torch
import torch.nn.functional as F

from sigma2r import BalancedBatchSampler, JointLoss
from sigma2r.data import load_images
from sigma2r.data.preprocess import Preprocess
from sigma2r.models import build_model
from sigma2r.studies.losses import build_loss
from sigma2r.studies.run import Run
from sigma2r.studies.where import using_threads


def bare_loop(run: Run) -> float:
    """Train as ``run`` says, with the same batches and augmentation; seconds of the loop alone."""
    data = load_images(run.dataset, "train")
    channels, size, _ = data.image_shape
    num_classes = len(data.class_names)
    preprocess = Preprocess.fitted_to(data, torch.arange(len(data)))
    model = build_model(run.model, in_channels=channels, image_size=size, num_classes=num_classes)
    model = model.to(memory_format=torch.channels_last)
    added = build_loss(run.loss, num_classes, model.feature_dim, run.loss_options)
    criterion = None if added is None else JointLoss(added, run.loss_weight)
    groups = [{"params": list(model.parameters()), "lr": run.lr}]
    groups += criterion.param_groups(lr=run.loss_lr) if criterion else []
    optimizer = torch.optim.Adam(groups, fused=True)
    sampler, generator = BalancedBatchSampler(data.labels, run.batch_size), torch.Generator()
    with using_threads(run.threads):
        start = time.perf_counter()
        for epoch in range(run.epochs):
            sampler.set_epoch(epoch)
            for rows in sampler.epoch_indices():
                labels = data.labels[rows]
                features, logits = model(preprocess(data.images[rows], run.augmentation, generator))
                loss = criterion(features, logits, labels) if criterion else F.cross_entropy(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return time.perf_counter() - start
