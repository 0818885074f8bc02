"""The CHoRUS imaging workbench: DICOM and OMOP in, a release ready for upload out.

The rooms mirror the notebooks; each names its verbs in its own ``__init__``:
``explore`` (01), ``mapping`` (02), ``deid`` and ``pixels`` (03), ``verify`` (04), ``registry`` (05), ``release`` (06).

Every verb that takes a workspace raises ``NotReady`` when the table it reads is not made yet and ``SchemaError`` when
that table is damaged or of another version; ``InputError`` when what a person gave cannot be used.
"""

import logging
import os
import warnings

if os.name == "posix":
    import resource

    # A decoder that dies would leave all that this process knows in the folder where it was started.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

# Some libraries report to their makers as soon as they are imported. This is read by them, and by every child process.
os.environ.update({"ORT_DISABLE_TELEMETRY": "1", "NO_ET": "1", "DO_NOT_TRACK": "1"})
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # gcsfs would ask over gRPC what kind each bucket is

# pydicom's warnings quote header values, and it logs each too: neither in a terminal, a report nor a log.
warnings.filterwarnings("ignore", module="pydicom")
logging.getLogger("pydicom").addFilter(lambda record: False)

__version__ = "0.1.0"
