"""Before a folder exists: which studies are wanted, what the archive has of them, what came, and what became of it."""

from chorus_nb.acquire.account import account, by_cell, close_account, matrix
from chorus_nb.acquire.gaps import CELLS
from chorus_nb.acquire.pulling import ask_archives, by_archive, by_state, pull
from chorus_nb.acquire.wanted import by_request, expect_studies
