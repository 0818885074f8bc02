"""A site's CTP script as a policy, and a plan as a CTP script."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from pydicom.datadict import dictionary_VR

from chorus_nb import mapping, tables
from chorus_nb.errors import InputError
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.ctp import ScriptRules, ctp_differences, functions, read_script_rules
from chorus_nb.mapping.ctp.expressions import PathStep
from chorus_nb.mapping.ctp.filters import parse_filter
from chorus_nb.mapping.ctp.lookup import look_up, properties, read_lookup
from chorus_nb.mapping.ctp.regions import boxes, parse_regions
from chorus_nb.mapping.ctp.script import read_script
from chorus_nb.mapping.ctp.writing import lookup_of, script_of

CT = "1.2.840.10008.5.1.4.1.1.2"


class Header:
    """Values of a flat header, by tag."""

    def __init__(self, **values: str) -> None:
        self.values = {int(tag.removeprefix("t"), 16): value for tag, value in values.items()}

    def text(self, steps: tuple[PathStep, ...], root: bool) -> str | None:
        return self.values.get(steps[-1].tag)


def book(folder: Path, lines: str, uid_root: str = "", **beside: str) -> ScriptRules:
    path = folder / "site.script"
    path.write_text(f'<script>\n<p t="UIDROOT">1.2.3</p>\n{lines}\n</script>')
    for name, text in beside.items():
        (folder / name.replace("_", ".")).write_text(text)
    return read_script_rules(path, Chorus(), uid_root)


def line(tag: str, script: str, enabled: str = "T") -> str:
    return f'<e en="{enabled}" t="{tag}" n="x">{script}</e>'


def faults(folder: Path, lines: str) -> str:
    with pytest.raises(InputError) as caught:
        book(folder, lines)
    return str(caught.value)


@pytest.mark.parametrize(
    ("script", "action"),
    [
        ("@remove()", "X"),
        ("@empty()", "Z"),
        ("", "Z"),
        ("@blank(3)", "Z"),
        ("@hash(this,8)", "script"),
        ("ANON", "script"),
    ],
)
def test_a_line_of_the_script_wins(tmp_path: Path, script: str, action: str) -> None:
    rule = book(tmp_path, line("00081030", script)).rule(CT, (), 0x00081030, "LO", "")
    assert rule.action == action
    assert rule.source == "site.script line 3"


def test_what_the_script_does_not_name_is_not_kept_but_decided_by_the_default_policy(tmp_path: Path) -> None:
    made = book(tmp_path, line("00081030", "@keep()") + line("00100010", "@keep()", enabled="F"))
    for tag, vr in ((0x00100010, "PN"), (0x00080080, "LO"), (0x00280010, "US"), (0x00400275, "SQ")):
        assert made.rule(CT, (), tag, vr, "").action == Chorus().rule(CT, (), tag, vr, "").action


def test_dates_a_script_keeps_are_shifted_and_sequences_are_entered(tmp_path: Path) -> None:
    made = book(tmp_path, line("00080020", "@keep()") + line("00400275", "@keep()") + line("00081140", "literal"))
    assert made.rule(CT, (), 0x00080020, "DA", "").action == "shift"
    assert made.rule(CT, (), 0x00400275, "SQ", "").action == "S"
    assert made.rule(CT, (), 0x00081140, "SQ", "").action == "X"


def test_an_age_a_script_keeps_is_still_capped(tmp_path: Path) -> None:
    assert book(tmp_path, line("00101010", "@keep()")).rule(CT, (), 0x00101010, "AS", "").action == "age"


def test_times_of_the_run_are_not_written(tmp_path: Path) -> None:
    assert book(tmp_path, line("00080031", "@time()")).rule(CT, (), 0x00080031, "TM", "").action == "K"


def test_identifiers_and_declarations_are_not_the_scripts_to_decide(tmp_path: Path) -> None:
    made = book(tmp_path, line("00100020", "@keep()") + line("0020000D", "@keep()") + line("00120062", "NO"))
    assert made.rule(CT, (), 0x00100020, "LO", "").action == "lookup"
    assert made.rule(CT, (), 0x0020000D, "UI", "").action == "U"
    assert made.rule(CT, (), 0x00120062, "CS", "").action == "K"


def test_private_elements_are_named_by_creator_and_offset(tmp_path: Path) -> None:
    made = book(tmp_path, line("0019[SIEMENS MR HEADER]0C", "@empty()"))
    assert made.rule(CT, (), 0x0019200C, "IS", "SIEMENS MR HEADER").action == "Z"
    assert made.rule(CT, (), 0x0019200D, "CS", "SIEMENS MR HEADER").action == "K"
    assert made.rule(CT, (), 0x0019200C, "IS", "OTHER").action == "X"


@pytest.mark.parametrize(
    ("tag", "vr", "action", "difference"),
    [
        (0x00081090, "LO", "K", ""),
        (0x00081030, "LO", "C", "kept_text"),
        (0x00204000, "LT", "C", "kept_text"),  # a comment, which the default policy removes
        (0x300A0012, "IS", "K", ""),  # not of an image: the default policy does not know it to be safe
        (0x00080020, "DA", "shift", "kept_date"),
        (0x00101010, "AS", "age", "kept_age"),
        (0x04000520, "OB", "X", "kept_bytes"),  # Encrypted Content: what the image was before
        (0x0016002B, "OB", "X", "kept_bytes"),  # Maker Note
        (0x00181002, "UI", "U", "kept_uid"),
        (0x00080080, "LO", "X", "kept_identifying"),
        (0x00181000, "LO", "X", "kept_identifying"),
        (0x00081050, "PN", "X", "kept_identifying"),
        (0x00400275, "SQ", "S", "items"),
        (0x60003000, "OW", "X", None),  # overlays: not the script's to decide
    ],
)
def test_what_a_script_keeps_stays_as_the_default_policy_lets_it(
    tmp_path: Path, tag: int, vr: str, action: str, difference: str | None
) -> None:
    rule = book(tmp_path, line(f"{tag:08X}", "@keep()")).rule(CT, (), tag, vr, "")
    assert rule.action == action
    if difference is not None:
        assert rule.source == "site.script line 3" + (f", {difference}" if difference else "")
        assert not difference or difference in {row.name for row in ctp_differences()}


def test_device_identifiers_stay_with_the_parameter_and_are_declared_then_only(tmp_path: Path) -> None:
    lines = line("00181000", "@keep()") + line("00120064", "113100/113109")
    assert book(tmp_path, lines).options == ("113100", "113107")
    path = tmp_path / "site.script"
    made = read_script_rules(path, Chorus(keep_device_identifiers=True), "")
    assert made.rule(CT, (), 0x00181000, "LO", "").action == "K"
    assert made.options == ("113100", "113107", "113109")


def test_a_line_that_comes_to_keep_in_a_file_keeps_no_more_than_one_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "site.script"
    path.write_text('<script><e en="T" t="00080020" n="x">@if(Modality,exists){@keep()}{@remove()}</e></script>')
    rules = read_script_rules(path, Chorus(), "")
    assert rules.rule(CT, (), 0x00080020, "DA", "").action == "script"
    assert rules.kept(CT, (), 0x00080020, "DA", "").action == "shift"


def test_the_lines_hold_in_items_of_processed_sequences_only(tmp_path: Path) -> None:
    lines = line("00181030", "@remove()") + line("00400275", "@process()") + line("00081140", "@keep()")
    made = book(tmp_path, lines)
    assert made.rule(CT, (), 0x00181030, "LO", "").action == "X"
    assert made.rule(CT, ("RequestAttributesSequence",), 0x00181030, "LO", "").action == "X"
    for path in (("ReferencedImageSequence",), ("RequestAttributesSequence", "ReferencedImageSequence")):
        assert made.rule(CT, path, 0x00181030, "LO", "").action == "C"
    gone = book(tmp_path, '<r en="T" t="privategroups"/>')
    assert gone.rule(CT, ("ReferencedImageSequence",), 0x0019100C, "IS", "SIEMENS MR HEADER").action == "X"


@pytest.mark.parametrize(
    ("tag", "vr", "script", "action"),
    [
        (0x00180060, "DS", "@remove()", "Z"),  # Type 2 in a CT image
        (0x00280010, "US", "@remove()", "K"),  # Type 1
        (0x00180060, "DS", "@if(Modality,exists){@remove()}{@keep()}", "script"),
        (0x00181030, "LO", "@remove()", "X"),  # Type 3
    ],
)
def test_what_an_image_must_have_is_emptied_or_left_to_the_default_policy(
    tmp_path: Path, tag: int, vr: str, script: str, action: str
) -> None:
    made = book(tmp_path, line(f"{tag:08X}", script))
    assert made.rule(CT, (), tag, vr, "").action == action
    assert made.gone(CT, (), tag, vr, "").action == (action if action != "script" else "Z")


@pytest.mark.parametrize(
    ("tag", "script", "action"),
    [
        ("00120010", "@param(@NOPE)", "D"),
        ("00080014", "@hashuid(@NOPE,this)", "U"),
        ("00080020", "@incrementdate(this,@NOPE)", "shift"),
        ("00100010", "@if(Modality,equals,@NOPE){a}{b}", "Z"),
    ],
)
def test_an_undefined_parameter_is_a_warning_and_the_default_policy_decides(
    tmp_path: Path, tag: str, script: str, action: str
) -> None:
    made = book(tmp_path, line(tag, script), uid_root="1.2.3")
    number = int(tag, 16)
    rule = made.rule(CT, (), number, dictionary_VR(number), "")
    assert rule.action == action == Chorus().rule(CT, (), number, dictionary_VR(number), "").action
    assert rule.source == "site.script line 3, undefined_parameter"
    assert made.warnings == (
        f"site.script line 3 ({tag}): parameter NOPE is not defined; the policy chorus decides about this element",
    )


def test_the_readme_tells_every_difference() -> None:
    told = Path(mapping.__file__).with_name("README.md").read_text("utf-8")
    rows = [f"| `{row.name}` | {row.ctp} | {row.here} | {row.why} |" for row in ctp_differences()]
    assert [line for line in told.splitlines() if re.match(r"\| `[a-z]+_?[a-z]*` \| .* \| .* \| ", line)] == rows
    assert len({row.name for row in ctp_differences()}) == len(rows)


def test_unspecified_elements_are_removed_on_request_but_not_the_image(tmp_path: Path) -> None:
    made = book(tmp_path, '<r en="T" t="unspecifiedelements"/><k en="T" t="0018"/>')
    assert made.rule(CT, (), 0x00081090, "LO", "").action == "X"
    manufacturer = made.rule(CT, (), 0x00080070, "LO", "")
    assert (manufacturer.action, manufacturer.source) == ("Z", "site.script, required"), "Type 2 of any image"
    assert made.rule(CT, (), 0x00200032, "DS", "").action == "K", "Type 1 of CT"
    assert made.rule(CT, (), 0x00180060, "DS", "").action == "K"
    assert made.rule(CT, (), 0x00280010, "US", "").action == "K"
    assert made.rule(CT, (), 0x7FE00010, "OW", "").action == "K"


def test_a_script_is_evaluated_on_the_file(tmp_path: Path) -> None:
    made = book(tmp_path, line("00081030", '@if(Modality,equals,"CT"){CT of @contents(this)}{@remove()}'))
    assert made.run(0x00081030, "", Header(t00080060="CT", t00081030="HEAD"), True) == "CT of HEAD"
    assert made.run(0x00081030, "", Header(t00080060="MR"), True) == "@remove()"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (line("00081030", "@nosuch(this)"), "line 3 (00081030): unknown function @nosuch"),
        (line("00081030", "@hash(NoSuchName)"), "NoSuchName is no element"),
        (line("00081030", "@keep"), "'@' without a function"),
        (line("00081030", "@if(this,isblank){a"), "'{' is never closed"),
        (line("0008", "@keep()"), "is no tag"),
        (line("00081030", "@integer(this,id)"), "depends on more than the file"),
        (line("00081030", "@lookup(this,id)"), "no LookupTable.properties"),
        ('<r en="T" t="everything"/>', "is not understood"),
    ],
)
def test_a_script_with_a_fault_stops_the_run_and_names_the_line(tmp_path: Path, lines: str, fault: str) -> None:
    assert fault in faults(tmp_path, lines)


def test_a_script_encrypts(tmp_path: Path) -> None:
    lines = line("00081030", "@encrypt(this,secret)")
    made = book(tmp_path, lines).run(0x00081030, "", Header(t00081030="HEAD"), True)
    assert made not in ("", "HEAD")


@pytest.mark.parametrize("text", ["<script><e en='T'>", "<script></script>", "", "nothing=here"])
def test_a_damaged_or_empty_script_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.script"
    path.write_text(text)
    with pytest.raises(InputError):
        read_script(path)


def test_entities_in_a_script_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.script"
    path.write_text('<!DOCTYPE s [<!ENTITY a "b">]><script><p t="X">&a;</p></script>')
    with pytest.raises(InputError):
        read_script(path)


def test_both_forms_of_a_script_say_the_same(tmp_path: Path) -> None:
    xml, plain = tmp_path / "a.script", tmp_path / "b.script"
    xml.write_text(
        '<script><p t="R">1.2</p><e en="T" t="00100010" n="PatientName">@empty()</e>'
        '<e en="F" t="00100030" n="x">@keep()</e><k en="T" t="0018"/><r en="T" t="curves"/></script>'
    )
    plain.write_text(
        "param.R=1.2\nset.[0010,0010]PatientName=@empty()\n#set.[0010,0030]x=@keep()\nkeep.group0018=\nremove.curves=\n"
    )
    one, other = read_script(xml), read_script(plain)
    assert {step: found.text for step, found in one.lines.items()} == {s: f.text for s, f in other.lines.items()}
    assert (one.parameters, one.keep_groups, one.remove) == (other.parameters, other.keep_groups, other.remove)


def test_uids_below_another_root_than_the_parameter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another root"):
        book(tmp_path, line("00080014", "@hashuid(@UIDROOT,this)"), uid_root="1.2.826")
    made = book(tmp_path, line("00080014", "@hashuid(@UIDROOT,this)"), uid_root="1.2.3")
    assert made.rule(CT, (), 0x00080014, "UI", "").action == "U"


def test_the_options_are_those_a_script_declares_and_what_is_always_done(tmp_path: Path) -> None:
    assert book(tmp_path, line("00120064", "113100/113105/113101/99999")).options == ("113100", "113105", "113107")
    assert book(tmp_path, line("00120063", "x")).options == ("113100", "113107")


def test_the_digest_follows_the_script_and_the_files_beside_it(tmp_path: Path) -> None:
    lines = line("00081030", "@lookup(this,id)")
    first = book(tmp_path, lines, LookupTable_properties="id/A=1")
    assert first.fingerprint() == book(tmp_path, lines, LookupTable_properties="id/A=1").fingerprint()
    assert first.fingerprint() != book(tmp_path, lines, LookupTable_properties="id/A=2").fingerprint()
    assert first.fingerprint() != book(tmp_path, line("00081030", "@keep()")).fingerprint()


def test_properties_are_read_with_their_escapes_and_continuations() -> None:
    text = "# no\nid/A\\ B\\:C = one\\\n   two\n! no\nid/\\u0041=@id/A B:C\n\n"
    assert list(properties(text)) == [(2, "id/A B:C", "onetwo"), (5, "id/A", "@id/A B:C")]


def test_a_lookup_follows_references_and_csv_works(tmp_path: Path) -> None:
    path = tmp_path / "LookupTable.csv"
    path.write_text("id/A,@id/B\nid/B, 7 \nid/C,@id/C\n")
    table = read_lookup(path)
    assert look_up(table, "id", "A") == "7"
    assert look_up(table, "id", "C") is None  # a circle
    assert look_up(table, "id", "Z") is None


def test_the_filter_of_the_official_package_lets_five_kinds_pass() -> None:
    official = " + ".join(
        f'SOPClassUID.equals("1.2.840.10008.5.1.4.1.1.{end}")' for end in ("2", "4", "1", "1.1", "1.2")
    )
    passes = parse_filter(f"// CT, MR, CR, DX, MG\n{official}")
    assert passes(Header(t00080016=CT))
    assert not passes(Header(t00080016="1.2.840.10008.5.1.4.1.1.6.1"))


def test_regions_of_the_first_fitting_signature_cover_one_line_more_as_in_ctp() -> None:
    signatures = parse_regions(
        'Ultrasound { Modality.equals("US") * Rows.equals("768") } (0,0,1024,75) (-10,-10,5,5) { true. } (0,0,1,1)'
    )
    assert boxes(signatures, Header(t00080060="US", t00280010="768"), 1024, 768) == [
        (0, 0, 1024, 76),
        (1014, 758, 1020, 764),
    ]
    assert boxes(signatures, Header(t00080060="CT"), 4, 4) == [(0, 0, 2, 2)]
    assert boxes(signatures[:1], Header(t00080060="CT"), 4, 4) is None


def test_a_plan_written_as_a_script_is_read_back_with_the_same_actions(tmp_path: Path) -> None:
    rows = [
        ("(0010,0010)", "", "PN", "Z", ""),
        ("(0010,0020)", "", "LO", "lookup", ""),
        ("(0008,0020)", "", "DA", "shift", ""),
        ("(0008,0018)", "", "UI", "U", ""),
        ("(0008,0070)", "", "LO", "K", ""),
        ("(0008,1030)", "", "LO", "C", ""),
        ("(0040,0275)", "", "SQ", "S", ""),
        ("(0010,1010)", "", "AS", "age", ""),
        ("(0019,xx0C)", "ACME <1>", "DS", "K", ""),
        ("(0019,xx0C)", "SIEMENS MR HEADER", "IS", "K", ""),
        ("(0008,1010)", "", "SH", "D", "STATION"),
        ("(0008,1048)", "", "PN", "D", r"not @ home\of"),
    ]
    plan = pd.DataFrame(rows, columns=["tag", "private_creator", "vr", "action", "replacement"]).assign(keyword="x")
    (tmp_path / "DicomAnonymizer.script").write_text(script_of(plan))
    persons = tables.frame(tables.PERSON_MAP, [{"PatientID": "P 1:", "person_id": 7, "Days_Shifted": -3}])
    images = tables.frame(tables.IMAGE_MAP, [{"PatientID": "P 1:", "AccessionNumber": "A=1", "image_occurence_id": 70}])
    (tmp_path / "LookupTable.properties").write_text(lookup_of(persons, images))
    made = read_script_rules(tmp_path / "DicomAnonymizer.script", Chorus(), "")
    header = Header(t00100020="P 1:", t00080050="A=1", t00080020="20200104", t00101010="095Y")
    assert made.run(0x00100020, "", header, True) == "7"
    assert made.run(0x00080020, "", header, True) == "20200101"
    ages = {"095Y": "090Y", "95Y": "090Y", "120Y": "090Y", "089Y": "@keep()", "5Y": "@keep()", "18M": "@keep()"}
    ages |= {"95": "@empty()", "095 Y": "@empty()", "about 95": "@empty()"}
    assert {age: made.run(0x00101010, "", Header(t00101010=age), True) for age in ages} == ages
    assert made.run(0x00081048, "", header, True) == r"not @ home\of"
    assert made.run(0x00081010, "", header, True) == "STATION"
    actions = {row[0]: made.rule(CT, (), int(row[0][1:5] + row[0][6:10], 16), row[2], "").action for row in rows[:8]}
    assert actions["(0008,1030)"] == "X"  # CTP cannot clean
    assert actions["(0040,0275)"] == "S"
    assert actions["(0008,0070)"] == "K"
    assert made.rule(CT, (), 0x0019100C, "IS", "SIEMENS MR HEADER").action == "K"
    assert made.rule(CT, (), 0x0019100C, "DS", "ACME <1>").source.endswith(", kept_private")
    assert made.rule(CT, (), 0x00189999, "LO", "").action == "X"


@pytest.mark.parametrize(
    "script",
    [
        '@contents(this,"[","")',
        '@contents(this,"(a)","$2")',
        '@contents(this,"\\\\p{Alpha}","")',
        '@if(this,matches,"("){@keep()}{@remove()}',
        "@if(this,matches,@BROKEN){@keep()}{@remove()}",
        '@lookup(PatientID,ptid,ignore,"[")',
    ],
)
def test_an_expression_that_cannot_be_read_is_told_before_any_file_is_touched(tmp_path: Path, script: str) -> None:
    broken = '<p t="BROKEN">(</p>'
    assert "site.script line 4 (00081030): " in faults(tmp_path, f"{broken}\n{line('00081030', script)}")
    with pytest.raises(functions.ScriptFault):
        parse_filter('Modality.matches("[")')


def test_letters_and_digits_of_an_expression_are_those_of_java() -> None:
    assert not parse_filter('PatientID.matches("\\w+")')(Header(t00100020="Müller"))
    assert not parse_filter('PatientID.matches("\\d+")')(Header(t00100020="١٢٣"))


@pytest.mark.parametrize(
    ("replacement", "made"), [("<$1>", "a<b>c"), (r"\\$1", "a$1c"), (r"\\\\", "a\\c"), ("$0$0", "abbc"), ("", "ac")]
)
def test_what_takes_the_place_of_what_was_found_is_read_as_java_reads_it(
    tmp_path: Path, replacement: str, made: str
) -> None:
    rules = book(tmp_path, line("00081030", f'@contents(this,"(b)","{replacement}")'.replace("<", "&lt;")))
    assert rules.run(0x00081030, "", Header(t00081030="abc"), True) == made


def test_files_of_a_script_may_be_latin_1_as_java_writes_properties(tmp_path: Path) -> None:
    table = tmp_path / "LookupTable.properties"
    table.write_text("ptid/Müller = Zoë\n", "utf-16")
    assert read_lookup(table) == {"ptid/Müller": "Zoë"}
    table.write_bytes("ptid/Müller = Zoë\n".encode("latin-1"))
    (tmp_path / "DicomFilter.script").write_bytes('PatientID.equals("Müller")'.encode("latin-1"))
    rules = book(tmp_path, line("00081030", "@lookup(PatientID,ptid)"))
    of_mueller = Header(t00100020="Müller", t00081030="")
    assert rules.run(0x00081030, "", of_mueller, True) == "Zoë"
    assert rules.filter is not None and rules.filter(of_mueller)
