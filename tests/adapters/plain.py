"""The same tiny training for every library, and what a plain loop makes of it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from sigma2r import BalancedBatchSampler, CenterLoss, FeatureTap, JointLoss, SigmaSquaredRLoss, WarmUp
from sigma2r.adapters import WithLoss

CLASSES, DIM, SIZE = 3, 4, 60
LABELS = torch.arange(SIZE) % CLASSES
IMAGES = torch.randn(SIZE, 8, generator=torch.Generator().manual_seed(1)) + 2 * torch.eye(CLASSES, 8)[LABELS]
LR, LOSS_LR, DECAY = 0.01, 0.1, 0.1


class Network(nn.Module):
    """Gives logits alone."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, DIM))
        self.head = nn.Linear(DIM, CLASSES, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def model(seed: int = 0) -> WithLoss:
    """Network and two losses, one of them with a weight that follows the epoch."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = Network()
    losses = [
        SigmaSquaredRLoss(CLASSES, DIM, generator=generator),
        CenterLoss(CLASSES, DIM, generator=generator),
    ]
    criterion = JointLoss(losses, [WarmUp(0.04, epochs=3), 0.1])
    return WithLoss(network, criterion, FeatureTap.before_classifier(network))


def sampler() -> BalancedBatchSampler:
    """Five batches of twelve an epoch."""
    return BalancedBatchSampler(LABELS, batch_size=12, seed=3)


def batches(of: BalancedBatchSampler) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(IMAGES, LABELS), batch_sampler=of)


def state(of: WithLoss) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in of.state_dict().items()}


def plain_loop(
    epochs: int,
    *,
    optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW,
    clip: float = 0.0,
    biases_decay: bool = True,
    **options: Any,
) -> Iterator[dict[str, Tensor]]:
    """Written with torch alone, but for the losses; the state after each epoch.

    Args:
        epochs: How many.
        optimizer: Its class.
        clip: Norm of all gradients together that is clipped; 0: not.
        biases_decay: Whether those of the network do.
        options: Of the optimizer.
    """
    of = model()
    body, head, criterion = of.network.body, of.network.head, of.criterion
    biases = [value for name, value in of.network.named_parameters() if name.endswith("bias")]
    weights = [value for name, value in of.network.named_parameters() if name.endswith("weight")]
    centers = [value for name, value in criterion.named_parameters() if name.endswith(("centers", "growth"))]
    assert len(centers) == len(list(criterion.parameters())) == 3
    stepped = optimizer(
        [
            {"params": weights, "lr": LR, "weight_decay": DECAY},
            {"params": biases, "lr": LR, "weight_decay": DECAY if biases_decay else 0.0},
            {"params": centers, "lr": LOSS_LR, "weight_decay": 0.0},
        ],
        **options,
    )
    order = sampler()
    for epoch in range(epochs):
        order.set_epoch(epoch)
        criterion.set_epoch(epoch)
        for rows in order:
            features = body(IMAGES[rows])
            objective = criterion(features, head(features), LABELS[rows])
            stepped.zero_grad()
            objective.backward()
            if clip:
                nn.utils.clip_grad_norm_([*of.network.parameters(), *centers], clip)
            stepped.step()
        yield state(of)


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], *, within: float = 0.0) -> None:
    """Network, centers and growth, each within a share of its largest number; and all of them have moved."""
    assert got.keys() == expected.keys()
    start = state(model())
    for name, value in expected.items():
        assert float((value - start[name]).abs().max()) > 1e-3, name
        assert float((got[name] - value).abs().max()) <= within * float(value.abs().max()), name
