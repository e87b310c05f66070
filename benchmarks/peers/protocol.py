"""How a peer and the benchmark talk: one line of JSON each, over the peer's stdin and stdout. Standard library only.

The benchmark first sends ``{"space": {parameter: [choice, ...]}, "seed": n, "trainings": n}``. Then it sends
``{"tell": [[{parameter: choice}, [loss, overhead]], ...]}``, and the peer answers with ``{parameter: choice}``. Both
numbers are minimised: minus the accuracy in percent, and the overhead in percent. The first message holds at least one
training.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

Point = dict[str, str]
Choices = Mapping[str, Sequence[str]]


class Peer(Protocol):
    """How a peer's optimizer is driven: it hears every training, and proposes one."""

    def tell(self, point: Point, losses: Sequence[float]) -> None: ...

    def ask(self) -> Point: ...


def serve(make: Callable[[Choices, int, int], Peer]) -> None:
    """Runs a peer until its stdin ends. ``make`` gets the space, a seed and the number of trainings to come."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    lines = (json.loads(line) for line in sys.stdin)
    first = next(lines)
    peer = make(first["space"], first["seed"], first["trainings"])
    for line in lines:
        for point, losses in line["tell"]:
            peer.tell(point, losses)
        answers.write(json.dumps(peer.ask()) + "\n")
        answers.flush()
