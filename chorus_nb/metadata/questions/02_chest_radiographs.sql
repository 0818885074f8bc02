-- Chest radiographs by view and maker
SELECT series.Modality, image.ViewPosition, series.Manufacturer, count(DISTINCT image_occurrence_id) AS accessions,
       count(*) AS files
FROM image JOIN series USING (folder) WHERE series.Modality IN ('CR', 'DX') AND image.BodyPartExamined = 'CHEST'
GROUP BY ALL ORDER BY ALL
