"""Placements that people name: on the command line and as the baselines of every search; and labels for people."""

import itertools
import re
from collections.abc import Mapping, Sequence

from spaces.architecture import SE, Architecture
from spaces.errors import UserError, unknown
from spaces.space import Space
from spaces.spec import FACTORS, Site, fill
from spaces.spelling import OPERATORS
from spaces.text import plural

# The SE of the paper: Hu et al., arXiv 1709.01507, section 3, and its released models (biases in both layers).
PAPER = {
    "reduction": "16",
    "position": "pre_addition",
    "squeeze": "avg",
    "excitation": "fc",
    "gate": "sigmoid",
    "operators": "se",
}
PUBLISHED = "published"
FORMS = (
    "none",
    "all",
    "last",
    "stages:1-3",
    "stages:1,3",
    "blocks:1.0,3.2",
    "published",
    "a published network",
    "an architecture key",
)


def place(
    backbone: str,
    sites: Sequence[Site],
    placement: str,
    values: Mapping[str, str] = PAPER,
    min_hidden: int | None = None,
) -> Architecture:
    """The architecture of a placement (one of the ``FORMS``), with the same SE at each site. Raises UserError."""
    if "/" in placement:
        return _checked(Architecture.parse(placement), backbone, sites)
    if placement == PUBLISHED:
        return _published(backbone, sites)
    chosen = {site.name for site in _chosen(sites, placement)}
    blocks = (fill(site, {**PAPER, **values}, min_hidden) if site.name in chosen else None for site in sites)
    return Architecture(backbone, tuple(blocks))


def as_published(backbone: str, sites: Sequence[Site]) -> Architecture | None:
    """The placement of the network as it is published; None if it has no SE of its own."""
    blocks = tuple(site.published for site in sites)
    return Architecture(backbone, blocks) if any(blocks) else None


def baselines(space: Space) -> list[Architecture]:
    """Plain, SE everywhere, SE as published if there is some, then SE in each single stage.

    These are the references of every comparison, trained first. Each factor has the paper's value if the space allows
    it, else its first value; the placement as published need not be in the space.
    """
    spec = space.spec
    allowed = {i for sites in space.groups.values() for i in sites}
    values = {name: PAPER[name] if PAPER[name] in spec.values(name) else spec.values(name)[0] for name in FACTORS}
    stages = sorted({space.sites[i].stage for i in allowed})

    def only(wanted: Sequence[int]) -> Architecture:
        blocks = tuple(
            fill(site, values, spec.min_hidden) if i in allowed and site.stage in wanted else None
            for i, site in enumerate(space.sites)
        )
        return space.ratios.annotate(Architecture(space.backbone, blocks), space.sites)

    published = as_published(space.backbone, space.sites)
    own = [published] if published is not None else []
    return list(dict.fromkeys([only([]), only(stages), *own, *(only([stage]) for stage in stages)]))


def label(architecture: Architecture, sites: Sequence[Site]) -> str:
    """The architecture's name for people: ``stages 2-3: avg r=8 pre_addition``, ``plain``, or ``as published``."""
    if architecture.is_plain:
        return "plain"
    if architecture == as_published(architecture.backbone, sites):
        return "as published"
    by_kind: dict[str, list[Site]] = {}
    for site, se in zip(sites, architecture.blocks, strict=True):
        if se is not None:
            by_kind.setdefault(_kind(se, site), []).append(site)
    return "; ".join(f"{_where(chosen, sites)}: {kind}" for kind, chosen in by_kind.items())


def ratio(se: SE, site: Site) -> int | None:
    """The reduction ratio that was asked for, else the nominal one, C / hidden width; None without a hidden width."""
    if not se.hidden:
        return None
    return se.ratio or max(1, round(site.channels[se.position] / se.hidden))


def width(se: SE, site: Site) -> str:
    """How wide the excitation is, as people, the model and the contrasts name it: ``r=16``, ``eca3`` or ``diag``.

    It is the ratio, since a hidden width means another thing in every stage.
    """
    return f"r={ratio(se, site)}" if se.hidden else se.excitation


def wording(se: SE, site: Site) -> str:
    """Squeeze and excitation in words: ``avg r=16``, ``coord r=32``, ``avg eca3``, or ``simam``, which has no layer."""
    whole = any(
        found is not None and (found.squeeze, found.form) == (se.squeeze, "none") for found in OPERATORS.values()
    )
    return se.squeeze if whole else f"{se.squeeze} {width(se, site)}"


def _kind(se: SE, site: Site) -> str:
    kind = f"{wording(se, site)} {se.position}"
    if se.gate != "sigmoid":
        kind += f" {se.gate}"
    if se.form == "fcnb":
        kind += " no bias"
    return kind


def _where(chosen: Sequence[Site], sites: Sequence[Site]) -> str:
    """``all stages``, ``stage 3``, ``stages 1-2``, or the names of units if a stage is not complete."""
    stages = sorted({site.stage for site in chosen})
    whole = [stage for stage in stages if sum(s.stage == stage for s in chosen) == sum(s.stage == stage for s in sites)]
    if whole != stages:
        return "blocks " + ", ".join(site.name for site in chosen)
    if len(stages) > 1 and len(stages) == len({site.stage for site in sites}):
        return "all stages"
    return ("stage " if len(stages) == 1 else "stages ") + _ranges(stages)


def _ranges(numbers: Sequence[int]) -> str:
    runs = [
        [number for _, number in run]
        for _, run in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _published(backbone: str, sites: Sequence[Site]) -> Architecture:
    found = as_published(backbone, sites)
    if found is None:
        raise UserError(f"{backbone} has no SE of its own", hint="use --placement all")
    return found


def _chosen(sites: Sequence[Site], placement: str) -> list[Site]:
    name, _, rest = placement.partition(":")
    if name == "stages" and rest:
        wanted = _numbers(rest, {site.stage for site in sites})
        return [site for site in sites if site.stage in wanted]
    if name == "blocks" and rest:
        return _named(sites, rest.split(","))
    simple = {"none": [], "all": list(sites), "last": [site for site in sites if site.stage == sites[-1].stage]}
    if placement not in simple:
        raise unknown("placement", placement, FORMS)
    return simple[placement]


def _named(sites: Sequence[Site], names: Sequence[str]) -> list[Site]:
    by_name = {site.name: site for site in sites}
    for name in names:
        if name not in by_name:
            raise unknown("block", name, by_name)
    return [by_name[name] for name in names]


def _numbers(text: str, stages: set[int]) -> set[int]:
    wanted: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise UserError(f"`stages:{text}` is not a list of stages; write `stages:1-3` or `stages:1,3`")
        wanted |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    if not wanted or wanted - stages:
        raise UserError(f"`stages:{text}` is outside the backbone's stages {_ranges(sorted(stages))}")
    return wanted


def _checked(architecture: Architecture, backbone: str, sites: Sequence[Site]) -> Architecture:
    if architecture.backbone != backbone or len(architecture.blocks) != len(sites):
        raise UserError(
            f"`{architecture}` is not an architecture of {backbone}, which has {plural(len(sites), 'site')}"
        )
    for site, se in zip(sites, architecture.blocks, strict=True):
        if se is not None and se.position not in site.channels:
            raise unknown(f"position at site {site.name}", se.position, site.channels)
    return architecture
