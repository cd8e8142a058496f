"""`workerhub schema`: the JSON Schema of a configuration file, for editors."""

from __future__ import annotations

import click

from workerhub.cli.output import print_json
from workerhub.config.schema import file_schema
from workerhub.worker import available


@click.command()
def schema() -> int:
    """Print the JSON Schema of a configuration file.

    The options of all installed worker classes are in it. Editors with a TOML plug-in complete and check with it:

    \b
      workerhub schema > workerhub.schema.json
      #:schema ./workerhub.schema.json        (the first line of server.toml)
    """  # noqa: D301  # \b is click's mark for lines to keep
    print_json(file_schema({listing.name: listing.cls.Options for listing in available() if listing.cls is not None}))
    return 0
