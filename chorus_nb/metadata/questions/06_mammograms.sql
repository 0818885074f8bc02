-- Mammograms by side and view
SELECT image.mapped_laterality AS side, image.mapped_view AS view, count(*) AS files
FROM image JOIN series USING (folder) WHERE series.Modality = 'MG' GROUP BY ALL ORDER BY ALL
