"""Networks of timm by name, ``timm:resnet50`` or ``timm:resnet50.a1_in1k`` with the tag of pretrained weights."""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from senet_nas.network.backbones.table import KEY, TIMM
from senet_nas.user_code import named
from spaces.errors import ENVIRONMENT, UserError, unknown


def maker(name: str) -> Callable[..., nn.Module]:
    """The function that makes a network without its pretrained weights, with ``in_channels`` and ``num_classes``.

    Raises UserError if timm is missing or has no network of this name.
    """
    timm = _timm()
    wanted = name.removeprefix(TIMM)
    if wanted.partition(".")[0] not in timm.list_models():
        raise unknown("network of timm", wanted, timm.list_models(), key=KEY)

    def make(in_channels: int, num_classes: int) -> nn.Module:
        made: nn.Module = timm.create_model(wanted, in_chans=in_channels, num_classes=num_classes)
        return made

    return make


def pretrained(name: str) -> dict[str, Tensor]:
    """timm's pretrained weights of a network, downloaded once. Raises UserError."""
    wanted = name.partition("@")[0].removeprefix(TIMM)
    maker(f"{TIMM}{wanted}")
    try:
        made = _timm().create_model(wanted, pretrained=True)
    except Exception as error:  # the hub's client raises many kinds without a network, timm a RuntimeError
        raise UserError(
            f"the pretrained weights of {name} cannot be read: {named(error)}",
            hint="without a network, name a file: `model.weights: FILE`",
            key="model.init",
            code=ENVIRONMENT,
        ) from error
    weights: dict[str, Tensor] = made.state_dict()
    return weights


def version() -> str:
    """The version of timm that is installed. Raises UserError if timm is missing."""
    found: str = _timm().__version__
    return found


def names(pattern: str) -> list[str]:
    """The names of timm's networks that match a pattern such as ``*resnet50*``, as a config takes them."""
    return [f"{TIMM}{name}" for name in _timm().list_models(pattern)]


def _timm() -> Any:
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            import timm
    except ImportError as error:
        raise UserError(
            f"timm is not installed ({error})",
            hint="pip install 'senet-search[timm]'",
            key=KEY,
            code=ENVIRONMENT,
        ) from error
    return timm
