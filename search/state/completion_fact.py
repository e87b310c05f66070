"""With which budget a run was completed, and by how much it was extended."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Completion:
    """The budget that a run was completed with: trainings, and the time as the config writes it, None for no limit.

    Older versions noted the trainings alone (``knows_time`` is False).
    """

    trainings: int
    time: str | None = None
    knows_time: bool = True

    def covers(self, trainings: int, time: str | None) -> bool:
        """Whether nothing is left to do with this budget."""
        return self.trainings == trainings and (self.time == time or not self.knows_time)

    def to_json(self) -> Any:
        return [self.trainings, self.time] if self.knows_time else self.trainings

    @classmethod
    def from_json(cls, value: Any) -> "Completion":
        if isinstance(value, int):
            return cls(value, knows_time=False)
        trainings, time = value
        return cls(trainings, time)


@dataclass(frozen=True)
class Extension:
    """The last extension of a budget: ``added`` trainings, which made it ``trainings``."""

    added: int
    trainings: int
