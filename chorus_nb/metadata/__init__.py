"""What researchers query instead of DICOM: local words as CHoRUS fields (02), tables and their dictionary (05)."""

from chorus_nb.metadata.asking import ask, completeness, mapped_completeness, questions
from chorus_nb.metadata.building import build_metadata
from chorus_nb.metadata.devices import by_device
from chorus_nb.metadata.local_fields import decide_fields, local_fields, studies_without_code
