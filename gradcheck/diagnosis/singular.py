"""Claims that are not finite where the function and its slopes are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradcheck.diagnosis.evidence import Mask, View
from gradcheck.diagnosis.features import Feature, features
from gradcheck.diagnosis.region import tied_entries
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

FIT_CONTRAST = 0.95
"""Not finite exactly there, and finite elsewhere."""

FIT_ALONE = 0.85
"""Not finite, and such a place is among the entries: a NaN spreads through sums."""

OVERFLOW = {8: 300.0, 4: 40.0, 2: 9.0}
"""Magnitudes, by bytes of the dtype, beyond which a square of an exponential overflows."""

OVERFLOW_OF_SQUARES = {8: 26.0, 4: 9.3, 2: 3.3}
"""The same for an exponential of a square: densities and their tails."""

EQUAL = 1e-9
"""Relative difference below which two eigenvalues are the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """Entries at which a formula may break, and what breaks there."""

    name: str
    words: str
    mask: Mask
    common: bool = False
    """Whether half of all generic entries are in it: only an exact match is telling."""


def not_finite(view: View) -> Iterator[Diagnosis]:
    """The claim is NaN or infinite where an input is infinite, large, zero, tied, or negative."""
    broken = view.wrong & ~view.finite
    if not broken.any():
        return
    found = list(places(view))
    exact = [place for place in found if (place.mask == broken).all()]
    rare = [place for place in found if place.mask.any() and not place.common]
    near = [place for place in rare if (place.mask >= broken).all()]
    some = rare
    for candidates, fit in ((exact, FIT_CONTRAST), (near, FIT_ALONE), (some, FIT_ALONE)):
        if candidates:
            yield _diagnosis(view, candidates[0], broken, fit)
            return


def _diagnosis(view: View, place: Place, broken: Mask, fit: float) -> Diagnosis:
    kinds = sorted({str(abs(value)) for value in np.real(view.claimed[broken])})
    sentence = f"the claim is {' and '.join(kinds)} where {place.words}"
    where = "exactly there" if (place.mask == broken).all() else "and such an entry is there"
    evidence = f"{int(broken.sum())} of {broken.size} entries, {where}; the estimate is finite"
    return Diagnosis(place.name, sentence, fit, view.name, evidence)


def places(view: View) -> Iterator[Place]:
    """Where formulas break, the most telling first."""
    found = [f for f in features(view) if f.role != "cotangent" and f.values.dtype.kind == "f"]
    found.sort(key=lambda feature: not feature.own)
    yield from _infinite(view)
    yield from _nothing_kept(view)
    for feature in found:
        yield from _large(view, feature)
    yield from _large_quotients(view, [f for f in found if f.role == "input"])
    for feature in found:
        words = f"{feature.words} is zero: 0/0, 0*inf or 0*log 0"
        yield Place("singular-at-zero", words, feature.values == 0)
    yield from _zero_rows(view)
    yield from _ties(view)
    for feature in found:
        if feature.role == "input":
            words = f"{feature.words} is not positive: a logarithm or a root of it"
            yield Place("wrong-for-negative", words, feature.values <= 0, common=True)
    yield from _anywhere(view)


def _infinite(view: View) -> Iterator[Place]:
    for name, value in _floats(view).items():
        infinite = np.isinf(value)
        words = f"{name} is infinite: inf - inf, or 0*inf"
        if value.shape == view.shape:
            yield Place("singular-at-infinity", words, view.pick(infinite))
            if value.ndim:
                rows = np.asarray(infinite.all(axis=-1, keepdims=True))
                words = f"a whole row of {name} is infinite: inf - inf"
                yield Place("singular-at-infinity", words, view.pick(rows))
        if infinite.any():
            yield Place("singular-at-infinity", words, np.ones(view.flat.size, dtype=bool))


def _nothing_kept(view: View) -> Iterator[Place]:
    """A mask that keeps nothing, or everything: a count of zero under a quotient."""
    everything = np.ones(view.flat.size, dtype=bool)
    for name, value in view.case.inputs.items():
        uniform = value.dtype.kind == "b" and np.unique(value).size == 1
        if uniform and not view.finite.any():
            words = f"{name} is {bool(value.flat[0])} everywhere: 0/0 of a count"
            yield Place("singular-at-zero", words, everything)


def _large(view: View, feature: Feature) -> Iterator[Place]:
    value = view.case.inputs.get(feature.source)
    if feature.role != "input" or value is None or value.dtype.kind != "f":
        return
    size = np.abs(feature.values)
    limit = OVERFLOW.get(value.dtype.itemsize, OVERFLOW[8])
    yield Place("overflow", f"{feature.words} is large: exp overflows", size > limit)
    squares = OVERFLOW_OF_SQUARES.get(value.dtype.itemsize, OVERFLOW_OF_SQUARES[8])
    words = f"{feature.words} is large: exp of its square overflows, or is zero"
    yield Place("overflow", words, size > squares, common=True)


def _large_quotients(view: View, found: list[Feature]) -> Iterator[Place]:
    for upper in found:
        for lower in found:
            value = view.case.inputs[upper.source]
            limit = OVERFLOW.get(value.dtype.itemsize, OVERFLOW[8])
            size = np.abs(upper.values / lower.values)
            words = f"{upper.words} / {lower.words} is large: exp overflows"
            # Not where the divisor is zero: that is another cause, and has its own name.
            yield Place("overflow", words, (size > limit) & (lower.values != 0))


def _zero_rows(view: View) -> Iterator[Place]:
    for name, value in _floats(view).items():
        if value.shape == view.shape and value.ndim and value.size:
            rows = (value == 0).all(axis=-1, keepdims=True)
            words = f"a whole row of {name} is zero: 0/0 of a norm"
            yield Place("singular-at-zero", words, view.pick(rows))


def _ties(view: View) -> Iterator[Place]:
    for name, value in _floats(view).items():
        if value.shape == view.shape and value.ndim and value.size:
            yield from _own_ties(view, name, value)
    own = view.case.inputs[view.name]
    for name, value in _floats(view).items():
        if name != view.name and value.shape == view.shape:
            words = f"{view.name} equals {name}: a division by their difference"
            yield Place("singular-at-ties", words, view.pick(own == value))


def _own_ties(view: View, name: str, value: Array) -> Iterator[Place]:
    everything = np.ones(view.flat.size, dtype=bool)
    if repeated_eigenvalues(value):
        words = f"eigenvalues of {name} coincide: a division by their difference"
        yield Place("singular-at-ties", words, everything)
    if value.ndim > 1:
        _, inverse, counts = np.unique(
            value.reshape(len(value), -1), axis=0, return_inverse=True, return_counts=True
        )
        twins = (counts[inverse] > 1).reshape([-1, *[1] * (value.ndim - 1)])
        words = f"two rows of {name} are equal: 0/0 of their distance"
        yield Place("singular-at-ties", words, view.pick(twins))
    words = f"entries of {name} are equal: a division by their difference"
    yield Place("singular-at-ties", words, view.pick(tied_entries(value)))


def repeated_eigenvalues(matrix: Array) -> bool:
    """Whether the symmetric part of a square matrix has an eigenvalue twice.

    >>> repeated_eigenvalues(np.eye(2)), repeated_eigenvalues(np.diag([1.0, 2.0]))
    (True, False)
    """
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or len(matrix) < 2:
        return False
    if not np.isfinite(matrix).all():
        return False
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    return bool((np.diff(values) <= EQUAL * np.abs(values).max(initial=0.0)).any())


def _anywhere(view: View) -> Iterator[Place]:
    """A zero or a huge number anywhere in an input: sums carry its NaN to every entry."""
    everything = np.ones(view.flat.size, dtype=bool)
    for name, value in _floats(view).items():
        limit = OVERFLOW.get(value.dtype.itemsize, OVERFLOW[8])
        if (np.abs(value) > limit).any():
            yield Place("overflow", f"an entry of {name} is large: exp overflows", everything)
        if (value == 0).any():
            words = f"an entry of {name} is zero: 0/0, 0*inf or 0*log 0"
            yield Place("singular-at-zero", words, everything)


def _floats(view: View) -> dict[str, Array]:
    arrays = view.case.inputs
    return {name: arrays[name] for name in arrays if arrays[name].dtype.kind == "f"}
