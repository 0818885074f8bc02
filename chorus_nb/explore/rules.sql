-- The quality rules (SOP step 9). Each has a head, `-- rule NAME: SEVERITY, LEVEL`, a comment that says what to do, and a
-- query for its findings: item (what it is about), detail (what was found) and files. The queries read
--   catalog        every file found                     file   the DICOM files without DICOMDIR, with `series` (its UID,
--   tag            the tag profile                             or the path), `study_day`, `birth_day`, `instance`, `asked`
--   same_instance  SOP Instance UIDs that stand in several files, with how many different contents those files have
--   linkage        the accessions, none where they were not linked yet
--   clock_days     a variable: days that the dates of one image, or of one accession, may lie apart
--   becomes()      what notebook 03 does with a value that nobody can use
--   character_set  the terms of SpecificCharacterSet that are defined

-- rule unreadable_file: high, file
-- Fetch the file again from its source; as it is, it goes to quarantine.
SELECT source_path AS item, reason AS detail, 1 AS files FROM catalog WHERE status = 'unreadable';

-- rule damaged_file: high, file
-- Its header can be read but it is cut off or its structure is broken: fetch it again.
SELECT source_path AS item, reason AS detail, 1 AS files FROM file WHERE reason IN ('truncated', 'structure_damaged');

-- rule pixel_data_too_short: high, file
-- Fetch the file again: part of the image is missing.
SELECT source_path AS item, pixel_bytes || ' bytes of pixel data, the geometry asks for ' || asked AS detail, 1 AS files
FROM file WHERE reason = '' AND has_pixels AND pixel_bytes < asked;

-- rule duplicate_conflict: high, file
-- Different images with one SOP Instance UID: find out which is right; all of them are held back.
SELECT SOPInstanceUID AS item, contents || ' different contents, the first is ' || first_path AS detail, files
FROM same_instance WHERE contents > 1;

-- rule duplicate_file: low, file
-- Nothing: one of the equal copies is taken.
SELECT SOPInstanceUID AS item, 'equal copies, the first is ' || first_path AS detail, files
FROM same_instance WHERE contents = 1;

-- rule missing_identifier: high, series
-- Without it a file cannot be linked or placed: mend it at the source.
SELECT item, attribute || ' is missing' AS detail, count(*) AS files
FROM (
    UNPIVOT (
        SELECT series AS item, PatientID, AccessionNumber, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID,
            SOPClassUID, Modality
        FROM file
    ) ON COLUMNS(* EXCLUDE item) INTO NAME attribute VALUE value
) WHERE value = '' GROUP BY ALL;

-- rule identifier_too_long: medium, series
-- It breaks its VR; check that the lookup tables hold it in full.
SELECT item, attribute || ' has ' || length(value) || ' characters' AS detail, count(*) AS files
FROM (
    UNPIVOT (
        SELECT series AS item, PatientID, AccessionNumber, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID FROM file
    ) ON COLUMNS(* EXCLUDE item) INTO NAME attribute VALUE value
) WHERE length(value) > CASE attribute WHEN 'AccessionNumber' THEN 16 ELSE 64 END GROUP BY ALL;

-- rule study_of_several_patients: high, study
-- A study has one patient: have it merged or split in the PACS before release.
SELECT StudyInstanceUID AS item, count(DISTINCT PatientID) || ' patients' AS detail, count(*) AS files
FROM file WHERE StudyInstanceUID <> '' AND PatientID <> '' GROUP BY 1 HAVING count(DISTINCT PatientID) > 1;

-- rule accession_of_several_patients: high, study
-- Check for a merged patient or an accession number used twice.
SELECT AccessionNumber AS item, count(DISTINCT PatientID) || ' patients' AS detail, count(*) AS files
FROM file WHERE AccessionNumber <> '' AND PatientID <> '' GROUP BY 1 HAVING count(DISTINCT PatientID) > 1;

-- rule accession_of_several_studies: medium, study
-- Usual where one order has several studies; they share one image_occurrence_id.
SELECT AccessionNumber AS item, count(DISTINCT StudyInstanceUID) || ' studies' AS detail, count(*) AS files
FROM file WHERE AccessionNumber <> '' AND StudyInstanceUID <> '' GROUP BY 1 HAVING count(DISTINCT StudyInstanceUID) > 1;

-- rule study_of_several_accessions: medium, study
-- Linked orders: check that each of the accession numbers is in the lookup table.
SELECT StudyInstanceUID AS item, count(DISTINCT AccessionNumber) || ' accession numbers' AS detail, count(*) AS files
FROM file WHERE StudyInstanceUID <> '' AND AccessionNumber <> '' GROUP BY 1 HAVING count(DISTINCT AccessionNumber) > 1;

-- rule series_of_several_studies: high, series
-- A series belongs to one study: check how the export was made.
SELECT SeriesInstanceUID AS item, count(DISTINCT StudyInstanceUID) || ' studies' AS detail, count(*) AS files
FROM file WHERE SeriesInstanceUID <> '' AND StudyInstanceUID <> '' GROUP BY 1 HAVING count(DISTINCT StudyInstanceUID) > 1;

-- rule series_of_several_modalities: medium, series
-- A series has one modality: look for a capture that was filed in the wrong series.
SELECT SeriesInstanceUID AS item, string_agg(DISTINCT Modality, ', ' ORDER BY Modality) AS detail, count(*) AS files
FROM file WHERE SeriesInstanceUID <> '' AND Modality <> '' GROUP BY 1 HAVING count(DISTINCT Modality) > 1;

-- rule repeated_instance_number: low, series
-- File names of the release get a suffix; check whether two series were merged.
SELECT SeriesInstanceUID AS item, count(*) - count(DISTINCT instance) || ' repeats' AS detail, count(*) AS files
FROM (SELECT DISTINCT SeriesInstanceUID, SOPInstanceUID, instance FROM file WHERE instance IS NOT NULL)
WHERE SeriesInstanceUID <> '' GROUP BY 1 HAVING count(*) > count(DISTINCT instance);

-- rule gap_in_instance_numbers: medium, series
-- Images of the series may not have been exported: compare with the PACS.
SELECT SeriesInstanceUID AS item, concat('missing between ', min(instance), ' and ', max(instance), ': ',
    max(instance) - min(instance) + 1 - count(DISTINCT instance)) AS detail, count(*) AS files
FROM file WHERE SeriesInstanceUID <> '' AND instance IS NOT NULL
GROUP BY 1 HAVING count(*) > 2 AND max(instance) - min(instance) + 1 > count(DISTINCT instance);

-- rule inconsistent_geometry: medium, series
-- The series is not one volume: localizers, reformats or a second acquisition stand in it.
SELECT SeriesInstanceUID AS item, concat('image sizes: ', count(DISTINCT (Rows, Columns)), ', pixel spacings: ',
    count(DISTINCT PixelSpacing), ', orientations: ', count(DISTINCT ImageOrientationPatient)) AS detail,
    count(*) AS files
FROM file WHERE SeriesInstanceUID <> '' AND Modality IN ('CT', 'MR', 'PT') AND NOT contains(ImageType, 'LOCALIZER')
GROUP BY 1 HAVING greatest(count(DISTINCT (Rows, Columns)), count(DISTINCT PixelSpacing),
    count(DISTINCT ImageOrientationPatient)) > 1;

-- rule impossible_date: high, series
-- An image without a date finds no visit: mend it at the source.
SELECT series AS item, CASE acquired WHEN '' THEN 'no date at all' ELSE 'StudyDate is no date' END AS detail, count(*) AS files
FROM file WHERE acquired = '' OR (StudyDate <> '' AND study_day IS NULL) GROUP BY ALL;

-- rule omop_not_shifted: high, patient
-- Their visits lie where the headers date the images: have the OMOP tables shifted by Days_Shifted, or true dates leave.
SELECT PatientID AS item, count(*) || ' accessions lie in a visit only without the shift' AS detail, sum(files)::BIGINT AS files
FROM linkage WHERE visit_if = 'unshifted'
    AND (SELECT count(*) FILTER (visit_if = 'unshifted') > count(*) FILTER (visit_link IN ('overlap', 'tie')) FROM linkage)
GROUP BY ALL;

-- rule shift_of_other_sign: high, patient
-- Their visits lie on the other side: Days_Shifted is added to a date, negative = into the past; change its sign.
SELECT PatientID AS item, count(*) || ' accessions lie in a visit only with the other sign' AS detail, sum(files)::BIGINT AS files
FROM linkage WHERE visit_if = 'other_sign'
    AND (SELECT count(*) FILTER (visit_if = 'other_sign') > count(*) FILTER (visit_link IN ('overlap', 'tie')) FROM linkage)
GROUP BY ALL;

-- rule another_person: medium, patient
-- Header and PERSON differ in sex or birth: look for the right row of Personal_map; where many do, one column moved.
SELECT PatientID AS item, string_agg(DISTINCT person_differs, ' and ') || ' of PERSON differs' AS detail, sum(files)::BIGINT AS files
FROM linkage WHERE person_differs <> '' GROUP BY PatientID;

-- rule digits_of_original: high, patient
-- A person_id or image_occurence_id with the digits of the original tells it: give other ids.
SELECT PatientID AS item, 'in ' || count(*) || ' accessions' AS detail, sum(files)::BIGINT AS files
FROM linkage WHERE (ltrim(regexp_replace(PatientID, '[^0-9]', '', 'g'), '0') = person_id::VARCHAR
        AND ltrim(PatientID, '0') <> person_id::VARCHAR AND person_id >= 1000)
    OR (ltrim(regexp_replace(AccessionNumber, '[^0-9]', '', 'g'), '0') = image_occurrence_id::VARCHAR
        AND ltrim(AccessionNumber, '0') <> image_occurrence_id::VARCHAR AND image_occurrence_id >= 1000)
GROUP BY PatientID;

-- rule one_shift_for_all: medium, patient
-- Who knows one true date knows all: before the first release make Personal_map anew (chorus-nb lookups draws a shift for each person), and shift OMOP by it.
SELECT 'Days_Shifted' AS item, count(DISTINCT person_id) || ' persons are shifted alike' AS detail, sum(files)::BIGINT AS files
FROM linkage WHERE person_id IS NOT NULL
HAVING count(DISTINCT person_id) >= 5 AND count(DISTINCT days_shifted) = 1 AND max(days_shifted) <> 0;

-- rule implausible_date: medium, series
-- A date in the future or before digital imaging: check the clock of the device.
SELECT series AS item, 'acquired ' || left(acquired, 10) AS detail, count(*) AS files
FROM file WHERE moment > now()::TIMESTAMP + INTERVAL 2 DAY OR moment < TIMESTAMP '1980-01-01' GROUP BY ALL;

-- rule clocks_in_header: medium, series
-- The clock of the device was wrong, or the image was made from older ones: StudyDate is what links it.
SELECT item, keyword || ' lies ' || abs(days) || ' days ' || if(days < 0, 'before', 'after') || ' StudyDate' AS detail, count(*) AS files
FROM (
    SELECT item, keyword, datediff('day', study_day, TRY_CAST(try_strptime(left(replace(value, '.', ''), 8), '%Y%m%d') AS DATE)) AS days
    FROM (
        UNPIVOT (SELECT series AS item, study_day, AcquisitionDateTime, AcquisitionDate, ContentDate, SeriesDate FROM file)
        ON COLUMNS(* EXCLUDE (item, study_day)) INTO NAME keyword VALUE value
    )
) WHERE abs(days) > getvariable('clock_days') GROUP BY ALL;

-- rule clocks_of_accession: medium, study
-- Files of one accession lie apart: check the clock of the device. The accession goes by what most of them say.
SELECT AccessionNumber AS item, 'dates from ' || min(moment)::DATE || ' to ' || max(moment)::DATE AS detail, count(*) AS files
FROM file WHERE AccessionNumber <> '' GROUP BY PatientID, AccessionNumber HAVING datediff('day', min(moment), max(moment)) > getvariable('clock_days');

-- rule clock_against_procedure: medium, study
-- Images and linked procedure lie apart: check the clock, Days_Shifted of the patient and the procedure of the accession.
SELECT AccessionNumber AS item, 'the images lie ' || abs(days) || ' days ' || if(days < 0, 'before', 'after')
    || ' the procedure' AS detail, files
FROM (
    SELECT *, datediff('day', TRY_CAST(procedure_date AS DATE), TRY_CAST(left(acquired_shifted, 10) AS DATE)) AS days
    FROM linkage WHERE procedure_date <> '' AND acquired_shifted <> ''
) WHERE abs(days) > getvariable('clock_days');

-- rule study_before_birth: high, study
-- The wrong patient or a wrong date: mend it at the source.
SELECT StudyInstanceUID AS item, 'StudyDate ' || StudyDate || ', PatientBirthDate ' || PatientBirthDate AS detail,
    count(*) AS files
FROM file WHERE study_day < birth_day GROUP BY ALL;

-- rule age_against_birth_date: low, study
-- Check whether it is the right patient.
SELECT StudyInstanceUID AS item, 'PatientAge ' || PatientAge || ', by the dates ' || years || ' years' AS detail,
    count(*) AS files
FROM (SELECT *, date_sub('year', birth_day, study_day) AS years FROM file)
WHERE PatientAge LIKE '___Y' AND abs(TRY_CAST(left(PatientAge, 3) AS INTEGER) - years) > 1 GROUP BY ALL;

-- rule no_time_of_day: low, series
-- Midnight is taken; near the first or last hours of a stay the visit may be missed.
SELECT series AS item, 'only a date, from ' || acquired_from AS detail, count(*) AS files
FROM file WHERE acquired <> '' AND acquired_from NOT LIKE '%Time%' GROUP BY ALL;

-- rule wrong_vr: low, file
-- Nothing: the de-identifier goes by the tag, not by the VR of the file.
SELECT concat_ws('.', nullif(path, ''), keyword) AS item, tag || ' has VR ' || vr || ' in ' || modality AS detail, files
FROM tag WHERE keyword NOT IN ('', 'PrivateCreator') AND NOT list_contains(string_split(dictionary_vr(tag), ' or '), vr);

-- rule value_unusable: medium, file
-- Have the value mended at the source, or leave it to notebook 03, which does with it what the finding says.
SELECT concat_ws('.', nullif(path, ''), private_creator || keyword) AS item,
    tag || ': nobody can use the value of VR ' || vr || ' in ' || unusable_files || ' of ' || files || ' files of '
    || modality || '; if the plan keeps it, ' || becomes(sop_class, path, keyword, vr) AS detail, unusable_files AS files
FROM tag WHERE unusable_files > 0;

-- rule value_breaks_vr: low, file
-- Nothing: it is odd and harmless, and stays as it is where the plan keeps it.
SELECT concat_ws('.', nullif(path, ''), private_creator || keyword) AS item,
    tag || ': ' || invalid || ' of ' || "distinct" || ' values break VR ' || vr || ' in ' || modality AS detail,
    odd_files - unusable_files AS files
FROM tag WHERE odd_files > unusable_files;

-- rule unknown_character_set: medium, series
-- Names may read wrongly, and the search for them in text may miss some.
SELECT series AS item, 'SpecificCharacterSet ' || term AS detail, count(*) AS files
FROM (SELECT series, trim(unnest(string_split(SpecificCharacterSet, '\'))) AS term FROM file)
WHERE term NOT IN (SELECT term FROM character_set) GROUP BY ALL;

-- rule identifier_in_path: low, file
-- Nothing: source paths stay local. Do not paste them into mails or tickets.
SELECT parse_dirpath(source_path) AS item, 'names of folders or files hold ' || identifiers_in_path AS detail,
    count(*) AS files
FROM catalog WHERE identifiers_in_path <> '' GROUP BY ALL;

-- rule secondary_capture: medium, series
-- Held back by default: screen shots and scans often show the patient's name.
SELECT series AS item, concat_ws(', ', nullif(Modality, ''), nullif(ConversionType, '')) AS detail, count(*) AS files
FROM file WHERE ConversionType = 'WSD' OR starts_with(SOPClassUID, '1.2.840.10008.5.1.4.1.1.7') GROUP BY ALL;

-- rule burned_in_annotation: high, series
-- The device says that its pixels carry text: held back or redacted in notebook 03.
SELECT series AS item, 'BurnedInAnnotation is YES' AS detail, count(*) AS files
FROM file WHERE BurnedInAnnotation = 'YES' GROUP BY ALL;

-- rule likely_burned_in_text: medium, series
-- This kind of image often carries text: notebook 03 looks for it; review what it finds.
SELECT series AS item, CASE Modality WHEN 'US' THEN 'ultrasound' ELSE 'ImageType ' || ImageType END AS detail,
    count(*) AS files
FROM file WHERE has_pixels AND BurnedInAnnotation <> 'YES' AND (
    (Modality = 'US' AND BurnedInAnnotation <> 'NO') OR regexp_matches(ImageType, 'SCREEN SAVE|REPORT|DOSE|CAPTURE')
) GROUP BY ALL;

-- rule pixel_data_elsewhere: medium, file
-- A second picture in a sequence or a private tag: it is removed unless a rule keeps it.
SELECT concat_ws('.', nullif(path, ''), private_creator || keyword) AS item,
    tag || ' up to ' || longest || ' bytes in ' || modality AS detail, files
FROM tag WHERE (keyword IN ('PixelData', 'FloatPixelData', 'DoubleFloatPixelData') AND path <> '')
    OR (private_creator <> '' AND longest >= 65536 AND vr IN ('OB', 'OW', 'UN'));

-- rule appended_bytes: low, file
-- Something that is not DICOM stands after the last element; it is not carried over.
SELECT source_path AS item, reason AS detail, 1 AS files FROM file WHERE reason = 'trailing_bytes';

-- rule file_behind: medium, file
-- Several DICOM files were written into one: only the first is released; export the others again.
SELECT source_path AS item, reason AS detail, 1 AS files FROM file WHERE reason = 'file_behind';

-- rule already_deidentified: medium, series
-- It was de-identified before: check that its identifiers are those of the lookup tables.
SELECT series AS item, 'PatientIdentityRemoved is YES' AS detail, count(*) AS files
FROM file WHERE PatientIdentityRemoved = 'YES' GROUP BY ALL;
