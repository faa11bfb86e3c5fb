"""LeNet and what follows from it, in float64, from a checkpoint's numbers alone; imports nothing of sigma2r."""

import math

import torch
import torch.nn.functional as F


def prelu(x, slope):
    return torch.where(x > 0, x, slope * x)


def features_and_logits(state, pixels, padding):
    """Of pixels (N, ch, H, W) in 0 to 255: normalised by channel, two convolutions, three linear maps."""
    w = {name: value.double() for name, value in state.items()}
    x = (pixels.double() - w["preprocess.mean"]) / w["preprocess.std"]
    for layer, pad in ((0, padding), (3, 0)):
        x = F.conv2d(x, w[f"model.body.{layer}.weight"], w[f"model.body.{layer}.bias"], padding=pad)
        x = F.max_pool2d(prelu(x, w[f"model.body.{layer + 1}.weight"]), 2)
    x = prelu(x.flatten(1) @ w["model.body.7.weight"].T + w["model.body.7.bias"], w["model.body.8.weight"])
    features = x @ w["model.body.9.weight"].T + w["model.body.9.bias"]
    logits = prelu(features, w["model.head.0.weight"]) @ w["model.head.1.weight"].T + w["model.head.1.bias"]
    return features, logits


def probabilities(logits):
    rows = []
    for row in logits.tolist():
        most = max(row)
        parts = [math.exp(value - most) for value in row]
        rows.append([part / math.fsum(parts) for part in parts])
    return rows


def distances(features, centers, *, unit_length=False):
    rows = []
    for row in features.double().tolist():
        length = math.sqrt(math.fsum(value * value for value in row)) if unit_length else 1.0
        rows.append(
            [math.sqrt(math.fsum((v / length - c) ** 2 for v, c in zip(row, center, strict=True)))
             for center in centers.double().tolist()]
        )  # fmt: skip
    return rows
