"""The same numbers in other memory: strides, order and write permission change no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial

import numpy as np

from gradcheck.relations.agreement import LARGE, shown
from gradcheck.relations.judgement import disagreements, is_rounding, mixture_doubts
from gradcheck.relations.scene import (
    REFUSALS,
    Broken,
    Claims,
    Scene,
    failure,
    frozen,
    note,
    writes_read_only,
)
from gradcheck.result import Finding
from gradcheck.trees import Array, Arrays, like_output, named_outputs


def fortran_ordered(array: Array) -> Array:
    """The first axis varies fastest in memory.

    >>> fortran_ordered(np.zeros((2, 3))).flags.f_contiguous
    True
    """
    return array.T.copy().T


def strided(array: Array) -> Array:
    """Every second entry of a buffer whose other entries are poison.

    >>> strided(np.zeros(3)).strides
    (16,)
    """
    view = _poison(array)[::2].reshape(array.shape)
    view[...] = array
    return view


def negative_stride(array: Array) -> Array:
    """Backwards in memory, with poison where a reader who walks forwards would arrive.

    >>> negative_stride(np.zeros(3)).strides
    (-8,)
    """
    view = _poison(array)[: array.size][::-1].reshape(array.shape)
    view[...] = array
    return view


def transposed_backwards(array: Array) -> Array:
    """The first axis varies fastest, and memory is walked backwards.

    >>> transposed_backwards(np.zeros((2, 3))).strides
    (-8, -16)
    """
    view = _poison(array)[: array.size][::-1].reshape(array.shape[::-1]).T
    view[...] = array
    return view


LAYOUTS: Mapping[str, Callable[[Array], Array]] = {
    "Fortran-ordered": fortran_ordered,
    "strided": strided,
    "negative-stride": negative_stride,
    "transposed negative-stride": transposed_backwards,
}

OF_VECTORS = ("strided", "negative-stride")
OF_MATRICES = ("Fortran-ordered", "transposed negative-stride")
"""Both transposed: whoever reads memory in its own order is told by either."""


def layouts(scene: Scene) -> Iterator[Finding]:
    """Backward gives for transposed, strided, backwards and read-only arrays what copies give."""
    if scene.memo.get("odd_doubts") == []:
        return
    try:
        odd = odd_claim(scene)
    except Broken as broken:
        yield from _refusal(scene, broken)
        return
    if not odd_doubts(scene):
        return
    for name in disagreements(scene, odd, scene.mixed_claim, scene.scale):
        culprit = _blame(scene, name)
        yield failure(
            "layout",
            f"with {culprit}, backward gave "
            f"{shown(name, np.asarray(odd[name]), _plain(scene, name))}. Expected what a "
            "contiguous copy of the same numbers gives. Do: index the array, not its memory, or "
            "copy it first (np.ascontiguousarray).",
            name,
        )


def odd_doubts(scene: Scene) -> list[str]:
    """Names whose gradient in odd layouts is not what linearity makes of the plain claims."""
    return scene.shared("odd_doubts", lambda: _odd_doubts(scene))


def repeats_itself(scene: Scene) -> bool:
    """Whether three claims for large cotangents, asked for now and then, fit to the last places.

    The first was made before the second point was visited, the others after: nothing is stale, and
    nothing random but what would be a note. Then the first is not asked for again.
    """
    if not scene.mixes_zeros:
        return False
    with suppress(Broken):
        odd_doubts(scene)
    return scene.is_met


def _odd_doubts(scene: Scene) -> list[str]:
    found = mixture_doubts(scene, odd_claim(scene))
    if not found:  # nobody will ask for these arrays again, and they are as large as the inputs
        for key in ("odd_claim", "odd_inputs", "odd_cotangents"):
            scene.memo.pop(key, None)
    return found


def forward_layouts(scene: Scene) -> Iterator[Finding]:
    """The value of transposed, strided, backwards and read-only arrays is that of plain copies."""
    try:
        got = named_outputs(scene.value(odd_inputs(scene), "given views (strided, read-only)"))
    except Broken as broken:
        yield from _refusal(scene, broken)
        return
    for name, expected in scene.outputs.items():
        value = got.get(name, np.empty(0))
        jittered = partial(_jittered_output, scene, name)
        if not is_rounding(value, expected, jittered) and not scene.is_huge:
            yield failure(
                "layout",
                f"forward gave {shown(name, value, expected)} for views of the same numbers. "
                "Expected what contiguous copies give. Do: index arrays instead of their memory.",
            )


def expanded(scene: Scene) -> Iterator[Finding]:
    """A cotangent whose entries share one place in memory, as the one of ``sum``, is read right."""
    one = {name: np.ones((), array.dtype) for name, array in scene.cotangents.items()}
    views = {name: np.broadcast_to(one[name], v.shape) for name, v in scene.cotangents.items()}
    copies = {name: view.copy() for name, view in views.items()}
    got, expected = (
        scene.vjp(scene.inputs, like_output(tree, scene.output), "for a stride-0 cotangent")
        for tree in (views, copies)
    )
    for name in disagreements(scene, got, expected):
        yield failure(
            "layout",
            "with a stride-0 cotangent, backward gave "
            f"{shown(name, np.asarray(got[name]), np.asarray(expected[name]))}. Expected what a "
            "contiguous copy gives. Do: index the array instead of its memory.",
            name,
        )


def odd_claim(scene: Scene) -> Claims:
    """The claim for the mixed cotangent, every array in an odd layout and read-only."""
    return scene.shared(
        "odd_claim",
        lambda: scene.vjp(
            odd_inputs(scene),
            like_output(
                {name: array for name, (_, array) in _odd_cotangents(scene).items()}, scene.output
            ),
            "given views (transposed, strided, read-only)",
        ),
    )


def odd_inputs(scene: Scene) -> Arrays:
    """The inputs in odd layouts."""
    return {name: array for name, (_, array) in _odd_inputs(scene).items()}


def _odd_inputs(scene: Scene) -> dict[str, tuple[str, Array]]:
    return scene.shared("odd_inputs", lambda: _oddly(scene, scene.inputs))


def _odd_cotangents(scene: Scene) -> dict[str, tuple[str, Array]]:
    return scene.shared(
        "odd_cotangents", lambda: _oddly(scene, named_outputs(scene.mixed_cotangent))
    )


def _oddly(scene: Scene, arrays: Mapping[str, Array]) -> dict[str, tuple[str, Array]]:
    # Which layout comes first is drawn once per scene; the arrays take them in turn.
    first = scene.shared("first_layout", lambda: int(scene.generator.integers(6)))
    return {
        name: _odd(np.asarray(array), first + turn)
        for turn, (name, array) in enumerate(arrays.items())
    }


def _odd(array: Array, turn: int) -> tuple[str, Array]:
    if array.size < 2:
        return "read-only", frozen(array.copy())
    # Transposes are the commonest views by far; an array with one long axis has none. For large
    # arrays they are also the only ones that matrix products take without a copy.
    has_transpose = sum(length > 1 for length in array.shape) > 1
    kinds = OF_MATRICES if has_transpose else OF_VECTORS
    label = kinds[0 if has_transpose and array.size > LARGE else turn % len(kinds)]
    return f"{label} read-only", frozen(LAYOUTS[label](array))


def _poison(array: Array) -> Array:
    fill = np.nan if array.dtype.kind in "fc" else array.flat[0]
    return np.full(2 * array.size, fill, array.dtype)


def _plain(scene: Scene, name: str) -> Array:
    return np.asarray(scene.mixed_claim[name])


def _jittered_output(scene: Scene, name: str, way: int) -> Array | None:
    return scene.jittered_outputs(way).get(name)


def _refusal(scene: Scene, broken: Broken) -> Iterator[Finding]:
    if isinstance(broken.error, REFUSALS) and not writes_read_only(broken.error):
        yield note("refuses-layout", broken.finding.message)
    elif _plain_works(scene):
        yield broken.finding


def _plain_works(scene: Scene) -> bool:
    try:
        _ = scene.mixed_claim
    except Broken:
        return False  # then the layout is not what it refuses
    return True


def _blame(scene: Scene, name: str) -> str:
    """The one array whose layout alone changes the gradient of ``name``."""
    for role, label, claim in _single_calls(scene):
        if name in disagreements(scene, claim, scene.mixed_claim, scene.scale):
            return f"{role} in {label} memory"
    return "all arrays in odd layouts"


def _single_calls(scene: Scene) -> Iterator[tuple[str, str, Claims]]:
    when = "given one view"
    for name, (label, array) in _odd_cotangents(scene).items():
        tree = {**named_outputs(scene.mixed_cotangent), name: array}
        role = "the cotangent" if len(tree) == 1 else f"the cotangent {name}"
        yield role, label, scene.vjp(scene.inputs, like_output(tree, scene.output), when)
    for name, (label, array) in _odd_inputs(scene).items():
        inputs = {**scene.inputs, name: array}
        yield name, label, scene.vjp(inputs, scene.mixed_cotangent, when)
