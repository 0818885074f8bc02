"""``parameters/site_template.yaml``, generated from the model's own descriptions."""

from __future__ import annotations

import json
import textwrap

from chorus_nb.parameters import Parameters

TEMPLATE_HEAD = """\
# The parameters of a run, all of them, with their defaults: copy this file, change what differs at your site.
# Where something better than the default is recommended (deface), that stands here.
# site, source, omop, lookup and workspace have none; most sites set only these. Made by: chorus-nb parameters
#
# Run:  chorus-nb run my_site.yaml
# Text stays in quotes, so that YAML leaves site codes and numbers alone. Relative paths start at the
# checkout, or else at the folder where the command is given.
"""


def site_template() -> str:
    """The text of the template."""
    blocks = [TEMPLATE_HEAD]
    for name, field in Parameters.model_fields.items():
        meaning = textwrap.fill(
            field.description or "", 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
        )
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        # JSON is YAML in flow style, and quotes every text
        blocks.append(f"{meaning}\n{name}: {json.dumps(extra.get('recommended', field.default))}\n")
    return "\n".join(blocks)
