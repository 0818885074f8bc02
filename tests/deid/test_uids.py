"""New UIDs are valid, always the same for one key, different for another, and never those of the Standard."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chorus_nb.deid.uids import UidMap

UIDS = st.lists(st.integers(0, 10**9), min_size=2, max_size=8).map(lambda parts: "1." + ".".join(map(str, parts)))
KEYED = UidMap("keyed", "2.25", b"k" * 32)


def test_ctp_uids_are_those_of_the_official_chain_bit_for_bit() -> None:
    ctp = UidMap("ctp", "1.2.826.0.1.3680043.10.1596", b"")
    assert (
        ctp.replace("2.25.177411318704486204625893609836711622998")
        == "1.2.826.0.1.3680043.10.1596.184314812678071272932037385130003004"
    )


@given(st.lists(UIDS, unique=True, min_size=2, max_size=50))
def test_different_uids_stay_different_and_valid(uids: list[str]) -> None:
    new = [KEYED.replace(uid) for uid in uids]
    assert len(set(new)) == len(uids)
    assert all(
        re.fullmatch(r"[0-2](\.(0|[1-9][0-9]*))+", uid) and len(uid) <= 44 and uid.startswith("2.25.") for uid in new
    )


@given(UIDS)
def test_another_key_gives_other_uids_and_a_pickled_map_the_same(uid: str) -> None:
    assert KEYED.replace(uid) == pickle.loads(pickle.dumps(KEYED)).replace(uid)
    assert KEYED.replace(uid) != UidMap("keyed", "2.25", b"other key of the site").replace(uid)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.6.1.502", ""])
def test_uids_of_the_standard_stay(uid: str) -> None:
    assert KEYED.replace(uid) == uid


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.1.2.19700203.7", "1.2.840.10008.6.1.9999999", "1.2.840.10008", "1.2.840.10008.6.1.0502"]
)
def test_a_uid_below_the_root_of_the_standard_that_is_not_registered_is_replaced(uid: str) -> None:
    assert KEYED.replace(uid) == KEYED.new(uid)


def test_every_part_of_a_value_is_mapped_by_itself() -> None:
    assert KEYED.replace("1.2.3\\1.2.840.10008.1.1\\1.2.4") == "\\".join(
        (KEYED.new("1.2.3"), "1.2.840.10008.1.1", KEYED.new("1.2.4"))
    )


def test_padding_does_not_make_another_uid() -> None:
    assert KEYED.replace("1.2.3\0") == KEYED.replace("1.2.3")
