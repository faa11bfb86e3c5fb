"""What a miner of pytorch-metric-learning chose, as weights of samples.

Axes: N samples in the batch, M places in a tuple.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sigma2r._shown import shown
from sigma2r.losses._checks import check_weights, values_are_readable

Mined = Sequence[Tensor]
"""Indices of samples, (M,) each: pairs (anchors, positives, anchors, negatives) or triplets (anchors, positives,
negatives)."""


def refuse_mined(who: str, indices_tuple: object) -> None:
    """Refuse what a miner chose, where a loss compares samples with one another and would have to leave out pairs.

    Raises:
        ValueError: Unless there is none.
    """
    if indices_tuple is not None:
        raise ValueError(
            f"{who}: indices_tuple must be None, because every sample is compared with all others of the batch and not "
            "with those that a miner chose. Leave out its miner, as in MultipleLosses(losses, miners=[None, miner])."
        )


def mined_weights(who: str, features: Tensor, indices_tuple: Mined | None, weights: Tensor | None) -> Tensor | None:
    """The weight of each sample, (N,): how often it stands in the tuple, over the count of the one that does most.

    Where the tuple is empty all samples weigh 1, as in pytorch-metric-learning. Weights that are given are factors.

    Raises:
        ValueError: If the tuple is not of three or four tensors of indices into the batch.
    """
    if indices_tuple is None:
        return weights
    num_samples = features.shape[0]
    mined = _joined(who, indices_tuple, num_samples).to(features.device)
    if not mined.numel():
        return weights
    counts = torch.zeros(num_samples, dtype=torch.float32, device=features.device)
    counts = counts.index_add(0, mined, torch.ones_like(mined, dtype=torch.float32))
    shares = counts / counts.max()
    return shares if weights is None else shares * check_weights(who, features, weights).to(shares)


def _joined(who: str, indices_tuple: Mined, num_samples: int) -> Tensor:
    parts = list(indices_tuple) if isinstance(indices_tuple, (tuple, list)) else []
    whole = all(isinstance(part, Tensor) and part.ndim == 1 and not _is_no_index(part) for part in parts)
    if len(parts) not in (3, 4) or not whole:
        raise ValueError(
            f"{who}: indices_tuple must be three tensors of indices (triplets) or four (pairs), as a miner of "
            f"pytorch-metric-learning gives them; got {shown(indices_tuple)}. Weights of samples are weights=..."
        )
    mined = torch.cat([part.long() for part in parts])
    if mined.numel() and values_are_readable(mined):
        low, high = (int(end) for end in mined.aminmax())
        if low < 0 or high >= num_samples:
            raise ValueError(
                f"{who}: indices_tuple must index the {num_samples} samples of the batch; got values from {low} to "
                f"{high}. Was it mined from another batch?"
            )
    return mined


def _is_no_index(part: Tensor) -> bool:
    return part.is_floating_point() or part.is_complex() or part.dtype == torch.bool
