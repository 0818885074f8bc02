"""What a line of a CTP script makes of a value, said by the engine's own reading and promised by the verifier's."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from chorus_nb import standards
from chorus_nb.leaks.reading import Leaf
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import ScriptRules, read_script_rules
from chorus_nb.verify.site_script import Promise, broken, is_made, read_promises
from tests.mapping.test_ctp_scripts import Header
from tests.mapping.test_official_script import official_script

ROWS = list(csv.DictReader((Path(__file__).parent / "scripts" / "lines.csv").open(encoding="utf-8")))
CT, TAG = "1.2.840.10008.5.1.4.1.1.2", 0x00081030


def leaf(text: str) -> Leaf:
    return Leaf("", TAG, "LO", "", text.encode(), text)


def xml(line: str) -> str:
    return f"<script><p t='SITE'>Site One</p>\n<e n='x' t='00081030' en='T'>{escape(line)}</e></script>"


def plain(line: str) -> str:
    return f"param.SITE=Site One\n#set.[0010,0010]x=@remove()\nset.[0008,1030]x={line}\n"


def rules(folder: Path, text: str) -> ScriptRules:
    path = folder / "site.script"
    path.write_text(text)
    return read_script_rules(path, Chorus(), "")


@pytest.mark.parametrize("form", [xml, plain])
@pytest.mark.parametrize("row", ROWS, ids=[row["line"] for row in ROWS])
def test_both_readers_of_a_line_say_the_same(tmp_path: Path, row: dict[str, str], form) -> None:
    text = form(row["line"])
    made = rules(tmp_path, text)
    promise = read_promises(text).get(TAG)
    assert (promise.kind if promise else "") == row["promise"]
    if row["becomes"] == "fault":
        assert made.warnings
        return
    outcome = made.run(TAG, "", Header(t00081030=row["original"], t00080060="CT"), True)
    assert outcome.replace("@process()", "@keep()") == row["becomes"]
    if promise is None:
        return
    if outcome != "@remove()":
        released = "" if outcome == "@empty()" else outcome
        assert broken(promise, leaf(row["original"]), leaf(released)) == ""
        assert is_made(promise) is (bool(released) and promise.kind != "copied")
    if promise.kind not in ("made", "copied"):
        assert broken(promise, leaf(row["original"]), leaf(row["original"])) != ""


def test_a_value_cut_to_what_its_vr_holds_is_the_promised_one() -> None:
    promise = Promise("text", "a name longer than a short string")
    assert broken(promise, None, leaf("a name longer")) == ""
    assert broken(promise, None, leaf("longer")) != ""


def test_both_readers_agree_on_every_line_of_the_official_script(tmp_path: Path) -> None:
    text = official_script()
    made, promised = rules(tmp_path, text), read_promises(text)
    assert len(promised) > 220
    for tag, promise in promised.items():
        rule = made.rule(CT, (), tag, "LO", "")
        if standards.tag_name(tag).startswith(("(0000", "(0002", "(0004", "(0013", "(FFF")):
            continue  # in no released file, whatever a script says
        expected = {"gone": "X", "md5": "script", "made": "U"}.get(promise.kind, "script" if promise.text else "Z")
        assert rule.action == expected, standards.tag_name(tag)


def test_lines_that_are_off_or_not_the_scripts_to_decide_promise_nothing() -> None:
    off = "<script><!-- <e en='T' t='00081030'>@remove()</e> --><e en='F' t='00081030'>@remove()</e></script>"
    assert read_promises(off) == {}
    assert read_promises("<script><e en='T' t='00100020'>@remove()</e></script>") == {}
    twice = "<script><e en='T' t='00081030'>@remove()</e><e en='T' t='00081030'>@keep()</e></script>"
    assert read_promises(twice) == {}
