"""How people write days: each part in each form, parted by each sign. A table, so lines may be long."""

from __future__ import annotations

from chorus_nb.identity.identifiers import START, STOP, UNIT

# Months in English, German, Spanish, French and Portuguese.
_WHOLE = (
    r"january|february|march|april|may|june|july|august|september|october|november|december|"
    r"januar|jänner|jaenner|februar|feber|märz|maerz|mai|juni|juli|oktober|dezember|"
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre|"
    r"janvier|f[ée]vrier|mars|avril|juin|juillet|ao[uû]t|septembre|octobre|novembre|d[ée]cembre|"
    r"janeiro|fevereiro|mar[çc]o|maio|junho|julho|setembro|outubro|novembro|dezembro"
)
_SHORT = r"jan|jän|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec|mär|mrz|okt|dez|ene|abr|ago|dic|janv|f[ée]vr?|avr|juil|d[ée]c|fev|set|out"
_WORD = r"set|out|mar|may|mai|mars|dec"  # months that are words or short for them: MAR is a reconstruction
MONTH = rf"(?:{_WHOLE}|{_SHORT})"
_ONLY_A_MONTH = rf"(?!(?:{_WORD})(?![^\W\d_])){MONTH}"
ORDINAL = (  # days in words
    r"(?:(?:twenty|thirty)[\s-]?)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|eleventh|"
    r"twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth"
)
WEEKDAY = (
    r"(?:mon|tues?|weds?|wednes|thurs?|fri|sun)(?:day)?|saturday|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|"
    r"lunes|martes|mi[ée]rcoles|jueves|viernes|s[áa]bado|domingo|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|(?:segunda|ter[çc]a|quarta|quinta|sexta)-feira"
)
_WEEK = r"(?:weeks?|wk|cw|kw|woche|sem|semaine|semana|w)"

DAY = r"(?:0?[1-9]|[12]\d|3[01])"
YEAR = r"(?:(?:19|20)\d\d)"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_NTH = rf"{DAY}(?:st|nd|rd|th|er|º|°|ª)?"
_SHORT_YEAR = r"['’]?\d\d"

_SIGN = r"(?:[^\w*×+%<>&@$]|_)"  # whatever parts the words and numbers of a date; not "*", which makes sizes
_GAP = rf"{_SIGN}{{1,3}}"
_OF = rf"(?:{_SIGN}{{1,4}}|{_SIGN}{{0,2}}(?:de|del|of)\s{{1,2}})"  # beside the name of a month
_NEAR = rf"(?:{_OF}|)"
_NO_DECIMAL = r"(?!(?!0[1-9]\.|(?:[12]\d|3[01])\.0[1-9](?!\d))\d+\.\d+[\s_]|\d+[\s_]+(?!0[1-9]\.)\d+\.\d)"  # 2.5 10 are a thickness and something else

NO_UNIT = r"(?!\s?(?:mm|cm|ms|s|sec|min|deg|t|x|ml|kv|views?|vw|v)(?![^\W_])|[.,]\d|\d|[xX]\d|\s?%)"
_ALONE, _NO_MORE = r"(?<![^\W_])(?<!\d[.,-])", r"(?![^\W_]|[.,]\d)"
_FIRST, _LAST = r"(?<![^\W_])(?<!\d[ _.,/–-])", rf"(?![^\W_]|[.,]\d|[ _/–-]\d|\s?{UNIT})"  # of three numbers alone

DAY_SHAPES = (
    r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[_T -]?\d{6}(?:\.\d+)?)?(?!\d)",
    # numbers, the year in full
    rf"(?<!\d)(?<!\d[.-]){YEAR}{_GAP}{_MONTH}{_GAP}(?:0[1-9]|[12]\d|3[01]|[1-9])(?!\d)",
    rf"{_ALONE}(?:{DAY}{_GAP}{_MONTH}|{_MONTH}{_GAP}{DAY}){_GAP}{YEAR}{_NO_MORE}",
    rf"(?<!\d)(?<!\d[.-]){YEAR}{_SIGN}{{0,2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
    # numbers, a year of two digits
    r"(?<![\d.])(?:0?[1-9]|[12]\d|3[01])([-./])\s?(?:0?[1-9]|1[0-2])\1\s?(?:(?:19|20)\d\d|\d\d)(?!\d|\.\d|\1\d)",
    r"(?<![\d.])(?:0?[1-9]|1[0-2])([-./])(?:0?[1-9]|[12]\d|3[01])\1(?:(?:19|20)\d\d|\d\d)(?!\d|\.\d|\1\d)",
    rf"{_FIRST}(?:{_MONTH}([ _]{{1,2}}){DAY}|{DAY}([ _]{{1,2}}){_MONTH})(?:\1|\2)\d\d{_LAST}",
    rf"{_FIRST}{_NO_DECIMAL}(?:{_MONTH}{_GAP}{DAY}|{DAY}{_GAP}{_MONTH}){_GAP}['’]?\d\d{_LAST}|{_FIRST}{_NO_DECIMAL}\d\d{_GAP}{_MONTH}{_GAP}{DAY}{_LAST}",
    rf"{_ALONE}{DAY}([./-])(?:VI{{0,3}}|IX|IV|X?I{{1,2}}|III|X)\1(?:{YEAR}|\d\d)(?!\d|[.,]\d)",  # 9.VI.2022
    rf"{_FIRST}(?:{DAY}\.{_MONTH}|{_MONTH}\.{DAY})__\d\d{_LAST}",
    rf"{_FIRST}{DAY}_{_MONTH}\.(?!25|50|75)\d\d(?!_){_LAST}",  # not 3_1.25, which is a thickness
    # the month by its name
    rf"{START}{_NTH}{_NEAR}{MONTH}(?:{STOP}\.?(?:{_NEAR}(?:{YEAR}|{_SHORT_YEAR}{NO_UNIT}))?|(?:{YEAR}|\d\d){STOP})",
    rf"{START}{MONTH}{_NEAR}{_NTH}(?:{_OF}(?:{YEAR}|{_SHORT_YEAR}{NO_UNIT})|['’]\d\d){STOP}",
    rf"{START}(?:{YEAR}{_NEAR}|['’]\d\d{_NEAR}|\d\d{_OF}){MONTH}{_NEAR}{_NTH}{STOP}",
    rf"{START}{MONTH}{_NEAR}(?:{YEAR}|['’]\d\d){STOP}|{START}{_ONLY_A_MONTH}{_NEAR}\d\d{NO_UNIT}{STOP}",
    rf"{START}(?:jan|feb|apr|jun|jul|aug|sept?|nov|dez|okt|(?-i:oct|Oct)){DAY}{NO_UNIT}{STOP}",
    rf"{START}(?:on\s+)?{MONTH}[.,;:)\]]?[\s-]+{DAY}(?:st|nd|rd|th)?{NO_UNIT}{STOP}",
    rf"{START}{YEAR}{_NEAR}{MONTH}{_NEAR}(?:{_NTH})?{STOP}|{START}['’]\d\d{_OF}{MONTH}{STOP}",
    # a month and a year
    rf"(?<![\w'’])['’]\d\d{STOP}|(?<![^\W_])(?<!\d[.,/-]){_MONTH}[/\\_–—-]{YEAR}{STOP}|(?<![^\W_])(?<!\d[.,/-]){YEAR}[./\\_–—-](?:0[1-9]|1[0-2])(?!\d|[.,]\d)",
    rf"{START}{YEAR}-[0-3]\d\d{STOP}",
    # weeks and quarters
    rf"{START}{_WEEK}[\s.#-]*\d\d?\s*(?:of|in|de|/|,)?\s*{YEAR}{STOP}|{START}\d\d?\.?\s?(?:kw|woche)\s?/?\s?(?:{YEAR}|['’]?\d\d){STOP}|{START}[ck]w\s?\d\d?\s?[/–-]\s?\d\d{STOP}",
    rf"{START}{YEAR}[\s_-]?[wq]\s?\d\d?(?:-?[1-7])?{STOP}|{START}q[1-4][\s/_-]{{0,2}}(?:{YEAR}|['’]\d\d|\d\d{NO_UNIT}){STOP}",
    # a day and a month beside what says that they are
    rf"{START}(?:on|dated|since|from|of|until|week\s+of|lmp|doi|s/p|surgery|op|z\.\s?n\.|status\s+post|prior|compared?(?:\s+to)?|vs|vu|iq|am|vom?|v\.|seit|bis|el|d[ei]a|le|du|desde|em|dia)\.?:?\s+(?:{DAY}[/.-](?:0?[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])[/-](?:{DAY}|\d\d))(?![\d/-]|\.\d)\.?",
    r"(?<![^\W_]|[.,-])(?:(?:1\d|2\d|3[01])\.\s?(?:0?[1-9]|1[0-2])|0?[1-9]\.\s?(?:0[1-9]|1[0-2])|0[1-9]\.\s?[1-9])\.(?![^\W_]|\.)",
    rf"{START}(?:{WEEKDAY}|b(?:irth)?day|bday|geburtstag|cumplea[ñn]os|anniversaire|anivers[áa]rio)[.,:]?\s+(?:\w{{1,3}}\s+)?(?:\d\d?[/-]\d\d?(?![\d/-]|\.\d)|\d\d?\.\d\d?\.(?!\d))|(?<![\d/.-])(?!\d/([2-4])\s?-\s?\d/\1(?!\d))\d\d?/\d\d?\s?[-–]\s?\d\d?/\d\d?(?![\d/])",
    r"(?<![^\W_]|[./-])(?:(?:0?[1-9]|1[0-2])/(?:1[3-9]|2\d|3[01])|0[1-9]/\d\d?)(?![^\W_]|[/-]|\.\d)|(?<![^\W_]|[./-])\d\d?/\d\d?[.,;:)\]]?\s+(?:\d\d?:\d\d|[0-2]\d[0-5]\d\s?h(?:rs?)?(?![^\W_]))",
    rf"{START}(?:lmp|edc|edd|eta|due|appt?|exp(?:ires)?|d/c|adm(?:it(?:ted)?)?|seen|inj(?:ury)?|onset)[.:]?\s+(?:on\s+)?(?:0?[1-9]|1[0-2])[./]{DAY}(?![\d/-]|\.\d|\s?{UNIT})",
    rf"{START}(?:{_WHOLE})[\s,-]+(?:the\s+)?(?:{ORDINAL}){STOP}|{START}(?:{ORDINAL})\s+of\s+(?:{_WHOLE}){STOP}",
)  # fmt: skip
"""The shapes of dates: a number that stands in a date is none of technique's."""
