"""A tag plan as a CTP script, for a site that runs RSNA CTP beside or instead of the workbench."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pandas as pd

from chorus_nb.mapping.ctp.script import REMOVABLE
from chorus_nb.mapping.lookups import read_lookups
from chorus_nb.workspace import Workspace, write_if_changed

UID_ROOT = "1.2.826.0.1.3680043.10.1596"  # of the official CHoRUS script
SCRIPTS = {
    "K": "@keep()",
    "S": "@process()",
    "X": "@remove()",
    "Z": "@empty()",
    "D": "@empty()",
    "C": "@remove()",  # CTP cannot clean text
    "U": "@hashuid(@UIDROOT,this)",
    "shift": "@incrementdate(this,root:PatientID,shift)",
    "age": '@if(this,matches,"0?[0-8]?[0-9]Y|[0-9][0-9]?[0-9]?[DWM]"){@keep()}'
    '{@if(this,matches,"[0-9][0-9]?[0-9]?Y"){090Y}{@empty()}}',  # 95Y too; what is no age goes
}
LOOKUPS = {
    "(0010,0020)": "@lookup(root:PatientID,ptid)",
    "(0008,0050)": "@lookup(root:PatientID|root:AccessionNumber,acc)",
}
STRICTEST = ("X", "Z", "D", "lookup", "script", "age", "shift", "U", "C", "S", "K")
"""CTP has one line a tag: where kinds of image or places differ in the plan, the strictest action is written."""


def write_ctp(workspace: Workspace, plan: pd.DataFrame) -> Path:
    """Write the plan and the lookup tables as CTP reads them, below ``local/ctp``: identifiable, never released."""
    lookups = read_lookups(workspace)
    files = {
        "DicomAnonymizer.script": script_of(plan),
        "LookupTable.properties": lookup_of(lookups.persons, lookups.images),
    }
    folder = workspace.local / "ctp"
    for name, text in files.items():
        write_if_changed(folder / name, text.encode())
    return folder


def script_of(plan: pd.DataFrame) -> str:
    """A DicomAnonymizer script (XML) that does what the plan does, as far as CTP can; what it cannot do, it removes."""
    removed = [f'  <r en="T" t="{name}"/>' for name in REMOVABLE]
    return "\n".join(["<script>", f'  <p t="UIDROOT">{UID_ROOT}</p>', *_script_lines(plan), *removed, "</script>", ""])


def _script_lines(plan: pd.DataFrame) -> Iterator[str]:
    tags = defaultdict[tuple[str, str], list[Any]](list)
    for row in plan.itertuples(index=False):
        tags[row.tag, row.private_creator].append(row)
    for (tag, creator), rows in sorted(tags.items(), key=itemgetter(0)):
        group, element = tag.strip("()").split(",")
        if element == "00xx" or group in ("0002", "0004") or (element.startswith("xx") and not creator):
            continue
        row = min(rows, key=lambda row: STRICTEST.index(row.action))
        target = f"{group}[{creator}]{element[2:]}" if creator else group + element
        # a text is no call: CTP would read no further than a sign @ that begins none
        given = row.replacement if row.action == "script" else re.sub(r"([\\@])", r"\\\1", row.replacement)
        script = given or SCRIPTS.get(row.action) or LOOKUPS.get(tag, "@remove()")
        yield f'  <e en="T" t={quoteattr(target)} n={quoteattr(row.keyword)}>{escape(script)}</e>'


def lookup_of(persons: pd.DataFrame, images: pd.DataFrame) -> str:
    """The lookup tables as the properties file the script needs: ``ptid``, ``acc`` and ``shift``. Identifiable."""
    entries: Mapping[str, object] = {
        **{f"ptid/{row.PatientID}": row.person_id for row in persons.itertuples()},
        **{f"shift/{row.PatientID}": row.Days_Shifted for row in persons.itertuples()},
        **{f"acc/{row.PatientID}|{row.AccessionNumber}": row.image_occurence_id for row in images.itertuples()},
    }
    return "".join(f"{_key(key)}={value}\n" for key, value in entries.items())


def _key(text: str) -> str:
    return "".join(f"\\{character}" if character in " :=#!" else character for character in text)
