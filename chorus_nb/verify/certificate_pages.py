"""The certificate as a page; :mod:`chorus_nb.verify.certificate_pdf` has the same sections as a PDF."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pandas as pd

from chorus_nb.verify.sentences import Section

LOOK = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{border:1px solid #8886;padding:.2rem .4rem;"
    "text-align:left;vertical-align:top;overflow-wrap:break-word}th{white-space:nowrap}p{overflow-wrap:anywhere}"
    "thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}"
    "@page{size:A4;margin:15mm;@bottom-right{content:'page ' counter(page) ' of ' counter(pages);font:8pt sans-serif}}"
    "@media print{body{font-size:9.5pt;line-height:1.35;max-width:none;margin:0;padding:0}}"
)
ONLY_THIS = "default-src 'none'; style-src 'unsafe-inline'"


def html_certificate(sections: Sequence[Section]) -> bytes:
    """The certificate as a page that loads nothing; every text is escaped by ElementTree."""
    root = ElementTree.Element("html", lang="en")
    head = ElementTree.SubElement(root, "head")
    ElementTree.SubElement(head, "meta", charset="utf-8")
    ElementTree.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": ONLY_THIS})
    ElementTree.SubElement(head, "title").text = sections[0].heading
    ElementTree.SubElement(head, "style").text = LOOK
    body = ElementTree.SubElement(root, "body")
    for number, section in enumerate(sections):
        ElementTree.SubElement(body, "h2" if number else "h1").text = section.heading
        for sentence in section.sentences:
            ElementTree.SubElement(body, "p").text = sentence
        if section.table is not None:
            _table(body, section.table)
    ElementTree.indent(root, "")
    page: str = ElementTree.tostring(root, encoding="unicode", method="html")
    return f"<!doctype html>\n{page}\n".encode()


def _table(body: ElementTree.Element, frame: pd.DataFrame) -> None:
    table = ElementTree.SubElement(body, "table")
    heads = ElementTree.SubElement(ElementTree.SubElement(table, "thead"), "tr")
    for name in frame.columns:
        ElementTree.SubElement(heads, "th", scope="col").text = str(name)
    rows = ElementTree.SubElement(table, "tbody")
    for row in frame.itertuples(index=False):
        line = ElementTree.SubElement(rows, "tr")
        for cell in row:
            ElementTree.SubElement(line, "td").text = cell_text(cell)


def cell_text(cell: object) -> str:
    """A cell as page and PDF write it."""
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
