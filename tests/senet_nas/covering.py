"""Few combinations of many options: a covering design, so that tests over all tables stay fast as the tables grow."""

import itertools
from collections.abc import Sequence

from senet_nas.network.build import sites
from senet_nas.network.excitations import EXCITATIONS as FORMS
from senet_nas.network.operators import GATES
from senet_nas.network.squeezes import CHANNELS, SQUEEZES
from spaces import SE, Architecture

EXCITATIONS = ("fc4", "fc3nb", "eca3", "diag", "ese", "none", "fc4bn")
# Excitations that take something else than one number for each channel.
OTHERS = ("conv3", "axes4")
# Squeezes that leave one number for each channel, which take all excitations but the OTHERS.
OF_CHANNELS = [name for name, row in SQUEEZES.items() if row.leaves == CHANNELS]


def pairwise(*factors: Sequence[str]) -> list[tuple[str, ...]]:
    """Rows of one value for each factor, such that every two values of different factors meet in some row; greedy."""
    pairs = itertools.combinations(range(len(factors)), 2)
    open_pairs = {(i, a, j, b): None for i, j in pairs for a, b in itertools.product(factors[i], factors[j])}
    rows = []
    while open_pairs:
        i, a, j, b = next(iter(open_pairs))
        row = {i: a, j: b}
        for k in sorted(set(range(len(factors))) - {i, j}):
            row[k] = max(factors[k], key=lambda value: len(_met({**row, k: value}) & open_pairs.keys()))
        for pair in _met(row):
            open_pairs.pop(pair, None)
        rows.append(tuple(row[k] for k in range(len(factors))))
    return rows


def _met(row: dict[int, str]) -> set[tuple[int, str, int, str]]:
    return {(i, row[i], j, row[j]) for i, j in itertools.combinations(sorted(row), 2)}


def spelt(squeeze: str, excitation: str, gate: str, position: str) -> SE:
    """The SE block of which the key names these four parts, for example ``fc4nb`` as the excitation."""
    return SE.parse(f"{squeeze}:{excitation}:{gate}@{position}")


def positions(backbone: str) -> tuple[str, ...]:
    """Every position that some site of the backbone offers."""
    return tuple(dict.fromkeys(position for site in sites(backbone) for position in site.channels))


def covering(backbone: str, n_axes: int = 2) -> list[Architecture]:
    """As few networks as hold every pair of squeeze, excitation, gate and position that the backbone offers.

    ``n_axes`` is the number of axes of its maps: 1 for signals.
    """
    return packed(backbone, [spelt(*row) for row in blocks(*positions(backbone), n_axes=n_axes)])


def operators(n_axes: int = 2) -> list[tuple[str, str]]:
    """Squeezes with the excitations that they take, but for those of channels, on maps with this number of axes."""
    pairs = [(squeeze, text) for squeeze in SQUEEZES if squeeze not in OF_CHANNELS for text in (*EXCITATIONS, *OTHERS)]
    return [
        (squeeze, text)
        for squeeze, text in pairs
        if SQUEEZES[squeeze].leaves in FORMS[form_of(text)].takes and FORMS[form_of(text)].least_axes <= n_axes
    ]


def form_of(text: str) -> str:
    return spelt("avg", text, "sigmoid", "mid").form


def blocks(*positions: str, n_axes: int = 2) -> list[tuple[str, ...]]:
    """Rows of squeeze, excitation, gate and, if there are some, position: every two that can be built are in one."""
    rest = [list(GATES), *([positions] if positions else [])]
    turns = list(zip(*(itertools.islice(itertools.cycle(values), max(map(len, rest))) for values in rest), strict=True))
    whole = [(*pair, *turn) for pair in operators(n_axes) for turn in turns]
    return [*pairwise(OF_CHANNELS, EXCITATIONS, *rest), *whole]


def packed(backbone: str, blocks: Sequence[SE]) -> list[Architecture]:
    """Networks that hold all these blocks, one at each site that offers its position."""
    networks, waiting = [], list(blocks)
    while waiting:
        chosen: list[SE | None] = []
        for site in sites(backbone):
            fits = next((se for se in waiting if se.position in site.channels), None)
            chosen.append(fits)
            if fits is not None:
                waiting.remove(fits)
        assert any(chosen), f"no site of {backbone} holds {waiting[0]}"
        networks.append(Architecture(backbone, tuple(chosen)))
    return networks
