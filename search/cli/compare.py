"""``senet-search compare``: draws the fronts of several runs on one picture."""

from pathlib import Path

import click

from search.cli.options import JSON, RUNS, print_answer


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN ...")
@click.option(
    "--to",
    "target",
    default=Path("compare.png"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="File of the picture.",
)
@RUNS
@JSON
def compare(names: tuple[str, ...], target: Path, runs: Path, as_json: bool) -> None:
    """Compare the fronts of two or more runs: one picture, one table."""
    from search.report.compare import compare_runs

    print_answer("compare", None, compare_runs(names, runs, target), as_json=as_json)
