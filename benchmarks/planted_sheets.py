"""The 20 most suspicious of untouched labels as pictures of docs/auditing.md.

``python -m benchmarks.planted_sheets FOLDER DATA_DIR``, where :mod:`benchmarks.planted_labels` has been.
"""

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from benchmarks.planted_labels import LOSSES, RUNS, Planted, images_of, judged
from sigma2r.audit.labels import class_log_probabilities, label_errors

OUT = Path(__file__).parent.parent / "docs/pictures"
_SIDE, _PITCH, _HEIGHT, _COLUMNS, _COUNT = 96, 128, 136, 10, 20


def sheet(name: str, folder: Path, data_dir: Path | None) -> Image.Image:
    """Two rows of ten, each with the given class, the suggested one and the score."""
    data = images_of(name, data_dir)
    outputs = judged(Planted(data, data.labels), name, LOSSES[0], 0, folder)
    given = [data.labels[each.rows] for each in outputs]
    logs = [
        class_log_probabilities(each.features, each.logits, each.centers, labels, each.known)
        for each, labels in zip(outputs, given, strict=True)
    ]
    found, rows = label_errors(logs, given), torch.cat([each.rows for each in outputs])
    drawn = Image.new("RGB", (_COLUMNS * _PITCH, _COUNT // _COLUMNS * _HEIGHT), "white")
    pen = ImageDraw.Draw(drawn)
    for number, place in enumerate(found.score.argsort(descending=True, stable=True)[:_COUNT].tolist()):
        row = int(rows[place])
        pixels = data.images[row].expand(3, -1, -1).permute(1, 2, 0).contiguous()
        image = Image.frombytes("RGB", (pixels.shape[1], pixels.shape[0]), pixels.numpy().tobytes())
        x, y = number % _COLUMNS * _PITCH, number // _COLUMNS * _HEIGHT
        drawn.paste(image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST), (x, y))
        names = [data.class_names[int(k)] for k in (data.labels[row], found.suggested[place])]
        pen.text((x, y + _SIDE + 2), f"{names[0]}:", fill="black")
        pen.text((x, y + _SIDE + 16), f"{names[1]} {float(found.score[place]):+.1f}", fill="black")
    return drawn


if __name__ == "__main__":
    folder, data_dir = map(Path, sys.argv[1:3])
    OUT.mkdir(exist_ok=True)
    for name in RUNS:
        drawn = sheet(name, folder, None if name == "fashion-mnist" else data_dir)
        drawn.save(OUT / f"suspicious-{name}.png", optimize=True)
