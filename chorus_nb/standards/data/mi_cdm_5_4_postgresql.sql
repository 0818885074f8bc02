-- MI-CDM 5.4 for PostgreSQL: tables, primary keys, foreign keys. Source: ImageWG inst/ddl/5.4/postgresql, Apache-2.0.
CREATE TABLE image_occurrence (
    image_occurrence_id integer NOT NULL,
    person_id integer NOT NULL,
    procedure_occurrence_id integer NOT NULL,
    visit_occurrence_id integer NULL,
    anatomic_site_concept_id integer NULL,
    wadors_uri TEXT NULL,
    local_path TEXT NULL,
    image_occurrence_date date NOT NULL,
    image_study_uid TEXT NOT NULL,
    image_series_uid TEXT NOT NULL,
    modality_concept_id integer NOT NULL);
CREATE TABLE image_feature(
    image_feature_id integer NOT NULL,
    person_id integer NOT NULL,
    image_occurrence_id integer NOT NULL,
    image_feature_event_field_concept_id integer NULL,
    image_feature_event_id integer NULL,
    image_feature_concept_id integer NOT NULL,
    image_feature_type_concept_id integer NOT NULL,
    image_finding_concept_id integer NULL,
    image_finding_id integer NULL,
    anatomic_site_concept_id integer NULL,
    alg_system TEXT NULL,
    alg_datetime timestamp NULL);
ALTER TABLE image_occurrence ADD CONSTRAINT xpk_image_occurrence PRIMARY KEY (image_occurrence_id);
ALTER TABLE image_feature ADD CONSTRAINT xpk_image_feature PRIMARY KEY (image_feature_id);
ALTER TABLE image_occurrence ADD CONSTRAINT fpk_image_occurrence_person_id FOREIGN KEY (person_id) REFERENCES PERSON (PERSON_ID);
ALTER TABLE image_occurrence ADD CONSTRAINT fpk_image_occurrence_procedure_occurrence_id FOREIGN KEY (procedure_occurrence_id) REFERENCES procedure_occurrence (procedure_occurrence_id);
ALTER TABLE image_occurrence ADD CONSTRAINT fpk_image_occurrence_visit_occurrence_id FOREIGN KEY (visit_occurrence_id) REFERENCES visit_occurrence (visit_occurrence_id);
ALTER TABLE image_occurrence ADD CONSTRAINT fpk_image_occurrence_anatomic_site_concept_id FOREIGN KEY (anatomic_site_concept_id) REFERENCES CONCEPT (concept_id);
ALTER TABLE image_feature ADD CONSTRAINT fpk_image_feature_person_id FOREIGN KEY (person_id) REFERENCES PERSON (PERSON_ID);
ALTER TABLE image_feature ADD CONSTRAINT fpk_image_feature_image_occurrence_id FOREIGN KEY (image_occurrence_id) REFERENCES IMAGE_OCCURRENCE (image_occurrence_id);
ALTER TABLE image_feature ADD CONSTRAINT fpk_image_feature_event_field_concept_id FOREIGN KEY (image_feature_event_field_concept_id) REFERENCES CONCEPT (concept_id);
