"""A CSV table is read as pandas reads it, whichever reader does it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from chorus_nb.leaks import parts
from chorus_nb.leaks.files import pieces

TABLES = (
    b"a,b\n1,x\n2,y\n3,\xe9\n4,z\n",
    b'a,b\r\n1,"x, ""y""\n z"\r\n\r\n2\r\n',
    b"a\rb\rc",
    b"a,a,\n1,2,3\n",  # names that stand twice, and none
    b"a,b\n1,2,3\n",
    b"a,b\n1,2\n1,2,3\n",
    b'a,b\n1,"2\n3,4\n',  # a quote that nobody closes
    b'a,b\n1,"2"3\nx"y"z,4\n',
    b"a\n1\n \n2\n\t\n",
    b'a\n""\n1\n',
    b" \na,b\n1,2\n",
    b"\xef\xbb\xbfa,b\n1,2\n",
    b"a,b\n" + b"x" * 140_000 + b",2\n",  # longer than Python's reader takes
    b"a,b\n",
    b"\n",
    b"",
)


def read(by: Callable[[bytes], Iterator[pa.Table]], content: bytes) -> list[object]:
    """Names and cells of each part; an error takes the place of all: parts before it are an accident of buffers."""
    try:
        return [(part.column_names, [column.to_pylist() for column in part.columns]) for part in by(content)]
    except ValueError:
        return ["no table"]


def by_pandas(content: bytes) -> Iterator[pa.Table]:
    return parts._parts(io.BytesIO(content))


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS_SEARCHED", 3)


@pytest.mark.parametrize("content", TABLES, ids=[str(number) for number in range(len(TABLES))])
def test_a_table_is_what_pandas_says(content: bytes) -> None:
    assert read(parts.csv_parts, content) == read(by_pandas, content)


def test_chance_makes_no_table_that_two_readers_take_differently() -> None:
    chance = random.Random(27)
    for _ in range(60):
        letters = chance.choice(("ab,,\n", 'a,"\n', 'a,"\n\r \t', 'ab,"\n \xe9'))
        content = ("a,b\n" + "".join(chance.choices(letters, k=30))).encode("latin-1")
        assert read(parts.csv_parts, content) == read(by_pandas, content), content


def test_a_table_with_nothing_odd_needs_no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(parts, "_parts")
    assert read(parts.csv_parts, TABLES[0]) == [
        (["a", "b"], [["1", "2", "3"], ["x", "y", "\xe9"]]),
        (["a", "b"], [["4"], ["z"]]),
    ]


def test_what_is_searched_is_the_same_of_few_rows_and_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table.csv"
    table.write_text("person_id,note,visit_start_date,Rows\n12,12,2020-01-01,Wu 7\nxy,,Li,3\n")
    few = list(pieces(table))
    monkeypatch.setattr("chorus_nb.leaks.files.FEW_ROWS", 0)
    assert few == list(pieces(table)) == [b"person_id,note,visit_start_date,Rows\n,12,,Wu 7\nxy,,Li,"]
