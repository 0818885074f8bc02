"""A page for each series of the source, below ``local/reports/series``: from any file to what was done to it and why.

Static HTML; identifiable, so it never leaves ``local/``. The lists of ``lists.py`` lead to it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from blake3 import blake3
from markupsafe import Markup

from chorus_nb import __version__, tables
from chorus_nb.deid import crosswalk
from chorus_nb.deid.cohort import EXCLUSION_LOG
from chorus_nb.display import escape, rows_html, table_html
from chorus_nb.errors import ChildFault
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping import ACTIONS
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.processes.supervised import Child
from chorus_nb.verify.previews import thumbnails
from chorus_nb.workbench.report import TEMPLATES, page_of
from chorus_nb.workspace import Workspace, write_atomically, write_if_changed

FOLDER = "series"
PICTURED = 3  # files of a series that are shown before and after
BATCH_FILES = 1_000  # asked of the crosswalk at once: the 200 changes of each take 0.3 GB
LARGEST_PICTURED = 512 << 20  # bytes; of a larger file no thumbnail is made
KEYS = "made.json"
ELEMENT = ["path", "tag", "keyword", "vr", "original", "action", "new", "rule_source"]
HEADER = [
    *("source_path", "PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
    *("SeriesDescription", "InstanceNumber", "size"),
]


def all_files(workspace: Workspace) -> pd.DataFrame:
    """Every file found: outcome, header attributes by which it is looked for, ids of the lookup tables, its page."""
    outcomes = workspace.read(tables.OUTCOMES)
    links = workspace.read(tables.WORKLIST, ["source_path", "person_id", "image_occurrence_id"])
    files = outcomes.merge(workspace.read(tables.CATALOG, HEADER), on="source_path", how="left").merge(
        links, on="source_path", how="left"
    )
    files[HEADER[:-1]] = files[HEADER[:-1]].fillna("")
    pages = {uid: _page_name(uid) for uid in files["SeriesInstanceUID"].unique()}
    return files.assign(page=files["SeriesInstanceUID"].map(pages))


def _page_name(series_uid: str) -> str:
    """A name that no header chose. Files without a series have one page together."""
    return f"{blake3(series_uid.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.html" if series_uid else "none.html"


def write_series_pages(workspace: Workspace, files: pd.DataFrame) -> int:
    """Make the pages whose tables changed since they were made; remove those of series that are gone."""
    folder = workspace.reports_local / FOLDER
    folder.mkdir(exist_ok=True)
    told = Evidence(workspace)
    before = _made_before(folder)
    pages = {str(name): own.sort_values("source_path") for name, own in files.groupby("page")}
    keys = {name: told.key(own) for name, own in pages.items()}
    due = [name for name in pages if before.get(name) != keys[name] or not (folder / name).is_file()]
    child = Child()
    try:
        for names in _batches(due, pages):
            changes = crosswalk.of_files(workspace, [path for name in names for path in pages[name]["source_path"]])
            places = changes.groupby("source_path").indices
            for name in names:
                own = [places[path] for path in pages[name]["source_path"] if path in places]
                page = told.page(pages[name], changes.iloc[np.concatenate(own) if own else []], child)
                write_atomically(folder / name, page.encode("utf-8", "replace"))
    finally:
        child.close()
    for gone in set(before) - set(pages):
        (folder / gone).unlink(missing_ok=True)
    write_if_changed(folder / KEYS, json.dumps(keys, sort_keys=True).encode())
    return len(due)


def _made_before(folder: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        made = json.loads((folder / KEYS).read_text(encoding="utf-8"))
        if isinstance(made, dict):
            return {name: key for name, key in made.items() if re.fullmatch(r"[0-9a-z]+\.html", name)}
    return {}


def _batches(names: list[str], pages: dict[str, pd.DataFrame]) -> Iterator[list[str]]:
    batch: list[str] = []
    for name in names:
        if batch and sum(len(pages[one]) for one in (*batch, name)) > BATCH_FILES:
            yield batch
            batch = []
        batch.append(name)
    if batch:
        yield batch


class Evidence:
    """What the tables say of files and series, read once for all pages; :class:`InputError` names a decision that
    cannot be read."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        findings = [workspace.read_or_empty(tables.VERIFICATION), workspace.read_or_empty(tables.HELD_FINDINGS)]
        self.findings = pd.concat([part.reindex(columns=[*FINDING, "file"]) for part in findings], ignore_index=True)
        self.verdicts = workspace.read_or_empty(tables.IMAGE_VERDICTS)
        self.faces = workspace.read_or_empty(tables.FACE_VERDICTS)
        self.decisions = pd.concat(
            [
                log.history(workspace).assign(about=about)
                for log, about in (
                    (IMAGE_LOG, "text in pixels"),
                    (FACE_LOG, "face"),
                    (EXCLUSION_LOG, "exclusion"),
                )
            ],
            ignore_index=True,
        ).reindex(columns=["about", "item", "decision", "boxes", "reviewer", "time", "note"])
        self.reasons = _plan_reasons(workspace)
        self._found_at = _Rows(self.findings, "file", FINDING)
        self._looked_at = _Rows(self.verdicts, "source_path", LOOKED)
        self._face_of, self._mates = _Rows(self.faces, "series_uid", FACE_TOLD), _Rows(self.faces, "head", FACE_TOLD)
        self._said_of = _Rows(self.decisions, "item", list(self.decisions.columns))
        self.checks = workspace.read_or_empty(tables.CHECKS)
        code = (*TEMPLATES.rglob("*.j2"), TEMPLATES / "style.css", Path(__file__))
        # of the checks what a page says of them: their table has a digest of the release, new with each file
        alike = "\0".join([__version__, _checks_said(self.checks), self.reasons.to_csv(index=False)])
        self._made_by = blake3(b"".join([*(path.read_bytes() for path in sorted(code)), alike.encode()])).digest()

    def key(self, files: pd.DataFrame) -> str:
        """What a page depends on: its files and all that is said of them. No frame is made for it: of many series one
        has changed."""
        parts = (
            list(tables.row_values(files, *files.columns.drop("seconds"))),
            self._found_at.told(_places(files)),
            self._said_of.told(self._items(files)),
            sorted(map(repr, self._looked_at.told(files["source_path"]))),
            self._face_of.told(_series_of(files)),
        )
        return blake3(self._made_by + repr(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def page(self, files: pd.DataFrame, changes: pd.DataFrame, child: Child) -> str:
        """The page of one series; ``changes``: of its files, one file after the other."""
        one = files.iloc[0]
        common, others = _common_and_own(changes)
        own: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        told = self._with_reasons(others, files).itertuples(index=False, name=None)
        for path, row in zip(others["source_path"], told, strict=True):
            own[path].append(row)
        statuses = files["status"].value_counts()
        return page_of(
            "local/series.html.j2",
            self.workspace.parameters.site,
            title=_text(" ".join(filter(None, (one.modality, one.SeriesDescription))) or "Files without a series"),
            counts=[(tables.code_in_words(name), int(statuses[name])) for name in tables.STATUSES if name in statuses],
            total=len(files),
            identity=[(name, _text(old), _text(new)) for name, old, new in _identity(files, changes)],
            pictures=self._pictures(files, child),
            files=[_file(number, row, own) for number, row in enumerate(files.itertuples(), 1)],
            common=_shown_changes(self._with_reasons(common, files), "Changed alike in every released file"),
            changed=len(common),
            released=int(statuses.get("released", 0)),
            decisions=_shown(self._decided(files), "What people decided about this series, its files, device or study"),
            findings=_shown(self._found(files), "What 04 found in it"),
            checks=_checks_said(self.checks),
            looked=_shown(self._looked(files), "How its pictures were looked at for text"),
            faces=_shown(self._faces_of(files), "Whether a face may show, and what became of it"),
        )

    def _pictures(self, files: pd.DataFrame, child: Child) -> list[dict[str, str]]:
        images = files[(files["sop_class"] != "") & (files["size"] <= LARGEST_PICTURED)]
        images = images.assign(number=pd.to_numeric(images["InstanceNumber"], errors="coerce")).sort_values("number")
        marked = images[images["boxes"] != ""]
        places = [0, len(images) // 2, len(images) - 1] if len(images) else []
        chosen = pd.concat([marked, images.iloc[places]])
        made = []
        for row in chosen[~chosen["source_path"].duplicated()].head(PICTURED).itertuples():
            with contextlib.suppress(OSError, ChildFault):  # the outcome or the gate says what is wrong with it
                target = (self.workspace.release / row.target_path).read_bytes() if row.status == "released" else None
                pair = child.call(thumbnails, self.workspace.source.read(row.source_path), target, row.boxes)
                before, after = (base64.b64encode(png).decode("ascii") for png in pair)
                made.append({"name": _text(row.source_path), "before": before, "after": after})
        return made

    def _found(self, files: pd.DataFrame) -> pd.DataFrame:
        return self._found_at.of(_places(files))

    def _decided(self, files: pd.DataFrame) -> pd.DataFrame:
        return self._said_of.of(self._items(files))

    def _items(self, files: pd.DataFrame) -> set[str]:
        """What a decision about these files, their series, head, study or device is about."""
        items = {*files["source_path"], *_prefixed("series:", files["SeriesInstanceUID"]), *files["SeriesInstanceUID"]}
        items |= {*_prefixed("study:", files["StudyInstanceUID"])}
        heads = self._face_of.cells(_series_of(files), "head")
        items |= self._mates.cells(heads, "series_uid")  # a decision covers a whole head
        items |= {*_prefixed("device:", self._looked_at.cells(files["source_path"], "device"))}
        return items - {""}

    def _looked(self, files: pd.DataFrame) -> pd.DataFrame:
        own = self._looked_at.of(files["source_path"]).assign(files=1)
        return own.groupby(LOOKED, as_index=False).agg(files=("files", "sum"))

    def _faces_of(self, files: pd.DataFrame) -> pd.DataFrame:
        return self._face_of.of(_series_of(files))

    def _with_reasons(self, changes: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
        """Changes in words, in their order: what was done, by which rule, why, and who decided it."""
        keyed = changes.assign(
            sop_class=changes["source_path"].map(dict(zip(files["source_path"], files["sop_class"], strict=True))),
            place=changes["path"].str.replace(r"\[\d+\]", "", regex=True),
            planned=changes["tag"].map(_planned),
        )
        joined = keyed.merge(self.reasons, on=["sop_class", "place", "planned"], how="left").fillna("")
        joined["action"] = joined["action"].map(lambda code: ACTIONS.get(code, code))
        return joined.rename(columns=IN_WORDS)[list(IN_WORDS.values())].astype(object)


IN_WORDS = {name: name for name in ("path", "tag", "keyword")}
IN_WORDS |= {"original": "before", "new": "after", "action": "action", "rule_source": "rule", "reason": "reason"}
IN_WORDS |= {"decided_by": "decided by"}
"""Columns of the crosswalk and of the plan, as a page names them."""
FINDING = ["check", "severity", "tag", "kind", "detail"]
LOOKED = ["checked", "verdict", "tier", "risk", "risk_reason"]
FACE_TOLD = ["status", "reason", "need", "need_reason", "files", "removed", "shared_from"]


class _Rows:
    """The rows of a table by what they say in a column: asked for each page, no other row is looked at.

    ``shown``: the columns that a page tells.
    """

    def __init__(self, frame: pd.DataFrame, column: str, shown: list[str]) -> None:
        self._frame, self._shown = frame, shown
        self._places = {said: places.tolist() for said, places in frame.groupby(column).indices.items()}
        self._told = list(tables.row_values(frame, *shown))
        self._cells = {name: frame[name].tolist() for name in ("head", "series_uid", "device") if name in frame}

    def of(self, said: Iterable[str]) -> pd.DataFrame:
        """Those that say one of these (each named once), in the order of the table."""
        return self._frame[self._shown].iloc[self._found(said)]

    def told(self, said: Iterable[str]) -> list[tuple[Any, ...]]:
        """The same as tuples."""
        return [self._told[place] for place in self._found(said)]

    def cells(self, said: Iterable[str], column: str) -> set[str]:
        """What they say in another column."""
        return {self._cells[column][place] for place in self._found(said)}

    def _found(self, said: Iterable[str]) -> list[int]:
        return sorted(place for one in said for place in self._places.get(one, ()))


def _places(files: pd.DataFrame) -> set[str]:
    """The released files and their folders, where 04 finds something."""
    own = set(files["target_path"]) - {""}
    return own | {path.rpartition("/")[0] for path in own}


def _series_of(files: pd.DataFrame) -> set[str]:
    return set(files["SeriesInstanceUID"]) - {""}


def _plan_reasons(workspace: Workspace) -> pd.DataFrame:
    """Reason and who decided, by kind of image, place and tag; where two creators differ under one tag, none."""
    columns = ["sop_class", "place", "planned", "reason", "decided_by"]
    if not workspace.has(tables.TAG_PLAN):
        return pd.DataFrame(columns=columns)
    plan = workspace.read(tables.TAG_PLAN).rename(columns={"path": "place", "tag": "planned"})[columns]
    return plan.drop_duplicates().drop_duplicates(columns[:3], keep=False)


def _planned(tag: str) -> str:
    """A tag as the plan has it: a private element without its block."""
    private = len(tag) == 11 and tag[4] in "13579bdfBDF" and tag[6:8] != "00"
    return f"{tag[:6]}xx{tag[8:]}" if private else tag


def _prefixed(prefix: str, values: Iterable[str]) -> set[str]:
    return {f"{prefix}{value}" for value in values if value}


def _common_and_own(changes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Changes that every released file has alike, told once, and those of each file alone."""
    times = changes.groupby(ELEMENT, dropna=False)["source_path"].transform("nunique")
    count = changes["source_path"].nunique()
    alike = (times == count) & (count > 1)
    return changes[alike].drop_duplicates(ELEMENT), changes[~alike]


def _file(number: int, row: Any, own: dict[str, list[tuple[str, ...]]]) -> dict[str, Any]:
    facts = {
        "What became of it": tables.code_in_words(row.status),
        "Why": tables.REASON_MEANINGS.get(row.reason, row.reason),
        "More": row.detail,
        "What to do": tables.REMEDIES.get(row.reason, ""),
        "Released as": row.target_path,
        "SOP Instance UID": row.SOPInstanceUID,
        "Filled in the pixels": row.boxes,
        "Share of pixels filled to remove a face": f"{row.face_share:.1%}" if row.face_share > 0 else "",
        "BLAKE3 of the source file": row.source_digest,
        "BLAKE3 of the released file": row.target_digest,
        "Pixel data before": row.pixel_digest_before,
        "Pixel data after": row.pixel_digest_after,
    }
    return {
        "number": number,
        "name": _text(row.source_path),
        "status": row.status,
        "said": tables.code_in_words(row.status),
        "facts": [(name, _text(value)) for name, value in facts.items() if value],
        "changes": _shown_rows(own.get(row.source_path, []), "Changed in this file alone"),
    }


def _identity(files: pd.DataFrame, changes: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Whose it is: patient, accession and UIDs, each as it was and as it is in the release."""
    names = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID")
    rows = changes[(changes["path"] == "") & changes["keyword"].isin(names)]
    new = {(name, old): value for name, old, value in zip(rows["keyword"], rows["original"], rows["new"], strict=True)}
    ids = {"PatientID": "person_id", "AccessionNumber": "image_occurrence_id"}
    for name in names:
        for value in sorted(set(files[name]) - {""}):
            mapped = files.loc[files[name] == value, ids[name]].dropna().unique() if name in ids else []
            yield name, value, new.get((name, value)) or ", ".join(str(int(number)) for number in mapped)


def _checks_said(checks: pd.DataFrame) -> str:
    asked = checks[checks["examined"] > 0]
    results = asked["result"].value_counts()
    said = ", ".join(f"{count:,} {name}" for name, count in results.items())
    return f"04 asked {len(asked):,} checks of the whole release: {said}." if len(asked) else "04 was not run."


def _shown(frame: pd.DataFrame, caption: str) -> Markup:
    return Markup(table_html(frame, len(frame), caption))


def _shown_changes(changes: pd.DataFrame, caption: str) -> Markup:
    return _shown_rows(list(changes.itertuples(index=False, name=None)), caption)


def _shown_rows(rows: list[tuple[str, ...]], caption: str) -> Markup:
    """Changes in words, without their places where all stand at the root."""
    names = list(IN_WORDS.values())
    if not any(place for place, *_ in rows):
        names, rows = names[1:], [row[1:] for row in rows]
    return Markup(rows_html(names, rows, caption))


def _text(value: object) -> Markup:
    """Header text as data: escaped where everything is (``display``)."""
    return Markup(escape(value))
