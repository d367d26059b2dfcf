"""Complex gradients whose conjugate is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradcheck.diagnosis.evidence import View
from gradcheck.diagnosis.features import cotangent_features
from gradcheck.diagnosis.upstream import second_claim
from gradcheck.result import Case, Diagnosis
from gradcheck.trees import Array

FIT = 0.95
Product = Callable[[Array, Array], Array]

PRODUCTS: dict[str, Product] = {
    "g @ {}.T": lambda g, v: g @ np.swapaxes(v, -1, -2),
    "{}.T @ g": lambda g, v: np.swapaxes(v, -1, -2) @ g,
    "g @ {}": lambda g, v: g @ v,
    "{} @ g": lambda g, v: v @ g,
    "g * {}": lambda g, v: g * v,
    "sum(g * {})": lambda g, v: np.asarray(np.sum(g * v)),
    "outer(g, {})": np.outer,
    "outer({}, g)": lambda g, v: np.outer(v, g),
}


def conjugate_missing(view: View) -> Iterator[Diagnosis]:
    """The claim becomes the estimate when something in it is conjugated."""
    if not np.iscomplexobj(view.estimate) or not view.finite.all():
        return
    sentence = next(_ways(view), None)
    if sentence is not None:
        evidence = f"with it, all {view.flat.size} entries agree with the estimate"
        yield Diagnosis("conjugate-missing", sentence, FIT, view.name, evidence)


def _ways(view: View) -> Iterator[str]:
    if _right(view, np.conj(view.claimed)):
        yield "claimed is the complex conjugate of the derivative"
    for cotangent in cotangent_features(view):
        # Entry by entry: the cotangent times a slope, of which the conjugate is due.
        if _right(view, cotangent.values * np.conj(view.claimed / cotangent.values)):
            yield "the local derivative must be conjugated before the product with the cotangent"
    for words, plain, conjugated in _products(view.case):
        if plain.shape != view.shape or not view.explains(view.pick(plain)).all():
            continue
        if _right(view, view.pick(conjugated)):
            yield f"claimed = {words}, where the second factor must be conjugated"
    second = second_claim(view)
    if second is not None and _is_conjugate(view.case) and _right(view, np.conj(second)):
        yield "the local derivative must be conjugated before the product with the cotangent"


def _right(view: View, corrected: Array) -> bool:
    return bool(view.agree(view.estimate, corrected, view.error).all())


def _products(case: Case) -> Iterator[tuple[str, Array, Array]]:
    for g in case.cotangent.values():
        for name, value in case.inputs.items():
            for words, product in PRODUCTS.items():
                try:
                    pair = product(g, value), product(g, np.conj(value))
                except ValueError:
                    continue
                yield words.format(name), *pair


def _is_conjugate(case: Case) -> bool:
    second = case.second_cotangent or {}
    return all(
        name in second and np.array_equal(second[name], np.conj(array))
        for name, array in case.cotangent.items()
    )
