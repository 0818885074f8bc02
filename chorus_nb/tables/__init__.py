"""The tables that flow from notebook to notebook: name, columns, types, nullability and meaning, checked both ways.

What tables there are is data (``tables.csv``, ``columns.csv``); ``schema`` checks, writes and reads them.
"""

from chorus_nb.tables.cells import as_lines
from chorus_nb.tables.definitions import NOT_IN_FILE, code_in_words, defined, reason_meanings, remedies
from chorus_nb.tables.schema import (
    Column,
    Table,
    csv_bytes,
    csv_head,
    decode,
    describe,
    empty,
    encode,
    fitted,
    frame,
    parquet_bytes,
    probe,
    read,
    reading,
    row_values,
    to_arrow,
    to_compact,
    to_pandas,
)

TABLES = defined()
REMEDIES = remedies()
REASON_MEANINGS = reason_meanings()
STATUSES = ("released", "held_back", "quarantined", "duplicate", "not_dicom")

EXPECTED_STUDIES = TABLES["expected_studies"]
ARCHIVE_SERIES = TABLES["archive_series"]
PULLED_STUDIES = TABLES["pulled_studies"]
ACQUISITION = TABLES["acquisition"]
CATALOG = TABLES["catalog"]
TAG_PROFILE = TABLES["tag_profile"]
QUALITY_FINDINGS = TABLES["quality_findings"]
LINKAGE = TABLES["linkage"]
TAG_PLAN = TABLES["tag_plan"]
PERSON_MAP = TABLES["Personal_map"]
IMAGE_MAP = TABLES["Image_map"]
WORKLIST = TABLES["worklist"]
RUN_SETTINGS = TABLES["run_settings"]
OUTLOOK = TABLES["outlook"]
OUTCOMES = TABLES["outcomes"]
CROSSWALK = TABLES["crosswalk"]
ORIGINALS = TABLES["originals"]
TEXT_CHECKS = TABLES["text_checks"]
TEXT_FINDINGS = TABLES["text_findings"]
TEXT_CONTROLS = TABLES["text_controls"]
TEXT_PROOFS = TABLES["text_proofs"]
IMAGE_VERDICTS = TABLES["image_verdicts"]
DECIDED_IMAGES = TABLES["decided_images"]
MET_DECISIONS = TABLES["met_decisions"]
MET_FILES = TABLES["met_files"]
FACE_VERDICTS = TABLES["face_verdicts"]
FACE_LOOKS = TABLES["face_looks"]
VERIFICATION = TABLES["verification"]
HELD_FINDINGS = TABLES["held_findings"]
CHECKS = TABLES["checks"]
VERIFIED_IMAGES = TABLES["verified_images"]
SEARCH_TERMS = TABLES["search_terms"]
IMAGE_REGISTRY = TABLES["image_registry"]
REGISTRY_IDS = TABLES["registry_ids"]
PROCEDURE_IDS = TABLES["procedure_ids"]
RELEASED_HEADERS = TABLES["released_headers"]
STUDY = TABLES["study"]
SERIES = TABLES["series"]
IMAGE = TABLES["image"]
ACQUIRED = tuple(TABLES[name] for name in ("ct", "mr", "pt", "us", "xr"))  # how series of a modality were acquired
METADATA = (STUDY, SERIES, IMAGE, *ACQUIRED)  # of the released images, as CSV and Parquet
OMOP_FINDINGS = TABLES["omop_findings"]
OMOP_WITHHELD = TABLES["omop_withheld"]
SEAL = TABLES["seal"]
REGISTRY_SETTINGS = TABLES["registry_settings"]
REGISTRY_CHECKS = TABLES["registry_checks"]
TREE_FINDINGS = TABLES["tree_findings"]
TREE_CHECKS = TABLES["tree_checks"]
SEARCHED_PARTS = TABLES["searched_parts"]
MANIFEST = TABLES["manifest"]
CONSORTIUM_SELECTION = TABLES["consortium_selection"]
DELIVERIES = TABLES["deliveries"]
TAG_DECISIONS = TABLES["tag_decisions"]
IMAGE_DECISIONS = TABLES["image_decisions"]
CONTROL_DECISIONS = TABLES["control_decisions"]
FACE_DECISIONS = TABLES["face_decisions"]
EXCLUSIONS = TABLES["exclusions"]
WITHDRAWALS = TABLES["withdrawals"]
DEVIATIONS = TABLES["deviations"]
KNOWN_WORDS = TABLES["known_words"]
LOCAL_FIELD_VALUES = TABLES["local_field_values"]
LOCAL_FIELDS = TABLES["local_fields"]
UNKNOWN_WORDS = TABLES["unknown_words"]
PROCEDURE_CONCEPTS = TABLES["procedure_concepts"]
SIGN_OFF = TABLES["release_sign_off"]
