"""Arrays of a case laid beside the entries of one input: what a hypothesis may see a pattern in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from gradcheck.diagnosis.evidence import View
from gradcheck.trees import SINGLE_OUTPUT, Array

MOST_PAIRED = 12
"""Features multiplied with each other: more would find patterns by chance."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Numbers aligned with the entries of a view, and the words for them.

    ``role`` is ``"input"``, ``"output"`` or ``"cotangent"``; ``own`` marks the input itself.
    """

    words: str
    values: Array
    role: str
    source: str
    own: bool = False

    @property
    def varies(self) -> bool:
        """Whether there are at least two different numbers."""
        return bool(np.ptp(np.abs(self.values)) > 0 or np.unique(self.values).size > 1)


def cotangent_words(name: str) -> str:
    """What to call the cotangent of one output.

    >>> cotangent_words("out"), cotangent_words("loss")
    ('the cotangent', 'the cotangent of loss')
    """
    return "the cotangent" if name == SINGLE_OUTPUT else f"the cotangent of {name}"


def output_words(name: str) -> str:
    """What to call one output.

    >>> output_words("out"), output_words("loss")
    ('the output', 'loss')
    """
    return "the output" if name == SINGLE_OUTPUT else name


def input_features(view: View) -> list[Feature]:
    """Every input that can be laid beside the entries, the input itself first."""
    names = sorted(view.case.inputs, key=lambda name: name != view.name)
    arrays = {name: view.case.inputs[name] for name in names}
    return [
        Feature(words, values, "input", source, own=source == view.name and words == source)
        for source, words, values in _laid(view, arrays, {name: name for name in names})
    ]


def output_features(view: View) -> list[Feature]:
    """Every output that can be laid beside the entries."""
    words = {name: output_words(name) for name in view.case.output}
    return _features(view, view.case.output, words, "output")


def cotangent_features(view: View) -> list[Feature]:
    """Every cotangent that can be laid beside the entries."""
    words = {name: cotangent_words(name) for name in view.case.cotangent}
    return _features(view, view.case.cotangent, words, "cotangent")


def features(view: View) -> list[Feature]:
    """Inputs, outputs and cotangents, in this order."""
    return [*input_features(view), *output_features(view), *cotangent_features(view)]


def products(found: list[Feature]) -> Iterator[Feature]:
    """Products of two features."""
    for left, right in combinations_with_replacement(found[:MOST_PAIRED], 2):
        words = f"{left.words}**2" if left is right else f"{left.words} * {right.words}"
        with np.errstate(all="ignore"):
            values = left.values * right.values
        yield Feature(words, values, _blend(left, right), f"{left.source}*{right.source}")


def _blend(left: Feature, right: Feature) -> str:
    return left.role if left.role == right.role else "product"


def _features(
    view: View, arrays: Mapping[str, Array], words: Mapping[str, str], role: str
) -> list[Feature]:
    return [
        Feature(text, values, role, source) for source, text, values in _laid(view, arrays, words)
    ]


def _laid(
    view: View, arrays: Mapping[str, Array], words: Mapping[str, str]
) -> Iterator[tuple[str, str, Array]]:
    for name, array in arrays.items():
        if array.dtype.kind not in "fciub":
            continue
        for suffix, laid in alignments(_number(array), view.shape):
            yield name, f"{words[name]}{suffix}", view.pick(laid)


def _number(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def alignments(array: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Ways to lay an array beside entries of the given shape.

    As it broadcasts; a vector along an earlier axis of its length; a larger array summed over its
    leading or trailing axes.

    >>> [words for words, _ in alignments(np.ones((3, 2)), (2,))]
    [' summed over axis 0']
    >>> [words for words, _ in alignments(np.ones(3), (3, 2))]
    [' along axis 0']
    """
    if array.size == 1:
        yield "", array.reshape(())
    elif array.ndim == 1:
        for axis in [i for i, length in enumerate(shape) if length == array.size]:
            words = f" along axis {axis}" if len(shape) > 1 else ""
            yield words, array.reshape([-1, *[1] * (len(shape) - axis - 1)])
    elif _broadcasts(array.shape, shape):
        yield "", array
    else:
        yield from _summed(array, shape)


def _summed(array: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    extra = array.ndim - len(shape)
    if extra <= 0 or array.size == 0:
        return
    if array.shape[extra:] == shape:
        yield _summed_words(range(extra)), array.sum(axis=tuple(range(extra)))
    if array.shape[: array.ndim - extra] == shape:
        axes = tuple(range(array.ndim - extra, array.ndim))
        yield _summed_words(axes), array.sum(axis=axes)


def _summed_words(axes: range | tuple[int, ...]) -> str:
    return f" summed over axis {', '.join(str(axis) for axis in axes)}"


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(a in (1, b) for a, b in pairs)
