"""One bug seen at several points: the cause that explains it at most of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.diagnosis.ranking import MOST_SHOWN
from gradcheck.result import Diagnosis

ENOUGH = 0.5
"""A cause must be named at this share of the points."""

LEAST_MEAN = 0.45
"""Below this mean fit, half of the points at best speak for a cause, and not loudly."""

SILENT = 0.5
"""Weight of a point that names no cause: it may tell nothing, or be told by nothing known."""


def consensus(several: Sequence[tuple[Diagnosis, ...]]) -> tuple[Diagnosis, ...]:
    """Causes that hold at several failing points of one function, best first.

    The smallest point that fails is the worst witness: at ``x = 0`` and ``n = 1`` a missing factor,
    a wrong sign and a lost sum look alike. What is named at larger points too is no accident.

    Parameters
    ----------
    several : sequence of tuple of Diagnosis
        What `explain` said at each point, the one to be shown first.

    Returns
    -------
    tuple of Diagnosis
        In the words of the first point that names it; ``fit`` is the mean over all points, those
        without a cause counting half.

    Examples
    --------
    >>> sign, mean = Diagnosis("sign-flipped", "", 0.8), Diagnosis("constant-factor", "", 0.9)
    >>> [d.name for d in consensus([(sign, mean), (mean,), (mean,)])]
    ['constant-factor']
    """
    names = dict.fromkeys(diagnosis.name for found in several for diagnosis in found)
    points = sum(1.0 if found else SILENT for found in several)
    agreed = [_agreed(name, several, points) for name in names]
    return tuple(
        sorted(
            (d for d in agreed if d is not None and d.fit >= LEAST_MEAN),
            key=lambda diagnosis: -diagnosis.fit,
        )[:MOST_SHOWN]
    )


def _agreed(name: str, several: Sequence[tuple[Diagnosis, ...]], points: float) -> Diagnosis | None:
    named = [d for found in several for d in found if d.name == name]
    if len(named) < ENOUGH * points:
        return None
    return replace(named[0], fit=min(1.0, sum(d.fit for d in named) / points))
