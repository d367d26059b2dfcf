"""Every relation holds for right backwards, and names what a wrong one breaks."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import InvalidArgument
from gradcheck.relations import (
    DEFAULT,
    RELATIONS,
    Scene,
    hessian_symmetry,
    non_finite_entries,
    raising,
    relate,
)
from gradcheck.relations.agreement import discrepancy, worst_entry
from gradcheck.result import Severity
from gradcheck.subject import FunctionSubject
from gradcheck.trees import like_output, named_outputs

RNG = np.random.default_rng(20240229)


class Counting:
    """Counts the calls a scene makes."""

    def __init__(self, forward, backward, names):
        self.name, self.forward, self.backward, self.names = "subject", forward, backward, names
        self.forwards = self.backwards = 0

    def value(self, inputs):
        self.forwards += 1
        return self.forward(*inputs.values())

    def vjp(self, inputs, cotangent):
        self.backwards += 1
        returned = self.backward(cotangent, *inputs.values())
        return (
            returned if isinstance(returned, dict) else dict(zip(self.names, returned, strict=True))
        )


def scene_of(forward, backward, inputs, seed=0, **fields):
    """A scene as the procedure sets it up: one value and one claim already made."""
    subject = Counting(forward, backward, list(inputs))
    generator = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        output = subject.value(inputs)
        drawn = {k: _normal(generator, v) for k, v in named_outputs(output).items()}
        cotangent = like_output(drawn, output)
        claim = {
            k: None if v is None else np.asarray(v)
            for k, v in subject.vjp(inputs, cotangent).items()
        }
    subject.forwards = subject.backwards = 0
    return Scene(subject, inputs, output, cotangent, claim, generator, **fields)


def _normal(generator, like):
    numbers = generator.standard_normal(like.shape)
    if like.dtype.kind == "c":
        numbers = numbers + 1j * generator.standard_normal(like.shape)
    return np.asarray(numbers, dtype=like.dtype if like.dtype.kind in "fc" else float)


def found(scene, names=None):
    return {finding.name: finding for finding in relate(scene, names)}


def failures(scene, names=None):
    return {f.name for f in relate(scene, names) if f.severity is Severity.FAILURE}


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.sum(0)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_backward(y_bar, z):
    p = softmax(z)
    return (p * (y_bar - (y_bar * p).sum(-1, keepdims=True)),)


def batchnorm(x, w):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * w


def batchnorm_backward(y_bar, x, w):
    s = np.sqrt(x.var(0) + 1e-5)
    n = (x - x.mean(0)) / s
    g = y_bar * w
    return (g - g.mean(0) - n * (g * n).mean(0)) / s, (y_bar * n).sum(0)


def single_precision(x, w):
    return (x.astype(np.float32) @ w.astype(np.float32)).astype(float)


def single_precision_backward(y_bar, x, w):
    y_bar, x, w = (a.astype(np.float32) for a in (y_bar, x, w))
    return (y_bar @ w.T).astype(float), (x.T @ y_bar).astype(float)


def square(x):
    return x**2


def square_backward(y_bar, x):
    return (2 * x * y_bar,)


def gather(x, index):
    return x[index]


def gather_backward(y_bar, x, index):
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, index, y_bar)
    return x_bar, None


def complex_product(a, b):
    return a @ b


def complex_product_backward(y_bar, a, b):
    return y_bar @ b.conj().T, a.conj().T @ y_bar


def inverse(a):
    return np.linalg.inv(a)


def inverse_backward(y_bar, a):
    inv = np.linalg.inv(a).T
    return (-inv @ y_bar @ inv,)


def two_outputs(x, y):
    return x * y, x.sum()


def two_outputs_backward(y_bar, x, y):
    return y_bar[0] * y + y_bar[1], y_bar[0] * x


def normal(*shape):
    return RNG.standard_normal(shape)


def vandermonde():
    return np.vander(np.linspace(1, 2, 8) + 0.01 * normal(8), 8)


RIGHT = {
    "dense": (dense, dense_backward, {"x": normal(3, 4), "w": normal(4, 5), "b": normal(5)}),
    "softmax": (softmax, softmax_backward, {"z": 10 * normal(3, 4)}),
    "batchnorm": (batchnorm, batchnorm_backward, {"x": normal(5, 3) + 1e3, "w": normal(3)}),
    "batchnorm of two, all cancels": (
        batchnorm, batchnorm_backward, {"x": normal(2, 3), "w": normal(3)},
    ),
    "float32 inside": (
        single_precision, single_precision_backward, {"x": normal(3, 40), "w": normal(40, 5)},
    ),
    "float16": (
        lambda x, w: x @ w,
        lambda g, x, w: (g @ w.T, x.T @ g),
        {"x": normal(4, 9).astype(np.float16), "w": normal(9, 5).astype(np.float16)},
    ),
    "integer input": (gather, gather_backward, {"x": normal(4), "index": np.array([0, 3, 3])}),
    "complex": (
        complex_product, complex_product_backward,
        {"a": normal(2, 3) + 1j * normal(2, 3), "b": normal(3, 2) + 1j * normal(3, 2)},
    ),
    "ill-conditioned": (inverse, inverse_backward, {"a": vandermonde()}),
    "two outputs": (two_outputs, two_outputs_backward, {"x": normal(2, 3), "y": normal(2, 3)}),
    "scalar": (square, square_backward, {"x": np.array(0.7)}),
    "empty": (square, square_backward, {"x": np.zeros((0, 3))}),
    "huge": (lambda x: x * 1e200, lambda g, x: (g * 1e200,), {"x": 1e100 * normal(3)}),
    "tiny": (square, square_backward, {"x": 1e-305 * normal(3)}),
    "subnormal": (square, square_backward, {"x": 1e-310 * normal(3)}),
    "overflowing": (np.exp, lambda g, x: (g * np.exp(x),), {"x": np.array([800.0, 1.0])}),
    "nan input": (square, square_backward, {"x": np.array([0.0, np.nan])}),
    "minus infinity": (
        lambda x: np.exp(x), lambda g, x: (g * np.exp(x),), {"x": np.array([-np.inf, 0.0])},
    ),
    "edge of the domain": (
        np.arccosh, lambda g, x: (g / np.sqrt(x * x - 1),), {"x": np.array([1.01])},
    ),
    "identity": (lambda x: x, lambda g, x: (g,), {"x": normal(3)}),
    "add": (lambda x, y: x + y, lambda g, x, y: (g, g), {"x": normal(3), "y": normal(3)}),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", RIGHT)
def test_a_right_backward_breaks_no_relation(case, seed):
    forward, backward, inputs = RIGHT[case]
    scene = scene_of(forward, backward, inputs, seed)
    grave = [f for f in relate(scene, list(RELATIONS)) if f.severity is not Severity.NOTE]
    assert grave == []


def test_what_cancels_to_the_last_place_breaks_no_relation():
    draw = np.random.default_rng(7)
    for seed in range(300):
        z = draw.standard_normal((2, 3)) * 10.0 ** draw.integers(-3, 4)
        for forward, backward, inputs in (
            (softmax, softmax_backward, {"z": z}),
            (batchnorm, batchnorm_backward, {"x": z, "w": np.ones(3)}),
        ):
            found = relate(scene_of(forward, backward, inputs, seed))
            assert [f for f in found if f.severity is not Severity.NOTE] == [], (seed, z)


def _overwritten_buffer(shape=4):
    buffer = np.zeros(shape)

    def backward(g, x):
        np.multiply(2 * x, g, out=buffer)
        return (buffer,)

    return backward


def _accumulating(shape=4):
    held = np.zeros(shape)

    def backward(g, x):
        held[...] += 2 * x * g
        return (held.copy(),)

    return backward


def _random():
    noise = np.random.default_rng(1)
    return lambda g, x: (2 * x * g * noise.standard_normal(),)


def _cached_by_last_forward():
    cache = {}

    def forward(x):
        cache["x"] = x
        return x**2

    def backward(g, x):
        return (2 * cache["x"] * g,)

    return forward, backward


def _mutating(which):
    def backward(g, x):
        target = {"g": g, "x": x}[which]
        x_bar = 2 * x * g
        target *= 3.0
        return (x_bar,)

    return backward


def _c_strides(g, x):
    flat = np.lib.stride_tricks.as_strided(g, (g.size,), (g.itemsize,)).copy()
    return (2 * x * flat.reshape(x.shape),)


def _order_a(g, x):
    return (2 * x * np.ravel(g, order="A").reshape(x.shape),)


def _relu_in_place(x):
    x[x < 0] = 0
    return x.copy()


VECTOR = {"x": np.array([0.5, -1.5, 2.0, -0.25])}
MATRIX = {"x": normal(3, 4)}

WRONG = {
    "ignores the cotangent": (square, lambda g, x: (2 * x,), VECTOR, "not-linear"),
    "adds a constant": (square, lambda g, x: (2 * x * g + 1,), VECTOR, "zero-cotangent"),
    "uses its absolute value": (square, lambda g, x: (2 * x * abs(g),), VECTOR, "not-linear"),
    "squares it": (square, lambda g, x: (2 * x * g * g,), VECTOR, "not-linear"),
    "infinite times zero": (
        square, lambda g, x: (2 * x * g / (g != 0),), VECTOR, "zero-cotangent",
    ),
    "leftover at zero": (
        square, lambda g, x: (2 * x * g if g.any() else x,), VECTOR, "zero-cotangent",
    ),
    "not summed": (
        lambda x, b: x + b, lambda g, x, b: (g.copy(), g.copy()),
        {"x": normal(3, 4), "b": normal(4)}, "shape",
    ),
    "transposed": (
        lambda x, w: x @ w, lambda g, x, w: (g @ w.T, g.T @ x),
        {"x": normal(3, 4), "w": normal(4, 5)}, "shape",
    ),
    "float32 gradient": (
        square, lambda g, x: ((2 * x * g).astype(np.float32),), VECTOR, "dtype",
    ),
    "integer gradient": (
        square, lambda g, x: (np.rint(2 * x * g).astype(int),), VECTOR, "dtype",
    ),
    "complex gradient": (square, lambda g, x: (2 * x * g + 0j,), VECTOR, "dtype"),
    "object gradient": (square, lambda g, x: ((2 * x * g).astype(object),), VECTOR, "dtype"),
    "missing name": (square, lambda g, x: {}, VECTOR, "names"),
    "other name": (square, lambda g, x: {"x": g, "y": g}, VECTOR, "names"),
    "random": (square, _random(), VECTOR, "non-deterministic-backward"),
    "accumulates": (square, _accumulating(), VECTOR, "accumulates"),
    "overwrites": (square, _overwritten_buffer(), VECTOR, "buffer-overwritten"),
    "stale": (*_cached_by_last_forward(), VECTOR, "stale-cache"),
    "mutates the cotangent": (square, _mutating("g"), VECTOR, "mutates-cotangent"),
    "mutates an input": (square, _mutating("x"), VECTOR, "mutates-input"),
    "forward mutates": (
        _relu_in_place, lambda g, x: (g * (x > 0),), VECTOR, "mutates-input",
    ),
    "C strides": (square, _c_strides, MATRIX, "layout"),
    "told apart by identity": (
        lambda x, y: x * y,
        lambda g, x, y: (g * y, np.zeros_like(y)) if x is y else (g * y, g * x),
        {"x": normal(3), "y": normal(3)}, "same-array",
    ),
    "raises at zero": (
        square, lambda g, x: (2 * x * g / (1 // bool(g.any())),), VECTOR, "backward-raises",
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_backward_is_named(case, seed):
    forward, backward, inputs, expected = WRONG[case]
    inputs = {name: array.copy() for name, array in inputs.items()}
    scene = scene_of(forward, backward, inputs, seed)
    assert expected in failures(scene), relate(scene)


@pytest.mark.parametrize(
    "bent", [lambda g: np.clip(g, -1e3, 1e3), lambda g: np.where(abs(g) < 1e-4, 0, g)]
)
def test_a_cotangent_is_taken_at_every_scale(bent):
    scenes = [scene_of(square, lambda g, x: (2 * x * bent(g),), VECTOR, s) for s in range(6)]
    assert {"not-homogeneous"} in [failures(scene) for scene in scenes]


def test_order_a_is_caught_by_some_seed_within_six():
    seen = [failures(scene_of(square, _order_a, MATRIX, seed)) for seed in range(6)]
    assert {"layout"} in seen
    assert all(names <= {"layout"} for names in seen)


def test_a_forward_that_reads_memory_instead_of_indices_is_named():
    def forward(x):
        return np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,)) ** 2

    def backward(g, x):
        return (2 * x * g.reshape(x.shape),)

    assert failures(scene_of(forward, backward, MATRIX), ["forward-layouts"]) == {"layout"}
    assert failures(scene_of(square, square_backward, MATRIX), ["forward-layouts"]) == set()


def test_a_layout_failure_blames_the_one_array():
    def backward(g, x, w):
        flat = np.lib.stride_tricks.as_strided(w, (w.size,), (w.itemsize,)).copy()
        return g @ flat.reshape(w.shape).T, x.T @ g

    inputs = {"x": normal(3, 4), "w": normal(4, 5)}
    finding = found(scene_of(lambda x, w: x @ w, backward, inputs))["layout"]
    assert finding.message.startswith("with w in ")
    assert finding.input == "x"


def test_a_mutation_ends_the_visit_and_is_undone():
    inputs = {"x": np.array([1.0, 2.0])}
    scene = scene_of(square, lambda g, x: (2 * x * g,), inputs)
    scene.subject.backward = _mutating("g")
    before = scene.cotangent.copy()
    assert failures(scene) == {"mutates-cotangent"}
    assert np.array_equal(scene.cotangent, before)


def test_refusing_read_only_arrays_is_mutation():
    x = np.ones(3)
    x.flags.writeable = False
    scene = scene_of(square, square_backward, {"x": x})
    scene.subject.backward = _mutating("x")
    assert "mutates-input" in failures(scene)


def test_changed_options_are_seen():
    options = {"weights": np.ones(2)}

    def backward(g, x):
        options["weights"] *= 2
        return (2 * x * g,)

    assert "mutates-option" in failures(scene_of(square, backward, VECTOR, options=options))


def test_infinite_gradients_went_through_no_float32():
    scene = scene_of(square, lambda g, x: (np.full_like(x, np.inf),), VECTOR)
    assert relate(scene, ["narrowed"]) == ()
    rounded = scene_of(square, lambda g, x: ((2 * x * g).astype(np.float32).astype(float),), VECTOR)
    assert failures(rounded, ["narrowed"]) == {"narrowed"}


@pytest.mark.parametrize(("size", "backwards"), [(4, 5), (4096, 3)])
def test_the_default_relations_spend_no_more_calls_at_any_size(size, backwards):
    inputs = {"x": normal(size, 3), "w": normal(3, 2), "b": normal(2)}
    scene = scene_of(dense, dense_backward, inputs)
    relate(scene)
    assert (scene.subject.forwards, scene.subject.backwards) == (2, backwards)


ABOUT_COTANGENTS = (
    "ignores the cotangent", "adds a constant", "uses its absolute value", "squares it",
    "infinite times zero",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", ABOUT_COTANGENTS)
def test_the_zeros_of_a_large_cotangent_tell_what_nothing_but_zeros_would(case, seed):
    forward, backward, _, expected = WRONG[case]
    scene = scene_of(forward, backward, {"x": normal(70, 80)}, seed)
    assert expected in failures(scene), relate(scene)


WITH_STATE = {
    "random": lambda: (square, _random()),
    "accumulates": lambda: (square, _accumulating((70, 80))),
    "overwrites": lambda: (square, _overwritten_buffer((70, 80))),
    "stale": _cached_by_last_forward,
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", WITH_STATE)
def test_state_is_found_in_large_arrays_though_no_call_is_made_twice(case, seed):
    forward, backward = WITH_STATE[case]()
    expected = WRONG[case][3]
    scene = scene_of(forward, backward, {"x": normal(70, 80)}, seed)
    assert expected in failures(scene), relate(scene)


def test_a_large_gradient_that_is_right_is_asked_for_once():
    scene = scene_of(square, square_backward, {"x": normal(70, 80)})
    relate(scene)
    assert "repeated_claim" not in scene.memo


def test_a_large_mixed_cotangent_is_zero_in_a_quarter():
    scene = scene_of(square, square_backward, {"x": normal(80, 100)})
    assert np.count_nonzero(scene.mixed_cotangent == 0) == 2000
    assert np.count_nonzero(scene.second_cotangent) == 8000


def _told_apart(g, x, b, c):
    g_sum = g.sum(0)
    return g, np.zeros_like(b) if b is c else g_sum, g_sum


SMALL_AND_ALIKE = {"x": normal(20, 4), "b": normal(4), "c": normal(4)}
BIASED = (lambda x, b, c: x + b + c, lambda g, x, b, c: (g, g.sum(0), g.sum(0) + 0.0))


def test_small_inputs_that_are_alike_are_one_array_at_the_second_point():
    scene = scene_of(*BIASED, SMALL_AND_ALIKE)
    assert failures(scene) == set()
    assert scene.second_inputs["b"] is scene.second_inputs["c"]
    wrong = scene_of(BIASED[0], _told_apart, SMALL_AND_ALIKE)
    assert failures(wrong) == {"same-array"}


@pytest.mark.parametrize("backward", [BIASED[1], _told_apart])
def test_a_right_second_point_spares_the_calls_with_equal_arrays(backward):
    result = gradcheck.check_vjp(BIASED[0], backward, SMALL_AND_ALIKE)
    names = {finding.name for finding in result.findings if finding.severity is Severity.FAILURE}
    assert names == (set() if backward is BIASED[1] else {"same-array"})
    # The claim, the repeated and the second point's, a second cotangent, the mixed, the zero one.
    if not names:
        assert result.evaluations.relation_backwards == 5


@pytest.mark.parametrize("refuse", ["forward", "backward", "infinite"])
def test_small_inputs_that_must_differ_are_tied_nowhere(refuse):
    def forward(x, b, c):
        if refuse == "forward" and np.array_equal(b, c):
            raise ValueError("b must not be c")
        with np.errstate(divide="ignore"):
            return x + (b - c if refuse != "infinite" else np.log(abs(b - c)))

    def backward(g, x, b, c):
        if refuse == "backward" and np.array_equal(b, c):
            raise ValueError("b must not be c")
        with np.errstate(divide="ignore"):
            b_bar = g.sum(0) * (1 if refuse != "infinite" else 1 / (b - c))
        return g, b_bar, -b_bar

    scene = scene_of(forward, backward, SMALL_AND_ALIKE)
    assert failures(scene) == set()
    assert scene.second_inputs["b"] is not scene.second_inputs["c"]


def test_declared_costs_bound_the_calls_of_a_passing_check():
    inputs = {"x": normal(3), "y": normal(3)}
    scene = scene_of(lambda x, y: x * y, lambda g, x, y: (g * y, g * x), inputs)
    relate(scene)
    defaults = [RELATIONS[name] for name in DEFAULT if name != "batch"]
    assert scene.subject.forwards == sum(r.forwards for r in defaults)
    assert scene.subject.backwards == sum(r.backwards for r in defaults)


def test_relations_are_selectable_and_unknown_names_are_refused():
    scene = scene_of(square, lambda g, x: (2 * x,), VECTOR)
    assert failures(scene, ["zero-cotangent"]) == {"zero-cotangent"}
    assert failures(scene_of(square, lambda g, x: (2 * x,), VECTOR), ["shape", "stale"]) == set()
    with pytest.raises(InvalidArgument, match="expected one of names, claimed"):
        relate(scene, ["shapes"])


def test_the_second_claim_is_kept_for_whoever_reads_it_afterwards():
    scene = scene_of(square, square_backward, VECTOR)
    relate(scene)
    calls = scene.subject.backwards
    expected = 2 * VECTOR["x"] * scene.second_cotangent
    assert np.array_equal(scene.second_claim["x"], expected)
    assert not np.array_equal(scene.second_cotangent, scene.cotangent)
    moved = 2 * scene.second_inputs["x"] * scene.cotangent
    assert np.array_equal(scene.second_point_claim["x"], moved)
    assert scene.subject.backwards == calls


def test_a_reused_buffer_does_not_spoil_the_claim_of_the_scene():
    scene = scene_of(square, _overwritten_buffer(), VECTOR)
    relate(scene)
    assert np.allclose(scene.claim["x"], 2 * VECTOR["x"] * scene.cotangent)


def test_the_second_point_stays_in_the_domain():
    rows = np.array([[0.2, 0.8], [1.0, 0.0]])
    knots = np.array([1.0, 2.0, 4.0])
    spd = np.array([[2.0, 1.0], [1.0, 3.0]])
    index = np.array([0, 2])
    inputs = {"p": rows, "t": knots, "a": spd, "q": np.array([0.25, 0.75]), "i": index}
    scene = scene_of(
        lambda p, t, a, q, i: p.sum() + t.sum() + a.sum() + q.sum(),
        lambda g, p, t, a, q, i: (*(g * np.ones_like(v) for v in (p, t, a, q)), None),
        inputs,
    )
    second = scene.second_inputs
    assert np.allclose(second["p"].sum(1), 1)
    assert np.all(np.diff(second["t"]) > 0)
    assert np.linalg.eigvalsh(second["a"]).min() > 0
    assert second["q"].sum() == 1
    assert np.array_equal(second["i"], index)


def test_a_point_the_subject_refuses_is_no_finding_unless_it_was_given():
    def forward(x):
        if x[0] > x[1]:
            raise ValueError("x must ascend")
        return x**2

    inputs = {"x": np.array([[1.0], [2.0]])}
    assert failures(scene_of(forward, square_backward, inputs)) == set()
    another = {"x": np.array([[2.0], [1.0]])}
    assert failures(scene_of(forward, square_backward, inputs, another=another)) == {
        "forward-raises"
    }


def _first_only():
    seen = []

    def backward(g, x):
        seen.append(x.copy())
        return (2 * seen[0] * g,)

    return backward


def test_what_is_right_at_the_first_point_only_differs_from_a_fresh_object():
    def fresh():
        backward = _first_only()
        return FunctionSubject("s", lambda i: square(**i), lambda i, g: {"x": backward(g, **i)[0]})

    scene = scene_of(square, _first_only(), VECTOR, renew=fresh)
    assert "stale-cache" in failures(scene)
    assert failures(scene_of(square, _first_only(), VECTOR)) == set()  # nothing to compare with


def test_a_random_forward_is_blamed_before_its_backward():
    noise = np.random.default_rng(0)

    def forward(x):
        return x * (noise.random(x.shape) > 0.5)

    scene = scene_of(forward, lambda g, x: (g * noise.random(x.shape),), {"x": normal(9)})
    names = found(scene)
    assert names["non-deterministic-forward"].severity is Severity.DOUBT
    assert "non-deterministic-backward" not in names


def test_rounding_that_depends_on_threads_is_only_noted():
    flips = itertools.count()

    def backward(g, x):
        return (2 * x * g * (1 + 2e-16 * (next(flips) % 2)),)

    names = found(scene_of(square, backward, VECTOR), ["deterministic", "stale"])
    assert {f.severity for f in names.values()} <= {Severity.NOTE}


def test_an_output_that_changes_its_dtype_is_named():
    calls = itertools.count()

    def forward(x):
        return x**2 if next(calls) < 1 else (x**2).astype(np.float32)

    assert "output-changes" in failures(scene_of(forward, square_backward, VECTOR))


def test_shared_memory_is_a_note():
    names = found(
        scene_of(lambda x, y: x + y, lambda g, x, y: (g, g), {"x": normal(2), "y": normal(2)})
    )
    assert names["shares-memory"].severity is Severity.NOTE


def test_claims_for_integers_and_none_for_floats_are_noted():
    scene = scene_of(gather, lambda g, x, index: (None, np.zeros(3)), RIGHT["integer input"][2])
    names = found(scene, ["claimed"])
    assert names["gradient-for-integer-input"].severity is Severity.NOTE
    assert names["not-claimed"].severity is Severity.DOUBT  # no float input has a gradient
    scene = scene_of(
        lambda x, y: x * y, lambda g, x, y: (g * y, None), {"x": normal(2), "y": normal(2)}
    )
    assert found(scene, ["claimed"])["not-claimed"].severity is Severity.NOTE


def test_a_wider_gradient_is_noted_and_a_narrower_one_fails():
    wide = scene_of(
        square, lambda g, x: ((2 * x * g).astype(float),), {"x": normal(3).astype("f4")}
    )
    assert found(wide, ["dtype"])["dtype"].severity is Severity.NOTE
    narrow = scene_of(square, lambda g, x: ((2 * x * g).astype("f4"),), {"x": normal(3)})
    assert found(narrow, ["dtype"])["dtype"].severity is Severity.FAILURE


def test_non_finite_entries_are_listed_where_the_value_is_finite():
    inputs = {"x": np.array([0.0, 1.0, np.nan])}

    def backward(g, x):
        with np.errstate(all="ignore"):
            return (g * x / abs(x),)

    scene = scene_of(lambda x: np.abs(np.nan_to_num(x)), backward, inputs)
    assert {k: v.tolist() for k, v in non_finite_entries(scene).items()} == {"x": [0]}
    assert found(scene, ["finite"])["non-finite"].severity is Severity.DOUBT
    infinite = scene_of(lambda x: 1 / abs(x), backward, {"x": np.array([0.0])})
    assert non_finite_entries(infinite) == {}


def test_exceptions_become_findings_with_their_text():
    finding = raising(KeyError("w"), "backward", "for a zero cotangent")
    assert finding.name == "backward-raises"
    assert "KeyError: 'w', for a zero cotangent" in finding.message
    scene = scene_of(square, square_backward, VECTOR)
    scene.subject.backward = lambda g, x: 1 / 0
    assert failures(scene) == {"backward-raises"}


def test_a_claim_that_is_no_mapping_is_a_finding():
    scene = scene_of(square, square_backward, VECTOR)
    scene.subject.vjp = lambda inputs, cotangent: [cotangent]
    assert failures(scene) == {"backward-raises"}


def test_refusing_a_view_with_a_type_error_is_noted():
    def backward(g, x):
        if not g.flags.c_contiguous:
            raise TypeError("expected a contiguous array")
        return (2 * x * g,)

    seen = [found(scene_of(square, backward, MATRIX, seed)) for seed in range(3)]
    assert all(s["refuses-layout"].severity is Severity.NOTE for s in seen)


def test_linearity_is_still_seen_where_views_are_refused():
    def backward(g, x):
        if not g.flags.c_contiguous:
            raise TypeError("expected a contiguous array")
        return (2 * x * abs(g),)

    assert "not-linear" in failures(scene_of(square, backward, MATRIX))


def test_prints_and_warnings_are_noted_and_prints_pass_through(capsys):
    def forward(x):
        print("hello", x.shape)  # noqa: T201
        warnings.warn("odd", UserWarning, stacklevel=1)
        return x**2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene = scene_of(forward, square_backward, VECTOR)
    capsys.readouterr()
    names = found(scene)
    assert "'hello (4,)'" in names["prints"].message
    assert "UserWarning: odd" in names["warns"].message
    assert capsys.readouterr().out.startswith("hello (4,)")


def test_floating_point_errors_are_notes_even_where_the_caller_raises_them():
    scene = scene_of(np.exp, lambda g, x: (g * np.exp(x),), {"x": np.array([[1e4, 1.0]])})
    with np.errstate(all="raise"):
        noted = relate(scene)
    assert {f.severity for f in noted} == {Severity.NOTE}
    assert any("overflow" in f.message for f in noted)


AXES = {"x": ("n", "d"), "w": ("d", "k"), "b": ("k",), "out": ("n", "k")}


def test_samples_of_a_declared_batch_do_not_mix():
    inputs = RIGHT["dense"][2]
    right = scene_of(dense, dense_backward, inputs, axes=AXES, batch="n")
    assert failures(right, ["batch"]) == set()
    mean = scene_of(
        dense, lambda g, x, w, b: (g @ w.T, x.T @ g, g.mean(0)), inputs, axes=AXES, batch="n"
    )
    assert failures(mean, ["batch"]) == {"batch"}
    mixing = scene_of(
        batchnorm, batchnorm_backward, RIGHT["batchnorm"][2],
        axes={"x": ("n", "d"), "w": ("d",), "out": ("n", "d")}, batch="n",
    )  # fmt: skip
    assert failures(mixing, ["batch"]) == {"batch"}


def test_a_batch_axis_is_counted_from_the_end_after_an_ellipsis():
    axes = {"x": ("...", "n", "d"), "out": ("...", "n", "d")}
    scene = scene_of(square, square_backward, {"x": normal(2, 3, 4)}, axes=axes, batch="n")
    assert failures(scene, ["batch"]) == set()
    assert scene.subject.forwards == 2


def test_without_a_declared_batch_nothing_is_cut():
    scene = scene_of(dense, dense_backward, RIGHT["dense"][2], axes=AXES)
    assert relate(scene, ["batch"]) == ()
    assert scene.subject.forwards == 0


def test_empty_and_size_one_axes_work_or_are_refused_clearly():
    inputs = RIGHT["dense"][2]
    scene = scene_of(dense, dense_backward, inputs, axes=AXES)
    assert relate(scene, ["empty", "size-one"]) == ()

    def crashing(x, w, b):
        return x @ w + b if len(x) > 1 else [][0]

    broken = scene_of(crashing, dense_backward, inputs, axes=AXES)
    assert failures(broken, ["empty", "size-one"]) == {"empty-axis", "size-one-axis"}

    def squeezing(g, x, w, b):
        return (g @ w.T).squeeze(), x.T @ g, g.sum(0)

    squeezed = scene_of(dense, squeezing, inputs, axes=AXES)
    assert failures(squeezed, ["size-one"]) == {"size-one-axis"}

    def refusing(x, w, b):
        if not x.size:
            raise ValueError("empty batch")
        return x @ w + b

    clear = found(scene_of(refusing, dense_backward, inputs, axes=AXES), ["empty"])
    assert clear["empty-axis"].severity is Severity.NOTE


def test_a_stride_0_cotangent_is_read_by_its_indices():
    right = scene_of(square, square_backward, MATRIX)
    assert failures(right, ["expanded-cotangent"]) == set()

    def first_only(g, x):
        g = g if g.strides[0] else g * np.arange(g.size).reshape(g.shape)
        return (2 * x * g,)

    assert failures(scene_of(square, first_only, MATRIX), ["expanded-cotangent"]) == {"layout"}


def test_a_float32_cotangent_loses_no_more_than_its_precision():
    assert failures(scene_of(square, square_backward, VECTOR), ["cotangent-dtype"]) == set()

    def wrong(g, x):
        return (2 * x * g * (1.5 if g.dtype == np.float32 else 1),)

    assert failures(scene_of(square, wrong, VECTOR), ["cotangent-dtype"]) == {"cotangent-dtype"}


def test_jvp_and_vjp_are_adjoint():
    def right(inputs, tangents):
        return 2 * inputs["x"] * tangents["x"]

    def wrong(inputs, tangents):
        return 3 * inputs["x"] * tangents["x"]

    def broken(inputs, tangents):
        raise RuntimeError("no jvp")

    outcomes = [
        failures(scene_of(square, square_backward, VECTOR, push_forward=jvp), ["adjoint"])
        for jvp in (right, wrong, broken)
    ]
    assert outcomes == [set(), {"adjoint"}, {"jvp-raises"}]


def test_a_hessian_is_symmetric():
    def right(x, v):
        return np.array([[2.0, 1.0], [1.0, 3.0]]) @ v

    def wrong(x, v):
        return np.array([[2.0, 1.0], [0.0, 3.0]]) @ v

    names = [
        [f.name for f in hessian_symmetry(h, np.ones(2), np.random.default_rng(3))]
        for h in (right, wrong)
    ]
    assert names == [[], ["hessian-symmetry"]]


def test_messages_say_got_expected_and_do():
    for forward, backward, inputs, _ in WRONG.values():
        copies = {name: array.copy() for name, array in inputs.items()}
        for finding in relate(scene_of(forward, backward, copies)):
            if finding.severity is Severity.FAILURE:
                assert "xpected" in finding.message, finding
                assert "Do: " in finding.message, finding


def test_scenes_leave_no_trace():
    inputs = {name: array.copy() for name, array in RIGHT["dense"][2].items()}
    before = {name: array.tobytes() for name, array in inputs.items()}
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002 - the global state must stay
    relate(scene_of(dense, dense_backward, inputs, axes=AXES, batch="n"), list(RELATIONS))
    assert {name: array.tobytes() for name, array in inputs.items()} == before
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


def test_numbers_without_an_axis_are_compared_like_any_others():
    infinite, unknown, one = np.array(np.inf), np.array(np.nan), np.array(1.0)
    assert discrepancy(infinite, unknown) == discrepancy(infinite, one) == np.inf
    assert discrepancy(infinite, np.array(np.inf)) == 0.0
    assert worst_entry(infinite, one) == worst_entry(one, one) == ()


def test_an_infinite_claim_for_an_input_without_an_axis_is_judged():
    def divide(x):
        return 1.0 / x

    def backward(y_bar, x):
        return (np.asarray(y_bar * -np.inf),)

    with np.errstate(all="ignore"):
        result = gradcheck.check_vjp(divide, backward, (np.array(2.0),))
    assert result.verdict is gradcheck.Verdict.WRONG


def test_last_places_of_subnormal_numbers_are_no_disagreement():
    tiny = np.array(3.469003961324e-312)
    assert discrepancy(tiny, tiny + 2e-321) == 0.0
    assert discrepancy(tiny, 1.001 * tiny) > 0.0


def _cached_by_shape():
    cache = {}

    def forward(x):
        cache.setdefault(x.shape, x.copy())
        return x**2

    return forward, lambda g, x: 2 * cache[x.shape] * g


def _every_other_time():
    calls = itertools.count()
    return square, lambda g, x: 2 * x * g * (1 + 1e-9 * (next(calls) % 2))


STATEFUL = {
    "last forward": (_cached_by_last_forward, "stale-cache"),
    "by shape": (_cached_by_shape, "stale-cache"),
    "alternating": (_every_other_time, "non-deterministic-backward"),
}


@pytest.mark.parametrize("shape", [(5, 4), (70, 80)], ids=["small", "large"])
@pytest.mark.parametrize("case", STATEFUL)
def test_a_check_names_state_whatever_the_size(case, shape):
    make, expected = STATEFUL[case]
    result = gradcheck.check_vjp(*make(), (normal(*shape),))
    assert result.findings[0].name == expected
