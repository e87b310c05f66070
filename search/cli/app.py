"""The commands. Each only reads its arguments and hands on; heavy libraries are imported inside, where they are used."""

import atexit
import os
import signal
import sys
from contextlib import suppress

import click

from search.cli import looking, reviewing, searching, training
from spaces.errors import UserError

COMMANDS = (
    searching.init, searching.check, searching.run, searching.bench,
    reviewing.status, reviewing.report, reviewing.compare, reviewing.export, reviewing.ui, reviewing.sync, reviewing.doctor,
    training.train,
    looking.profile, looking.show, looking.list_, looking.schema,
)  # fmt: skip


def main() -> None:
    """Entry point: turns errors that are meant for people into a few lines and an exit status."""
    status = exit_status()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError, AttributeError):  # nobody reads any more, or exit_status has put it away
            stream.flush()
    atexit._run_exitfuncs()
    os._exit(status)  # sys.exit would look through all that the libraries left for garbage, which took five seconds


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
    senet-search train RUN --set train.epochs=200   train it in full

    Exit status: 0 done (also when nothing is proven), 1 a bug, 2 bad config or usage, 3 nothing usable found,
    4 the environment failed, 130/143/129 ended by a signal (type the same command again to go on).
    """


for command in COMMANDS:
    cli.add_command(command)


def exit_status() -> int:
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
