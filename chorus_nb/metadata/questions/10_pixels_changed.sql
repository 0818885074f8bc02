-- Images by modality and whether their pixels were changed
SELECT series.Modality, count(*) AS files, count_if(image.pixels_redacted)::INT AS text_removed,
       count_if(image.face_removed)::INT AS face_removed, round(sum(image.size) / 1e6, 1) AS megabytes
FROM image JOIN series USING (folder) GROUP BY ALL ORDER BY ALL
