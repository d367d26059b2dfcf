"""One number per entry between claim and estimate: a product or quotient that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import special

from gradcheck.diagnosis.evidence import View
from gradcheck.diagnosis.features import Feature, cotangent_features, features
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

Shape = Callable[[Any], Any]

SHAPES: dict[str, Shape] = {
    "{}": lambda v: v,
    "abs({})": np.abs,
    "({})**2": np.square,
    "sqrt({})": np.sqrt,
    "exp({})": np.exp,
    "log({})": np.log,
    "1 - ({})**2": lambda v: 1 - v * v,
    "{0} * (1 - {0})": lambda v: v * (1 - v),
    "1 - {}": lambda v: 1 - v,
    "1 + {}": lambda v: 1 + v,
    "({})**3": lambda v: v**3,
    "sigmoid({})": special.expit,
    "cos({})": np.cos,
    "sin({})": np.sin,
    "tanh({})": np.tanh,
}
"""Forms a forgotten factor takes, simplest first."""

OF_COMPLEX = 3
"""The first so many of them make sense of complex numbers."""

NICE = (1.0, -1.0, 2.0, 0.5, -2.0, -0.5)
"""Constants a factor may come with; any other is a coincidence more often than a cause."""

ROUGHLY = 0.1

FIT_VARYING = {1: 0.55, 2: 0.85, 3: 0.93}
FIT_CONSTANT = 0.88
FIT_GROUPS = 0.78
FIT_UNDONE = 0.88
LEAST_TOLD = 3
"""Entries beyond the first of each group that must confirm its factor."""

SHOWN = 3

SIMPLER_FIRST = 0.005
"""Loss of fit per step down the list of shapes, so that of two that fit the simpler is named."""


def factor_per_entry(view: View) -> Iterator[Diagnosis]:
    """Claimed is the estimate times, or divided by, something that lies beside it."""
    usable = view.wrong & view.finite & ~view.silent & (view.claimed != 0)
    if not usable.any() or not view.finite.all():
        return
    told = [*features(view), *norms(view)]
    for of_complex in (False, True):
        of_kind = [feature for feature in told if np.iscomplexobj(feature.values) is of_complex]
        shapes = list(SHAPES.items())[: OF_COMPLEX if of_complex else None]
        for feature, met in zip(of_kind, _met_at_the_largest(view, of_kind, shapes), strict=True):
            found = _first_explaining(view, feature, shapes, met)
            if found is not None:
                yield _diagnosis(view, feature, *found)


def _met_at_the_largest(
    view: View, told: list[Feature], shapes: list[tuple[str, Shape]]
) -> list[list[tuple[int, int, int]]]:
    """For each feature the models that meet the largest wrong claim: shape, constant, operation.

    Most meet nothing, and need no look at the other entries.
    """
    place = int(np.argmax(np.abs(view.claimed) * view.wrong))
    claimed, estimate = view.claimed[place], view.estimate[place]
    beside = np.array([feature.values[place] for feature in told])
    met = np.zeros((len(told), len(shapes), len(NICE), 2), dtype=bool)
    constants = np.array(NICE)
    with np.errstate(all="ignore"):
        for rank, (_, shape) in enumerate(shapes):
            factor = np.asarray(shape(beside)).reshape(-1, 1)
            for way, model in enumerate((constants * factor, constants / factor)):
                met[:, rank, :, way] = np.abs(model * estimate - claimed) <= ROUGHLY * abs(claimed)
    return [[(int(r), int(c), int(w)) for r, c, w in np.argwhere(one)] for one in met]


def _first_explaining(
    view: View,
    feature: Feature,
    shapes: list[tuple[str, Shape]],
    candidates: list[tuple[int, int, int]],
) -> tuple[str, int] | None:
    """The first model that explains every entry, in words, and the rank of its shape."""
    for rank, index, way in candidates:
        form, shape = shapes[rank]
        constant = NICE[index]
        with np.errstate(all="ignore"):
            factor = np.asarray(shape(feature.values))
            explains = _fits(view, constant / factor if way else constant * factor)
        if explains:
            sign = "" if constant == 1 else f"{constant:g} x "
            return f"{sign}estimate {'/' if way else 'x'} {form.format(feature.words)}", rank
    return None


def _fits(view: View, model: Array) -> bool:
    if not np.isfinite(model[view.wrong]).all():
        return False
    model = np.where(np.isfinite(model), model, 1.0)
    return bool(view.explains(model * view.estimate, (np.abs(model) + 1) * view.error).all())


def _diagnosis(view: View, feature: Feature, found: str, rank: int) -> Diagnosis:
    fit = _fit(view, feature) - SIMPLER_FIRST * rank
    evidence = f"holds for all {view.flat.size} entries measured"
    if feature.role == "cotangent" and found == f"estimate / {feature.words}":
        sentence = "claimed = the local slope alone: the upstream gradient is not applied"
        return Diagnosis("ignores-cotangent", sentence, fit, view.name, evidence)
    sentence = f"claimed = {found}: this factor is missing, or there once too often"
    return Diagnosis("wrong-factor", sentence, fit, view.name, evidence)


def _fit(view: View, feature: Feature) -> float:
    values = feature.values[view.wrong & ~view.silent]
    different = np.unique(values).size
    if different == 1 and values.size > 1:
        return FIT_CONSTANT
    return FIT_VARYING[min(different, 3)]


def factor_per_group(view: View) -> Iterator[Diagnosis]:
    """The entries of each row, column or label share a factor, and those of another have another.

    No pattern says what the factor is, but that it is one is seen several times.
    """
    usable = view.wrong & ~view.silent
    if not view.finite.all() or (view.wrong & view.silent).any() or np.iscomplexobj(view.claimed):
        return
    if not usable.any() or (view.claimed[usable] == 0).any():
        return
    if view.name in view.case.jacobians:
        return  # whether it is a factor of every contribution is seen there
    for words, labels in groups(view):
        shared = _shared_ratios(view, labels)
        if shared is not None:
            ratios, told = shared
            if _undo_the_cotangent(view, labels, ratios):
                sentence = "every row has the same weight: the claim uses one number for all of"
                sentence += " the upstream gradient, where each has its own"
                evidence = (
                    f"claimed / estimated is that number over the cotangent, in {told} entries"
                )
                yield Diagnosis("one-cotangent-for-all", sentence, FIT_UNDONE, view.name, evidence)
                return
            listed = ", ".join(f"{ratio:.6g}" for ratio in ratios[:SHOWN])
            sentence = f"the entries of each {words} share a factor that should not be there: "
            sentence += f"{listed}{', ...' if len(ratios) > SHOWN else ''}"
            evidence = f"{len(ratios)} factors, confirmed by {told} further entries"
            yield Diagnosis("wrong-factor", sentence, FIT_GROUPS, view.name, evidence)
            return


def groups(view: View) -> Iterator[tuple[str, Array]]:
    """Ways to divide the entries: by an integer input along the first axis, rows, columns."""
    if not view.shape:
        return
    lengthwise = [-1, *[1] * (len(view.shape) - 1)]
    for name, array in view.case.inputs.items():
        if array.dtype.kind in "iub" and array.shape == view.shape[:1]:
            yield f"value of {name}", view.pick(array.reshape(lengthwise))
    if len(view.shape) > 1:
        yield "row", view.pick(np.arange(view.shape[0]).reshape(lengthwise))
        yield "column", view.pick(np.arange(view.shape[-1]))


def _shared_ratios(view: View, labels: Array) -> tuple[list[float], int] | None:
    """One ratio for each group, and how many entries confirm them; None where one does not."""
    ratios, told = [], 0
    for label in _wrong_labels(view, labels):
        inside = (labels == label) & ~view.silent
        best = np.flatnonzero(inside)[np.argmax(np.abs(view.estimate[inside]))]
        ratio = float(view.claimed[best] / view.estimate[best])
        room = view.error + abs(ratio) * view.error[best] * np.abs(
            view.estimate / view.estimate[best]
        )
        if not view.explains(ratio * view.estimate, (abs(ratio) + 1) * room)[inside].all():
            return None
        ratios.append(ratio)
        told += int(inside.sum()) - 1
    different = np.unique(np.round(ratios, 6)).size > 1
    return (ratios, told) if different and told >= LEAST_TOLD else None


def _undo_the_cotangent(view: View, labels: Array, ratios: list[float]) -> bool:
    """Whether the factors are one number over the cotangent laid beside the entries."""
    factor = np.ones(view.flat.size)
    live = (view.wrong & ~view.silent) | view.right
    for label, ratio in zip(_wrong_labels(view, labels), ratios, strict=True):
        factor[labels == label] = ratio
    for cotangent in cotangent_features(view):
        numbers = (factor * cotangent.values)[live]
        if cotangent.varies and np.ptp(numbers) <= view.precision * np.abs(numbers).max():
            return True
    return False


def _wrong_labels(view: View, labels: Array) -> list[Any]:
    return [label for label in np.unique(labels) if view.wrong[labels == label].any()]


def norms(view: View) -> Iterator[Feature]:
    """Euclidean norms of the inputs over their last axis, and over all."""
    for name, array in view.case.inputs.items():
        if array.dtype.kind in "fc" and array.ndim and array.size > 1:
            whole = np.full(view.flat.size, np.linalg.norm(array))
            yield Feature(f"norm({name})", whole, "input", name)
            if array.shape == view.shape and array.ndim > 1:
                rows = np.linalg.norm(array, axis=-1, keepdims=True)
                yield Feature(f"norm({name}) by row", view.pick(rows), "input", name)
