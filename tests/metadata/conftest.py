"""The workspace of the registry's tests: what 05 makes of it are registry and metadata."""

from tests.registry.conftest import small  # noqa: F401  (a fixture)
