"""``senet-search bench``: compares samplers over a table of results."""

import click

from search.cli.options import JSON, print_answer


@click.command(short_help="Search TABLE many times and score each result.")
@click.argument("table")
@click.option(
    "--sampler",
    "samplers",
    default="auto,tpe,random",
    show_default=True,
    help="Samplers to compare, separated by commas; NAME+curve has a model that takes loss curves, NAME+curve+short "
    "may also pause trainings, and NAME+shared takes the figures of placements in a shared network.",
)
@click.option("--trainings", default="32,64", show_default=True, help="Budgets in trainings, separated by commas.")
@click.option(
    "--searches",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Searches for each sampler and budget.",
)
@click.option(
    "--first", default=0, show_default=True, type=click.IntRange(0), help="Number of the first synthetic problem."
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes to use.")
@JSON
def bench(table: str, samplers: str, trainings: str, searches: int, first: int, jobs: int, as_json: bool) -> None:
    """Search many times over TABLE and score each result against the truth.

    TABLE is a file of results, or a synthetic problem such as synthetic:113:0.6, or with loss curves
    synthetic:113:0.4::strong.
    """
    from search.bench import runner

    found = runner.bench(table, _names(samplers), _budgets(trainings), searches, jobs, first)
    print_answer("bench", None, found, as_json=as_json)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        message = f"`{text}` is not a list of names; write for example auto,tpe"
        raise click.BadParameter(message, param_hint="--sampler")
    return names


def _budgets(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        message = f"`{text}` is not a list of whole numbers; write for example 32,64"
        raise click.BadParameter(message, param_hint="--trainings") from None
