"""The gain of every single training: what the means of the report are made of."""

from collections.abc import Iterable, Mapping

from search.results.result import Front, Point


def seed_gains(front: Front, points: Iterable[Point]) -> dict[str, dict[str, float]]:
    """For each of these points and each of its seeds, the accuracy in points over the mean of plain in the same block.

    Trainings of a block share their initial weights and move together. Seeds of blocks without plain are left out.
    """
    levels = _plain_levels(front.plain.seeds)
    return {point.id: _over(levels, point.seeds) for point in points}


def _plain_levels(seeds: Mapping[str, float]) -> dict[str, float]:
    """The mean accuracy of plain in each block."""
    values: dict[str, list[float]] = {}
    for seed, accuracy in seeds.items():
        values.setdefault(_block(seed), []).append(accuracy)
    return {block: sum(own) / len(own) for block, own in values.items()}


def _over(levels: Mapping[str, float], seeds: Mapping[str, float]) -> dict[str, float]:
    return {seed: accuracy - levels[_block(seed)] for seed, accuracy in seeds.items() if _block(seed) in levels}


def _block(seed: str) -> str:
    """Seeds are written ``block.replicate``."""
    return seed.split(".", maxsplit=1)[0]
