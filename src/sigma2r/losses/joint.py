r"""The joint objective of Eq. 11: a classification loss, and beside it a loss on the features.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import math
from typing import cast

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r.losses._precision import working_dtype


class JointLoss(nn.Module):
    r"""Cross-entropy of the logits plus a weighted loss on the features.

    .. math:: \mathcal{L} = \mathcal{L}_{xent} + \lambda \mathcal{L}_{aux}

    Args:
        auxiliary: A loss called as ``auxiliary(features, labels)``, such as :class:`SigmaSquaredRLoss`.
        weight: lambda, at least 0; the paper's is 0.01.

    Raises:
        ValueError: If ``weight`` is negative or not finite.

    Example:
        >>> import torch
        >>> from sigma2r.losses import CenterLoss
        >>> criterion = JointLoss(CenterLoss(3, 2), weight=0.01)
        >>> features, logits, labels = torch.randn(6, 2), torch.randn(6, 3), torch.arange(6) % 3
        >>> criterion(features, logits, labels).shape
        torch.Size([])

    Source: arXiv 2009.08796, eq. 11.
    """

    def __init__(self, auxiliary: nn.Module, weight: float) -> None:
        super().__init__()
        if not 0 <= weight < math.inf:
            raise ValueError(f"JointLoss: weight must be a finite number of at least 0; got {weight!r}.")
        self.auxiliary = auxiliary
        self.weight = weight

    def forward(
        self, features: Float[Tensor, "N D"], logits: Float[Tensor, "N C"], labels: Int[Tensor, " N"]
    ) -> Tensor:
        """The joint loss of a batch, a scalar.

        Raises:
            ValueError: If logits do not have one row per sample, or the auxiliary loss refuses its input.
        """
        cross_entropy, auxiliary = self.terms(features, logits, labels)
        return cross_entropy + self.weight * auxiliary

    def terms(
        self, features: Float[Tensor, "N D"], logits: Float[Tensor, "N C"], labels: Int[Tensor, " N"]
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy and the auxiliary loss before its weight, for logs."""
        if logits.ndim != 2 or logits.shape[0] != features.shape[0]:
            raise ValueError(
                f"JointLoss: logits must have one row per row of features, shape ({features.shape[0]}, C); got "
                f"{tuple(logits.shape)}. The order is loss(features, logits, labels)."
            )
        auxiliary = self.auxiliary(features, labels)
        logits = logits.to(working_dtype(logits))
        if not logits.shape[0]:
            return logits.sum(), auxiliary  # the mean of none is 0, and stays in the graph
        return F.cross_entropy(logits, labels.long()), auxiliary

    def param_groups(self, *, lr: float) -> list[dict[str, object]]:
        """The groups of the auxiliary loss for an optimizer; none if it learns nothing."""
        groups = getattr(self.auxiliary, "param_groups", None)
        return cast("list[dict[str, object]]", groups(lr=lr)) if groups is not None else []

    def extra_repr(self) -> str:
        """The weight, for ``print(loss)``."""
        return f"weight={self.weight}"
