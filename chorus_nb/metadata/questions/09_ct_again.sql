-- Persons with two CT studies within 30 days
WITH dated AS (SELECT *, TRY_CAST(StudyDate AS DATE) AS day FROM study WHERE Modality LIKE '%CT%')
SELECT person_id, former.image_occurrence_id AS first_occurrence_id,
       later.image_occurrence_id AS second_occurrence_id, later.day - former.day AS days
FROM dated AS former JOIN dated AS later USING (person_id)
WHERE former.image_occurrence_id <> later.image_occurrence_id AND later.day - former.day BETWEEN 0 AND 30
  AND (former.day < later.day OR former.image_occurrence_id < later.image_occurrence_id)
ORDER BY ALL
