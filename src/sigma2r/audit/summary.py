"""What was found, in a sentence each: leaks first."""

from sigma2r._shown import listed, plural
from sigma2r._text import visible
from sigma2r.audit.findings import Findings
from sigma2r.audit.groups import Group

_MOST = 3  # pairs of classes that a sentence names
_CLASSES = 5  # that are too small, and are named
_MIXED = 0.05  # share of two classes taken for each other from which on they are named


def sentences(found: Findings) -> list[str]:
    """What was found, from what does most harm on; what could not be looked at comes last."""
    told = [_leaks(found), _labels(found), _outliers(found), _duplicates(found), _overlaps(found), _sizes(found)]
    if found.alone:
        told.append(
            f"{plural(len(found.alone), 'training image')} could not be judged: the class of each has no other image."
        )
    if found.unread:
        first = next(iter(found.unread.values()))
        stand = "stands" if len(found.unread) == 1 else "stand"
        told.append(f"{plural(len(found.unread), 'image')} could not be read, and {stand} at the end: {first}")
    return told


def _leaks(found: Findings) -> str:
    splits = list(dict.fromkeys(found.images.splits))
    if len(splits) < 2:
        return "Leaks: the images are of one split, so there is nothing that could leak."
    return f"Leaks: {_told(found.leaks)} in more than one of {listed(splits)}."


def _told(groups: list[Group]) -> str:
    if not groups:
        return "no image"
    images = sum(len(group.rows) for group in groups)
    exact, conflicting = (sum(map(test, groups)) for test in (_is_exact, _contradicts))
    of = f"{plural(exact, 'group')} with the same pixels, {len(groups) - exact:,} nearly the same"
    differ = f", {conflicting:,} with labels that differ" if conflicting else ""
    return f"{plural(images, 'image')} ({of}{differ})"


def _is_exact(group: Group) -> bool:
    return group.exact


def _contradicts(group: Group) -> bool:
    return group.contradicts


def _labels(found: Findings) -> str:
    count, judged = int(found.errors.likely.sum()), len(found.labelled)
    if not judged:
        return "Labels: no image has a label that the network knows, so none was judged."
    first = int(found.suspicious()[0])
    row = int(found.labelled[first])
    beside = "" if found.beside is None else f" (cleanlab: {int(found.beside.issue.sum()):,})"
    return (
        f"Labels: {plural(count, 'likely error')}{beside} among {plural(judged, 'image')} judged; most suspicious is "
        f"{visible(found.images.names[row])}, given {visible(found.images.label(row))}, looks like "
        f"{visible(found.images.class_names[int(found.errors.suggested[first])])}.{_unknown(found)}"
    )


def _unknown(found: Findings) -> str:
    """How many images have no label that could be judged; nothing where all have."""
    known = set(found.labelled.tolist())
    others = [row for row in found.judged.tolist() if row not in known]
    if not others:
        return ""
    such = visible(found.images.names[others[0]])
    which = f"1 image, {such}, has" if len(others) == 1 else f"{len(others):,} images, such as {such}, have"
    return f" {which} no label that the run knows: looked at for outliers and duplicates alone."


def _outliers(found: Findings) -> str:
    count = int(found.outliers.sum())
    fewer = sorted(rank for rank in found.ranks if 0 < rank < found.neighbors)
    told = (
        f" Images were judged beside {f'{fewer[0]:,} to ' * (fewer[0] < fewer[-1])}{plural(fewer[-1], 'other')}, of "
        f"which the last stands for neighbour {found.neighbors:,}."
        if fewer
        else ""
    )
    if not count:
        return f"Outliers: none.{told}"
    row = int(found.judged[found.farthest()[0]])
    return f"Outliers: {plural(count, 'image')}; the farthest is {visible(found.images.names[row])}.{told}"


def _duplicates(found: Findings) -> str:
    return f"Duplicates within a split: {_told(found.within)}."


def _overlaps(found: Findings) -> str:
    names = [visible(name) for name in found.images.class_names]
    mixed = [each for each in found.overlaps if each.share >= _MIXED]
    if not mixed:
        return f"Classes that overlap: none; no two are taken for each other in {_MIXED:.0%} of their images."
    pairs = [f"{names[each.one]} and {names[each.other]} ({each.share:.0%})" for each in mixed[:_MOST]]
    more = f", and {len(mixed) - _MOST:,} more pairs" if len(mixed) > _MOST else ""
    return f"Classes that overlap: {'; '.join(pairs)}{more}."


def _sizes(found: Findings) -> str:
    small = [f"{visible(found.images.class_names[k])} ({listed(why)})" for k, why in found.why_small.items()]
    if not small:
        return "Classes that are too small: none."
    more = f" and {len(small) - _CLASSES:,} more" if len(small) > _CLASSES else ""
    return f"Classes that are too small: {', '.join(small[:_CLASSES])}{more}."
