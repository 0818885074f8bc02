-- Age at the study by modality
SELECT Modality, count(*) AS studies, count(age) AS with_age, min(age) AS youngest, median(age) AS median,
       max(age) AS oldest
FROM (SELECT DISTINCT series.Modality, image_occurrence_id, StudyInstanceUID, age
      FROM series JOIN study USING (image_occurrence_id, StudyInstanceUID))
GROUP BY ALL ORDER BY ALL
