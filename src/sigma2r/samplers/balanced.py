"""Batches in which every class has its share: as many samples of each as the batch size allows.

Axes: N samples, C classes, T batches an epoch, B samples a batch; P classes stand in a batch.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

_SAMPLES_PER_CLASS = 8  # the paper's 7 neighbours and the sample itself


class BalancedBatchSampler(Sampler[list[int]]):
    """A batch sampler whose every batch is spread evenly over its classes.

    With at least as many places as classes (and no ``classes_per_batch``), each batch holds floor or ceil of B / C
    samples of *every* class: 256 over 10 classes are 25 or 26. An epoch ends when the largest class has been drawn
    once through; smaller classes start over in a new random order, so no sample of a class is drawn more than once
    oftener than another.

    With more classes than places, or with ``classes_per_batch`` = P, each batch holds P classes, floor or ceil of
    B / P samples of each. A class appears in as many batches as it needs to be drawn once through; a class with
    fewer samples than its places starts over within the batch.

    Either way every sample is drawn at least once an epoch, every batch has exactly B samples, and the order
    follows from seed and epoch alone, on every machine. A sample can stand twice in a batch only where its class
    starts over there.

    Args:
        labels: Class of each sample, shape ``(N,)``: a tensor, array or sequence of integers, which need not be
            contiguous.
        batch_size: B.
        seed: Decides the order, together with the epoch.
        generator: Draws the seed instead, once.
        classes_per_batch: P; default: all classes if B >= C, otherwise B // 8 (at least 1), so that each has the
            8 samples that 7 neighbours want.
        num_batches: T; default: as many as it takes to draw every sample. With fewer, some are left out.

    Raises:
        ValueError: If an argument makes no sense.

    Warns:
        UserWarning: Once, if batches cannot hold two samples of each of their classes.

    Example:
        >>> sampler = BalancedBatchSampler([0, 0, 0, 0, 1, 1], batch_size=4, seed=0)
        >>> [sorted([0, 0, 0, 0, 1, 1][i] for i in batch) for batch in sampler]
        [[0, 0, 1, 1], [0, 0, 1, 1]]
    """

    def __init__(
        self,
        labels: Tensor | Sequence[int],
        batch_size: int,
        *,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        classes_per_batch: int | None = None,
        num_batches: int | None = None,
    ) -> None:
        who = "BalancedBatchSampler"
        classes = _class_ranks(who, labels)
        for name, value in (
            ("batch_size", batch_size),
            ("classes_per_batch", classes_per_batch),
            ("num_batches", num_batches),
        ):
            if value is not None and (isinstance(value, bool) or int(value) != value or value < 1):
                raise ValueError(f"{who}: {name} must be a whole number of at least 1; got {value!r}.")
        if seed is not None and generator is not None:
            raise ValueError(f"{who}: give seed or generator, not both; the generator only draws a seed.")
        if seed is not None and seed < 0:
            raise ValueError(f"{who}: seed must be at least 0; got {seed}.")
        self._counts = torch.bincount(classes)
        num_classes = self._counts.shape[0]
        if classes_per_batch is None:
            most = num_classes if batch_size >= num_classes else max(1, batch_size // _SAMPLES_PER_CLASS)
            classes_per_batch = most
        if classes_per_batch > min(num_classes, batch_size):
            raise ValueError(
                f"{who}: classes_per_batch must not exceed the {num_classes} classes or the batch size {batch_size}; "
                f"got {classes_per_batch}."
            )
        if batch_size < 2 * classes_per_batch:
            warnings.warn(
                f"{who}: a batch of {batch_size} cannot hold two samples of each of its {classes_per_batch} classes, "
                f"so some have no neighbour. Use batch_size={2 * classes_per_batch} or more, or "
                f"classes_per_batch={max(1, batch_size // 2)} or fewer.",
                stacklevel=2,
            )
        if generator is not None:
            seed = int(torch.randint(2**31, (), generator=generator))
        self.seed = seed or 0
        self.epoch = 0
        self.batch_size = batch_size
        self.classes_per_batch = classes_per_batch
        self._by_class = classes.argsort(stable=True)
        self._visits, needed = self._plan()
        self.num_batches = needed if num_batches is None else num_batches

    @property
    def max_per_class(self) -> int:
        """The most samples of one class in a batch: what ``SigmaSquaredRLoss(max_per_class=...)`` wants."""
        return -(-self.batch_size // self.classes_per_batch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next. Without it each complete iteration moves on to the next.

        Raises:
            ValueError: If ``epoch`` is negative.
        """
        if epoch < 0:
            raise ValueError(f"BalancedBatchSampler: epoch must be at least 0; got {epoch}.")
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """What decides the order that comes next."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.seed, self.epoch = int(state["seed"]), int(state["epoch"])

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.epoch_indices().tolist()
        self.epoch += 1

    def epoch_indices(self) -> Tensor:
        """All batches of the current epoch at once, shape ``(T, B)``, int64: what a loader on a device wants."""
        generator = torch.Generator().manual_seed(_mix(self.seed, self.epoch))
        shape = (self.num_batches, self.batch_size)
        if self.classes_per_batch == self._counts.shape[0]:
            # Dealing the classes round and round gives any B places in a row floor or ceil of B / C of each, and
            # all T B places floor or ceil of T B / C.
            order = torch.randperm(self._counts.shape[0], generator=generator)
            slot_class = order[torch.arange(self.num_batches * self.batch_size) % order.shape[0]]
        else:
            schedule = self._schedule(generator)
            slot_class = schedule[:, torch.arange(self.batch_size) % self.classes_per_batch].flatten()
        return self._draw(slot_class, generator).view(shape)

    def _plan(self) -> tuple[Tensor, int]:
        """Visits that each class needs (C,), and the batches that hold them."""
        batch, places, num_classes = self.batch_size, self.classes_per_batch, self._counts.shape[0]
        if places == num_classes:
            needed = -(-int(self._counts.max()) * num_classes // batch)
            return torch.full_like(self._counts, needed), needed
        visits = -(-self._counts // (batch // places))
        return visits, max(int(visits.max()), -(-int(visits.sum()) // places))

    def _schedule(self, generator: torch.Generator) -> Tensor:
        """Which classes stand in each batch, (T, P), none twice."""
        num_batches, places = self.num_batches, self.classes_per_batch
        order = torch.randperm(self._counts.shape[0], generator=generator)
        visits = _fill_up(self._visits.clamp_max(num_batches)[order], num_batches * places, generator)
        queue = order.repeat_interleave(visits)[: num_batches * places]
        # Visit g goes to batch g mod T: no class has more than T visits, so they land in different batches.
        schedule = queue.view(places, num_batches).T[torch.randperm(num_batches, generator=generator)]
        return schedule.gather(1, torch.rand(schedule.shape, generator=generator).argsort(dim=1))

    def _draw(self, slot_class: Tensor, generator: torch.Generator) -> Tensor:
        """A sample for each slot: every class is gone through in random orders, one after another."""
        num_classes = self._counts.shape[0]
        drawn = torch.bincount(slot_class, minlength=num_classes)
        passes = -(-drawn // self._counts)
        sizes = self._counts.repeat_interleave(passes)  # of each pass through a class
        pass_of = torch.arange(sizes.shape[0]).repeat_interleave(sizes)
        shuffled = torch.randperm(pass_of.shape[0], generator=generator)
        shuffled = shuffled[pass_of[shuffled].argsort(stable=True)]  # random within each pass
        place = shuffled - (sizes.cumsum(0) - sizes)[pass_of]
        class_of = torch.arange(num_classes).repeat_interleave(passes * self._counts)
        sequence = self._by_class[(self._counts.cumsum(0) - self._counts)[class_of] + place]

        by_class = slot_class.argsort(stable=True)
        turn = torch.arange(slot_class.shape[0]) - (drawn.cumsum(0) - drawn)[slot_class[by_class]]
        length = passes * self._counts
        start = (length.cumsum(0) - length)[slot_class[by_class]]
        return torch.empty_like(slot_class).scatter_(0, by_class, sequence[start + turn])


def _fill_up(visits: Tensor, total: int, generator: torch.Generator) -> Tensor:
    """Raise the lowest of ``visits`` evenly until they sum to ``total``; who gets the rest is random."""
    low, high = 0, total
    while low < high:  # the highest level that fits
        level = (low + high + 1) // 2
        low, high = (level, high) if int(visits.clamp_min(level).sum()) <= total else (low, level - 1)
    raised = visits.clamp_min(low)
    lowest = (raised == low).nonzero().squeeze(1)
    rest = max(0, total - int(raised.sum()))
    raised[lowest[torch.randperm(lowest.shape[0], generator=generator)[:rest]]] += 1
    return raised


def _class_ranks(who: str, labels: Tensor | Sequence[int]) -> Tensor:
    """Labels as ranks 0 .. C - 1 on the CPU; refuse what is not one integer per sample."""
    labels = torch.as_tensor(labels)
    if labels.ndim != 1 or labels.shape[0] == 0:
        raise ValueError(f"{who}: labels must hold one class for each of at least one sample, shape (N,); got "
                         f"{tuple(labels.shape)}.")  # fmt: skip
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"{who}: labels must be integers; got {labels.dtype}.")
    ranks: Tensor = torch.unique(labels.cpu().long(), return_inverse=True)[1]
    return ranks


def _mix(seed: int, epoch: int) -> int:
    """One seed from two, so that seed 0 epoch 1 is not seed 1 epoch 0."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**63
