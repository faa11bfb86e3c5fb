"""A source cut into batches that are read one ahead of another: by workers where images lie on disk."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from sigma2r.trained.frame import Frame
from sigma2r.trained.sources import Read, Source


class _Rows(Dataset[Any]):
    """Whole batches of a source: what cannot be read is told in it, not raised."""

    def __init__(self, source: Source, frame: Frame) -> None:
        self.source = source
        self.frame = frame

    def __getitems__(self, rows: Sequence[int]) -> Read:
        return self.source.read(rows, self.frame)


def _as_it_is(batch: Any) -> Any:
    return batch


def read_in_order(source: Source, frame: Frame, batch_size: int, workers: int) -> Iterator[tuple[range, Read]]:
    """All rows of a source, batch by batch; no more of it is in memory than a few batches.

    Args:
        source: What is read.
        frame: What its images are brought to.
        batch_size: Rows at a time.
        workers: Processes that decode images on disk; none where one batch is all that there is.
    """
    rows = [range(start, min(start + batch_size, len(source))) for start in range(0, len(source), batch_size)]
    loader = DataLoader(
        _Rows(source, frame),
        batch_sampler=rows,  # type: ignore[arg-type]  # lists of rows, as ranges
        collate_fn=_as_it_is,
        num_workers=min(workers, len(rows)) if source.on_disk and len(rows) > 1 else 0,
        generator=torch.Generator(),  # or it would take a number from the user's
    )
    yield from zip(rows, loader, strict=True)
