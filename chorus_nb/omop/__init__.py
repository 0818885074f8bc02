"""The site's OMOP CDM 5.4 tables, from a folder of CSV or Parquet files or from a database."""

from chorus_nb.omop.cdm import IMAGE_OCCURRENCE, LARGEST_EXACT, LARGEST_INTEGER, cdm, cdm_fields
from chorus_nb.omop.lifetimes import AFTER_DEATH, LONGEST_LIFE, birthdays, lifetimes
from chorus_nb.omop.procedures import linked_procedures
from chorus_nb.omop.reading import contradict, moments, open_omop, read_omop, unreadable_dates
from chorus_nb.omop.visits import NEAR_VISIT, NO_END, holding_visits, visit_spans
