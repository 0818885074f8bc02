"""What was done to each file, what was checked, and what people decided (notebooks 03 and 04)."""

from __future__ import annotations

from chorus_nb.tables.schema import Column, Table, texts

STATUSES = ("released", "held_back", "quarantined", "duplicate", "not_dicom")

WORKLIST = Table(
    "worklist",
    "a file with its target path in the release, or the reason it is held back",
    (
        *texts(
            ("source_path", "path below the source"),
            ("status", "release, or what becomes of it instead: held_back, quarantined, duplicate, not_dicom"),
            ("reason", "a short stable code, '' for release"),
            ("detail", "more on the reason, free of header values"),
            ("target_path", "path below release/, '' if it is not released"),
            ("sop_class", "SOP Class UID"),
            ("modality", "Modality"),
        ),
        Column("size", "integer", "bytes"),
        Column("modified_ns", "integer", "modification time, nanoseconds since 1970"),
        Column("person_id", "integer", "OMOP person_id", nullable=True),
        Column("days_shifted", "integer", "days added to every date", nullable=True),
        Column("image_occurrence_id", "integer", "replaces the accession", nullable=True),
        *texts(
            ("boxes", "x0,y0,x1,y1 of burned-in text to remove, joined by ';', '' = pixels stay as they are"),
            ("face_mask", "name of the masks of its series below local/faces, '' = no face is removed"),
            ("fingerprint", "hash of what the result depends on; equal = nothing to redo"),
        ),
        Column("text_checked", "truth", "the pixels were searched for burned-in text; none is left"),
    ),
    key=("source_path",),
    made_by="03_run_deid",
)

OUTCOMES = Table(
    "outcomes",
    "a file found in the source and what became of it",
    (
        *texts(
            ("source_path", "path below the source"),
            ("status", ", ".join(STATUSES)),
            ("reason", "a short stable code, '' for released"),
            ("detail", "more on the reason, free of header values"),
            ("target_path", "path below release/, '' if it is not released"),
            ("sop_class", "SOP Class UID"),
            ("modality", "Modality"),
            ("source_digest", "BLAKE3 of the source file, hex, '' if it was not read"),
            ("target_digest", "BLAKE3 of the released file"),
            ("pixel_digest_before", "BLAKE3 of the pixel data value in the source"),
            ("pixel_digest_after", "BLAKE3 of the pixel data value in the release"),
            ("boxes", "what was filled in the pixels, x0,y0,x1,y1 joined by ';', '' = no box was"),
            ("face_mask", "name of the masks of its series below local/faces, '' = its face was not removed"),
        ),
        Column("face_share", "number", "share of its pixels filled to remove a face; empty = none", nullable=True),
        Column("seconds", "number", "time spent on it"),
    ),
    key=("source_path",),
    made_by="03_run_deid",
)

CROSSWALK = Table(
    "crosswalk",
    "a changed element of a file (SOP step 10); stays local",
    (
        *texts(
            ("source_path", "path below the source"),
            ("target_path", "path below release/"),
            ("path", "keywords of the sequences above it with item numbers, '' at the root"),
            ("tag", "(gggg,eeee)"),
            ("keyword", "keyword, or the private creator"),
            ("vr", "value representation"),
            ("original", "original value"),
            ("action", "action of the tag plan"),
            ("rule_source", "which rule said so"),
            ("new", "new value, '' if removed or emptied"),
        ),
    ),
    key=(),
    made_by="03_run_deid",
)

VERIFICATION = Table(
    "verification",
    "a finding of the checks",
    (
        *texts(
            ("check", "short stable code of the check"),
            ("severity", "high, medium, low or info"),
            ("file", "path below release/, audit/ or the source"),
            ("tag", "(gggg,eeee) or place, '' if none"),
            ("detail", "what was found; a found identifier is masked"),
        ),
    ),
    key=(),
    made_by="04_verify",
)

CHECKS = Table(
    "checks",
    "a check of the gate",
    (
        *texts(
            ("check", "short stable code"),
            ("question", "what it asks, in a sentence"),
            ("result", "pass, fail or not run"),
            ("detail", "why it failed or was not run"),
        ),
        Column("examined", "integer", "things examined"),
        Column("findings", "integer", "findings of high severity"),
    ),
    key=("check",),
    made_by="04_verify",
)

TEXT_CHECKS = Table(
    "text_checks",
    "an image in which text was looked for (the cache that makes it resumable)",
    (
        *texts(("source_path", "path below the source"), ("filled", "boxes filled before looking, '' = as it is")),
        Column("size", "integer", "bytes"),
        Column("modified_ns", "integer", "modification time, nanoseconds since 1970"),
        *texts(
            ("detector", "version of the detector and its settings"),
            ("problem", "why it could not be checked: a short code, '' = it was"),
        ),
        Column("seconds", "number", "time spent on it"),
    ),
    key=("source_path", "filled"),
    made_by="03_run_deid",
)

TEXT_FINDINGS = Table(
    "text_findings",
    "a line of text found in the picture of a file; identifiable, stays local",
    (
        *texts(("source_path", "path below the source"), ("filled", "boxes filled before looking, '' = as it is")),
        Column("frame", "integer", "from 0; -1 = maximum over all frames"),
        *texts(("box", "x0,y0,x1,y1, pixels, exclusive ends"), ("text", "as it was read")),
        Column("confidence", "number", "of the reading, 0 to 1"),
        *texts(
            ("tier", "high, medium or low"),
            ("reason", "why this tier"),
            ("matched", "keyword of the header attribute that says the same, '' = none"),
        ),
    ),
    key=(),
    made_by="03_run_deid",
)

TEXT_PROOFS = Table(
    "text_proofs",
    "a redacted image, looked at once more in the file as it was written",
    texts(
        ("source_path", "path below the source"),
        ("target_path", "path below the release"),
        ("target_digest", "BLAKE3 of the released file that was looked at"),
        ("detector", "version of the detector and its settings"),
        ("result", "nothing left; or what is: high text left, medium text left, why it could not be looked at"),
    ),
    key=("target_path",),
    made_by="03_run_deid",
)

IMAGE_VERDICTS = Table(
    "image_verdicts",
    "an image that may be released, and what its burned-in text means for that",
    (
        *texts(
            ("source_path", "path below the source"),
            ("verdict", "clean, hold or redact"),
            ("reason", "burned_in_text, burned_in_text_unchecked, rejected_by_review, '' = clean or redact"),
            ("boxes", "what is filled, x0,y0,x1,y1 per box, joined by ';'; for a held image: what was found"),
            ("tier", "highest tier found: high, medium, low, '' = no text"),
            ("risk", "from the header: likely, possible, unlikely, unreadable or none"),
            ("risk_reason", "the rule of triage that says so"),
            ("checked", "looked (text was looked for), group (its group was), decided (by a person), not (skipped)"),
            ("device", "MANUFACTURER|MODEL|ROWSxCOLS, the item of a decision on a device"),
        ),
    ),
    key=("source_path",),
    made_by="03_run_deid",
)

FACE_VERDICTS = Table(
    "face_verdicts",
    "a series that may show a face, and what became of it; empty cells = not measured",
    (
        *texts(
            ("series_uid", "Series Instance UID of the source"),
            ("modality", "Modality"),
            (
                "need",
                "from the header: face, unknown, doubt (another part of the body in a study of a head) or rendering",
            ),
            ("need_reason", "the rule of needs.json that says so"),
            ("status", "defaced, no_face_in_view, not_a_head, not_defaced, rendering, as_it_is or held (by a person)"),
            ("reason", "why it is not defaced, free of header values"),
            ("shared_from", "series_uid of the series whose pose was used, '' = its own"),
            ("mask", "name of its masks below local/faces"),
        ),
        Column("files", "integer", "files of the series"),
        Column("removed", "number", "share of all pixels that is filled"),
        Column("brain_ml", "number", "millilitres of the template's brain that are filled"),
        *(
            Column(name, "number", meaning, nullable=True)
            for name, meaning in (
                ("dice", "overlap of the head with the template's, 0 to 1"),
                ("nmi", "normalised mutual information with the template, 1 = none"),
                ("scale_low", "least stretch to the template"),
                ("scale_high", "greatest stretch to the template"),
                ("rotation", "turned by, degrees"),
                ("brain", "share of the template's brain that would be removed"),
                ("face", "share of the head in view that is removed"),
                ("scalp", "difference of scalp and skull, beside the brain"),
                ("agreement", "least overlap with what other starts of the search would remove"),
                ("nose", "share removed around the most forward point"),
                ("front", "share of rays from the front that meet a removed surface"),
            )
        ),
        Column("seconds", "number", "time spent on it"),
        *texts(("fingerprint", "hash of what the result depends on")),
    ),
    key=("series_uid",),
    made_by="03_run_deid",
)

FACE_DECISIONS = Table(
    "face_decisions",
    "what a person decided about the face of a series",
    texts(
        ("item", "Series Instance UID of the source"),
        ("decision", "deface (with the mask found), release (as it is) or hold"),
        ("start", "nodding, turning, tilting in degrees to search from, '' = search everywhere"),
        ("shift", "left, back, up in mm the mask is moved by, '' = not"),
        ("reviewer", "who"),
        ("time", "when, ISO 8601 with offset"),
        ("note", "why"),
    ),
    key=(),
    made_by="04_verify",
    kept="decisions",
    format="csv",
)

IMAGE_DECISIONS = Table(
    "image_decisions",
    "what a person decided about an image in a review",
    (
        *texts(
            ("item", "source_path, series:UID or device:geometry"),
            ("decision", "accept, redact or reject"),
            ("boxes", "x0,y0,x1,y1 per box, joined by ';', pixels, exclusive ends"),
            ("reviewer", "who"),
            ("time", "when, ISO 8601 with offset"),
            ("note", "why"),
            ("seen_digest", "BLAKE3 of the source file that was looked at, '' = any"),
        ),
    ),
    key=(),
    made_by="04_verify",
    kept="decisions",
    format="csv",
)

TAG_DECISIONS = Table(
    "tag_decisions",
    "an override of the tag plan",
    (
        *texts(
            ("path", "as in tag_plan; '*' = at any depth"),
            ("tag", "as in tag_plan"),
            ("private_creator", "as in tag_plan"),
            ("action", "as in tag_plan"),
            ("replacement", "as in tag_plan"),
            ("reason", "why; required"),
            ("reviewer", "who; required"),
            ("time", "when, ISO 8601 with offset"),
        ),
    ),
    key=(),
    made_by="02_map_tags",
    kept="decisions",
    format="csv",
)
