"""What only a person may say, in the moment it is done: their name, or what they have just read.

Run All, papermill or a script run the cells that sign, withdraw or upload as any other; they then ask, and where nobody
answers nothing is done. What was written into a cell yesterday says nothing today.
"""

from __future__ import annotations

import re

from chorus_nb.errors import InputError

NO_NAMES = frozenset(
    (
        *("your", "my", "name", "names", "here", "reviewer", "user", "username", "who", "me", "todo", "tbd", "none"),
        *("null", "nobody", "anonymous", "anon", "test", "example", "placeholder", "first", "last", "full"),
        *("x", "xx", "xxx"),
    )
)
"""Words of which a name does not consist alone: they stand where a name is to be filled in."""


def person_name(text: str) -> str:
    """``text`` without blanks around it; :class:`InputError` if it is empty or only stands for a name."""
    words = re.findall(r"\w+", text.casefold().replace("n/a", "none").replace("_", " "))
    if not words or NO_NAMES.issuperset(words):
        raise InputError("say who decides: a decision has a person's name, not what stands in its place")
    return text.strip()


def asked(prompt: str) -> str:
    """What a person at the keyboard answers now, "" where nobody can."""
    try:
        return input(prompt).strip()
    except (EOFError, NotImplementedError, OSError):  # no terminal; a kernel that was told that nobody is there
        return ""


def name_given(deed: str) -> str:
    """The name of the person who does ``deed`` now, "" if nobody does; :class:`InputError` for a placeholder."""
    answer = asked(f"Your name, to {deed} (leave empty to do nothing): ")
    return person_name(answer) if answer else ""


def repeated(token: str, deed: str) -> bool:
    """Whether a person repeats ``token``, which they can only have from what they see now."""
    return bool(token) and asked(f"Type {token} to {deed} (leave empty to do nothing): ") == token
