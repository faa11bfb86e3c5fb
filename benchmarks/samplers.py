"""From labels to the first batch, and to all of an epoch."""

import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, RandomSampler

from benchmarks.timing import Ratio, Work, compare
from sigma2r import BalancedBatchSampler

MANY = (1_000_000, 200_000, 4096)  # samples, classes, batch
LONG_TAIL = (20_000, 499, 512)  # samples of the largest class, other classes of 20, batch


def first(made: Iterable[list[int]]) -> list[int]:
    """The first batch, of one iteration."""
    return next(iter(made))


def ours(labels: Tensor, batch_size: int, sampling: str = "repeat") -> BalancedBatchSampler:
    """The sampler, without what it says of long epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return BalancedBatchSampler(labels, batch_size, sampling=sampling)  # type: ignore[arg-type]


def m_per_class(labels: Tensor, batch_size: int) -> Iterable[list[int]]:
    """The sampler of pytorch-metric-learning, 8 of a class, in batches; an epoch as long as the data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns of its own dependencies
        from pytorch_metric_learning.samplers import MPerClassSampler

    length = labels.shape[0] // batch_size * batch_size
    return BatchSampler(MPerClassSampler(labels, 8, batch_size, length), batch_size, drop_last=False)


def at_random(num_samples: int, batch_size: int) -> Iterable[list[int]]:
    """What a loader does with ``shuffle=True``: classes are not looked at."""
    return BatchSampler(RandomSampler(range(num_samples)), batch_size, drop_last=False)


def all_of(made: Iterable[list[int]]) -> Work:
    """An epoch of a sampler that is there already."""
    return lambda: [None for _ in made]


def run() -> Iterator[Ratio]:
    """Very many classes, a long tail, and ten classes."""
    num_samples, num_classes, batch_size = MANY
    labels = torch.randint(num_classes, (num_samples,), generator=torch.Generator().manual_seed(0))
    told = f"MPerClassSampler, pytorch-metric-learning {version('pytorch-metric-learning')}"
    what = f"{num_samples:,} samples of {num_classes:,} classes, batches of {batch_size:,}: to the first batch"
    for sampling in ("repeat", "cover"):
        yield compare(
            what,
            (f'sampling="{sampling}"', lambda kind=sampling: first(ours(labels, batch_size, kind))),  # type: ignore[misc]
            (told, lambda: first(m_per_class(labels, batch_size))),
            target=1 / 10,
            n=5,
            warm_up=1,
        )
    yield compare(
        what,
        ('sampling="cover"', lambda: first(ours(labels, batch_size, "cover"))),
        ("at random, torch's BatchSampler", lambda: first(at_random(num_samples, batch_size))),
        target=None,
        n=10,
        warm_up=1,
    )
    largest, others, tail_batch = LONG_TAIL
    tail = torch.cat([torch.zeros(largest, dtype=torch.int64), 1 + torch.arange(20 * others) % others])
    sizes = f"{tail.shape[0]:,} samples of {others + 1} classes, one of {largest:,}, batches of {tail_batch}"
    yield compare(
        f"{sizes}: to the first batch",
        ('sampling="cover"', lambda: first(ours(tail, tail_batch, "cover"))),
        ('sampling="repeat"', lambda: first(ours(tail, tail_batch))),
        target=1 / 50,
        n=5,
        warm_up=1,
    )
    ten = torch.arange(60_000) % 10
    yield compare(
        "60,000 samples of 10 classes, batches of 256: an epoch",
        ("balanced", all_of(ours(ten, 256))),
        ("at random, torch's BatchSampler", all_of(at_random(60_000, 256))),
        target=1,
        n=30,
    )
