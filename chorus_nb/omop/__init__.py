"""The site's OMOP CDM 5.4 tables, from a folder of CSV files or from a database."""

from chorus_nb.omop.cdm import (
    IMAGE_OCCURRENCE,
    LARGEST_EXACT,
    LARGEST_INTEGER,
    cdm,
    cdm_fields,
    moments,
    omop_files,
    plain_table,
    read_omop,
    write_plain,
)
from chorus_nb.omop.visits import NEAR_VISIT, NO_END, visit_spans
