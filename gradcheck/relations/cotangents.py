"""What a vjp owes its cotangent: zero gives zero, sums give sums, and a jvp is its adjoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradcheck.relations.agreement import (
    LOW_PRECISION,
    allowance,
    discrepancy,
    epsilon,
    is_numeric,
    magnitude,
    shown,
)
from gradcheck.relations.judgement import disagreements, finite_gap, mixture_doubts
from gradcheck.relations.layouts import odd_doubts
from gradcheck.relations.scene import Broken, Claims, Scene, failure, numeric_claims
from gradcheck.result import Finding
from gradcheck.trees import Array, is_differentiable, like_output, named_outputs, tree_inner_product

UNIT_FACTORS = (1.0, -0.5)
"""How two cotangents are added where neither may be scaled."""


def zero_cotangent(scene: Scene) -> Iterator[Finding]:
    """A zero cotangent gives a zero gradient, of either sign.

    Among the entries of a large mixed cotangent are zeros. Where that gave what it should, no call
    is made with nothing but zeros.
    """
    if scene.mixes_zeros and scene.memo.get("odd_doubts") == []:
        return
    for name, grad in numeric_claims(_claim_at_zero(scene)).items():
        ordinary = scene.claim.get(name)
        if not grad.any() or _owes_nothing(grad, ordinary):
            continue
        yield failure(
            "zero-cotangent",
            f"a zero cotangent gave {shown(name, grad, np.zeros_like(grad))}. Expected zeros: a "
            "vjp is linear in the cotangent. Do: multiply every term by the cotangent, and guard "
            "what is infinite before the product.",
            name,
        )


def linear(scene: Scene) -> Iterator[Finding]:
    """The claim is linear in the cotangent, whatever the cotangent's scale.

    ``vjp(s u + t u')`` is compared with ``s vjp(u) + t vjp(u')`` for powers of two ``s`` and ``t``
    far from 1, so that the products are exact. The same call carries odd memory layouts; only
    where it disagrees are plain calls made to tell a layout from a cotangent.
    """
    for name in _plain_doubts(scene):
        if not _is_proportional(scene, name, scene.scale):
            yield from _not_proportional(scene, name)
        elif _is_not_additive(scene, name):
            yield _not_linear(scene, name, UNIT_FACTORS)


def cotangent_dtype(scene: Scene) -> Iterator[Finding]:
    """A float32 cotangent gives the gradient of its float64 copy, to float32 precision."""
    narrow = {name: _narrowed(array) for name, array in scene.cotangents.items()}
    if all(narrow[name].dtype == array.dtype for name, array in scene.cotangents.items()):
        return
    wide = {name: narrow[name].astype(v.dtype) for name, v in scene.cotangents.items()}
    claims = [
        scene.vjp(scene.inputs, like_output(tree, scene.output), "for a float32 cotangent")
        for tree in (narrow, wide)
    ]
    eps = float(np.finfo(np.float32).eps)
    for name, expected in numeric_claims(claims[1]).items():
        got = np.asarray(claims[0].get(name))
        if got.dtype.char in "fF":
            expected = expected.astype(got.dtype)
        if discrepancy(got, expected) > allowance(eps) * magnitude(expected):
            yield failure(
                "cotangent-dtype",
                f"a float32 cotangent gave {shown(name, got, expected)}. Expected the gradient of "
                "the same cotangent in float64. Do: promote the cotangent, never the result.",
                name,
            )


def adjoint(scene: Scene) -> Iterator[Finding]:
    """``<u, jvp(v)> = <vjp(u), v>`` where the subject claims both."""
    if scene.push_forward is None:
        return
    tangents = {name: scene.random_like(np.asarray(v)) for name, v in scene.inputs.items()}
    try:
        moved = named_outputs(scene.push_forward(scene.inputs, tangents))
    except Exception as error:
        yield failure("jvp-raises", f"jvp raised {type(error).__name__}: {error}.")
        return
    forward = tree_inner_product(scene.cotangents, moved)
    claims = {k: v for k, v in numeric_claims(scene.claim).items() if v.dtype.kind in "fc"}
    reverse = tree_inner_product(claims, tangents)
    size = sum(tree_inner_product({k: abs(v)}, {k: abs(tangents[k])}) for k, v in claims.items())
    size = max(size, abs(forward))
    if not abs(forward - reverse) <= max(allowance(scene.eps), LOW_PRECISION) * size:
        yield failure(
            "adjoint",
            f"got <u, jvp(v)> = {forward!r} and <vjp(u), v> = {reverse!r}; expected the same "
            "number. Do: check both against an estimate: at least one of them is wrong.",
        )


def hessian_symmetry(
    hessian_product: Callable[[Array, Array], Array], x: Array, generator: np.random.Generator
) -> Iterator[Finding]:
    """``<v, H w> = <w, H v>`` for a Hessian-vector product ``hessian_product(x, v)``.

    >>> A = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> list(hessian_symmetry(lambda x, v: A @ v, np.ones(2), np.random.default_rng(0)))
    []
    """
    v, w = (generator.standard_normal(x.shape).astype(x.dtype) for _ in range(2))
    left, right = np.asarray(hessian_product(x, w)), np.asarray(hessian_product(x, v))
    first, second = float(np.vdot(v, left)), float(np.vdot(w, right))
    size = float(np.vdot(abs(v), abs(left)) + np.vdot(abs(w), abs(right)))
    if not abs(first - second) <= max(allowance(epsilon([x, left])), LOW_PRECISION) * size:
        yield failure(
            "hessian-symmetry",
            f"got <v, Hw> = {first!r} and <w, Hv> = {second!r}; expected the same number: a "
            "Hessian is symmetric. Do: look for a term differentiated once only.",
        )


def _claim_at_zero(scene: Scene) -> Claims:
    zeros = {name: np.zeros_like(array) for name, array in scene.cotangents.items()}
    return scene.vjp(scene.inputs, like_output(zeros, scene.output), "for a zero cotangent")


def _owes_nothing(grad: Array, ordinary: Array | None) -> bool:
    """Whether the gradient is zero wherever the ordinary one is finite."""
    if ordinary is None or not is_numeric(ordinary) or ordinary.shape != grad.shape:
        return False
    finite = np.isfinite(ordinary)
    return not finite.all() and not grad[finite].any()


def _plain_doubts(scene: Scene) -> list[str]:
    try:
        if not odd_doubts(scene):
            return []
    except Broken:
        pass  # it refuses views; the plain call must still be linear
    return mixture_doubts(scene, scene.mixed_claim)


def _is_proportional(scene: Scene, name: str, factor: float) -> bool:
    """Whether a power of two times the cotangent gives that power of two times the gradient.

    Multiplying by it is exact, so this holds to the last bit of a linear function, however
    ill-conditioned; what is allowed is for threads that sum in another order.
    """
    claim = scene.shared(f"claim for {factor} times", lambda: scene.multiple(factor))
    ordinary = np.asarray(scene.claim[name])
    with np.errstate(all="ignore"):
        expected = factor * ordinary
    allowed = allowance(scene.eps) * factor * magnitude(ordinary)
    return finite_gap(np.asarray(claim.get(name)), expected) <= allowed


def _not_proportional(scene: Scene, name: str) -> Iterator[Finding]:
    if not _is_proportional(scene, name, 2.0):
        yield _not_linear(scene, name, (2.0, 0.0))
    elif not _is_extreme(scene):
        yield failure(
            "not-homogeneous",
            f"at {scene.scale:.0e} times the cotangent the gradient of {name} is not that many "
            "times as large, though at 2 times it is. Expected a vjp to be linear in the "
            "cotangent. Do: look for a threshold, a clip or an added constant.",
            name,
        )


def _is_not_additive(scene: Scene, name: str) -> bool:
    claim = scene.shared(
        "unit_claim",
        lambda: scene.vjp(
            scene.inputs, scene.combine(*UNIT_FACTORS), "for a sum of two cotangents"
        ),
    )
    return bool(disagreements(scene, claim, {name: scene.expect(*UNIT_FACTORS)[name]}))


def _not_linear(scene: Scene, name: str, factors: tuple[float, float]) -> Finding:
    if factors == UNIT_FACTORS:
        made, claim = "u - u'/2", scene.memo["unit_claim"]
        expected = np.asarray(scene.expect(*factors)[name])
    else:
        made, claim = "2u", scene.memo["claim for 2.0 times"]
        expected = 2 * np.asarray(scene.claim[name])
    return failure(
        "not-linear",
        f"the cotangent {made} gave {shown(name, np.asarray(claim.get(name)), expected)}, from "
        "what the cotangents it is made of gave. Expected a vjp to be linear in the cotangent. Do: "
        "look for a cotangent used twice, not at all, or by one of its entries.",
        name,
    )


def _is_extreme(scene: Scene) -> bool:
    """Whether numbers are so large or small that scaling them may leave the range of the dtype."""
    arrays = [
        *scene.inputs.values(),
        *scene.outputs.values(),
        *numeric_claims(scene.claim).values(),
    ]
    return any(_leaves_range(array) for array in arrays if is_differentiable(array))


def _leaves_range(array: Array) -> bool:
    sizes = np.abs(array[np.isfinite(array) & (array != 0)])
    limits = np.finfo(array.dtype)
    small, large = np.sqrt(float(limits.tiny)), np.sqrt(float(limits.max))
    return bool(sizes.size) and bool(sizes.min() < small or sizes.max() > large)


def _narrowed(array: Array) -> Array:
    narrow = {"d": np.float32, "D": np.complex64}.get(array.dtype.char)
    return array if narrow is None else array.astype(narrow)
