"""The gain of every single training: what the means of the report are made of."""

from collections.abc import Iterable, Mapping

from search.results.result import Front, Point


def seed_gains(front: Front, points: Iterable[Point]) -> dict[str, dict[str, float]]:
    """For each of these points and each of its seeds, the accuracy in points over the mean of plain in the same block.

    Trainings of a block share their initial weights and move together. Seeds of blocks without plain are left out, and
    those of plain where it was trained once, as in a pair of the confirmation: there it would be compared with itself.
    """
    plain = _by_block(front.plain.seeds)
    levels = {block: sum(own) / len(own) for block, own in plain.items()}
    repeated = {block: level for block, level in levels.items() if len(plain[block]) > 1}
    return {point.id: _over(repeated if point.is_plain else levels, point.seeds) for point in points}


def _by_block(seeds: Mapping[str, float]) -> dict[str, list[float]]:
    """The accuracies of each block."""
    values: dict[str, list[float]] = {}
    for seed, accuracy in seeds.items():
        values.setdefault(_block(seed), []).append(accuracy)
    return values


def _over(levels: Mapping[str, float], seeds: Mapping[str, float]) -> dict[str, float]:
    return {seed: accuracy - levels[_block(seed)] for seed, accuracy in seeds.items() if _block(seed) in levels}


def _block(seed: str) -> str:
    """Seeds are written ``block.replicate``."""
    return seed.split(".", maxsplit=1)[0]
