-- Series whose slices differ in thickness
SELECT image_occurrence_id, Modality, SliceThickness_min, SliceThickness_max, images FROM series
WHERE SliceThickness_min < SliceThickness_max ORDER BY ALL
