"""One call of a loss, forward and backward, against named rivals."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version

import torch
from torch import Tensor

from benchmarks.algorithm_1 import algorithm_1
from benchmarks.timing import Ratio, Work, compare
from sigma2r.functional import center_loss, sigma_squared_r_loss

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Shape = tuple[int, int, int]

SHAPES: tuple[Shape, ...] = ((256, 512, 10), (1000, 512, 100), (4096, 512, 1000))
MANY_CLASSES: Shape = (8192, 128, 100_000)
OURS = "sigma2R, default reading"
PAIRS = {SHAPES[0]: 60, SHAPES[1]: 30, SHAPES[2]: 5}


def matrix_center_loss(features: Tensor, labels: Tensor, centers: Tensor, growth: Tensor) -> Tensor:
    """Center loss by way of all N x C distances, as it is often written."""
    distances = features.square().sum(1, keepdim=True) + centers.square().sum(1) - 2 * features @ centers.T
    own = labels.unsqueeze(1) == torch.arange(centers.shape[0])
    return (distances * own).sum() / features.shape[0]


def our_center_loss(sparse_grad: bool) -> Loss:
    """The center loss of this package."""
    return lambda features, labels, centers, growth: center_loss(features, labels, centers, sparse_grad=sparse_grad)


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


def metric_learning(name: str, num_classes: int, feature_dim: int) -> Loss:
    """A loss of pytorch-metric-learning with its defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns of its own dependencies
        from pytorch_metric_learning import losses

    sizes = {"num_classes": num_classes, "embedding_size": feature_dim} if name == "ProxyNCALoss" else {}
    module = getattr(losses, name)(**sizes)
    return lambda features, labels, centers, growth: module(features, labels)


def run() -> Iterator[Ratio]:
    """σ²R against loops, a matrix and pytorch-metric-learning; the center loss against its matrix form."""
    yield compare(
        "(N, D, C) = (1000, 512, 100)",
        (OURS, forward_and_backward(sigma_squared_r_loss, *SHAPES[1])),
        ("Algorithm 1 in loops", forward_and_backward(algorithm_1, *SHAPES[1])),
        target=1 / 20,
        n=20,
    )
    for shape, target in zip(SHAPES, (1.8, 1.2, 0.15), strict=True):
        yield compare(
            f"(N, D, C) = {shape}",
            (OURS, forward_and_backward(sigma_squared_r_loss, *shape)),
            ("center loss by an N x C matrix", forward_and_backward(matrix_center_loss, *shape)),
            target=target,
            n=60,
        )
    yield from _metric_learning()
    yield from _center()


def _metric_learning() -> Iterator[Ratio]:
    """All triplets of the third shape would be 50 million, all pairs of the fourth 67: those are left out."""
    told = f"pytorch-metric-learning {version('pytorch-metric-learning')}"
    targets = dict(zip(SHAPES, (1 / 3, 1 / 8, 1 / 60), strict=True))
    rivals = ("ContrastiveLoss", "TripletMarginLoss", "MultiSimilarityLoss", "NCALoss", "ProxyNCALoss")
    for name in rivals:
        for shape in SHAPES:
            if name == "TripletMarginLoss" and shape == SHAPES[2]:
                continue
            yield compare(
                f"(N, D, C) = {shape}",
                (OURS, forward_and_backward(sigma_squared_r_loss, *shape)),
                (f"{name}, {told}", forward_and_backward(metric_learning(name, shape[2], shape[1]), *shape)),
                target=targets[shape] if name == "ContrastiveLoss" else None,
                n=5 if name == "TripletMarginLoss" else PAIRS[shape],
                warm_up=1 if shape == SHAPES[2] else 3,
            )
    sparse = partial(sigma_squared_r_loss, sparse_grad=True)
    yield compare(
        f"(N, D, C) = {MANY_CLASSES}",
        ("sigma2R, sparse gradients", forward_and_backward(sparse, *MANY_CLASSES)),
        (
            f"ProxyNCALoss, {told}",
            forward_and_backward(metric_learning("ProxyNCALoss", MANY_CLASSES[2], MANY_CLASSES[1]), *MANY_CLASSES),
        ),
        target=None,
        n=3,
        warm_up=1,
    )


def _center() -> Iterator[Ratio]:
    yield compare(
        f"(N, D, C) = {SHAPES[2]}",
        ("center loss", forward_and_backward(our_center_loss(False), *SHAPES[2])),
        ("center loss by an N x C matrix", forward_and_backward(matrix_center_loss, *SHAPES[2])),
        target=1 / 8,
        n=30,
    )
    few = (*MANY_CLASSES[:2], 1000)
    for sparse, target in ((True, 1.5), (False, None)):
        kind = "sparse" if sparse else "dense"
        yield compare(
            f"(N, D, C) = {MANY_CLASSES}",
            (f"center loss, {kind} gradients", forward_and_backward(our_center_loss(sparse), *MANY_CLASSES)),
            (f"the same at C = {few[2]:,}", forward_and_backward(our_center_loss(sparse), *few)),
            target=target,
            n=30,
        )
