"""Gives the model's posterior the plain way, as one large Gaussian: slow, short, and a reference for the fast way.

    y = X b + Z u + e,   b ~ N(0, sigma^2 S^2),   u ~ N(0, sigma^2 D),   e ~ N(0, sigma^2 / w)

X has a row for each training, Z says which architecture it trained, and only architectures but plain have a term u.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import multivariate_normal


@dataclass(frozen=True)
class Dense:
    """The Gaussian for one setting: ``scales`` (columns,) and ``variance`` of own terms, in multiples of sigma (^2)."""

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    architecture: np.ndarray
    own: np.ndarray
    scales: np.ndarray
    variance: float

    @property
    def terms(self):
        """The design of coefficients and own terms together, and the prior variances of both."""
        z = np.eye(len(self.own))[self.architecture]
        return np.column_stack([self.x, z]), np.concatenate([self.scales**2, self.variance * self.own])

    @property
    def covariance(self):
        """Of the accuracies, in multiples of sigma^2."""
        design, prior = self.terms
        return design * prior @ design.T + np.diag(1 / self.w)

    def log_evidence(self, sigma):
        """Without what depends on neither sigma nor the setting."""
        constant = 0.5 * len(self.y) * np.log(2 * np.pi) - 0.5 * np.log(self.w).sum()
        return multivariate_normal(cov=sigma**2 * self.covariance).logpdf(self.y) + constant

    def posterior(self):
        """Mean and covariance (in multiples of sigma^2) of coefficients and own terms together."""
        design, prior = self.terms
        towards = np.linalg.solve(self.covariance, design * prior).T
        return towards @ self.y, np.diag(prior) - towards @ design * prior

    @property
    def expected(self):
        """What the model expects of each training."""
        return self.terms[0] @ self.posterior()[0]
