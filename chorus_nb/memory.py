"""The key of a remembered result: the parameters it can see, the code that makes it, the libraries, the inputs.

Nothing here is a list that somebody has to keep up to date: the code is what the making module imports, followed
through the package, and a function whose result is remembered gets parameters that hold only what its key holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from chorus_nb.parameters import Parameters

PACKAGE = Path(__file__).parent
TEXTS = {".py", ".csv", ".tsv", ".txt", ".json", ".yaml", ".sql"}  # hashed with LF, however they were checked out
# what decodes pixels, for whoever makes something from them
DECODERS = ("pydicom", "numpy", "imagecodecs", "pyjpegls", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pillow")
_FROM = re.compile(rf"^[ \t]*from ({PACKAGE.name}(?:\.\w+)*) import (\([^)]*\)|.*)", re.MULTILINE)
_WHOLE = re.compile(rf"^[ \t]*import ({PACKAGE.name}\.[\w.]+)", re.MULTILINE)
_ROOM = re.compile(r"""parents\[1\] / ["'](\w+)["']""")
_SCRIPT, _COMMENT = re.compile(r"""["']([\w.]+)\.py["']"""), re.compile("#.*")


class Recipe(NamedTuple):
    """What results are made with; a module that remembers results has one.

    ``parameters`` are the only ones that the making code may see (:meth:`seen`). ``libraries`` are the distributions
    whose versions decide the result; one that is not installed counts as that.
    """

    module: str
    parameters: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    def seen(self, parameters: Parameters) -> Parameters:
        """``parameters`` with nothing but what the key holds; any other raises :class:`AttributeError`."""
        view = Parameters.model_construct()
        view.__dict__.clear()
        view.__dict__.update({name: getattr(parameters, name) for name in self.parameters})
        return view

    def key(self, parameters: Parameters | None, *inputs: object) -> str:
        """Equal keys, equal results. ``inputs``, with a stable ``repr``, are what else the result is made from."""
        values = [getattr(parameters, name) for name in self.parameters]
        made_with = [(name, _library_version(name)) for name in self.libraries]
        return digest(closure_digest(self.module), self.parameters, values, made_with, inputs)

    def parts(self, parameters: Parameters) -> dict[str, str]:
        """What :meth:`key` is made of besides its inputs, by name."""
        libraries = (f"{name} {_library_version(name)}" for name in self.libraries)
        values = {name: str(getattr(parameters, name)) for name in self.parameters}
        return {"code": closure_digest(self.module), "libraries": ", ".join(libraries), **values}


def digest(*values: object) -> str:
    """32 hexadecimal digits of BLAKE3 over the ``repr`` of ``values``."""
    return blake3(repr(values).encode("utf-8", "surrogatepass")).hexdigest(16)


@lru_cache
def _library_version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


# --- code -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Hash of the whole package: workers on other machines must have the same."""
    return _hash(path for path in PACKAGE.rglob("*") if path.suffix in TEXTS | {".gz"})


@lru_cache
def closure_digest(module: str) -> str:
    """Hash of a module, all modules of the package that it imports, and the data files beside any of them, or in a
    room whose files one of them reads."""
    code = [_file(name) for name in closure(module)]
    named = (PACKAGE / room for name in closure(module) for room in _ROOM.findall(_text(name)))
    data = (file for folder in {*(path.parent for path in code), *named} for file in _data(folder))
    return _hash([*code, *data])


@lru_cache
def closure(module: str) -> frozenset[str]:
    """``module`` and the modules of the package that it imports, directly or through others.

    Imports within functions and for types count too: what is passed in brings its code along. Of a room from which
    some names are imported, only the modules that these names come from count.
    """
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in found and name != __name__:  # a key changes with what it is made from, not with this
            found.add(name)
            todo += _imported(name)
    return frozenset(found)


def _hash(paths: Iterator[Path] | list[Path]) -> str:
    made = hashlib.sha256()
    for path in sorted(set(paths)):
        content = path.read_bytes()
        made.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        made.update(content.replace(b"\r\n", b"\n") if path.suffix in TEXTS else content)
    return made.hexdigest()[:32]


def _data(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            yield from _data(path)
        elif path.suffix in (TEXTS | {".gz"}) - {".py"}:
            yield path


def _file(module: str) -> Path:
    """Where a module of the package stands; a path that is not there if it is none."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@lru_cache
def _imported(module: str) -> frozenset[str]:
    text = _text(module)
    found = {_home(source, name) for source, name, _ in _names(text)} | set(_WHOLE.findall(text))
    for name in _SCRIPT.findall(text):  # run as a child
        script = f"{module.rpartition('.')[0]}.{name}"
        found |= {script} if _file(script).is_file() else set()
    return frozenset(found)


def _names(text: str) -> Iterator[tuple[str, str, str]]:
    """What is imported from the package: module, name, and its name here. ``ast`` takes ten times the time for it."""
    for module, listed in _FROM.findall(text):
        for one in _COMMENT.sub("", listed.strip("()")).split(","):
            if name := one.split():
                yield module, name[0], name[-1]


def _home(module: str, name: str) -> str:
    """The module that ``from module import name`` takes ``name`` from."""
    if _file(f"{module}.{name}").is_file():
        return f"{module}.{name}"
    if _file(module).name == "__init__.py":
        for source, _, own in _names(_text(module)):
            if own == name:
                return _home(source, name)
    return module


@lru_cache
def _text(module: str) -> str:
    return _file(module).read_text("utf-8")
