"""05: every released image tied to the patient's record (Imaging SOP section 2, Multimodal-Linkage SOP)."""

from chorus_nb.registry.checks import check_registry
from chorus_nb.registry.image_registry import build_registry, first_rows
from chorus_nb.registry.mi_cdm import build_mi_cdm
from chorus_nb.registry.omop import build_omop, omop_findings
from chorus_nb.registry.overview import held_back, link_summary, visit_timing
