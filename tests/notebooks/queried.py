"""The tables of a workspace for DuckDB alone, and the cells of a page as they are compared with them."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
from blake3 import blake3

from tests.notebooks.certified import VERIFY
from tests.notebooks.finished_chain import ROOT

PACKAGE = ROOT / "chorus_nb"
WRITTEN = {
    "01_explore_headers": ("catalog", "tag_profile", "quality_findings", "linkage"),
    "02_map_tags": ("tag_plan", "unknown_words", "local_field_values"),
    "03_run_deid": ("worklist", "text_proofs"),
    "04_verify": ("verification", "checks", "face_looks", "verified_images", "search_terms"),
    "05_build_registry": ("image_registry", "study", "series", "image", "registry_checks"),
    "06_release": ("tree_checks", "seal", "manifest"),
}
"""The tables whose rows, size and digest a report tells and no later notebook writes again."""


def plain(cell: str) -> str:
    """A cell without separators; a fraction to four digits, as a page shows it."""
    text = cell.removeprefix("check: ")
    if re.fullmatch(r"[\d,]+", text):
        return text.replace(",", "")
    if re.fullmatch(r"-?[\d,]*\.\d+|-?[\d.]+e[+-]\d+", text):
        number = float(text.replace(",", ""))
        return f"{number:.4g}" if abs(number) < 10_000 else f"{number:.0f}"
    return cell


class Tables:
    """The tables of a workspace, read by DuckDB alone; codes in the words that the package's lists have for them."""

    def __init__(self, root: Path, lookup: Path) -> None:
        self.root, self.connection = root, duckdb.connect()
        views: dict[str, Path] = {path.stem: path for path in (root / "local").glob("*.parquet")}
        views |= {path.stem: path for path in (root / "local").glob("*.csv")}
        views |= {path.stem: path for path in (root / "release" / "Metadata").rglob("*.csv")}
        views |= {f"released_{path.stem}": path for path in (root / "release" / "OMOP").glob("*.csv")}
        views |= {"reasons": PACKAGE / "tables/reasons.csv", "omop_words": PACKAGE / "registry/omop_findings.csv"}
        views |= {path.stem: path for path in lookup.glob("*.csv")} | {"crosswalk": root / "local/crosswalk/*.parquet"}
        views |= {f"omop_{path.stem}": path for path in (lookup.parent / "omop").glob("*.csv")}
        views["safe_harbor"] = VERIFY / "safe_harbor.csv"
        for name, path in views.items():
            comment = "#" if path.parent == VERIFY else ""
            reader = f"read_csv('{path}', header = true, all_varchar = true, comment = '{comment}')"
            reader = f"read_parquet('{path}', file_row_number = true)" if path.suffix == ".parquet" else reader
            self.connection.execute(f'create view "{name}" as select * from {reader}')
        [version] = re.findall('^__version__ = "(.*)"', (PACKAGE / "__init__.py").read_text("utf-8"), re.M)
        self.connection.execute(f"create view package as select '{version}' as version")
        self.connection.execute("create macro words(code) as replace(replace(code, '_', ' '), 'dicom', 'DICOM')")
        known = "(select any_value(meaning) || ' ' || code from reasons where reason = code)"
        self.connection.execute(f"create macro why(code) as coalesce({known}, words(code))")
        self.connection.execute(f"create macro said(code) as coalesce({known}, code)")

    def rows(self, query: str) -> list[list[str]]:
        found = self.connection.execute(query).fetchall()
        return sorted(["" if cell is None else plain(str(cell)) for cell in row] for row in found)

    def written(self, name: str) -> list[list[str]]:
        """Place, rows, bytes and digest of the tables that a notebook wrote."""
        made = []
        for path in (*(self.root / "local").glob("*.*"), *(self.root / "release" / "Metadata").glob("*.csv")):
            if path.stem in WRITTEN[name]:
                rows = self.n(f'count(*) from "{path.stem}"').replace(",", "")
                digest = blake3(path.read_bytes()).hexdigest()
                made.append([path.relative_to(self.root).as_posix(), rows, str(path.stat().st_size), digest])
        return sorted(made)

    def n(self, query: str) -> str:
        return f"{int(self.connection.execute(f'select {query}').fetchone()[0] or 0):,}"  # type: ignore[index]

    def checks(self, table: str) -> str:
        """The sentence on the checks of a notebook."""
        rest = f"from {table} where \"check\" <> 'released_bytes'"
        passed, failed, idle = (
            self.n(f"count(*) {rest} and result = '{word}'") for word in ("pass", "fail", "not run")
        )
        was = "was" if idle == "1" else "were"
        return f"Of {self.n(f'count(*) {rest}')} checks {passed} passed, {failed} failed and {idle} {was} not run."
