-- Contrast CT of the chest with slices under 1 mm
SELECT person_id, image_occurrence_id, ContrastBolusAgent, SliceThickness_max, images FROM series
WHERE Modality = 'CT' AND BodyPartExamined = 'CHEST' AND ContrastBolusAgent <> '' AND SliceThickness_max < 1
ORDER BY ALL
