"""The entry point: looks whether the packages that are loaded are ours, then runs the command."""

import sys

from search.execute import foreign_packages

ENVIRONMENT = 4  # spaces.errors.ENVIRONMENT, which cannot be imported if `spaces` is somebody else's


def main() -> None:
    """Runs the command of ``sys.argv`` and ends the process with its exit status."""
    if problem := foreign_packages.shadowed():
        print(f"error: {problem}\n  hint: {foreign_packages.remedy()}", file=sys.stderr)
        sys.exit(ENVIRONMENT)
    if risk := foreign_packages.at_risk():
        print(f"caution: {risk}\n  hint: {foreign_packages.remedy()}", file=sys.stderr)
    from search.cli.app import main as run_command

    run_command()
