r"""How many references of other classes are nearer to a query than each reference of its own: exact, in blocks.

Axes: a block has B queries; P is the most references of its own class that one of them has (its *positives*).

Recall@k, R-precision and MAP@R depend on nothing but these counts: the positive that is the j-th of the positives has
rank j + n_j, where n_j references of other classes (*negatives*) are nearer or as near. The positives' distances are
taken in float64; those of negatives in float32, a tile of many at a time, with an error bound. A negative whose place
among the positives the bound leaves open is measured again in float64. As soon as enough negatives are known to lie
before a positive, what is farther away is no longer looked at.
"""

import torch
from torch import Tensor

from sigma2r.evaluation._distances import squared_distances, vouched_for
from sigma2r.evaluation._points import Points, error_bound, exact_pairs, near_error_bound, near_pairs

_FIRST = 64  # references that a query meets at first, to learn how far it must look
_MANY = 32  # a tile is taken again as a whole in float64 if one distance in so many is open
_SPARE = 2.0**-100  # against numbers that are flushed to zero


class Tile:
    """Squared distances between a block of queries and a block of references, in units of the frame."""

    def __init__(self, a: Points, rows: slice, b: Points, columns: slice, left: Tensor, room: Tensor) -> None:
        self.a, self.rows, self.b, self.columns = a, rows, b, columns
        height, width = rows.stop - rows.start, columns.stop - columns.start
        self.squared = room[: height * width].view(height, width)
        torch.mm(left, b.lifted[columns].T, out=self.squared)
        self._wide: Tensor | None = None

    def near(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Squared distances of some pairs, with fewer roundings."""
        return near_pairs(self.a, rows + self.rows.start, self.b, columns + self.columns.start)

    def exact(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Squared distances of some pairs to all digits that float64 has."""
        if self._wide is None and rows.shape[0] * _MANY > self.squared.numel():
            squared = squared_distances(self.a.given(self.rows), self.b.given(self.columns))
            self._wide = squared / self.a.frame.unit / self.a.frame.unit
        if self._wide is not None:
            return self._wide[rows, columns]
        return exact_pairs(self.a, rows + self.rows.start, self.b, columns + self.columns.start)


class Block:
    """Queries of which it is counted what lies before their positives.

    Args:
        rows: Their places among the queries.
        positives: Squared distances to their positives, ascending, shape ``(B, P)``, float64; infinite where a query
            has fewer.
        num_positives: R of each query, shape ``(B,)``.
        radius: Of each query, shape ``(B,)``, float64.
        most: Negatives before the nearest positive are counted up to this number at least.
        feature_dim: D.
    """

    def __init__(
        self, rows: slice, positives: Tensor, num_positives: Tensor, radius: Tensor, most: int, feature_dim: int
    ) -> None:
        self.rows, self.num_positives, self.radius, self.most = rows, num_positives, radius, most
        self.edges = positives * (1 + vouched_for(feature_dim))  # what is as near to the last digit counts as nearer
        self.bound, self.near_bound = error_bound(feature_dim), near_error_bound(feature_dim)
        self.before = positives.new_zeros(positives.shape[0], positives.shape[1] + 1, dtype=torch.int32)
        self.places = torch.arange(1, positives.shape[1] + 1, device=positives.device, dtype=torch.int32)
        self.counted = 0
        self.fresh = True
        self.look()

    def negatives(self) -> Tensor:
        """How many negatives are known to lie before each positive, shape ``(B, P)``, int32."""
        return self.before[:, :-1].cumsum(1, dtype=torch.int32)

    def look(self) -> None:
        """Find out how far each query must still look: to the last positive that can be among its R nearest."""
        known = self.negatives()
        wanted = (known + self.places <= self.num_positives.unsqueeze(1)).sum(1)
        wanted = torch.where((wanted == 0) & (known[:, 0] < self.most), 1, wanted)
        wanted = wanted.masked_fill(self.num_positives == 0, 0)
        reach = self.edges.gather(1, (wanted - 1).clamp_min(0).unsqueeze(1)).squeeze(1)
        self.reach = reach.masked_fill(wanted == 0, -torch.inf)
        self.is_open = bool((wanted > 0).any())
        self.counted = 0

    def meet(self, tile: Tile, radius: Tensor, *, as_columns: bool = False) -> None:
        """Count the references of a tile, whose radii are given; the queries may be the tile's columns."""
        farthest = radius.amax()
        start, step = 0, _FIRST if self.fresh else radius.shape[0]
        while start < radius.shape[0]:
            some = slice(start, start + step)
            limit = self._limit(farthest)
            near = tile.squared[some] <= limit if as_columns else tile.squared[:, some] <= limit.unsqueeze(1)
            found = near.flatten().nonzero().squeeze(1)
            rows, columns = found // near.shape[1], found % near.shape[1]
            if as_columns:
                self._count(tile, columns, rows + start, radius, as_columns)
            else:
                self._count(tile, rows, columns + start, radius, as_columns)
            self.counted += found.shape[0]
            if self.fresh or 8 * self.counted > self.before.numel():
                self.look()
            start = step = some.stop  # each portion as large as all before
        self.fresh = False

    def _limit(self, farthest: Tensor) -> Tensor:
        """Squared distances in a tile beyond which no reference counts, shape ``(B,)``, float32, rounded up."""
        limit = self.reach + self.bound * (self.radius + farthest).square() + _SPARE
        return (limit * (1 + 2.0**-20)).float()

    def _count(self, tile: Tile, query: Tensor, reference: Tensor, radius: Tensor, as_columns: bool) -> None:
        """Add negatives where they lie among the positives."""
        if not query.shape[0]:
            return
        rows, columns = (reference, query) if as_columns else (query, reference)
        reach = (self.radius.index_select(0, query) + radius.index_select(0, reference)).square()
        squared = tile.squared.view(-1).index_select(0, rows * tile.squared.shape[1] + columns).double()
        place, unsure = self._place(query, squared, self.bound * reach + _SPARE)
        if unsure.shape[0] * _MANY < tile.squared.numel():
            near = tile.near(rows[unsure], columns[unsure]).double()
            place[unsure], still = self._place(query[unsure], near, self.near_bound * reach[unsure] + _SPARE)
            unsure = unsure[still]
        exact = tile.exact(rows[unsure], columns[unsure])
        place[unsure] = first_at_least(self.edges, query[unsure], exact)
        flat = query * (self.edges.shape[1] + 1) + place
        self.before.view(-1).scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.int32))

    def _place(self, query: Tensor, squared: Tensor, error: Tensor) -> tuple[Tensor, Tensor]:
        """Where distances lie among the positives, and for which of them that is open."""
        width = self.edges.shape[1]
        place = first_at_least(self.edges, query, squared - error)
        edge = self.edges.view(-1).index_select(0, query * width + place.clamp_max(width - 1))
        return place, ((place < width) & (edge < squared + error)).nonzero().squeeze(1)


def first_at_least(edges: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """For each value the first place in its row of ``edges``, which ascends, that holds no less; P if none does."""
    width = edges.shape[1]
    flat, base = edges.view(-1), rows * width - 1
    place = torch.zeros_like(rows)
    step = 1 << (width.bit_length() - 1)
    while step:
        probe = (place + step).clamp_max_(width).add_(base)
        place += step * (flat.index_select(0, probe) < values)
        step >>= 1
    return place.clamp_max_(width)
