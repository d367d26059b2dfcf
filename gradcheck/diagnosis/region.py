"""Wrong exactly where something holds: a stump over simple features of the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.diagnosis.coupling import any_along
from gradcheck.diagnosis.evidence import Mask, View, view_of
from gradcheck.diagnosis.features import Feature, input_features
from gradcheck.result import Case, Diagnosis, Severity
from gradcheck.trees import Array

RARE = "rare"
"""Regions no generic point is in (exact zeros, ties): one entry inside is telling."""

COMMON = "common"
"""Regions half of all points are in (signs): many entries must agree."""

FIT_RARE = {0: 0.64, 1: 0.86, 2: 0.92}
FIT_COMMON = {2: 0.5, 3: 0.58, 4: 0.72, 5: 0.82, 6: 0.9}
SUREST = 0.96
FREE_BOUND = 0.06
"""Loss of fit for a bound chosen between the entries, where zero would have been none."""

FIT_SOME_TIED = 0.84
FIT_ALL_CREDIT = 0.86
END = 0.9
"""A claim this far out in the interval of one-sided slopes lies at its end."""

MIRRORED = 0.2
"""Gain where the wrong claims have the right size: a sign was lost for half of the line."""

ELSEWHERE = 0.03
"""Loss of fit where the region lies in another input than the one whose gradient is wrong."""

LARGE = 20.0
"""Magnitudes above this are where exponentials cancel and squares swamp what is added to them."""

ENTRIES_FOR_SIZES = 3
"""Of two entries one is always larger."""

SMALL = 1e-3
GAP = 4.0
"""A threshold is believed where no entry lies within this factor of it."""

MOST_VALUES = 12
"""Different values an integer input may take to count as an option."""


@dataclass(frozen=True, slots=True)
class Region:
    """Entries where something holds, the diagnosis it stands for, and the words for it.

    ``freedom`` is the fit lost to a number that was chosen to make it hold.
    """

    name: str
    words: str
    mask: Mask
    kind: str = COMMON
    own: bool = True
    freedom: float = 0.0


def wrong_where(view: View) -> Iterator[Diagnosis]:
    """Claims are wrong inside a region and right outside it."""
    if not view.finite.all():
        return
    judged = view.wrong | (view.right & ~(view.silent & (view.claimed == 0)))
    if not (judged & ~view.wrong).any():
        return
    for region in regions(view):
        if (region.mask == view.wrong)[judged].all():
            yield _diagnosis(view, region, judged)
    yield from _some_of_the_tied(view, judged)


def _some_of_the_tied(view: View, judged: Mask) -> Iterator[Diagnosis]:
    """Of tied entries one may be credited rightly by chance; they all claim the same."""
    for region in _tied(view):
        tied = region.mask & judged
        if region.name != "wrong-at-ties" or not (view.wrong <= region.mask).all():
            continue
        alike = np.unique(np.round(view.claimed[tied], 12)).size < int(tied.sum())
        if alike and (view.right & ~view.silent & ~region.mask).any():
            yield replace(_diagnosis(view, region, judged), fit=FIT_SOME_TIED)
            return


def credited_in_full(case: Case) -> Iterator[Diagnosis]:
    """No entry is wrong by itself, but tied ones all claim the most a single one may.

    At a kink each coordinate has an interval of right answers; together they have less.
    """
    if any(table.wrong.any() for table in case.entries.values()):
        return
    if any(finding.severity is Severity.FAILURE for finding in case.findings):
        return
    for name in case.entries:
        view = view_of(case, name)
        if view is not None and view.finite.all():
            yield from _all_the_credit(view)


def _all_the_credit(view: View) -> Iterator[Diagnosis]:
    doubtful = view.vague
    value = view.case.inputs[view.name]
    if value.shape != view.shape or (view.pick(value)[doubtful] == 0).any():
        return  # a kink at zero, of each entry for itself
    at_the_end = np.abs(view.mismatch) >= END * view.error
    for region in _tied(view):
        if region.name != "wrong-at-ties" or doubtful.sum() < 2:
            continue
        if (doubtful <= (region.mask & at_the_end)).all():
            sentence = f"the claim is wrong where {region.words}: every tied entry is credited in"
            sentence += " full, where their shares must add up to one"
            evidence = f"{int(doubtful.sum())} tied entries claim the larger one-sided slope each"
            yield Diagnosis("wrong-at-ties", sentence, FIT_ALL_CREDIT, view.name, evidence)
            return


def _diagnosis(view: View, region: Region, judged: Mask) -> Diagnosis:
    count, inside = int(judged.sum()), int(view.wrong.sum())
    rare = region.kind == RARE
    alike = min(2 * min(inside, count - inside) + 1, _positions(view, judged))
    telling = 0 if count == 2 else min(inside, 2)
    fit = FIT_RARE[telling] if rare else FIT_COMMON[min(count, alike, 6)]
    fit += MIRRORED if not rare and _mirrored(view) else 0.0
    fit = min(fit, SUREST) - (0.0 if region.own else ELSEWHERE) - region.freedom
    sentence = f"the claim is wrong exactly where {region.words}, and right everywhere else"
    evidence = f"{inside} wrong entries inside, {count - inside} right ones outside"
    return Diagnosis(region.name, sentence, fit, view.name, evidence)


def _positions(view: View, judged: Mask) -> int:
    """How many answers there are: of entries; of whole rows, where each row has a single one.

    Where every entry stands for itself, its place is nothing and its value all.
    """
    found = int(judged.sum())
    if not view.whole or view.is_elementwise:
        return found
    wrong, right = (mask.reshape(view.shape) for mask in (view.wrong, judged & ~view.wrong))
    for axis, length in enumerate(view.shape):
        bad, good = any_along(wrong, axis), any_along(right, axis)
        if length > 1 and not (bad & good).any():
            found = min(found, int((bad | good).sum()))
    return found


def _mirrored(view: View) -> bool:
    """Whether the wrong claims are the estimates with the other sign."""
    turned = view.explains(-view.estimate, 2 * view.error)
    return bool(turned[view.wrong].all())


def regions(view: View) -> Iterator[Region]:
    """Regions told by the sign, size, ties and options of the inputs laid beside the entries."""
    for feature in input_features(view):
        if np.iscomplexobj(feature.values):
            continue
        kind = view.case.inputs[feature.source].dtype.kind
        yield from _options(feature) if kind in "iub" else _real(view, feature)
    yield from _tied(view)


def _real(view: View, feature: Feature) -> Iterator[Region]:
    values, words, own = feature.values, feature.words, feature.own
    yield Region("wrong-at-zero", f"{words} is zero", values == 0, RARE, own)
    yield Region("wrong-for-negative", f"{words} is negative", values < 0, COMMON, own)
    yield Region("wrong-for-negative", f"{words} is zero or negative", values <= 0, COMMON, own)
    yield Region("wrong-for-positive", f"{words} is positive", values > 0, COMMON, own)
    yield Region("wrong-for-positive", f"{words} is zero or positive", values >= 0, COMMON, own)
    yield from _tails(view, values, words, own)
    yield from _sizes(view, np.abs(values), words, own)


def _tails(view: View, values: Array, words: str, own: bool) -> Iterator[Region]:
    """Beyond a bound that is not zero: a clip, a branch."""
    top, bottom = float(values[view.wrong].max()), float(values[view.wrong].min())
    if top < 0:
        text = f"{words} <= {top:.3g}"
        yield Region("wrong-for-negative", text, values <= top, COMMON, own, FREE_BOUND)
    if bottom > 0:
        text = f"{words} >= {bottom:.3g}"
        yield Region("wrong-for-positive", text, values >= bottom, COMMON, own, FREE_BOUND)


def _sizes(view: View, size: Array, words: str, own: bool) -> Iterator[Region]:
    if int((view.wrong | view.right).sum()) < ENTRIES_FOR_SIZES:
        return
    inside, outside = size[view.wrong], size[view.right]
    low, high = float(inside.min()), float(outside.max(initial=0.0))
    if low > max(LARGE, GAP * high):
        yield Region("wrong-for-large", f"abs({words}) >= {low:.3g}", size >= low, RARE, own)
    least = float(outside[outside > 0].min(initial=np.inf))
    top = float(inside.max())
    if 0 < top < min(SMALL, least / GAP) and low > 0:
        mask = (size <= top) & (size > 0)
        yield Region("wrong-for-small", f"abs({words}) <= {top:.3g}", mask, RARE, own)


def _options(feature: Feature) -> Iterator[Region]:
    values, words = feature.values, feature.words
    if np.unique(values).size > MOST_VALUES:
        return
    yield Region("wrong-for-option", f"{words} is negative", values < 0, COMMON, True)
    for value in np.unique(values):
        yield Region("wrong-for-option", f"{words} is {value:g}", values == value, COMMON, True)
        yield Region("wrong-for-option", f"{words} is not {value:g}", values != value, COMMON, True)


def _tied(view: View) -> Iterator[Region]:
    value = view.case.inputs[view.name]
    if value.shape != view.shape or value.size < 2 or value.dtype.kind not in "fc":
        return
    everywhere = tied_entries(value.reshape(1, -1)).reshape(value.shape)
    words = f"an entry of {view.name} equals another"
    yield Region("wrong-at-ties", words, view.pick(everywhere), RARE)
    if value.ndim > 1:
        words = f"an entry of {view.name} equals another in its row"
        yield Region("wrong-at-ties", words, view.pick(tied_entries(value)), RARE)
    for name, other in view.case.inputs.items():
        if name != view.name and other.shape == value.shape and other.dtype.kind in "fc":
            words = f"{view.name} equals {name}"
            yield Region("wrong-at-ties", words, view.pick(value == other), RARE)
            words = f"{view.name} is less than {name}"
            if value.dtype.kind == "f" and other.dtype.kind == "f":
                yield Region("wrong-for-negative", words, view.pick(value < other), COMMON)
                words = f"{view.name} is greater than {name}"
                yield Region("wrong-for-positive", words, view.pick(value > other), COMMON)


def tied_entries(array: Array) -> Mask:
    """Entries that equal another entry of their row.

    >>> tied_entries(np.array([[1.0, 2.0, 1.0], [1.0, 2.0, 3.0]]))
    array([[ True, False,  True],
           [False, False, False]])
    """
    rows = array.reshape(-1, array.shape[-1])
    mask = np.zeros(rows.shape, dtype=bool)
    for row, marks in zip(rows, mask, strict=True):
        _, inverse, counts = np.unique(row, return_inverse=True, return_counts=True)
        marks[:] = counts[inverse] > 1
    return mask.reshape(array.shape)
