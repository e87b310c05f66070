"""Prepares a network for a runtime of the table."""

from torch import nn

from senet_nas.deploy.deployed import Deployed, Wanted
from senet_nas.deploy.runtime_table import check
from senet_nas.deploy.runtime_table import named as row_of
from senet_nas.quantised import Refused
from senet_nas.user_code import evaluating, named
from spaces.errors import UserError


def deploy(network: nn.Module, runtime: str, wanted: Wanted) -> Deployed:
    """A network, prepared for a runtime.

    Raises UserError if the runtime is not here or does not know the precision; Refused if it cannot run the network.
    """
    check(runtime, wanted.precision)
    network = evaluating(network)
    try:
        return row_of(runtime).deploy(network, wanted)
    except UserError:
        raise
    except Exception as error:  # exporters and runtimes throw whatever they like about a network
        raise Refused(f"refused by {runtime} ({wanted.precision}): {named(error)}") from error
