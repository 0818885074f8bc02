"""One door to this machine's processes or a Dask cluster, and a child that may die for native code."""

from chorus_nb.processes.pool import (
    Door,
    Progress,
    each,
    executor,
    kept_open,
    map_surviving,
    map_unordered,
    prepare,
    threads,
    workers,
)
from chorus_nb.processes.supervised import keep_memory
