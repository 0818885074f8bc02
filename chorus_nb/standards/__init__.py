"""Facts as data: the tables of the DICOM Standard and of CHoRUS that the workbench rests on (sources: README.md)."""

from chorus_nb.standards.iods import (
    RELEASABLE,
    attribute_type,
    in_some_image,
    iod_of,
    modalities,
    modality_code,
    places_slice,
    releasable,
)
from chorus_nb.standards.lists import (
    DATA,
    NOT_IN_SCRIPT,
    Attribute,
    Concept,
    PrivateAttribute,
    StudyCode,
    body_part_concepts,
    ctp_tag,
    date_table,
    identifying_attributes,
    keep_list,
    loinc_map,
    loinc_names,
    minimum_metadata,
    modality_concepts,
    modality_words,
    never_a_patient,
    normalised_description,
    official_action,
    official_actions,
    ps315,
    ps315_rule,
    safe_private,
)
from chorus_nb.standards.registered import (
    character_sets,
    code_meanings,
    coding_schemes,
    is_code,
    is_registered_uid,
    is_well_known_uid,
)
from chorus_nb.standards.tags import (
    parse_step,
    parse_tag,
    path_step,
    path_steps,
    private_tag,
    tag_name,
    tag_pattern,
)
