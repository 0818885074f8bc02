"""Objects that are not images a site would release: a structured report, an encapsulated PDF, secondary captures."""

from __future__ import annotations
