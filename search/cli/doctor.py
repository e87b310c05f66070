"""``senet-search doctor``: checks the folder of a run."""

from pathlib import Path

import click

from search.cli.options import JSON, RUNS, print_answer


@click.command(short_help="Check the folder of RUN, and say how to mend it.")
@click.argument("run")
@RUNS
@JSON
def doctor(run: str, runs: Path, as_json: bool) -> None:
    """Check the folder of RUN, and say what is wrong and how to mend it. Changes nothing."""
    from search.doctor import diagnosis

    found = diagnosis.diagnose(run, runs)
    print_answer("doctor", run, found, as_json=as_json)
    found.check()
