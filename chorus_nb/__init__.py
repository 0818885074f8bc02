"""The CHoRUS imaging workbench: DICOM and OMOP in, a release ready for upload out.

The rooms mirror the notebooks; each names its verbs in its own ``__init__``:
``explore`` (01), ``mapping`` (02), ``deid`` and ``pixels`` (03), ``verify`` (04), ``registry`` (05), ``release`` (06).
"""

__version__ = "0.1.0"
