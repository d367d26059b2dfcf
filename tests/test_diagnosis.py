"""Each cause is named from a right and a wrong gradient of closed form, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradcheck
import gradcheck.checking
from gradcheck.diagnosis import DIAGNOSES, consensus, explain
from gradcheck.diagnosis.behaviour import CAUSES
from gradcheck.diagnosis.evidence import suspects
from gradcheck.diagnosis.ranking import LEAST_FIT, MOST_SHOWN, OF_CASES, OF_INPUTS, answer
from gradcheck.result import Diagnosis, Finding, Severity, Verdict
from tests.diagnosis.cases import case, case_of_pairs, table

RNG = np.random.default_rng


def draw(seed, *shape):
    return RNG(seed).standard_normal(shape)


def names(found):
    return [diagnosis.name for diagnosis in found]


def dense(x, w, b):
    return x @ w + b


def dense_back(g, x, w, b):
    return g @ w.T, x.T @ g, g.sum(axis=0)


def dense_case(wrong, n=4, d=3, k=2, **more):
    inputs = {"x": draw(1, n, d), "w": draw(2, d, k), "b": draw(3, k)}
    axes = {"x": ("n", "d"), "w": ("d", "k"), "b": ("k",)}
    return case_of_pairs((dense, dense_back), (dense, wrong), inputs, axes=axes, **more)


def elementwise(function, right, wrong, x, seed=0):
    def pair(slope):
        return function, lambda g, x: (g * slope(x),)

    return case_of_pairs(pair(right), pair(wrong), {"x": x}, seed)


def dense_with(**changed):
    """A dense backward with some of its gradients changed, by name."""

    def backward(g, x, w, b):
        right = dict(zip("xwb", dense_back(g, x, w, b), strict=True))
        return tuple(changed[k](right, g, x, w, b) if k in changed else right[k] for k in "xwb")

    return backward


WRONG_DENSE = {
    "sign-flipped": dense_with(w=lambda right, *_: -right["w"]),
    "constant-factor": dense_with(b=lambda right, g, *_: g.mean(axis=0)),
    "broadcast-not-summed": dense_with(b=lambda right, g, *_: g[0]),
    "missing-gradient": dense_with(w=lambda right, *_: np.zeros_like(right["w"])),
    "missing-term": dense_with(w=lambda right, g, x, w, b: right["w"] - 0.3 * w),
    "wrong-factor": dense_with(b=lambda right, g, x, w, b: right["b"] * b),
    "ignores-cotangent": dense_with(x=lambda right, g, x, w, b: np.ones_like(g) @ w.T),
    "one-cotangent-for-all": dense_with(w=lambda right, g, x, w, b: x.T @ np.full_like(g, g[0, 0])),
    "misaligned": dense_with(x=lambda right, *_: np.roll(right["x"], 1, axis=0)),
    "wrong-slice": dense_with(x=lambda right, *_: right["x"] * np.array([[1.0, 1.0, 0.0]])),
}


@pytest.mark.parametrize(("name", "backward"), WRONG_DENSE.items(), ids=WRONG_DENSE.keys())
def test_one_mistake_in_a_dense_layer_is_named_first(name, backward):
    assert names(explain(dense_case(backward)))[0] == name


@pytest.mark.parametrize("seed", range(20))
def test_a_right_gradient_gets_no_diagnosis(seed):
    right = case_of_pairs(
        (dense, dense_back),
        (dense, dense_back),
        {"x": draw(seed, 4, 3), "w": draw(seed + 50, 3, 2), "b": draw(seed + 99, 2)},
        seed,
    )
    assert explain(right) == ()


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_cause(seed):
    """Claims that are wrong without any system get silence, not a guess."""
    noise = RNG(seed)

    def backward(g, x, w, b):
        right = dense_back(g, x, w, b)
        return tuple(v * noise.uniform(0.2, 3.0, v.shape) for v in right)

    found = explain(dense_case(backward))
    assert found == ()


def test_a_gradient_by_no_known_formula_gets_silence():
    x = draw(4, 6)
    found = elementwise(np.sin, np.cos, lambda x: np.cos(1.234 * x + 0.77), x)
    assert explain(found) == ()


def test_mean_for_sum_names_the_axis():
    (first, *_) = explain(dense_case(WRONG_DENSE["constant-factor"], n=5))
    assert first.input == "b"
    assert "axis n of x" in first.sentence
    assert "5" in first.sentence


@pytest.mark.parametrize("factor", [2.0, 0.5, 3.0, np.pi, 1 / np.sqrt(2), 7.0, 49.0, 1 / 6])
def test_constants_are_recognised_in_every_direction(factor):
    inputs = {"x": draw(5, 7, 3)}
    pair = np.sin, lambda g, x: (g * np.cos(x),)
    wrong = np.sin, lambda g, x: (factor * g * np.cos(x),)
    (first, *_) = explain(case_of_pairs(pair, wrong, inputs))
    assert first.name == "constant-factor"
    assert first.fit > 0.9


def test_an_unknown_constant_is_said_to_be_constant_with_less_certainty():
    found = elementwise(np.sin, np.cos, lambda x: 0.7319 * np.cos(x), draw(6, 5))
    (first, *_) = explain(found)
    assert first.name == "constant-factor"
    assert first.fit < 0.7


def test_a_rounded_constant_is_no_missing_factor():
    found = elementwise(np.sin, np.cos, lambda x: 0.9997 * np.cos(x), draw(7, 5))
    assert names(explain(found)) == ["low-precision"]


def test_a_transpose_is_named_and_not_called_a_reordering():
    x = draw(8, 3, 3)
    found = case_of_pairs(
        (np.sin, lambda g, x: (g * np.cos(x),)),
        (np.sin, lambda g, x: ((g * np.cos(x)).T,)),
        {"x": x},
    )
    assert names(explain(found))[0] == "transposed"


def test_a_claim_of_transposed_shape_is_named():
    found = dense_case(dense_with(w=lambda right, *_: right["w"].T))
    (first, *_) = explain(found)
    assert first.name == "transposed"
    assert first.input == "w"


def test_a_batch_axis_too_many_is_a_missing_sum():
    found = dense_case(dense_with(b=lambda right, g, *_: g))
    (first, *_) = explain(found)
    assert first.name == "broadcast-not-summed"
    assert "axis 0" in first.sentence


def test_a_kept_axis_is_only_a_wrong_shape():
    found = dense_case(dense_with(b=lambda right, g, *_: g.sum(axis=0).reshape(2, 1)))
    assert names(explain(found)) == ["wrong-shape"]


def test_swapped_gradients_name_both_inputs():
    def product(a, b):
        return a * b

    found = case_of_pairs(
        (product, lambda g, a, b: (g * b, g * a)),
        (product, lambda g, a, b: (g * a, g * b)),
        {"a": draw(9, 4), "b": draw(10, 4)},
    )
    swapped = [d for d in explain(found) if d.name == "swapped-gradients"]
    assert swapped
    assert swapped[0].input == "a, b"


def test_none_for_an_input_the_output_depends_on():
    inputs = {"x": draw(11, 3), "s": draw(12, 3)}
    g = draw(13, 3)
    truth = {"x": g * inputs["s"], "s": g * inputs["x"]}
    claimed = {"x": truth["x"], "s": None}
    found = explain(case(inputs, inputs["x"] * inputs["s"], g, claimed, truth))
    assert names(found) == ["missing-gradient"]
    assert found[0].input == "s"


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (np.sin, np.cos),
        (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
    ],
    ids=["sigmoid", "tanh", "sin", "softplus"],
)
def test_a_slope_taken_at_the_output_is_named(function, slope):
    found = elementwise(function, slope, lambda x: slope(function(x)), draw(14, 5))
    assert names(explain(found))[0] == "derivative-at-output"


def test_the_slope_in_the_output_applied_to_the_input_is_named():
    found = elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2, lambda x: 1 - x * x, draw(15, 5))
    assert names(explain(found))[0] == "derivative-at-output"


def test_a_hidden_slope_is_found_behind_an_affine_map():
    def layer(x, w, b):
        return np.tanh(x @ w + b)

    def back(slope):
        def backward(g, x, w, b):
            return dense_back(g * slope(x @ w + b), x, w, b)

        return layer, backward

    inputs = {"x": draw(16, 4, 3), "w": draw(17, 3, 2), "b": draw(18, 2)}
    right = back(lambda z: 1 - np.tanh(z) ** 2)
    at_output = back(lambda z: 1 - np.tanh(np.tanh(z)) ** 2)
    forgotten = back(np.ones_like)
    assert names(explain(case_of_pairs(right, at_output, inputs)))[0] == "derivative-at-output"
    (first, *_) = explain(case_of_pairs(right, forgotten, inputs))
    assert first.name == "wrong-factor"
    assert "tanh" in first.sentence


def test_only_the_diagonal_of_a_softmax():
    def softmax(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def right(g, x):
        y = softmax(x)
        return (y * (g - (g * y).sum(axis=-1, keepdims=True)),)

    def diagonal(g, x):
        y = softmax(x)
        return (g * y * (1 - y),)

    found = case_of_pairs((softmax, right), (softmax, diagonal), {"x": draw(19, 3, 4)})
    assert names(explain(found))[0] == "jacobian-diagonal"


def test_a_conjugate_too_few():
    z = draw(20, 4) + 1j * draw(21, 4)
    w = draw(22, 4) + 1j * draw(23, 4)

    def product(z, w):
        return z * w

    found = case_of_pairs(
        (product, lambda g, z, w: (g * w.conj(), g * z.conj())),
        (product, lambda g, z, w: (g * w, g * z)),
        {"z": z, "w": w},
    )
    assert names(explain(found))[0] == "conjugate-missing"


def test_a_claim_rounded_to_half_precision():
    x = draw(24, 5)
    rounded = case_of_pairs(
        (np.sin, lambda g, x: (g * np.cos(x),)),
        (np.sin, lambda g, x: ((g * np.cos(x)).astype(np.float16).astype(float),)),
        {"x": x},
    )
    assert names(explain(rounded)) == ["low-precision"]


def test_a_claim_cut_to_integers():
    found = case_of_pairs(
        (np.sin, lambda g, x: (5 * g * np.cos(x),)),
        (np.sin, lambda g, x: (np.trunc(5 * g * np.cos(x)),)),
        {"x": draw(25, 8) / 4},
    )
    assert names(explain(found))[0] == "integer-arithmetic"


SIDES = {
    "wrong-for-negative": lambda x: x < 0,
    "wrong-for-positive": lambda x: x > 0,
    "wrong-at-zero": lambda x: x == 0,
    "wrong-at-ties": lambda x: np.isin(x, [0.8]),
    "wrong-for-large": lambda x: np.abs(x) > 20,
}


@pytest.mark.parametrize("name", SIDES)
def test_where_the_claim_is_wrong_is_named(name):
    x = np.array([0.0, -0.7, 0.8, 1.9, -1.3, 0.8, 50.0, -0.2, 2.2, 1.1])
    if name in ("wrong-for-negative", "wrong-for-positive"):
        x = x[x != 0]
    found = elementwise(
        lambda x: np.sin(x) + 2 * x,
        lambda x: np.cos(x) + 2,
        # no number that another hypothesis could know
        lambda x: np.where(SIDES[name](x), np.exp(0.313 * np.sin(7.1 * x) + 1), np.cos(x) + 2),
        x,
    )
    assert names(explain(found))[0] == name


def test_a_sign_lost_for_negative_entries_needs_only_two():
    found = elementwise(lambda x: np.abs(x) ** 3, lambda x: 3 * x * np.abs(x), lambda x: 3 * x * x,
                        np.array([0.8, -1.2]))  # fmt: skip
    assert names(explain(found))[0] == "wrong-for-negative"


def test_overflow_and_zero_are_told_apart_by_where_the_nan_is():
    def claim(bad):
        return lambda x: np.where(bad(x), np.nan, np.cos(x))

    x = np.array([0.0, 800.0, 1.3, -0.4])
    large = elementwise(np.sin, np.cos, claim(lambda x: x > 700), x)
    zero = elementwise(np.sin, np.cos, claim(lambda x: x == 0), x)
    assert names(explain(large))[0] == "overflow"
    assert names(explain(zero))[0] == "singular-at-zero"


def test_a_finding_that_names_a_cause_comes_first():
    wrong = dense_case(WRONG_DENSE["sign-flipped"])
    finding = Finding("mutates-input", "backward wrote into x", input="x")
    assert names(explain(replace(wrong, findings=(finding,))))[0] == "mutates-input"


def test_a_note_is_no_cause():
    finding = Finding("mutates-input", "", Severity.NOTE)
    right = dense_case(dense_back, findings=(finding,))
    assert explain(right) == ()


def test_causes_of_findings_are_diagnoses():
    assert {name for name, _, _ in CAUSES.values()} <= set(DIAGNOSES)


def test_names_are_kebab_case_and_meanings_one_line():
    for name, meaning in DIAGNOSES.items():
        assert name == name.lower().replace("_", "-").replace(" ", "-")
        assert meaning
        assert "\n" not in meaning


@pytest.mark.parametrize("name", WRONG_DENSE)
def test_every_diagnosis_is_known_sure_enough_and_has_evidence(name):
    found = explain(dense_case(WRONG_DENSE[name]))
    assert 0 < len(found) <= MOST_SHOWN
    assert [d.fit for d in found] == sorted((d.fit for d in found), reverse=True)
    for diagnosis in found:
        assert diagnosis.name in DIAGNOSES
        assert LEAST_FIT <= diagnosis.fit <= 1
        assert diagnosis.evidence
        assert diagnosis.sentence


@pytest.mark.parametrize("name", WRONG_DENSE)
def test_a_case_is_read_and_not_written(name):
    wrong = dense_case(WRONG_DENSE[name])
    arrays = [*wrong.inputs.values(), *wrong.claimed.values(), *wrong.cotangent.values()]
    arrays += [column for e in wrong.entries.values() for column in (e.claimed, e.estimate)]
    for array in arrays:
        array.flags.writeable = False
    assert explain(wrong) == explain(wrong)


def test_large_arrays_of_which_a_sample_was_measured_are_diagnosed():
    x, g = draw(26, 5000), draw(27, 5000)
    claimed = g * np.cos(x) / 5000
    whole = table(claimed, g * np.cos(x))
    some = RNG(0).choice(5000, 32, replace=False)
    columns = {k: getattr(whole, k)[some] for k in ("claimed", "estimate", "error", "wrong")}
    sampled = replace(whole, flat=some, **columns)
    found = case({"x": x}, np.sin(x), g, {"x": claimed}, {})
    (first, *_) = explain(replace(found, entries={"x": sampled}))
    assert first.name == "constant-factor"
    assert "5000" in first.sentence


def test_entries_that_could_not_be_estimated_are_left_out():
    x, g = draw(28, 6), draw(29, 6)
    claimed = 2 * g * np.cos(x)
    whole = table(claimed, g * np.cos(x))
    whole.estimate[0], whole.error[1] = np.nan, np.inf
    found = case({"x": x}, np.sin(x), g, {"x": claimed}, {})
    assert names(explain(replace(found, entries={"x": whole})))[0] == "constant-factor"


def test_a_case_with_nothing_in_it_is_silent():
    assert explain(case({}, np.zeros(()), np.zeros(()), {}, {})) == ()
    nothing = np.zeros((0, 2))
    assert explain(case({"x": nothing}, nothing, nothing, {"x": nothing}, {"x": nothing})) == ()


def test_points_are_outvoted_that_see_another_cause():
    sign, mean = Diagnosis("sign-flipped", "", 0.8, "b"), Diagnosis("constant-factor", "", 0.9, "b")
    assert names(consensus([(sign, mean), (mean,), (), (mean,)])) == ["constant-factor"]


def test_points_that_disagree_make_silence():
    several = [(Diagnosis(name, "", 0.9),) for name in list(DIAGNOSES)[:4]]
    assert consensus(several) == ()
    assert consensus([]) == ()
    assert consensus([(), ()]) == ()


def test_one_point_keeps_its_causes():
    found = explain(dense_case(WRONG_DENSE["sign-flipped"]))
    assert consensus([found]) == found


SHAPES = [(), (1,), (3,), (2, 3), (3, 3), (1, 4), (2, 1, 3), (0,), (0, 2)]


@st.composite
def arbitrary_cases(draw):
    """Cases of any shapes, dtypes and special values, with nothing right about them."""
    generator = RNG(draw(st.integers(0, 2**32 - 1)))

    def array(shape, dtype):
        values = generator.choice([0.0, 1.0, -2.0, 1e-200, 1e200, np.inf, -np.inf], shape)
        generic = generator.standard_normal(shape)
        mixed = np.where(
            generator.random(shape) < draw(st.sampled_from([0, 0.5, 1])), values, generic
        )
        with np.errstate(all="ignore"):
            return (
                np.nan_to_num(mixed).astype(dtype) if dtype in (int, bool) else mixed.astype(dtype)
            )

    shapes = st.sampled_from(SHAPES)
    kinds = st.sampled_from([float, float, np.float32, complex, int, bool])
    inputs = {name: array(draw(shapes), draw(kinds)) for name in "xyz"[: draw(st.integers(1, 3))]}
    outputs = {"out": array(draw(shapes), float)}
    if draw(st.booleans()):
        outputs = {
            f"out[{i}]": array(draw(shapes), draw(st.sampled_from([float, complex]))) for i in "01"
        }
    cotangents = {name: array(value.shape, value.dtype.type) for name, value in outputs.items()}
    claimed, truth = {}, {}
    for name, value in inputs.items():
        if value.dtype.kind in "fc":
            truth[name] = array(value.shape, value.dtype.type)
            shape = value.shape if draw(st.integers(0, 3)) else draw(shapes)
            claimed[name] = draw(st.sampled_from([array(shape, value.dtype.type), None]))
    second = {name: array(value.shape, value.dtype.type) for name, value in outputs.items()}
    claims = {k: None if v is None else array(v.shape, v.dtype.type) for k, v in claimed.items()}
    given = draw(st.booleans())
    return case(
        inputs, outputs, cotangents, claimed, truth,
        second_cotangent=second if given else None, second_claim=claims if given else None,
    )  # fmt: skip


@given(arbitrary_cases())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_hypothesis_stumbles_over_any_case(wrong):
    with np.errstate(all="ignore"):
        for hypothesis in OF_CASES:
            list(hypothesis(wrong))
        for view in suspects(wrong):
            for hypothesis in OF_INPUTS:
                list(hypothesis(view))


def test_a_hypothesis_that_stumbles_hides_nothing():
    def stumbles(case):
        raise IndexError(case)
        yield

    assert answer(stumbles, None) == []


@pytest.mark.parametrize("name", WRONG_DENSE)
def test_a_diagnosis_never_changes_a_verdict(name, monkeypatch):
    inputs = {"x": draw(1, 4, 3), "w": draw(2, 3, 2), "b": draw(3, 2)}
    told = gradcheck.check_vjp(dense, WRONG_DENSE[name], inputs)
    assert names(told.diagnoses)[0] == name
    monkeypatch.setattr(gradcheck.checking, "explain", lambda case: ())
    silent = gradcheck.check_vjp(dense, WRONG_DENSE[name], inputs)
    assert silent.diagnoses == ()
    assert silent.verdict is told.verdict is Verdict.WRONG
    assert silent.comparisons == told.comparisons


@pytest.mark.parametrize("seed", range(5))
def test_a_right_function_is_never_explained(seed, monkeypatch):
    asked = []
    monkeypatch.setattr(gradcheck.checking, "explain", lambda case: asked.append(case) or ())
    inputs = {"x": draw(seed, 4, 3), "w": draw(seed + 50, 3, 2), "b": draw(seed + 99, 2)}
    result = gradcheck.check_vjp(dense, dense_back, inputs, seed=seed)
    assert result.verdict is Verdict.CORRECT
    assert asked == []
