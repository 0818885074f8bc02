"""The shapes that tell an identifier in free text, each with its kind; a table, so lines may be long."""

from __future__ import annotations

from typing import NamedTuple

from chorus_nb.identity.identifiers import START, STOP

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
NAME = r"(?-i:[^\W\d_][\w'’-]*)"
GIVEN = r"(?-i:[A-ZÀ-Þ][\w'’-]+)"
LABEL = (
    r"(?:mrn|mr\s*#|pid|pat(?:ient)?\s*(?:id|no|number|#)|acc(?:ession)?(?:\s*(?:no|number|#))?|acct|account|ssn|csn|"
    r"visit\s*(?:no|#)|case\s*(?:no|#)|order\s*(?:no|#)|tel|phone|ph|fax|mobile|cell|pager|room|rm|bed|id(?=\W*\w*\d{4}))"
)


class Pattern(NamedTuple):
    """A shape that tells an identifier; ``written`` takes its place."""

    kind: str
    shape: str
    written: str = ""
    unless_clinical: bool = False  # stays where the word that looks like a name is one of anatomy or technique


# Before the patient's own identifiers are looked for, which would tear these apart.
ADDRESSES = (
    Pattern("e-mail", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    Pattern("url", r"(?:https?|ftp|file)://\S+|www\.\S+"),
)
# Order matters: the longer and surer shape first.
PATTERNS = (
    Pattern("ip address", r"(?<![\w.])(?:[1-9]\d|1\d\d|2\d\d)(?:\.\d{1,3}){3}(?![\d.])"),
    Pattern("social security number", r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"),
    Pattern("birth date", rf"{START}(?:dob|d\.o\.b\.?|born(?:\s+on)?|birth\s*date|date\s+of\s+birth)\s*[:=]?\s*(?=\S)"),
    Pattern("date", r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[_T -]?\d{6}(?:\.\d+)?)?(?!\d)"),
    Pattern("date", r"(?<![\w.])(?:19|20)\d\d([-./])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"),
    Pattern("date", r"(?<![\w.])(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|[12]\d|3[01])\1(?:(?:19|20)\d\d|\d\d)(?![\w.])"),
    Pattern("date", rf"{START}(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?[\s.-]*{MONTH}[\s.,'-]*(?:(?:19|20)\d\d|\d\d){STOP}"),
    Pattern("date", rf"{START}{MONTH}\.?[\s-]*(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?[\s,'-]+(?:(?:19|20)\d\d){STOP}"),
    Pattern("date", rf"{START}{MONTH}\.?[\s,-]*(?:19|20)\d\d{STOP}"),
    Pattern("date", rf"{START}(?:on\s+)?{MONTH}\s+(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th){STOP}"),
    Pattern("phone", r"(?<![\w.])(?:\+?\d{1,3}[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?:\s*(?:x|ext\.?)\s*\d+)?(?!\w)"),
    Pattern("phone", r"(?<![\w.])\d{3}-\d{4}(?:-\d{2})?(?![\w.])|(?<![\w.])\+\d[\d\s().-]{7,}\d(?!\w)"),
    Pattern("labelled number", rf"{START}{LABEL}\s*[:#=]?\s*#?\s*(?=[\w-]*\d{{2}})[\w-]+"),
    Pattern("address", rf"(?<!\w)\d{{1,5}}\s+(?:{GIVEN}\s+){{1,3}}(?:st(?:reet)?|ave(?:nue)?|r(?:oa)?d|blvd|lane|ln|drive|court|way|place|pkwy){STOP}\.?"),
    Pattern("address", r"(?<!\w)(?-i:[A-Z]{2})\s+\d{5}(?:-\d{4})?(?!\w)"),
    Pattern("ordered for", rf"(?:ordered|requested|performed|read|dictated|reported|signed)\s+(?:for|by)\s+(?:(?:dr|prof)\.?\s*)?{NAME}(?:\s+(?!by\b){GIVEN})*(?:\s+by\s+(?:(?:dr|prof)\.?\s*)?{NAME}(?:\s+{GIVEN})*)?"),
    Pattern("name after a title", rf"{START}(?-i:Drs?|Prof|Mr|Mrs|Ms|Miss|MRS|MISS|PROF|dr|Doctor|Nurse)(?:\.\s*|\s+)(?P<who>{GIVEN}(?:[\s-]+{GIVEN})?)", unless_clinical=True),
    Pattern("name after a title", rf"{START}(?-i:DRS?)(?:\.\s*|\s+)(?P<who>{GIVEN})", unless_clinical=True),
    Pattern("name after a label", rf"{START}(?:(?:patient|pt)(?:'s)?(?:\s+name)?|name)\s*[:=]\s*(?P<who>{NAME},\s*{GIVEN}|{NAME}(?:[\s^]+{GIVEN})?)", unless_clinical=True),
    Pattern("number", r"(?<![\w.])(?=[A-Za-z-]*\d)[A-Za-z]{0,4}-?\d{6,}(?![\w.])|(?<!\d)\d{7,}(?!\d)"),
    Pattern("age over 89", rf"{START}(?:9\d|1[0-2]\d)[\s-]*(?:y(?:ea)?rs?(?:[\s-]+old)?|yo|y/o|y)(?![^\W_])", "90+ years"),
)  # fmt: skip
