"""What one-sided quotients tell of structure that is finer than the steps.

Half of what the two one-sided quotients of a step differ by, the bend ``b(h)``, falls with the step
where a function is smooth on its scale: ``b(h) = h f'' / 2 + h**3 f'''' / 24``. So ``b(h) / h``
changes from rung to rung by less and less, a square of the step. Beside a kink, a corner of the
slope or a root that is nearer to the point than the step it changes by more and more: long steps
see a part of the function that short ones do not, and central quotients, which take the mean of
both sides, may have settled on the slope of the rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

LONG_RATIO = 6.0
"""Rungs are compared that are so far apart: between near ones all structure looks alike."""

SLOWLY = 1.1
"""Where a function is smooth the change of ``b(h) / h``, over the square of the step, is constant;
at a kink it grows with the cube of the ratio of the steps, and where quotients err with a power
0.5 of the step with the power 2.5. What grows by more than 1.1 is structure."""

AT_MOST = 2.0
"""Noise, which is as loud at all steps, bends a function by 8 times as much at each finer rung;
structure by no more, but for what coarser rungs have of their own."""

SUDDENLY = 0.2
"""No function is smooth on the scale of its longest step of which ``b(h) / h`` changes by more."""

STANDS_OUT = 3.0
CALMER_RUNGS = 2
"""Noise is as loud at finer rungs: structure moves the function by 3 times as much as at any of two
or more."""


def roughness(
    steps: Sequence[float],
    quotients: Sequence[float],
    bends: Sequence[float],
    loud: Sequence[float],
) -> tuple[list[float], bool]:
    """How far one-sided quotients are off, by rung, for structure that is finer than the steps.

    Parameters
    ----------
    steps : sequence of float
        Falling, positive.
    quotients : sequence of float
        Central difference quotients at these steps.
    bends : sequence of float
        ``b(h)`` at these steps.
    loud : sequence of float
        What noise does not move the function by, at each step.

    Returns
    -------
    list of float
        For each rung the most that structure bends the function by there or at a finer rung.
    bool
        Whether the finest rungs show what may be structure, and it takes finer ones yet to tell.

    Examples
    --------
    >>> steps = [2.0**-e for e in (2, 5, 8, 11, 14)]
    >>> roughness(steps, [1.0] * 5, [7.0 * h + h**3 for h in steps], [1e-12] * 5)[0]  # smooth
    [0.0, 0.0, 0.0, 0.0, 0.0]
    >>> rough = roughness(steps, [1.0] * 5, [h**0.5 for h in steps], [1e-12] * 5)[0]
    >>> 0.2 < rough[2] / steps[2] ** 0.5 < 1.0
    True
    """
    if not steps:
        return [], False
    kept = _far_apart(steps)
    rough, unsettled = [0.0] * len(steps), False
    worst = loudest = 0.0
    calmer, following = 0, len(steps)
    excess = _excess(steps, bends, kept)
    for i in range(len(kept) - 1, 0, -1):
        this, moved = kept[i], abs(excess[i]) * steps[kept[i]]
        if moved > max(loud[this], STANDS_OUT * loudest) and _grows(steps, excess, kept, i):
            if calmer >= CALMER_RUNGS:
                worst = max(worst, min(abs(excess[i]), abs(bends[this])))
            else:
                unsettled = True
        calmer += quotients[this] != 0.0  # what stands still is calm for no reason
        loudest = max(loudest, moved)
        rough[this:following] = [worst] * (following - this)
        following = this
    rough[:following] = [worst] * following
    return rough, unsettled


def _far_apart(steps: Sequence[float]) -> list[int]:
    """Rungs that are far from each other, coarse ones first, the finest among them."""
    kept = [len(steps) - 1]
    for j in range(len(steps) - 2, -1, -1):
        if steps[j] > LONG_RATIO * steps[kept[0]]:
            kept.insert(0, j)
    return kept


def _excess(steps: Sequence[float], bends: Sequence[float], kept: Sequence[int]) -> list[float]:
    """What the bend of a rung is beside that of the rung before, over the ratio of their steps."""
    excess = [bends[kept[0]]]
    for before, this in itertools.pairwise(kept):
        excess.append(bends[this] - bends[before] * (steps[this] / steps[before]))
    return excess


def _grows(steps: Sequence[float], excess: Sequence[float], kept: Sequence[int], i: int) -> bool:
    """Whether a bend departs from that of the rung before as no smooth function's does."""
    ratio = steps[kept[i - 1]] / steps[kept[i]]
    if abs(excess[i]) > AT_MOST * abs(excess[i - 1]):
        return False
    if i == 1:
        return abs(excess[1]) * ratio > SUDDENLY * abs(excess[0])
    before = steps[kept[i - 2]] / steps[kept[i - 1]]
    smooth = abs(excess[i - 1]) / ratio / (before * before - 1.0)
    return abs(excess[i]) > math.pow(ratio, SLOWLY) * smooth
