"""A finding, and the checks of the gate: what each asks, and what to do when it fails."""

from __future__ import annotations

from typing import NamedTuple

from chorus_nb.leaks.search import Severity


class Finding(NamedTuple):
    """A row of ``tables.VERIFICATION``."""

    check: str
    severity: Severity
    file: str
    tag: str
    detail: str


class Check(NamedTuple):
    """A check of the gate. ``optional`` ones may be "not run" while what they look at is not made yet."""

    question: str
    remedy: str
    optional: bool = False


CHECKS = {
    "accounted": Check(
        "Is every file of the source accounted for, and every file of the release on record?",
        "run 03 again; move files that no run put there out of release/",
    ),
    "readable": Check(
        "Can every released file be parsed, and is it whole?",
        "remove the file from release/ and run 03 again",
    ),
    "decoded": Check(
        "Do the pixels of every released file decode?",
        "reject the image in 04's review, or install the decoder its transfer syntax needs",
    ),
    "second_decoder": Check(
        "Does a second, independent decoder (GDCM) see the same pixels?",
        "look at the previews of these files; reject them if they look damaged",
    ),
    "pixels": Check(
        "Are the pixels those of the source, except inside recorded redactions?",
        "remove the file from release/ and run 03 again",
    ),
    "burned_in": Check(
        "Was every released image looked at for text in its pixels, and every redacted one again as it was written?",
        "run 03 again; review the images it holds back",
        optional=True,
    ),
    "second_look": Check(
        "Does a second, independent reader (Tesseract) find nothing of the patient in a sample of the pictures?",
        "redact or reject these images in 04's review, run 03 and 04 again",
        optional=True,
    ),
    "faces": Check(
        "Which series may show a face (CT, MR or PT of a head)?",
        "set deface: apply to remove faces; or decide in 04 whether each of these series may leave as it is",
        optional=True,
    ),
    "geometry": Check(
        "Do the series assemble, with every slice where it was?",
        "run 03 again; if slices were held back, review the whole series",
    ),
    "iod": Check(
        "Does dciodvfy find no error that the source did not have?",
        "look at the action of the tag in 02; report it if the policy breaks a required attribute",
    ),
    "leaks": Check(
        "Is none of a patient's own identifiers left in the headers?",
        "set the tag to X (remove) in 02's tag plan and run 03 and 04 again",
    ),
    "names": Check(
        "Is no identifier in the name of a released file or folder?",
        "remove the file from release/ and run 03 again",
    ),
    "tables": Check(
        "Is no identifier in the tables of the release, the audit log or a report that may be shared?",
        "mend the source of that table (lookup, OMOP) and run its notebook again",
        optional=True,
    ),
    "patterns": Check(
        "Does no remaining text look like an identifier?",
        "set the tag to X (remove) or give a replacement in 02's tag plan, run 03 and 04 again",
    ),
    "removed": Check(
        "Is everything gone that the profile removes?",
        "set the tag to X (remove) in 02's tag plan and run 03 and 04 again",
    ),
    "private": Check(
        "Are all private elements known to be safe?",
        "run 03 again; private elements outside PS3.15 Table E.3.10-1 must not be kept",
    ),
    "retained": Check(
        "Is everything there that the SOP wants kept?",
        "take the override of this tag out of 02's tag plan and run 03 again",
    ),
    "claims": Check(
        "Does every file say what was done to it, and only that?",
        "run 03 again",
    ),
    "ids": Check(
        "Are person_id and image_occurrence_id those of the lookup tables?",
        "remove the person's folder from release/ and run 03 again",
    ),
    "layout": Check(
        "Do folder and file names match the header?",
        "remove the person's folder from release/ and run 03 again",
    ),
    "uids": Check(
        "Is every UID replaced, one for one, also where it is referred to?",
        "check that the site key did not change; empty release/ and run 03 again",
    ),
    "dates": Check(
        "Are all dates of a person moved by the days of the lookup table, times intact?",
        "remove the person's folder from release/ and run 03 again",
    ),
    "visits": Check(
        "Does every image lie inside its visit?",
        "check Days_Shifted of these persons against the shift of the OMOP tables",
        optional=True,
    ),
    "registry": Check(
        "Does the image registry say what the files say?",
        "run 05 again",
        optional=True,
    ),
}
