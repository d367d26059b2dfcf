"""All hypotheses asked, their answers put in order: best first, and silence below a threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np

from gradcheck.diagnosis import (
    absent,
    activation,
    arithmetic,
    arrangement,
    behaviour,
    broadcast,
    conjugate,
    coupling,
    duplicates,
    factor,
    incomplete,
    paths,
    ratio,
    region,
    singular,
    slices,
    support,
    term,
    upstream,
)
from gradcheck.diagnosis.evidence import View, suspects
from gradcheck.result import Case, Diagnosis

T = TypeVar("T")

OF_CASES: tuple[Callable[[Case], Iterator[Diagnosis]], ...] = (
    behaviour.named_by_findings,
    broadcast.wrong_shape,
    absent.none_for_an_input,
    arrangement.swapped,
    arithmetic.integer_array,
    region.credited_in_full,
)

OF_INPUTS: tuple[Callable[[View], Iterator[Diagnosis]], ...] = (
    upstream.ignores_cotangent,
    upstream.follows_one_output,
    ratio.sign_or_constant,
    conjugate.conjugate_missing,
    activation.taken_at_the_wrong_place,
    activation.slope_of_another,
    broadcast.not_summed,
    broadcast.one_row_only,
    arrangement.transposed,
    arrangement.misaligned,
    duplicates.repeated_index,
    duplicates.one_of_several,
    coupling.diagonal_only,
    upstream.one_for_all,
    singular.not_finite,
    arithmetic.rounded,
    arithmetic.truncated,
    arithmetic.integer_power,
    arithmetic.overflowing_count,
    factor.factor_per_entry,
    ratio.constant_in_part,
    factor.factor_per_group,
    term.missing_term,
    term.constant_rest,
    term.composed_term,
    term.missing_term_per_block,
    support.mask_inverted,
    support.mask_ignored,
    region.wrong_where,
    coupling.recurrence,
    paths.along_paths,
    slices.wrong_slices,
    absent.zero_for_an_input,
    incomplete.partly_there,
    incomplete.nearly_there,
)
"""In order of how seldom they are right by chance: the order decides between equal fits."""

LEAST_FIT = 0.55
"""Below this a hypothesis is a guess, and a guess costs its reader more than silence."""

MOST_SHOWN = 3


def explain(case: Case) -> tuple[Diagnosis, ...]:
    """Likely causes of a failed check, best first; empty where none fits well.

    Reads what is known and never calls the subject; the verdict is not its business.

    Parameters
    ----------
    case : Case
        Claimed and estimated entries of every input, with the inputs, outputs, cotangents and
        findings they came from.

    Returns
    -------
    tuple of Diagnosis
        At most three, of different names. ``fit`` is between 0 and 1: how much of the evidence the
        hypothesis explains, less what so few entries would let any hypothesis explain.

    Examples
    --------
    >>> import numpy as np
    >>> from gradcheck.result import EntryTable
    >>> x, g = np.array([0.5, -1.0, 2.0]), np.array([0.3, 1.7, -0.4])
    >>> claimed, estimate, error = 2 * g * x, g * x, np.full(3, 1e-10)
    >>> table = EntryTable((3,), np.arange(3), claimed, estimate, error, np.ones(3, bool))
    >>> case = Case({"x": x}, {"out": x * x / 2}, {"out": g}, {"x": claimed}, {"x": table})
    >>> explain(case)[0].name
    'constant-factor'
    """
    # Hypotheses divide by what may be zero; what comes out is compared, never believed.
    with np.errstate(all="ignore"):
        found = [d for hypothesis in OF_CASES for d in answer(hypothesis, case)]
        for view in suspects(case):
            found += [d for hypothesis in OF_INPUTS for d in answer(hypothesis, view)]
    found = [diagnosis for diagnosis in found if diagnosis.fit >= LEAST_FIT]
    return tuple(_best_of_each_name(found)[:MOST_SHOWN])


def answer(hypothesis: Callable[[T], Iterator[Diagnosis]], what: T) -> list[Diagnosis]:
    """What one hypothesis says; nothing if it stumbles over arrays it was not made for.

    The gradient is wrong whether or not a cause is found: no hypothesis may hide that.
    """
    try:
        return list(hypothesis(what))
    except Exception:
        return []


def _best_of_each_name(found: list[Diagnosis]) -> list[Diagnosis]:
    """The best of each name, for all inputs it was found for; sorting keeps the order of equals."""
    best: dict[str, Diagnosis] = {}
    for diagnosis in sorted(found, key=lambda diagnosis: -diagnosis.fit):
        known = best.setdefault(diagnosis.name, diagnosis)
        inputs = dict.fromkeys([*known.input.split(", "), *diagnosis.input.split(", ")])
        best[diagnosis.name] = replace(known, input=", ".join(inputs))
    return list(best.values())
