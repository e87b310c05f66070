"""The commands. Each only reads its arguments and hands on; heavy libraries are imported inside, where they are used."""

import atexit
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from spaces.errors import UserError

RUNS = click.option(
    "--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder of all runs."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a config key, e.g. train.epochs=3."
)
CONFIG = click.argument("config", type=click.Path(path_type=Path))
PLACEMENT = (
    click.option(
        "--placement", default="all", show_default=True, help="none | all | last | stages:1-3 | blocks:1.0,3.2 | a key."
    ),
    click.option("--reduction", default=16, show_default=True, type=click.IntRange(min=1)),
    click.option("--position", default="pre_addition", show_default=True),
    click.option("--squeeze", default="avg", show_default=True),
    click.option("--excitation", default="fc", show_default=True),
    click.option("--gate", default="sigmoid", show_default=True),
    click.option("--min-hidden", default=None, type=click.IntRange(min=1)),
    click.option("--image-size", default=224, show_default=True, type=click.IntRange(min=1)),
    click.option("--channels", default=3, show_default=True, type=click.IntRange(min=1)),
    click.option("--classes", default=1000, show_default=True, type=click.IntRange(min=1)),
)


def main() -> None:
    """Entry point: turns errors that are meant for people into a few lines and an exit status."""
    status = _status()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError, AttributeError):  # nobody reads any more, or _status has put it away
            stream.flush()
    atexit._run_exitfuncs()
    os._exit(status)  # sys.exit would look through all that the libraries left for garbage, which took five seconds


def placed(command: Callable[..., None]) -> Callable[..., None]:
    """The options that fill a backbone with SE and say for which images."""
    for option in reversed(PLACEMENT):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="senet-search")
@click.option("--debug", is_flag=True, help="Show the traceback of every error.")
def cli(debug: bool) -> None:
    """Where in your network should Squeeze-and-Excitation go, and is it worth it?

    \b
    senet-search init --data ./images    write a config.yaml to start from
    senet-search run config.yaml         search: Ray Tune schedules, Optuna proposes, MLflow tracks
    senet-search ui RUN                  review the accuracy-versus-overhead front in the MLflow UI
    senet-search export RUN --to DIR     take the chosen network home

    Exit status: 0 done (also when nothing is proven), 1 a bug, 2 bad config or usage, 3 nothing usable found,
    4 the environment failed, 130/143/129 ended by a signal (type the same command again to go on).
    """


@cli.command()
@click.option("--data", default="digits", show_default=True, help="A folder of images, or the name of a dataset.")
@click.option("--backbone", default=None, help="Network to put SE into (see `senet-search list backbones`).")
@click.argument("config", default="config.yaml", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(data: str, backbone: str | None, config: Path, force: bool) -> None:
    """Write a commented CONFIG (and its schema for editors) to start from."""
    from search.commands import init as first

    schema_file = first.write(data, backbone, config, force=force)
    click.echo(f"Wrote {config} and {schema_file}. Next: senet-search check {config}")


@cli.command()
@CONFIG
@SET
@JSON
def check(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check config, data, network and machine, and estimate the time. Nothing is trained for keeps."""
    from search.commands import check as checks

    experiment = _load(config, overrides)
    found = checks.check(experiment)
    if as_json:
        _print_json("check", experiment.name, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))
        click.echo(f"Nothing was started. Next: senet-search run {config}")


@cli.command()
@CONFIG
@SET
@RUNS
@JSON
@click.option("--new", is_flag=True, help="Start another run beside an existing one: NAME-2.")
@click.option("--trainings", metavar="N|+N", default=None, help="Set the budget, or extend a run by N trainings.")
@click.option("-q", "--quiet", is_flag=True, help="Print the result only.")
def run(config: Path, overrides: tuple[str, ...], runs: Path, as_json: bool, new: bool, trainings: str | None,
        quiet: bool) -> None:  # fmt: skip
    """Search, or go on with a search that was stopped."""
    from search import session
    from search.console import Terminal, show

    experiment = _load(config, overrides)
    front = session.run(experiment, runs=runs, new=new, trainings=trainings, watcher=Terminal(quiet=quiet))
    if as_json:
        click.echo(front.to_json())
    else:
        show(front, folder=(runs / front.run))


@cli.command()
@click.argument("run", required=False)
@RUNS
@JSON
def status(run: str | None, runs: Path, as_json: bool) -> None:
    """How far a run is (from any terminal); all runs without RUN."""
    from search import folder
    from search.commands import status as states

    found = [states.read(name, runs) for name in ([run] if run else folder.names(runs))]
    if as_json:
        _print_json("status", run, {"runs": [state.to_dict() for state in found]})
    else:
        click.echo("\n".join(line for state in found for line in state.lines()) or f"no runs in {runs}")


@cli.command()
@click.argument("run")
@RUNS
@JSON
def report(run: str, runs: Path, as_json: bool) -> None:
    """Print the result of a run and write its report, table and picture anew."""
    from search.commands import report as reports
    from search.console import show

    front, folder = reports.write(run, runs)
    if as_json:
        click.echo(front.to_json())
    else:
        show(front, folder=folder)


@cli.command()
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
    from search.commands import compare as comparisons

    found = comparisons.compare(names, runs, target)
    if as_json:
        _print_json("compare", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@cli.command()
@click.argument("table")
@click.option("--sampler", "samplers", default="tpe,random", show_default=True, help="Samplers to compare, by commas.")
@click.option("--trainings", default="32,64", show_default=True, help="Budgets, by commas.")
@click.option("--searches", default=20, show_default=True, type=click.IntRange(1), help="Searches for each of them.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes side by side.")
@JSON
def bench(table: str, samplers: str, trainings: str, searches: int, jobs: int, as_json: bool) -> None:
    """Search many times over TABLE (a file, or synthetic:113:0.6) and score what is reported against the truth."""
    from search.commands import bench as benchmarks

    try:
        budgets = [int(number) for number in trainings.split(",")]
    except ValueError:
        raise click.BadParameter(f"`{trainings}` is no list of whole numbers", param_hint="--trainings") from None
    found = benchmarks.bench(table, samplers.split(","), budgets, searches, jobs)
    if as_json:
        _print_json("bench", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@cli.command()
@click.argument("run")
@RUNS
@JSON
def doctor(run: str, runs: Path, as_json: bool) -> None:
    """Check what must hold in the folder of a run, and say what is wrong and what to do. Changes nothing."""
    from search.commands import doctor as doctors

    found = doctors.diagnose(run, runs)
    if as_json:
        _print_json("doctor", run, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))
    found.check()


@cli.command()
@click.argument("run")
@RUNS
@JSON
def sync(run: str, runs: Path, as_json: bool) -> None:
    """Rebuild MLflow's runs of a search from its ledger: what is there and right stays."""
    from search.commands import sync as projections

    sent = projections.sync(run, runs)
    if as_json:
        _print_json("sync", run, sent.to_dict())
    else:
        click.echo("\n".join(sent.lines()))


@cli.command()
@click.argument("run")
@RUNS
@click.option("--port", default=5000, show_default=True, help="Port on this machine; the next free one if it is taken.")
def ui(run: str, runs: Path, port: int) -> None:
    """Open the MLflow UI on the runs of RUN: on this machine only, until Ctrl-C."""
    from search.commands import ui as review

    review.serve(run, runs, port)


@cli.command()
@click.argument("run")
@click.option(
    "--pick",
    default="best",
    show_default=True,
    metavar="aN|best|knee|cheapest-proven|accurate",
    help="Which architecture to take: an id, or a rule.",
)
@click.option("--max-params", type=click.FloatRange(0), metavar="PERCENT", help="For a rule: largest overhead.")
@click.option("--max-macs", type=click.FloatRange(0), metavar="PERCENT", help="For a rule: largest overhead.")
@click.option(
    "--to", "target", default=None, type=click.Path(path_type=Path), help="Folder to write. [default: RUN/export/ID]"
)
@click.option("--onnx/--no-onnx", default=None, help="Write model.onnx too. [default: if the onnx extra is installed]")
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@RUNS
@JSON
def export(
    run: str,
    pick: str,
    max_params: float | None,
    max_macs: float | None,
    target: Path | None,
    onnx: bool | None,
    force: bool,
    runs: Path,
    as_json: bool,
) -> None:
    """Take a network home: weights, plain PyTorch code, a torch.export program, ONNX, a model card; all checked
    against the trained network."""
    from search.commands import export as take_home

    given = {"params_overhead": max_params, "macs_overhead": max_macs}
    limits = {column: limit for column, limit in given.items() if limit is not None}
    taken = take_home.export(run, pick=pick, limits=limits, to=target, onnx=onnx, force=force, runs=runs)
    if as_json:
        _print_json("export", run, taken.to_dict())
    else:
        click.echo("\n".join(taken.lines()))


@cli.command()
@click.argument("target", metavar="BACKBONE|NETWORK|ARCHITECTURE")
@placed
@click.option("--latency", is_flag=True, help="Also measure time and memory beside plain, on this machine.")
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
@click.option("--batch", default=1, show_default=True, type=click.IntRange(min=1), help="Images in one pass.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="CPU threads.")
@click.option("--dtype", default="float32", show_default=True, type=click.Choice(["float32", "bfloat16", "float16"]))
@click.option(
    "--runtime", default="eager", show_default=True, type=click.Choice(["eager", "compile", "cudagraph", "onnxruntime"])
)
@click.option(
    "--seconds", default=30.0, show_default=True, type=click.FloatRange(0, 3600, min_open=True),
    help="Longest time for one figure; less where 1 % is reached.",
)  # fmt: skip
@JSON
def profile(target: str, placement: str, image_size: int, channels: int, classes: int, min_hidden: int | None,
            as_json: bool, latency: bool, device: Any, batch: int, threads: int, dtype: Any, runtime: Any,
            seconds: float, **se: Any) -> None:  # fmt: skip
    """What a placement of SE costs over the plain BACKBONE: parameters and MACs; with --latency, time and memory."""
    from search.commands import profile as prices
    from senet_nas.recipe import LatencySpec

    se = {name: str(value) for name, value in se.items()}
    measured = LatencySpec(device, batch, threads, dtype, runtime, seconds) if latency else None
    found = prices.profile(
        target, placement, se, min_hidden, image_size=image_size, channels=channels, classes=classes, latency=measured
    )
    if as_json:
        _print_json("profile", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@cli.command()
@click.argument("target", metavar="ARCHITECTURE|NETWORK|BACKBONE")
@placed
@click.option(
    "--svg", default=None, type=click.Path(dir_okay=False, path_type=Path), help="Also draw it into this file."
)
@JSON
def show(target: str, placement: str, image_size: int, channels: int, classes: int, min_hidden: int | None,
         svg: Path | None, as_json: bool, **se: Any) -> None:  # fmt: skip
    """A network stage by stage: where SE acts, and its price there. ARCHITECTURE is a key as the other commands print
    it; a BACKBONE is filled as --placement says."""
    from search.commands import show as shows

    values = {name: str(value) for name, value in se.items()}
    found = shows.show(target, placement, values, min_hidden, image_size=image_size, channels=channels, classes=classes)
    if svg is not None:
        from search.report import network

        svg.write_text(network.svg(found))
        click.echo(f"drawn into {svg}", err=True)
    if as_json:
        _print_json("show", None, found.to_dict())
    else:
        click.echo("\n".join(found.lines()))


@cli.command(name="list")
@click.argument(
    "what",
    required=False,
    metavar="[backbones|networks|datasets|squeezes|excitations|gates|positions|samplers|measures|runs]",
)
@RUNS
@JSON
def list_(what: str | None, runs: Path, as_json: bool) -> None:
    """What can be named in a config."""
    from search.commands import listing as names

    found = names.listing(what, runs)
    if as_json:
        _print_json("list", None, found)
    else:
        click.echo("\n".join(names.lines(found)))


@cli.command()
@click.option(
    "--markdown", is_flag=True, help="As a reference for people: every setting, its default, what is allowed."
)
def schema(markdown: bool) -> None:
    """Print the JSON Schema of the config, for editors."""
    from search import config

    click.echo(config.reference() if markdown else json.dumps(config.schema(), indent=1))


def _load(path: Path, overrides: tuple[str, ...]) -> Any:
    from search.prepare import load

    return load(path, overrides)


def _print_json(command: str, run: str | None, body: dict[str, Any]) -> None:
    """The envelope of every JSON answer."""
    click.echo(json.dumps({"schema": 1, "command": command, "run": run, **body}, indent=1))


def _status() -> int:
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        # The reader of a pipe went away; there is nobody left to tell, and Python must not try at its end.
        sys.stdout = None
    except (KeyboardInterrupt, click.Abort) as error:
        return _stopped(error)
    except Exception as error:
        if "--debug" in sys.argv and not isinstance(error, click.ClickException):
            raise
        return _told(error)
    return 0


def _stopped(error: BaseException) -> int:
    """Says how to go on with a run; click turns what stopped it into an Abort of its own."""
    signalled = error if hasattr(error, "signal_number") else error.__cause__
    number = getattr(signalled, "signal_number", None)
    how = "" if number is None else " What was finished is kept; type the same command again to go on."
    click.echo(f"Stopped.{how}", err=True)
    status = 128 + int(number or signal.SIGINT)
    if getattr(signalled, "twice", False):
        os._exit(status)  # at once: what Ray started ends when it finds its driver gone
    return status


def _told(error: Exception) -> int:
    """Prints an error and returns its exit status."""
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, UserError):
        text = error.message if error.message.startswith("error:") else f"error: {error.message}"
        click.echo(text + (f"\n  hint: {error.hint}" if error.hint else ""), err=True)
        return error.code
    click.echo(
        f"internal error: {type(error).__name__}: {error}\n  hint: run it again with --debug and report it", err=True
    )
    return 1
