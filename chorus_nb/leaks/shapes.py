"""What a text looks like, whoever it is about: dates, ages, phones, labelled numbers, names beside a title.

No shape ends because a full stop, comma or bracket follows. The words that give a shape away are data (cues.csv,
months.csv), in the five languages that a US site meets.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Literal

from chorus_nb.leaks.cues import any_of
from chorus_nb.leaks.known import also_named, anatomy_words
from chorus_nb.leaks.people import ALONE, ENDS, full_name, names_beside, surname
from chorus_nb.leaks.spellings import month_names, plain

Severity = Literal["high", "medium", "low", "info"]
Said = tuple[Severity, str]

SHAPES: dict[str, tuple[Severity, re.Pattern[str]]] = {
    "e-mail address": ("high", re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", re.IGNORECASE)),
    "social security number": ("high", re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)")),
    "phone number": ("high", re.compile(r"(?<!\d)(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?!\d)")),
    "web address": ("medium", re.compile(r"https?://|www\.\w", re.IGNORECASE)),
    "network address": ("low", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")),
    "record number": ("high", re.compile(r"\b(?:MRN|SSN|PAT(?:IENT)? ?ID)\W{0,3}\d{3,}", re.IGNORECASE)),
    "date of birth": ("high", re.compile(r"\b(?:DOB|BORN|BIRTH ?DATE)\W{0,3}\d", re.IGNORECASE)),
    "date": ("medium", re.compile(r"(?<!\d)(?:19|20)\d{2}([-/._])(?:0\d|1[0-2])\1[0-3]\d(?!\d)")),
}
"""Shapes that tell in any text, also one read from a picture."""
TITLED = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof)\.? +([A-Z][a-z]{2,}|[A-Z]{3,})|\b(?:DR|MR|MRS|MS)\. *([A-Z][A-Za-z]{2,})")

_IN_CAPITALS = {  # as they are written
    "date": re.compile(
        r"(?<![^\W_])(?:Mar|May|Dec|Mai|Set|Out)[.,]?[\s-]{1,2}(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
        r"(?![^\W_]|[.,]\d|\s?(?:mm|cm|ms|s|x|%|deg|kv|ml)(?![^\W_]))"
    ),
    "room": re.compile(
        r"(?<![^\W_])(?:(?:[Rr]m|[Rr]oom|ROOM) [A-Z](?![^\W_])|"
        r"(?:rm|Rm)[\s.:#_-]*\d{1,4}[A-Za-z]?\d{0,2}(?![^\W_]|[.,]\d|\s?(?:mm|cm|ms|T|x|%))|"
        r"E[RD][\s#]{0,2}\d{1,2}(?![^\W_]|[.,]\d|\s?(?:views?|mm|cm|ms|s|x|%|-|/|\d))|"
        r"(?<!\d )OR[\s#-]{1,2}\d{1,2}(?![^\W_]|[-/]|\s?(?:views?|mm|cm|ms|s|x|%|\d))|\d{3,4}-?[A-D](?![^\W_]))"
    ),
    "number of a person": re.compile(
        r"(?<![^\W_])(?:(?!T[EIRD]|FA|BW|SE|IM|SL|KV|MA)[A-Z]{2} \d\d[1-46-9] [A-Z]{2}|[A-Z]{2}-\d{3}-[A-Z]{2}|"
        r"[A-ZÄÖÜ]{1,3}-[A-Z]{1,2}[ -]\d{3,4})(?![^\W_]|\s?(?:mm|cm|ms|s|kv|x|%))"
    ),
}


_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_ORDINAL = (
    r"(?:(?:(?:twenty|thirty)[\s-]?)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|"
    r"twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth)"
)
_ALONE, _ENDS = ALONE, ENDS
_NUMBER_ENDS = r"(?!\d|[.,]\d)"


def _no_technique() -> str:
    """That what follows is no value of a parameter of technique: ``TR 2000``."""
    names = ("te", "tr", "ti", "td", "b", "bw", "venc", "hu", "wl", "ww", "bval", "bvalue")
    return "".join(f"(?<!{name}{sign})" for name in names for sign in ("", " ", "=", ":", "_"))


def _dates() -> list[str]:
    names = sorted(
        {plain(name) for each in month_names().values() for name in each}, key=lambda name: (-len(name), name)
    )
    full = "(?:" + "|".join(name for name in names if len(name) > 4) + "|march|may|june|july|juni|juli|juin|juil)"
    month = "(?:" + "|".join(names) + ")"
    sign = r"(?:[^\w*×+%<>&@$]|_)"  # whatever parts the words and numbers of a date
    near, apart = (
        rf"(?:{sign}{{0,2}}(?:de|del|of)\s{{1,2}}|{sign}{{0,4}})",
        rf"(?!\.\.){sign}{{1,3}}",
    )  # not 1..56
    by_name = rf"(?:{sign}{{0,2}}(?:de|del|of)\s{{1,2}}|{sign}{{1,4}})"
    day, year = rf"{_DAY}(?:st|nd|rd|th|er|[º°ª])?", rf"(?:{_YEAR}|['’]?\d\d)"
    no_unit = r"(?!\s?(?:mm|cm|ms|s|sec|min|deg|t|x|ml|kv|views?|v|%)(?![^\W_]))"
    no_word = rf"(?!(?:set|out|mar|may|mai|mars|dec)(?![^\W\d_])){month}"
    dotted = r"0[1-9]\.|(?:[12]\d|3[01])\.0[1-9](?!\d)"  # as no decimal of technique is
    alone = rf"(?<![^\W_])(?<!\d[ _.,/–-])(?!(?!{dotted})\d+\.\d+[\s_]|\d+[\s_]+(?!0[1-9]\.)\d+\.\d)"
    no_more = r"(?![^\W_]|[.,]\d|[ _/–-]\d|\s?(?:(?:mm|cm|ms|s|sec|min|deg|kv|kev|ml|hz|x)(?![^\W_])|%))"
    return [
        rf"(?<!\d){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[\s_t-]?\d{{4,6}})?(?!\d)",
        rf"(?<!\d){_YEAR}{apart}{_MONTH}{apart}{_DAY}(?!\d)|(?<!\d){_YEAR}{sign}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
        rf"(?<![^\W_])(?<!\d[.,])(?:{_DAY}{apart}{_MONTH}|{_MONTH}{apart}{_DAY}){apart}{_YEAR}{_NUMBER_ENDS}{_ENDS}",
        rf"(?<![\d.])(?:{_DAY}([-/.]){_MONTH}|{_MONTH}([-/.]){_DAY})(?:\1|\2)(?:{_YEAR}|\d\d){_NUMBER_ENDS}",
        rf"{alone}(?:{_DAY}{apart}{_MONTH}|{_MONTH}{apart}{_DAY}){apart}['’]?\d\d{no_more}|{alone}\d\d{apart}{_MONTH}{apart}{_DAY}{no_more}",
        rf"(?<![^\W_])(?<!\d[ _.,-])(?:{_DAY}([ _]{{1,2}}){_MONTH}|{_MONTH}([ _]{{1,2}}){_DAY})(?:\1|\2)\d\d{no_more}",
        rf"{_ALONE}{_DAY}([./-])(?:vi{{0,3}}|ix|iv|x?i{{1,2}}|iii|x)\1(?:{_YEAR}|\d\d)(?!\d|[.,]\d)",
        rf"(?<![^\W_])(?<!\d[ _.,/–-])(?:{_DAY}\.{_MONTH}|{_MONTH}\.{_DAY})__\d\d{no_more}",
        rf"(?<![^\W_])(?<!\d[ _.,/–-]){_DAY}_{_MONTH}\.(?!25|50|75)\d\d(?!_){no_more}",
        rf"{_ALONE}{day}{near}{month}(?:{near}{year}{no_unit}{_NUMBER_ENDS})?{_ENDS}",
        rf"{_ALONE}{month}{near}{day}(?:{by_name}{year}{no_unit}|['’]\d\d){_NUMBER_ENDS}{_ENDS}",
        rf"{_ALONE}(?:{_YEAR}{near}|['’]\d\d{near}|\d\d{by_name}){month}(?:{near}{day})?{_ENDS}",
        rf"{_ALONE}{month}(?:{near}{_YEAR}|{near}['’]\d\d){_ENDS}|{_ALONE}{no_word}{near}\d\d{no_unit}{_NUMBER_ENDS}{_ENDS}",
        rf"{_ALONE}(?:{full}|{no_word})[.,;:)\]]?[\s-]{{1,2}}{_DAY}(?:st|nd|rd|th)?{no_unit}{_NUMBER_ENDS}{_ENDS}(?!\s?(?:hz|kev|hu))",
        rf"(?<![^\W_])['’]\d\d{_ENDS}|(?<![\d/.-])(?:0?[1-9]|1[0-2])[/\\_–-]{_YEAR}{_NUMBER_ENDS}|(?<![\d/.-]){_YEAR}[/.\\_–-](?:0[1-9]|1[0-2])(?!\d|\.\d)",
        rf"{_ALONE}{_YEAR}[\s_-]?[wq]\d\d?{_ENDS}|{_ALONE}q[1-4][\s/_-]{{0,2}}(?:{_YEAR}|['’]\d\d){_ENDS}|{_ALONE}(?:[kc]w\s?\d\d?\s?[/–-]\s?\d\d|\d\d?\.?\s?kw\s?/?\s?\d\d){_ENDS}",
        rf"{_no_technique()}(?<![\d.*x×]){_YEAR}(?!\d|[.,]\d|\s?(?:ms|s|mm|hu|x|%|\*|×|ml|mg|gy|hz|kv|deg|ma|mas|px)\b)",
        rf"{_ALONE}{any_of('before a day')}[.:]{{0,2}}\s+(?:{_DAY}[/.-]{_MONTH}|{_MONTH}[/-]\d\d)(?![\d/-]|\.\d)",
        r"(?<![\d/.-])(?!\d/([2-4])\s?-\s?\d/\1(?!\d))\d\d?/\d\d?\s?[-–]\s?\d\d?/\d\d?(?![\d/])",
        r"(?<![^\W_]|[./-])(?:(?:0?[1-9]|1[0-2])/(?:1[3-9]|2\d|3[01])|0[1-9]/\d\d?)(?![^\W_]|[/-]|\.\d)",
        r"(?<![^\W_]|[./-])\d\d?/\d\d?[.,;:)\]]?\s+(?:\d\d?:\d\d|[0-2]\d[0-5]\d\s?h(?:rs?)?(?![^\W_]))",
        rf"{_ALONE}(?:{full}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)-\d\d{_ENDS}",
        r"(?<![^\W_]|[.,-])(?:(?:1\d|2\d|3[01])\.\s?(?:0?[1-9]|1[0-2])|0?[1-9]\.\s?(?:0[1-9]|1[0-2])|0[1-9]\.\s?[1-9])\.(?![^\W_]|\.)",
        rf"{_ALONE}(?:jan|feb|apr|jun|jul|aug|sept?|nov|dez|okt){_DAY}(?![^\W_]|[.,]\d|\s?(?:mm|cm|ms|s|x|%))",
        rf"(?<!\d)\d\d(?:jan|feb|apr|jun|jul|aug|sep|oct|nov|dec|mar){_ENDS}",
        rf"{_ALONE}{month}\.?[.,;:)\]]?\s?['’]\d\d{_ENDS}",
        rf"{_ALONE}{any_of('before a month')}[.:]?\s+(?:on\s)?{_MONTH}[./]{_DAY}(?![\d/-]|\.\d|\s?(?:mm|cm|ms|s|x|%))",
        rf"{_ALONE}{any_of('before a month')}[.:]?\s+(?:on\s)?(?:{month}\.?\s?{_DAY}|{_DAY}\.?\s?{month}){_ENDS}",
        rf"{_ALONE}(?:wk|week|kw|woche|sem|semaine|semana)[\s.#-]*\d\d?\s?(?:of|in|de|/|,)?\s?{_YEAR}(?!\d)",
        rf"{_ALONE}(?:{full})[\s,-]+(?:the\s)?{_ORDINAL}{_ENDS}|{_ALONE}{_ORDINAL}\sof\s(?:{full}){_ENDS}",
        rf"{_ALONE}(?:dob|born|birth\s?date|geb|geboren|nacid[oa]|nascid[oa]|nee? le)"
        r"[\s:.=]{0,3}(?:am |el |em )?\d\d",
    ]


_AGES = [
    r"(?<![\d.])(?!90\+ years)0?(?:9\d|1[0-2]\d)[\s.,;:)\]_+-]*(?:y(?:ea)?rs?|yo|y/o|y\.\s?o\.?"
    r"|y|j|jahre?n?|jahrige?[rn]?"
    r"|anos?|anni|jaar|ans?|a|yo?[mf]|лет|года?|ετων|χρονων|سنة|عاما?|שנים|שנה|eves|yasında|[歳才岁歲])(?![^\W_])",
    rf"{_ALONE}(?:age|aged|alter|edad|idade)(?!\s?[>≥]=?\s?90(?!\d))[\s:=_#.~≈>≥(\[{{-]{{0,4}}(?!90\s?\+)(?:9\d|1[0-2]\d)[a-z]?{_NUMBER_ENDS}",
    rf"{_ALONE}(?:age|aged|alter|edad|idade)[\s:=]*(?:[<>≥≤]=?\s?\d{{1,3}}\+?|\d{{1,3}}\s?\+)\s?[(\[;:,/=~≈-]{{1,2}}\s?(?:9\d|1[0-2]\d)[a-z]?{_NUMBER_ENDS}"
    r"(?!\s?(?:kg|lbs?|cm|mm|ml|kv|mas?|%))",
    rf"{_ALONE}(?:(?:pt|patient|s?he)\sis|turn(?:s|ed|ing)|age\sof|nonagenarian,?)\s(?:9\d|1[01]\d){_NUMBER_ENDS}(?!\s?(?:kg|lbs?|cm|%))",
    rf"{_ALONE}(?:ninety|(?:one|a)\shundred)(?:[\s-]?(?:and\s)?[a-z]+)?[\s-](?:y(?:ea)?rs?(?:[\s-]olds?)?|yo|y/o){_ENDS}",
    rf"{_ALONE}(?:(?:pt|patient|s?he)\sis|aged?|turn(?:s|ed|ing)|age\sof)[\s:=]{{1,3}}ninety(?:[\s-]?[a-z]+)?{_ENDS}",
    r"neunzig(?:jahrige?[rn]?|\sjahre?n?)|hundert[a-z]*(?:jahrige?[rn]?|\sjahre?n?)|(?<![a-z])noventa(?:\s[ye]\s[a-z]+)?\sanos",
    rf"{_ALONE}quatre[\s-]vingt[\s-](?:dix(?:[\s-][a-z]+)?|onze|douze|treize|quatorze|quinze|seize)\sans{_ENDS}",
    rf"{_ALONE}[mf]\s?[/_-]?\s?(?:9\d|1[01]\d){_ENDS}|{_ALONE}(?:9\d|1[01]\d)[\s/_-]?(?:[mf]|(?:wo)?man|(?:fe)?male|mannlich|weiblich|hombre|mujer|homme|femme|homem|mulher){_ENDS}",
    rf"{_ALONE}(?:nonagen|centen)arian{_ENDS}|{_ALONE}in\s(?:his|her|their)\s(?:9\d|1[01]\d)['’]?s{_ENDS}",
    rf"{_ALONE}(?:9\d|1[01]\d)['’]?s[.,;:)\]]?\s(?:lady|gentleman|(?:wo)?man|(?:fe)?male|pt|patient|person){_ENDS}",
    rf"{_ALONE}(?:9\d|1[01]\d)\.?\s?(?:lj\.?|lebensjahr){_ENDS}",
]
_FIFTIES = r"(?:\d?0|\d*[05]0)(?:[ /–-](?:\d?0|\d*[05]0))+"  # a list of b values
_PHONES = [
    rf"(?<![\d.])(?!{_FIFTIES}(?![\d-]))(?:\(\d{{2,3}}\)[\s.-]{{0,2}}|\d{{3}}[\s./–-])\d{{3,5}}[\s./–-]\d{{4}}(?!\d)",
    r"(?<![^\W_]|[.-])\d-\d{4}(?![^\W_]|-|\.\d)|(?<![\d.-])\d{3}-\d{4}(?!\d|-\d)|\+\d[\d\s().-]{7,}\d",
    r"(?<![^\W_]|\.)\(\d\d\)\s?9?\d{4}[\s.-]\d{4}(?!\d)",
    r"(?<![^\W_.])(?!\d[05]0_\d[05]0_\d\d[05]0)\d{3}_\d{3}_\d{4}(?![^\W_])|(?<![\d.])0\d(?:[.]\d\d){4}(?!\d)",
    r"(?<![\d.])(?:0\d{1,4}[\s/]\d{5,8}|0\d(?:\s\d\d){4}|\d{3}(?:\s\d{3}){2})(?!\d)",
]
_NET = (
    rf"{_ALONE}(?:[0-9a-f]{{2}}[:-]){{5}}[0-9a-f]{{2}}{_ENDS}",
    rf"(?<![^\W_]|:)(?=[\d:]*[a-f])(?:[0-9a-f]{{1,4}}:{{1,2}}){{3,7}}[0-9a-f]{{1,4}}{_ENDS}",
)
_MACHINE = re.compile(  # pacs.hospital.org
    r"(?<![^\W_]|[.@])[a-z][a-z0-9-]+(?:(?:\.[a-z0-9-]+)+\.(?:org|com|net|edu|gov|local|lan|internal|de|fr|es|pt|uk|eu|br|"
    r"mx|ch|at)|\.(?:org|com|net|edu|gov|local|lan))(?![^\W_]|\.\w)"
)
_NO_UNIT = r"\s?(?:mm|cm|ms|s|x|%|kv|ma|ml|views?|sec|min)\b"
_UNIT = r"(?!\s?(?:mm|cm|ms|s|x|%|kv|ma|ml|views?)\b)"


_ESCAPED = (
    r"[%=][c-f][0-9a-f](?:[%=][89ab][0-9a-f])+|(?:[%=][c-f][0-9a-f]){3,}|(?:[%=][0-9a-f]{2}){4,}",
    r"(?:\\[ux][0-9a-f]{2,4}){3,}",
    rf"&#(?:\d{{2,5}}|x[0-9a-f]{{2,5}})(?![0-9a-f])|{_ALONE}u\+[0-9a-f]{{4,5}}{_ENDS}",
)
_MEDICARE = rf"{_ALONE}[1-9][a-z][a-z0-9]\d-?[a-z][a-z0-9]\d-?[a-z]{{2}}\d\d{_ENDS}"


_NO_MULTIPLE = r"(?!\d?[05](?!\d)|16 |32|48|64|96)"  # lists of phases and sizes are multiples


def digits_in_words() -> str:
    """A number whose digits are spelt out one by one."""
    return rf"{_ALONE}{any_of('digit')}(?:[\W_]{{1,3}}{any_of('digit')}){{3,}}{_ENDS}"


def _numbers() -> list[str]:
    return [
        digits_in_words(),
        rf"{_ALONE}{any_of('number')}(?:\s?(?:no|nr|number|tag|plate|#))?[\s.:#=-]{{0,3}}(?=[a-z-]{{0,4}}\d\w*\d|[a-z-]{{1,4}}\s?\d{{2}})[\w-]+{_UNIT}",
        rf"{_ALONE}{any_of('long number')}(?:\s?(?:no|nr|number|#))?[\s.:#=-]{{0,3}}(?=[\w-]*\d{{4}})[\w-]+",
        rf"(?<![^\W_])x\s?\d{{4,5}}{_ENDS}|(?<![\d.])\d{{3}}[\s-]\d{{2}}[\s-]\d{{4}}(?!\d)|(?<!\d)\d{{3}}\.\d{{3}}\.\d{{3}}-?\d*|(?<![\d.])\d{{1,2}}\.\d{{3}}\.\d{{3}}-[\dk]{_ENDS}",
        rf"(?<![\d.])\d{{6,}}{_NUMBER_ENDS}|(?<![\d.])0\d{{3}}{_NUMBER_ENDS}|(?<!\S)[-#](?!\d\d[05]0|1024)\d{{4}}{_NUMBER_ENDS}{_UNIT}",
        rf"{_ALONE}(?:cell|ph|cb)[\s.:#]*\d{{3,5}}(?:[ ./-]\d{{2,4}}){{1,3}}{_NUMBER_ENDS}{_UNIT}",
        rf"{_ALONE}last\s?4[\s:#]*\d{{4}}{_NUMBER_ENDS}|#\W{{0,4}}(?!\d\d[05]0|1024)\d{{4}}{_NUMBER_ENDS}",
        rf"{_ALONE}(?:[aschn]|[schn]p|[sc]n|cy|gy|fn|bx)[-:]?[0-3]\d[-:]\d{{3,6}}{_ENDS}|{_ALONE}[0-3]\d[-:](?:[schn]p?|cy)[-:]?\d{{3,6}}{_ENDS}",
        rf"(?:{_ALONE}(?:no|nr|num|number|id)\.?|#)[\s:.#=]*(?!\d+{_NO_UNIT})[a-z]{{0,3}}-?(?:\d{{3,}}[a-z]{{0,2}}(?:[/-]\w+)?|\d{{2,}}[/-]\w*\d\w*){_ENDS}",
        rf"(?<![^\W_])(?<!\d[.,-])(?!{_FIFTIES}(?![\d-]))(?:\d+-)*(?:\d{{2,}}-\d{{3,}}|\d{{3,}}-\d{{2,}}|\d\d-\d\d-\d\d)(?:-\d+)*(?![^\W_]|[.,-]\d){_UNIT}",
        rf"(?<![\d.,])(?!{_FIFTIES}(?! ?\d))\d{{2,4}}(?: \d{{3,4}}){{2,}}{_NUMBER_ENDS}{_UNIT}",
        r"(?<![^\W_]|\.)[12]\s?\d\d\s?(?:0[1-9]|1[0-2]|[2-9]\d)\s?\d[\dab]\s\d{3}\s?\d{3}(?:\s?\d\d)?(?![^\W_])",
        rf"(?<![\d.,])\d{{5}}{_NUMBER_ENDS}{_UNIT}",
        rf"{_ALONE}[a-z]-\d{{4}}[a-z]{{1,2}}{_ENDS}|{_ALONE}[a-z]{{1,2}}\d{{5,}}[a-z]{{1,2}}{_ENDS}",
        _MEDICARE,
        rf"{_ALONE}[a-z]{{0,4}}\d{{2,4}}[-/](?:0\d{{3,}}|\d{{5,}}){_ENDS}|{_ALONE}{_YEAR}[._]\d{{4,}}{_ENDS}|{_ALONE}[a-z]\.\d{{5,}}{_ENDS}",
        rf"(?<!\d[.,])(?<!\d[.,] )(?<![\d.x*-]){_NO_MULTIPLE}\d\d (?:{_NO_MULTIPLE}\d\d ){{1,3}}"
        rf"{_NO_MULTIPLE}\d\d{_NUMBER_ENDS}(?! \d){_UNIT}",
        rf"(?<!\d[.,])(?<!\d[.,] )(?<![\d.x*-])\d{{3}}[1-46-9] \d\d[1-46-9]{_NUMBER_ENDS}(?! \d){_UNIT}",
    ]


_DOSE = (
    r"(?![^\W_]|-|[.,]\d|\s?(?:/|%|x\b|(?:mg|mcg|ug|gm?|kg|ng|ml|mls|l|dl|cc|unt|units?|iu|meq|mmol|mci|mbq|hrs?|hours?|"
    r"days?|wks?|weeks?|min|mins|mm|cm|in|ft|lbs?|oz|fr|ga|gauge|tabs?|caps?|doses?|leads?|bpm|ppm|ms|kv|ma|yrs?|years?)\b))"
)


@cache
def numbers_of_anybody() -> tuple[re.Pattern[str], ...]:
    """Numbers that no code and no dose is written like, in plain letters: behind a word that says whose they are, or
    grouped as only telephones and numbers of insurances are. For cells, where codes and doses are the rule."""
    no = r"(?:\s?(?:no|nr|number|id|[#°]))?\.?[\s.:#=-]{0,3}"
    forms = (
        rf"{_ALONE}{any_of('number')}{no}(?=[a-z]{{0,4}}-?\d[\w-]*\d)[\w-]+{_DOSE}",
        rf"{_ALONE}{any_of('long number')}{no}(?=[a-z]{{0,4}}-?\d{{6}})[\w-]+{_DOSE}",
        rf"{_ALONE}{any_of('long number')}\s?(?:no|nr|number|[#°])[\s.:#=-]{{0,3}}\d{{4,5}}{_DOSE}",
        r"(?<![^\W_]|[.-])(?:\(\d{3}\)\s?|\d{3}[ .-])\d{3}(?! [1-9]\d[05]0)[ .-]\d{4}(?![^\W_]|-|\.\d)",
        rf"(?<![^\W_]|\+)\+\d[\d\s().-]{{7,}}\d{_ENDS}",
        rf"(?<![\d.])\d{{3}}\.\d{{3}}\.\d{{3}}-\d\d(?!\d)|{_MEDICARE}",
    )
    return tuple(map(re.compile, forms))


AGE_IN_WORDS = re.compile(
    r"(?<![\d.-])(?:9\d|1[01]\d)[\s-]?(?:yo|y/o|y\.\s?o\.?|years?[\s-]old)(?![^\W_])", re.IGNORECASE
)
"""An age above 89 that is nothing else, for cells."""


_ROOMS = [
    rf"{_ALONE}(?:ward|tower|(?<!pelvic )floor|saal|sala|salle|suite"
    rf"|building|bldg|wing|raum|kabine|gebaude|pabellon|batiment)[\s#._:-]*\d{{1,4}}[a-z]?{_ENDS}{_UNIT}",
    rf"{_ALONE}\d{{1,2}}(?:st|nd|rd|th)\s+floor{_ENDS}|{_ALONE}stat\.\s?\d{{1,2}}[a-z]?{_ENDS}",
    rf"{_ALONE}(?:ed|er)-\d{{1,3}}{_ENDS}|{_ALONE}(?:[a-z]?icu|ccu|its|pacu)[\s#-]+\d{{1,3}}[a-z]?{_ENDS}{_UNIT}",
    rf"{_ALONE}(?:bed|bett|cama|leito|room|zimmer|zi|hab)[\s.:#_-]*\d{{1,4}}[a-z]?{_UNIT}{_ENDS}|{_ALONE}[a-z]?icu\d{{1,3}}{_ENDS}",
    rf"{_ALONE}(?:bay|box|room|slot|stretcher|gurney|pod)[\s#_]+\d{{1,3}}{_ENDS}|{_ALONE}(?:ap\.|apto\.?|appt\.?|piso|etage)\s*\d{{1,4}}[a-z]?{_UNIT}{_ENDS}|{_ALONE}rm[\s.:#_-]*\d{{3,4}}{_ENDS}|{_ALONE}station[\s#_]+(?:\d{{2,3}}[a-z]?|\d[a-z]){_ENDS}",
    rf"{_ALONE}[a-z]\d{{1,2}}-\d{{2,3}}[a-d]{_ENDS}|{_ALONE}unit[\s#]+\d{{3}}{_ENDS}{_UNIT}",
    rf"(?<![^\W_])\d{{1,2}}(?:\s?(?:north|south|east|west)[\s-]?|[nsew]-)\d{{2,4}}[a-z]?{_ENDS}",
]


def _addresses() -> list[str]:
    return [
        rf"(?<![^\W_]|\.)\d{{1,5}}[.,;:)\]]?\s+(?:[nsew]\.?\s+\d{{1,3}}(?:st|nd|rd|th)?|\d{{1,3}}(?:st|nd|rd|th))[.,;:)\]]?(?:st|nd|rd|th)?\s+(?:st|{any_of('street')}){_ENDS}",
        rf"(?<![^\W_])\d{{2,5}}\s+(?:[nsew]\.?\s+)?(?:hwy|highway|route|rte|(?:county|state)\s+r(?:oa)?d)\.?\s+\d+{_ENDS}",
        rf"(?<![^\W_]|-)i-(?!12[345](?!\d)|131)\d{{2,3}}{_ENDS}|{_ALONE}exit\s\d{{1,3}}[a-c]?{_ENDS}",
        rf"{_ALONE}\d{{2,5}}\s+[nsew]\.?\s+\d{{1,3}}(?:st|nd|rd|th){_ENDS}",
        rf"{_ALONE}(?:[a-z]\d[a-z]\s\d[a-z]\d|[a-z]{{1,2}}\d[a-z]\s\d[a-z]{{2}}){_ENDS}",
        rf"{_ALONE}\d{{1,3}}(?:st|nd|rd|th)\s?(?:&|and|at|/)\s?{any_of('crossing')}{_ENDS}|{_ALONE}{any_of('crossing')}\s?(?:&|and|at|/)\s?\d{{1,3}}(?:st|nd|rd|th){_ENDS}",
        rf"{_ALONE}(?:p\.?\s?o\.?|(?:rr|rfd|hc|rte?)\s?\d*\.?)\s?box\s*\d",
        rf"(?<![\d.])\d{{1,5}}\s+(?:[^\W\d_]+\s+){{1,3}}{any_of('street')}{_ENDS}",
        rf"(?<![\d.])\d{{1,5}}\s+(?:main|high|church|park|oak)\s+st{_ENDS}",
        r"[^\W\d_]*(?:strasse|str\.|gasse|allee|platz)\s+\d+",
        rf"{_ALONE}{any_of('street before')}\s+(?:[^\W\d_]+\s+){{1,4}}\d+",
        rf"(?<![\d.])\d+\s(?:bis\s)?{any_of('street before')}\s[^\W\d_]+",
        rf"{_ALONE}[a-z]{{2}}\s\d{{5}}(?:-\d{{4}})?{_ENDS}",
    ]


@cache
def _text_shapes() -> list[tuple[Severity, str, re.Pattern[str]]]:
    """Shapes of descriptions and other free text; looked for in plain letters."""
    kinds = {
        "date": _dates(),
        "age above 89": _AGES,
        "phone number": _PHONES,
        "number of a person": _numbers(),
        "text in escaped letters": _ESCAPED,
        "address": _addresses(),
        "room": _ROOMS,
    }
    made: list[tuple[Severity, str, re.Pattern[str]]] = []
    for kind, forms in kinds.items():
        made += [("high", kind, re.compile(form)) for form in forms]
    made += [("medium", "network address", re.compile(form)) for form in _NET]
    made.append(("medium", "network address", SHAPES["network address"][1]))
    made += [("medium", "web address", form) for form in (SHAPES["web address"][1], _MACHINE)]
    return [*made, ("medium", "age above 89", re.compile(r"(?<![^\W_]|\.)9\d[fm](?![^\W_])"))]


@cache
def escaped_letters() -> tuple[re.Pattern[str], ...]:
    """Letters as pages and addresses escape them, which no text of equipment has either."""
    return tuple(map(re.compile, _ESCAPED))


def looks_like(kind: str) -> str:
    """``looks like an age above 89``: the kind of a finding, in words."""
    return f"looks like {'an' if kind[0] in 'aeiou' else 'a'} {kind}"


@lru_cache(maxsize=16384)
def text_shapes(text: str) -> tuple[Said, ...]:
    """What kinds of identifier a text that people write holds, each once."""
    simple = plain(text)
    found: dict[str, Severity] = {}
    for severity, kind, pattern in _text_shapes():
        if kind not in found and pattern.search(simple):
            found[kind] = severity
    said: list[Said] = [(severity, looks_like(kind)) for kind, severity in found.items()]
    said += [
        ("high", looks_like(kind)) for kind, form in _IN_CAPITALS.items() if kind not in found and form.search(text)
    ]
    if "address" not in found and any(
        also_named(street["who"]) == "common" and street["who"] not in anatomy_words()
        for street in _STREET_OF_A_NAME.finditer(simple)
    ):
        said.append(("high", looks_like("address")))
    if names_beside(text) or full_name(text) or surname(text):
        said.append(("high", "a name beside a title, role or label"))
    return tuple(said)


_STREET_OF_A_NAME = re.compile(
    r"(?<![^\W_]|[.,=])\d{2,5}[a-z]?\s+(?P<who>[^\W\d_]{2,})\s+"
    r"(?:dr|rd|ln|way|drive|trail|bend|cove|ridge|hollow|bluff|crossing)(?![^\W_])"
)
