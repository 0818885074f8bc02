"""What is planted in the demo site's headers, as data: where identifiers hide, and what must survive.

Sources: PS3.15 Table E.1-1 and E.3.10-1, the Imaging SOP's lists, and the leaks found in other tools (section numbers of
PS3.3, PS3.5 are in the notes). ``where`` names labels of a file: a modality, a vendor, a patient's or study's key, ``first``
(file of its series), ``rich`` (a study that has everything).
"""

from __future__ import annotations

from chorus_nb.demo.planting import Planting as P
from chorus_nb.standards import keep_list

PDF = """%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>endobj
4 0 obj<</Length 99>>stream
BT /F1 12 Tf 72 720 Td ({family}, {given} {mrn}) Tj ET
endstream endobj
trailer<</Root 1 0 R>>
%%EOF
"""  # a letter as an encapsulated PDF

IDENTITY = (  # in every file
    P("", "", "SOPInstanceUID", "{sop_uid}", "uid"),
    P("", "", "StudyInstanceUID", "{study_uid}", "uid"),
    P("", "", "SeriesInstanceUID", "{series_uid}", "uid"),
    P("", "", "AccessionNumber", "{accession}", "removed"),
    P("", "", "PatientID", "{mrn}", "removed"),
    P("", "", "PatientName", "{family}^{given}", "removed"),
    P("tetsu", "", "PatientName", "{family}^{given}={ideographic}={phonetic}", "removed", "three component groups"),
    P("", "", "PatientBirthDate", "{birth_date}", "shifted"),
    P("theodora", "", "PatientBirthDate", "{birth_date}", "removed", "over 89: the birth date tells the age"),
    P("", "", "PatientAge", "{age}", "kept"),
    P("theodora", "", "PatientAge", "{age}", "removed", "over 89 becomes 090Y (Safe Harbor 3)"),
    P("", "", "StudyDate", "{date}", "shifted"),
    P("", "", "SeriesDate", "{date}", "shifted"),
    P("", "", "AcquisitionDate", "{date}", "shifted"),
    P("", "", "ContentDate", "{date}", "shifted"),
    P("", "", "InstanceCreationDate", "{date}", "shifted"),
    P("", "", "StudyTime", "{time}", "kept", "time of day stays (Date-Shifting SOP DS-03)"),
    P("", "", "SeriesTime", "{time}", "kept"),
    P("", "", "AcquisitionTime", "{time}", "kept"),
    P("", "", "ContentTime", "{time}", "kept"),
    P("", "", "InstitutionName", "{institution}", "removed"),
    P("", "", "InstitutionAddress", "{address}, {city}", "removed"),
    P("", "", "InstitutionalDepartmentName", "{department}", "removed"),
    P("", "", "ReferringPhysicianName", "{physician}", "removed"),
    P("", "", "StudyID", "{study_id}", "removed"),
    P("", "", "StationName", "{station}", "removed"),
    P("", "", "DeviceSerialNumber", "{serial}", "removed"),
    P("", "", "OperatorsName", "{operator}", "removed"),
    P("", "", "ProtocolName", "Protocol of {physician}", "removed"),
)

NESTED = (  # sequences, at any depth
    P("rich first", "RequestAttributesSequence", "RequestedProcedureID", "{order}", "removed"),
    P("rich first", "RequestAttributesSequence", "ScheduledProcedureStepDescription", "Rule out PE, {family}", "removed"),
    P("rich first", "RequestAttributesSequence", "ReasonForTheRequestedProcedure", "Call {relative} {phone}", "removed"),
    P(
        *("rich first", "RequestAttributesSequence>ScheduledProtocolCodeSequence", "CodeMeaning"),
        *("Dr {reader} preferred protocol", "removed", "free text under a private coding scheme"),
    ),
    P("rich first", "RequestAttributesSequence>ScheduledProtocolCodeSequence", "CodingSchemeDesignator", "99ETHEL", None),
    P("rich first", "RequestAttributesSequence>ScheduledProtocolCodeSequence", "CodeValue", "{order}", "removed"),
    P("rich first", "OtherPatientIDsSequence", "PatientID", "{other_mrn}", "removed"),
    P("rich first", "OtherPatientIDsSequence", "IssuerOfPatientID", "{institution} HIM", "removed"),
    P("rich first", "ReferringPhysicianIdentificationSequence", "PersonAddress", "{address}", "removed"),
    P("rich first", "ReferringPhysicianIdentificationSequence", "PersonTelephoneNumbers", "{phone}", "removed"),
    P(
        *("rich first", "ReferringPhysicianIdentificationSequence>PersonIdentificationCodeSequence", "CodeMeaning"),
        *("{physician}", "removed"),
    ),
    P("rich first", "ReferencedStudySequence", "ReferencedSOPInstanceUID", "{study_uid}", "uid"),
    P("rich first", "ReferencedStudySequence", "ReferencedSOPClassUID", "1.2.840.10008.3.1.2.3.1", None),
    P("rich first", "ReferencedImageSequence", "ReferencedSOPInstanceUID", "{sop_uid}", "uid", "itself"),
    P("rich first", "ReferencedImageSequence", "ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2", None),
    P("rich first", "SourceImageSequence", "ReferencedSOPInstanceUID", "{other_uid}", "uid", "not in this delivery"),
    P("rich first", "SourceImageSequence", "ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2", None),
    P("rich first", "OriginalAttributesSequence", "AttributeModificationDateTime", "{date_time}", None),
    P("rich first", "OriginalAttributesSequence", "ModifyingSystem", "{station}", "removed"),
    P(
        *("rich first", "OriginalAttributesSequence>ModifiedAttributesSequence", "PatientName"),
        *("{family}^{given}^Uncorrected", "removed", "values before a correction"),
    ),
    P("rich first", "OriginalAttributesSequence>ModifiedAttributesSequence", "PatientID", "{ssn}", "removed"),
    P("rich first", "DigitalSignaturesSequence", "CertificateOfSigner/OB", "CN={physician}", "removed"),
    P("rich first", "DigitalSignaturesSequence", "DigitalSignatureUID", "{event_uid}", "uid"),
    P("rich first", "EncryptedAttributesSequence", "EncryptedContent/OB", "{family} {mrn}", "removed"),
    P(
        *("rich first", "PerformedProtocolCodeSequence>ContextGroupIdentificationSequence", "CodeMeaning"),
        *("{city} clinic", "removed"),
    ),
    P("rich", "", "IrradiationEventUID", "{event_uid}", "uid"),
)

TEXT = (  # identifiers in words, and clinical words that must stay
    P("rich first", "", "SeriesDescription", "LOCALIZER {family} {mrn}", "cleaned", "the word LOCALIZER may stay"),
    P("", "", "StudyDescription", "{description}", "kept", "clinical words"),
    P("rich first", "", "ImageComments", "{relative} called {phone} on {prior_text}", "removed"),
    P("rich first", "", "StudyComments/LT", "Compare with {prior_text}, acc {accession}", "removed"),
    P("rich first", "", "PatientComments", "Lives at {address}, {city}; insurance {insurance}", "removed"),
    P("rich first", "", "AdditionalPatientHistory", "DOB {birth_text}, seen by {reader}", "removed"),
    P("rich first", "", "AdmittingDiagnosesDescription", "Transfer of {family} from {city}", "removed"),
    P("rich first", "", "RequestedProcedureDescription", "CT for {family} {given}", "removed"),
    P("rich first", "", "RequestedProcedureComments", "page {physician} {phone}", "removed"),
    P("rich first", "", "PerformedProcedureStepDescription", "Scan for {physician}", "removed"),
    P("rich first", "", "CommentsOnThePerformedProcedureStep", "Tech {operator}", "removed"),
    P("rich first", "", "AcquisitionComments", "Motion; repeat per {operator}", "removed"),
    P("rich first", "", "DerivationDescription", "exported by {operator} at {station}", "removed"),
    P("rich first", "", "VisitComments", "Room {room}", "removed"),
    P("rich first", "", "ImageType", "ORIGINAL\\PRIMARY\\AXIAL", "kept"),
)

PERSONS = (  # people, places, numbers
    P("rich first", "", "OtherPatientNames", "{family}^{given}^Maiden", "removed"),
    P("rich first", "", "PatientAddress", "{address}^{city}", "removed"),
    P("rich first", "", "PatientTelephoneNumbers", "{phone}", "removed"),
    P("rich first", "", "ResponsiblePerson", "{relative}", "removed"),
    P("rich first", "", "PatientReligiousPreference", "Parish of {city}", "removed"),
    P("rich first", "", "CurrentPatientLocation", "{room}", "removed"),
    P("rich first", "", "PatientInstitutionResidence", "{address}", "removed"),
    P("rich first", "", "AdmissionID", "{order}", "removed"),
    P("rich first", "", "PhysiciansOfRecord", "{physician}\\{reader}", "removed", "multi-valued PN"),
    P("rich first", "", "NameOfPhysiciansReadingStudy", "{reader}", "removed"),
    P("rich first", "", "PerformingPhysicianName", "{operator}", "removed"),
    P("rich first", "", "RequestingService", "{department}", "removed"),
    P("rich first", "", "PerformedProcedureStepID", "{order}", "removed"),
    P("rich first", "", "PerformedStationName", "{station}", "removed"),
    P("rich first", "", "PerformedLocation", "{room}", "removed"),
    P("rich first", "", "FillerOrderNumberImagingServiceRequest", "{order}", "removed"),
    P("rich first", "", "GantryID", "{serial}", "removed"),
    P("rich first", "", "PlateID", "{serial}", "removed"),
    P("rich first", "", "DeviceUID", "{other_uid}", "uid"),
    P("rich first", "", "MedicalRecordLocator", "{ssn}", "removed"),
    P("rich first", "", "RequestingPhysician/LO", "{physician}", "removed", "a PN stored as LO"),
    P("rich first", "", "PatientBirthName/UN", "{family}^Natal", "removed", "a PN stored as UN"),
    P("rich first", "", "ResponsibleOrganization/UN", "{institution}", "removed", "an LO stored as UN"),
)

DATES = (
    P("rich first", "", "AcquisitionDateTime", "{date_time}", "shifted", "DT with a zone"),
    P("rich first", "", "PerformedProcedureStepStartDate", "{date}", "shifted"),
    P("rich first", "", "PerformedProcedureStepEndDateTime", "{date_time}", "shifted"),
    P("rich first", "", "DateOfLastCalibration", "{date}\\{date}", "shifted", "multi-valued DA"),
    P("rich first", "", "LastMenstrualDate", "{date}", "shifted"),
    P(
        *("rich first", "RadiopharmaceuticalInformationSequence", "RadiopharmaceuticalStartDateTime"),
        *("{date_time}", "shifted", "nested DT: its distance to AcquisitionTime makes the SUV"),
    ),
    P("rich first", "", "0029[ETHELBURGA PACS]30/DA", "{date}", "removed", "date in a private element"),
)

PRIVATE = (
    P("rich first", "", "0029[ETHELBURGA PACS]10/LO", "{family}^{given}", "removed", "unknown creator"),
    P("rich first", "", "0029[ETHELBURGA PACS]11/UN", "{mrn}|{accession}", "removed", "UN"),
    P("rich first", "0029[ETHELBURGA PACS]20", "PatientName", "{family}^{given}", "removed", "private sequence"),
    P("rich first", "0029[ETHELBURGA PACS]20>ReferencedStudySequence", "StudyDate", "{date}", "removed"),
    P("rich first", "0029[ETHELBURGA PACS]20>ReferencedStudySequence", "PatientID", "{other_mrn}", "removed"),
    P("rich first", "", "0031[SCANNED BY {operator}]01/LO", "{station}", "removed", "the creator is an identifier"),
    P("rich first", "", "0013,1001/LO", "{mrn}", "removed", "private element without a creator"),
    P("rich first", "RequestAttributesSequence", "0033[ETHELBURGA RIS]05/LT", "{relative}", "removed", "in an item"),
    P("GE CT", "", "0009[GEMS_IDEN_01]02/SH", "{station}", "removed", "GE suite id"),
    P("GE CT", "", "0019[GEMS_ACQU_01]23/DS", "39.375", "kept", "safe: table speed (E.3.10-1)"),
    P("GE CT", "", "0019[GEMS_ACQU_01]27/DS", "0.5", "kept", "safe: rotation speed"),
    P("GE CT", "", "0043[GEMS_PARM_01]27/SH", "/0.984:1", "kept", "safe: scan pitch ratio"),
    P("GE CT", "", "0043[GEMS_PARM_01]28/OB", "SUITE {station} {serial}", "removed", "not on the safe list"),
    P("SIEMENS MR", "", "0029[SIEMENS CSA HEADER]10/OB", "SV10 UsedPatientWeight {family} {serial}", "removed", "CSA"),
    P("SIEMENS MR", "", "0019[SIEMENS MR HEADER]0C/IS", "1000", "kept", "safe: b value"),
    P("SIEMENS MR", "", "0019[SIEMENS MR HEADER]0D/CS", "DIRECTIONAL", "kept", "safe: diffusion directionality"),
    P("PHILIPS", "", "2001[Philips Imaging DD 001]0A/IS", "7", "kept", "safe: slice number"),
    P("PHILIPS", "", "2001[Philips Imaging DD 001]63/CS", "{station}", "removed", "not on the safe list"),
    P("HOLOGIC", "", "0019[LORAD Selenia]16/LO", "{operator}", "removed"),
)

ODD_GROUPS = (  # unknown, retired and repeating groups (PS3.5 7.6)
    P("rich first", "", "0008,FFF0/LO", "{family}", "removed", "not in the data dictionary"),
    P("rich first", "", "4000,4000/LT", "{relative} {phone}", "removed", "retired Text Comments"),
    P("rich first", "", "4008,0111/PN", "{physician}", "removed", "retired interpretation group"),
    P("rich first", "", "5004,0022/LO", "ECG of {family}", "removed", "curve description"),
    P("rich first", "", "5004,3000/OB", "{mrn}", "removed", "curve data"),
    P("rich first", "", "6002,1500/LO", "Marked by {reader}", "removed", "overlay label, second overlay group"),
    P("rich first", "", "6002,4000/LT", "{family}", "removed", "overlay comments"),
)

SCRIPT = (  # header text is data: it must show as text in every report and widget
    P("script", "", "PatientName", "{family}^<img src=x onerror=alert(1)>", "removed"),
    P("script", "", "StudyDescription", "<script>alert('chorus')</script>MR ABDOMEN", None),
    P("script", "", "SeriesDescription", "<img src=x onerror=alert(2)> LAVA $x^2$", None),
    P("script", "", "InstitutionName", "<script>alert('{institution}')</script>", "removed"),
    P("script", "", "ImageComments", "</pre><script>alert('{family}')</script>", "removed"),
    P("script", "", "ManufacturerModelName", "SIGNA\"><svg onload=alert(3)>", None),
    P("script", "", "PatientComments", "=HYPERLINK(\"http://evil.example\",\"{family}\")", "removed", "spreadsheet formula"),
)

DOCUMENTS = (  # reports and pages: never released by default, all of them identifiers
    P("sr_report", "ContentSequence", "TextValue", "{family} was seen by {reader}; DOB {birth_text}.", "removed"),
    P("sr_report", "VerifyingObserverSequence", "VerifyingObserverName", "{reader}", "removed"),
    P("sr_report", "VerifyingObserverSequence", "VerifyingOrganization", "{institution}", "removed"),
    P("pdf_letter", "", "DocumentTitle", "Letter to {relative}", "removed"),
    P("pdf_letter", "", "EncapsulatedDocument/OB", PDF, "removed"),
)

HEADER = (*IDENTITY, *NESTED, *TEXT, *PERSONS, *DATES, *PRIVATE, *ODD_GROUPS, *SCRIPT, *DOCUMENTS)

META = (  # file meta information (PS3.10 7.1)
    P("", "", "MediaStorageSOPInstanceUID", "{sop_uid}", "uid"),
    P("", "", "SourceApplicationEntityTitle", "{station}", "removed"),
    P("rich first", "", "SendingApplicationEntityTitle", "{mrn}", "removed"),
    P("rich first", "", "PrivateInformationCreatorUID", "{other_uid}", "uid"),
    P("rich first", "", "PrivateInformation", "{family}/{mrn}", "removed"),
)
TRAILING = (P("rich first", "", "FFFC,FFFC/OB", "{family} {mrn} {phone}", "removed", "Data Set Trailing Padding"),)
PREAMBLE = "{mrn} {family} {phone}"  # 128 bytes in front of DICM, in rich files

# Attributes that must come out unchanged: the Imaging SOP's "Tags Recommended to Keep", and the minimum metadata (step 7)
# that is neither an identifier nor a text.
KEPT = (*keep_list().values(), "ManufacturerModelName", "BodyPartExamined", "SeriesNumber", "TransducerType")
