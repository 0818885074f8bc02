"""Names in a text that are words too: told by what stands beside them, a title, a role, a label or an unknown word."""

from __future__ import annotations

import re

from chorus_nb import standards
from chorus_nb.deid.text_cues import TYING, WITHIN_NAMES, Cue, Words, body_words, words_of_texts
from chorus_nb.identity.words import also_names, given_names, impersonal_words, known_words, words_of_people

MOST_WORDS = 4  # of a name after a title
NEXT = re.compile(r"(?![)\]])[\W_]{1,4}\Z")  # between a title and a name, whatever sign
_SAYS_SO = re.compile(r"[:.=#]")  # signs after which a name follows
_CALLED = re.compile(r"[:=#|>*~^\[{(\"“–—\\]")  # and those that no word for a person has after it in a phrase
_PAIRED = frozenset(("hand", "foot", "arm", "leg", "hip", "eye", "ear", "knee"))  # RT is their side
_BEHIND = re.compile(r"[\W_]{1,6}\Z")  # between a name and a degree or role
_AHEAD = re.compile(r"[\s,.;:'’_)\]-]{1,3}\Z")  # between the name of a hospital and the word for it
_BY = ("by", "von", "par", "por", "with", "to", "dr")  # whatever follows these is somebody: Reviewed by FOOT
_CALLED_SO = ("surname", "name", "apellido", "apellidos", "vorname", "nachname", "prenom", "sobrenome")
_GENERATIONS = frozenset(("II", "III", "Jr", "JR", "Sr", "SR"))
_NAMED_ON = re.compile(r"(?:[.,;:)\]]{0,2} |/)\Z")  # between a family name and what follows it
_BLANKS = (" ", "'", "’", "-")  # between a particle and what it belongs to


class People(Words):
    """The names among the tokens of one text."""

    def find(self) -> set[int]:
        """Numbers of more tokens that go."""
        before = set(self.gone)
        cues = self.cues()
        for cue in cues:
            if cue.kind in ("title", "person", "role", "label", "newborn", "shy"):
                taken = self._after(cue)
                behind = not taken and self._is_said_behind(cue)
                if behind or (cue.kind == "person" and (not taken or self._is_named_before(cue))):
                    self._ahead(cue)
            elif cue.kind in ("suffix", "degree", "organisation"):
                self._ahead(cue)
            elif cue.kind == "organisation of":
                self._of(cue)
        self._full_names()
        self._surnames()
        for at in sorted(self.gone):
            self._beside(at)
        for cue in cues:
            if self._goes_with_the_name(cue):
                self.gone |= set(range(cue.first, cue.last + 1))
        return self.gone - before

    def _is_named_before(self, cue: Cue) -> bool:
        """Whether a name stands before a role, whatever follows it: ``Hill - MTRA, lung``, ``Bone E. MTRA_AX``."""
        at = cue.first - 1
        while at > 0 and self.is_initial(at):
            at -= 1
        if at < 0 or not self.is_name(at, "any"):
            return False
        word = self.every[at]
        if word.word in body_words() and at not in self.gone:
            told = at < cue.first - 1 or at - 1 in self.gone or self.between(at, at + 1) != " "
            named = at > 0 and (at - 1 in self.gone or self.is_first_name(at - 1))
            return named or (told and (word.text.istitle() or at < cue.first - 1))
        return self.is_name(at, "common")

    def _goes_with_the_name(self, cue: Cue) -> bool:
        """Whether a title, role or degree says nothing more, as whom it tells of is gone."""
        title = self.every[cue.first]
        modality = title.text in standards.modality_words() and self.text[title.end : title.end + 1] != "."
        after = cue.last + 1 in self.gone and NEXT.match(self.between(cue.last, cue.last + 1))
        before = cue.first - 1 in self.gone and _BEHIND.match(self.between(cue.first - 1, cue.first))
        told = cue.kind in ("title", "person") or (cue.kind == "role" and cue.last > cue.first)
        return not modality and bool((told and after) or (cue.kind in ("degree", "person") and before))

    def _after(self, cue: Cue) -> bool:
        """The name that follows a title, role or label; whether there is one."""
        at = cue.last + 1
        if at >= len(self.every) or not NEXT.match(self.between(cue.last, at)):
            return False
        sign = self.between(cue.last, at).strip()
        modality = cue.kind == "title" and self.every[cue.last].text in standards.modality_words()
        if modality and sign.strip(".:,") and sign[0] not in ".:,":
            return False  # MR_FE_TSE
        called = cue.kind != "label" or self.every[at].text.istitle() or _CALLED.match(sign)
        if not called or (cue.kind == "shy" and not self._is_shy(cue, at, sign)):
            return False  # PAT POST
        taken = self._name_from(cue, at, sign)
        self.gone |= set(taken)
        self._initials(at)
        return bool(taken)

    def _name_from(self, cue: Cue, at: int, sign: str) -> list[int]:
        """The tokens from ``at`` on that are the name of somebody with a title, role or label."""
        only = self._is_nobody_else(cue, at, sign)
        told = bool(sign) if cue.kind == "title" else only
        how = "any" if told or (cue.kind == "role" and _SAYS_SO.match(sign)) else "common"
        taken: list[int] = []
        begun = False
        while at < len(self.every) and len(taken) < MOST_WORDS:
            clinical = self.every[at].word in body_words()
            family = self._is_family(cue, only, taken, at) if clinical and begun else only
            code = self.every[at].word in known_words("abbreviations") and cue.kind == "person"
            how = "common" if begun or code else how
            written = self.every[at].text
            small = at not in self.gone and written.islower() and not self.every[cue.last].text.islower()
            small |= clinical and written.isupper() and also_names().get(self.every[at].word) == "rare"
            small &= cue.kind == "person" and not sign.strip("_") and not begun  # Technologist du sein, MTRA_LUNG
            small &= self.every[cue.last].word not in (*_BY, *_CALLED_SO)
            small &= not (at == cue.last + 1 and "\t" in self.between(cue.last, at))
            small |= at not in self.gone and self._runs_into(at)  # Radiologist InPhase
            if self.is_name(at, "any" if clinical else how) and (family or not clinical) and not small:
                taken.append(at)
                begun = True
            elif self.is_initial(at) or (self.is_particle(at) and at + 1 < len(self.every)):
                taken.append(at)
            else:
                break
            at += 1
            if at < len(self.every) and not self.goes_on(at - 1, at):
                break
        while len(taken) > begun and self.is_particle(taken[-1]):  # Radiographer Le
            taken.pop()
        dotted = sum(self.text[self.every[each].end : self.every[each].end + 1] == "." for each in taken)
        return taken if begun or len(taken) == dotted > 1 else []  # tech D.L.

    def _runs_into(self, at: int) -> bool:
        """Whether a word that is no particle runs into the next: ``InPhase``, not ``McAllister``."""
        if at + 1 == len(self.every) or self.every[at + 1].start > self.every[at].end:
            return False
        return not self.every[at + 1].is_number and not self.is_particle(at)

    def _is_family(self, cue: Cue, only: bool, taken: list[int], at: int) -> bool:
        """Whether a word, though of anatomy, is written like the first name before it: ``Edith Head``, not
        ``Ayşe HEAD``."""
        if re.fullmatch(r"\s?[&+/]\s?", self.between(taken[-1], at)):
            return cue.kind == "person"  # Read by Foot/Hand
        first, family = self.every[taken[-1]], self.every[at]
        alike = (first.text.istitle() and family.text.istitle()) or (
            only and first.text.isupper() and family.text.isupper()
        )
        apart = self.is_alone(at) or self.text[family.end :][:2] == "  "
        tied = cue.kind == "person" or self.between(taken[-1], at) in ("_", "^") or apart
        known = first.word in given_names() or (taken[-1] in self.gone and tied)
        return len(taken) == 1 and alike and known

    def _initials(self, at: int) -> None:
        """Two or three capitals each, of which one is no known word: ``tech VK/BN``."""
        every: list[int] = []
        while at < len(self.every) and len(self.every[at].text) in (2, 3) and self.every[at].text.isupper():
            every.append(at)
            at += 1
            if at < len(self.every) and self.between(at - 1, at).strip(" ") not in ("/", "&", "+"):
                break
        if not self.gone.isdisjoint(every):
            self.gone |= set(every)

    def _full_names(self) -> None:
        """A first name and a family name beside each other, or an initial and a family name, where both are words."""
        for one in range(len(self.every) - 1):
            other = one + 1
            if {one, other} & self.gone or not self._are_written_alike(one, other):
                continue
            between = self.between(one, other)
            if any(self._is_full_name(first, family, between) for first, family in ((one, other), (other, one))):
                self.gone |= {one, other}

    def _are_written_alike(self, one: int, other: int) -> bool:
        left, right = self.every[one].text, self.every[other].text
        return left.islower() == right.islower() and not (left + right).isdigit()

    def _is_full_name(self, first: int, family: int, between: str) -> bool:
        token, name = self.every[first], self.every[family]
        if name.is_number or name.word in body_words() or also_names().get(name.word) != "common":
            return False
        if token.word in given_names():
            return bool(WITHIN_NAMES.match(between) or between == "_")
        dot = self.text[token.end : token.end + 1] == "."
        told = between == "^" or (dot and re.match(r"[.,;:)\]]{0,2} ?\Z", between))  # BROWN^J
        return self.is_initial(first) and bool(told)

    def _surnames(self) -> None:
        """A word that is most often a name, beside a weak sign of one: ``J Black T2``, ``Long III``, ``@Long``."""
        for at, token in enumerate(self.every):
            if token.word in known_words("surnames") and at not in self.gone:
                if token.text.islower():
                    beside = self._dotted_initial(at)
                else:
                    beside = self._initial_before(at) | self._initial_behind(at)
                    sign = self.text[: token.start][-1:]
                    what = at > 0 and self.every[at - 1].word == "for" and token.word != "stone"  # CT for stone
                    if token.text.istitle() and (sign in ("@", "#") or (what and self.is_alone(at))):
                        self.gone.add(at)
                if beside:
                    self.gone |= {at, *beside}

    def _initial_before(self, at: int) -> set[int]:
        """``J Black``; not the C of ``+C``, a side, or ``T long axis``."""
        one, alone = at - 1, self.is_alone(at)
        if one < 0 or not self._is_lone_initial(one) or self.between(one, at) != " ":
            return set()
        sign = self.text[: self.every[one].start][-1:]
        apart = not sign.isalnum() and sign not in ("+", "-", "/")
        told = alone or (self.every[at].text.istitle() and self.every[at].word not in impersonal_words())
        return {one} if apart and told else set()

    def _initial_behind(self, at: int) -> set[int]:
        """``Brown/J``, ``Long III``."""
        other = at + 1
        if other == len(self.every) or not _NAMED_ON.match(self.between(at, other)):
            return set()
        generation = self.every[at].text.istitle() and self.every[other].text in _GENERATIONS
        return {other} if generation or (self._is_lone_initial(other) and self.is_alone(other)) else set()

    def _dotted_initial(self, at: int) -> set[int]:
        """``t. long rn``: in small letters only before a word for a person."""
        one, other = at - 1, at + 1
        if one < 0 or other == len(self.every) or len(self.every[one].word) > 1:
            return set()
        told = self.between(one, at) == ". " and self.every[other].word in words_of_people()
        return {one} if told else set()

    def _is_lone_initial(self, at: int) -> bool:
        return self.is_initial(at) and self.every[at].text not in ("L", "R")

    def _is_nobody_else(self, cue: Cue, at: int, sign: str) -> bool:
        """Whether only a person can follow, also one called by a word of anatomy: ``Radiographer Bone``, ``Read by
        Foot``, ``Prof Small``; not ``Dr Head``, a modality, nor ``Tech: Hand compression``, how it was done."""
        if cue.kind in ("person", "shy") or self._is_before_a_first_name(at):
            return True
        if cue.kind == "title":
            if sign.startswith((":", ".")):
                return not self._is_modality(cue)
            return not self.is_of_modality(cue.last) or self._is_late(cue)
        while self.is_initial(at) and at + 1 < len(self.every):
            at += 1
        called = _CALLED.match(sign) or (cue.kind == "role" and sign)
        written = self.every[at].text.istitle() or (sign[:1] in (":", "=") and self.every[at].text.isupper())
        return cue.kind in ("role", "label") and bool(called) and written and self.is_alone(at)

    def _is_before_a_first_name(self, at: int) -> bool:
        """Whether a word stands before one that is a name, or beside an initial: ``Pt: Bone, Ellery``, ``Pt E. Bone``;
        not ``L. Hand``, which is a side."""
        if at + 1 >= len(self.every) or not WITHIN_NAMES.match(self.between(at, at + 1)):
            return False
        one, other = self.every[at], self.every[at + 1]
        if self.is_initial(at) or self.is_initial(at + 1):
            letter, name = (one, other) if self.is_initial(at) else (other, one)
            dotted = "." in self.text[letter.end : letter.end + 1] or "," in self.between(at, at + 1)
            return letter.text not in ("L", "R") and dotted and not name.text.islower()
        return one.text.istitle() and other.text.istitle() and (at + 1 in self.gone or other.word in given_names())

    def _is_late(self, cue: Cue) -> bool:
        """Whether a title that may be a modality stands where none does: ``knee, Dr Hand``."""
        title = self.every[cue.first]
        return cue.first > 0 and title.text.istitle() and not self.is_of_modality(cue.first - 1)

    def _is_shy(self, cue: Cue, at: int, sign: str) -> bool:
        """Whether a word that rarely stands before a name does so: ``by Bone``, ``RT: Brown``; not ``by Hand``,
        ``followed by Contrast`` and ``RT Hand``."""
        token = self.every[at]
        done = cue.first > 0 and self.every[cue.first - 1].word.endswith("ed")
        side = self.every[cue.first].word == "rt"
        called = _CALLED.match(sign) is not None
        written = token.text.istitle() or (called and token.text.isupper())
        if token.word in _PAIRED or not written or (side and not called) or done:
            return False
        named = token.word in given_names() or self.is_name(at, "any") or self.is_initial(at)
        return named and (self.is_alone(at) or at in self.gone or self.is_initial(at))

    def _is_modality(self, cue: Cue) -> bool:
        """Whether a title is rather the code of a modality: ``DR.KNEE``."""
        text, tied = self.every[cue.first].text, self.text[self.every[cue.last].end :][1:2]
        return text in standards.modality_words() and tied.isalnum()

    def _ahead(self, cue: Cue) -> None:
        """The name before a degree such as MD or a role, or before the word for a hospital."""
        at = cue.first - 1
        if cue.kind == "organisation":
            apart, how = _AHEAD, "title"
        else:
            apart, how = _BEHIND, "capital"
        taken: list[int] = []
        while at >= 0 and len(taken) < MOST_WORDS and apart.match(self.between(at, at + 1)):
            told = self.every[at].word in words_of_texts() or self.every[at].text in standards.modality_words()
            if told and cue.kind != "organisation":
                told = not self._is_ahead(cue, at, taken)
            named = self.is_name(at, how) and not told
            initial = self.is_initial(at) and cue.kind != "organisation"  # Long, T. MD
            if not named and not initial and not (taken and (self.is_initial(at) or self.is_particle(at))):
                break
            taken.append(at)
            at -= 1
            if cue.kind != "organisation" and not (at >= 0 and self.goes_on(at, at + 1)):
                break
        if any(len(self.every[each].word) > 1 for each in taken):
            self.gone |= set(taken)

    def _is_said_behind(self, cue: Cue) -> bool:
        """Whether a title, role or label tells of the word before it: ``Long, tech``, ``Hill (ref)``, ``Hill Mrs``."""
        at = cue.first - 1
        if at < 0 or self.every[cue.first].text in standards.modality_words() or not self.is_alone(cue.last):
            return False
        sign, written = self.between(at, cue.first).strip(), self.every[at].text
        told = cue.kind in ("title", "role", "label") and (sign or (written.istitle() and cue.kind != "label"))
        return bool(told) and not written.islower() and self.is_name(at, "common")

    def _is_ahead(self, cue: Cue, at: int, taken: list[int]) -> bool:
        """Whether a word of anatomy or an abbreviation is the name of whom a degree or role behind it tells: ``Hand
        MD``, ``Foot, RN``, ``Bone RT(R)``."""
        token, mark = self.every[at], self.every[cue.first]
        common = also_names().get(token.word) == "common" or token.text.istitle()
        begun = all(
            self.is_initial(each) or self.is_first_name(each) or (common and each in self.gone) for each in taken
        )
        first = at > 0 and self.is_first_name(at - 1)
        beside = taken or first or at - 1 in self.gone or self.between(at, at + 1) != " "
        other = cue.last + 1 in self.gone and not (cue.kind == "person" and beside)  # of whom the role tells
        modality = token.text in standards.modality_words() - {"MA"}  # retired, and a family name
        if modality or other or not begun or token.text.islower():
            return False
        bracketed = self.text[: mark.start][-1:] in ("[", "(")  # Do [RN]
        if cue.kind == "degree" or (cue.kind == "suffix" and bracketed):
            return True
        apart = bool(self.between(cue.first - 1, cue.first).strip())
        named = at - 1 in self.gone and apart  # ALBION SMALL - RN
        written = token.text.istitle() or named or (cue.kind == "person" and bool(beside))
        apart = self.is_alone(cue.last) or (cue.kind == "person" and (apart or first))
        return written and apart and (cue.kind == "person" or mark.text.isupper())

    def _of(self, cue: Cue) -> None:
        """The name behind the word for a hospital and a particle, though it be a known word: ``clinique du Parc``."""
        at = cue.last + 1
        while at < len(self.every) and self.is_particle(at, "place particle") and self.between(at - 1, at) in _BLANKS:
            at += 1
        if cue.last + 1 < at < len(self.every) and self.between(at - 1, at) in _BLANKS:
            token = self.every[at]
            if not token.is_number and len(token.word) > 2 and token.word not in words_of_texts():
                self.gone.add(at)

    def _beside(self, at: int) -> None:
        """A common name beside a word that goes, written alike, goes with it; so does an initial."""
        token = self.every[at]
        if token.is_number:
            return
        for step in (1, -1):
            other = at + step
            while 0 <= other < len(self.every) and other not in self.gone:
                left, right = sorted((other, other - step))
                tied = TYING.fullmatch(self.between(left, right)) and self.is_first_name(at, other)
                labelled = step == 1 and re.fullmatch(r": ?", self.between(left, right))  # chaperone: Hill
                if not (tied or labelled) and not WITHIN_NAMES.match(self.between(left, right)):
                    break
                beside = self.every[other]
                alike = bool(labelled) or beside.text.islower() == token.text.islower()
                common = self.is_name(other, "common") and alike
                initial = self.is_initial(other) and "." in self.text[beside.end : beside.end + 1]
                if (not common or beside.word in body_words()) and not initial:
                    break
                self.gone.add(other)
                other += step
