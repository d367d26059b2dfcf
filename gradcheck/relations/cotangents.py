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
from gradcheck.relations.judgement import disagreements
from gradcheck.relations.layouts import odd_disagreements
from gradcheck.relations.scene import Broken, Claims, Scene, failure, numeric_claims
from gradcheck.result import Finding
from gradcheck.trees import Array, is_differentiable, like_output, named_outputs, tree_inner_product


def zero_cotangent(scene: Scene) -> Iterator[Finding]:
    """A zero cotangent gives a zero gradient, of either sign."""
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
    for name in _plain_disagreements(scene):
        yield from _not_linear(scene, name)


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


def _plain_disagreements(scene: Scene) -> list[str]:
    try:
        if not odd_disagreements(scene):
            return []
    except Broken:
        pass  # it refuses views; the plain call must still be linear
    return disagreements(scene, scene.mixed_claim, scene.mixed_expectation, scene.scale)


def _not_linear(scene: Scene, name: str) -> Iterator[Finding]:
    first, second = 1.0, -0.5
    got = scene.shared(
        "unit_claim",
        lambda: scene.vjp(
            scene.inputs, scene.combine(first, second), "for a sum of two cotangents"
        ),
    )[name]
    expected = np.asarray(scene.expect(first, second)[name])
    size = magnitude(np.asarray(scene.claim[name])) + magnitude(expected)
    if (
        not discrepancy(np.asarray(got), expected)
        <= max(LOW_PRECISION, allowance(scene.eps)) * size
    ):
        yield failure(
            "not-linear",
            f"the cotangent u - u'/2 gave {shown(name, np.asarray(got), expected)}, made of the "
            "gradients for u and u'. Expected a vjp to be linear in the cotangent. Do: look for "
            "a cotangent used twice, not at all, or by one of its entries.",
            name,
        )
    elif not _is_extreme(scene):
        scaled = np.asarray(scene.mixed_claim[name])
        yield failure(
            "not-homogeneous",
            f"at {scene.factors[0]:.0e} times the cotangent the gradient is not that many times as "
            f"large: {shown(name, scaled, np.asarray(scene.mixed_expectation[name]))}. Expected a "
            "vjp to be linear in the cotangent. Do: look for a threshold, a clip or an added "
            "constant.",
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
