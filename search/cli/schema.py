"""``senet-search schema``: every setting of a config."""

import json

import click


@click.command()
@click.option("--markdown", is_flag=True, help="Print a reference for people instead: settings, defaults, limits.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of a config, which editors read."""
    from search import config

    text = config.reference() if markdown else json.dumps(config.schema(), indent=1)
    click.echo(text)
