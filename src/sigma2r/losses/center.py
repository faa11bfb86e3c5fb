r"""Center loss: pull every feature towards the center of its class.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r.losses._centers import move_to_class_means, new_centers
from sigma2r.losses._checks import check_centers, check_features, check_labels
from sigma2r.losses._precision import without_autocast, working_dtype
from sigma2r.losses._reduction import Reduction, check_reduction, reduce


def center_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    centers: Float[Tensor, "C D"],
    *,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Half the squared distance from each feature to the center of its class.

    .. math:: \ell_i = \tfrac{1}{2} \lVert x_i - c_{y_i} \rVert_2^2

    The distance is taken by direct difference, in O(N D): expanding the square would cancel away from the
    origin.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y` in ``[0, C)``, shape ``(N,)``.
        centers: Class centers :math:`c`, shape ``(C, D)``, in the units of ``features``.
        reduction: ``"none"``, ``"mean"`` over the N samples, or ``"sum"`` (the paper's form).

    Returns:
        Squared feature units; shape ``(N,)`` for ``"none"``, otherwise a scalar.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or the reduction is unknown.

    Example:
        >>> features, centers = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.zeros(2, 2)
        >>> center_loss(features, torch.tensor([0, 1]), centers, reduction="none")
        tensor([0.5000, 4.5000])

    Source: "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, eq. 2; eq. 1 of
    arXiv 2009.08796. Both print a sum; ``"mean"`` is what the first authors' own code computes. Much-used
    re-implementations differ by a factor: without the half, 2; divided by all N C distances, 2 / C; by N D, 2 / D.
    """
    check_features("center_loss", features)
    check_centers("center_loss", centers)
    check_features("center_loss", features, centers.shape[1])
    labels = check_labels("center_loss", features, labels, centers.shape[0])
    check_reduction("center_loss", reduction)
    dtype = working_dtype(features, centers)
    with without_autocast(features):
        offset = features.to(dtype) - centers.index_select(0, labels.to(centers.device)).to(dtype)
        return reduce(0.5 * torch.linalg.vecdot(offset, offset), reduction)


class CenterLoss(nn.Module):
    """:func:`center_loss` with learned centers, moved by the gradient.

    Args:
        num_classes: C.
        feature_dim: D.
        reduction: ``"mean"`` (default), ``"sum"`` or ``"none"``.
        center_std: Centers start from N(0, ``center_std``²); 0 starts them at the origin.
        generator: Where their start is drawn from; default torch's global generator.

    Example:
        >>> loss = CenterLoss(num_classes=10, feature_dim=84)
        >>> optimizer = torch.optim.Adam(loss.param_groups(lr=0.1))
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).backward()
        >>> optimizer.step()
    """

    def __init__(
        self,
        num_classes: int,
        feature_dim: int,
        *,
        reduction: Reduction = "mean",
        center_std: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_reduction("CenterLoss", reduction)
        self.centers = new_centers("CenterLoss", num_classes, feature_dim, center_std, generator)
        self.reduction: Reduction = reduction

    def forward(self, features: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> Tensor:
        """The loss of a batch; see :func:`center_loss`."""
        return center_loss(features, labels, self.centers, reduction=self.reduction)

    def init_centers(self, features: Float[Tensor, "M D"], labels: Int[Tensor, " M"]) -> None:
        """Move each center to the mean of its class in ``features``; absent classes stay where they are."""
        move_to_class_means("CenterLoss", self.centers, features, labels)

    def param_groups(self, *, lr: float) -> list[dict[str, object]]:
        """The group for an optimizer: the centers at ``lr``, without weight decay."""
        return [{"name": "centers", "params": [self.centers], "lr": lr, "weight_decay": 0.0}]

    def extra_repr(self) -> str:
        """Sizes and settings, for ``print(loss)``."""
        num_classes, feature_dim = self.centers.shape
        return f"{num_classes}, {feature_dim}, reduction={self.reduction!r}"
