"""A DICOM file as elements and bytes: parsed, encoded, decoded; knows no rule and no person."""
