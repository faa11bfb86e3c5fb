"""A backbone that was trained before: frozen for a while or for good, and at a rate of its own."""

from dataclasses import dataclass

from torch import nn

BACKBONE = "backbone"
"""The name of the part of a model that can be frozen."""


@dataclass(frozen=True)
class FineTuning:
    """How the backbone of a model is trained, where that is not how the rest of it is.

    Args:
        freeze: Epochs in which it is frozen; None: all.
        lr: Its learning rate at the first epoch; None: that of the network.
    """

    freeze: int | None = 0
    lr: float | None = None

    @property
    def concerns_backbone(self) -> bool:
        """Whether there must be a backbone."""
        return self.freeze != 0 or self.lr is not None

    def is_frozen(self, epoch: int) -> bool:
        """Whether the backbone is frozen in an epoch, counted from 0."""
        return self.freeze is None or epoch < self.freeze


def backbone_of(model: nn.Module) -> nn.Module:
    """The part of a model that can be frozen.

    Raises:
        ValueError: If it has none.
    """
    backbone = getattr(model, BACKBONE, None)
    if not isinstance(backbone, nn.Module):
        raise ValueError(
            f"train: freeze and backbone_lr are for a model with a part called {BACKBONE}; {type(model).__name__} has "
            f"{', '.join(name for name, _ in model.named_children()) or 'no parts'}. Name it so, or leave them out."
        )
    return backbone


def network_groups(model: nn.Module, tuning: FineTuning, *, lr: float, weight_decay: float) -> list[dict[str, object]]:
    """The groups of a network for an optimizer: ``network``, and ``backbone`` if that is trained in a way of its own.

    Args:
        model: The network.
        tuning: Says whether. One that is frozen for a while has a group also at the rate of all else: fused SGD wants
            the parameters of a group to make their first step together.
        lr: The rate of all else.
        weight_decay: Of both.

    Example:
        >>> model = nn.ModuleDict({"backbone": nn.Linear(3, 2), "head": nn.Linear(2, 2)})
        >>> groups = network_groups(model, FineTuning(lr=1e-4), lr=1e-2, weight_decay=0.0)
        >>> [(group["name"], len(group["params"]), group["lr"]) for group in groups]
        [('network', 2, 0.01), ('backbone', 2, 0.0001)]
    """
    held = list(backbone_of(model).parameters()) if tuning.concerns_backbone else []
    within = set(map(id, held))
    rest = [parameter for parameter in model.parameters() if id(parameter) not in within]
    network: dict[str, object] = {"name": "network", "params": rest, "lr": lr, "weight_decay": weight_decay}
    own = {**network, "name": BACKBONE, "params": held, "lr": lr if tuning.lr is None else tuning.lr}
    return [network, own] if held else [network]


class Freezer:
    """Freezes a backbone and lets go of it: what learned before learns again, in the modes that it was in.

    Frozen, it has no gradients and is in evaluation mode: statistics of batch norms stay, and dropout is off.

    Args:
        backbone: The part of a model.
    """

    def __init__(self, backbone: nn.Module) -> None:
        self._learning = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
        self._backbone = backbone
        self._modes: dict[nn.Module, bool] = {}

    def set(self, frozen: bool) -> None:
        """Freeze, or let go; a second time nothing happens."""
        if frozen == bool(self._modes):
            return
        for parameter in self._learning:
            parameter.requires_grad_(not frozen)
        if frozen:
            self._modes = {module: module.training for module in self._backbone.modules()}
            self._backbone.eval()
            return
        for module, training in self._modes.items():
            module.training = training
        self._modes = {}
