"""Whether a text may hold a password or a key, which belongs into an environment variable."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

HARMLESS_OPTIONS = frozenset(
    ("application_name", "charset", "connect_timeout", "driver", "encrypt", "options", "sslmode", "timeout")
)
"""Options of a URL that are known to hold no secret; any other has to be in an environment variable."""
USERS_BY_SCHEME = re.compile(r"(abfss?|az|sftp|ssh|(mssql|mysql|mariadb|oracle|postgresql)(\+\w+)?)://")


def may_hold_secret(value: str) -> bool:
    """Whether a URL has a place for a secret that is not empty, or a text names one, as connection strings do.

    >>> may_hold_secret("postgresql://ada@db/omop?sslmode=require"), may_hold_secret("https://x.net/y?sig=1")
    (False, True)
    >>> may_hold_secret("az://c/x%3Fsv=1%26sig%3Dab"), may_hold_secret("s3://b/50%25 dose/x=1")
    (True, False)
    """
    if re.search(
        r"(?i)(password|pwd|passwd|secret|token|credential|signature|(account|access|api)_?key)\s*[=:]|\bbearer\s|%(3f|26)\w+(=|%3d)",
        value,
    ):
        return True
    if value.startswith("env:"):
        return not re.fullmatch(r"env:\w+", value)
    if "://" not in value and not value.startswith("//"):
        return False
    _, _, rest = value.partition("//")
    user = "@" in rest.split("/")[0] and not USERS_BY_SCHEME.match(value)
    options = {name.lower() for name, _ in parse_qsl(urlsplit(value).query, keep_blank_values=True)}
    return bool(user or re.search(r":[^@]*@", rest) or options - HARMLESS_OPTIONS or "#" in rest or ";" in rest)
