"""Which records stand together: by loss, by settings, and by the images that they saw."""

from collections.abc import Iterable, Sequence

from sigma2r._text import visible
from sigma2r.studies.record import Record
from sigma2r.studies.run import STARTS
from sigma2r.studies.study import Done, Part

_COMPARED = ("loss", "loss_weight", "loss_options", *STARTS, "init_seed")
_SOME = 5  # classes that are named where there are others

Images = tuple[tuple[str, ...], tuple[tuple[str, int], ...], tuple[tuple[str, str], ...]]
"""Names of classes, numbers of images in each split, and fingerprints, which tell sets of images apart."""


def part_records(part: Part, done: Done, *, diverged: bool = False) -> list[Record]:
    """The records of a part that ended with finite features, in its order; or of those that diverged."""
    known = [done[run.run_id] for run in part.runs if run.run_id in done]
    return [record for record in known if (record.diverged is not None) == diverged]


def loss_groups(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Records by the name of their loss and by whatever else differs between them, in the order of first appearance.

    Where runs of the same settings saw other images, that is part of the name as well.
    """
    records = list(records)
    described = [record.run.as_dict() for record in records]
    names = [name for name in (described[0] if described else ()) if name not in _COMPARED]
    varied = [name for name in names if any(values[name] != described[0][name] for values in described)]
    seen = images_of_each(records)
    number = {images: i for i, images in enumerate(dict.fromkeys(seen), start=1)}
    kinds: dict[str, set[Images]] = {}
    for record, images in zip(records, seen, strict=True) if len(number) > 1 else ():
        kinds.setdefault(settings_of(record), set()).add(images)
    groups: dict[str, list[Record]] = {}
    for record, values, images in zip(records, described, seen, strict=True):
        rest = "".join(f", {name.replace('_', ' ')} {values[name]}" for name in varied)
        if len(number) > 1 and len(kinds[settings_of(record)]) > 1:
            rest += f", images {number[images]}: {images_told(record)}"
        groups.setdefault(visible(record.run.loss_name + rest), []).append(record)
    return groups


def settings_of(record: Record) -> str:
    """All that decides a run but its loss and its first weights."""
    return repr([(k, v) for k, v in sorted(record.run.as_dict().items()) if k not in _COMPARED])


def images_of_each(records: Sequence[Record]) -> list[Images]:
    """The images of each run, as far as all records tell: older ones have no fingerprint."""
    told = all(record.data is not None for record in records)
    return [_images_of(record, told) for record in records]


def _images_of(record: Record, told: bool) -> Images:
    counted = ((split, count) for split, count in record.counts.items() if split != "parameters")
    prints = ((split, str(seen.get("fingerprint"))) for split, seen in (record.data or {}).items() if told)
    return record.class_names, tuple(sorted(counted)), tuple(sorted(prints))


def images_told(record: Record) -> str:
    """The images of a run in words."""
    names = record.class_names
    shown = ", ".join(map(visible, names[:_SOME])) + (", ..." if len(names) > _SOME else "")
    return (
        f"{len(names)} classes ({shown}), {counted(record, 'train')} training and {counted(record, 'test')} test images"
    )


def counted(record: Record, split: str) -> str:
    """How many images a split has; a dash where its record does not tell."""
    count = record.counts.get(split)
    return f"{count:,}" if isinstance(count, int) else "–"


def comparable(record: Record, other: Record) -> bool:
    """Whether a difference of two runs says something: not if the same settings saw other images."""
    mine, theirs = images_of_each([record, other])
    return mine == theirs or settings_of(record) != settings_of(other)
