"""New UIDs: the same everywhere the old one occurs, not to be traced back without the key (PS3.15 E.3.9, SOP 12)."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from chorus_nb import standards

UID_OF_ANYTHING = 0x0040A124  # UID (0040,A124), the value of a content item: of a class as well as of an object


def names_an_object(tag: int) -> bool:
    """Whether the UID in an attribute is that of one object, a file, a series or a frame of reference (Table E.1-1)."""
    row = standards.ps315_rule(tag)
    return row is not None and "U" in row.basic and tag != UID_OF_ANYTHING


class UidMap:
    """Maps an original UID to its replacement, injectively for all practical purposes.

    ``keyed``: HMAC-SHA256 with the site key, 128 bits of it as a decimal below ``root``; with root ``2.25`` at most 44
    characters. ``ctp``: the unkeyed MD5 of RSNA CTP, bit for bit, to match what a site has sent before.
    """

    def __init__(self, method: str, root: str, key: bytes) -> None:
        self.method = method
        self.root = root
        self._key = key
        self.new = lru_cache(maxsize=65536)(self.ctp if method == "ctp" else self.keyed)

    def __reduce__(self) -> tuple[object, ...]:
        return UidMap, (self.method, self.root, self._key)

    def keyed(self, uid: str) -> str:
        digest = hmac.new(self._key, b"uid:" + uid.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
        return f"{self.root}.{int.from_bytes(digest[:16], 'big')}"[:64]

    def ctp(self, uid: str) -> str:
        digits = str(int.from_bytes(hashlib.md5(uid.encode("utf-8")).digest(), "big"))
        return f"{self.root}.{'9' if digits.startswith('0') else ''}{digits}"[:64]

    def replace(self, value: str, instance: bool = False) -> str:
        """Every UID of a value (``\\`` between them); those that PS3.6 Annex A registers and empty ones stay.

        Of an ``instance`` (:func:`names_an_object`) only those of well-known objects stay: the UID of a class or a
        transfer syntax is no name of it.

        >>> UidMap("ctp", "2.25", b"").replace("1.2.840.10008.1.2")
        '1.2.840.10008.1.2'
        """
        stays = standards.is_well_known_uid if instance else standards.is_registered_uid
        return "\\".join(
            uid if not (bare := uid.strip(" \0")) or stays(bare) else self.new(bare) for uid in value.split("\\")
        )
