"""Several studies on one page: what is named alike in two of them is named apart."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count

from sigma2r.report.document import Section


def apart(of_each: Mapping[str, Sequence[Section]], beside: Iterable[Section] = ()) -> Iterator[Section]:
    """The sections of all studies; a name that an earlier study has too gets the next number that is free.

    Names within a study are left as they are: there one name twice is a slip.

    Args:
        of_each: The sections of each study, by its name.
        beside: Sections on the same page that keep their names.
    """
    beside = tuple(beside)
    names = {name: _names(sections) for name, sections in of_each.items()}
    free = _Free(set().union(_names(beside), *names.values()))
    titles = {section.anchor for section in beside}
    earlier = _names(beside)
    for study, sections in of_each.items():
        instead = {name: free.like(name) for name in sorted(names[study] & earlier)}
        anchors = {section.anchor for section in sections}
        for section in sections:
            if not instead and section.anchor not in titles:
                yield section
                continue
            yield replace(
                section,
                title=f"{section.title} ({study})" if section.anchor in titles else section.title,
                grids=tuple(replace(each, name=instead.get(each.name, each.name)) for each in section.grids),
                pictures=tuple(replace(each, name=instead.get(each.name, each.name)) for each in section.pictures),
            )
        titles |= anchors
        earlier |= names[study]


def _names(sections: Iterable[Section]) -> set[str]:
    sections = tuple(sections)
    grids = {each.name for section in sections for each in section.grids}
    return grids | {each.name for section in sections for each in section.pictures}


class _Free:
    """Names that nothing has yet."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def like(self, name: str) -> str:
        """The name with the next number; taken from now on."""
        found = next(each for number in count(2) if (each := f"{name}-{number}") not in self._taken)
        self._taken.add(found)
        return found
