"""Wrong in some rows, columns or borders and right in the others."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.coupling import any_along
from gradcheck.diagnosis.evidence import Mask, View
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

FIT_BY_ENTRIES = {2: 0.4, 3: 0.55, 4: 0.7, 5: 0.76, 6: 0.8}
FIT_ALL = {True: 0.04, False: 0.0}
"""Gain where every claim inside is zero: a loop that stopped too early, a block left out."""

INTERIOR = 0.1
"""Loss of fit for a slice that touches no border: any few entries in a row make one."""

INSIDE = re.compile(r"^at positions? [1-9]\d*( to \d+)? of")

LEAST_STEP, MOST_STEP = 2, 8


def wrong_slices(view: View) -> Iterator[Diagnosis]:
    """The wrong entries are whole slices of the array."""
    live = view.right & ~view.silent
    if not view.whole or not view.shape or not live.any():
        return
    words = next(_slices(view, live), None) or next(_shapes(view, live), None)
    if words is None:
        return
    empty = bool((view.claimed[view.wrong] == 0).all())
    entries = int(view.wrong.sum() + live.sum())
    fit = FIT_BY_ENTRIES[max(2, min(entries, 6))] + FIT_ALL[empty]
    if INSIDE.search(words):
        fit -= INTERIOR if view.wrong.sum() > 1 else 1.0  # one entry is always somewhere
    what = "zero" if empty else "wrong"
    sentence = f"the claim is {what} {words}, and right everywhere else"
    evidence = f"{int(view.wrong.sum())} entries wrong there, {int(live.sum())} right elsewhere"
    yield Diagnosis("wrong-slice", sentence, fit, view.name, evidence)


def _slices(view: View, live: Mask) -> Iterator[str]:
    wrong = view.wrong.reshape(view.shape)
    right = live.reshape(view.shape)
    for axis, length in enumerate(view.shape):
        bad, good = any_along(wrong, axis), any_along(right, axis)
        if length > 1 and not (bad & good).any():
            pattern = slice_pattern(bad, bad | good)
            if pattern:
                yield f"at {pattern} of axis {axis}"


def slice_pattern(bad: Mask, seen: Mask) -> str:
    """What is regular about the positions marked, among those seen; ``""`` if nothing is.

    >>> slice_pattern(np.array([0, 0, 1, 1], bool), np.ones(4, bool))
    'positions 2 and beyond'
    >>> slice_pattern(np.array([1, 0, 1, 0, 1], bool), np.ones(5, bool))
    'every 2nd position, from 0'
    """
    for mask, words in _patterns(bad.size, np.flatnonzero(bad)):
        if (mask == bad)[seen].all():
            return words
    return ""


def _patterns(length: int, places: Array) -> Iterator[tuple[Mask, str]]:
    at = np.arange(length)
    first, last = int(places[0]), int(places[-1])
    if len(places) == 1:
        word = {0: "the first position", length - 1: "the last position"}
        yield at == first, word.get(first, f"position {first}")
    yield (at == 0) | (at == length - 1), "the borders (the first and last position)"
    yield at >= first, f"positions {first} and beyond"
    yield at <= last, f"positions 0 to {last}"
    yield (at >= first) & (at <= last), f"positions {first} to {last}"
    for step in range(LEAST_STEP, min(MOST_STEP, length) + 1):
        nth = {2: "2nd", 3: "3rd"}.get(step, f"{step}th")
        yield at % step == first % step, f"every {nth} position, from {first % step}"


def _shapes(view: View, live: Mask) -> Iterator[str]:
    if len(view.shape) != 2 or min(view.shape) < 2:
        return
    i, j = np.indices(view.shape)
    rows, columns = view.shape
    border = (i == 0) | (j == 0) | (i == rows - 1) | (j == columns - 1)
    judged = (view.wrong | live).reshape(view.shape)
    wrong = view.wrong.reshape(view.shape)
    for mask, words in (
        (i == j, "on the diagonal"),
        (i != j, "off the diagonal"),
        (i > j, "below the diagonal"),
        (i < j, "above the diagonal"),
        (i >= j, "on and below the diagonal"),
        (i <= j, "on and above the diagonal"),
        (border, "on the border"),
    ):
        if (mask == wrong)[judged].all():
            yield words
