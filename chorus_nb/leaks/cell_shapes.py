"""What the text of a cell looks like, whoever it tells of: for tables, where codes, doses and drugs are the rule.

Where descriptions of images are searched (``shapes.py``), what is doubtful goes; here it would take data.
"""

from __future__ import annotations

import base64
import re
from functools import cache

from chorus_nb.leaks.cues import any_of, cues
from chorus_nb.leaks.known import KnownWords, also_named, first_names, words_for
from chorus_nb.leaks.people import stranger_beside, technique_words
from chorus_nb.leaks.shapes import AGE_IN_WORDS, SHAPES, TITLED, digits_in_words, numbers_of_anybody
from chorus_nb.leaks.spellings import month_names, plain
from chorus_nb.leaks.terms import TITLES, vocabulary

ENCODED = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{8,}={0,2}(?![A-Za-z0-9+/=])")
BY_SOMEBODY = re.compile(r"(?<![^\W_])[Bb]y\s+[A-Z]\.\s?([A-Z][^\W\d_]{2,})")
DAY_IN_TEXT = "day"  # the kind of a text that says one and nothing else of anybody
PAIRS = re.compile(r"(?<![^\W_])[0-9A-Fa-f]{2}(?:[ :-]?[0-9A-Fa-f]{2}){4,}(?![^\W_])")
SPELLS = re.compile(r"[A-Za-z]{3}|\d{4}")
FURTHER = {
    "address": re.compile(
        r"(?<![\d.])\d{1,5}\s+(?:[nsew]\.?\s+)?(?:(?!(?:the|on|of|in|and|to|miles?|min)\s)[^\W\d_]+\s+){1,3}(?:street|avenue|boulevard|blvd|road|lane)(?![^\W_])|"
        r"(?<![^\W_])zip(?:\s?code)?[\s:#=]{1,3}\d{5}(?:-\d{4})?(?!\d)"
    ),
    "text in escaped letters": re.compile(
        r"[%=][c-f][0-9a-f](?:[%=][89ab][0-9a-f])+|(?:%[c-f][0-9a-f]){3,}|&#(?:\d{4,5}|x[0-9a-f]{3,5})(?![0-9a-f])|"
        r"(?:[%=][0-9a-f]{2}){4,}|(?:&#\d{2,3};){3,}|(?:\\[ux][0-9a-f]{2,4}){3,}"
    ),
    "number in words": re.compile(digits_in_words()),
    "phone number": re.compile(
        r"(?<![^\W_])(?:call|cell|phone|ph|tel|mobile|fax)(?:ed)?(?:\s(?:at|on|no))?[\s:.#]{1,3}\d{3}[-. ]\d{4}"
        r"(?![^\W_]|-)"
    ),
    "end of a number": re.compile(
        r"(?<![^\W_])(?:last\s(?:4|four)|(?:ssn?|mrn|account|acct|card|number|phone)\s?#?\s(?:is\s)?ending)(?:\s(?:in|with|digits))*[\s:#]{1,3}\d{4}(?!\d)"
    ),
    "number of a person": re.compile(
        r"(?<![^\W_])(?:passport|imei|iban|medicaid|medicare)(?:\s?(?:no|nr|number|id|#))?[\s.:#=-]{0,3}(?=[a-z]{0,4}\d)(?:[a-z0-9]{2,}[\s-]?){1,8}\d|"
        r"(?<![^\W_])[a-z]{2}\d{2}(?:\s?\d{4}){3,}"
    ),
    "place on a map": re.compile(r"(?<![\d.])-?\d{2}\.\d{4,}\s?°?\s?[ns]?,\s?-?\d{2,3}\.\d{4,}(?!\d)"),
    "device address": re.compile(r"(?<![^\W_:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![^\W_:-])"),
    "web address": re.compile(
        r"(?<![\w/.@-])www\.[\w-]+\.\w|(?:facebook|fb|instagram|linkedin|tiktok|twitter|youtube)\.com/[@\w]|"
        r"(?<![^\W_])(?:facebook|instagram|insta|snapchat|tiktok|twitter|whatsapp|telegram|skype)(?::\s?|\s)@?[a-z]\w*[\d_.]\w|"
        r"(?<![^\W_])(?:facebook|instagram|insta|snapchat|tiktok|twitter|telegram)\s@[a-z]\w{2,}"
    ),
    "e-mail address": re.compile(
        r"[\w.+-]{2,}\s?(?:\[at\]|\(at\)|\{at\})\s?[\w-]{2,}|(?<![^\W_])\w+\s(?:dot\s\w+\s)?at\s\w+\sdot\s(?:com|org|net|edu)(?![^\W_])|"
        r"(?<![^\W_])e-?mail(?:\s(?:is|address))?[\s:=]{1,3}[\w.+-]{2,}@[\w-]{2,}"
    ),
    "age over 89": re.compile(
        r"(?<![^\W_])(?:(?:nonagen|centen)arian|(?:turn(?:s|ed|ing)|age\sof|(?:pt|patient|s?he)\sis)\s(?:9\d|1[01]\d)"
        r"(?![^\W_]|[.,]\d|\s?(?:kg|lbs?|cm|%|degrees|mm|min|ml|bpm|and\s(?:older|over|above))|\s?\+)|"
        r"(?:(?:age|aged)[\s:=]{1,3}|(?:pt|patient|s?he)\sis\s)ninety(?:[\s-][a-z]+)?|"
        r"ninety(?:[\s-][a-z]+)?[\s-](?:years?|yrs?)[\s-]old)(?![^\W_])"
    ),
    "letters of two scripts in a word": re.compile(r"[a-z][\u0430-\u045f]|[\u0430-\u045f][a-z]"),
}
"""What else in a cell tells somebody, in plain letters; no code and no dose is written so."""
WITH_INITIAL = re.compile(
    r"(?<![^\W_])(?:([A-Z][^\W\d_]{4,}), ?[A-Z]\.?|[A-Z]\.? ([A-Z][^\W\d_]{4,})),? "
    r"(?:RN|LPN|CNA|NP|PA-C|MD|DO|R\.N\.|M\.D\.)(?![^\W_])"
)
"""A name with an initial before a degree: ``Nightingale, F RN``."""
WHO_DID_IT = re.compile(
    r"(?<![^\W_])(?:(?:user(?:name|id)|login|logged\s+in\s+as)[\s:=]{1,3}(?P<called>[^\W\d_]{3,})\d{0,4}|"
    r"(?:(?:approv|chart|collect|creat|dictat|document|edit|enter|fax|modifi|order|record|review|scann|sign|transcrib|typ|"
    r"updat|upload|verifi|witness)ed|drawn)\s+by[\s:=]{1,3}[^\W\d_]{3,}(?P<number>\d{1,4}))(?![^\W_])",
    re.IGNORECASE,
)
"""What somebody logs in with: ``signed by jdoe2``."""
NAMED_AS = re.compile(
    r"(?i:(?<![^\W_])(?:(?:pt|patient)(?:['’]?s)?\s(?:(?:first|last)\s)?name|poa|nok|proxy|guardian|attending|resident|"
    r"surgeon|provider|pcp)\s?(?:is|:|=)\s*(?:dr\.?\s)?|"
    r"(?<![^\W_])(?:case\s(?:manager|worker)|landlord|roommate|social\sworker)(?:\s?[:=]|\sis)\s?|"
    r"(?<![^\W_])(?:chaplain|imam|interpreter|nok|pastor|poa|priest|rabbi)[\s:=]{1,2}(?!(?-i:\w*(?:ed|ing|ion|ment)(?![^\W_]))))"
    r"([A-Z][^\W\d_]{2,})(?![^\W_])"
)
LIVES = re.compile(
    r"(?<![^\W_])(?:[Ll]iv(?:es?|ed|ing)\s(?:in|at|near)|(?:[Bb]orn|[Rr]aised|[Gg]rew\sup)\sin|[Rr]esid(?:es?|ed|ing|ent)\s(?:in|at|of)|"
    r"(?:[Ww]orks?|[Ww]orked|[Ww]orking|[Ee]mployed)\s(?:at|for|by)|(?i:employer\s?[:=]))\s(?:the\s)?"
    r"(?!\w*(?:ed|ing)(?![^\W_])|(?:Self|None|Student|Unknown|Other)(?![^\W_]))([A-Z][^\W\d_]{3,})(?![^\W_])"
)
"""A town or a house that somebody lives or works in; where every word has a capital, one tells nothing."""
OF_HL7 = re.compile(r"(?<![^\W_])([^\W\d_]['’\w-]+)\^([^\W\d_]['’\w-]+)(?![^\W_])")
WITH_DEGREE = re.compile(r"(?<![^\W_])([^\W\d_]{4,}),\s?(?:md|rn|np|lpn|pa-c|m\.d\.|r\.n\.)(?![^\W_])")
"""In small letters: ``zhivago, md``."""
# behind a town; without CT, PA, OR, IN and ME, which stand before codes in texts of medicine (Head CT 70450)
_STATE = "A[KLRZ]|C[AO]|D[CE]|FL|GA|HI|I[ADL]|K[SY]|LA|M[ADINOST]|N[CDEHJMVY]|O[HK]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
AS_WRITTEN = {
    "address": re.compile(
        rf"(?:[A-Z][a-z]{{2,}}|,)\s+(?:{_STATE})\.?,?\s+\d{{5}}(?:-\d{{4}})?(?![^\W_])|"
        r"(?<![^\W_])[A-Z]\d[A-Z] \d[A-Z]\d(?![^\W_])|"
        r"(?<![^\W_]|[.,])\d{1,5}[A-Za-z]?,?\s+(?:[NSEW]\.?\s+)?(?:[A-Z][a-z’']+\s+){1,3}"
        r"(?:St|Ave|Rd|Dr|Ln|Blvd|Pkwy|Hwy|Pl|Ter|Way)(?![^\W_])|"
        r"(?i:(?<![^\W_])(?:p\.?\s?o\.?\s?box\s*\d|apt\.?\s*#?\s*\d+[a-z]?(?![^\W_])))"
    ),
    "network address": re.compile(
        rf"(?<![^\W_]|\.)(?:[1-9]\d|1\d\d|2[0-4]\d|25[0-5])(?:\.{_BYTE}){{3}}(?!\.?\d)(?![^\W_])"
    ),
    "age over 89": re.compile(
        r"(?i)(?<![^\W_])aged?[\s:=~≈(\[]{1,3}(?:9\d|1[01]\d)(?![^\W_]|[.,]\d|\s?[+%-]|\s(?:to|and)(?![^\W_]))|"
        r"(?<![\d.,-])(?<![<>≥≤]\s)(?<![<>≥≤])(?:9\d|1[01]\d)\s?-?\s?(?:yrs?|years?)(?:[\s-]+old)?(?![^\W_])"
        r"(?!\s+(?:and\s+)?(?:or\s+)?(?:older|over|above))|"
        r"(?:\A|(?<![^\W_])(?:an?|is|patient|pt)\s)(?:9\d|1[01]\d)(?:\s?y\.?/?o\.?\s?[FM]|(?<=9[0-7])F|\s?M)\s(?=(?:admitted|brought|c/o|found|from|h/o|here|hx|p/w|pmh|present(?:s|ed|ing)|"
        r"s/p|transferred|w/|was|who|with)(?![^\W_]))"
    ),
}
"""And this, where capitals count: none is in 13,451 cells of OMOP's demo data or in 16,023 descriptions of images."""


@cache
def days_in_full() -> tuple[re.Pattern[str], ...]:
    """A day with its year, in plain letters; not what a version or a score may be (``1.2.10``, ``5-5-10``)."""
    day, month, year = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
    names = {plain(name) for each in month_names().values() for name in each}
    named = "(?:" + "|".join(sorted(names, key=lambda name: (-len(name), name))) + ")"
    sign, of, ends = r"[\s.,/_-]{0,3}", r"(?:(?:of|de|del)\s)?", r"(?!\d|[.,/-]\d)"
    forms = (
        rf"(?<![\d.,/-]){year}([-/.]){month}\1{day}{ends}",
        rf"(?<![\d.,/-])(?:{day}([-/.]){month}|{month}([-/.]){day})(?:\1|\2){year}{ends}",
        rf"(?<![\d.,/-])(?:{day}/{month}|{month}/{day})/\d\d{ends}",
        rf"(?<![^\W_]|[.,]){day}(?:st|nd|rd|th|er)?{sign}{of}{named}{sign}{of}(?:{year}|['’]\d\d)(?![^\W_])",
        rf"(?<![^\W_]){named}{sign}{day}(?:st|nd|rd|th)?(?:{sign}['’]\d\d|[\s.,/_-]{{1,3}}{year})(?![^\W_])",
    )
    return tuple(map(re.compile, forms))


def shape_of_text(text: str) -> str:
    """The kind of identifier that a short text holds, whoever's it is; "" where none."""
    for kind, (severity, pattern) in SHAPES.items():
        if severity == "high" and pattern.search(text):
            return kind
    if any(map(str.isdigit, text)) and any(form.search(plain(text)) for form in numbers_of_anybody()):
        return "number of a person"
    if found := next((kind for kind, form in FURTHER.items() if form.search(plain(text))), ""):
        return found
    if found := next((kind for kind, form in AS_WRITTEN.items() if form.search(text)), ""):
        return found
    if any(map(_spells, (*PAIRS.findall(text), *filter(_is_base64, ENCODED.findall(text))))):
        return "text in other signs"
    if AGE_IN_WORDS.search(text):
        return "age over 89"
    if _names_a_relative(text):
        return "name of somebody's relative"
    if any(words_of_package().unknown(found[1]) for found in BY_SOMEBODY.finditer(text)):
        return "name behind an initial"
    unknown = words_of_package().unknown
    if any(found["number"] or unknown(found["called"]) for found in WHO_DID_IT.finditer(text)):
        return "name of who did it"
    behind = (*WITH_INITIAL.findall(text), *((word, "") for word in WITH_DEGREE.findall(text)))
    if any(unknown(first or second) for first, second in behind):
        return "name beside a degree"
    if any(_is_named(name) and plain(name) not in cues("language") for name in NAMED_AS.findall(text)):
        return "name behind a label"
    if any(unknown(where) for where in LIVES.findall(text)):
        return "where somebody lives or works"
    if any(
        all(_is_named(word) and plain(word) not in technique_words() for word in name) for name in OF_HL7.findall(text)
    ):
        return "name as HL7 writes it"
    if stranger_beside(text, words_of_package().unknown):
        return "name beside a title"
    names = ((found[1] or found[2]).lower() for found in TITLED.finditer(text))
    if any(name not in vocabulary() and name not in TITLES for name in names):
        return "name after a title"
    has_day = any(map(str.isdigit, text)) and any(form.search(plain(text)) for form in days_in_full())
    return DAY_IN_TEXT if has_day else ""


def _is_named(written: str) -> bool:
    name = plain(written)
    return also_named(name) == "common" or name in first_names() or bool(words_of_package().unknown(written))


@cache
def words_of_package() -> KnownWords:
    """What the package itself knows, whatever a site decided."""
    return KnownWords()


@cache
def _beside_a_relative() -> re.Pattern[str]:
    """A word for a relative, or for a talk with somebody, and the word behind it."""
    cue = f"(?:(?P<noun>{any_of('relative noun')})|(?P<word>{any_of('relative')}))"
    between = r"(?:\s*[:,(=]\s*|\s+(?:named\s+|is\s+|of\s+)?|'s\s+name\s+is\s+)"
    return re.compile(rf"(?<![^\W_])(?=[^\W\d_]){cue}(?={between}(?P<who>[^\W\d_]{{2,}}))", re.IGNORECASE)


def _names_a_relative(text: str) -> bool:
    """Whether a name stands behind such a word: a first name, or a capital where the word has none (``son Hieu``)."""
    if any(
        words_of_package().unknown(found[1]) or plain(found[1]) in first_names()
        for found in _before_a_relative().finditer(text)
    ):
        return True
    for found in _beside_a_relative().finditer(text):
        who, written = plain(found["who"]), found["who"]
        if who in first_names() and not written.islower():
            return True
        told = found["noun"] or found["word"][0].islower()  # nouns of German have a capital
        if not told or not written.istitle() or len(who) < 3 or who in words_for("organisations"):
            continue
        if also_named(who) == "common" or words_of_package().unknown(written):
            return True
    return False


@cache
def _before_a_relative() -> re.Pattern[str]:
    """A name and behind it, in brackets, whose it is: ``Thessaly (wife)``."""
    return re.compile(
        rf"(?<![^\W_])([A-Z][^\W\d_]{{2,}})\s*[(\[](?i:{any_of('relative noun')}|{any_of('relative')})[)\]]"
    )


def _is_base64(run: str) -> bool:
    """Whether a run of letters is no word of eight: filled up at its end, or long and of both cases and digits."""
    return run.endswith("=") or (len(run) > 11 and not run.isupper() and any(map(str.isdigit, run)))


def _spells(run: str) -> bool:
    """Whether a run of hexadecimal digits or Base64 says a word or a long number, and nothing that nobody can read."""
    bare = re.sub(r"[ :-]", "", run)
    said = "" if bare.isdigit() else out_of_signs(bare).decode("utf-8", "replace")
    return said.isascii() and SPELLS.search(said) is not None


def out_of_signs(text: str) -> bytes:
    """What a run of Base64 or of hexadecimal digits says, if that can be read."""
    try:
        bare = text.rstrip("=")
        is_hexadecimal = len(bare) % 2 == 0 and re.fullmatch(r"[0-9A-Fa-f]+", bare)
        said = bytes.fromhex(bare) if is_hexadecimal else base64.b64decode(bare + "=" * (-len(bare) % 4))
        return said if said.decode().isprintable() else b""
    except ValueError:
        return b""
