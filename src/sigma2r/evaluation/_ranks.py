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

    def is_wide(self, num_pairs: int) -> bool:
        """Whether so many pairs, or more before them, make it worth while to take the whole tile in float64."""
        if self._wide is None and num_pairs * _MANY > self.squared.numel():
            squared = squared_distances(self.a.given(self.rows), self.b.given(self.columns))
            self._wide = squared / self.a.frame.unit / self.a.frame.unit
        return self._wide is not None

    def exact(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Squared distances of some pairs to all digits that float64 has."""
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
        farthest = (self.radius + radius.amax()).square()
        start, step = 0, _FIRST if self.fresh else radius.shape[0]
        while start < radius.shape[0]:
            some = slice(start, start + step)
            limit = self.reach + self.bound * farthest + _SPARE
            limit = (limit * (1 + 2.0**-20)).float()  # rounded up
            near = tile.squared[some] <= limit if as_columns else tile.squared[:, some] <= limit.unsqueeze(1)
            found = true_places(near)
            if found.shape[0]:
                rows = torch.div(found, near.shape[1], rounding_mode="floor")
                columns = found - rows * near.shape[1]
                if as_columns:
                    self._count(tile, rows + start, columns, columns, farthest)
                else:
                    self._count(tile, rows, columns + start, rows, farthest)
                self.counted += found.shape[0]
            if self.fresh or 4 * self.counted > self.before.numel():
                self.look()
            start = step = some.stop  # each portion as large as all before
        self.fresh = False

    def _count(self, tile: Tile, rows: Tensor, columns: Tensor, query: Tensor, farthest: Tensor) -> None:
        """Add negatives, which stand in these places of the tile, where they lie among the positives."""
        reach = farthest.index_select(0, query)
        squared = tile.squared.view(-1).index_select(0, rows * tile.squared.shape[1] + columns).double()
        place, unsure = self._place(query, squared, self.bound * reach + _SPARE)
        if unsure.shape[0]:
            rows, columns, asked = (each.index_select(0, unsure) for each in (rows, columns, query))
            if not tile.is_wide(unsure.shape[0]):
                near = tile.near(rows, columns).double()
                found, still = self._place(asked, near, self.near_bound * reach.index_select(0, unsure) + _SPARE)
                place[unsure] = found
                unsure, rows, columns, asked = (each.index_select(0, still) for each in (unsure, rows, columns, asked))
            place[unsure] = first_at_least(self.edges, asked, tile.exact(rows, columns))
        flat = query * self.before.shape[1] + place
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


def true_places(mask: Tensor) -> Tensor:
    """Places in the flattened ``mask`` that are true; where these are few, eight are looked at together."""
    flat = mask.flatten()
    if flat.shape[0] % 8:
        return flat.nonzero().squeeze(1)
    words = flat.view(torch.int64).nonzero()
    if 64 * words.shape[0] > flat.shape[0]:
        return flat.nonzero().squeeze(1)
    places = (8 * words + torch.arange(8, device=mask.device)).flatten()
    return places[flat.index_select(0, places)]
