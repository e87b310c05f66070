"""The gain of every single training: what the means of the report are made of."""

from collections.abc import Mapping, Sequence

from search.results.point import Point
from search.results.result import Front


def seed_gains(front: Front, points: Sequence[Point]) -> dict[str, dict[str, float]]:
    """For each of these points and each of its seeds, the gain over the mean of plain in the same block.

    Trainings of a block share their initial weights and move together. Seeds of blocks without plain are left out, and
    those of plain where it was trained once, as in a pair of the confirmation: there it would be compared with itself.
    """
    scores = {point.id: _scores(front, point) for point in [front.plain, *points]}
    plain = _by_block(scores[front.plain.id])
    levels = {block: sum(own) / len(own) for block, own in plain.items()}
    repeated = {block: level for block, level in levels.items() if len(plain[block]) > 1}
    return {point.id: _over(repeated if point.is_plain else levels, scores[point.id]) for point in points}


def _scores(front: Front, point: Point) -> dict[str, float]:
    return {seed: front.quality.score_of(value) for seed, value in point.seeds.items()}


def _by_block(seeds: Mapping[str, float]) -> dict[str, list[float]]:
    """The scores of each block."""
    values: dict[str, list[float]] = {}
    for seed, score in seeds.items():
        values.setdefault(_block(seed), []).append(score)
    return values


def _over(levels: Mapping[str, float], seeds: Mapping[str, float]) -> dict[str, float]:
    return {seed: score - levels[_block(seed)] for seed, score in seeds.items() if _block(seed) in levels}


def _block(seed: str) -> str:
    """Seeds are written ``block.replicate``."""
    return seed.split(".", maxsplit=1)[0]
