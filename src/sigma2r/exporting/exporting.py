"""Write a trained run as a file for other programs, once what was written gives what the run gives."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Literal, Unpack

import torch

from sigma2r._files import write_whole
from sigma2r._places import is_file
from sigma2r._values import Positive, converted
from sigma2r.data.names import shown
from sigma2r.exporting import onnx_file, program_file
from sigma2r.exporting.about import about, as_json, from_json
from sigma2r.exporting.checking import Difference, Sample, difference, in_full_precision, on_cpu, sample_of
from sigma2r.exporting.graph import Graph, traced
from sigma2r.studies.apart import refuse_within_data, refuse_within_folders
from sigma2r.trained.frame import Scaling
from sigma2r.trained.trained import How, Trained

Format = Literal["onnx", "torch-export"]
"""``"onnx"``, for onnxruntime and many others; ``"torch-export"``, for torch without the code of the network."""
ENDINGS: dict[str, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
_FORMATS: dict[str, ModuleType] = {"onnx": onnx_file, "torch-export": program_file}


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it was checked.

    Args:
        path: The file.
        format: Of which kind it is.
        sample: What it was checked on.
        difference: From :meth:`~sigma2r.trained.Trained.predict` in the file's arithmetic.
        trained_in: The same from predict in the arithmetic of a training in mixed precision; None of any other.
        narrowed: Whether 64 bits of the run have become 32.
    """

    path: Path
    format: Format
    sample: Sample
    difference: Difference
    trained_in: Difference | None = None
    narrowed: bool = False

    def __str__(self) -> str:
        told = f"Checked on {self.sample.what}, in batches of 1, of 7 and of the rest; differs from predict by at most "
        told += f"{self.difference}."
        if self.trained_in is not None:
            told += f" The file computes in 32 bits; from predict in mixed precision it differs by {self.trained_in}."
        if self.narrowed:
            told += " The file computes in 32 bits, the run in 64: ONNX runtimes have few operations for 64."
        return told


def export(
    trained: Trained,
    out: str | PathLike[str],
    format: Format = "onnx",
    *,
    images: Any = None,
    tolerance: float = 1e-4,
    overwrite: bool = False,
    **how: Unpack[How],
) -> Exported:
    """Write a run as one file: from uint8 images to features, logits, probabilities, distances and acceptance.

    The input ``images`` is uint8, shape ``(N, ch, H, W)``, of the frame's size and of any N; the normalisation is part
    of the graph. Scaling images to that size is not: what the file says of itself tells the rule. ``distances`` are
    there where the classes have centers; ``scores`` and ``accepted``, by which an image is one of the classes or none,
    where the run has a rejector. Class names, the rule, and the rejector's thresholds are JSON: in ONNX the metadata
    ``sigma2r``, in torch.export the extra file ``sigma2r.json``.

    Before it takes the place of ``out``, the file is run on images and compared with
    :meth:`~sigma2r.trained.Trained.predict`, both on the CPU.

    Args:
        trained: What :func:`sigma2r.load` gave.
        out: The file, ending in ``.onnx`` or ``.pt2``.
        format: ``"onnx"``, for onnxruntime and many others; ``"torch-export"``, for torch without the network's code.
        images: What it is checked on, some 64 of them; default: the test images of the run, or made-up ones if they
            are not here.
        tolerance: The largest difference of an output, as a share of its largest value.
        overwrite: Replace a file that is not of this run.
        how: How images are read.

    Raises:
        ValueError: In one sentence, if torch or ONNX cannot express the network, the rejector is by a score of one's
            own, what was written differs by more than the tolerance, which is then removed, or another file lies at
            ``out``.
        ImportError: In one sentence, if onnx, onnxscript or onnxruntime is missing.
        OSError: If the file cannot be written.
    """
    kind: Format = converted("export", "format", Format, format)
    bound = converted("export", "tolerance", Positive, tolerance)
    path, chosen = Path(out), _FORMATS[kind]
    if path.suffix.lower() != ENDINGS[kind]:
        others = [other for other, ending in ENDINGS.items() if ending == path.suffix.lower()]
        meant = f" Did you mean format={others[0]!r} (--format {others[0]})?" if others else ""
        raise ValueError(f"export: a file of {kind} must end in {ENDINGS[kind]}; got {path.name!r}.{meant}")
    alone: How = {**how, "split": None}
    trained.source(torch.zeros(trained.frame.image_shape, dtype=torch.uint8), **alone)  # refuses what nothing heeds
    if (scaling := converted("export", "resize", Scaling | None, how.get("resize"))) is not None:
        trained = replace(trained, frame=trained.frame.scaled(scaling))  # of which the file tells
    chosen.refuse_absent()
    if not converted("export", "overwrite", bool, overwrite):
        _refuse_other_file(path, chosen, trained)
    refuse_within_data([trained.record.run], _folder(how), [path.parent])
    source = None if images is None else trained.source(images, **how)
    if source is not None:
        refuse_within_folders(source.title, source.listed, [path.parent], flag="--out")
    trained = on_cpu(trained)
    narrowed = kind == "onnx" and trained.dtype == torch.float64
    called = shown(trained.record.run.model)
    program = traced(Graph(trained, torch.float32 if narrowed else None), trained.frame.image_shape, called)
    content = chosen.written(program, as_json(about(trained)), called)
    sample, same = sample_of(trained, source, how), in_full_precision(trained)
    found: list[Difference] = []

    def write(file: IO[bytes]) -> None:
        file.write(content)
        file.flush()
        run = chosen.runs(Path(file.name))
        found.append(difference(run, same, sample.pixels))
        if not found[0].within(bound):
            raise ValueError(
                f"export: what was written must differ from predict by at most {bound:g} of the largest value; it "
                f"differs by {found[0]}. The file was removed."
            )
        if same is not trained:
            found.append(difference(run, trained, sample.pixels))

    write_whole(path, write)
    return Exported(path, kind, sample, found[0], found[1] if len(found) > 1 else None, narrowed)


def _folder(how: How) -> Path | None:
    folder = how.get("data_dir")
    return None if folder is None else Path(folder)


def _refuse_other_file(path: Path, chosen: ModuleType, trained: Trained) -> None:
    """Refuse to replace what is no export of this run.

    Raises:
        ValueError: Naming the file.
    """
    if is_file(path) and from_json(chosen.told(path)).get("run_id") != trained.record.run_id:
        raise ValueError(
            f"export: {shown(path)} must be an earlier export of this run, or not be there; it is something else. "
            "Choose another --out, or say overwrite=True (--overwrite true)."
        )
