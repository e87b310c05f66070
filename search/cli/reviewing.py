"""Commands about a run that is there: how far it is, what it found, the network to take home, its health."""

from pathlib import Path

import click

from search.cli.options import JSON, RUNS, percent, print_json


@click.command()
@click.argument("run", required=False)
@RUNS
@JSON
def status(run: str | None, runs: Path, as_json: bool) -> None:
    """How far a run is (from any terminal); all runs without RUN."""
    from search.report import status as states
    from search.state import run_folder as folder

    found = [states.read(name, runs) for name in ([run] if run else folder.names(runs))]
    if as_json:
        print_json("status", run, {"runs": [state.to_dict() for state in found]})
    else:
        click.echo("\n".join(line for state in found for line in state.lines()) or f"no runs in {runs}")


@click.command()
@click.argument("run")
@RUNS
@JSON
def report(run: str, runs: Path, as_json: bool) -> None:
    """Print the result of a run and write its report, table and picture anew."""
    from search.report import refresh as reports
    from search.report.terminal import show

    front, folder = reports.write(run, runs)
    if as_json:
        click.echo(front.to_json())
    else:
        show(front, folder=folder)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN ...")
@click.option(
    "--to",
    "target",
    default=Path("compare.png"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="The picture.",
)
@RUNS
@JSON
def compare(names: tuple[str, ...], target: Path, runs: Path, as_json: bool) -> None:
    """Lay the fronts of several searches on one picture."""
    from search.report import compare as comparisons

    found = comparisons.compare(names, runs, target)
    if as_json:
        print_json("compare", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@click.command()
@click.argument("run")
@click.option(
    "--pick",
    default="best",
    show_default=True,
    metavar="aN|best|knee|cheapest-proven|accurate",
    help="Which architecture to take: an id, or a rule.",
)
@click.option("--max-params", type=percent, metavar="PERCENT", help="For a rule: largest overhead over plain, e.g. 1%.")
@click.option("--max-macs", type=percent, metavar="PERCENT", help="The same of multiply-adds.")
@click.option(
    "--max-latency",
    type=percent,
    metavar="PERCENT",
    help="The same of time, where latency was an objective of the search.",
)
@click.option(
    "--to", "target", default=None, type=click.Path(path_type=Path), help="Folder to write. [default: RUN/export/ID]"
)
@click.option("--onnx/--no-onnx", default=None, help="Write model.onnx too. [default: if the onnx extra is installed]")
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@click.option("--register", metavar="NAME", help="Make it a version of this model in MLflow's registry.")
@click.option("--alias", default="champion", show_default=True, help="What then points at that version.")
@RUNS
@JSON
def export(
    run: str,
    pick: str,
    max_params: float | None,
    max_macs: float | None,
    max_latency: float | None,
    target: Path | None,
    onnx: bool | None,
    force: bool,
    register: str | None,
    alias: str,
    runs: Path,
    as_json: bool,
) -> None:
    """Take a network home: weights, plain PyTorch code, a torch.export program, ONNX, a model card; all checked
    against the trained network."""
    from search import export as take_home

    given = {"params_overhead": max_params, "macs_overhead": max_macs, "latency_overhead": max_latency}
    limits = {column: limit for column, limit in given.items() if limit is not None}
    taken = take_home.export(
        run, pick=pick, limits=limits, to=target, onnx=onnx, force=force, runs=runs, register=register, alias=alias
    )
    if as_json:
        print_json("export", run, taken.to_dict())
    else:
        click.echo("\n".join(taken.lines()))


@click.command()
@click.argument("run")
@RUNS
@click.option(
    "--port",
    default=5000,
    show_default=True,
    type=click.IntRange(1, 65_436),
    help="Port on this machine; the next free one if it is taken.",
)
def ui(run: str, runs: Path, port: int) -> None:
    """Open the MLflow UI on the runs of RUN: on this machine only, until Ctrl-C."""
    from search.track import ui as review

    review.serve(run, runs, port, click.echo)


@click.command()
@click.argument("run")
@RUNS
@JSON
def sync(run: str, runs: Path, as_json: bool) -> None:
    """Rebuild MLflow's runs of a search from its ledger: what is there and right stays."""
    from search.track import sync as projections

    sent = projections.sync(run, runs)
    if as_json:
        print_json("sync", run, sent.to_dict())
    else:
        click.echo("\n".join(sent.lines(runs)))


@click.command()
@click.argument("run")
@RUNS
@JSON
def doctor(run: str, runs: Path, as_json: bool) -> None:
    """Check what must hold in the folder of a run, and say what is wrong and what to do. Changes nothing."""
    from search.doctor import diagnosis as doctors

    found = doctors.diagnose(run, runs)
    if as_json:
        print_json("doctor", run, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))
    found.check()
