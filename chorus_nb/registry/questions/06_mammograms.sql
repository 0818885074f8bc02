-- Mammograms by side and view
SELECT coalesce(nullif(image.ImageLaterality, ''), image.Laterality) AS side, image.ViewPosition, count(*) AS files
FROM image JOIN series USING (folder) WHERE series.Modality = 'MG' GROUP BY ALL ORDER BY ALL
