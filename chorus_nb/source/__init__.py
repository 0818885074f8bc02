"""The source, read only: which files there are and their bytes; nothing else knows whether folder or archive."""

from chorus_nb.source.files import SourceFile, find, read, read_bytes, split

__all__ = ["SourceFile", "find", "read", "read_bytes", "split"]
