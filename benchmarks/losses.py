"""One call of a loss, forward and backward."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.algorithm_1 import algorithm_1
from benchmarks.timing import Ratio, Work, compare
from sigma2r.functional import sigma_squared_r_loss

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def matrix_center_loss(features: Tensor, labels: Tensor, centers: Tensor, growth: Tensor) -> Tensor:
    """Center loss by way of all N x C distances, as it is often written."""
    distances = features.square().sum(1, keepdim=True) + centers.square().sum(1) - 2 * features @ centers.T
    own = labels.unsqueeze(1) == torch.arange(centers.shape[0])
    return (distances * own).sum() / features.shape[0]


def forward_and_backward(loss: Loss, num_samples: int, feature_dim: int, num_classes: int) -> Work:
    """One step of a loss on balanced random features; the same for each loss."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(num_samples, feature_dim, generator=generator).requires_grad_()
    labels = torch.arange(num_samples) % num_classes
    centers = torch.randn(num_classes, feature_dim, generator=generator).requires_grad_()
    growth = torch.randn(num_classes, generator=generator).requires_grad_()

    def step() -> None:
        features.grad = centers.grad = growth.grad = None
        loss(features, labels, centers, growth).backward()

    return step


def run() -> Iterator[Ratio]:
    """σ²R against the paper's algorithm in loops, and against a center loss that searches no neighbours."""
    ours = "sigma2R, default reading"
    shape = (1000, 512, 100)
    yield compare(
        f"loss, forward + backward, (N, D, C) = {shape}",
        (ours, forward_and_backward(sigma_squared_r_loss, *shape)),
        ("Algorithm 1 in loops", forward_and_backward(algorithm_1, *shape)),
        target=1 / 20,
        n=20,
    )
    for shape, target in (((256, 512, 10), 3.0), ((1000, 512, 100), 1.2), ((4096, 512, 1000), 0.2)):
        yield compare(
            f"loss, forward + backward, (N, D, C) = {shape}",
            (ours, forward_and_backward(sigma_squared_r_loss, *shape)),
            ("center loss by an N x C matrix", forward_and_backward(matrix_center_loss, *shape)),
            target=target,
            n=60,
        )
