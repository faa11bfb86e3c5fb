"""Tests run on changed copies of the source, each in a process that begins with what they import."""

import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tools.mutations._mutation import ROOT, Mutation

# Half of the time of most trials was the import of these; nothing of ours may be among them.
_IMPORTED_ONCE = (
    "pytest", "hypothesis", "torch", "torch.distributed", "torch._dynamo", "torchvision", "torchmetrics", "scipy.stats",
    "pytorch_lightning", "pytorch_metric_learning", "jsonargparse", "rich.console", "jinja2", "PIL.Image", "beartype",
    "matplotlib.pyplot", "tensorboard.compat.proto.event_pb2", "jaxtyping", "filelock", "psutil",
)  # fmt: skip
_NOT_FOUND, _NO_TESTS = 4, 5


@dataclass(frozen=True)
class Trial:
    """A change, or none, and the words for pytest: stage after stage until one fails; first a test alone, if named."""

    mutation: Mutation | None
    stages: tuple[tuple[str, ...], ...]
    first: str | None = None


@dataclass(frozen=True)
class End:
    """How a trial ended: "passed", "failed", or "by clock" where the tests hung; its seconds; the test that failed."""

    trial: Trial
    outcome: str
    seconds: float
    test: str | None


class Copies:
    """As many copies of the repository as trials run at once.

    Args:
        folder: Where the copies lie.
        jobs: How many.
        limit: Seconds after which a trial is ended; tests that hang have noticed the change too.
    """

    def __init__(self, folder: Path, jobs: int, limit: float) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"
        for name in _IMPORTED_ONCE:
            importlib.import_module(name)
        self._free = [_copied(folder / f"copy-{job}") for job in range(jobs)]
        self._limit = limit
        self._running: dict[int, tuple[Trial, Path, float]] = {}
        self._sources: dict[Path, str] = {}
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for pid in self._running:
            os.killpg(pid, signal.SIGKILL)

    def run(self, trials: Iterable[Trial]) -> Iterator[End]:
        """The end of each trial.

        Raises:
            RuntimeError: If tests could not be run at all, or fail without a change.
        """
        waiting = iter(trials)
        upcoming = next(waiting, None)
        while upcoming is not None or self._running:
            while upcoming is not None and self._free:
                self._start(upcoming, self._free.pop())
                upcoming = next(waiting, None)
            yield self._next_end()

    def _start(self, trial: Trial, copy: Path) -> None:
        if trial.mutation is not None:
            source = _source(copy, trial.mutation).read_text(encoding="utf-8")
            self._sources[copy] = source
            self._write(copy, trial.mutation, trial.mutation.apply(source))
        _caught(copy).unlink(missing_ok=True)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            os._exit(_all_stages(copy, trial))
        self._running[pid] = (trial, copy, time.monotonic())

    def _write(self, copy: Path, mutation: Mutation, source: str) -> None:
        path = _source(copy, mutation)
        path.write_text(source, encoding="utf-8")
        self._number += 1
        os.utime(path, (self._number, self._number))  # compiled code of another change is of another time

    def _next_end(self) -> End:
        while True:
            for pid, (trial, copy, start) in self._running.items():
                late = time.monotonic() - start > self._limit
                if late:
                    os.killpg(pid, signal.SIGKILL)
                done, status = os.waitpid(pid, 0 if late else os.WNOHANG)
                if done == 0:
                    continue
                del self._running[pid]
                code = -1 if late else os.waitstatus_to_exitcode(status)
                log = (copy / "output.txt").read_text(encoding="utf-8", errors="replace")
                if trial.mutation is None and code:
                    raise RuntimeError(f"mutations: without any change the tests must pass; they do not:\n{log}")
                if code not in (-1, 0, 1):
                    raise RuntimeError(f"mutations: the tests did not run on {trial.mutation!r}:\n{log}")
                if trial.mutation is not None:
                    self._write(copy, trial.mutation, self._sources.pop(copy))
                self._free.append(copy)
                outcome = "by clock" if late else "failed" if code else "passed"
                test = _caught(copy).read_text(encoding="utf-8") if _caught(copy).exists() else None
                return End(trial, outcome, time.monotonic() - start, test)
            time.sleep(0.02)


def _source(root: Path, mutation: Mutation) -> Path:
    return root / "src/sigma2r" / mutation.file


def _caught(copy: Path) -> Path:
    return copy / "caught.txt"


def _copied(copy: Path) -> Path:
    for name in ("src", "tests", "benchmarks", "docs", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / "results").symlink_to(ROOT / "results")  # which no mutation changes
    return copy


def _all_stages(copy: Path, trial: Trial) -> int:
    """The exit code of pytest; 0 only where every stage passes."""
    first = [("-k", "not compiled", trial.first)] if trial.first else []
    for words in (*first, *trial.stages):
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = _tests(copy, words)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        gone = code == _NOT_FOUND and words in first
        if code not in (0, _NO_TESTS) and not gone:
            return abs(code)
    return 0


def _tests(copy: Path, words: tuple[str, ...]) -> int:
    import pytest

    output = os.open(copy / "output.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for stream, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, stream)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy / "src")
    kept_apart = copy.parent / f"t{copy.name.rpartition('-')[2]}"  # pytest trips over folders that another one sweeps
    kept_apart.mkdir(exist_ok=True)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(kept_apart)
    sys.path[:] = [str(copy), str(copy / "src"), *(p for p in sys.path if p not in ("", str(ROOT), str(ROOT / "src")))]
    for name in [name for name in sys.modules if name.split(".")[0] in ("tools", "sigma2r", "tests", "benchmarks")]:
        del sys.modules[name]
    sys.argv = ["pytest", *words]
    quiet = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # plugins are among what is there
    options = ["-x", "-q", "-p", "no:cacheprovider", "-W", quiet, "-m", "not slow"]
    code = int(pytest.main([*options, *words], plugins=[_Caught(copy)]))
    sys.stdout.flush()
    return code


class _Caught:
    """Keeps the name of the test that failed, without its parameters, or of the file that could not be read."""

    def __init__(self, copy: Path) -> None:
        self._copy = copy

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            _caught(self._copy).write_text(report.nodeid.partition("[")[0], encoding="utf-8")

    pytest_collectreport = pytest_runtest_logreport
