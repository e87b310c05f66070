"""How long a pilot takes: said before it begins, and more exactly after its first training."""

from collections.abc import Callable, Mapping

from spaces.text import plural, rough


class Pace:
    """Says how long the trainings of a pilot take, which follow one another on this machine.

    ``counts`` has the trainings of each number of epochs, those that are first at its head. ``cost`` is the cost of one
    of them, in any unit.
    """

    def __init__(
        self,
        counts: Mapping[int, int],
        cost: Callable[[int], float],
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._first = cost(next(iter(counts)))
        self._whole = sum(count * cost(epochs) for epochs, count in counts.items())
        self._count = sum(counts.values())
        self._done = 0
        self._say = say
        self._clock = clock
        self._began = clock()

    def announce(self, seconds: float | None) -> None:
        """Says what is ahead; ``seconds`` is what one of the first trainings takes, if that is known."""
        time = f", about {rough(seconds * self._whole / self._first)}" if seconds is not None else ""
        self._say(f"pilot: {plural(self._count, 'training')} of plain, one after the other{time}")
        self._began = self._clock()

    def trained(self) -> None:
        """A training has ended: by the first one, says how long the others take."""
        self._done += 1
        if self._done > 1 or self._count == 1:
            return
        taken = self._clock() - self._began
        left = taken * (self._whole / self._first - 1)
        self._say(f"pilot: the first training took {rough(taken)}; at this pace the others take about {rough(left)}")
