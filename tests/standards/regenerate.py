"""Make the data files of this package again from the tables they derive from.

``python -m tests.standards.regenerate FOLDER`` where FOLDER holds the sources named in ``README.md``. Run it when a
source has a new edition; the workbench itself never needs FOLDER.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from pydicom.uid import UID_dictionary

from chorus_nb.standards import DATA

COPIED = {
    "ps3_15.csv": "ps3_15.csv",
    "safe_private.csv": "safe_private.csv",
    "body_part_examined_to_omop.csv": "body_parts.csv",
    "midrc/StudyDescription_mapping_table.tsv": "study_loinc.tsv",
    "midrc/LICENSE": "study_loinc.LICENSE",
    "ctp_unknown_keywords.tsv": "ctp_unknown_keywords.tsv",
    "ctp_keyword_aliases.tsv": "ctp_keyword_aliases.tsv",
}
CONTEXT_GROUPS = ("1.2.840.10008.6.1.1", 1495, "Context Groups, numbered one after another", "Context Group Name")
PIXEL_DATA_TAGS = {"PixelData", "FloatPixelData", "DoubleFloatPixelData"}


def regenerate(source: Path) -> None:
    """Write every derived file."""
    for given, made in COPIED.items():
        shutil.copyfile(source / given, DATA / made)
    (DATA / "official_script.csv").write_bytes(_official_script(source / "chorus_ctp_script_actions.csv"))
    (DATA / "uids.csv").write_bytes(_uids())
    iods = json.loads(gzip.decompress((source / "iod_types.json.gz").read_bytes()))
    text = json.dumps(_compact(iods), separators=(",", ":"), sort_keys=True).encode()
    (DATA / "iods.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))


def _official_script(path: Path) -> bytes:
    """Only the enabled lines: a disabled one leaves the element as it is."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(("tag", "name", "action"))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["enabled"] == "T":
                writer.writerow((f"({row['tag'][:4]},{row['tag'][4:]})".upper(), row["name"], row["action"]))
    return made.getvalue().encode()


def _uids() -> bytes:
    """PS3.6 Annex A as pydicom has it; of Table A-3, which it lacks, the first and last number."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(("uid", "last", "name", "type"))
    writer.writerows((uid, "", name, type_) for uid, (name, type_, *_) in sorted(UID_dictionary.items()))
    writer.writerow(CONTEXT_GROUPS)
    return made.getvalue().encode()


def _compact(source: dict[str, Any]) -> dict[str, Any]:
    """Image IODs as modules, and modules as trees of attributes in which equal item definitions are stored once."""
    wanted = {iod: paths for iod, paths in source["types"].items() if PIXEL_DATA_TAGS & set(paths)}
    modules: dict[str, dict[str, Any]] = {}
    iods: dict[str, dict[str, str]] = {}
    for iod, paths in wanted.items():
        for path, attribute in paths.items():
            for module, usage, type_ in attribute["modules"]:
                iods.setdefault(iod, {})[module] = usage
                *above, keyword = path.split(".")
                node = modules.setdefault(module, {})
                for step in above:
                    node = node.setdefault(step, ["", {}])[1]
                node.setdefault(keyword, ["", {}])[0] = type_
    items: list[dict[str, Any]] = []
    known: dict[str, int] = {}

    def stored(node: dict[str, Any]) -> int:
        made = {k: [t, stored(below)] if below else t for k, (t, below) in sorted(node.items())}
        text = json.dumps(made)
        if text not in known:
            known[text] = len(items)
            items.append(made)
        return known[text]

    return {
        "source": "DICOM PS3.3 by way of highdicom 0.28.2 (dicom-standard); image IODs",
        "sop_classes": {sop: iod for sop, iod in source["sop_to_iod"].items() if iod in wanted},
        "iods": iods,
        "modules": {name: stored(tree) for name, tree in sorted(modules.items())},
        "items": items,
    }


if __name__ == "__main__":
    regenerate(Path(sys.argv[1]))
