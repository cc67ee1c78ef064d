"""Intervals of shares: of one, and of the ratio of two."""

from __future__ import annotations

import math

from scipy.special import ndtri

LEVEL = 0.95


def wilson(hits: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927); `trials` is above 0."""
    share, z = hits / trials, float(ndtri((1 + level) / 2))
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials)
    half *= math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def ratio_of_shares(
    one: tuple[int, int], other: tuple[int, int], level: float = LEVEL
) -> tuple[float, float]:
    """The interval of a share over another one, each as (hits, trials); the other has hits.

    From the two Wilson intervals, which keeps their right length near 0 and 1 (Donner and Zou
    2012, Statistical Methods in Medical Research 21, formula 9).
    """
    p, q = one[0] / one[1], other[0] / other[1]
    (p_low, p_high), (q_low, q_high) = wilson(*one, level), wilson(*other, level)
    both = p * q
    least = both * both - p_low * q_high * (2 * p - p_low) * (2 * q - q_high)
    most = both * both - p_high * q_low * (2 * p - p_high) * (2 * q - q_low)
    low = (both - math.sqrt(max(0.0, least))) / (q_high * (2 * q - q_high))
    high = (both + math.sqrt(max(0.0, most))) / (q_low * (2 * q - q_low))
    return max(0.0, low), high
