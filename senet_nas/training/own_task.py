"""What a training by a function of the user's needs, if it gets the network. Imports no torch."""

from dataclasses import dataclass

from senet_nas.recipe import Init


@dataclass(frozen=True)
class OwnTask:
    """What all trainings by a function of the user's share, if it gets the network: sent to the workers once.

    ``shape`` is (C, ...) of an input; all else as in a :class:`~senet_nas.recipe.Task` and its recipe.
    """

    epochs: int
    device: str = "cpu"
    threads: int = 1
    init: Init = "scratch"
    weights: str | None = None
    shape: tuple[int, ...] = ()
    num_classes: int = 0
