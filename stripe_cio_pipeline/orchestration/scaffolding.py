"""What `dg scaffold defs` writes for a pipeline: a defs.yaml that explains itself, and the models to edit."""

import re
from typing import Any

import dagster as dg
from dagster.components import scaffold_component

from stripe_cio_pipeline.model import copy_models
from stripe_cio_pipeline.orchestration.defs_yaml import GIVEN
from stripe_cio_pipeline.settings import NEEDED, READ_AS, Settings

_TEXT = """\
# A pipeline from Stripe to Customer.io. `dg check yaml` checks this file.
type: {type}

attributes:
  # In front of the names of assets, jobs, schedules and the sensor: {prefix}/stripe/customers, {prefix}_sync.
  prefix: {prefix}

  # In front of the names of environment variables. Set the first three where Dagster runs, or in this project's .env:
{variables}
  environment_prefix: {variable_prefix}

  # Or name variables of your own. Dagster reads them when a step runs.
  # settings:
  #   stripe_api_key: "{{{{ env.ANY_NAME }}}}"
  #   customerio_region: eu

  # What may be sent, how fast, and how people are told apart: the defaults. docs/configuration.md has every key.
  # A file does as well, and then stripe-cio reads it too: `config: stripe_cio.yaml`, without `policy`.
  policy:
    identity:
      strategy: stripe_id      # or email, or metadata with metadata_key
    events:
      forward: [default]       # types and patterns, such as invoice.payment_failed and customer.subscription.*
    stripe:
      leave_out: []            # disputes, credit_notes: then not read, and no asset
    guard:
      first_load: approve      # the first load stops and asks, because it may start campaigns

  # Attributes of people are the columns of models/people.sql, and events are in models/events.sql.
  # Delete a file there to go on with the built-in one, which changes with each release.

  # owners: ["team:growth", "you@example.com"]
  # tags: {{domain: growth}}
  # translation: {{key: "crm/{{{{ props.group }}}}/{{{{ props.name }}}}", group_name: crm}}
  # running: true              # begin with schedules and sensor switched on
"""


class PipelineScaffolder(dg.Scaffolder):
    """Write the defs.yaml of a pipeline, and people.sql and events.sql beside it."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write into the folder of the request, whose name becomes the prefix."""
        if request.append or request.scaffold_format != "yaml":
            scaffold_component(request)
            return
        prefix = re.sub(r"\W", "_", request.target_path.name, flags=re.ASCII)
        prefix = prefix if prefix[0].isalpha() else f"p{prefix}"
        variable_prefix = f"{prefix.upper()}_"
        text = _TEXT.format(
            type=request.type_name,
            prefix=prefix,
            variable_prefix=variable_prefix,
            variables=_variables(variable_prefix),
        )
        (request.target_path / "defs.yaml").write_text(text, encoding="utf-8")
        copy_models(request.target_path / "models")


def _variables(prefix: str) -> str:
    fields = sorted(GIVEN, key=lambda name: READ_AS[name].upper() not in NEEDED)
    names = {name: prefix + READ_AS[name].upper() for name in fields}
    widest = max(map(len, names.values()))
    return "\n".join(f"  #   {names[name]:<{widest}}  {Settings.model_fields[name].description}" for name in fields)
