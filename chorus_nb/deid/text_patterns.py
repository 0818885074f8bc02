"""The shapes that tell an identifier in free text, each with its kind; a table, so lines may be long."""

from __future__ import annotations

from typing import NamedTuple

from chorus_nb.deid.text_dates import DAY, DAY_SHAPES, MONTH, YEAR
from chorus_nb.identity.identifiers import START, STOP, UNIT

LABEL = (
    r"(?:mrn|mr\s*#|pid|pat(?:ient)?\s*(?:id|no|number|#)|patnr|pat\.?\s*nr|accession(?:\s*(?:no|number|#))?|acct|account|ssn|csn|"
    r"visit\s*(?:no|#)|case\s*(?:no|#)|order\s*(?:no|#)|tel|telefon|tel[ée]fono|tfno|tlf|telefone|t[ée]l[ée]phone|t[ée]l|phone|fax|mobile|m[óo]vil|celular|handy|pager|pgr|bpr|beeper|vocera|dect|durchwahl|busca|ramal|bip|poste|callback|funk|piepser|"
    r"room|zimmer|bett|habitaci[óo]n|cama|chambre|ch\.|quarto|qto|leito|bed|lit|"
    r"license|licence|kennzeichen|matr[íi]cula|placa|immatriculation|serial|s/n|ser\s*(?:no|#)|asset\s*(?:no|tag|#)|device\s*(?:id|no|#)|"
    r"npi|dea|nhs|dni|nif|cpf|nir|nss|versicherten(?:nr|nummer)|fallnummer|fallnr|fall\s*nr|nhc|historia|dossier|prontu[áa]rio|invoice|insurance|badge|"
    r"rec(?:ord)?\s*(?:no|#))"
)
LONG_LABEL = r"(?:lot|fin|har|enc|donor|subj(?:ect)?|inmate|asset|seriennummer|seriennr|pat\.?-nr|pt\s*(?:id|no|#)|unit\s*(?:no|nr|#))"  # a number of two digits or more follows
WEAK_LABEL = (
    r"(?:acc|cb|ph|cell|rm|zi|hab|lit|plate|lic|sn|chart|claim|policy|case|order|visit|ext|id|bay|station|unit)"
)

_DIGIT_IN_WORDS = (
    r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|null|eins|zwei|drei|vier|f[üu]nf|sechs|sieben|acht|neun|cero|uno|dos|tres|cuatro|cinco|"
    r"seis|siete|ocho|nueve|z[ée]ro|un|deux|trois|quatre|cinq|sept|huit|neuf|um|dois|tr[êe]s|quatro|sete|oito|nove)"
)
FURTHER_DIGITS = r"(?:[ -]\d{2,}(?![^\W_]|[.,]\d))*"  # groups of one number, not ``3D`` or ``5.0`` behind it


class Pattern(NamedTuple):
    """A shape that tells an identifier; ``written`` takes its place."""

    kind: str
    shape: str
    written: str = ""


_STREET = (
    r"(?:street|avenue|ave|road|blvd|boulevard|lane|parkway|pkwy|highway|hwy|terrace|circle\s+[NSEW]{1,2}|turnpike)"
)
_CROSSING = r"(?:main|high|church|park|oak|elm|pine|maple|market|broadway|king|mill|grand|center|state|washington)"
_STREET_DE = r"[^\W\d_]*(?:stra(?:ß|ss)e|str\.|gasse|allee|platz|weg|ufer|damm)"
_STREET_ROMANCE = r"(?:calle|c/|avenida|avda\.?|av\.|plaza|paseo|carrera|rue|avenue|boulevard|bd|impasse|chemin|quai|rua|travessa|pra[çc]a|alameda|largo|via)"
_AGE = r"(?:age[d]?|alter|edad|[âa]ge|idade)"
PATTERNS = (
    Pattern("e-mail", r"(?:(?<![\w.+-])[\w.+-]+|[\w.+-]{1,64})@[\w-]+(?:\.[\w-]+)*"),
    Pattern("url", r"(?:https?|ftp|file)://\S+|www\.\S+"),
    Pattern("ip address", r"(?<![^\W_]|\.)(?:[1-9]\d|1\d\d|2\d\d)(?:\.\d{1,3}){3}(?!\d|\.\d)(?::\d{2,5}|/\d\d?)?"),
    Pattern("url", r"(?<![^\W_]|[.@])[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+\.(?:org|com|net|edu|gov|local|lan|internal|de|fr|es|pt|uk|eu|br|mx|ch|at)(?![^\W_]|\.\w)\S*|(?<![^\W_]|[.@])[a-z][a-z0-9-]{2,}\.(?:org|com|net|edu|gov|local|lan)(?![^\W_]|\.\w)\S*"),
    Pattern("social security number", r"(?<!\d)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)"),
    Pattern("insurance number", r"(?<![^\W_]|\.)[12]\s?\d\d\s?(?:0[1-9]|1[0-2]|[2-9]\d)\s?\d[\dab]\s\d{3}\s?\d{3}(?:\s?\d\d)?(?![^\W_])|(?<![^\W_]|\.)\d{3}\.\d{3}\.\d{3}-\d\d(?![^\W_])"),
    Pattern("birth date", rf"{START}(?:dob|d\.o\.b\.?|born(?:\s+on)?|birth\s*date|date\s+of\s+birth|geboren(?:\s+am)?|geb\.?|nacid[oa](?:\s+el)?|f\.?\s?nac\.?|n[ée]e?\s+le|nascid[oa](?:\s+em)?|ddn|dn)\s*[:=]?\s*(?=\d)(?:{DAY}[./ -]\s?(?:{DAY}|{MONTH})\.?[./ -]\s?)?(?:\d{{4}}|\d\d){STOP}"),
    Pattern("birth date", rf"{START}(?:dob|d\.o\.b\.?|born(?:\s+on)?|birth\s*date|date\s+of\s+birth|geboren(?:\s+am)?|nacid[oa](?:\s+el)?|nascid[oa](?:\s+em)?)\s*[:=]?\s*(?=\d|{MONTH})"),
    Pattern("escaped letters", r"[%=][c-f][0-9a-f](?:[%=][89ab][0-9a-f])+|(?:[%=][c-f][0-9a-f]){3,}|(?:[%=][0-9a-f]{2}){4,}|(?:\\[ux][0-9a-f]{2,4}){3,}|&#x?[0-9a-f]{2,6};?|u\+[0-9a-f]{4,5}(?![^\W_])"),
    *(Pattern("date", shape) for shape in DAY_SHAPES),
    Pattern("phone", r"(?<![^\W_]|\.)(?:(?:\+\d{1,3}|\d{2,3}|1)[\s.-]?)?(?!(?:\d[05]0[ /–-]){1,2}\d\d[05]0(?!\d))(?:\(\d{2,5}\)[\s.-]{0,2}|\d{3}[\s./–-])\d{3}[\s./–-]\d{4}(?:\s*(?:x|ext\.?)\s*\d+)?(?![^\W_])"),
    Pattern("phone", r"(?<![^\W_.])(?!\d[05]0_\d[05]0_\d\d[05]0)\d{3}_\d{3}_\d{4}(?![^\W_])"),
    Pattern("phone", r"(?<![^\W_]|\.)\(\d{2}\)\s?9?\d{4}[\s.-]\d{4}(?![^\W_])"),
    Pattern("phone", r"(?<![^\W_]|\.)(?!\d[05]0-\d\d[05]0(?!\d))\d{3}[-.]\d{4}(?:-\d{2})?(?![^\W_]|\.\d)|(?<![^\W_]|\.)\+\d[\d\s()./-]{6,}\d(?![^\W_])"),
    Pattern("phone", r"(?<![^\W_]|\.)0\d{1,4}[\s./-]{1,3}\d{2,4}(?:[\s./-]?\d{2,4}){1,4}(?![^\W_]|\.\d)|(?<![^\W_]|\.)0\d(?:[\s.]\d\d){4}(?![^\W_])|(?<![^\W_]|\.)\d{3}(?: \d{2,3}){2,3}(?=\W*$)|(?<![^\W_]|[.-])\d-\d{4}(?![^\W_]|-|\.\d)"),
    Pattern("labelled number", rf"{START}{LABEL}\s*[.:#=_]*\s*(?:no|nr|number|n[°º])?\.?\s*[:#]?\s*(?=[\w-]*\d)(?!\d?\d?\s?(?:mm|cm|ml|kv)\b)[\w/-]+{FURTHER_DIGITS}"),
    Pattern("labelled number", rf"(?:{START}(?:no|nr|num|number|id)\.?|#)[\s:.#=]*(?!\d+\s?{UNIT})(?:[a-z]{{0,3}}-?\d{{3,}}[a-z]{{0,2}}(?:[/-]\w+)?|[a-z]{{0,3}}-?\d{{2,}}[/-]\w*\d\w*){STOP}"),
    Pattern("labelled number", rf"{START}{LONG_LABEL}(?![^\W\d_])\s*[.:#=_]*\s*(?=[\w-]*\d[\w-]*\d)(?!\d+\s?(?!x\d){UNIT})[\w/-]+{FURTHER_DIGITS}"),
    Pattern("phone", rf"{START}(?:cell|ph|cb|call)[\s.:#]*\d{{3,5}}(?:[ ./-]\d{{2,4}}){{1,3}}(?!\d|[.,]\d|\s?{UNIT})"),
    Pattern("network address", rf"{START}(?:[0-9a-f]{{2}}[:-]){{5}}[0-9a-f]{{2}}{STOP}|(?<![^\W_]|:)(?=[\d:]*[a-f])(?:[0-9a-f]{{1,4}}:{{1,2}}){{3,7}}[0-9a-f]{{1,4}}{STOP}|(?=[\d.]*[a-f]){START}(?:[0-9a-f]{{4}}\.){{2}}[0-9a-f]{{4}}{STOP}"),
    Pattern("pathology number", rf"{START}(?:[aschn]|[schn]p|[sc]n|cy|gy|fn|bx)[-:]?[0-3]\d[-:]\d{{3,6}}{STOP}|{START}[0-3]\d[-:](?:[schn]|[schn]p|cy)[-:]?\d{{3,6}}{STOP}"),
    Pattern("labelled number", rf"{START}{WEAK_LABEL}\s*(?:[:#=]+\s*#?\s*(?=\w*\d{{2}})|[._]?\s*(?=[A-Za-z-]*\d{{3}}))(?!\d{{1,4}}\s?{UNIT})[\w-]+"),
    Pattern("address", rf"(?<![^\W_]|[.,=])\d{{1,5}}[a-z]?,?\s+(?:(?!\d+[a-z]?\s)[\w.'’-]+[,;:)\]]?\s+){{1,3}}{_STREET}{STOP}\.?"),
    Pattern("address", rf"(?<![^\W_])\d{{2,5}}\s+(?:[NSEW]\.?\s+)?(?:hwy|highway|route|rte|(?:county|state)\s+r(?:oa)?d)\.?\s+\d+{STOP}"),
    Pattern("address", rf"{START}{_STREET_DE}\s*\d{{1,4}}\s?[a-z]?{STOP}"),
    Pattern("address", rf"{START}{_STREET_ROMANCE}\s+(?:[\w.'’-]+\s+){{1,4}}?(?:n[º°.]?\s*)?\d{{1,5}}{STOP}|(?<![^\W_])\d{{1,4}}(?:\s?(?:bis|ter))?,?\s+{_STREET_ROMANCE}\s+(?:de\s+|du\s+|des\s+|la\s+|d['’])*[\w'’-]+"),
    Pattern("address", r"(?<![^\W_])(?-i:[A-Z]{2})\.?,?\s+\d{5}(?:-\d{4})?(?![^\W_])|(?<![^\W_])(?:(?:p\.?\s?o\.?|(?:rr|rfd|hc|rte?)\s?\d*\.?)\s?box|postfach|apartado|apdo|bp|cp|plz|zip)\.?:?\s*\d+(?![^\W_])"),
    Pattern("address", r"(?<![^\W_])(?:apt|apartment|suite|ste|unit)\.?\s*#?\s*\d+[a-z]?(?![^\W_])"),
    Pattern("address", rf"(?<![^\W_]|-)(?-i:I)-(?!12[345](?!\d)|131)\d{{2,3}}{STOP}|{START}exit\s+\d{{1,3}}[a-c]?{STOP}|{START}\d{{1,3}}(?:st|nd|rd|th)\s?(?:&|and|at|/)\s?{_CROSSING}{STOP}|{START}{_CROSSING}\s?(?:&|and|at|/)\s?\d{{1,3}}(?:st|nd|rd|th){STOP}"),
    Pattern("address", rf"{START}\d{{2,5}}\s+(?-i:[NSEW])\.?\s+\d{{1,3}}(?:st|nd|rd|th){STOP}|{START}(?-i:[A-Z]\d[A-Z] \d[A-Z]\d|[A-Z]{{1,2}}\d[A-Z] \d[A-Z]{{2}}){STOP}"),
    Pattern("room", rf"{START}(?:ed|er)-\d{{1,3}}{STOP}|{START}(?:[a-z]?icu|ccu|its|pacu)[\s#-]+\d{{1,3}}[a-z]?(?!\s?{UNIT}){STOP}|{START}(?:bay|box|slot|stretcher|gurney|pod)[\s#_]+\d{{1,3}}{STOP}|{START}(?:ap\.|apto\.?|appt\.?|piso|[ée]tage)\s*\d{{1,4}}[a-z]?(?!\s?{UNIT}){STOP}|{START}station[\s#_]+(?:\d{{2,3}}[a-z]?|\d[a-z]){STOP}|{START}(?-i:[A-Z])\d{{1,2}}-\d{{2,3}}(?-i:[A-D]){STOP}"),
    Pattern("room", rf"{START}(?-i:rm|Rm)[\s.:#_-]*\d{{1,4}}[a-z]?\d{{0,2}}(?![.,]\d|\s?{UNIT}){STOP}|{START}(?:zi|hab)[\s.:#_-]*\d{{1,4}}[a-z]?(?!\s?{UNIT}){STOP}|{START}(?:[a-z]?icu\d{{1,3}}|(?-i:ER|ED)[\s#]{{0,2}}\d{{1,2}}(?!\s?(?:{UNIT}|views?|x|-|/|\d))){STOP}"),
    Pattern("room", rf"{START}(?:ward|tower|(?<!pelvic )floor|saal|sala|salle|suite|building|bldg|wing|raum|kabine|geb[äa]ude|pabell[óo]n|b[âa]timent)[\s#._:-]*\d{{1,4}}[a-z]?(?!\s?{UNIT}){STOP}|{START}\d{{1,2}}(?:st|nd|rd|th)\s+floor{STOP}|{START}stat\.\s?\d{{1,2}}[a-z]?{STOP}|{START}(?<!\d\s)(?-i:OR)[\s#-]{{1,2}}\d{{1,2}}(?!\s?(?:{UNIT}|views?|x|\d)|[-/]){STOP}"),
    Pattern("room", rf"(?<![^\W_])\d{{1,2}}(?:\s?(?:north|south|east|west)[\s-]?|(?-i:[NSEW])-)\d{{2,4}}[a-z]?{STOP}|{START}\d{{3,4}}-?(?-i:[A-D]){STOP}"),
    Pattern("room", rf"{START}(?-i:[Rr]m|[Rr]oom|ROOM) (?-i:[A-Z]){STOP}|{START}(?:(?:zi|hab)[.:#]|rm#)\s?\d{{2,4}}[a-z]?{STOP}"),
    Pattern("Medicare number", rf"{START}[1-9][a-z][a-z0-9]\d-?[a-z][a-z0-9]\d-?[a-z]{{2}}\d\d{STOP}"),
    Pattern("plate", rf"{START}(?-i:[A-Z]{{2}}-\d{{3}}-[A-Z]{{2}}|[A-ZÄÖÜ]{{1,3}}-[A-Z]{{1,2}}[ -]\d{{3,4}}){STOP}(?!\s?{UNIT})"),
    Pattern("plate", rf"{START}(?-i:(?!T[EIRD]|FA|BW|SE|IM|SL|KV|MA)[A-Z]{{2}} \d\d[1-46-9] [A-Z]{{2}}){STOP}"),
    Pattern("phone", r"(?<![^\W_])(?<!\d )x\s?\d{4}(?![^\W_]|[.,]\d)"),
    Pattern("number in words", rf"{START}{_DIGIT_IN_WORDS}(?:[\W_]{{1,3}}{_DIGIT_IN_WORDS}){{3,}}{STOP}"),
    Pattern("plate", rf"{START}last\s?4\s?(?:ssn|mrn|digits)?[\s:#=]*\d{{4}}{STOP}"),
    Pattern("number", rf"{START}(?:[a-z]{{0,4}}\d{{2,4}}[-/](?:0\d{{3,}}|\d{{5,}})|{YEAR}[._]\d{{4,}}){STOP}(?![.,]\d)"),
    Pattern("number", r"(?<![^\W_]|[.-])(?!\d\d[05]-\d[05]-\d[05])\d{3}-\d\d-\d\d(?![^\W_]|-|\.\d)"),
    Pattern("number", r"(?<![^\W_])[A-Za-z]{0,4}-?\d{6,}(?![^\W_]|\.\d)|(?<!\d)\d{7,}(?!\d)"),
    Pattern("age over 89", rf"{START}0?(?:9\d|1[0-2]\d)[\s.,;:)\]_+-]*(?:y(?:ea)?rs?(?:[\s_-]+old)?|years?|yo|y/o|y\.\s?o\.?|y|j(?:ahre?)?(?:\s+alt)?|jährige?[rn]?|anni|jaar|a[ñn]os?(?:\s+de\s+edad)?|ans?|anos?|a|yo?[mf]|лет|года?|ετών|χρονών|سنة|عاما?|שנים|שנה|år|éves|yaşında|[歳才岁歲세살])(?![^\W_])(?:[\s_-]*old{STOP})?", "90+ years"),
    Pattern("age over 89", rf"{START}{_AGE}(?!\s?[>≥]=?\s?90(?!\d))[\s:=_#.~≈>≥(\[{{-]{{0,4}}0?(?:9\d|1[0-2]\d)(?!\d|[.,]\d)(?:[\s.,;:)\]]*[yaj])?{STOP}[+)\]]?", "age 90+ years"),
    Pattern("age over 89", rf"{START}{_AGE}[\s:=]*(?:[<>≥≤]=?\s?\d{{1,3}}\+?|\d{{1,3}}\s?\+)\s?[(\[;:,/=~≈-]{{1,2}}\s?0?(?:9\d|1[0-2]\d)(?!\d|[.,]\d|\s?{UNIT})(?:\s?[yaj])?{STOP}[)\]]?", "age 90+ years"),
    Pattern("age over 89", rf"{START}(?:(?:pt|patient|she|he)\s+is|turn(?:s|ed|ing)|age\s+of|nonagenarian,?)\s+(?:9\d|1[01]\d){STOP}(?!\s?(?:kg|lbs?|cm|%))", "90+ years"),
    Pattern("age over 89", rf"{START}(?:in\s+(?:his|her|their|the)\s+)?(?:9\d|1[01]\d)['’]?s[.,;:)\]]?\s+(?:lady|gentleman|(?:wo)?man|(?:fe)?male|pt|patient|person|year){STOP}|{START}in\s+(?:his|her|their)\s+(?:9\d|1[01]\d)['’]?s{STOP}", "90+ years"),
    Pattern("age over 89", rf"{START}(?:ninety(?:[\s-]?(?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a)\s+hundred(?:\s+(?:and\s+)?(?:one|two|three|four|five|six|seven|eight|nine))?)[\s-]+(?:y(?:ea)?rs?(?:[\s-]+olds?)?|yo|y/o){STOP}", "90+ years"),
    Pattern("age over 89", rf"{START}(?:(?:pt|patient|she|he)\s+is|age[d]?|turn(?:s|ed|ing)|age\s+of)\s*[:=]?\s*ninety(?:[\s-]?(?:one|two|three|four|five|six|seven|eight|nine))?{STOP}", "90+ years"),
    Pattern("age over 89", rf"{START}(?:\w*neunzig(?:j[äa]hrige?[rn]?|\s+jahre?n?)|(?:ein)?hundert\w*(?:j[äa]hrige?[rn]?|\s+jahre?n?)|noventa(?:\s+[ye]\s+\w+)?\s+a[ñn]os|quatre[\s-]vingt[\s-](?:dix(?:[\s-](?:sept|huit|neuf))?|onze|douze|treize|quatorze|quinze|seize)\s+ans)(?:\s+alt)?{STOP}", "90+ years"),
    Pattern("age over 89", rf"{START}0?(?:9\d|1[01]\d)[\s/_-]?(?:[MF]|(?:wo)?man|(?:fe)?male|männlich|weiblich|hombre|mujer|homme|femme|homem|mulher){STOP}|{START}[MF]\s?[/_-]?\s?0?(?:9\d|1[01]\d){STOP}|{START}(?:9\d|1[01]\d)\.?\s?(?:lj\.?|lebensjahr){STOP}", "90+ years"),
)  # fmt: skip

AMBIGUOUS_STREET = r"(?<![^\W_]|[.,=])(?P<number>\d{1,5}[a-z]?)\s+(?P<words>(?:(?!\d+[a-z]?\s)[\w.'’-]+[,;:)\]]?\s+){1,3})(?:st|dr|rd|ct|ln|pl|way|drive|court|place|square|trail|bend|cove|ridge|hollow|bluff|crossing|loop)(?![^\W_])\.?"
"""A street by a word that is one of technique too: only where a word before it is unknown or a name."""

IN_NO_EQUIPMENT = frozenset({
    "address", "age over 89", "birth date", "escaped letters", "insurance number", "Medicare number", "network address",
    "number in words", "pathology number", "plate", "social security number",
})  # fmt: skip
"""Kinds that no text of equipment or technique has either: of 18,724 of 734 real files none. A version may look like any
other kind."""

USERS_FOLDER = r"([\\/](?:users|home|benutzer|usuarios|utilisateurs|documents and settings)[\\/]+)[^\\/]+"
"""The folder of a person on a computer: its name goes, the path stays."""
