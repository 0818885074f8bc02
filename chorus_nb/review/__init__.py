"""The panels in which a person looks and decides; each decision is a line in ``decisions/``, read by headless runs."""

from chorus_nb.review.face_reviewer import FaceReviewer
from chorus_nb.review.header_explorer import HeaderExplorer
from chorus_nb.review.image_reviewer import ImageReviewer
from chorus_nb.review.known_words_editor import KnownWordsEditor
from chorus_nb.review.quarantine_browser import QuarantineBrowser
from chorus_nb.review.tag_plan_editor import TagPlanEditor
