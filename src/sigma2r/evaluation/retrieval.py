r"""Retrieval: whether the references nearest to a query are of its class. Exact, in blocks, with bounded memory.

Axes: N queries, M references, D feature dimensions.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, converted
from sigma2r.evaluation._sweep import Sweep
from sigma2r.losses._checks import check_measured


@dataclass(frozen=True)
class Retrieval:
    """What was found for each query; results of other queries against the same references can be merged.

    References cannot be divided: what is nearest follows from all of them.

    Args:
        first_hit: Rank of the nearest reference of the query's class, from 1, shape ``(N,)``, int64; ``depth + 1``
            stands for any rank beyond ``depth``, 0 for a query whose class has no (other) reference.
        r_precision: Share of the query's class among its R nearest references, where R is how many references its
            class has, shape ``(N,)``, float64; NaN if it has none.
        average_precision: The query's summand of MAP@R, shape ``(N,)``, float64; NaN likewise.
        num_relevant: R, shape ``(N,)``, int64.
        depth: The largest k of :meth:`recall`.
    """

    first_hit: Tensor
    r_precision: Tensor
    average_precision: Tensor
    num_relevant: Tensor
    depth: int

    def hits(self, k: int) -> Tensor:
        """Whether the query's class is among its ``k`` nearest references, ``(N,)``, 0 or 1; NaN if it has none.

        Raises:
            ValueError: If ``k`` is larger than the depth of the search.
        """
        k = converted("Retrieval.hits", "k", Count, k)
        if k > self.depth:
            raise ValueError(f"Retrieval.hits: k must be at most the depth of the search, {self.depth}; got {k}.")
        return torch.where(self.first_hit > 0, (self.first_hit <= k).double(), torch.nan)

    def recall(self, k: int) -> Tensor:
        """Share of queries with their class among the ``k`` nearest references; queries without any are left out."""
        return self.hits(k).nanmean()

    def mean_r_precision(self) -> Tensor:
        """Mean of ``r_precision`` over the queries that have one."""
        return self.r_precision.nanmean()

    def map_at_r(self) -> Tensor:
        """MAP@R: mean of ``average_precision`` over the queries that have one."""
        return self.average_precision.nanmean()

    def merge(self, other: "Retrieval") -> "Retrieval":
        """Of both sets of queries, in this order."""
        depth = min(self.depth, other.depth)
        both: dict[str, Any] = {
            name.name: torch.cat([getattr(self, name.name), getattr(other, name.name).to(self.first_hit.device)])
            for name in fields(self)[:-1]
        }
        both["first_hit"] = both["first_hit"].clamp_max(depth + 1)
        return Retrieval(**both, depth=depth)


def retrieve(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    references: tuple[Float[Tensor, "M D"], Int[Tensor, " M"]] | None = None,
    *,
    depth: int = 10,
) -> Retrieval:
    r"""Rank references by Euclidean distance to each query, and look where those of its class stand.

    With :math:`R` references of the query's class and :math:`P(i)` the share of that class among the :math:`i` nearest,

    .. math:: \text{MAP@R} = \frac{1}{R} \sum_{i=1}^{R} P(i) \, [\text{reference } i \text{ is of the class}]

    is averaged over queries. A reference of another class that is as near as one of the query's class, to all digits
    that float64 can vouch for, is ranked before it: so no order of the references flatters features that coincide.

    Memory is bounded: beside the features and one float32 copy of them some 1.3 GB at most, and 30 bytes for each
    query. Every comparison of two distances is decided as float64 decides it, although most are taken in float32: those
    within its error bound are taken again.

    Args:
        features: Queries, shape ``(N, D)``.
        labels: Their class indices, shape ``(N,)``.
        references: Features and labels that are searched. None: the queries themselves, each of which is then no
            reference of its own.
        depth: The largest k of :meth:`Retrieval.recall`.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.

    Example:
        >>> features, labels = torch.tensor([[0.0], [1.0], [3.0], [4.0], [9.0]]), torch.tensor([0, 0, 1, 0, 1])
        >>> found = retrieve(features, labels)
        >>> found.first_hit
        tensor([1, 1, 4, 2, 2])
        >>> found.recall(1), found.map_at_r()
        (tensor(0.4000, dtype=torch.float64), tensor(0.2500, dtype=torch.float64))

    Source: Musgrave, Belongie and Lim, "A Metric Learning Reality Check", ECCV 2020, section 3.2.
    """
    depth = converted("retrieve", "depth", Count, depth)
    features, labels = check_measured("retrieve", features, labels)
    features, labels = features.detach(), labels.to(features.device)
    searched: tuple[Tensor, Tensor] | tuple[()] = ()
    if references is not None:
        others, other_labels = check_measured("retrieve's references", *references, feature_dim=features.shape[1])
        searched = others.detach().to(features.device), other_labels.to(features.device)
    nothing = torch.full((features.shape[0],), torch.nan, dtype=torch.float64, device=features.device)
    found = Retrieval(torch.zeros_like(labels), nothing, nothing.clone(), torch.zeros_like(labels), depth)
    if not features.shape[0] or (searched and not searched[0].shape[0]):
        return found
    sweep = Sweep(features, labels, *searched, most=depth)
    for block in sweep:
        ranks = block.negatives() + block.places
        among = ranks <= block.num_positives.unsqueeze(1)
        which = sweep.queries.order[block.rows]
        num_relevant = block.num_positives.double()
        found.first_hit[which] = (ranks[:, 0].clamp_max(depth + 1) * (block.num_positives > 0)).long()
        found.r_precision[which] = among.sum(1) / num_relevant
        found.average_precision[which] = (among * (block.places.double() / ranks)).sum(1) / num_relevant
        found.num_relevant[which] = block.num_positives
    return found
