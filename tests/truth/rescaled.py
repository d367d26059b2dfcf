"""The same function in other units: a verdict must not depend on them."""

from __future__ import annotations

import numpy as np

SCALES = (1e-12, 1e12)
OFFSET = 1e8


def _each(function, output):
    if isinstance(output, tuple):
        return tuple(function(part) for part in output)
    return function(output)


def scaled(pair, factor):
    """``factor * f``."""
    forward, backward = pair

    def scaled_forward(*inputs):
        return _each(lambda part: factor * part, forward(*inputs))

    def scaled_backward(out_bar, *inputs):
        return backward(_each(lambda part: factor * part, out_bar), *inputs)

    return scaled_forward, scaled_backward


def shifted(pair, offset):
    """``f + offset``."""
    forward, backward = pair

    def shifted_forward(*inputs):
        return _each(lambda part: part + offset, forward(*inputs))

    return shifted_forward, backward


def in_other_units(pair, inputs, factor):
    """``f(x / factor)`` at ``factor * x``: the inputs and the pair."""
    forward, backward = pair

    def convert(arrays):
        return [x / factor if _is_float(x) else x for x in arrays]

    def converted_forward(*arrays):
        return forward(*convert(arrays))

    def converted_backward(out_bar, *arrays):
        gradients = backward(out_bar, *convert(arrays))
        return tuple(None if g is None else g / factor for g in gradients)

    moved = {name: x * factor if _is_float(x) else x for name, x in inputs.items()}
    return (converted_forward, converted_backward), moved


def _is_float(x):
    return np.issubdtype(x.dtype, np.inexact)


def versions(pair, inputs):
    """Every other form of a pair at a point, as ``(what was done, pair, inputs)``."""
    for factor in SCALES:
        yield f"function times {factor:g}", scaled(pair, factor), inputs
    for factor in SCALES:
        yield f"inputs times {factor:g}", *in_other_units(pair, inputs, factor)
    yield f"function plus {OFFSET:g}", shifted(pair, OFFSET), inputs
