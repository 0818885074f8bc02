"""Map tags: what happens to every element of every file, and who each patient is in OMOP (notebook 02)."""

from chorus_nb.mapping.building import build_lookups
from chorus_nb.mapping.coverage import check_lookups, count_causes, coverage
from chorus_nb.mapping.lookups import Lookups, read_lookups
from chorus_nb.mapping.overrides import decide
from chorus_nb.mapping.plan import make_plan
from chorus_nb.mapping.policy import Policy, load_policy
from chorus_nb.mapping.rules import ACTIONS, Rule
from chorus_nb.mapping.text_words import decide_words, text_words
