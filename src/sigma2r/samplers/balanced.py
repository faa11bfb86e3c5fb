"""Batches in which every class has its share: as many samples of each as the batch size allows.

Axes: N samples, C classes, T batches an epoch, B samples a batch; P classes stand in a batch.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, Sampler

from sigma2r.samplers._arguments import covering, repeated, whole
from sigma2r.samplers._doubts import doubts
from sigma2r.samplers._draw import draw
from sigma2r.samplers._labels import Labels, by_class
from sigma2r.samplers._orders import Batches, Orders
from sigma2r.samplers._slots import Cover, Repeat

_WHO = "BalancedBatchSampler"


class BalancedBatchSampler(BatchSampler):
    """A batch sampler whose every batch is spread evenly over its classes.

    ``sampling="repeat"``: with at least as many places as classes (and no ``classes_per_batch``), each batch holds
    floor or ceil of B / C samples of *every* class: 256 over 10 classes are 25 or 26. An epoch ends when the largest
    class has been drawn once through; smaller classes start over in a new random order, so no sample of a class is
    drawn more than once oftener than another. With more classes than places, or with ``classes_per_batch`` = P, each
    batch holds P classes, floor or ceil of B / P samples of each. A class appears in as many batches as it needs to
    be drawn once through; a class with fewer samples than its places starts over within the batch.

    ``sampling="cover"``: an epoch is as long as the data, ceil(N / B) batches, and every sample is drawn once; what
    is left over of the last batch goes to the smallest classes. A class with K samples for each batch stands in all
    of them, floor or ceil of its share; the others come in groups of K or more, but for what is left at their ends,
    no class with more than one group's places in a batch. K is 8, or B / C where that lies between 2 and 8, or B / P.

    Either way every sample is drawn at least once an epoch, every batch has exactly B samples, and the order
    follows from seed and epoch alone, on every machine. A sample can stand twice in a batch only where its class
    starts over there.

    Every iteration gives another order, whether the one before was finished or not, with and without workers, also
    where two go on at once: an order is begun by its first batch. :meth:`set_epoch` chooses which order comes next.

    Args:
        labels: Class of each sample of the data set that the loader reads, shape ``(N,)``: integers, which need not
            be contiguous, as a tensor, an array, a column of pandas or polars (by position) or a sequence; or that
            data set itself, if it is a ``Subset``, ``ConcatDataset`` or ``TensorDataset`` (its last tensor) or has
            ``targets`` or ``labels``. These are taken as they are, before any ``target_transform``: where that makes
            other classes, give the labels that come out of it.
        batch_size: B.
        seed: Decides the order, together with the epoch.
        generator: Draws the seed instead, once.
        classes_per_batch: P; default: all classes if B >= C, otherwise B // 8 (at least 1), so that each has the
            8 samples that 7 neighbours want. ``"cover"`` takes from it only K, how many of a class come together.
        num_batches: T; default: as many as it takes to draw every sample. With fewer, some are left out.
        sampling: ``"repeat"``: every class as often as the largest. ``"cover"``: each sample about once, for classes
            of very unequal size.
        num_replicas: Processes that share an epoch, each with its own batches; T is counted for each.
        rank: Which of them this is.
        sampler: For Lightning, which makes batch samplers again with a ``DistributedSampler`` in this place; only its
            ``num_replicas`` and ``rank`` are read.

    Raises:
        ValueError: If an argument makes no sense.

    Warns:
        UserWarning: Once, if batches cannot hold two samples of each of their classes; and if an epoch is more than
            twice as long as the data and nobody asked for that by ``num_batches``.

    Example:
        >>> sampler = BalancedBatchSampler([0, 0, 0, 0, 1, 1], batch_size=4, seed=0)
        >>> [sorted([0, 0, 0, 0, 1, 1][i] for i in batch) for batch in sampler]
        [[0, 0, 1, 1], [0, 0, 1, 1]]
    """

    def __init__(
        self,
        labels: Labels,
        batch_size: int,
        *,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        classes_per_batch: int | None = None,
        num_batches: int | None = None,
        sampling: Literal["repeat", "cover"] = "repeat",
        num_replicas: int = 1,
        rank: int = 0,
        sampler: Sampler[int] | None = None,
    ) -> None:
        labels, self._by_class, self._counts = by_class(_WHO, labels)
        self.batch_size = whole(_WHO, "batch_size", batch_size)
        if seed is not None and generator is not None:
            raise ValueError(f"{_WHO}: give seed or generator, not both; the generator only draws a seed.")
        if generator is not None:
            seed = int(torch.randint(2**31, (), generator=generator))
        self.seed = whole(_WHO, "seed", 0 if seed is None else seed, least=0)
        if sampling not in ("repeat", "cover"):
            raise ValueError(f"{_WHO}: sampling must be 'repeat' or 'cover'; got {sampling!r}.")
        self.sampling = sampling
        if not isinstance(sampler, Sampler | None):
            raise ValueError(
                f"{_WHO}: sampler must be a DistributedSampler, which tells rank and num_replicas; got {sampler!r}."
            )
        self.num_replicas = whole(_WHO, "num_replicas", getattr(sampler, "num_replicas", num_replicas))
        self.rank = whole(_WHO, "rank", getattr(sampler, "rank", rank), least=0)
        if self.rank >= self.num_replicas:
            raise ValueError(f"{_WHO}: rank must lie below num_replicas, {self.num_replicas}; got {self.rank}.")
        self.drop_last = True  # as torch means it: every batch is full
        if num_batches is not None:
            num_batches = whole(_WHO, "num_batches", num_batches)
        sizes = classes_per_batch, self._counts.shape[0], self.batch_size
        share = self.num_replicas
        total = None if num_batches is None else share * num_batches
        epoch = None
        self._policy: Repeat | Cover
        if sampling == "repeat":
            self.classes_per_batch = repeated(_WHO, *sizes)
            self._policy = Repeat(self._counts, self.batch_size, self.classes_per_batch, total, share)
            epoch = self._policy.needed if total is None else None
        else:
            self.classes_per_batch, group = covering(_WHO, *sizes)
            self._policy = Cover(self._counts, self.batch_size, group, total, share)
        self.num_batches = self._policy.num_batches // share
        self._orders = Orders(epoch=0)
        self._remember(labels=labels, batch_size=self.batch_size, seed=self.seed, num_batches=num_batches,
                       classes_per_batch=classes_per_batch, sampling=sampling)  # fmt: skip
        for sentence in doubts(_WHO, labels, self._counts, self.batch_size, self.classes_per_batch, epoch):
            if sampler is None:  # otherwise this is a copy, and the first has said it
                warnings.warn(sentence, stacklevel=2)

    def _remember(self, **arguments: Any) -> None:
        """Keep what makes this sampler again, under the names by which Lightning looks for it.

        For more than one process Lightning makes batch samplers again with its own DistributedSampler as ``sampler``.
        It notes the arguments itself only where a sampler is made in a ``*_dataloader`` hook.
        """
        noted = {"args": (), "arg_names": (), "kwargs": arguments, "default_kwargs": {"sampler": None}}
        self.__dict__.update({f"__pl_saved_{name}": value for name, value in noted.items()})

    @property
    def sampler(self) -> "BalancedBatchSampler":  # type: ignore[override]
        """This sampler: Lightning and accelerate call ``set_epoch`` on what they find under that name."""
        return self

    @property
    def max_per_class(self) -> int:
        """The most samples of one class in a batch: what ``SigmaSquaredRLoss(max_per_class=...)`` wants."""
        return self._policy.max_per_class

    @property
    def epoch(self) -> int:
        """The epoch whose order comes next."""
        return self._orders.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next. Without it each iteration moves on to the next.

        Iterations that have drawn a batch keep their order.

        Raises:
            ValueError: If ``epoch`` is not a whole number of at least 0.
        """
        self._orders = Orders(whole(_WHO, "epoch", epoch, least=0))

    def state_dict(self, *, batches_done: int | None = None) -> dict[str, int]:
        """What decides the order that comes next.

        Args:
            batches_done: Within an epoch: how many batches of the order that was begun last have been trained on
                since the iteration began. What is loaded then goes on with the batch behind them, and ends where
                that order ends. Only the training loop knows this number: workers draw ahead of it.

        Raises:
            ValueError: If no order has so many batches, or none has been begun.
        """
        epoch, batch = self._orders.epoch, self._orders.batch
        if batches_done is not None:
            done = whole(_WHO, "batches_done", batches_done, least=0)
            try:
                epoch, batch = self._orders.behind(done, self.num_batches)
            except ValueError as error:
                raise ValueError(f"{_WHO}: {error}") from None
        return {"seed": self.seed, "epoch": epoch, "batch": batch, "samples": self._by_class.shape[0]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Raises:
            ValueError: If ``state`` is not what :meth:`state_dict` gives, or that of a sampler of other data.
        """
        if not isinstance(state, Mapping):
            raise ValueError(f"{_WHO}: state must be what state_dict() gives; got a {type(state).__name__}.")
        if missing := [name for name in ("seed", "epoch") if name not in state]:
            raise ValueError(f"{_WHO}: state must be what state_dict() gives; it lacks {' and '.join(missing)}.")
        samples = self._by_class.shape[0]
        if state.get("samples", samples) != samples:
            raise ValueError(f"{_WHO}: state is that of a sampler of {state['samples']} samples; this has {samples}.")
        seed, epoch = (whole(_WHO, name, state[name], least=0) for name in ("seed", "epoch"))
        batch = whole(_WHO, "batch", state.get("batch", 0), least=0)
        if batch >= self.num_batches:
            raise ValueError(
                f"{_WHO}: batch must lie below the {self.num_batches} batches of an epoch; got {batch}. Is this the "
                "state of a sampler with other labels or another batch size?"
            )
        self.seed, self._orders = seed, Orders(epoch, batch)
        self._remember(**{**self.__dict__["__pl_saved_kwargs"], "seed": seed})

    def __getstate__(self) -> dict[str, Any]:
        """A copy goes on from here by itself."""
        return {**self.__dict__, "_orders": replace(self._orders)}

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        return Batches(self._rows, self._current)

    def epoch_indices(self) -> Tensor:
        """All batches of the epoch that comes next, shape ``(T, B)``, int64: what a loader on a device wants.

        Does not move on to another epoch.
        """
        return self._rows(self.epoch).long()

    def _current(self) -> Orders:
        return self._orders

    def _rows(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(_mix(self.seed, epoch))
        slots = self._policy.slots(generator)
        rows = draw(slots, self._counts, self._by_class, generator).view(-1, self.batch_size)
        return rows[self.rank :: self.num_replicas]


def _mix(seed: int, epoch: int) -> int:
    """One seed from two, so that seed 0 epoch 1 is not seed 1 epoch 0."""
    return (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**63
