"""Does a series of losses fall, rise, or stand still? Ranks decide, at a stated error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import numpy as np
from scipy.signal import lfilter
from scipy.stats import kendalltau

from gradcheck.trees import Array

SIGNIFICANCE = 0.01
"""Rate at which a series without a trend may be called rising, or falling."""

SERIAL_CORRELATION = 0.6
"""Lag-one correlation of the noise up to which that rate is kept.

Epochs share their parameters, so their losses share their luck: a test for independent noise sees
trends in one trendless run out of ten at 0.6.
"""

BLOCKS = 12
"""A longer series is averaged down to this many points, which wears off most of the correlation."""

NULL_SERIES = 4000
"""Trendless series simulated for the null distribution; resolves p-values down to 1/4000."""

WARM_UP = 60
"""Values dropped before a simulated series is stationary: 0.6**60 is below the last place."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Kendall's rank correlation of a series with time, and how likely chance gives it."""

    tau: float
    p_falling: float
    p_rising: float

    def falls(self, significance: float = SIGNIFICANCE) -> bool:
        """Whether the series falls, at this false-alarm rate."""
        return self.p_falling <= significance

    def rises(self, significance: float = SIGNIFICANCE) -> bool:
        """Whether the series rises, at this false-alarm rate."""
        return self.p_rising <= significance


def trend(losses: Sequence[float], correlation: float = SERIAL_CORRELATION) -> Trend:
    """Test a series for a monotone trend (Mann 1945), allowing for serially correlated noise.

    The statistic is Kendall's tau between the series, averaged in at most 12 blocks, and time. Its
    null distribution is not the textbook one, which holds for independent values, but that of
    trendless AR(1) noise with lag-one correlation ``correlation``, simulated with a fixed seed.

    Parameters
    ----------
    losses : sequence of float
        Finite values, in order of time.
    correlation : float
        Lag-one serial correlation that the noise may have, in [0, 1).

    Examples
    --------
    >>> trend([2.3, 1.9, 1.4, 1.5, 1.2, 0.9, 0.8, 0.7, 0.6, 0.5]).falls()
    True
    >>> trend([1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.2, 1.1, 0.9, 1.0]).falls()
    False

    Fewer than six epochs cannot show a trend at the one-percent level:

    >>> trend([5.0, 4.0, 3.0, 2.0, 1.0]).falls()
    False
    """
    series = np.asarray(losses, dtype=np.float64)
    points = _in_blocks(series)
    if points.size < 2 or np.ptp(points) == 0:
        return Trend(0.0, 1.0, 1.0)
    tau = float(kendalltau(np.arange(points.size), points).statistic)
    null = _null_taus(series.size, correlation)
    return Trend(tau, _tail(null, tau), _tail(null, -tau))


def epochs_needed(significance: float = SIGNIFICANCE) -> int:
    """Fewest losses whose fall in every epoch counts as a trend.

    >>> epochs_needed(0.01), epochs_needed(0.001)
    (6, 8)
    """
    return next(n for n in count(2) if trend(range(n, 0, -1)).falls(significance))


def _in_blocks(series: Array) -> Array:
    length = max(1, -(-series.shape[-1] // BLOCKS))
    blocks = series.shape[-1] // length
    whole = series[..., series.shape[-1] - blocks * length :]
    points: Array = whole.reshape(*series.shape[:-1], blocks, length).mean(axis=-1)
    return points


@lru_cache(maxsize=64)
def _null_taus(size: int, correlation: float) -> Array:
    rng = np.random.default_rng(0)
    innovations = rng.standard_normal((NULL_SERIES, size + WARM_UP))
    series = lfilter([1.0], [1.0, -correlation], innovations)[:, WARM_UP:]
    points = _in_blocks(series)
    early, late = np.triu_indices(points.shape[1], 1)
    taus: Array = np.sort(np.sign(points[:, late] - points[:, early]).mean(axis=1))
    return taus


def _tail(null: Array, tau: float) -> float:
    # Counting the observed series among the simulated ones keeps the test exact.
    as_low = int(np.searchsorted(null, tau + 1e-12, side="right"))
    return (1 + as_low) / (1 + null.size)


def fell_and_stayed(
    start: float, later: Sequence[float], significance: float = SIGNIFICANCE
) -> bool:
    """Whether a start lies further above what came later than its spread explains.

    Ranks cannot see a loss that falls in its first epoch and then only fluctuates. The
    Vysochanskij-Petunin inequality can: for any unimodal distribution a value lies more than
    ``k`` standard deviations from the mean with a probability of at most ``4 / (9 k**2)``.

    >>> fell_and_stayed(2.3, [0.31, 0.30, 0.29, 0.31, 0.30, 0.29, 0.30, 0.31])
    True
    >>> fell_and_stayed(0.33, [0.31, 0.30, 0.29, 0.31, 0.30, 0.29, 0.30, 0.31])
    False
    """
    settled = np.asarray(later[len(later) // 2 :], dtype=np.float64)
    if settled.size < 4:  # the spread of three values says too little
        return False
    spread = float(np.std(settled, ddof=1))
    deviations = np.sqrt(4 / (9 * significance))
    return bool(start - settled.mean() > deviations * spread)


@dataclass(frozen=True, slots=True)
class Plateau:
    """The loss has stood at ``level`` since epoch ``since``."""

    level: float
    since: int


OUTLIER = 4
"""Scatters above its level at which a loss does not yet belong to the plateau."""

FLAT = 0.01
"""A plateau's remaining fall is at most this share of the fall before it."""

SLOW = 0.1
"""And at most this share of its level: a loss that goes to zero has no other."""


def plateau(losses: Sequence[float]) -> Plateau | None:
    """Where a series stopped falling, or ``None`` while it still falls.

    The last third must have moved, on its straight line, by less than a hundredth of the whole
    fall and a tenth of where it is, or by less than its own scatter.

    >>> plateau([4.0, 2.0, 1.0, 0.5] + [0.25] * 12)
    Plateau(level=0.25, since=4)
    >>> plateau([10.0 - k for k in range(10)]) is None
    True
    >>> plateau([0.7] * 10)
    Plateau(level=0.7, since=0)
    >>> plateau([0.5**k for k in range(30)]) is None  # little is left, and it still halves
    True
    """
    series = np.asarray(losses, dtype=np.float64)
    tail = series[-max(series.size // 3, 3) :]
    if series.size < 2 * tail.size:
        return None
    time = np.arange(tail.size)
    slope, offset = np.polyfit(time, tail, 1)
    scatter = float(np.std(tail - (slope * time + offset)))
    drift = abs(slope) * (tail.size - 1)
    total = float(series.max() - series.min())
    rounding = float(np.finfo(np.float64).eps * np.abs(series).max())
    level = float(np.median(tail))
    if drift > max(min(FLAT * total, SLOW * abs(level)), scatter, rounding * tail.size):
        return None
    near = level + max(FLAT * total, OUTLIER * scatter)
    above = np.flatnonzero(series > near)
    return Plateau(level, int(above[-1]) + 1 if above.size else 0)
