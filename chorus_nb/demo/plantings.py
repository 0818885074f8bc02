"""What is planted in the demo site's headers, as data: where identifiers hide, and what must survive.

Sources: PS3.15 Tables E.1-1 and E.3.10-1, the Imaging SOP's lists, and the leaks found in other tools. The
groups at the end say which files have which, by modality, vendor, patient and picture; the ``first`` file of a ``rich``
study has everything.
"""

from __future__ import annotations

from chorus_nb.demo.planting import Planting as P
from chorus_nb.standards import keep_list

IDENTITY = (
    P("SOPInstanceUID", "{sop_uid}", "uid"),
    P("StudyInstanceUID", "{study_uid}", "uid"),
    P("SeriesInstanceUID", "{series_uid}", "uid"),
    P("AccessionNumber", "{accession}", "removed"),
    P("PatientID", "{mrn}", "removed"),
    P("PatientName", "{family}^{given}", "removed"),
    P("PatientBirthDate", "{birth_date}", "shifted"),
    P("PatientAge", "{age}", "kept"),
    P("StudyDate", "{date}", "shifted"),
    P("SeriesDate", "{date}", "shifted"),
    P("AcquisitionDate", "{date}", "shifted"),
    P("ContentDate", "{date}", "shifted"),
    P("InstanceCreationDate", "{date}", "shifted"),
    P("StudyTime", "{time}", "kept", "time of day stays (Date-Shifting SOP DS-03)"),
    P("SeriesTime", "{time}", "kept"),
    P("AcquisitionTime", "{time}", "kept"),
    P("ContentTime", "{time}", "kept"),
    P("StudyDescription", "{description}", "kept", "clinical words"),
    P("SeriesDescription", "{series}", "kept", "clinical words"),
    P("InstitutionName", "{institution}", "removed"),
    P("InstitutionAddress", "{address}, {city}", "removed"),
    P("InstitutionalDepartmentName", "{department}", "removed"),
    P("ReferringPhysicianName", "{physician}", "removed"),
    P("StudyID", "{study_id}", "removed"),
    P("StationName", "{station}", "removed"),
    P("DeviceSerialNumber", "{serial}", "removed"),
    P("OperatorsName", "{operator}", "removed"),
    P("ProtocolName", "Protocol of {physician}", "removed"),
)
THREE_SCRIPTS = (P("PatientName", "{family}^{given}={ideographic}={phonetic}", "removed", "three component groups"),)
OVER_89 = (
    P("PatientBirthDate", "{birth_date}", "removed", "it tells the age"),
    P("PatientAge", "{age}", "removed", "becomes 090Y (Safe Harbor 3)"),
)

NESTED = (
    P("RequestAttributesSequence>RequestedProcedureID", "{order}", "removed"),
    P("RequestAttributesSequence>ScheduledProcedureStepDescription", "Rule out PE, {family}", "removed"),
    P("RequestAttributesSequence>ReasonForTheRequestedProcedure", "Call {relative} {phone}", "removed"),
    P(
        "RequestAttributesSequence>ScheduledProtocolCodeSequence>CodeMeaning",
        *("Dr {reader} preferred protocol", "removed", "free text under a private coding scheme"),
    ),
    P("RequestAttributesSequence>ScheduledProtocolCodeSequence>CodingSchemeDesignator", "99ETHEL", None),
    P("RequestAttributesSequence>ScheduledProtocolCodeSequence>CodeValue", "{order}", "removed"),
    P("OtherPatientIDsSequence>PatientID", "{other_mrn}", "removed", "the sequence is written as UN"),
    P("OtherPatientIDsSequence>IssuerOfPatientID", "{institution} HIM", "removed"),
    P("ReferringPhysicianIdentificationSequence>PersonAddress", "{address}", "removed"),
    P("ReferringPhysicianIdentificationSequence>PersonTelephoneNumbers", "{phone}", "removed"),
    P(
        "ReferringPhysicianIdentificationSequence>PersonIdentificationCodeSequence>CodeMeaning",
        *("{physician}", "removed"),
    ),
    P("ReferencedStudySequence>ReferencedSOPClassUID", "1.2.840.10008.3.1.2.3.1", None),
    P("ReferencedStudySequence>ReferencedSOPInstanceUID", "{study_uid}", "uid"),
    P("ReferencedImageSequence>ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2", None),
    P("ReferencedImageSequence>ReferencedSOPInstanceUID", "{sop_uid}", "uid", "the file itself"),
    P("SourceImageSequence>ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2", None),
    P("SourceImageSequence>ReferencedSOPInstanceUID", "{other_uid}", "uid", "not in this delivery"),
    P("OriginalAttributesSequence>AttributeModificationDateTime", "{date_time}", None),
    P("OriginalAttributesSequence>ModifyingSystem", "{station}", "removed"),
    P(
        "OriginalAttributesSequence>ModifiedAttributesSequence>PatientName",
        *("{family}^{given}^Uncorrected", "removed", "values before a correction"),
    ),
    P("OriginalAttributesSequence>ModifiedAttributesSequence>PatientID", "{ssn}", "removed"),
    P("DigitalSignaturesSequence>DigitalSignatureUID", "{event_uid}", "uid"),
    P("DigitalSignaturesSequence>CertificateOfSigner/OB", "CN={physician}", "removed"),
    P("EncryptedAttributesSequence>EncryptedContent/OB", "{family} {mrn}", "removed"),
    P("IconImageSequence>PixelData/OB", "thumbnail of {family}", "removed", "made before any redaction"),
    P("PerformedProtocolCodeSequence>ContextGroupIdentificationSequence>CodeMeaning", "{city} clinic", "removed"),
    P("IrradiationEventUID", "{event_uid}", "uid"),
)

TEXT = (
    P("SeriesDescription", "LOCALIZER {family} {mrn}", "cleaned", "the word LOCALIZER may stay"),
    P("ImageComments", "{relative} called {phone} on {prior_text}", "removed"),
    P("StudyComments/LT", "Compare with {prior_text}, acc {accession}", "removed"),
    P("PatientComments", "Lives at {address}, {city}; insurance {insurance}", "removed"),
    P("AdditionalPatientHistory", "DOB {birth_text}, seen by {reader}", "removed"),
    P("AdmittingDiagnosesDescription", "Transfer of {family} from {city}", "removed"),
    P("RequestedProcedureDescription", "CT for {family} {given}", "removed"),
    P("RequestedProcedureComments", "page {physician} {phone}", "removed"),
    P("PerformedProcedureStepDescription", "Scan for {physician}", "removed"),
    P("CommentsOnThePerformedProcedureStep", "Tech {operator}", "removed"),
    P("AcquisitionComments", "Motion; repeat per {operator}", "removed"),
    P("DerivationDescription", "exported by {operator} at {station}", "removed"),
    P("VisitComments", "Room {room}", "removed"),
)

PERSONS = (  # people, places, numbers
    P("OtherPatientNames", "{family}^{given}^Maiden", "removed"),
    P("PatientAddress", "{address}^{city}", "removed"),
    P("PatientTelephoneNumbers", "{phone}", "removed"),
    P("ResponsiblePerson", "{relative}", "removed"),
    P("PatientReligiousPreference", "Parish of {city}", "removed"),
    P("CurrentPatientLocation", "{room}", "removed"),
    P("PatientInstitutionResidence", "{address}", "removed"),
    P("AdmissionID", "{order}", "removed"),
    P("PhysiciansOfRecord", "{physician}\\{reader}", "removed", "multi-valued PN"),
    P("NameOfPhysiciansReadingStudy", "{reader}", "removed"),
    P("PerformingPhysicianName", "{operator}", "removed"),
    P("RequestingService", "{department}", "removed"),
    P("PerformedProcedureStepID", "{order}", "removed"),
    P("PerformedStationName", "{station}", "removed"),
    P("PerformedLocation", "{room}", "removed"),
    P("FillerOrderNumberImagingServiceRequest", "{order}", "removed"),
    P("GantryID", "{serial}", "removed"),
    P("PlateID", "{serial}", "removed"),
    P("DeviceUID", "{other_uid}", "uid"),
    P("MedicalRecordLocator", "{ssn}", "removed"),
    P("RequestingPhysician/LO", "{physician}", "removed", "a PN stored as LO"),
    P("PatientBirthName/UN", "{family}^Natal", "removed", "a PN stored as UN"),
    P("ResponsibleOrganization/UN", "{institution}", "removed", "an LO stored as UN"),
)

DATES = (
    P("AcquisitionDateTime", "{date_time}", "shifted", "DT with a zone"),
    P("PerformedProcedureStepStartDate", "{date}", "shifted"),
    P("PerformedProcedureStepEndDateTime", "{date_time}", "shifted"),
    P("DateOfLastCalibration", "{date}\\{date}", "shifted", "multi-valued DA"),
    P("LastMenstrualDate", "{date}", "shifted"),
    P(
        "RadiopharmaceuticalInformationSequence>RadiopharmaceuticalStartDateTime",
        *("{date_time}", "shifted", "nested DT: its distance to AcquisitionTime makes the SUV"),
    ),
    P("0029[ETHELBURGA PACS]30/DA", "{date}", None),
)

FRAMES = (
    P(
        "PerFrameFunctionalGroupsSequence>FrameContentSequence>FrameAcquisitionDateTime",
        *("{date_time}", "shifted", "in the functional groups of a multi-frame image"),
    ),
)

PRIVATE = (
    P("0029[ETHELBURGA PACS]10/LO", "{family}^{given}", "removed", "unknown creator"),
    P("0029[ETHELBURGA PACS]11/UN", "{mrn}|{accession}", "removed", "UN"),
    P("0029[ETHELBURGA PACS]20>PatientName", "{family}^{given}", "removed", "private sequence"),
    P("0029[ETHELBURGA PACS]20>ReferencedStudySequence>PatientID", "{other_mrn}", "removed"),
    P("0029[ETHELBURGA PACS]20>ReferencedStudySequence>StudyDate", "{date}", None),
    P("0031[SCANNED BY {operator}]01/LO", "{station}", "removed", "the creator is an identifier"),
    P("0013,1001/LO", "{mrn}", "removed", "private element without a creator"),
    P("RequestAttributesSequence>0033[ETHELBURGA RIS]05/LT", "{relative}", "removed", "in a standard item"),
)
GE_CT = (
    P("0009[GEMS_IDEN_01]02/SH", "{station}", "removed", "suite id"),
    P("0019[GEMS_ACQU_01]23/DS", "39.375", "kept", "safe: table speed (E.3.10-1)"),
    P("0019[GEMS_ACQU_01]27/DS", "0.5", "kept", "safe: rotation speed"),
    P("0043[GEMS_PARM_01]27/SH", "/0.984:1", "kept", "safe: scan pitch ratio"),
    P("0043[GEMS_PARM_01]28/OB", "SUITE {station} {serial}", "removed", "not on the safe list"),
)
SIEMENS_MR = (
    P("0019[SIEMENS MR HEADER]0C/IS", "1000", "kept", "safe: b value"),
    P("0019[SIEMENS MR HEADER]0D/CS", "DIRECTIONAL", "kept", "safe: diffusion directionality"),
    P("0029[SIEMENS CSA HEADER]10/OB", "SV10 UsedPatientWeight {family} {serial}", "removed", "CSA header"),
)
PHILIPS = (
    P("2001[Philips Imaging DD 001]0A/IS", "7", "kept", "safe: slice number"),
    P("2001[Philips Imaging DD 001]63/CS", "{station}", "removed", "not on the safe list"),
)
HOLOGIC = (P("0019[LORAD Selenia]16/LO", "{operator}", "removed"),)

ODD_GROUPS = (  # unknown, retired and repeating groups (PS3.5 7.6)
    P("0008,FFF0/LO", "{family}", "removed", "not in the data dictionary"),
    P("4000,4000/LT", "{relative} {phone}", "removed", "retired Text Comments"),
    P("4008,010C/PN", "{physician}", "removed", "retired interpretation group"),
    P("5004,0022/LO", "ECG of {family}", "removed", "curve description"),
    P("5004,3000/OB", "{mrn}", "removed", "curve data"),
    P("6002,1500/LO", "Marked by {reader}", "removed", "overlay label, second overlay group"),
    P("6002,4000/LT", "{family}", "removed", "overlay comments"),
)

SCRIPT = (  # header text is data: it must show as text in every report and widget
    P("PatientName", "{family}^<img src=x onerror=alert(1)>", "removed"),
    P("StudyDescription", "<script>alert('chorus')</script>MR ABDOMEN", None),
    P("SeriesDescription", "<img src=x onerror=alert(2)> LAVA $x^2$", None),
    P("InstitutionName", "<script>alert('{institution}')</script>", "removed"),
    P("ImageComments", "</pre><script>alert('{family}')</script>", "removed"),
    P("ManufacturerModelName", 'SIGNA"><svg onload=alert(3)>', None),
    P("PatientComments", '=HYPERLINK("http://evil.example","{family}")', "removed", "spreadsheet formula"),
)

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
REPORT = (  # documents are never released by default, all of them name the patient
    P("ContentSequence>TextValue", "{family} was seen by {reader}; DOB {birth_text}.", "removed"),
    P("VerifyingObserverSequence>VerifyingObserverName", "{reader}", "removed"),
    P("VerifyingObserverSequence>VerifyingOrganization", "{institution}", "removed"),
)
LETTER = (
    P("DocumentTitle", "Letter to {relative}", "removed"),
    P("EncapsulatedDocument/OB", PDF, "removed"),
)

# Which files have which: a file has a group when all words are among its labels. A later group wins over an earlier.
HEADER = {
    "": IDENTITY,
    "rich first": (*NESTED, *TEXT, *PERSONS, *DATES, *PRIVATE, *ODD_GROUPS),
    "ct_enhanced": FRAMES,
    "GE CT": GE_CT,
    "SIEMENS MR": SIEMENS_MR,
    "PHILIPS": PHILIPS,
    "HOLOGIC": HOLOGIC,
    "tetsu": THREE_SCRIPTS,
    "theodora": OVER_89,
    "script": SCRIPT,
    "sr_report": REPORT,
    "pdf_letter": LETTER,
}
META = {  # file meta information (PS3.10 7.1)
    "": (
        P("MediaStorageSOPInstanceUID", "{sop_uid}", "uid"),
        P("SourceApplicationEntityTitle", "{station}", "removed"),
    ),
    "rich first": (
        P("SendingApplicationEntityTitle", "{mrn}", "removed"),
        P("PrivateInformationCreatorUID", "{other_uid}", "uid"),
        P("PrivateInformation", "{mrn}/{ssn}", "removed"),
    ),
}
TRAILING = {"rich first": (P("FFFC,FFFC/OB", "{family} {mrn} {phone}", "removed", "Data Set Trailing Padding"),)}
PREAMBLE = "{mrn} {family} {phone}"  # 128 bytes in front of DICM, in the first file of a rich study
UNKNOWN = ("OtherPatientIDsSequence",)  # sequences that a careless system has written with VR UN

# Attributes that must come out unchanged: the Imaging SOP's "Tags Recommended to Keep", and of its minimum metadata
# (step 7) what is neither an identifier nor a text.
KEPT = (*keep_list().values(), "ManufacturerModelName", "BodyPartExamined", "SeriesNumber", "TransducerType")
