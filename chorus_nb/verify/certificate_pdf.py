"""The certificate as a PDF: the same bytes whenever it is made. Imported where one is made: fpdf is slow to import."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from blake3 import blake3
from fpdf import FPDF
from fpdf.fonts import FontFace, TTFFont

from chorus_nb.verify.certificate_pages import cell_text
from chorus_nb.verify.sentences import Section

GLYPHS = "DejaVuSans"  # the font for letters beyond Latin-1: it comes with matplotlib
NARROW = frozenset(("item", "check", "result", "examined", "findings", "held"))


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
                family, text = pdf.drawable(cell_text(cell))
                line.cell(text, style=FontFace(family=family) if family == GLYPHS else None)
