-- MR series by field strength and sequence
SELECT MagneticFieldStrength, ScanningSequence, MRAcquisitionType, count(*) AS series, sum(images)::INT AS files
FROM series JOIN mr USING (folder) GROUP BY ALL ORDER BY ALL
