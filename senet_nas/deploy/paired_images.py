"""How the classes of a deployed form differ from those of the network it was made of, on the same labelled images."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from spaces import wilson

# Images that are classified at once.
BATCH = 256
LEVEL = 0.95
Classify = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PairedImages:
    """Counts of ``n`` labelled images: right by the network and wrong by the form (``lost``), the other way (``won``).

    ``right``: right by the network. ``same``: both gave the same class.
    """

    n: int
    right: int
    lost: int
    won: int
    same: int

    @property
    def accuracy(self) -> float:
        """Of the form, in percent."""
        return 100 * (self.right - self.lost + self.won) / self.n

    @property
    def drop(self) -> float:
        """Points of accuracy that the form lost."""
        return 100 * (self.lost - self.won) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the drop, at LEVEL: Wald's of a difference of matched pairs with half a pair added to each
        cell (Agresti and Min, Statistics in Medicine 24, 2005), which covers well if only a few images differ."""
        n = self.n + 2
        lost = self.lost + 0.5
        won = self.won + 0.5
        reach = _quantile() * math.sqrt(lost + won - (lost - won) ** 2 / n) / n
        centre = (lost - won) / n
        return 100 * (centre - reach), 100 * (centre + reach)

    @property
    def agreement(self) -> float:
        """Images that both give the same class, in percent."""
        return 100 * self.same / self.n

    @property
    def agreement_interval(self) -> tuple[float, float]:
        """The interval of the agreement, at LEVEL (Wilson 1927)."""
        low, high = wilson.interval(self.same / self.n, self.n, LEVEL)
        return 100 * low, 100 * high

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval
        least, most = self.agreement_interval
        return {
            **asdict(self),
            "accuracy": self.accuracy,
            "drop": self.drop,
            "drop_low": low,
            "drop_high": high,
            "agreement": self.agreement,
            "agreement_low": least,
            "agreement_high": most,
        }


def classes(form: Classify, x: Tensor, normalised: Callable[[Tensor], Tensor]) -> Tensor:
    """The class that a form gives to each image of ``x``, a batch at a time."""
    with torch.inference_mode():
        return torch.cat([form(normalised(part)).argmax(1) for part in torch.split(x, BATCH)])


def paired(of_network_N: Tensor, of_form_N: Tensor, y_N: Tensor) -> PairedImages:
    """The counts of what both gave to the same images."""
    network_N = of_network_N == y_N
    form_N = of_form_N == y_N
    return PairedImages(
        n=len(y_N),
        right=int(network_N.sum()),
        lost=int((network_N & ~form_N).sum()),
        won=int((form_N & ~network_N).sum()),
        same=int((of_network_N == of_form_N).sum()),
    )


def _quantile() -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + LEVEL) / 2))
