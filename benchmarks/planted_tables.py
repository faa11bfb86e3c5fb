"""What was found of planted label errors, as JSON and as the table of docs/auditing.md.

``python -m benchmarks.planted_tables FOLDER DATA_DIR`` counts what :mod:`benchmarks.planted_labels` left in FOLDER and
writes the result; without words it says whether the page shows the committed result, and with ``--write`` fills it in.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from benchmarks.planted_labels import FOLDS, LOSSES, RUNS, SEEDS, SHARE, WAYS, Planted, all_of
from sigma2r.audit.beside import cleanlab_beside
from sigma2r.audit.held_out import HeldOut
from sigma2r.audit.labels import class_log_probabilities, label_errors
from sigma2r.studies.record import number, versions, write_json

RESULT = Path(__file__).parent / "results/planted-labels.json"
PAGE = Path(__file__).parent.parent / "docs/auditing.md"
_PLACE = re.compile(r"(<!-- planted-labels -->\n).*?(<!-- end -->)", flags=re.DOTALL)
OURS, THEIRS = "sigma2r", "cleanlab"


def area_under_roc(score: Tensor, wrong: Tensor) -> float:
    """The chance that a wrong label has a higher score than a right one, ties counted half: Mann and Whitney's U."""
    ordered = score.double().sort().values
    below, upto = (torch.searchsorted(ordered, score.double(), right=right) for right in (False, True))
    ranks = (below + upto + 1).double() / 2
    positive, negative = int(wrong.sum()), int((~wrong).sum())
    return float((ranks[wrong].sum() - positive * (positive + 1) / 2) / (positive * negative))


def figures(score: Tensor, flagged: Tensor, wrong: Tensor) -> dict[str, Any]:
    """Precision among as many of the highest scores as labels were flipped, AUROC, and how what is flagged fares."""
    first = score.argsort(descending=True, stable=True)[: int(wrong.sum())]
    return {
        "precision": number(float(wrong[first].double().mean())),
        "auroc": number(area_under_roc(score, wrong)),
        "flagged": int(flagged.sum()),
        "flagged_precision": number(float(wrong[flagged].double().mean())),
        "flagged_recall": number(float(flagged[wrong].double().mean())),
    }


def measured(planted: Planted, outputs: Sequence[HeldOut]) -> dict[str, Any]:
    """Ours and cleanlab's on what the same networks say of the same images."""
    rows = torch.cat([each.rows for each in outputs])
    given = [planted.data.labels[each.rows] for each in outputs]
    wrong = planted.flipped[rows]
    logs = [
        class_log_probabilities(each.features, each.logits, each.centers, labels, each.known)
        for each, labels in zip(outputs, given, strict=True)
    ]
    ours = label_errors(logs, given)
    softmax = torch.cat([each.logits.double().softmax(1) for each in outputs])
    theirs = cleanlab_beside(softmax, torch.cat(given))
    right = softmax.argmax(1) == planted.truth[rows]
    return {
        "accuracy": number(float(right.double().mean())),
        OURS: figures(ours.score, ours.likely, wrong),
        THEIRS: figures(-theirs.quality, theirs.issue, wrong),
    }


def results(folder: Path, data_dir: Path) -> Iterator[dict[str, Any]]:
    """One entry for each data set, way, seed and loss."""
    for name in RUNS:
        for way, seed, loss, planted, outputs in all_of(name, folder, None if name == "fashion-mnist" else data_dir):
            if way != "none":
                yield {"data": name, "way": way, "seed": seed, "loss": loss, **measured(planted, outputs)}


def table(result: dict[str, Any]) -> str:
    """Means over seeds, with the deviation of one seed behind ±."""
    lines = [
        "| images | flipped to | features | by | n | precision at the number flipped | AUROC | "
        "flagged: how many, precision, recall |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name in RUNS:
        for way in WAYS:
            for loss in LOSSES:
                entries = [e for e in result["entries"] if (e["data"], e["way"], e["loss"]) == (name, way, loss)]
                for who in (OURS, THEIRS) if entries else ():
                    cells = [name, "any other" if way == WAYS[0] else way, loss, who, str(len(entries))]
                    cells += [_over_seeds([e[who][key] for e in entries]) for key in ("precision", "auroc")]
                    flagged = mean(e[who]["flagged"] for e in entries)
                    rates = [
                        f"{mean(e[who][f'flagged_{what}'] for e in entries):.2f}" for what in ("precision", "recall")
                    ]
                    lines.append("| " + " | ".join([*cells, ", ".join([f"{flagged:,.0f}", *rates])]) + " |")
    known = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    below = f"Means over n seeds, ± the deviation of one; {known}. `{RESULT.name}`"
    return "\n".join([*lines, "", below])


def _over_seeds(values: Sequence[float]) -> str:
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def filled_in(text: str) -> str:
    """The page with the table of the committed result."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    return _PLACE.sub(lambda place: place[1] + table(result) + "\n" + place[2], text)


def main(words: Sequence[str]) -> None:
    """See the head of this module."""
    if words and words[0] != "--write":
        import cleanlab

        settings = {"folds": FOLDS, "share": SHARE, "seeds": list(SEEDS)}
        runs = {name: {"run": run.as_written(), "images_of_a_class": count} for name, (run, count) in RUNS.items()}
        entries = list(results(*map(Path, words)))
        known = {**versions(), "cleanlab": cleanlab.__version__}
        write_json(RESULT, {**settings, "runs": runs, "versions": known, "entries": entries})
        return
    before = PAGE.read_text(encoding="utf-8")
    after = filled_in(before)
    if words:
        PAGE.write_text(after, encoding="utf-8")
    elif before != after:
        sys.exit("docs/auditing.md must show the committed result: python -m benchmarks.planted_tables --write")


if __name__ == "__main__":
    main(sys.argv[1:])
