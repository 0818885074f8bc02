"""What the Standard registers by name: UIDs, terms of character sets, codes of coding schemes. Anything else is told
by its writer, and may be anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

from chorus_nb.standards.lists import data_rows
from chorus_nb.standards.tags import parse_tag

WELL_KNOWN = ("Well-known SOP Instance", "Well-known frame of reference", "Synchronization Frame of Reference")


@cache
def _uids() -> tuple[Mapping[str, str], tuple[tuple[str, int, int], ...]]:
    rows = list(data_rows("uids.csv"))
    ranges = [(*row["uid"].rpartition(".")[::2], row["last"]) for row in rows if row["last"]]
    return {row["uid"]: row["type"] for row in rows}, tuple((root, int(low), int(high)) for root, low, high in ranges)


@lru_cache(maxsize=4096)
def is_registered_uid(uid: str) -> bool:
    """Whether PS3.6 Annex A has this UID: of a class, syntax, context group, coding scheme or well-known object.

    >>> is_registered_uid("1.2.840.10008.1.2"), is_registered_uid("1.2.840.10008.1.2.3.4.5")
    (True, False)
    """
    uids, ranges = _uids()
    if uid in uids:
        return True
    root, _, last = uid.rpartition(".")
    return any(root == of and re.fullmatch(r"[1-9]\d*", last) and low <= int(last) <= high for of, low, high in ranges)


@lru_cache(maxsize=4096)
def is_well_known_uid(uid: str) -> bool:
    """Whether PS3.6 Annex A registers this UID for one object: a SOP instance or a frame of reference.

    >>> is_well_known_uid("1.2.840.10008.1.4.1.1"), is_well_known_uid("1.2.840.10008.1.2.1")
    (True, False)
    """
    return _uids()[0].get(uid) in WELL_KNOWN


@cache
def character_sets() -> frozenset[str]:
    """Defined terms of Specific Character Set (PS3.3 C.12.1.1.2)."""
    return frozenset(row["term"] for row in data_rows("character_sets.csv"))


@cache
def _closed_lists() -> Mapping[int, frozenset[str]]:
    return {parse_tag(row["tag"]): frozenset(row["values"].split("|")) for row in data_rows("closed_lists.csv")}


def is_off_list(tag: int, values: Iterable[str]) -> bool:
    """Whether one of these values is none of those that PS3.3 allows for an attribute (closed_lists.csv): no code then,
    whatever else it says. An empty value is allowed.

    >>> is_off_list(0x00280004, ["RGB"]), is_off_list(0x00280004, ["SMITH"]), is_off_list(0x00181030, ["SMITH"])
    (False, True, False)
    """
    allowed = _closed_lists().get(tag)
    return allowed is not None and not allowed.issuperset(filter(None, (value.strip(" \0") for value in values)))


def as_listed(tag: int, values: Iterable[str]) -> list[str]:
    """The values as PS3.3 writes them: in capitals, and nothing of one that it does not allow (closed_lists.csv).

    >>> as_listed(0x00180020, ["gr", "XX", "SE"]), as_listed(0x00181030, ["Knee"])
    (['GR', '', 'SE'], ['Knee'])
    """
    allowed = _closed_lists().get(tag)
    plain = [value.strip(" \0") for value in values]
    return plain if allowed is None else [value.upper() if value.upper() in allowed else "" for value in plain]


@cache
def coding_schemes() -> Mapping[str, re.Pattern[str]]:
    """Coding schemes whose codes a standard fixes (PS3.16 section 8), with the form of their codes."""
    return {row["designator"]: re.compile(row["form"]) for row in data_rows("coding_schemes.csv")}


def is_code(scheme: str, value: str) -> bool:
    """Whether ``value`` is a code of a scheme that a standard fixes, or has the form of one.

    >>> is_code("SCT", "51185008"), is_code("SCT", "SMITH JOHN"), is_code("99LOCAL", "51185008")
    (True, False, False)
    """
    form = coding_schemes().get(scheme)
    return form is not None and bool(form.fullmatch(value) or (scheme, value) in _meanings())


def code_meanings(scheme: str, value: str) -> Mapping[str, str]:
    """Meanings of a code in the context groups of PS3.16, by themselves in small letters; those of groups first."""
    return _meanings().get((scheme, value), {})


@cache
def _meanings() -> Mapping[tuple[str, str], Mapping[str, str]]:
    from pydicom.sr import _concepts_dict

    concepts: dict[str, dict[str, dict[str, tuple[str, list[int]]]]] = _concepts_dict.concepts  # type: ignore[assignment]
    found: dict[tuple[str, str], dict[str, str]] = {}
    rows = [(scheme, codes) for scheme, names in concepts.items() for codes in names.values()]
    for listed in (True, False):  # those of context groups first, before full names of concepts
        for scheme, value, meaning in (
            (s, v, m) for s, codes in rows for v, (m, cids) in codes.items() if bool(cids) is listed
        ):
            found.setdefault((scheme, value), {})[meaning.casefold()] = meaning
    return found
