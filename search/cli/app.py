"""The command line. Each command reads its arguments and hands on; it imports heavy libraries where it uses them."""

import atexit
import os
import shlex
import signal
import sys
from contextlib import suppress

import click

from search.cli import (
    bench,
    benchmark,
    check,
    compare,
    dashboard,
    doctor,
    export,
    init,
    listing,
    profile,
    report,
    run,
    schema,
    show,
    status,
    sync,
    train,
    ui,
)
from senet_nas import user_code
from spaces.errors import BAD_INPUT, BUG, DONE, SIGNALLED, UserError

COMMANDS = (
    init.init,
    check.check,
    run.run,
    bench.bench,
    status.status,
    report.report,
    compare.compare,
    export.export,
    ui.ui,
    dashboard.dashboard,
    sync.sync,
    doctor.doctor,
    train.train,
    profile.profile,
    benchmark.benchmark,
    show.show,
    listing.list_,
    schema.schema,
)


def main() -> None:
    """Entry point: runs a command and ends the process with its exit status."""
    code = exit_status()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError, AttributeError):  # the reader is gone, or exit_status has put the stream away
            stream.flush()
    # sys.exit would first collect the garbage of the libraries, which took five seconds. os._exit does not, but it runs
    # no exit handlers, and atexit has no public way to run them. Every test of a command notices if this name changes.
    atexit._run_exitfuncs()
    os._exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="senet-search")
@click.option("--debug", is_flag=True, help="Show the traceback of every error.")
def cli(debug: bool) -> None:
    """Where in your network should Squeeze-and-Excitation go, and is it worth it?

    \b
    senet-search init --data ./images    write a config.yaml to start from
    senet-search run config.yaml         search: Ray Tune schedules, Optuna proposes, MLflow tracks
    senet-search ui RUN                  review the front of quality and cost in the MLflow UI
    senet-search export RUN              take the chosen network home
    senet-search train RUN --set train.epochs=200   train it in full

    Exit status: 0 done (also when nothing is proven), 1 a bug, 2 bad config or usage, 3 nothing usable found,
    4 the environment failed, 130/143/129 ended by a signal (type the same command again to continue).
    """


for command in COMMANDS:
    cli.add_command(command)


def exit_status() -> int:
    """Runs the command of ``sys.argv`` and returns its exit status. Errors for people become a few lines on stderr."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        # The reader of a pipe is gone. Python must not write to it at its end either.
        sys.stdout = None
    except (KeyboardInterrupt, click.Abort) as error:
        return _stopped(error)
    except Exception as error:
        if "--debug" in sys.argv and not isinstance(error, click.ClickException):
            raise
        return _failed(error)
    return DONE


def _stopped(error: BaseException) -> int:
    """Says how to continue a run; click turns what stopped it into an Abort of its own."""
    signalled = error if hasattr(error, "signal_number") else error.__cause__
    number = getattr(signalled, "signal_number", None)
    how = "" if number is None else " Finished trainings are kept; type the same command again to continue."
    click.echo(f"Stopped.{how}", err=True)
    code = SIGNALLED + int(number or signal.SIGINT)
    if getattr(signalled, "twice", False):
        os._exit(code)  # at once: what Ray started ends when it finds its driver gone
    return code


def _without_run(error: click.ClickException) -> click.UsageError | None:
    """What to say if the name of a run was left out: which runs there are. None for any other error."""
    from search.state.run_folder import RUNS, held

    is_missing = isinstance(error, click.MissingParameter) and error.param is not None and error.param.name == "run"
    if not is_missing or not isinstance(error, click.UsageError):
        return None
    runs = error.ctx.params.get("runs") if error.ctx else None
    return click.UsageError(f"RUN is missing; {held(runs or RUNS)}", ctx=error.ctx)


def _failed(error: Exception) -> int:
    """Prints an error and returns its exit status."""
    if isinstance(error, click.ClickException):
        (_without_run(error) or error).show()
        return BAD_INPUT
    if isinstance(error, UserError):
        text = error.message if error.message.startswith("error:") else f"error: {error.message}"
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        click.echo(text + hint, err=True)
        return error.code
    again = shlex.join(["senet-search", "--debug", *sys.argv[1:]])
    text = f"{type(error).__name__}: {user_code.message(error)}"
    click.echo(f"internal error: {text}\n  hint: run `{again}` and report it", err=True)
    return BUG
