"""Sentences about images of which less is read than they hold: their first page, or few of their grey levels."""

import statistics
from collections.abc import Mapping, Sequence

from senet_nas.data.folder_walk import shown
from spaces.text import plural

# Images that may be much brighter than all others, as a share of the images; one always may.
BRIGHT = 0.01
# White is too high if the other images reach less than this share of it: 16 of 256 levels.
DARK = 1 / 16


def several_pages(pages: Mapping[str, int]) -> tuple[str, ...]:
    """A sentence about files with more than one page or frame; ``pages`` holds their number for each such file."""
    if not pages:
        return ()
    first = min(pages)
    if len(pages) == 1:
        return (f"only the first of {pages[first]:,} pages or frames of {shown(first)} is read",)
    return (
        f"{len(pages):,} image files hold several pages or frames, of which only the first is read: "
        f"{shown(first)} has {pages[first]:,}",
    )


def unused_levels(levels: Mapping[str, float], white: float) -> tuple[str, ...]:
    """Sentences about images that become dark or black; ``levels`` holds the largest level above 0 of deep images."""
    from senet_nas.data.pixels import white_of

    few = max(1, int(BRIGHT * len(levels)))
    ranked = sorted(levels, key=lambda path: -levels[path])
    usual = levels[ranked[few if len(ranked) > few else 0]]
    if usual < DARK * white:
        bright = [path for path in ranked[:few] if white_of(levels[path]) > white_of(usual)]
        others = [levels[path] for path in ranked if path not in bright]
        return (_too_bright(bright, len(others), others[0], white),)
    # Half a level of 255 becomes black.
    lost = sorted(path for path, level in levels.items() if level < white / 510)
    if not lost:
        return ()
    return (
        f"{plural(len(lost), 'image')} with more than 8 bits would be all black, because white is {white:,.0f} in "
        f"the whole folder; save all of them on one scale: {shown(lost[0])} goes up to {levels[lost[0]]:g}",
    )


def few_bright_pixels(levels: Sequence[float], white: float) -> tuple[str, ...]:
    """A sentence if white follows from few pixels of most images, such as hot pixels of the camera.

    ``levels`` holds for each deep image the level that only its brightest 1 % of pixels exceed.
    """
    level = statistics.median_low(levels)
    if level >= DARK * white:
        return ()
    return (
        f"white is {white:,.0f} because of few pixels: in at least half of the images, 99 % of the pixels use "
        f"{_used(level, white)} of 256 levels (up to {level:g}); if the brighter ones are faults of the camera (hot "
        "pixels), replace them, for example by a median filter",
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _too_bright(bright: list[str], n_others: int, level: float, white: float) -> str:
    more = f" and {len(bright) - 1} more" if len(bright) > 1 else ""
    because = f" because of {shown(bright[0])}{more}" if bright else ""
    others = "other " if bright else ""
    whose = f"the {others}image uses" if n_others == 1 else f"the {n_others:,} {others}images use"
    return f"white is {white:,.0f}{because}; {whose} {_used(level, white)} of 256 levels (up to {level:g})"


def _used(level: float, white: float) -> int:
    """How many of 256 grey levels pixels from 0 to this level use."""
    return round(level * 255 / white) + 1
