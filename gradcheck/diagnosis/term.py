"""What is left between claim and estimate looks like something known: a term is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy import special

from gradcheck.diagnosis.evidence import Mask, View
from gradcheck.diagnosis.features import (
    Feature,
    cotangent_features,
    features,
    input_features,
    output_features,
    products,
)
from gradcheck.diagnosis.ratio import ENTRIES_FOR_UNNAMED, constant_ratio
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

NICE = (1.0, 2.0, 0.5, 3.0, 4.0, 0.25)
"""Sizes of constants a forgotten term usually comes with."""

FIT_NICE = {1: 0.5, 2: 0.86, 3: 0.92}
FIT_ANY = {1: 0.0, 2: 0.0, 3: 0.8, 4: 0.88}
FIT_PER_BLOCK = 0.82
PRODUCT_PENALTY = 0.04

FIT_CONSTANT = 0.8
FIT_COMPOSED = {2: 0.7, 3: 0.81}
LEAST_COMPOSED = 2
MOST_ATOMS = 6
NICELY = 1e-6
ROUGHLY = 1e-3

ATOMS: Mapping[str, Callable[[Any], Any]] = {
    "{}": lambda v: v,
    "({})**2": np.square,
    "1/{}": np.reciprocal,
    "exp({})": np.exp,
    "log({})": np.log,
    "(1 - {})": lambda v: 1 - v,
    "sqrt({})": np.sqrt,
    "digamma({})": special.digamma,
    "sigmoid({})": special.expit,
    "tanh({})": np.tanh,
    "({})**3": lambda v: v**3,
    "sin({})": np.sin,
    "cos({})": np.cos,
}
"""Functions that derivatives are made of; products of two of them are tried too."""

LEAST_BLOCKS = 2
LEAST_WIDTH = 3
SPARE_ENTRIES = 2
"""Entries a block must have beyond the numbers fitted to it: fewer would always fit."""


def missing_term(view: View) -> Iterator[Diagnosis]:
    """Claimed minus estimate is a constant times an input, an output, a cotangent, a product."""
    if not view.finite.all() or (view.claimed == 0).all() or view.silent.all():
        return
    if _is_multiple(view):
        return  # whatever the estimate is proportional to, the rest is as well
    for feature in candidates(view):
        fitted = _proportional(view, feature.values)
        if fitted is not None:
            yield _diagnosis(view, feature, fitted)


def _is_multiple(view: View) -> bool:
    """Whether claims are one multiple of the estimates, as several of them say."""
    ratio = constant_ratio(view)
    return ratio is not None and ratio.entries >= ENTRIES_FOR_UNNAMED


def candidates(view: View) -> Iterator[Feature]:
    """Terms a derivative is made of: features, their exponentials, their products, a constant."""
    plain = features(view)
    yield from plain
    with np.errstate(all="ignore"):
        for feature in plain:
            yield Feature(f"exp({feature.words})", np.exp(feature.values), "shape", feature.source)
    yield from products(plain)


def constant_rest(view: View) -> Iterator[Diagnosis]:
    """Every claim is off by the same number, whatever it should be: a path through a sum."""
    if not view.whole or not view.finite.all() or not view.wrong.all() or not view.shape:
        return
    if np.iscomplexobj(view.mismatch) or np.unique(np.round(view.estimate, 12)).size < 2:
        return
    if view.flat.size < LEAST_WIDTH or (view.claimed == 0).all():
        return
    best = int(np.argmin(view.error))
    rest = view.mismatch[best]
    if view.explains(view.estimate + rest, view.error + view.error[best]).all():
        sentence = f"claimed is off by {rest:.6g} in every entry: the part that goes through a sum"
        sentence += " or mean of all of them"
        evidence = f"one number for all {view.flat.size} entries"
        yield Diagnosis("missing-term", sentence, FIT_CONSTANT, view.name, evidence)


def composed_term(view: View) -> Iterator[Diagnosis]:
    """Claimed minus estimate is a product of up to two simple functions of what lies beside it."""
    live = ~(view.silent & (view.claimed == 0))
    if not view.finite.all() or np.iscomplexobj(view.mismatch) or not (view.wrong >= live).all():
        return
    if int(view.wrong.sum()) < LEAST_COMPOSED or (view.claimed == 0).all() or _is_multiple(view):
        return
    told = np.where(live, np.abs(view.mismatch) / _noise(view), 0.0)
    for words, terms in _compositions(view):
        place = _best_composition(view, terms, live, int(np.argmax(told)))
        if place is not None:
            index, constant, entries = place
            sentence = f"claimed {'lacks' if constant < 0 else 'has too much'} the term "
            sentence += f"{_size(constant)}{words[index]}"
            evidence = f"claimed - estimated is that in {entries} entries"
            fit = FIT_COMPOSED[min(entries, 3)]
            yield Diagnosis("missing-term", sentence, fit, view.name, evidence)
            return


def _compositions(view: View) -> Iterator[tuple[list[str], Array]]:
    """Simple functions of features, then their products with each other; each also times g."""
    words, values = _atoms(view)
    weights = [("", np.ones(view.flat.size))]
    weights += [(f" * {f.words}", f.values) for f in cotangent_features(view)]
    with np.errstate(all="ignore"):
        for suffix, weight in weights:
            yield [f"{word}{suffix}" for word in words], values * weight
        for i, word in enumerate(words):
            for suffix, weight in weights:
                yield [f"{word} * {other}{suffix}" for other in words], values[i] * values * weight


def _atoms(view: View) -> tuple[list[str], Array]:
    plain = [*input_features(view), *output_features(view)][:MOST_ATOMS]
    plain = [f for f in plain if not np.iscomplexobj(f.values)]
    own = [f for f in plain if f.role == "input" and f.varies]
    for i, left in enumerate(own):
        for right in own[i + 1 :]:
            plain.append(
                Feature(f"({left.words} - {right.words})", left.values - right.values, "", "")
            )
            plain.append(
                Feature(f"({left.words} + {right.words})", left.values + right.values, "", "")
            )
    found: dict[str, Array] = {}
    with np.errstate(all="ignore"):
        for feature in plain:
            for form, shape in ATOMS.items():
                values = shape(feature.values)
                if np.isfinite(values).all() and np.ptp(values) > 0:
                    found[form.format(feature.words)] = values
    stacked = np.stack(list(found.values())) if found else np.zeros((0, view.flat.size))
    return list(found), stacked


def _best_composition(
    view: View, terms: Array, live: Mask, best: int
) -> tuple[int, float, int] | None:
    """The first term that what is left is a nice multiple of, the multiple, and by how many.

    ``best`` is the entry that tells the multiple best.
    """
    if not len(terms):
        return None
    with np.errstate(all="ignore"):
        constants = view.mismatch[best] / terms[:, best]
        nice = np.abs(np.abs(constants)[:, None] / np.array(NICE) - 1).min(axis=1) < NICELY
        chosen = np.flatnonzero(nice)
        if not chosen.size:
            return None
        off = np.abs(constants[chosen, None] * terms[chosen] - view.mismatch)
        rough = off <= ROUGHLY * np.abs(view.mismatch)
    for index in chosen[rough[:, live].all(axis=1)]:
        term = np.where(live, terms[index], 0.0)
        error = view.error + np.abs(term / term[best]) * view.error[best]
        if view.explains(view.estimate + constants[index] * term, error).all():
            entries = int(np.unique(np.round(np.abs(term[live]), 12)).size)
            return (int(index), float(constants[index]), entries) if entries > 1 else None
    return None


def _proportional(view: View, term: Array) -> tuple[float, int] | None:
    """The constant c of ``claimed - estimate = c term``, and how many different entries agree."""
    if not np.isfinite(term).all() or np.iscomplexobj(term) != np.iscomplexobj(view.mismatch):
        return None
    usable = view.wrong & (term != 0)
    if not usable.any() or not (usable == view.wrong).all():
        return None
    best = np.flatnonzero(usable)[np.argmax(np.abs(view.mismatch[usable]) / _noise(view)[usable])]
    constant = view.mismatch[best] / term[best]
    gain = np.abs(term / term[best])
    error = view.error + gain * view.error[best]
    if abs(np.imag(constant)) > view.precision * abs(constant):
        return None
    if not view.explains(view.estimate + constant * term, error).all():
        return None
    return float(np.real(constant)), int(np.unique(np.round(np.abs(term[usable]), 12)).size)


def _noise(view: View) -> Array:
    return np.asarray(view.error + np.finfo(float).eps * np.abs(view.estimate) + 1e-300)


def _diagnosis(view: View, feature: Feature, fitted: tuple[float, int]) -> Diagnosis:
    constant, entries = fitted
    nice = any(abs(abs(constant) - number) < 1e-6 * number for number in NICE)
    fit = FIT_NICE[min(entries, 3)] if nice else FIT_ANY[min(entries, 4)]
    if feature.role in ("product", "shape"):
        fit -= PRODUCT_PENALTY
    term = f"{_size(constant)}{feature.words}"
    verb = "lacks" if constant < 0 else "has too much"
    sentence = f"claimed {verb} the term {term}"
    evidence = f"claimed - estimated is proportional to {feature.words} in {entries} entries"
    return Diagnosis("missing-term", sentence, max(fit, 0.0), view.name, evidence)


def _size(constant: float) -> str:
    return "" if abs(abs(constant) - 1) < 1e-6 else f"{abs(constant):.6g} * "


def missing_term_per_block(view: View) -> Iterator[Diagnosis]:
    """Each row, or block of entries, lacks its own multiple of one or two patterns.

    That is what is left of a gradient whose path through a mean, a norm or a normaliser of the
    block was forgotten, or was given the wrong weight.
    """
    if not view.whole or not view.finite.all() or np.iscomplexobj(view.mismatch):
        return
    for order, width in blocks_of(view.shape):
        wrong = view.wrong[order].reshape(-1, width)
        if not _enough_wrong(wrong, patterns=1):
            continue
        for words, patterns in block_patterns(view):
            if _each_block(view, patterns, order, width):
                blocks = view.flat.size // width
                sentence = f"claimed is off by a multiple of {words} in each block of {width}"
                sentence += " entries: the part that goes through a mean, sum or norm of the block"
                evidence = f"holds in all {blocks} blocks, each with its own multiple"
                yield Diagnosis("missing-term", sentence, FIT_PER_BLOCK, view.name, evidence)
                return


def blocks_of(shape: tuple[int, ...]) -> list[tuple[Array, int]]:
    """Orders of the entries in which blocks are consecutive, and the size of a block.

    Rows and groups of trailing axes are consecutive as they are; columns once the first axis is
    the last.
    """
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    turned = np.moveaxis(places, 0, -1) if len(shape) > 1 else places
    found = [(places.ravel(), width) for width in block_widths(shape)]
    columns = [w for w in block_widths(turned.shape) if w % max(shape[:1], default=1) == 0]
    return found + [(turned.ravel(), w) for w in columns if len(shape) > 1]


def block_widths(shape: tuple[int, ...]) -> list[int]:
    """Sizes of the blocks that trailing axes make, or half and quarter axes: groups of channels.

    >>> block_widths((2, 4, 3))
    [3, 6, 12]
    """
    size = int(np.prod(shape, dtype=np.int64))
    widths, width = set(), 1
    for length in reversed(shape):
        widths |= {width * part for part in range(1, length + 1) if length % part == 0}
        width *= length
    return sorted(w for w in widths if w >= LEAST_WIDTH and w * LEAST_BLOCKS <= size)


def block_patterns(view: View) -> Iterator[tuple[str, list[Array]]]:
    """Patterns that a reduction over a block leaves in a gradient."""
    ones = np.ones(view.flat.size)
    yield "a constant", [ones]
    for feature in features(view):
        if _is_a_number(view, feature) and np.isfinite(feature.values).all():
            yield feature.words, [feature.values]
            with np.errstate(all="ignore"):
                yield f"exp({feature.words})", [np.exp(feature.values)]
            yield f"{feature.words} and a constant", [ones, feature.values]


def _is_a_number(view: View, feature: Feature) -> bool:
    """Whether a pattern in it means something: not in a label, nor in an upstream gradient."""
    value = view.case.inputs.get(feature.source)
    return feature.role != "cotangent" and (value is None or value.dtype.kind not in "iu")


def _each_block(view: View, patterns: list[Array], order: Array, width: int) -> bool:
    if not _enough_wrong(view.wrong[order].reshape(-1, width), len(patterns)):
        return False
    stacked = np.stack([np.asarray(p)[order] for p in patterns], axis=-1)
    if width < len(patterns) + SPARE_ENTRIES or not np.isfinite(stacked).all():
        return False
    blocks = stacked.reshape(-1, width, len(patterns))
    left = view.mismatch[order].reshape(-1, width, 1)
    error = view.error[order].reshape(-1, width)
    fitted = blocks @ (np.linalg.pinv(blocks) @ left)
    spread = error + error.max(axis=1, keepdims=True)
    back = np.argsort(order)
    prediction = view.estimate + fitted.ravel()[back]
    return bool(view.explains(prediction, spread.ravel()[back]).all())


def _enough_wrong(wrong: Mask, patterns: int) -> bool:
    """Whether at least two blocks have more wrong entries than numbers were fitted to them."""
    return int((wrong.sum(axis=1) > patterns).sum()) >= LEAST_BLOCKS
