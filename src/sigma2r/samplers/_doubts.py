"""What the user of a sampler may not have meant."""

from collections.abc import Iterator

from torch import Tensor

_IGNORED = -100  # torch's, and that of the losses
_FAR = 2  # times the batches that go through the data once


def doubts(who: str, labels: Tensor, counts: Tensor, batch_size: int, places: int, epoch: int | None) -> Iterator[str]:
    """A sentence for each.

    Args:
        who: Who speaks.
        labels: Of each sample, shape ``(N,)``.
        counts: Samples of each class, shape ``(C,)``.
        batch_size: Samples a batch.
        places: Classes a batch.
        epoch: Batches that ``sampling="repeat"`` takes; None where it was not asked to choose.
    """
    if ignored := int((labels == _IGNORED).sum()):
        yield (
            f"{who}: labels must be classes; {ignored:,} are {_IGNORED}, which losses ignore and which is dealt as "
            "a class of its own. Leave these samples out: Subset(data, (labels != -100).nonzero().squeeze(1).tolist())."
        )
    if batch_size < 2 * places:
        yield (
            f"{who}: a batch of {batch_size} cannot hold two samples of each of its {places} classes, so some have no "
            f"neighbour. Use batch_size={2 * places} or more, or classes_per_batch={max(1, batch_size // 2)} or fewer."
        )
    num_samples = int(counts.sum())
    once = -(-num_samples // batch_size)
    if epoch is not None and epoch > _FAR * once:
        fewest, most = (f"{int(end):,}" for end in counts.aminmax())
        why = f"every class is drawn as often as the largest, of {most}"
        if places < counts.shape[0]:
            sizes = most if fewest == most else f"{fewest} to {most}"
            why = f"classes of {sizes} samples stand in a batch with {batch_size // places} or more"
        drawn = epoch * batch_size
        yield (
            f"{who}: an epoch should be about as long as the data, and this one draws {drawn:,} samples in {epoch:,} "
            f"batches, {drawn / num_samples:.3g} times the {num_samples:,} that there are: with sampling='repeat' "
            f"{why}. sampling='cover' draws each about once, in {once:,} batches; num_batches chooses another number."
        )
