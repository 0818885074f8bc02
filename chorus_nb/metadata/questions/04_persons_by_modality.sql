-- Persons and studies by modality and sex
SELECT series.Modality, PatientSex, count(DISTINCT person_id) AS persons,
       count(DISTINCT (image_occurrence_id, StudyInstanceUID)) AS studies
FROM series JOIN study USING (person_id, image_occurrence_id, StudyInstanceUID) GROUP BY ALL ORDER BY ALL
