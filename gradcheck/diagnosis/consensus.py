"""One bug seen at several points: the cause that explains it at most of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.diagnosis.ranking import LEAST_FIT, MOST_SHOWN
from gradcheck.result import Diagnosis

ENOUGH = 0.5
"""A cause must be named at this share of the points that name any."""


def consensus(several: Sequence[tuple[Diagnosis, ...]]) -> tuple[Diagnosis, ...]:
    """Causes that hold at several failing points of one function, best first.

    The smallest point that fails is the worst witness: at ``x = 0`` and ``n = 1`` a missing factor,
    a wrong sign and a lost sum look alike. What is named at larger points too is no accident.

    Parameters
    ----------
    several : sequence of tuple of Diagnosis
        What `explain` said at each point, the one to be shown first. Points at which it said
        nothing are left out.

    Returns
    -------
    tuple of Diagnosis
        In the words of the first point that names it; ``fit`` is the mean over all points.

    Examples
    --------
    >>> sign, mean = Diagnosis("sign-flipped", "", 0.8), Diagnosis("constant-factor", "", 0.9)
    >>> [d.name for d in consensus([(sign, mean), (mean,), (mean,)])]
    ['constant-factor']
    """
    speaking = [found for found in several if found]
    names = dict.fromkeys(diagnosis.name for found in speaking for diagnosis in found)
    agreed = [_agreed(name, speaking) for name in names]
    return tuple(
        sorted(
            (d for d in agreed if d is not None and d.fit >= LEAST_FIT * ENOUGH),
            key=lambda diagnosis: -diagnosis.fit,
        )[:MOST_SHOWN]
    )


def _agreed(name: str, speaking: list[tuple[Diagnosis, ...]]) -> Diagnosis | None:
    named = [d for found in speaking for d in found if d.name == name]
    if len(named) < ENOUGH * len(speaking):
        return None
    return replace(named[0], fit=sum(d.fit for d in named) / len(speaking))
