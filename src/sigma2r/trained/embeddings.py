"""Features as files: rows are written as they are computed, so that no more than a few batches are in memory."""

import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO

import torch

from sigma2r._extras import or_which_extra
from sigma2r._text import in_utf_8
from sigma2r.trained.predictions import NO_CLASS, Predictions
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained

_GROUP_BYTES = 2**25  # of features in one group of rows of a Parquet file
_TEXTS = 4096  # names written at a time
PARQUET = "a file of features in .parquet"
"""What needs pyarrow."""


def write_npz(file: IO[bytes], parts: Iterable[Predictions], trained: Trained, source: Source) -> None:
    """``features`` (N, D), ``paths``, ``labels`` (texts), ``targets`` (N,), ``problems`` and ``class_names``.

    A text is empty where there is none, and a target -1; ``numpy.load`` reads it without pickle. Bytes of a path that
    are not UTF-8 are spelled out.

    Args:
        file: Open for writing.
        parts: All rows of the source, in their order.
        trained: Whose features they are.
        source: Where they come from.
    """
    count = len(source)
    targets, problems = torch.full((count,), NO_CLASS, dtype=torch.int64), {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with _member(archive, "features", (count, trained.feature_dim), _described(trained.dtype)) as member:
            start = 0
            for part in parts:
                member.write(part.features.contiguous().numpy().tobytes())
                targets[start : start + len(part)] = part.targets
                problems.update({start + row: why for row, why in part.problems.items()})
                start += len(part)
        assert start == count, "a source is read to its end"
        with _member(archive, "targets", (count,), "<i8") as member:
            member.write(targets.numpy().tobytes())
        _write_texts(archive, "paths", map(in_utf_8, source.names), count)
        _write_texts(archive, "labels", (name or "" for name in source.labels or [""] * count), count)
        _write_texts(archive, "problems", (problems.get(row, "") for row in range(count)), count)
        _write_texts(archive, "class_names", trained.class_names, len(trained.class_names))


def _member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], kind: str) -> IO[bytes]:
    """An array within the file, open behind its header."""
    with or_which_extra("a file of features in .npz"):
        from numpy.lib import format as layout

    member = archive.open(f"{name}.npy", "w", force_zip64=True)
    layout.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})
    return member


def _described(kind: torch.dtype) -> str:
    return f"<f{torch.finfo(kind).bits // 8}"


def _write_texts(archive: zipfile.ZipFile, name: str, texts: Iterable[str], count: int) -> None:
    import numpy as np

    held = list(texts)
    width = max(map(len, held), default=0) or 1
    with _member(archive, name, (count,), f"<U{width}") as member:
        for start in range(0, count, _TEXTS):
            member.write(np.array(held[start : start + _TEXTS], dtype=f"<U{width}").tobytes())


def write_parquet(file: IO[bytes], parts: Iterable[Predictions], trained: Trained, source: Source) -> None:
    """Columns ``path``, ``label``, ``features`` (a list of D numbers) and ``problem``; null where there is none.

    The schema's metadata hold the class names and the run. Bytes of a path that are not UTF-8 are spelled out.

    Args:
        file: Open for writing.
        parts: All rows of the source, in their order.
        trained: Whose features they are.
        source: Where they come from.

    Raises:
        ImportError: In one sentence, if pyarrow is missing.
    """
    with or_which_extra(PARQUET):
        import numpy  # noqa: F401 - by which torch hands features on
        import pyarrow as pa
        from pyarrow import parquet
    number = pa.float64() if trained.dtype == torch.float64 else pa.float32()
    columns = {"path": pa.string(), "label": pa.string(), "features": pa.list_(number, trained.feature_dim)}
    about = {"class_names": json.dumps(trained.class_names), "run_id": trained.record.run_id, "epoch": trained.epoch}
    schema = pa.schema({**columns, "problem": pa.string()}, {key: str(value) for key, value in about.items()})
    with parquet.ParquetWriter(file, schema) as writer:
        for group in _grouped(parts):
            features = pa.array(group.features.flatten().numpy())
            rows = range(len(group))
            held = [
                pa.array([in_utf_8(name) for name in group.names]),
                pa.array(list(group.given or [None] * len(group)), pa.string()),
                pa.FixedSizeListArray.from_arrays(features, trained.feature_dim),
                pa.array([group.problems.get(row) for row in rows], pa.string()),
            ]
            writer.write_table(pa.table(held, schema=schema))


def _grouped(parts: Iterable[Predictions]) -> Iterator[Predictions]:
    """Parts put together until they are worth a group of rows."""
    held: list[Predictions] = []
    size = 0
    for part in parts:
        held.append(part)
        size += part.features.nbytes
        if size >= _GROUP_BYTES:
            yield Predictions.joined(held)
            held, size = [], 0
    if held:
        yield Predictions.joined(held)
