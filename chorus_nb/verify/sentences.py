"""What the certificate says, made of its numbers and of nothing else: another number, another sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from chorus_nb.tables import code_in_words, reason_meanings
from chorus_nb.verify.claim import TextClaim

BLANKS = ("PI name", "PI e-mail", "Organisation", "IRB number and date", "Name and description of the data")
CHECKLIST = ["item", "what", "what was done", "proof"]
EXAMINED = (
    "A row for each check; its name stands in the proofs of the next table. Examined are files (in the "
    "registry their rows), but series in geometry, UIDs in uids and ids in procedure id free; held: files that stay at "
    "the site because of it."
)
DONE_TO_ELEMENTS = {
    "K": "kept",
    "C": "kept without what no list knows",
    "S": "sequences entered item by item",
    "X": "removed",
    "Z": "emptied",
    "D": "replaced by a dummy",
    "U": "given a new UID",
    "shift": "moved in time",
    "lookup": "replaced by the id of the lookup table",
    "age": "capped as ages above 89",
}
WHAT_BECAME_OF_FACES = {
    "defaced": "had their face removed",
    "no_face_in_view": "are heads without a face in view",
    "came_without_face": "are heads that came without their face",
    "no_head": "show no head",
    "as_it_is": "leave with a face that a reviewer signed for",
    "may_be_head": "may show a head and were not defaced",
    "not_asked": "were not asked for a head",
    "rendering": "are pictures that may show a face",
}
DECIDED_IN_WORDS = {
    "tags": "rows of the tag plan were decided by a person",
    "words": "words of texts were approved",
    "pictures": "pictures were released by a decision",
    "faces": "series leave with their face by a decision",
    "labels": "words in pictures are on the site's list of technical labels",
}


class Section(NamedTuple):
    """A part of the certificate: its heading, sentences, and a table or none."""

    heading: str
    sentences: list[str]
    table: pd.DataFrame | None = None


def sections_of(facts: Mapping[str, Any]) -> list[Section]:
    """The certificate from its ``facts``, the first section with its title."""
    checks = pd.DataFrame(facts["checks"])
    checks["check"] = checks["check"].map(code_in_words)
    made = ", ".join(f"{name} {number}" for name, number in sorted(facts["versions"].items()))
    return [
        Section(f"Verification certificate of {facts['site']}", [*_gate(facts), *_released(facts)]),
        Section("Policy", [*_policy(facts), *_decisions(facts)]),
        Section("Text in pictures", [text_said(facts["text_in_pictures"])]),
        Section("Faces", [faces_said(facts["faces"])]),
        Section("What was searched for identifiers", [searched_said(facts["searched"])]),
        Section("Checks", [EXAMINED], checks[["check", "question", "result", "why", "examined", "findings", "held"]]),
        Section("Safe Harbor, 45 CFR 164.514(b)(2)", [], pd.DataFrame(facts["safe_harbor"])[CHECKLIST]),
        Section("To be filled in by the site", [f"{blank}: ______" for blank in (*BLANKS, "Signature and date")]),
        Section("Made with", [f"{made}."]),
    ]


def checks_said(checks: Iterable[Mapping[str, Any]]) -> str:
    """How many checks passed; each that was not run, and why."""
    rows = list(checks)
    idle = [row for row in rows if row["result"] == "not run"]
    other = [f"{code_in_words(row['check'])}: {row['why'] or 'no reason is on record'}" for row in idle]
    failed = [code_in_words(row["check"]) for row in rows if row["result"] not in ("pass", "not run")]
    passed = sum(row["result"] == "pass" for row in rows)
    parts = [f"{passed:,} of {len(rows):,} checks passed"]
    parts += [f"{len(other):,} {'was' if len(other) == 1 else 'were'} not run ({'; '.join(other)})"] if other else []
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    return ", ".join(parts) + "."


def searched_said(searched: Mapping[str, Any]) -> str:
    """What was looked for in all that is no image, how much was read, and which of it alone proves nothing."""
    if not searched["files"]:
        return "Nothing but the images was searched."
    parts = (
        f"{part}: {n:,} file{'s' * (n != 1)}, {searched['bytes'][part]:,} bytes of text"
        for part, n in searched["files"].items()
    )
    return (
        f"{searched['terms']:,} identifiers and names of the source and the lookup tables were searched for in every "
        f"file that is no image ({'; '.join(parts)}), and in the audit log and its reports. {searched['page_words']:,} "
        "of them are words that the pages, the site or the Standard say themselves: they prove nothing alone, but do "
        "beside another part of the name."
    )


def text_said(text: Mapping[str, Any]) -> str:
    """How the pictures were looked at for text: read, sampled with a bound, redacted, and read a second time."""
    if not text["looked_for"]:
        said = "Nobody looked for text in the pictures (burned_in_text is skip)."
    else:
        said = str(TextClaim(**{name: text[name] for name in TextClaim._fields if name in text}))
    redacted = f"In {text['redacted']:,} of the released pictures text was painted over."
    if text["not_read_because"]:
        return f"{said} {redacted} No second reader looked: {text['not_read_because']}."
    return f"{said} {redacted} A second reader, Tesseract, looked at {text['read_a_second_time']:,} released pictures."


def faces_said(faces: Mapping[str, Any]) -> str:
    """The released volumes by what became of their faces."""
    series, files = faces["series"], faces["files"]
    if not series:
        return "No released series is a volume that could show a face."
    names = [*WHAT_BECAME_OF_FACES, *sorted(series.keys() - WHAT_BECAME_OF_FACES.keys())]
    said = {name: WHAT_BECAME_OF_FACES.get(name, f"are on record as {code_in_words(name)}") for name in names}
    parts = [f"{series[name]:,} ({files[name]:,} files) {said[name]}" for name in names if name in series]
    skipped = "" if faces["looked_for"] else " Nobody was to look for faces (deface is skip)."
    left = faces["to_be_looked_at"]
    asked = f" In {left:,} series 04 found something that a person should look at." if left else ""
    return f"Of {sum(series.values()):,} series that could show a face, {'; '.join(parts)}.{skipped}{asked}"


def dates_said(shift_code: int) -> str:
    """What was done with the dates of images, by the date shift code of the site (DS-05)."""
    if shift_code == 0:
        return "no date of an image is shifted (shift_code 0): each is that of the source, as compared date by date"
    return (
        "every date of an image is shifted by one number of days per person, at any depth, compared date by date with "
        "the original"
    )


def device_said(kept: bool) -> str:
    return "kept on purpose (keep_device_identifiers)" if kept else "removed or replaced; searched for"


def _gate(facts: Mapping[str, Any]) -> list[str]:
    return [
        facts["gate"],
        "This release may leave once a person has signed exactly these bytes. This certificate is part of what is "
        "signed and cannot say whether somebody has: chorus-nb audit --public does.",
        checks_said(facts["checks"]),
    ]


def _released(facts: Mapping[str, Any]) -> list[str]:
    counts = _counted(facts["files_by_modality"])
    graded = facts["findings_by_severity"]
    stay = "; ".join(f"{number:,} ({_meaning(code)})" for code, number in facts["not_released_by_reason"].items())
    return [
        f"{facts['files']:,} files ({counts}) of {facts['persons']:,} persons, {facts['accessions']:,} accessions and "
        f"{facts['series']:,} series are in the release. Each was read again beside its original.",
        f"Found in the source: {facts['files_found']:,} files; {_counted(facts['source_files_by_status'])}.",
        f"Why files stay at the site: {stay or 'none does'}.",
        f"What was released has {graded['high']:,} findings of high and {graded['medium']:,} of medium severity.",
        f"All files but this certificate and the manifest (BLAKE3): {facts['release_blake3']}",
    ]


def _meaning(code: str) -> str:
    return reason_meanings().get(code, code_in_words(code))


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {code_in_words(name)}" for name, number in numbers.items())


def _policy(facts: Mapping[str, Any]) -> list[str]:
    policy = facts["policy"]
    script = f" {policy['script']} (BLAKE3 {policy['script_blake3']})" if "script" in policy else ""
    said = [f"Policy: {policy['name']}{script}.", f"Date shift code: {facts['shift_code']}."]
    if "actions" in policy:
        actions = policy["actions"]
        parts = [f"{actions[name]:,} {words}" for name, words in DONE_TO_ELEMENTS.items() if name in actions]
        parts += [f"{actions[name]:,} {name}" for name in sorted(actions.keys() - DONE_TO_ELEMENTS.keys())]
        said.append(
            f"The plan has {sum(actions.values()):,} rows, one for each element of each kind of image (not counted is "
            f"how a file is written, which is made anew): {', '.join(parts)} (BLAKE3 {policy['tag_plan_blake3']})."
        )
    return said


def _decisions(facts: Mapping[str, Any]) -> list[str]:
    opted = facts["opted_in"]
    by_person = facts["decided_by_persons"]
    decided = [f"{by_person[name]:,} {words}" for name, words in DECIDED_IN_WORDS.items() if by_person[name]]
    return [
        f"The site chose: {'; '.join(opted)}." if opted else "The site chose nothing that lets out more.",
        f"Decided by people: {'; '.join(decided)}." if decided else "No person decided that something more may leave.",
    ]
