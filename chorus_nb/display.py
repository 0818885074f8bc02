"""The one door to HTML: everything a notebook shows passes here and is escaped, because header text is data.

A test forbids ``HTML(``, ``Markdown(``, Styler and ``ipywidgets.HTML`` anywhere else in the project.
"""

from __future__ import annotations

import base64
import html
import io
import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from IPython.display import HTML, DisplayHandle, display
from pandas import isna
from pandas.api import types

from chorus_nb.tables import REASON_MEANINGS, code_in_words

if TYPE_CHECKING:  # matplotlib writes its caches when it is imported: not before keep_within() said where
    from matplotlib.figure import Figure

# Control characters and the marks that reorder text on screen: shown as a box, never obeyed.
_INVISIBLE = dict.fromkeys(
    (
        *(code for code in range(32) if chr(code) not in "\t\n\r"),
        *range(0x7F, 0xA0),
        *(0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
        *range(0xD800, 0xE000),  # lone surrogates, which no UTF-8 file can hold
    ),
    "\ufffd",
)
LONGEST_WORD = 24  # characters of a word that a cell keeps on one line
_CODE = re.compile(r"[a-z]+(?:_[a-z0-9]+)*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?")
REASON, DETAIL = "reason", "detail"  # columns of reason codes; of words, and of a reason code where that is all
# columns of other codes
CODE_COLUMNS = frozenset(("status", "rule", "check", "finding", "delta", "cell", "own_look", "beside"))
NAMED_BY_CDM = ("_id", "_date", "_datetime", "_value")  # ends of column names of OMOP, shown as they are
BROAD = 110  # characters: a table of which a row has more is printed across the page
COUNTED = 24  # of a cell or head at most: what is longer wraps
HEADLINE = "chorus_headline"  # metadata key of the sentence that a report has at its top
PROGRESS = "chorus_progress"  # metadata key by which the runner finds the progress of a headless notebook


def escape(text: object) -> str:
    """``text`` fit for HTML: markup, control characters and text-direction marks shown, not obeyed."""
    return html.escape(visible(text), quote=True)


def visible(text: object) -> str:
    """``text`` with a box for each control character and mark of direction."""
    return str(text).translate(_INVISIBLE)


def say(text: str, *, headline: bool = False) -> None:
    """Show a sentence. A ``headline`` stands at the top of a report already, where it is not said again."""
    display(HTML(f'<p class="say">{escape(text)}</p>'), metadata={HEADLINE: True} if headline else {})


def show(frame: pd.DataFrame, rows: int = 40, caption: str = "", alert: pd.Series | None = None) -> None:
    """Show the first ``rows`` rows as a table that scrolls when wide, and say how many were cut.

    Rows for which ``alert`` is true stand out in red and begin with the word "check".
    """
    display(HTML(table_html(frame, rows, caption, alert)))


def drawn_figure(figure: Figure) -> tuple[str, int]:
    """``figure`` as PNG in base64, and its width on a page in CSS pixels."""
    sink = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that no font has is a box; a report need not say which, nor our path
        figure.savefig(sink, format="png", dpi=144)
    return base64.b64encode(sink.getvalue()).decode("ascii"), round(figure.get_figwidth() * 96)


def show_figure(image: str, width: int, alt: str) -> None:
    """Show a figure as :func:`drawn_figure` made it; ``alt`` says in words what it shows, for those who cannot see
    it."""
    display(
        HTML(
            f'<figure style="margin:0"><img alt="{escape(alt)}" width="{width}" style="max-width:100%;height:auto" '
            f'src="data:image/png;base64,{image}"></figure>'
        )
    )


def table_html(frame: pd.DataFrame, rows: int = 40, caption: str = "", alert: pd.Series | None = None) -> str:
    """``frame`` as an escaped HTML table; numbers stand right, nulls are blank. One without rows is one line."""
    numeric = [types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind) for kind in frame.dtypes]
    counted = [types.is_integer_dtype(kind) and _is_count(name) for name, kind in frame.dtypes.items()]
    alerts = [False] * len(frame) if alert is None else [bool(flag) for flag in alert.fillna(False)]
    shown = list(frame.head(rows).itertuples(index=False, name=None))
    cut = f"{rows:,} of {len(frame):,} rows shown" if len(frame) > rows else ""
    note = f'<p class="cut">{cut}</p>' if cut else ""
    return _table([*frame], shown, caption, numeric, counted, alerts) + note


def rows_html(names: Sequence[str], rows: Sequence[tuple[Any, ...]], caption: str) -> str:
    """All of ``rows`` of text as :func:`table_html` shows them: many small tables, of which none is worth a frame."""
    none = [False] * max(len(names), len(rows))
    return _table(names, rows, caption, none[: len(names)], none[: len(names)], none[: len(rows)])


def _table(
    names: Sequence[Any],
    rows: Sequence[tuple[Any, ...]],
    caption: str,
    numeric: list[bool],
    counted: list[bool],
    alerts: list[bool],
) -> str:
    if not rows:
        return f'<p class="none">{escape(caption or "Table")}: none.</p>'
    sides = ["right" if number else "left" for number in numeric]
    plain = [_counted if count else _shown for count in counted]
    words: dict[str, Callable[[Any], tuple[str, str]]] = {
        REASON: _explained,
        DETAIL: _said,
        **dict.fromkeys(CODE_COLUMNS, _in_words),
    }
    shown = [words.get(str(name), how) for name, how in zip(names, plain, strict=True)]
    lines = [[cell(value) for cell, value in zip(shown, row, strict=True)] for row in rows]
    body = "".join(_table_row(line, sides, flag) for line, flag in zip(lines, alerts, strict=False))
    heads = "".join(_cell("th", _head(name), side) for name, side in zip(names, sides, strict=True))
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    widths = [max(len(_head(name)), *(len(line[place][0]) for line in lines)) for place, name in enumerate(names)]
    broad = " broad" if sum(min(width, COUNTED) for width in widths) > BROAD else ""
    return (
        f'<div class="scroll{broad}" style="overflow-x:auto" tabindex="0" role="region" '
        f'aria-label="{escape(caption or "table")}"><table class="chorus">{title}'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _is_count(name: object) -> bool:
    """Whether a column of whole numbers counts something: ids and DICOM's own attributes are no counts."""
    return str(name).islower() and not str(name).endswith("_id")


def _head(name: object) -> str:
    """The head of a column: our own names in words, those of OMOP as they are."""
    return str(name) if str(name).endswith(NAMED_BY_CDM) else str(name).replace("_", " ")


def _table_row(row: list[tuple[str, str]], sides: list[str], alert: bool) -> str:
    cells = "".join(_cell("td", words, side, code) for (words, code), side in zip(row, sides, strict=True))
    if not alert:
        return f"<tr>{cells}</tr>"
    return f'<tr class="alert" style="color:#b00020;font-weight:600">{cells.replace(">", ">check: ", 1)}</tr>'


def _cell(name: str, words: str, side: str, code: str = "") -> str:
    """A cell: its words, and small behind them the code that they stand for."""
    small = f" <small>{escape(code)}</small>" if code else ""
    return f'<{name} style="text-align:{side}{_breaks(words)}">{escape(words)}{small}</{name}>'


def _breaks(text: str) -> str:
    """Where a cell may break: a date nowhere, a long word such as a UID anywhere, so that a table fits its page."""
    if _DATE.fullmatch(text):
        return ";white-space:nowrap"
    return ";overflow-wrap:anywhere" if any(len(word) > LONGEST_WORD for word in text.split()) else ""


def _shown(value: Any) -> tuple[str, str]:
    """A value as text; nothing stands for it."""
    if isinstance(value, str):
        return value, ""
    if types.is_scalar(value) and isna(value):
        return "", ""
    if types.is_bool(value):
        return ("yes" if value else "no"), ""
    if types.is_float(value):
        return (f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"), ""
    return str(value), ""


def _counted(value: Any) -> tuple[str, str]:
    text, _ = _shown(value)
    return (f"{value:,}" if text else ""), ""


def _in_words(value: Any) -> tuple[str, str]:
    """A code in words; what is a text already stays as it is."""
    text, _ = _shown(value)
    return (code_in_words(text) if _CODE.fullmatch(text) else text), ""


def _explained(value: Any) -> tuple[str, str]:
    """What ``reasons.csv`` says of a code, and the code, by which a file is found in the tables."""
    text, code = _said(value)
    return (text, code) if code else _in_words(text)


def _said(value: Any) -> tuple[str, str]:
    text, _ = _shown(value)
    return (REASON_MEANINGS[text], text) if text in REASON_MEANINGS else (text, "")


class Meter:
    """A progress bar (``compute.Progress``) without JavaScript: the same in JupyterLab and in a report.

    Text must be free of header values. Updates carry their numbers as metadata, from which the runner draws a line
    in the terminal.
    """

    def __init__(self, every: float = 0.2) -> None:
        self.every = every  # seconds between two updates: thousands of tiny messages would choke the notebook
        self._handle: DisplayHandle | None = None
        self._due = 0.0
        self._text = ""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        ended = bool(total) and done >= total
        if text == self._text and not ended and now < self._due:
            return
        self._due, self._text = now + self.every, text
        of = f"{done:,} of {total:,}" if total else f"{done:,}"
        bar = f'<progress value="{done:d}" max="{total:d}"></progress> ' if total else ""
        shown = HTML(f'<div class="progress">{bar}{of} {escape(text)}</div>')
        metadata = {PROGRESS: {"done": done, "total": total, "text": text}}
        if self._handle is None:
            self._handle = display(shown, display_id=True, metadata=metadata)
        else:
            self._handle.update(shown, metadata=metadata)
        if ended:
            self._handle, self._text = None, ""  # the next long step gets its own bar
