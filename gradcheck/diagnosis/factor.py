"""One number per entry between claim and estimate: a product or quotient that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import special

from gradcheck.diagnosis.evidence import View
from gradcheck.diagnosis.features import Feature, features
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

SHAPES: dict[str, Callable[[Any], Any]] = {
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
SIMPLER_FIRST = 0.005
"""Loss of fit per step down the list of shapes, so that of two that fit the simpler is named."""


def factor_per_entry(view: View) -> Iterator[Diagnosis]:
    """Claimed is the estimate times, or divided by, something that lies beside it."""
    usable = view.wrong & view.finite & ~view.silent & (view.claimed != 0)
    if not usable.any() or not view.finite.all():
        return
    for feature in [*features(view), *norms(view)]:
        known = OF_COMPLEX if np.iscomplexobj(feature.values) else len(SHAPES)
        for rank, (form, shape) in enumerate(list(SHAPES.items())[:known]):
            found = _explained(view, feature, form, shape)
            if found is not None:
                yield _diagnosis(view, feature, found, rank)
                break


def _explained(view: View, feature: Feature, form: str, shape: Callable[[Any], Any]) -> str | None:
    with np.errstate(all="ignore"):
        factor = np.asarray(shape(feature.values))
        for constant in NICE:
            for words, model in (("x", constant * factor), ("/", constant / factor)):
                if _fits(view, model):
                    sign = "" if constant == 1 else f"{constant:g} x "
                    return f"{sign}estimate {words} {form.format(feature.words)}"
    return None


def _fits(view: View, model: Array) -> bool:
    if not _near(view, model) or not np.isfinite(model[view.wrong]).all():
        return False
    model = np.where(np.isfinite(model), model, 1.0)
    return bool(view.explains(model * view.estimate, (np.abs(model) + 1) * view.error).all())


def _near(view: View, model: Array) -> bool:
    """Whether the largest wrong claim is met at all: most models need no further look."""
    place = int(np.argmax(np.abs(view.claimed) * view.wrong))
    claimed = view.claimed[place]
    met = abs(model[place] * view.estimate[place] - claimed) <= ROUGHLY * abs(claimed)
    return bool(met)


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


def norms(view: View) -> Iterator[Feature]:
    """Euclidean norms of the inputs over their last axis, and over all."""
    for name, array in view.case.inputs.items():
        if array.dtype.kind in "fc" and array.ndim and array.size > 1:
            whole = np.full(view.flat.size, np.linalg.norm(array))
            yield Feature(f"norm({name})", whole, "input", name)
            if array.shape == view.shape and array.ndim > 1:
                rows = np.linalg.norm(array, axis=-1, keepdims=True)
                yield Feature(f"norm({name}) by row", view.pick(rows), "input", name)
