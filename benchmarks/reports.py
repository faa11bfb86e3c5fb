"""The report of many records, against the ten seconds that a reader waits for it."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.timing import Ratio, compare
from sigma2r.paper.page import paper_document
from sigma2r.paper.studies import STUDIES
from sigma2r.report import write_report
from sigma2r.report.document import write_document
from sigma2r.report.folder import read_studies
from sigma2r.studies.record import Record

RESULTS = Path(__file__).parent.parent / "results"
MOST = 10.0


def many_seeds(records: Sequence[Record], count: int) -> list[Record]:
    """``count`` records: those given, again and again, each time as of other seeds."""
    return [
        dataclasses.replace(record, run=dataclasses.replace(record.run, init_seed=record.run.init_seed + 100 * turn))
        for turn in range(1 + count // len(records))
        for record in records
    ][:count]


def within(what: str, build: Callable[[Path], object]) -> Ratio:
    """Against the longest that is wanted."""
    with tempfile.TemporaryDirectory() as folder:
        ours, rival = ("report", lambda: build(Path(folder))), (f"{MOST:g} s", lambda: MOST)
        return compare(what, ours, rival, target=1.0, n=5, warm_up=1)


def run() -> Iterator[Ratio]:
    """500 records of one comparison; and all committed records with every figure of the paper."""
    done, scales, _ = read_studies(RESULTS, STUDIES)
    plain = [r for r in done.values() if r.diverged is None and r.run.dataset == "fashion-mnist" and r.run.epochs == 10]
    plain = [r for r in plain if not r.run.validation_fraction and r.run.lr < 0.1]
    many = many_seeds(plain, 500)
    losses = len({record.run.loss_name for record in many})
    yield within(f"{len(many)} records of one comparison, {losses} losses", lambda out: write_report(many, out))
    yield within(
        f"all studies of the paper, {len(done)} records, verdicts, all figures",
        lambda out: write_document(paper_document(done, scales), out),
    )
