"""Run the benchmarks and write ``benchmarks/results/<what>_<device>_<torch>_<yyyymm>.json``."""

import datetime
import json
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import embedding, evaluation, floors, imports, losses, memory, reports, samplers, studies, training
from sigma2r.studies.record import versions
from sigma2r.studies.where import device_name

SUITES = {
    "imports": imports.run,
    "losses": losses.run,
    "memory": memory.run,
    "floors": floors.run,
    "samplers": samplers.run,
    "training": training.run,
    "studies": studies.run,
    "embedding": embedding.run,
    "reports": reports.run,
    "evaluation": evaluation.run,
}
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    """Run the suites named, or all; 1 if a target is missed."""
    missed = 0
    for name in names or SUITES:
        table = Table("what", "ours", "rival", "ratio (quartiles)", "target", "n", "takes", title=name)
        ratios = []
        for ratio in SUITES[name]():
            ratios.append(ratio.as_dict())
            missed += ratio.met is False
            verdict = {None: "–", True: f"met: {ratio.target}", False: f"MISSED: {ratio.target}"}[ratio.met]
            print(f"{ratio.what}: {ratio.ours} / {ratio.rival} = {ratio.ratio:.3f}, {verdict}", flush=True)
            table.add_row(
                ratio.what,
                ratio.ours,
                ratio.rival,
                f"{ratio.ratio:.3f} ({ratio.low:.3f} to {ratio.high:.3f})",
                verdict,
                str(ratio.n),
                f"{ratio.ours_takes:.4g} / {ratio.rival_takes:.4g} {ratio.unit}",
            )
        Console(width=180).print(table)
        device = torch.device("cpu")
        written = {
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "ratios": ratios,
        }
        month = datetime.datetime.now(datetime.UTC).strftime("%Y%m")
        release = torch.__version__.partition("+")[0]
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}_{device.type}_{release}_{month}.json"
        path.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
