"""``parameters/site_template.yaml`` and its JSON schema for editors, generated from the model's own descriptions."""

from __future__ import annotations

import json
import textwrap

from chorus_nb.parameters import Parameters

SCHEMA_FILE = "schema.json"  # beside the template: chorus-nb parameters --schema
TEMPLATE_HEAD = f"""\
# yaml-language-server: $schema={SCHEMA_FILE}
# The parameters of a run, all of them, with their defaults: copy this file, change what differs at your site.
# Where something better than the default is recommended (deface), that stands here.
# site, source, omop, lookup and workspace have none; most sites set only these. Made by: chorus-nb parameters
#
# Run:  chorus-nb run my_site.yaml
# Text stays in quotes, so that YAML leaves codes and numbers alone; a Windows path is written "C:/data" or 'C:\\data'.
# Relative paths start at the checkout, or else at the folder where the command is given.
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


def parameter_schema() -> str:
    """The model as JSON schema: an editor completes names, shows what they mean and marks what is misspelt."""
    schema = Parameters.model_json_schema()
    schema |= {"title": "Parameters of the CHoRUS imaging workbench", "description": "The parameters of a run."}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
