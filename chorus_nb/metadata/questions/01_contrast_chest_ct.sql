-- Contrast CT of the chest with slices under 1 mm
SELECT person_id, image_occurrence_id, ContrastBolusAgent, SliceThickness_max, images FROM series
WHERE Modality = 'CT' AND mapped_body_part = 'CHEST' AND mapped_contrast = 'with' AND SliceThickness_max < 1
ORDER BY ALL
