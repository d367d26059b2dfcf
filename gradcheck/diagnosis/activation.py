"""The derivative of an elementwise function taken at the wrong place, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from gradcheck.diagnosis.evidence import View
from gradcheck.result import Case, Diagnosis
from gradcheck.trees import Array

Scalar = Callable[[Any], Any]

FIT = {1: 0.8, 2: 0.92, 3: 0.96}
FIT_ANOTHER = 0.84
CURVED = ("sigmoid", "tanh", "softplus", "elu", "exp", "silu", "sin", "cos", "arctan")
"""Functions whose slope is told from that of any other by a few entries."""

ENTRIES_TO_RECOGNISE = 2
RECOGNISED = 1e-7
"""Relative difference up to which the output is taken for that of a known function."""


@dataclass(frozen=True, slots=True)
class Known:
    """A function of one number, its derivative, and the derivative written in its output."""

    value: Scalar
    slope: Scalar
    slope_of_output: Scalar | None = None


def _relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def _softplus(x: Any) -> Any:
    return np.logaddexp(0.0, x)


def _elu(x: Any) -> Any:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


KNOWN: dict[str, Known] = {
    "sigmoid": Known(
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
        lambda y: y * (1 - y),
    ),
    "tanh": Known(np.tanh, lambda x: 1 - np.tanh(x) ** 2, lambda y: 1 - y * y),
    # At its own output relu is never negative: the slope is 1 wherever zero counts as active.
    "relu": Known(_relu, lambda x: np.asarray(x >= 0, dtype=float)),
    "softplus": Known(_softplus, special.expit, lambda y: -np.expm1(-y)),
    "elu": Known(_elu, lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0.0)))),
    "exp": Known(np.exp, np.exp, lambda y: y),
    "log": Known(np.log, lambda x: 1 / x, lambda y: np.exp(-y)),
    "sqrt": Known(np.sqrt, lambda x: 0.5 / np.sqrt(x), lambda y: 0.5 / y),
    "sin": Known(np.sin, np.cos),
    "cos": Known(np.cos, lambda x: -np.sin(x)),
    "square": Known(np.square, lambda x: 2 * x),
    "cube": Known(lambda x: x**3, lambda x: 3 * x * x),
    "arctan": Known(np.arctan, lambda x: 1 / (1 + x * x), lambda y: np.cos(y) ** 2),
    "reciprocal": Known(np.reciprocal, lambda x: -1 / (x * x), lambda y: -y * y),
    "expm1": Known(np.expm1, np.exp, lambda y: y + 1),
    "log1p": Known(np.log1p, lambda x: 1 / (1 + x), lambda y: np.exp(-y)),
    "silu": Known(
        lambda x: x * special.expit(x),
        lambda x: special.expit(x) * (1 + x * special.expit(-x)),
    ),
}


@dataclass(frozen=True, slots=True)
class Hidden:
    """An argument z of an activation, and how a gradient by z becomes the gradient of the input."""

    words: str
    z: Array
    pull_back: Callable[[Array], Array]


def taken_at_the_wrong_place(view: View) -> Iterator[Diagnosis]:
    """The output is a known function of z; the claim uses its slope elsewhere, or not at all."""
    if len(view.case.output) != 1 or np.iscomplexobj(view.claimed) or not view.finite.all():
        return
    (name,) = view.case.output
    y, g = view.case.output[name], view.case.cotangent.get(name)
    if g is None or np.shape(g) != np.shape(y):
        return
    for hidden in hiddens(view):
        for known, words in recognised(hidden.z, y):
            yield from _claims(view, hidden, known, words, y, g)
            return


def slope_of_another(view: View) -> Iterator[Diagnosis]:
    """The claim is exactly the slope of a known function of the input, which the output is not."""
    value = view.case.inputs[view.name]
    if value.dtype.kind != "f" or int(view.wrong.sum()) < ENTRIES_TO_RECOGNISE:
        return
    for out, y in view.case.output.items():
        g = view.case.cotangent.get(out)
        if g is None or y.shape != view.shape or not view.finite.all() or not np.ptp(value):
            continue
        for word in CURVED:
            slope = g * KNOWN[word].slope(value.astype(np.float64))
            if view.explains(view.pick(slope)).all():
                sentence = f"claimed is the slope of {word}({view.name}), and the output is another"
                sentence += " function: the backward ignores an option of the forward"
                evidence = f"all {view.flat.size} claims are the cotangent times that slope"
                yield Diagnosis("wrong-for-option", sentence, FIT_ANOTHER, view.name, evidence)
                return


def _claims(
    view: View, hidden: Hidden, known: Known, word: str, y: Array, g: Array
) -> Iterator[Diagnosis]:
    for name, how, slope in _mistakes(known, word, hidden, y, view.name):
        gradient = hidden.pull_back(g * slope)
        if gradient.shape == view.shape and view.explains(view.pick(gradient)).all():
            entries = min(int(view.wrong.sum()), 3)
            evidence = f"the output is {word}({hidden.words}); all {view.flat.size} claims agree"
            yield Diagnosis(name, f"claimed {how}", FIT[entries], view.name, evidence)
            return


def _mistakes(
    known: Known, word: str, hidden: Hidden, y: Array, own: str
) -> Iterator[tuple[str, str, Any]]:
    z = hidden.words
    how = f"uses the slope of {word} at its output {word}({z}), where {z} itself is due"
    yield "derivative-at-output", how, known.slope(y)
    if known.slope_of_output is not None:
        how = f"uses the slope of {word} written for its output, but applies it to {z}"
        yield "derivative-at-output", how, known.slope_of_output(hidden.z)
    if z != own:
        yield "wrong-factor", f"lacks the slope of {word} at {z}", np.ones_like(y)


def recognised(z: Array, y: Array) -> Iterator[tuple[Known, str]]:
    """The known functions that take z to y in every entry, if there are entries to tell.

    >>> z = np.array([0.3, -0.7])
    >>> [name for _, name in recognised(z, np.tanh(z))]
    ['tanh']
    """
    if z.shape != y.shape or np.unique(z).size < 2:
        return
    for name, known in KNOWN.items():
        with np.errstate(all="ignore"):
            value = known.value(z)
        if np.allclose(value, y, rtol=RECOGNISED, atol=0, equal_nan=False):
            yield known, name


def hiddens(view: View) -> Iterator[Hidden]:
    """The input itself, and the affine maps it takes part in."""
    case, name = view.case, view.name
    value = case.inputs[name]
    if value.dtype.kind == "f":
        yield Hidden(name, value.astype(np.float64), lambda z_bar: z_bar)
    yield from _affine(case, name)


def _affine(case: Case, name: str) -> Iterator[Hidden]:
    matrices = {k: v for k, v in case.inputs.items() if v.dtype.kind == "f" and v.ndim == 2}
    for left, x in matrices.items():
        for right, w in matrices.items():
            for flip, matrix in (("", w), (".T", w.T)):
                if left != right and x.shape[1] == matrix.shape[0]:
                    words = f"{left} @ {right}{flip}"
                    yield from _with_bias(case, name, (left, right, flip), words, x @ matrix)


def _with_bias(
    case: Case, name: str, parts: tuple[str, str, str], words: str, z: Array
) -> Iterator[Hidden]:
    biases = [k for k, v in case.inputs.items() if k not in parts and v.shape == z.shape[1:]]
    for bias in ["", *biases]:
        role = {parts[0]: "x", parts[1]: "w", bias: "b"}.get(name)
        if role is not None:
            moved = z + case.inputs[bias] if bias else z
            text = f"{words} + {bias}" if bias else words
            yield Hidden(text, moved, _pull_back(case, parts, role))


def _pull_back(case: Case, parts: tuple[str, str, str], role: str) -> Callable[[Array], Array]:
    x, w = case.inputs[parts[0]], case.inputs[parts[1]]
    if role == "b":
        return lambda z_bar: np.asarray(z_bar.sum(axis=0))
    if role == "x":
        return lambda z_bar: np.asarray(z_bar @ (w if parts[2] else w.T))
    return lambda z_bar: np.asarray((x.T @ z_bar).T if parts[2] else x.T @ z_bar)
