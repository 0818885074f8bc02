"""Words of descriptions and of technique's codes that nobody knows yet: what would go, worst loss first, to be decided.

A word is decided once, for every release: ``decisions/known_words.csv`` (:mod:`chorus_nb.identity.site_words`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import pandas as pd
from pydicom.datadict import dictionary_VR, tag_for_keyword

from chorus_nb import standards, tables
from chorus_nb.identity.names import fold
from chorus_nb.identity.site_words import WORD_LOG, site_vocabulary
from chorus_nb.identity.terms import no_terms
from chorus_nb.identity.words import Vocabulary, tokens
from chorus_nb.mapping.policy import load_policy
from chorus_nb.workspace import Workspace

PEOPLE = (
    *("PatientName", "OtherPatientNames", "PatientBirthName"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"),
)
TEXTS_SHOWN = 3  # texts shown of a word
FIRST = 10  # words of which the headline speaks


class TextWords(NamedTuple):
    """``unknown``: the table ``unknown_words``; how many words are ``known``, and the number of ``series``."""

    unknown: pd.DataFrame
    known: int
    series: int

    @property
    def waiting(self) -> pd.DataFrame:
        """The words that wait for a person: no names, nothing decided."""
        open_ = self.unknown[(self.unknown.decision == "") & ~self.unknown.is_name]
        return open_[["word", "series", "patients", "files", "attributes", "examples"]].reset_index(drop=True)

    @property
    def headline(self) -> str:
        """What the first screen says."""
        open_ = self.waiting
        named = int(self.unknown.is_name.sum())
        said = f"{self.known:,} words known, {len(open_):,} unknown in {self.series:,} series"
        if len(open_):
            first = min(FIRST, len(open_))
            which = "it" if len(open_) == 1 else "all of them" if first == len(open_) else f"the first {first}"
            share = 100 * open_.series.head(first).sum() / open_.series.sum()
            said += f"; approving {which} keeps {share:.0f} % of what would be lost"
        return said + (f". {named:,} more are names of people and go." if named else ".")


def text_words(workspace: Workspace) -> TextWords:
    """Find the words that would go from the descriptions of the last scan, and write ``unknown_words``.

    Looked at are the attributes of the catalog that the policy cleans. Identifiable: the table stays local.
    """
    said = _descriptions(workspace)
    vocabulary, people = site_vocabulary(workspace), _name_parts(workspace)
    decided = {word: row["decision"] for word, row in WORD_LOG.current(workspace).items()}
    bare = Vocabulary(refused=(word for word, decision in decided.items() if decision == "refuse"))
    texts = said.text[~said.terms].drop_duplicates()
    known = {token.word for text in texts for token in tokens(text) if len(token.word) > 1 and not token.is_number}
    known -= {token.word for text in texts for token in vocabulary.unknown(text)}
    words = [
        (text, terms, token.word)
        for text, terms in said[["text", "terms"]].drop_duplicates().itertuples(index=False)
        for token in (no_terms(bare, text) if terms else bare.unknown(text))
    ]
    found = said.merge(pd.DataFrame(words, columns=["text", "terms", "word"]).drop_duplicates(), on=["text", "terms"])
    unknown = _ranked(found, decided, people)
    workspace.write(tables.UNKNOWN_WORDS, unknown)
    return TextWords(unknown, len(known), int(said.SeriesInstanceUID.nunique()))


def decide_words(workspace: Workspace, words: Collection[str], decision: str, note: str, reviewer: str) -> None:
    """Approve or refuse words in bulk; :class:`InputError` names what is wrong with one."""
    rows = [{"word": fold(word), "decision": decision, "note": note} for word in words]
    WORD_LOG.append(workspace, reviewer, *rows)


def _descriptions(workspace: Workspace) -> pd.DataFrame:
    """Each text whose words stay because they are known, once a series: attribute, text, whether it is one of terms,
    series, patient, files."""
    policy = load_policy(workspace)
    cleaned = {}  # to whether terms stand there
    for keyword in tables.CATALOG.keywords:
        tag = tag_for_keyword(keyword)
        if tag is None:
            continue
        vr = dictionary_VR(tag)
        terms, action = standards.holds_terms(tag, vr), policy.rule("", (), tag, vr, "").action
        if action in ("K", "C") if terms else action == "C" and not standards.never_a_patient(tag, vr):
            cleaned[keyword] = terms
    by = ["PatientID", "SeriesInstanceUID"]
    catalog = workspace.read(tables.CATALOG, ("status", *by, *cleaned))
    catalog = catalog[catalog.status == "dicom"]
    parts = [
        catalog[catalog[name] != ""]
        .groupby([*by, name], as_index=False)
        .size()
        .set_axis([*by, "text", "files"], axis=1)
        for name in cleaned
    ]
    named = [part.assign(attribute=name, terms=cleaned[name]) for name, part in zip(cleaned, parts, strict=True)]
    return pd.concat(named, ignore_index=True)


def _name_parts(workspace: Workspace) -> frozenset[str]:
    """The words of every name in the headers, folded."""
    columns = tuple(name for name in PEOPLE if name in tables.CATALOG.column_names)
    names = workspace.read(tables.CATALOG, columns) if columns else pd.DataFrame()
    every = {name for column in columns for name in names[column].unique()}
    return frozenset(token.word for name in every for token in tokens(name) if not token.is_number)


def _ranked(found: pd.DataFrame, decided: dict[str, str], people: frozenset[str]) -> pd.DataFrame:
    """A row a word: those that wait first, among them the ones that cost most series and patients."""
    rows = []
    for word, uses in found.groupby("word"):
        contexts = uses.groupby("text").files.sum().sort_values(ascending=False, kind="stable")
        rows.append(
            {
                "word": str(word),
                "patients": int(uses.PatientID.nunique()),
                "series": int(uses.SeriesInstanceUID.nunique()),
                "files": int(uses.files.sum()),
                "attributes": ", ".join(sorted(set(uses.attribute))),
                "examples": " | ".join(contexts.index[:TEXTS_SHOWN]),
                "is_name": str(word) in people,
                "decision": decided.get(str(word), ""),
            }
        )
    frame = tables.frame(tables.UNKNOWN_WORDS, rows)
    waits = (frame.decision != "").astype(int) * 2 + frame.is_name.astype(int)
    order = ["waits", "series", "patients", "files", "word"]
    ranked = frame.assign(waits=waits).sort_values(order, ascending=[True, False, False, False, True])
    return ranked.drop(columns="waits").reset_index(drop=True)
