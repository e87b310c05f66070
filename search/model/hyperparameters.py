"""The hyperparameter grid: all settings that the posterior is averaged over, with their prior weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Sigma in points. The grid reaches as far as the spread of the data.
SIGMA_LOW = 0.02
SIGMA_HIGH = 5.0
SIGMA_STEPS = 28
# Tau in multiples of sigma, and the share of tau^2 that belongs to single architectures.
TAU_RATIOS = (0.2, 0.4, 0.7, 1.1, 1.8, 3.0)
OWN_SHARES = (0.3, 0.8)
# Prior weight of "placements do not differ" (tau = 0), relative to that of one tau ratio.
NO_DIFFERENCE = 0.5
# The shares of the structured variance that covariates may explain: nothing or half, equally likely beforehand.
# Chosen on synthetic problems below 200, judged on 150 from 4000 on. There, at 64 random trainings and tau / sigma 0.4,
# three covariates that correlate with the true gains by 0.6 raised the correlation of the posterior mean with them from
# 0.45 to 0.62, by 0.35 to 0.49, by 0 to 0.42. At tau / sigma 1: from 0.70 to 0.81, 0.72 and 0.68.
COVARIATE_SHARES = (0.0, 0.5)
# Prior deviation of the mean gain of SE, in multiples of the root of sigma^2 + tau^2.
MEAN_SCALE = 1.0


@dataclass(frozen=True)
class Hyperparameters:
    """One setting of all hyperparameters but sigma.

    ``tau_ratio`` is tau, the spread of gains, in multiples of sigma; ``own_share`` the share of tau^2 that belongs to
    single architectures; ``mean_scale`` the prior deviation of the mean gain in multiples of sigma; ``prior`` the prior
    weight of the setting. ``covariate_share`` is the share of the structured variance that covariates explain.
    """

    tau_ratio: float
    own_share: float
    mean_scale: float
    prior: float
    covariate_share: float = 0.0

    @classmethod
    def of(
        cls, tau_ratio: float, own_share: float, prior: float = 1.0, *, covariate_share: float = 0.0
    ) -> "Hyperparameters":
        return cls(tau_ratio, own_share, MEAN_SCALE * float(np.hypot(1.0, tau_ratio)), prior, covariate_share)


@dataclass(frozen=True)
class HyperparameterGrid:
    """Every sigma of ``sigmas`` (points, ascending) with every one of ``settings``."""

    sigmas: tuple[float, ...]
    settings: tuple[Hyperparameters, ...]

    @classmethod
    def default(
        cls,
        spread: float,
        *,
        resolution: float = 0.0,
        structured: bool = True,
        covariates: bool = False,
        in_percent: bool = True,
    ) -> "HyperparameterGrid":
        """The grid for results with the standard deviation ``spread``, in points.

        Of results that are not ``in_percent`` nobody knows how large they are, so their spread counts as one point.
        ``resolution`` is what one validation image is worth, in points: no sigma is smaller than half of it. Without
        ``structured`` effects each architecture's gain is entirely its own. With ``covariates`` the grid contains that
        they tell nothing, and that they explain much.
        """
        point = 1.0 if in_percent or spread == 0 else spread
        low = max(SIGMA_LOW * point, resolution / 2)
        high = max(SIGMA_HIGH * point, 4 * low, 2 * spread)
        sigmas = tuple(np.geomspace(low, high, SIGMA_STEPS).tolist())
        return cls(sigmas, _settings(OWN_SHARES if structured else (1.0,), COVARIATE_SHARES if covariates else (0.0,)))

    @classmethod
    def known(cls, sigma: float, tau_ratio: float, own_share: float) -> "HyperparameterGrid":
        """The grid of one point, for a benchmark problem whose hyperparameters are known."""
        return cls((sigma,), (Hyperparameters.of(tau_ratio, own_share),))


def _settings(shares: Sequence[float], covariate_shares: Sequence[float]) -> tuple[Hyperparameters, ...]:
    """Each tau ratio has the same prior weight, whatever the number of shares; "no difference" is one setting."""
    differing = [
        Hyperparameters.of(ratio, share, 1 / len(shares) / len(covariate_shares), covariate_share=explained)
        for ratio in TAU_RATIOS
        for share in shares
        for explained in covariate_shares
    ]
    return (Hyperparameters.of(0.0, 1.0, NO_DIFFERENCE), *differing)
