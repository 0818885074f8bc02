"""People who do not exist: what of them is planted, and how each of it would be known again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

SYLLABLES = ("zor", "quib", "vex", "thrun", "plok", "wixt", "gorv", "murz", "kluv", "jask")
INVENTED_ROOT = "1.2.826.0.1.3680043.10.1596.999"  # of UIDs that no image has
DAYS_SHIFTED = -37  # odd: the days below are an even number apart, so that no shifted one is another's true one
FIRST_DAY = date(2019, 1, 1)
DAY_FORMS = ("%Y%m%d", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d %b %Y", "%B %d, %Y")
WORDING = (  # how a text says it, behind its own words
    ("name", "{name}"),
    ("number", "MRN {number}"),
    ("date", "seen {day}"),
    ("telephone", "call {telephone}"),
    ("name", "Dr. {family}"),
    ("accession", "order {accession}"),
    ("name of another", "per {physician}"),
    ("number of another", "acct {account}"),
)
SHORT_WORDING = (("number", "{number}"), ("name", "{family}"), ("accession", "{accession}"))
OLD_AGE = "095Y"


class Invented(NamedTuple):
    """A person, the ids the lookup tables give, and the day on which they were seen."""

    serial: int
    family: str
    given: str
    number: str
    accession: str
    telephone: str
    born: str
    seen: date

    @classmethod
    def made(cls, serial: int) -> Invented:
        """The person with this number, from 1 to 999."""
        first, second, third = (SYLLABLES[serial // 10**place % 10] for place in range(3))
        return cls(
            serial=serial,
            family=(first + second + third).title(),
            given=f"{second}{first}ab".title(),
            number=f"Q7{serial:04d}93",
            accession=f"ZK{serial:04d}481",
            telephone=f"617-555-{serial:04d}",
            born=f"{1924 if serial % 2 else 1971}{1 + serial % 12:02d}17",  # one above 89, the other not
            seen=FIRST_DAY + timedelta(days=2 * serial),
        )

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    @property
    def physician(self) -> str:
        """Somebody no element is about: known by nothing but that no list knows the word."""
        return f"{self.family[::-1]}ek".title()

    @property
    def account(self) -> str:
        return f"48-213-{self.serial:03d}"

    @property
    def digits(self) -> str:
        """The telephone, as it stands among a maker's numbers."""
        return re.sub(r"\D", "", self.telephone)

    @property
    def is_old(self) -> bool:
        """Above 89 when seen: neither age nor birth date may be told (Safe Harbor item 3)."""
        return self.born.startswith("1924")

    @property
    def person_id(self) -> int:
        return 700_000 + self.serial

    @property
    def image_occurrence_id(self) -> int:
        return 800_000 + self.serial

    @property
    def shifted(self) -> date:
        return self.seen + timedelta(days=DAYS_SHIFTED)

    def uid(self, number: int) -> str:
        """A UID of this person's; nobody else's begins with the same."""
        return f"{INVENTED_ROOT}.{self.serial}.{number}"

    def day(self, number: int) -> str:
        """The day as one of the forms people write it in."""
        return self.seen.strftime(DAY_FORMS[number % len(DAY_FORMS)])

    def said(self, number: int, *, short: bool = False) -> tuple[str, str]:
        """Kind and text of what a text says of the person; another for each ``number``."""
        every = SHORT_WORDING if short else WORDING
        kind, wording = every[number % len(every)]
        return kind, wording.format(
            **self._asdict(), name=self.name, day=self.day(number), physician=self.physician, account=self.account
        )

    def terms(self) -> Iterator[tuple[str, str]]:
        """Kind and text of what must stand nowhere in the release, in lower case."""
        for kind, text in (("name", self.family), ("name", self.given), ("number", self.number)):
            yield kind, text.lower()
        yield from (
            ("accession", self.accession.lower()),
            ("telephone", self.telephone),
            ("telephone", self.digits),
            ("uid", self.uid(0)[:-1]),
        )
        yield from (("name of another", self.physician.lower()), ("number of another", self.account))

    def says_day(self) -> re.Pattern[str]:
        """Finds the day in any of its forms."""
        forms = (re.escape(self.seen.strftime(form)) for form in DAY_FORMS)
        return re.compile(rf"(?<!\d)(?:{'|'.join(forms)})(?!\d)", re.IGNORECASE)
