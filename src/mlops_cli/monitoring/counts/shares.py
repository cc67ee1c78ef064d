"""Do two shares differ by more than chance? Without SciPy: an image that scores has none."""

from __future__ import annotations

import math
from functools import lru_cache

EXPECTED = 5.0  # the least expected count of a cell of a chi-square test (Cochran 1954)
_NOTHING = 1e-17  # a term of a sum that is this part of it changes no digit


def share_p_value(hits: int, n: int, reference_hits: int, m: int) -> float:
    """Two-sided test that two shares, hits of n and reference_hits of m, are the same.

    Pearson's test where every expected count reaches 5; otherwise the exact binomial test of
    `hits` given the hits of both, which is never too small.
    """
    total = hits + reference_hits
    if not n or not m or total in (0, n + m):
        return 1.0
    if min(total, n + m - total) * min(n, m) / (n + m) >= EXPECTED:
        share = total / (n + m)
        z = (hits / n - reference_hits / m) / math.sqrt(share * (1 - share) * (1 / n + 1 / m))
        return math.erfc(abs(z) / math.sqrt(2))
    return min(1.0, 2.0 * _smaller_tail(hits, total, n / (n + m)))


@lru_cache(4_096)  # columns without a missing value ask the same
def share_critical(alpha: float, n: int, reference_hits: int, m: int) -> float:
    """The least rise of a share above reference_hits / m that is significant at `alpha`.

    1 where no number of hits among n would be.
    """
    low, high = int(n * reference_hits / m) if m else 0, n
    if share_p_value(high, n, reference_hits, m) > alpha:
        return 1.0
    while high - low > 1:
        middle = (low + high) // 2
        significant = share_p_value(middle, n, reference_hits, m) <= alpha
        low, high = (low, middle) if significant else (middle, high)
    return high / n - reference_hits / m


def _smaller_tail(k: int, n: int, p: float) -> float:
    """The smaller of P(X <= k) and P(X >= k) for X of Binomial(n, p), k itself in both."""
    if k < n * p:  # the same, counted from the other end
        k, p = n - k, 1 - p
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    here = math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p))
    upper, term, i = 0.0, here, k
    while i <= n and term > _NOTHING * upper:  # above the mean the terms fall
        upper += term
        term *= (n - i) / (i + 1) * (p / (1 - p))
        i += 1
    return min(upper, 1.0 - upper + here)
