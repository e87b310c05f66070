"""Splits that keep what belongs together in one set: groups, such as patients, and images in the order of time."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spaces.errors import UserError
from spaces.text import plural

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]
NAMED = 5  # an error names this many groups; it counts the others
GROUP = "data.group"
TIME = "data.time"
# Dates that begin with a day or a month, and months in words: as text they do not sort by time.
_DAY_FIRST = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?!\d)")
_MONTH = re.compile(r"(?<![a-z])(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?![a-z])", re.IGNORECASE)
_FRACTION = re.compile(r"(:\d\d)[.,]\d+")


def check_whole(groups: Mapping[str, Sequence[str]]) -> None:
    """Raises UserError if a group is in more than one of the sets that the data bring; the error names groups."""
    first: dict[str, str] = {}
    torn: dict[str, str] = {}
    for name, found in groups.items():
        for group in dict.fromkeys(found):
            if first.setdefault(group, name) != name:
                torn.setdefault(group, f"{group} ({first[group]} and {name})")
    if torn:
        named = [*torn.values()]
        raise UserError(
            f"the split of the data tears {plural(len(torn), 'group')}: {_listed(named)}",
            hint="give all images of a group the same set, or leave the sets out: then whole groups are split",
            key=GROUP,
        )


def by_group(
    groups: Sequence[str], y_N: Labels, sizes: Mapping[str, int], rng: np.random.Generator
) -> dict[str, Indices]:
    """The indices of each set: whole groups, so that each set has about its size and each class about its share of it.

    The largest groups are placed first, each where the images of its classes are missing most; groups of one size are
    placed in random order. Raises UserError if there are fewer groups than sets.
    """
    names, group_N = np.unique(np.array(groups, dtype=str), return_inverse=True)
    if len(names) < len(sizes):
        raise UserError(
            f"{plural(len(names), 'group')} for {plural(len(sizes), 'set')} ({', '.join(sizes)}): each needs one",
            hint="use a column or a pattern that makes more groups",
            key=GROUP,
        )
    counts = np.zeros((len(names), int(y_N.max()) + 1))
    np.add.at(counts, (group_N, y_N), 1)
    chosen = _placed(counts, np.array(list(sizes.values()), dtype=float), rng)
    return {name: np.flatnonzero(chosen[group_N] == place) for place, name in enumerate(sizes)}


def by_time(times: Sequence[str], sizes: Mapping[str, int]) -> dict[str, Indices]:
    """The indices of each set in the order of time: the first set has the earliest images. Equal times stay together.

    ``times`` are numbers, or texts that sort like ISO dates (2024-05-31). Raises UserError if a set would be empty.
    """
    order, time_N = in_order(times)
    ends = [*np.flatnonzero(np.diff(time_N[order])) + 1, len(order)]
    found: dict[str, Indices] = {}
    begin = wanted = 0
    for name, size in sizes.items():
        wanted += size
        is_last = len(found) == len(sizes) - 1 and wanted >= len(order)
        end = len(order) if is_last else min(ends, key=lambda place: abs(place - wanted))
        if end <= begin:
            raise UserError(
                f"no time is left for the {name} set: the images have {plural(len(ends), 'different time')}",
                hint="use a finer time, or another data.test",
                key=TIME,
            )
        found[name] = order[begin:end]
        begin = end
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


def _placed(counts: NDArray[np.float64], sizes: NDArray[np.float64], rng: np.random.Generator) -> Indices:
    """The set of each group, by its place in ``sizes``; ``counts`` (groups, classes) are its images."""
    total = counts.sum(axis=0)
    # What each set still lacks of each class. A rare class weighs as much as a frequent one.
    lacks = np.outer(sizes / total.sum(), total)
    weights = 1 / np.maximum(total, 1)
    chosen = np.full(len(counts), -1)
    order = rng.permutation(len(counts))
    for group in order[np.argsort(-counts[order].sum(axis=1), kind="stable")]:
        place = int(np.argmax(lacks @ (weights * counts[group])))
        chosen[group] = place
        lacks[place] -= counts[group]
    for place in range(len(sizes)):
        if not (chosen == place).any():
            chosen[_spare(counts, chosen)] = place
    return chosen


def _spare(counts: NDArray[np.float64], chosen: Indices) -> int:
    """The smallest group whose set has another one."""
    several = [g for g in range(len(chosen)) if (chosen == chosen[g]).sum() > 1]
    return min(several, key=lambda g: float(counts[g].sum()))


def in_order(times: Sequence[str]) -> tuple[Indices, Indices]:
    """The images in the order of their times, and the rank of the time of each image.

    Raises UserError for numbers that are not finite, and for texts whose order is not that of time.
    """
    try:
        values = np.array([float(time) for time in times])
    except ValueError:
        values = np.array(times, dtype=str)
        _check_sorts_by_time(sorted(set(times)))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        strange = times[int(np.argmin(np.isfinite(values)))]
        raise UserError(f"`{strange}` is no time", hint="give every image a number or a date", key=TIME)
    rank_N = np.unique(values, return_inverse=True)[1]
    return np.argsort(rank_N, kind="stable"), rank_N


def _check_sorts_by_time(ordered: Sequence[str]) -> None:
    """Raises UserError if different times, sorted as text, are not in the order of their numbers (9 before 10)."""
    strange = [f"such as `{text}`" for text in ordered if _DAY_FIRST.match(text) or _MONTH.search(text)]
    pairs = pairwise(ordered)
    strange += [f"`{one}` comes before `{other}`" for one, other in pairs if _numbers(one) > _numbers(other)]
    if strange:
        raise UserError(
            f"the times are texts that do not sort by time: {strange[0]}",
            hint="write dates as 2024-05-31 or 2024-05-31 09:00, or times as numbers",
            key=TIME,
        )


def _numbers(text: str) -> list[tuple[bool, int, str]]:
    """The parts of a text in an order by which 10 comes after 9; fractions of a second are left out."""
    parts: list[str] = re.findall(r"\d+|\D+", _FRACTION.sub(r"\1", text))
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part.lstrip("0")) for part in parts]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
