"""What can be read from the claim without calling anything: names, shapes, dtypes, finiteness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gradcheck.relations.agreement import discrepancy, is_numeric, magnitude
from gradcheck.relations.judgement import rounded_anew
from gradcheck.relations.scene import Scene, failure, note
from gradcheck.result import Finding, Severity
from gradcheck.trees import Array, all_finite, is_differentiable

SHOWN = 3
"""Entries named in a message; the rest are counted."""


def names(scene: Scene) -> Iterator[Finding]:
    """One gradient (or None) per input name, and no other."""
    missing = [name for name in scene.inputs if name not in scene.claim]
    unknown = [name for name in scene.claim if name not in scene.inputs]
    if missing or unknown:
        yield failure(
            "names",
            f"got gradients named {', '.join(map(str, scene.claim)) or '(none)'}; expected "
            f"{', '.join(scene.inputs)}. Do: return one gradient per input, None where there is "
            "none.",
        )


def claimed(scene: Scene) -> Iterator[Finding]:
    """Float inputs have a gradient, integer inputs have None."""
    absent = [k for k, v in scene.inputs.items() if is_differentiable(v) and _lacks(scene, k)]
    present = [k for k, v in scene.inputs.items() if is_differentiable(v) and not _lacks(scene, k)]
    for name in absent:
        yield Finding(
            "not-claimed",
            f"got no gradient (None) for float input {name}, so nothing is checked there. Do: "
            "return its gradient, or zeros if the function does not depend on it.",
            Severity.NOTE if present else Severity.DOUBT,
            name,
        )
    for name, array in scene.inputs.items():
        if not is_differentiable(array) and scene.claim.get(name) is not None:
            yield note(
                "gradient-for-integer-input",
                f"got a gradient for {name}, which is {array.dtype}; expected None: a function of "
                "integers has no derivative. Do: return None, or pass a float array.",
                name,
            )


def shape(scene: Scene) -> Iterator[Finding]:
    """Every gradient has exactly the shape of its input."""
    for name, array, grad in _float_pairs(scene):
        if grad.shape != array.shape:
            yield failure(
                "shape",
                f"got a gradient of shape {grad.shape} for {name}, expected {array.shape}. "
                f"Do: {_shape_advice(grad.shape, array.shape)}",
                name,
            )


def dtype(scene: Scene) -> Iterator[Finding]:
    """Every gradient has the kind of number of its input, in no lower precision."""
    for name, array, grad in _float_pairs(scene):
        wrong = _dtype_trouble(grad.dtype, array.dtype)
        if wrong is not None:
            severity, advice = wrong
            yield Finding(
                "dtype",
                f"got a {grad.dtype} gradient for {name}, expected {array.dtype}. Do: {advice}",
                severity,
                name,
            )


def narrowed(scene: Scene) -> Iterator[Finding]:
    """A float64 gradient was not cast to float32 on its way.

    Numbers that a random cotangent went into use all their bits, so that not even two of them fit
    float32 by chance; but where the function computes in float32 its gradient may, and beside large
    numbers few digits may be left of it.
    """
    if any(map(_fits_float32, (*scene.outputs.values(), *scene.cotangents.values()))):
        return
    narrow = [
        (name, grad)
        for name, array, grad in _float_pairs(scene)
        if array.dtype == np.float64 == grad.dtype and _fits_float32(grad)
    ]
    if not narrow or any(np.any(np.abs(x) > CANCELLING) for _, x, _ in _float_pairs(scene)):
        return
    for name, grad in narrow:
        if not _is_noise(scene, name, grad):
            yield failure(
                "narrowed",
                f"every entry of the gradient for {name} fits float32, though inputs, outputs and "
                "cotangent are float64. Expected all their digits. Do: look for a cast to float32, "
                "or a float32 buffer, in the backward.",
                name,
            )


CANCELLING = 2.0**10
"""The square of a larger number, beside one, costs so many digits that the others fit float32."""

NARROW_LEAST = 2
"""So many numbers must fit float32: each does by chance once in 2**29."""

FEW_DIGITS = 2.0**14
"""Numbers of so few binary digits are no cast ones: what a sum that cancels leaves has few, too."""


def _fits_float32(array: Array) -> bool:
    """Whether an array of several numbers that are not all zero loses nothing in float32."""
    if array.dtype != np.float64 or array.size > LARGEST_LOOKED_AT:
        return False
    if not _is_unchanged_in_float32(array.flat[:FIRST]) or not _is_unchanged_in_float32(array):
        return False
    digits = np.frexp(array[np.isfinite(array)])[0] * FEW_DIGITS  # infinity fits, and has none
    return int(np.count_nonzero(digits % 1.0)) >= NARROW_LEAST


def _is_noise(scene: Scene, name: str, grad: Array) -> bool:
    """Whether last places of the inputs change a gradient by more than one of float32.

    What a sum leaves that cancels entirely is a few last places of its terms, and has few digits.
    """
    least = ANOTHER * magnitude(grad)
    return any(discrepancy(again, grad) > least for again in rounded_anew(scene, name))


ANOTHER = 2.0**-23
"""Share of a gradient, a last place of float32: one that was cast hardly ever changes at all."""


def _is_unchanged_in_float32(array: Array) -> bool:
    with np.errstate(all="ignore"):
        return bool((array.astype(np.float32) == array).all())


FIRST = 16
"""Entries looked at first: nearly always some of them need all their digits."""

LARGEST_LOOKED_AT = 65536
"""Entries of the largest array that is looked at: a cast is in small ones as well."""


def finite(scene: Scene) -> Iterator[Finding]:
    """Gradients are finite where the value is.

    Only a doubt: an infinite slope (``sqrt`` at 0) is not the backward's mistake. Slopes decide.
    """
    for name, flat in non_finite_entries(scene).items():
        grad = np.asarray(scene.claim[name])
        indices = [tuple(map(int, np.unravel_index(i, grad.shape))) for i in flat[:SHOWN]]
        listed = ", ".join(f"{name}[{', '.join(map(str, i))}] = {grad[i]}" for i in indices)
        more = f" and {flat.size - SHOWN} more" if flat.size > SHOWN else ""
        yield Finding(
            "non-finite",
            f"got {listed}{more}, where the value is finite. Expected finite gradients unless "
            "the slope is infinite. Do: look for 0/0, 0*inf or inf-inf at these entries.",
            Severity.DOUBT,
            name,
        )


def non_finite_entries(scene: Scene) -> Mapping[str, Array]:
    """Flat positions of non-finite gradient entries, by input; empty if the value is not finite.

    Entries of an input array that are nan themselves are left out: nothing is owed there.
    """
    if not all(all_finite(array) for array in scene.outputs.values()):
        return {}
    found: dict[str, Array] = {}
    for name, array, grad in _float_pairs(scene):
        if all_finite(grad):
            continue
        bad = ~np.isfinite(grad)
        if grad.shape == array.shape:
            bad &= ~np.isnan(array)
        flat = np.flatnonzero(bad)
        if flat.size:
            found[name] = flat
    return found


def _lacks(scene: Scene, name: str) -> bool:
    return scene.claim.get(name) is None


def _float_pairs(scene: Scene) -> Iterable[tuple[str, Array, Array]]:
    for name, array in scene.inputs.items():
        grad = scene.claim.get(name)
        if grad is not None and is_differentiable(array):
            yield name, array, grad


def _shape_advice(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if _broadcasts(expected, got):
        return "sum over the axes along which the input was broadcast."
    if int(np.prod(got)) == int(np.prod(expected)):
        return "give the entries the axes of the input (transpose or reshape)."
    return "return one entry per entry of the input."


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _dtype_trouble(got: np.dtype[Any], expected: np.dtype[Any]) -> tuple[Severity, str] | None:
    if got == expected:
        return None
    if not is_numeric(np.empty(0, got)):
        return Severity.FAILURE, "return an array of numbers."
    if got.kind not in "fc":
        return Severity.FAILURE, "return floats: integers truncate when they are accumulated."
    if got.kind == "c" and expected.kind == "f":
        return Severity.FAILURE, "return the real part: the input is real."
    if np.finfo(got).bits < np.finfo(expected).bits:
        return Severity.FAILURE, "compute the gradient in the precision of its input."
    return Severity.NOTE, "cast the gradient to the dtype of its input, if callers rely on it."
