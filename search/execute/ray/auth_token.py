"""The token by which Ray's processes on this machine know each other."""

import os
import secrets
from pathlib import Path

from spaces.errors import ENVIRONMENT, UserError


def make_private() -> None:
    """Makes the token of this user, readable for its owner only; Ray itself would let everybody read it.

    Does nothing if the environment names a token. Raises UserError (code ENVIRONMENT) if it cannot be written.
    """
    if {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys():
        return
    path = _home() / ".ray" / "auth_token"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o600)
        else:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
    except OSError as error:
        raise UserError(
            f"cannot write {path}, which Ray needs: {error.strerror}",
            hint="set HOME to a writable folder",
            code=ENVIRONMENT,
        ) from error


def _home() -> Path:
    """The user's home folder. Raises UserError (code ENVIRONMENT) if neither HOME nor the system names one."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise UserError(
            f"cannot start Ray: HOME is not set, and user {os.getuid()} has no home folder",
            hint="set HOME to a writable folder",
            code=ENVIRONMENT,
        ) from error
