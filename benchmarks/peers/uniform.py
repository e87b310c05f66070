"""No library at all: uniformly at random. The measure of the protocol itself."""

import random

from protocol import Choices, Point, serve


class Uniform:
    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        self._space = space
        self._rng = random.Random(seed)

    def tell(self, point: Point, losses: object) -> None:
        pass

    def ask(self) -> Point:
        return {name: self._rng.choice(choices) for name, choices in self._space.items()}


if __name__ == "__main__":
    serve(Uniform)
