"""Explore headers (notebook 01): what is in the source, what is wrong with it, what belongs to the encounters."""

from chorus_nb.explore.catalog import scan
from chorus_nb.explore.linkage import absent, link, procedures_without_images
from chorus_nb.explore.profile import profile
from chorus_nb.explore.quality import assess
from chorus_nb.explore.selection import ask_source as ask
