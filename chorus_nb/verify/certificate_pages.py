"""The certificate as a page and as a PDF: the same sections in both, the same bytes whenever they are made."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from blake3 import blake3
from fpdf import FPDF
from fpdf.fonts import FontFace, TTFFont

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
GLYPHS = "DejaVuSans"  # the font for letters beyond Latin-1: it comes with matplotlib
NARROW = frozenset(("item", "result", "examined", "findings", "held"))


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
            ElementTree.SubElement(line, "td").text = _shown(cell)


def pdf_certificate(sections: Sequence[Section]) -> bytes:
    """The certificate as a PDF, A4, wide enough for its tables, its pages numbered.

    Its letters stand in the file as they are (no compression, the fonts every reader has), so that the search for
    identifiers reads it as it is. A text with letters beyond Latin-1 is drawn with DejaVu Sans, whose glyphs are
    numbers: what it says stands in the document's subject, too. A letter that this font lacks is told by its code.
    """
    pdf = _Pages(orientation="landscape", format="A4")
    said = "\n".join(f"{section.heading}\n{section.sentences}\n{section.table}" for section in sections)
    pdf.digest = blake3(said.encode()).hexdigest(length=16)
    pdf.set_compression(False)
    pdf.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))  # no time: the same certificate has the same bytes
    pdf.set_title(sections[0].heading)
    pdf.set_lang("en")
    pdf.add_page()
    for number, section in enumerate(sections):
        pdf.paragraph(section.heading, "B", 12 if number else 17, None)
        pdf.ln(1)
        for sentence in section.sentences:
            pdf.paragraph(sentence, "", 9, 5)
        if section.table is not None:
            _pdf_table(pdf, section.table)
        pdf.ln(3)
    if pdf.drawn_as_glyphs:
        pdf.set_subject("\n".join(pdf.drawn_as_glyphs).encode("ascii", "backslashreplace").decode())
    return bytes(pdf.output())


class _Pages(FPDF):
    """Numbered pages, a font for every letter, and an identity made of what the pages say instead of the time."""

    digest = ""

    def __init__(self, **kept: Any) -> None:
        super().__init__(**kept)
        self.drawn_as_glyphs: list[str] = []

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font("Helvetica", "", 8)
        self.cell(0, 5, f"page {self.page_no()} of {{nb}}", align="R")

    def file_id(self) -> str:
        return f"<{self.digest}><{self.digest}>"

    def paragraph(self, text: str, emphasis: str, size: int, height: int | None) -> None:
        family, text = self.drawable(text)
        self.set_font(family, emphasis, size)
        self.multi_cell(0, height, text, align="L", new_x="LMARGIN", new_y="NEXT")

    def drawable(self, text: str) -> tuple[str, str]:
        """The font that has the letters of ``text``, and the text to be drawn with it."""
        text = unicodedata.normalize("NFC", text)
        if text == text.encode("latin-1", "replace").decode("latin-1"):
            return "Helvetica", text
        if not self.drawn_as_glyphs:
            import matplotlib  # not before its place is known, and only where its fonts are needed

            fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
            self.add_font(GLYPHS, "", fonts / "DejaVuSans.ttf")
            self.add_font(GLYPHS, "B", fonts / "DejaVuSans-Bold.ttf")
        self.drawn_as_glyphs.append(text)
        font = self.fonts[GLYPHS.lower()]
        known = font.cmap if isinstance(font, TTFFont) else {}
        return GLYPHS, "".join(letter if ord(letter) in known else f"[U+{ord(letter):04X}]" for letter in text)


def _pdf_table(pdf: _Pages, frame: pd.DataFrame) -> None:
    pdf.set_font("Helvetica", "", 8)
    widths = tuple(1 if name in NARROW else 5 for name in frame.columns)
    bold = FontFace(emphasis="BOLD")
    with pdf.table(col_widths=widths, text_align="LEFT", line_height=4, padding=0.6, headings_style=bold) as table:
        for row in [tuple(frame.columns), *frame.itertuples(index=False)]:
            line = table.row()
            for cell in row:
                family, text = pdf.drawable(_shown(cell))
                line.cell(text, style=FontFace(family=family) if family == GLYPHS else None)


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
