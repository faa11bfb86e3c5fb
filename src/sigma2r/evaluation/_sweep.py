"""Every query against every reference, tile by tile, with bounded memory.

Axes: N queries, M references, D feature dimensions, C classes. Both are sorted by class, classes with many references
first, so that queries of one block have about as many positives.

Where the queries are the references, a tile serves both ways, as long as what is known of all its queries fits into
memory: half of the products.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from sigma2r.evaluation._distances import squared_distances
from sigma2r.evaluation._points import Frame, Points, frame_of, full_precision, points_of
from sigma2r.evaluation._ranks import Block, Tile

_SIDE = 1024  # of a tile
_BLOCK_BYTES = 2**28  # while the positives of one block are sorted
_KEPT_BYTES = 2**30  # of all blocks that are open at once
_A_POSITIVE = 12  # bytes that are kept of it; as many again, twice, while it is sorted


class Sweep:
    """Queries and references by class.

    Args:
        queries: Shape ``(N, D)``.
        query_labels: Shape ``(N,)``.
        references: Shape ``(M, D)``; None: the queries, each of which is no reference of its own.
        reference_labels: Shape ``(M,)``.
        most: See :class:`~sigma2r.evaluation._ranks.Block`.
    """

    def __init__(
        self,
        queries: Tensor,
        query_labels: Tensor,
        references: Tensor | None = None,
        reference_labels: Tensor | None = None,
        *,
        most: int,
    ) -> None:
        self.alone = references is None or reference_labels is None
        if references is None or reference_labels is None:
            references, reference_labels = queries, query_labels
        self.most = most
        classes = torch.unique(torch.cat([query_labels, reference_labels]))
        self.query_class = torch.searchsorted(classes, query_labels)
        self.reference_class = torch.searchsorted(classes, reference_labels)
        count = torch.bincount(self.reference_class, minlength=classes.shape[0])
        turn = torch.empty_like(count)
        by_size = count.argsort(descending=True, stable=True)
        turn[by_size] = torch.arange(classes.shape[0], device=count.device)
        self.count = count[by_size]
        self.starts = self.count.cumsum(0) - self.count
        frame = frame_of(references)
        self.references, self.reference_turn = _sorted(references, turn[self.reference_class], frame)
        self.queries, self.query_turn = self.references, self.reference_turn
        if not self.alone:
            self.queries, self.query_turn = _sorted(queries, turn[self.query_class], frame)
        self.room = torch.empty(_SIDE * _SIDE, device=queries.device)

    def __iter__(self) -> Iterator[Block]:
        """Blocks that have met every reference."""
        with full_precision():
            for group in self._groups():
                blocks = [self._open(rows) for rows in group]
                inside = slice(group[0].start, group[-1].stop) if self.alone else slice(0, 0)
                for number, block in enumerate(blocks):
                    left = self.queries.left(block.rows)
                    for columns in [*_slices(0, inside.start), *_slices(inside.stop, self.references.radius.shape[0])]:
                        if block.is_open:
                            self._meet(block, left, columns)
                    for other in blocks[number:] if self.alone else []:
                        if block.is_open or other.is_open:
                            self._meet(block, left, other.rows, other)
                    yield block

    def _meet(self, block: Block, left: Tensor, columns: slice, other: Block | None = None) -> None:
        """Count the references of a tile for its rows, and for its columns if they are another block."""
        tile = Tile(self.queries, block.rows, self.references, columns, left, self.room)
        rows_turn, columns_turn = self.query_turn[block.rows], self.reference_turn[columns]
        if rows_turn[-1] >= columns_turn[0] and columns_turn[-1] >= rows_turn[0]:
            tile.squared.masked_fill_(rows_turn.unsqueeze(1) == columns_turn, torch.inf)
        if block.is_open:
            block.meet(tile, self.references.radius[columns])
        if other is not None and other is not block and other.is_open:
            other.meet(tile, self.queries.radius[block.rows], as_columns=True)

    def _groups(self) -> Iterator[list[slice]]:
        """Blocks of queries that are open together."""
        group: list[slice] = []
        kept = start = 0
        num_queries = self.queries.radius.shape[0]
        while start < num_queries:
            most = max(1, int(self.count[self.query_turn[start]]))
            rows = slice(start, min(num_queries, start + max(1, min(_SIDE, _BLOCK_BYTES // (3 * _A_POSITIVE * most)))))
            size = _A_POSITIVE * most * (rows.stop - rows.start)
            if group and (kept + size > _KEPT_BYTES or not self.alone):
                yield group
                group, kept = [], 0
            group.append(rows)
            kept += size
            start = rows.stop
        if group:
            yield group

    def _open(self, rows: slice) -> Block:
        """A block that knows its positives and has met no negative."""
        turns = self.query_turn[rows]
        width = int(self.count[turns[0]])
        positives = self.queries.radius.new_full((turns.shape[0], max(1, width)), torch.inf)
        present, sizes = torch.unique(turns, return_counts=True)
        top = 0
        for turn, size in zip(present.tolist(), sizes.tolist(), strict=True):
            own = slice(int(self.starts[turn]), int(self.starts[turn] + self.count[turn]))
            of_class = slice(rows.start + top, rows.start + top + size)
            squared = squared_distances(self.queries.given(of_class), self.references.given(own))
            if self.alone:
                places = torch.arange(size, device=squared.device)
                squared[places, places + of_class.start - own.start] = torch.inf
            positives[top : top + size, : squared.shape[1]] = squared
            top += size
        frame: Frame = self.queries.frame
        positives = positives.div_(frame.unit).div_(frame.unit).sort(1).values
        num_positives = self.count[turns] - int(self.alone)
        if self.alone and width > 1:
            positives = positives[:, :-1].contiguous()
        feature_dim = self.references.lifted.shape[1] - 2
        return Block(rows, positives, num_positives, self.queries.radius[rows], self.most, feature_dim)


def _sorted(features: Tensor, turns: Tensor, frame: Frame) -> tuple[Points, Tensor]:
    order = turns.argsort(stable=True)
    return points_of(features, order, frame), turns[order]


def _slices(start: int, stop: int) -> Iterator[slice]:
    for first in range(start, stop, _SIDE):
        yield slice(first, min(stop, first + _SIDE))
