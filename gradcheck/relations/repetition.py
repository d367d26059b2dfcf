"""Calling again: the same call gives the same answer, and leaves the world as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradcheck.relations.agreement import (
    allowance,
    discrepancy,
    epsilon,
    magnitude,
    same_bits,
    shown,
)
from gradcheck.relations.layouts import repeats_itself
from gradcheck.relations.scene import (
    Broken,
    Claims,
    Scene,
    as_claims,
    failure,
    note,
    numeric_claims,
    owned,
    share_memory,
)
from gradcheck.result import Finding, Severity
from gradcheck.trees import Array, is_differentiable, named_outputs

NOISY_FORWARD = 1e-6
"""Relative noise of the value above which its slopes cannot be trusted without a fixed seed."""


def unmutated(scene: Scene) -> Iterator[Finding]:
    """Inputs, cotangent and options are the same bytes after the calls as before them.

    Looked at where the subject was not called before, in read-only memory: an idempotent change
    (``x[x < 0] = 0``) shows only the first time. What was changed is put back.
    """
    watched = _Watch(scene)
    try:
        usable = scene.second_point_is_usable()
        if not usable:
            yield from _refused_for_writing(scene)
            _ = scene.repeated_output
        # The first point is asked again right after the value at the second one: a backward that
        # reads what the last forward left behind answers for the wrong point.
        _ = scene.second_claim if scene.mixes_zeros else scene.repeated_claim
        if usable:
            _ = scene.second_point_claim
    finally:
        yield from watched.changes()


def deterministic(scene: Scene) -> Iterator[Finding]:
    """The same call twice gives the same bits; otherwise the noise is measured and reported."""
    random_forward = list(_forward_noise(scene))
    yield from random_forward
    if random_forward or repeats_itself(scene):
        return
    if _same_claims(scene.repeated_claim, scene.claim) and not scene.mixes_zeros:
        return  # of a large claim that did not fit together two more are asked for
    once, twice = scene.third_claim, scene.fourth_claim
    if not _same_claims(once, twice):  # else it changed once, for good: `stale` says so
        yield _backward_noise(scene, once, twice)


def stale(scene: Scene) -> Iterator[Finding]:
    """A-B-A: after a visit to another point, the answer at the first point is the first answer.

    Where a fresh object can be made, its answer at the second point must be the same as well.
    """
    if scene.another is not None:
        _ = scene.second_output
    if not scene.second_point_is_usable():
        return
    if not repeats_itself(scene) and not _same_claims(scene.repeated_claim, scene.claim):
        yield from _why_stale(scene, scene.repeated_claim)
    yield from _against_fresh(scene)


def aliased(scene: Scene) -> Iterator[Finding]:
    """Returned gradients are arrays of their own.

    A gradient that the next call overwrites is lost to any caller who kept it. One that shares
    memory with an input, the cotangent or another gradient is right as long as nobody writes into
    it: a note.
    """
    _ = scene.second_claim
    for name, before in scene.claim.items():
        after = scene.returned[name]
        if before is not None and after is not None and not same_bits(before, after):
            yield failure(
                "buffer-overwritten",
                f"the next call of backward changed the gradient it had returned for {name} "
                f"({shown(name, after, before)}). Expected a returned gradient to stay. "
                "Do: return a new array, not a reused buffer.",
                name,
            )
    yield from _shared_memory(scene)
    scene.release_returned()


def output(scene: Scene) -> Iterator[Finding]:
    """The value has the same structure, shapes and dtypes at every call."""
    first = _signature(scene.output)
    others = [("again at the same point", scene.repeated_output)]
    if scene.second_point_is_usable():
        others.append(("at a second point of the same shapes", scene.second_output))
    for where, value in others:
        if _signature(value) != first:
            yield failure(
                "output-changes",
                f"got an output {_described(value)} {where}, expected {_described(scene.output)}. "
                "Do: let shape and dtype of the output depend on those of the inputs only.",
            )


class _Watch:
    """Bytes of what is handed to the subject, taken before the calls."""

    def __init__(self, scene: Scene) -> None:
        self.live: list[tuple[str, str, Array]] = [
            (role, name, array)
            for role, arrays in (("input", scene.inputs), ("cotangent", scene.cotangents))
            for name, array in arrays.items()
            if array.flags.writeable
        ]
        kept = scene.pristine or {}
        self.before = [
            np.asarray(kept[name]) if role == "input" and name in kept else array.copy()
            for role, name, array in self.live
        ]
        self.options = scene.options
        self.options_before = copy.deepcopy(dict(scene.options)) if scene.options else {}

    def changes(self) -> Iterator[Finding]:
        """What the calls changed, put back as it was."""
        for (role, name, array), before in zip(self.live, self.before, strict=True):
            if not same_bits(array, before):
                yield _mutation(role, name, shown(name, array, before))
                np.copyto(array, before)
        for name, value in self.options_before.items():
            if not _same_option(self.options[name], value):
                yield _mutation("option", name, f"got {self.options[name]!r}, was {value!r}")


def _cotangent_label(scene: Scene, name: str) -> str:
    return "the cotangent" if len(scene.cotangents) == 1 else f"the cotangent {name}"


def _refused_for_writing(scene: Scene) -> Iterator[Finding]:
    broken = scene.memo.get("second_output")
    if isinstance(broken, Broken) and broken.finding.name == "mutates-input":
        yield broken.finding


def _mutation(role: str, name: str, seen: str) -> Finding:
    return failure(
        f"mutates-{role}",
        f"a call changed {role} {name} in place ({seen}). Expected it to stay as it was: the "
        "caller still uses it. Do: work on a copy.",
        name if role == "input" else "",
    )


def _same_option(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return isinstance(right, np.ndarray) and same_bits(left, right)
    try:
        return bool(left == right)
    except (TypeError, ValueError):
        return True  # cannot be compared, so nothing is known


def _same_claims(left: Claims, right: Mapping[str, Array | None]) -> bool:
    return left.keys() == right.keys() and all(
        _same_or_none(grad, right[name]) for name, grad in left.items()
    )


def _same_or_none(left: Array | None, right: Array | None) -> bool:
    if left is None or right is None or left is right:
        return left is right
    return same_bits(left, right)


def _forward_noise(scene: Scene) -> Iterator[Finding]:
    again = named_outputs(scene.repeated_output)
    for name, before in scene.outputs.items():
        after = again.get(name, np.empty(0))
        if same_bits(after, before) or not is_differentiable(before):
            continue
        noise = _relative(after, before)
        yield Finding(
            "non-deterministic-forward",
            f"two calls of forward at one point differ by {noise:.1e} of their size "
            f"({shown(name, after, before)}). Expected the same value: a random function has no "
            "derivative to check. Do: fix its seed, or pass the random numbers as an input.",
            Severity.DOUBT if noise > NOISY_FORWARD else Severity.NOTE,
        )


def _relative(got: Array, expected: Array) -> float:
    size = max(magnitude(got), magnitude(expected))
    gap = discrepancy(got, expected)
    return gap / size if size > 0 else gap


def _differing(left: Claims, right: Mapping[str, Array | None]) -> tuple[str, Array, Array]:
    """The gradient that differs most, relative to its size."""
    pairs = [
        (_relative(grad, right_grad), name)
        for name, grad in numeric_claims(left).items()
        if (right_grad := right.get(name)) is not None
    ]
    name = max(pairs)[1]
    return name, np.asarray(left[name]), np.asarray(right[name])


def _backward_noise(scene: Scene, once: Claims, twice: Claims) -> Finding:
    if not _comparable(twice, once):
        return failure(
            "non-deterministic-backward",
            f"two calls of backward returned gradients for {', '.join(once)} and for "
            f"{', '.join(twice)}. Expected the same names. Do: return all gradients every time.",
        )
    name, after, before = _differing(twice, once)
    third = scene.vjp(scene.inputs, scene.cotangent, "the fifth time at one point").get(name)
    if third is not None and _grows(before, after, third):
        return failure(
            "accumulates",
            f"every call of backward adds to the gradient of {name} ({shown(name, after, before)})."
            " Expected each call to start from zero. Do: reset the gradient buffer in backward.",
            name,
        )
    noise = _relative(after, before)
    small = noise <= allowance(epsilon([after]))
    return Finding(
        "non-deterministic-backward",
        f"two calls of backward at one point differ by {noise:.1e} of their size "
        f"({shown(name, after, before)}). Expected the same gradient. Do: look for uninitialised "
        "memory, random numbers, or sums whose order depends on threads.",
        Severity.NOTE if small else Severity.FAILURE,
        name,
    )


def _comparable(left: Claims, right: Mapping[str, Array | None]) -> bool:
    return any(right.get(name) is not None for name in numeric_claims(left))


def _grows(first: Array, second: Array, third: Array) -> bool:
    """Whether three answers to one question are a, a + b, a + 2b."""
    if not first.shape == second.shape == third.shape:
        return False
    with np.errstate(all="ignore"):
        steps = second - first, third - second
    limit = allowance(epsilon([first])) * max(magnitude(third), magnitude(steps[0]))
    return discrepancy(*steps) <= limit < magnitude(steps[0])


def _why_stale(scene: Scene, again: Claims) -> Iterator[Finding]:
    twice = scene.third_claim
    if not _same_claims(twice, again) and not _same_claims(twice, scene.claim):
        return  # it changes with every call: `deterministic` says so
    if not _comparable(again, scene.claim):
        return
    name, after, before = _differing(again, scene.claim)
    if _relative(after, before) <= allowance(epsilon([after])):
        return
    yield failure(
        "stale-cache",
        f"after a call at another point, backward at the first point gives another gradient "
        f"({shown(name, after, before)}). Expected the first answer. Do: key the cache by the "
        "inputs, or pass what forward saved instead of keeping it.",
        name,
    )


def _against_fresh(scene: Scene) -> Iterator[Finding]:
    renew = scene.maker
    if renew is None:
        return
    fresh = renew()
    _ = fresh.value(scene.second_inputs)
    claims = as_claims(fresh.vjp(scene.second_inputs, scene.cotangent))
    expected = numeric_claims(claims)
    for name, grad in numeric_claims(scene.second_point_claim).items():
        if name in expected and _relative(grad, expected[name]) > allowance(epsilon([grad])):
            yield failure(
                "stale-cache",
                f"an object that was used at another point before gives another gradient than a "
                f"fresh one ({shown(name, grad, expected[name])}). Expected the fresh answer. Do: "
                "recompute what depends on the inputs at every call.",
                name,
            )


def _shared_memory(scene: Scene) -> Iterator[Finding]:
    arrays = {f"input {k}": v for k, v in scene.inputs.items()}
    arrays |= {_cotangent_label(scene, k): v for k, v in scene.cotangents.items()}
    others = {what: owned(array) for what, array in arrays.items() if array.size}
    for name, grad in numeric_claims(scene.returned).items():
        mine = owned(grad)
        shared = [what for what, other in others.items() if share_memory(mine, other)]
        if grad.size:
            others[f"the gradient of {name}"] = mine
        if shared:
            yield note(
                "shares-memory",
                f"the gradient of {name} is the memory of {' and '.join(shared)}. It is right "
                "until somebody adds to it in place. Do: return a copy if callers accumulate.",
                name,
            )


def _signature(value: Any) -> list[tuple[str, Any, tuple[int, ...]]]:
    return [(name, array.dtype, array.shape) for name, array in named_outputs(value).items()]


def _described(value: Any) -> str:
    return ", ".join(f"{k}: {v.dtype}{list(v.shape)}" for k, v in named_outputs(value).items())
