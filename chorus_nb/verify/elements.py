"""What is told of each element of a file, remembered from the file before it: in a series most elements are the same.

An answer holds where the element is equal in original and release, and all that :class:`Around` knows of the file too.
Nothing else reaches who answers (:mod:`chorus_nb.verify.element_checks`), but for the parameters and the site's script,
which do not change within a run. Kept is one file's worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from chorus_nb.leaks import terms, texts
from chorus_nb.leaks.alike import CHARACTER_SET
from chorus_nb.leaks.reading import Leaf, Leaves, Reading
from chorus_nb.leaks.terms import SearchTerm
from chorus_nb.parameters import Parameters
from chorus_nb.verify.element_checks import ELEMENT_CHECKS, Around, BeforeAndAfter, ElementFault, uid_pairs
from chorus_nb.verify.file_checks import Pair, text
from chorus_nb.verify.findings import Finding, Findings
from chorus_nb.verify.site_script import Promise


class ElementAnswer(NamedTuple):
    """What an element tells."""

    old: Leaf | None
    new: Leaf | None
    said: tuple[ElementFault, ...]
    terms: tuple[SearchTerm, ...]  # that the original holds
    uids: frozenset[tuple[str, str]]  # original and released
    written: bool | None  # what stands in the release may be a text that people wrote; None: its code tells
    promised: str
    names_letters: bool  # it is the original's character set

    @property
    def tells(self) -> bool:
        """Anything at all: most elements are as they were, and say nothing of anybody."""
        return bool(self.said or self.terms or self.uids or self.written is not False or self.names_letters)

    def is_written(self, leaves: Leaves) -> bool:
        """Whether it is a text that people wrote, in a release of these elements."""
        if self.new is None or self.written is not None:
            return bool(self.written)
        return texts.is_written_text(self.new, leaves)


class ElementsInTurn:
    """Asks of the elements of one file after another; ``fresh``: what the last one told and the file before did not."""

    def __init__(self, parameters: Parameters, promises: Mapping[int, Promise]) -> None:
        self._parameters, self._promises = parameters, promises
        self.fresh: list[ElementAnswer] = []
        self._around: Around | None = None
        self._known: dict[tuple[str, int], ElementAnswer] = {}
        self._telling: dict[tuple[str, int], ElementAnswer] = {}
        self._like: tuple[Reading | None, Reading | None] = (None, None)
        self._others: frozenset[int] = frozenset()

    def of(self, pair: Pair) -> list[ElementAnswer]:
        """What the elements of this file and its original tell, where they tell anything."""
        around, like = _around(pair), (pair.source.like, pair.release.like)
        others = pair.source.others | pair.release.others
        known = self._known if around == self._around else {}
        self._around, self.fresh = None, []  # where a question ends here, nothing is known for the next file
        now, telling, others_tell = known, self._telling, False
        both: Iterable[tuple[tuple[str, int], Leaf | None, Leaf | None]]
        if known and None not in like and like == self._like:  # all else stands as it did in the file before
            keys = [("", tag) for tag in others | self._others]
            both = ((key, pair.source.leaves.get(key), pair.release.leaves.get(key)) for key in keys)
        else:
            now, telling = {}, {}
            both = _both(pair.source.leaves, pair.release.leaves)
        for key, old, new in both:
            told = known.get(key)
            if told is None or told.old != old or told.new != new:
                told = self._ask(BeforeAndAfter(old, new, around, self._parameters, self._promises.get(key[1])))
                if told.tells:
                    self.fresh.append(told)
            now[key] = told
            if told.tells and key in telling:
                telling[key] = told
            elif told.tells or key in telling:
                others_tell = True
        if others_tell:  # in the order of their elements
            telling = {key: told for key, told in now.items() if told.tells}
        self._around, self._known, self._telling, self._like, self._others = around, now, telling, like, others
        return list(telling.values())

    def _ask(self, it: BeforeAndAfter) -> ElementAnswer:
        found = terms.from_header([it.old], self._parameters.keep_device_identifiers) if it.old else ()
        in_release = it.new if it.new and it.new.text else None
        return ElementAnswer(
            it.old,
            it.new,
            tuple(said for check in ELEMENT_CHECKS for said in check(it)),
            tuple(found),
            frozenset(uid_pairs(it.old, it.new)),
            None if in_release and in_release.tag == texts.CODE_MEANING else _is_written(in_release),
            it.promised,
            it.old is not None and it.old.tag == CHARACTER_SET,
        )


def findings(pair: Pair, told: list[ElementAnswer]) -> Findings:
    """What is wrong with the elements of a file."""
    return (Finding(said.check, said.severity, pair.task.target_path, *said[2:]) for one in told for said in one.said)


def _is_written(leaf: Leaf | None) -> bool:
    return leaf is not None and texts.is_written_text(leaf, {})


def _around(pair: Pair) -> Around:
    days = pair.patient.days_shifted if pair.patient else None
    redacted = pair.source.pixels != pair.release.pixels
    return Around(days, text(pair.release, 0x00080016), text(pair.release, 0x00100020), redacted)


def _both(source: Leaves, release: Leaves) -> Iterator[tuple[tuple[str, int], Leaf | None, Leaf | None]]:
    for key, old in source.items():
        yield key, old, release.get(key)
    for key, new in release.items():
        if key not in source:
            yield key, None, new
