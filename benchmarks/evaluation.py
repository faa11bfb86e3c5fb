"""Retrieval figures against pytorch-metric-learning, and the largest sizes: time and memory of processes of their own.

``python -m benchmarks.evaluation WHAT N D C [THREADS]`` runs one of them and prints what it took.
"""

import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import Ratio, Work, amounts, compare
from sigma2r.evaluation import evaluate_features, retrieve

SMALL = (20_000, 512, 200)
LARGE = (100_000, 512, 1000)
HUGE = (1_000_000, 128, 10_000)
HUGE_QUERIES = 10_000  # of the million images: each against all
FIGURES = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
SEPARATION = {"compact": 2.0, "overlapping": 0.25}  # of class means, in units of the spread of one dimension
GIBIBYTES_4 = 4 * 2**30 / 1e6


def example(num_images: int, feature_dim: int, num_classes: int, separation: float = 0.25) -> tuple[Tensor, Tensor]:
    """Features of as many images of each class, about class means that are drawn themselves."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(num_images) % num_classes
    features = torch.randn(num_images, feature_dim, generator=generator)
    means = separation * torch.randn(num_classes, feature_dim, generator=generator)
    for some in torch.split(torch.arange(num_images), 2**16):
        features[some] += means[labels[some]]
    return features, labels


def told_rival() -> str:
    """The rival with its version, and with what it searches."""
    try:
        search = f"faiss-cpu {version('faiss-cpu')}"
    except PackageNotFoundError:
        search = "its own CustomKNN"
    return f"AccuracyCalculator, pytorch-metric-learning {version('pytorch-metric-learning')}, {search}"


def calculator() -> Any:
    """The rival: with faiss if that is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns of its own dependencies
        from pytorch_metric_learning.distances import LpDistance
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
        from pytorch_metric_learning.utils.inference import CustomKNN

    own = CustomKNN(LpDistance(normalize_embeddings=False, power=2), batch_size=1024)
    try:
        import faiss
    except ModuleNotFoundError:
        search = own
    else:
        faiss.omp_set_num_threads(torch.get_num_threads())
        search = None
    return AccuracyCalculator(include=FIGURES, k="max_bin_count", device=torch.device("cpu"), knn_func=search)


def cpu_seconds(work: Callable[[], Any]) -> Work:
    """On one thread the time of the processor is the time that it takes, whoever else runs."""

    def timed() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return timed


def job(what: str, num_images: int, feature_dim: int, num_classes: int) -> Callable[[], Any]:
    """One contender at a large size."""
    features, labels = example(num_images, feature_dim, num_classes)
    if what == "rival":
        return lambda: calculator().get_accuracy(features, labels)
    if what == "retrieve":
        return lambda: retrieve(features, labels)
    if what == "queries":
        queries = features[:HUGE_QUERIES], labels[:HUGE_QUERIES]
        return lambda: retrieve(*queries, (features, labels))
    return lambda: evaluate_features(features, labels)


def alone(what: str, size: tuple[int, int, int], threads: int) -> dict[str, float]:
    """Seconds, seconds of processors, and the peak of memory in MB, of a process of its own."""
    call = [sys.executable, "-m", "benchmarks.evaluation", what, *map(str, size), str(threads)]
    return dict(json.loads(subprocess.run(call, capture_output=True, check=True, text=True).stdout.splitlines()[-1]))


def run() -> Iterator[Ratio]:
    """Small sizes by turns on one thread; the large ones once."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, separation in SEPARATION.items():
            given = example(*SMALL, separation)
            yield compare(
                f"(N, D, C) = {SMALL}, {name}, one thread: recall@1, R-precision, MAP@R",
                ("retrieve", cpu_seconds(partial(retrieve, *given))),
                (told_rival(), cpu_seconds(partial(calculator().get_accuracy, *given))),
                target=1.0,
                n=3,
                warm_up=1,
            )
    finally:
        torch.set_num_threads(threads)
    ours, theirs = (alone(what, LARGE, threads) for what in ("retrieve", "rival"))
    yield amounts(
        f"(N, D, C) = {LARGE}, overlapping: recall@1, R-precision, MAP@R",
        ("retrieve", 1e3 * ours["wall_s"]),
        (told_rival(), 1e3 * theirs["wall_s"]),
        unit="ms",
        target=1.0,
    )
    yield memory(f"(N, D, C) = {LARGE}, every figure", "evaluate_features", "evaluate", LARGE, threads)
    yield memory(f"(N, D, C) = {HUGE}, {HUGE_QUERIES:,} queries against all", "retrieve", "queries", HUGE, threads)


def memory(what: str, told: str, name: str, size: tuple[int, int, int], threads: int) -> Ratio:
    """The peak of a process, torch and features with it, against 4 GiB."""
    took = alone(name, size, threads)
    told = f"{told}, peak of the process; {took['wall_s']:.0f} s"
    return amounts(what, (told, took["peak_mb"]), ("4 GiB", GIBIBYTES_4), unit="MB", target=1.0)


def main(arguments: list[str]) -> None:
    """One job in this process."""
    what, *numbers = arguments
    num_images, feature_dim, num_classes, threads = map(int, numbers)
    torch.set_num_threads(threads)
    work = job(what, num_images, feature_dim, num_classes)
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    took = {
        "wall_s": time.perf_counter() - start,
        "cpu_s": time.process_time() - start_cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main(sys.argv[1:])
