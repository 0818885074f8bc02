"""Where every file of a run lives, and how files are written: whole or not at all, and only when they changed."""

from __future__ import annotations

import contextlib
import filecmp
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from io import FileIO
from pathlib import Path

import pandas as pd
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.errors import InputError, NotReady, WorkbenchError
from chorus_nb.parameters import Parameters, resolve

GATHERS = hasattr(os, "writev")  # several buffers in one call take a sixth less time than in two; not on Windows
PARTIAL = ".partial-"  # prefix of a file that is being written; never a finished one

KEY_FINGERPRINT = "site_key.fingerprint"  # below local/: of the key that was used, which it does not tell
KEY_REMEDY = (
    "put it back from a backup (chorus-nb restore FROM FILE.yaml),"
    " or make a new one on purpose: chorus-nb rotate-key FILE.yaml"
)
FEWEST_BYTES = 8  # different ones of a key; 16 drawn by chance have fewer once in 10^12
RETIRED_KEYS = "retired_keys"  # below local/, after ``chorus-nb rotate-key``


class Workspace:
    """The folders of one run (DESIGN "The workspace of a run").

    ``local/`` is identifiable and never leaves the site (0700); ``release/`` is what is uploaded; ``audit/`` holds
    the audit log and the reports that may be shown to others.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.source = parameters.open_source()
        self.root = parameters.workspace_path
        self.local = self.root / "local"
        self.release = self.root / "release"
        self.audit = self.root / "audit"
        self.reports_local = self.local / "reports"
        self.reports_audit = self.audit / "reports"
        self.quarantine = self.local / "quarantine"
        self.omop_out = self.release / layout.OMOP
        self.metadata = self.release / layout.METADATA
        self.decisions = resolve(parameters.decisions) if parameters.decisions else self.local / "decisions"

    def create(self) -> Workspace:
        """Make the folders for their owner only; what a site allows others later stays, but in ``local/``.

        ``release/`` holds what 04 has not looked at yet, whatever the umask of the shell.
        """
        self.parameters.require("workspace")
        try:
            for folder in (self.root, self.local, self.release, self.audit, self.reports_local, self.reports_audit):
                folder.mkdir(
                    stat.S_IRWXU if folder in (self.local, self.release) else 0o777, parents=True, exist_ok=True
                )
            self.decisions.mkdir(parents=True, exist_ok=True)
            if os.name == "posix":
                self.local.chmod(stat.S_IRWXU)
        except OSError as error:
            raise InputError(f"workspace: cannot be written ({error.strerror}): {self.parameters.workspace}") from None
        return self

    # --- tables -------------------------------------------------------------------------------------------------

    def path(self, table: tables.Table) -> Path:
        """Where ``table`` is kept."""
        base = {"local": self.local, "decisions": self.decisions, "metadata": self.metadata}[table.kept]
        return base / f"{table.name}.{table.format}"

    def has(self, table: tables.Table) -> bool:
        return self.path(table).is_file()

    def read(self, table: tables.Table, columns: Sequence[str] | None = None, *, compact: bool = False) -> pd.DataFrame:
        """The table (or some columns of it), checked; :class:`NotReady` names the notebook that makes it.

        ``compact``: as in :func:`chorus_nb.tables.read`.
        """
        return tables.read(table, self.made(table), columns, compact=compact)

    def opened(self, table: tables.Table) -> Path:
        """Where ``table`` (Parquet) is kept, for a query; the errors of :meth:`read`, but no row is read."""
        tables.probe(table, self.made(table))
        return self.path(table)

    def made(self, table: tables.Table) -> Path:
        """Where ``table`` is kept; :class:`NotReady` names the notebook that makes it."""
        if not self.has(table):
            raise NotReady(f"{table.name} is not there yet: run notebook {table.made_by} first")
        return self.path(table)

    def read_or_empty(self, table: tables.Table) -> pd.DataFrame:
        """The table, without rows where nothing was written yet."""
        return self.read(table) if self.has(table) else tables.empty(table)

    def write(self, table: tables.Table, frame: pd.DataFrame) -> Path:
        """Check ``frame`` against its schema and write it, atomically and only if it changed."""
        path = self.path(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, tables.encode(table, frame))
        self.wrote(table)
        return path

    def wrote(self, table: tables.Table) -> None:
        """Told of every table that was written; a run keeps it for the audit log."""

    def note(self, name: str, rows: int | None, digest: Callable[[], str]) -> None:
        """Told of every input that was read; a run keeps name, rows and digest for the audit log."""

    # --- the site key -------------------------------------------------------------------------------------------

    @property
    def key_path(self) -> Path:
        return resolve(self.parameters.key_file) if self.parameters.key_file else self.local / "site.key"

    def key(self) -> bytes:
        """The site's secret key (32 random bytes, hex), made where nothing was ever made with one.

        :class:`InputError` where it is gone, or is another: every UID would change, and nobody would know why.
        """
        path = self.key_path
        if path.is_dir():
            raise InputError(f"key_file: is a folder: {self.parameters.key_file or path.name}")
        if not path.exists():
            if self.parameters.key_file:
                raise InputError(f"key_file: not found: {self.parameters.key_file}")
            if self.fingerprints() or self.was_used():
                raise InputError(f"local/site.key is gone, and images were made with it; {KEY_REMEDY}")
            with contextlib.suppress(FileExistsError):
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(handle, "w") as file:
                    file.write(secrets.token_hex(32) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise InputError("key_file: others can read it; run: chmod 600 on the key file")
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except ValueError:
            raise InputError("key_file: must hold hexadecimal digits only") from None
        if len(key) < 16:
            raise InputError("key_file: too short; it needs at least 32 hexadecimal digits")
        known = self.fingerprints()
        if not known and len({*key}) < FEWEST_BYTES:  # images that were made with it keep it
            raise InputError("key_file: anybody could guess it; make one by: openssl rand -hex 32")
        if known and fingerprint_of_key(key) not in known:
            raise InputError(f"key_file: is not the key that the images of this workspace were made with; {KEY_REMEDY}")
        return key

    def fingerprints(self) -> set[str]:
        """Of the keys that may stand here: one, but in the moment when it is changed on purpose."""
        path = self.local / KEY_FINGERPRINT
        return set(path.read_text(encoding="ascii").split()) if path.is_file() else set()

    def remember_key(self, *keys: bytes) -> None:
        """Write down the fingerprint of the key that something is made with now."""
        made = "".join(f"{fingerprint_of_key(key)}\n" for key in keys or (self.key(),))
        write_if_changed(self.local / KEY_FINGERPRINT, made.encode("ascii"))

    def was_used(self) -> bool:
        """Whether images were made or delivered."""
        return any(self.release.glob(f"*/{layout.IMAGES}")) or any((self.local / "deliveries").glob("*.csv"))

    def read_lasting(self, table: tables.Table) -> pd.DataFrame:
        """A table of numbers that were given for good; :class:`WorkbenchError` where it is gone since a delivery."""
        if not self.has(table) and any((self.local / "deliveries").glob("*.csv")):
            raise WorkbenchError(f"local/{self.path(table).name} is gone; {table.if_damaged}")
        return self.read_or_empty(table)

    def keys(self) -> tuple[bytes, ...]:
        """The site's key and those it had before, latest first: what was made with them is known again by them."""
        archived = sorted((self.local / RETIRED_KEYS).glob("*.key"), reverse=True)
        return (self.key(), *(bytes.fromhex(path.read_text(encoding="ascii").strip()) for path in archived))


def fingerprint_of_key(key: bytes) -> str:
    """What a key is known by: BLAKE3, 32 hexadecimal digits, from which nobody finds the key."""
    return blake3(key, derive_key_context="chorus_nb.workspace fingerprint of the site key").hexdigest(16)


def digest_of(path: Path) -> str:
    """BLAKE3 of a file, hex; read by memory map, so that a large one needs no memory."""
    return blake3().update_mmap(path).hexdigest()


# --- writing ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, if_changed: bool = False) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and is removed otherwise.

    ``if_changed``: what came out as it was keeps its modification time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL}{secrets.token_hex(6)}")
    try:
        yield temporary
        if if_changed and path.is_file() and filecmp.cmp(temporary, path, shallow=False):
            return
        if durable:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def put(path: str, *parts: bytes | memoryview) -> None:
    """Write ``parts`` to ``path`` as :func:`replacing` does, not durable, with the fewest calls of the system.

    The folder is made when it is found missing: as long as it is empty, another process may remove it.
    """
    folder = os.path.dirname(path)  # noqa: PTH120 - pathlib would cost as much as the writing
    temporary = f"{folder}{os.sep}{PARTIAL}{secrets.token_hex(6)}"
    try:
        with _created(temporary, folder) as file:
            left = [memoryview(part) for part in parts if len(part)]
            while left:
                written = os.writev(file.fileno(), left) if GATHERS else file.write(left[0])
                while left and written >= len(left[0]):
                    written -= len(left.pop(0))
                left[:1] = [view[written:] for view in left[:1]]
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _created(path: str, folder: str, tries: int = 10) -> FileIO:
    try:
        return open(path, "xb", buffering=0)
    except FileNotFoundError:
        if not tries:
            raise
    Path(folder).mkdir(parents=True, exist_ok=True)
    return _created(path, folder, tries - 1)


def write_atomically(path: Path, content: bytes | Path) -> None:
    """Write ``content``, or that of the file it names, to ``path``: whole or not at all."""
    try:
        with replacing(path) as temporary:
            if isinstance(content, Path):
                shutil.copyfile(content, temporary)
            else:
                temporary.write_bytes(content)
    except OSError as error:
        raise WorkbenchError(f"cannot write {path.name} ({error.strerror}) in {path.parent}") from None


def write_if_changed(path: Path, content: bytes | Path) -> bool:
    """Write only if the bytes differ, so that unchanged files keep their modification time (the upload compares it)."""
    if path.is_file() and _holds(path, content):
        return False
    write_atomically(path, content)
    return True


def _holds(path: Path, content: bytes | Path) -> bool:
    if isinstance(content, Path):
        return filecmp.cmp(content, path, shallow=False)
    return path.stat().st_size == len(content) and path.read_bytes() == content


def below(folder: Path, relative: str, separator: str = os.sep) -> str:
    """``relative`` (with ``/``) below ``folder``, as text: for the calls of the system made for every file of a run.

    Behind the prefix of :func:`chorus_nb.paths.extended` Windows takes backslashes only.
    """
    return f"{folder}{separator}{relative if separator == '/' else relative.replace('/', separator)}"


def remove_partials(folder: Path) -> int:
    """Remove what a killed run left half written, with the folders that were made for it; returns how many files."""
    count = 0
    for base, _, names in os.walk(folder):
        here = Path(base)
        for name in names:
            if name.startswith(PARTIAL):
                (here / name).unlink(missing_ok=True)
                count += 1
                for made in (here, *here.parents):
                    if made == folder or any(made.iterdir()):
                        break
                    made.rmdir()
    return count
