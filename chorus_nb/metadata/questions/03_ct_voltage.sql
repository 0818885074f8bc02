-- CT images by tube voltage and matrix
SELECT KVP, image."Rows", image."Columns", count(*) AS files
FROM image JOIN series USING (folder) WHERE series.Modality = 'CT' GROUP BY ALL ORDER BY ALL
