"""Which of the paths from output entries to input entries are missing, astray, or one too many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, NOTHING, Mask, View
from gradcheck.diagnosis.slices import slice_pattern
from gradcheck.result import Diagnosis
from gradcheck.trees import Array

AGREE = 1e-6
"""Two derivatives agree within this share: far above the rounding of a fourth-order difference."""

FIT_BY_PATHS = {1: 0.4, 2: 0.6, 3: 0.82, 4: 0.88}
"""How far a pattern is believed that so many paths show."""

LESS_SPECIFIC = 0.06
"""Loss of fit of a pattern that many a mistake leaves."""

MOST_AXES = 3
LEAST_AXES = 3
"""Of output and input together: a matrix has one pattern along both axes or along none."""

LEAST_TOLD = 3
"""Contributions beyond the first of each entry that must confirm its factor."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Claimed and estimated Jacobian of one input: rows are output entries, columns its own."""

    view: View
    claimed: Array
    estimate: Array
    wrong: Mask
    dead: Mask
    output: tuple[int, ...]
    """Shape of the output; one axis where there are several."""
    owner: Array
    """Which of several outputs each row belongs to."""

    @property
    def live(self) -> Mask:
        """Pairs where the output depends on the input."""
        return ~self.dead

    @property
    def unclaimed(self) -> Mask:
        """Pairs without a claim."""
        return np.asarray(np.abs(self.claimed) <= NOTHING * np.abs(self.claimed).max(initial=0.0))

    def say(
        self, name: str, sentence: str, evidence: str, count: int, less: float = 0.0
    ) -> Diagnosis:
        """A diagnosis believed by the number of paths that show it."""
        fit = FIT_BY_PATHS[max(1, min(count, 4))] - less
        return Diagnosis(name, sentence, fit, self.view.name, evidence)


def paths_of(view: View) -> Paths | None:
    """Both Jacobians where they are known whole, differ, and are not nothing."""
    known = view.case.jacobians.get(view.name)
    if (
        known is None
        or view.is_elementwise
        or not np.isfinite(known.estimate).all()
        or not np.isfinite(known.claimed).all()
    ):
        return None
    claimed, estimate = known.claimed, known.estimate
    floor = BOUNDS * known.error + NOTHING * np.abs(estimate).max(initial=0.0)
    size = np.maximum(np.abs(claimed), np.abs(estimate))
    wrong = np.abs(claimed - estimate) > AGREE * size + floor
    dead = np.abs(estimate) <= floor
    if not wrong.any() or dead.all():
        return None
    shapes = [array.shape for array in view.case.output.values()]
    output = shapes[0] if len(shapes) == 1 else (len(claimed),)
    owner = np.repeat(np.arange(len(shapes)), [int(np.prod(shape)) for shape in shapes])
    return Paths(view, claimed, estimate, np.asarray(wrong), np.asarray(dead), output, owner)


def along_paths(view: View) -> Iterator[Diagnosis]:
    """What the two Jacobians, laid beside each other, say; the most particular first."""
    paths = paths_of(view)
    if paths is None:
        return
    yield from _one_weight_for_all(paths)
    yield from _kept_some(paths)
    yield from _too_many(paths)
    yield from _turned(paths)
    yield from _reordered(paths)
    yield from _some_outputs(paths)
    yield from _scaled(paths)
    yield from _through_one_number(paths)
    yield from _with_one_pattern(paths)
    yield from _through_an_input(paths)


def _one_weight_for_all(paths: Paths) -> Iterator[Diagnosis]:
    first = paths.claimed[0]
    alike = np.abs(paths.claimed - first) <= AGREE * np.abs(first)
    if len(paths.claimed) < 2 or not alike.all() or not first.any():
        return
    sentence = "every element of the upstream gradient has the same weight: the claim uses their"
    sentence += " sum or mean, where each output entry has a slope of its own"
    evidence = f"one-hot cotangents at all {len(paths.claimed)} output entries give one claim"
    yield paths.say("one-cotangent-for-all", sentence, evidence, paths.claimed.size)


def _kept_some(paths: Paths) -> Iterator[Diagnosis]:
    """All claimed contributions are right, and others are not claimed."""
    lost = paths.wrong
    kept = paths.live & ~paths.wrong
    if not (lost <= (paths.unclaimed & paths.live)).all():
        return
    if not (kept.any(axis=0) & lost.any(axis=0)).any():
        return  # whole entries are lost: the gradient itself shows which
    count = f"{int(lost.sum())} of {int(paths.live.sum())} contributions are not claimed"
    few = min(int(lost.sum()), int(kept.sum()) + 1)
    name, sentence = _what_was_kept(paths, kept)
    yield paths.say(name, sentence, f"{count}, all others are right", few)


def _what_was_kept(paths: Paths, kept: Mask) -> tuple[str, str]:
    several = paths.live.sum(axis=0) > 1
    square = paths.output == paths.view.shape
    own = np.eye(len(kept), dtype=bool) if square else np.zeros((0, 0), dtype=bool)
    if square and not (kept & ~own).any() and not (paths.wrong & own).any():
        if _is_causal(paths.live):
            return "missing-recurrence", (
                "each entry gets the gradient of its own step only: that of the others is not"
                " passed on to it"
            )
        return "jacobian-diagonal", "only the diagonal of the Jacobian is applied"
    for words, inside in _single_outputs(paths):
        if (kept == (paths.live & inside[:, None])).all():
            return "ignores-cotangent", f"only the upstream gradient of {words} is used"
    for words, inside in _output_slabs(paths) if paths.output != paths.view.shape else ():
        if (kept == (paths.live & inside[:, None])).all():
            return "broadcast-not-summed", (
                f"only the upstream gradient {words} is used: the contributions of the others are"
                " not added"
            )
    if several.any() and (kept.sum(axis=0)[several] <= 1).all():
        return "assigned-not-added", (
            "of several contributions to one entry only one is kept: assigned, not added"
        )
    return "missing-term", "some contributions to the gradient are missing, the others are right"


def _is_causal(live: Mask) -> bool:
    """Whether steps depend on the earlier ones, or on the later ones, only."""
    upper, lower = np.triu(live, 1).any(), np.tril(live, -1).any()
    return bool(upper != lower)


def _single_outputs(paths: Paths) -> Iterator[tuple[str, Mask]]:
    names = list(paths.view.case.output)
    if len(names) > 1:
        yield from ((name, paths.owner == place) for place, name in enumerate(names))


def _output_slabs(paths: Paths) -> Iterator[tuple[str, Mask]]:
    places = np.indices(paths.output).reshape(len(paths.output), -1)
    for axis, length in enumerate(paths.output):
        for at, which in ((0, "first"), (length - 1, "last")):
            if length > 1:
                yield f"at the {which} position of output axis {axis}", places[axis] == at


def _too_many(paths: Paths) -> Iterator[Diagnosis]:
    """Contributions where the output does not depend on the entry; all others are right."""
    right = paths.live & ~paths.wrong
    if not (paths.wrong <= paths.dead).all() or not right.any():
        return
    sentence = "the claim passes a gradient on where the output does not depend on the entry: a"
    sentence += " mask, a clip or a bound is not applied in the backward"
    evidence = f"{int(paths.wrong.sum())} contributions too many, {int(right.sum())} right ones"
    yield paths.say("ignores-mask", sentence, evidence, int(paths.wrong.sum()), LESS_SPECIFIC)


def _equal(paths: Paths, claimed: Array) -> bool:
    """Whether a rearranged claim is the estimate, and there were numbers to tell."""
    if claimed.shape != paths.estimate.shape:
        return False
    size = np.abs(paths.estimate).max(initial=0.0)
    room = AGREE * np.maximum(np.abs(claimed), np.abs(paths.estimate)) + 1e2 * NOTHING * size
    return bool((np.abs(claimed - paths.estimate) <= room).all())


def _turned(paths: Paths) -> Iterator[Diagnosis]:
    """The Jacobian where its transpose is due, or with the axes of outputs or inputs permuted."""
    telling = int(paths.wrong.sum())
    square = len(paths.claimed) == len(paths.claimed.T)
    if _equal(paths, paths.claimed.T):
        if _is_causal(paths.live):
            sentence = "the gradient runs along the sequence in the direction of the forward, where"
            sentence += " it must run against it"
            yield paths.say(
                "misaligned", sentence, "the claimed Jacobian is the transpose", telling
            )
        else:
            sentence = "the Jacobian is applied where its transpose is due"
            yield paths.say("transposed", sentence, "every entry agrees after a transpose", telling)
        return
    if square and _is_causal(paths.live) and (paths.unclaimed == paths.dead.T).all():
        sentence = "earlier steps get the gradient of still earlier ones, where they must get that"
        sentence += " of the later ones: the sum runs from the wrong end"
        evidence = "what is claimed and what is due are each other's mirror image"
        yield paths.say("misaligned", sentence, evidence, telling)
        return
    shape = (*paths.output, *paths.view.shape)
    split = len(paths.output)
    if split > MOST_AXES or len(shape) - split > MOST_AXES:
        return
    for left in permutations(range(split)):
        for right in permutations(range(split, len(shape))):
            moved = paths.claimed.reshape(shape).transpose((*left, *right))
            if moved.shape == shape and _equal(paths, moved.reshape(paths.claimed.shape)):
                sentence = "the claim is right after the axes of the upstream gradient"
                sentence += " and of the gradient are permuted"
                evidence = "all contributions then agree"
                yield paths.say("transposed", sentence, evidence, telling)
                return


def _reordered(paths: Paths) -> Iterator[Diagnosis]:
    """Every output entry contributes the right numbers, to the wrong entries; or the reverse."""
    for axis, words in ((1, "each output entry"), (0, "each input entry")):
        ordered = np.sort(paths.claimed, axis=axis), np.sort(paths.estimate, axis=axis)
        size = np.abs(paths.estimate).max(initial=0.0)
        room = AGREE * np.abs(ordered[1]) + 1e2 * NOTHING * size
        different = np.unique(np.round(paths.estimate[paths.wrong] / size, 6)).size
        if different >= 2 and (np.abs(ordered[0] - ordered[1]) <= room).all():
            sentence = f"{words} has the right contributions in the wrong places"
            evidence = "sorted, all contributions agree"
            yield paths.say("misaligned", sentence, evidence, int(paths.wrong.any(axis).sum()) + 2)
            return


def _some_outputs(paths: Paths) -> Iterator[Diagnosis]:
    """All is wrong that comes from some positions of the output, and all else is right."""
    bad, good = paths.wrong.any(axis=1), (paths.live & ~paths.wrong).any(axis=1)
    if (bad & good).any() or not good.any():
        return
    places = np.indices(paths.output).reshape(len(paths.output), -1)
    for axis, length in enumerate(paths.output):
        marked = np.zeros(length, dtype=bool)
        marked[places[axis][bad]] = True
        clear = np.zeros(length, dtype=bool)
        clear[places[axis][good]] = True
        pattern = slice_pattern(marked, marked | clear) if not (marked & clear).any() else ""
        if pattern:
            sentence = f"the claim is wrong for what comes from {pattern} of output axis {axis}"
            evidence = (
                f"{int(bad.sum())} output entries pass a wrong gradient on, the others do not"
            )
            whole = (paths.wrong == paths.live)[bad].all() and paths.claimed[paths.wrong].all()
            whole = bool(whole and paths.wrong.sum() >= LEAST_TOLD)
            count = min(int(bad.sum()), int(good.sum())) + 1 + whole
            yield paths.say("wrong-slice", sentence, evidence, count, LESS_SPECIFIC)
            return


def _scaled(paths: Paths) -> Iterator[Diagnosis]:
    """Every entry, or every output entry, has one factor for all of its contributions."""
    for axis, words in ((0, "entry of the input"), (1, "entry of the output")):
        ratio = _common_ratios(paths, axis)
        if ratio is None:
            continue
        sentence = f"each {words} has a factor of its own for all its contributions: a factor is"
        sentence += " missing, or there once too often"
        evidence = f"{int((np.abs(ratio - 1) > AGREE).sum())} factors, each met several times"
        yield paths.say("wrong-factor", sentence, evidence, 3, LESS_SPECIFIC)
        return


def _common_ratios(paths: Paths, axis: int) -> Array | None:
    """The factor of each column or row, where it is the same along it, and told more than once."""
    claimed, estimate = (a if axis == 0 else a.T for a in (paths.claimed, paths.estimate))
    live = paths.live if axis == 0 else paths.live.T
    wrong = (paths.wrong if axis == 0 else paths.wrong.T).any(axis=0)
    told = np.maximum(live.sum(axis=0)[wrong] - 1, 0)
    if (paths.dead & paths.wrong).any() or told.sum() < LEAST_TOLD or (told > 0).sum() < 2:
        return None
    weight = np.where(live, estimate, 0.0)
    with np.errstate(all="ignore"):
        ratio = (claimed * weight).sum(axis=0) / (weight * weight).sum(axis=0)
    fits = np.abs(claimed - ratio * estimate) <= AGREE * np.abs(estimate) * np.maximum(
        1, abs(ratio)
    )
    if wrong.sum() < 2 or not fits[live].all() or np.unique(np.round(ratio[wrong], 6)).size < 2:
        return None
    return np.asarray(np.where(np.isfinite(ratio), ratio, 1.0))


def _through_one_number(paths: Paths) -> Iterator[Diagnosis]:
    """What is missing has rank one: a path through a single number, a mean, norm or normaliser."""
    residual = np.where(paths.wrong, paths.claimed - paths.estimate, 0.0)
    for words, blocks in _blocks(paths):
        told = 0
        for rows, columns in blocks:
            left, due = residual[np.ix_(rows, columns)], paths.estimate[np.ix_(rows, columns)]
            if _rank(left) > 1:
                break
            told += _conditions(left) if _rank(due) > 1 else 0
        else:
            if told > 1:
                sentence = "what is missing goes through a single number: a mean, a norm or a sum"
                sentence += " that is treated as a constant"
                evidence = f"claimed minus estimated Jacobian has rank one{words}"
                yield paths.say("missing-term", sentence, evidence, told)
                return


def _with_one_pattern(paths: Paths) -> Iterator[Diagnosis]:
    """What is missing has one pattern along an axis, whatever else varies; what is due has not.

    It is a product of a vector and something else: a residual, a mean, an outer product.
    """
    shape = (*paths.output, *paths.view.shape)
    residual = np.where(paths.wrong, paths.claimed - paths.estimate, 0.0).reshape(shape)
    for axis, length in enumerate(shape):
        left = np.moveaxis(residual, axis, 0).reshape(length, -1)
        due = np.moveaxis(paths.estimate.reshape(shape), axis, 0).reshape(length, -1)
        if length < 2 or len(shape) < LEAST_AXES or _conditions(left) <= LEAST_TOLD:
            continue
        if _rank(left) == 1 and _rank(due) > 1:
            at, which = (
                (axis, "output")
                if axis < len(paths.output)
                else (axis - len(paths.output), paths.view.name)
            )
            sentence = f"what is missing has one pattern along axis {at} of {which}: a"
            sentence += " contribution that is a product with a vector along it"
            evidence = "claimed minus estimated Jacobian is separable there, the estimate is not"
            yield paths.say("missing-term", sentence, evidence, _conditions(left), LESS_SPECIFIC)
            return


def _through_an_input(paths: Paths) -> Iterator[Diagnosis]:
    """What is missing is a multiple of one row of an input, for each output row: a shared weight.

    So it is where a matrix multiplies two inputs, and the second gradient replaces the first.
    """
    if len(paths.output) != 2 or len(paths.view.shape) != 2:
        return
    residual = np.where(paths.wrong, paths.claimed - paths.estimate, 0.0)
    parts = residual.reshape(*paths.output, *paths.view.shape)
    for name, value in paths.view.case.inputs.items():
        if value.shape != (paths.output[0], paths.view.shape[0]) or value.dtype.kind != "f":
            continue
        unit = value / np.maximum(np.linalg.norm(value, axis=1, keepdims=True), 1e-300)
        along = np.einsum("nd,nkde->nke", unit, parts)
        left = parts - np.einsum("nd,nke->nkde", unit, along)
        told = int((along != 0).sum()) * (value.shape[1] - 1)
        if np.abs(left).max() <= AGREE * np.abs(parts).max() and told >= LEAST_TOLD:
            sentence = (
                f"the contributions through {name} are missing, or there once too often: where"
            )
            sentence += " a weight is used twice, its gradients must add"
            evidence = f"claimed minus estimated is a multiple of each row of {name}"
            yield paths.say("missing-term", sentence, evidence, 4)
            return


def _conditions(block: Array) -> int:
    """How many numbers must agree for a block to have rank one."""
    rows, columns = int(block.any(axis=1).sum()), int(block.any(axis=0).sum())
    return max(rows - 1, 0) * max(columns - 1, 0)


def _blocks(paths: Paths) -> Iterator[tuple[str, list[tuple[Array, Array]]]]:
    """The whole Jacobian; its rows by the position along the first output axis."""
    rows, columns = (np.arange(size) for size in paths.claimed.shape)
    yield "", [(rows, columns)]
    if len(paths.output) > 1:
        parts = rows.reshape(paths.output[0], -1)
        yield " for each position of the first output axis", [(part, columns) for part in parts]


def _rank(matrix: Array) -> int:
    sizes = np.linalg.svd(matrix, compute_uv=False)
    return int((sizes > AGREE * sizes.max(initial=0.0)).sum())
