"""The procedure at one point: barely right, barely wrong, hard but right, and what it costs."""

import inspect

import numpy as np
import pytest

import gradcheck
from gradcheck.errors import GradientInconclusive, GradientMismatch, InvalidArgument
from gradcheck.result import Local, Severity, Verdict

CORRECT, WRONG, INCONCLUSIVE = Verdict.CORRECT, Verdict.WRONG, Verdict.INCONCLUSIVE


class Counting:
    """A function that counts its calls, and keeps its signature."""

    def __init__(self, function):
        self.function = function
        self.calls = 0
        self.__signature__ = inspect.signature(function)

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


def dense(x, w, b):
    return np.tanh(x @ w + b)


def dense_backward(y_bar, x, w, b):
    z_bar = y_bar * (1 - np.tanh(x @ w + b) ** 2)
    return z_bar @ w.T, x.T @ z_bar, z_bar.sum(axis=0)


def dense_point(n=4, d=3, k=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(d, k)) / np.sqrt(d), rng.normal(size=k)


def scaled_by(factor):
    return lambda y_bar, x: factor * y_bar * np.cos(x)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("error", "verdict"),
    [(0.0, CORRECT), (0.9e-7, CORRECT), (-0.9e-7, CORRECT), (1.1e-7, WRONG), (-1.1e-7, WRONG)],
)
def test_the_verdict_turns_at_the_tolerance(error, verdict, seed):
    x = np.linspace(0.1, 1.2, 5)
    assert gradcheck.check_vjp(np.sin, scaled_by(1 + error), (x,), seed=seed).verdict is verdict


@pytest.mark.parametrize("rtol", [1e-3, 1e-5])
def test_the_callers_tolerance_is_the_one_that_counts(rtol):
    x = np.linspace(0.1, 1.2, 5)
    below, above = scaled_by(1 + 0.9 * rtol), scaled_by(1 + 1.1 * rtol)
    assert gradcheck.check_vjp(np.sin, below, (x,), rtol=rtol).verdict is CORRECT
    assert gradcheck.check_vjp(np.sin, above, (x,), rtol=rtol).verdict is WRONG


@pytest.mark.parametrize("seed", range(10))
def test_a_relative_error_of_1e_6_everywhere_is_found(seed):
    point = dense_point(seed=seed)

    def off(y_bar, x, w, b):
        return tuple((1 + 1e-6) * g for g in dense_backward(y_bar, x, w, b))

    result = gradcheck.check_vjp(dense, off, point, seed=seed)
    assert result.verdict is WRONG
    assert {c.input for c in result.comparisons if c.verdict is WRONG} == {"x", "w", "b"}


@pytest.mark.parametrize("seed", range(10))
def test_one_entry_of_ten_thousand_off_by_a_percent_is_found_and_named(seed):
    x = np.random.default_rng(seed).normal(size=10_000)

    def off(y_bar, x):
        gradient = y_bar * np.cos(x)
        gradient[4321] *= 1.01
        return gradient

    result = gradcheck.check_vjp(np.sin, off, (x,), seed=seed)
    assert result.verdict is WRONG
    assert "x[4321]" in [c.path for c in result.comparisons if c.verdict is WRONG]


def test_a_whole_gradient_of_1e_12_off_by_three_is_found():
    x = np.linspace(0.1, 1.2, 5)

    def tiny(x):
        return 1e-12 * np.sin(x)

    assert gradcheck.check_vjp(tiny, lambda g, x: 1e-12 * g * np.cos(x), (x,)).verdict is CORRECT
    assert gradcheck.check_vjp(tiny, lambda g, x: 3e-12 * g * np.cos(x), (x,)).verdict is WRONG


def test_a_gradient_wrong_beyond_a_threshold_is_found_where_an_entry_is_beyond():
    def off(y_bar, x):
        return y_bar * np.where(x > 2, 2.0, 1.0) * np.cos(x)

    assert gradcheck.check_vjp(np.sin, off, (np.array([0.5, 1.0, 2.5]),)).verdict is WRONG
    assert gradcheck.check_vjp(np.sin, off, (np.array([0.5, 1.0, 1.5]),)).verdict is CORRECT


def test_a_wrong_sign_at_one_coordinate_is_found_and_named():
    def off(y_bar, x):
        gradient = y_bar * np.cos(x)
        gradient[3] *= -1
        return gradient

    result = gradcheck.check_vjp(np.sin, off, (np.linspace(0.1, 1.2, 9),))
    assert next(c.path for c in result.comparisons if c.verdict is WRONG) == "x[3]"


SCALES = [1e-12, 1e-6, 1.0, 1e6, 1e12]


@pytest.mark.parametrize("of_function", SCALES)
@pytest.mark.parametrize("of_inputs", SCALES)
def test_scale_does_not_change_a_verdict(of_function, of_inputs):
    x = np.linspace(0.3, 1.4, 6) * of_inputs

    def f(x):
        return of_function * np.sin(x / of_inputs)

    def backward(factor):
        return lambda y_bar, x: factor * of_function / of_inputs * y_bar * np.cos(x / of_inputs)

    assert gradcheck.check_vjp(f, backward(1.0), (x,)).verdict is CORRECT
    assert gradcheck.check_vjp(f, backward(1 + 1e-6), (x,)).verdict is WRONG


@pytest.mark.parametrize("factor", [1.0, 1.5, 3.0, -1.0, 0.0])
@pytest.mark.parametrize("analytic", [True, False])
def test_an_offset_of_1e8_never_flips_a_verdict(factor, analytic):
    x = np.linspace(0.3, 1.4, 6)

    def f(x):
        return 1e8 + (np.sin(x) if analytic else np.sin(np.real(x)))

    verdict = gradcheck.check_vjp(f, lambda g, x: factor * g * np.cos(x), (x,)).verdict
    undecided = CORRECT if analytic else INCONCLUSIVE  # the complex step sees no offset
    assert verdict is (undecided if factor == 1.0 else WRONG)


def test_an_offset_hides_no_small_error_from_the_complex_step():
    x = np.linspace(0.3, 1.4, 6)
    results = [
        gradcheck.check_vjp(
            lambda x: 1e8 + np.mean(np.sin(x)), lambda g, x, c=factor: c * g * np.cos(x) / 6, (x,)
        )
        for factor in (1.0, 1.0 + 1e-4)
    ]
    assert [result.verdict for result in results] == [CORRECT, WRONG]


NAN = float("nan")


@pytest.mark.parametrize("where", ["all", "one"])
def test_nan_in_the_claim_is_wrong(where):
    def nan_claim(y_bar, x):
        gradient = y_bar * np.cos(x)
        gradient[slice(None) if where == "all" else 2] = NAN
        return gradient

    result = gradcheck.check_vjp(np.sin, nan_claim, (np.linspace(0.1, 1, 5),))
    assert result.verdict is WRONG
    assert any(finding.name == "non-finite" for finding in result.findings)


def test_nan_in_the_forward_or_in_both_is_never_correct():
    def nan_forward(x):
        return x * NAN

    x = (np.linspace(0.1, 1, 5),)
    for backward in (lambda g, x: g, lambda g, x: g * NAN):
        assert gradcheck.check_vjp(nan_forward, backward, x).verdict is not CORRECT


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
def test_estimates_of_a_passing_check_cost_two_forwards_an_input_and_one_backward(size):
    point = dense_point(2, size, 3, seed=size)
    forward, backward = Counting(dense), Counting(dense_backward)
    result = gradcheck.check_vjp(forward, backward, point, relations=(), name="dense")
    assert result.verdict is CORRECT
    assert result.evaluations.estimate_forwards == 6
    assert result.evaluations.estimate_backwards == 1
    # The value at the point itself belongs to the relations; nothing is called uncounted.
    assert forward.calls == result.evaluations.forwards == 7
    assert backward.calls == result.evaluations.backwards == 1


@pytest.mark.parametrize("size", [100, 1_000, 20_000])
def test_no_direction_costs_more_however_the_slope_along_it_cancels(size):
    x = np.random.default_rng(size).normal(size=size)
    for seed in range(40):
        result = gradcheck.check_grad(np.sum, np.ones_like, x, relations=(), seed=seed)
        assert result.verdict is CORRECT
        assert result.evaluations.estimate_forwards == 2


def test_relations_add_the_same_few_calls_whatever_the_size():
    spent = set()
    for size in (5, 50, 5_000):
        point = dense_point(2, size, 3, seed=size)
        result = gradcheck.check_vjp(dense, dense_backward, point)
        assert result.verdict is CORRECT
        spent.add((result.evaluations.relation_forwards, result.evaluations.relation_backwards))
    assert len(spent) == 1
    forwards, backwards = spent.pop()
    assert forwards <= 5
    assert backwards <= 6


@pytest.mark.parametrize("factor", [0.0, -1.0, 2.0])
def test_a_failing_check_costs_at_most_fifty_passing_ones(factor):
    point = dense_point(6, 8, 8)

    def off(y_bar, x, w, b):
        x_bar, w_bar, b_bar = dense_backward(y_bar, x, w, b)
        return x_bar, factor * w_bar, b_bar

    passing = sum(gradcheck.check_vjp(dense, dense_backward, point).evaluations)
    failing = gradcheck.check_vjp(dense, off, point)
    assert failing.verdict is WRONG
    assert sum(failing.evaluations) <= 50 * passing


def test_a_million_parameters_are_checked_within_a_few_forwards():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(1000, 1000)) / 30
    x = rng.normal(size=(2, 1000))
    result = gradcheck.check_vjp(lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g), (x, w))
    assert result.verdict is CORRECT
    assert result.evaluations.forwards <= 10

    def off(g, x, w):
        w_bar = x.T @ g
        w_bar[123, 456] *= 1.5
        return g @ w.T, w_bar

    result = gradcheck.check_vjp(lambda x, w: x @ w, off, (x, w))
    assert result.verdict is WRONG
    assert "w[123, 456]" in [c.path for c in result.comparisons]
    assert result.evaluations.forwards <= 50 * 10


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("at_zero", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("x", [[0.0], [0.0, 1.0, -1.0], [0.0, 0.0], [1e-9, -1e-9, 0.0]])
def test_any_subgradient_of_relu_is_right(at_zero, x):
    def backward(y_bar, x):
        return y_bar * np.where(x == 0, at_zero, x > 0)

    assert gradcheck.check_vjp(relu, backward, (np.array(x),)).verdict is CORRECT


@pytest.mark.parametrize("at_zero", [-0.2, 1.2, 5.0])
def test_a_number_outside_the_subdifferential_of_relu_is_wrong(at_zero):
    def backward(y_bar, x):
        return y_bar * np.where(x == 0, at_zero, x > 0)

    result = gradcheck.check_vjp(relu, backward, (np.array([0.0, 1.0]),))
    assert result.verdict is WRONG


def test_a_maximum_that_credits_every_tied_entry_is_wrong():
    def credit_all(y_bar, x):
        return y_bar * (x == x.max())

    def credit_first(y_bar, x):
        return y_bar * (np.arange(x.size) == x.argmax())

    def share(y_bar, x):
        tied = x == x.max()
        return y_bar * tied / tied.sum()

    x = (np.array([1.0, 1.0, 0.5, 1.0]),)
    assert gradcheck.check_vjp(np.max, credit_all, x).verdict is WRONG
    assert gradcheck.check_vjp(np.max, credit_first, x).verdict is CORRECT
    assert gradcheck.check_vjp(np.max, share, x).verdict is CORRECT


def test_a_composition_of_kinks_may_claim_what_no_coordinate_shows():
    """Backpropagation through relu(w + b1) - relu(b2 - w) at 0 claims 0; the slope in w is 1."""

    def f(w, b1, b2):
        return relu(w + b1) - relu(b2 - w)

    def backward(y_bar, w, b1, b2):
        left, right = y_bar * (w + b1 > 0), y_bar * (b2 - w > 0)
        return left + right, left, -right

    zeros = tuple(np.zeros(1) for _ in range(3))
    result = gradcheck.check_vjp(f, backward, zeros)
    assert result.verdict is CORRECT
    assert result.kinks > 0


def test_kinks_lenient_reports_a_convention_that_strict_calls_wrong():
    def f(x):  # the identity, in two pieces
        return relu(x) - relu(-x)

    def backward(y_bar, x):
        return y_bar * ((x > 0) + 1.0 * (-x > 0))

    at_zero = (np.zeros(2),)
    assert gradcheck.check_vjp(f, backward, at_zero, kinks="strict").verdict is WRONG
    lenient = gradcheck.check_vjp(f, backward, at_zero, kinks="lenient")
    assert lenient.verdict is CORRECT
    assert [finding.name for finding in lenient.findings] == ["kink-convention"]


@pytest.mark.parametrize(
    ("at_ties", "verdict"),
    [((1.0, 0.0), CORRECT), ((0.5, 0.5), CORRECT), ((1.0, 1.0), WRONG), ((0.0, 0.0), WRONG)],
)
def test_shares_of_a_tie_between_two_inputs_add_up_to_one(at_ties, verdict):
    def backward(y_bar, a, b):
        ties = a == b
        return (
            y_bar * np.where(ties, at_ties[0], a < b),
            y_bar * np.where(ties, at_ties[1], b < a),
        )

    point = np.array([1.0, 2.0, 0.0]), np.array([1.0, 3.0, 0.0])
    result = gradcheck.check_vjp(np.minimum, backward, point)
    assert result.verdict is verdict
    assert ("tied-inputs" in [f.name for f in result.findings]) is (verdict is WRONG)


def test_a_claim_wrong_at_one_special_smooth_point_is_wrong():
    def backward(y_bar, x):  # 3 x**2, but 1 at exactly 0
        return y_bar * np.where(x == 0, 1.0, 3 * x**2)

    assert gradcheck.check_vjp(lambda x: x**3, backward, (np.array([0.0, 1.0]),)).verdict is WRONG


@pytest.mark.parametrize(
    ("function", "claim", "x", "name"),
    [
        (lambda x: np.sqrt(np.abs(x)), lambda g, x: g * np.inf, 0.0, "infinite-slope"),
        (np.sign, lambda g, x: 0 * g, 0.0, "jump"),
        (lambda x: np.where(x == 0, 1.0, np.nan), lambda g, x: g, 0.0, None),
    ],
)
def test_where_no_slope_exists_nothing_is_decided(function, claim, x, name):
    result = gradcheck.check_vjp(function, claim, (np.array([x]),))
    assert result.verdict is INCONCLUSIVE
    assert name is None or name in [finding.name for finding in result.findings] + [
        "infinite-slope" for c in result.comparisons if c.estimate.local is Local.INFINITE_SLOPE
    ]


def test_a_domain_edge_shortens_the_step_and_says_so():
    def log(x):
        if np.any(x <= 0):
            raise ValueError("log of a number that is not positive")
        return np.log(x)

    x = np.array([1e-9, 1.0, 2.0])
    result = gradcheck.check_vjp(log, lambda g, x: g / x, (x,))
    assert result.verdict is CORRECT
    assert "domain-edge" in [finding.name for finding in result.findings]
    assert gradcheck.check_vjp(log, lambda g, x: 1.001 * g / x, (x,)).verdict is WRONG


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_low_precision_subjects_are_judged_by_their_own_dtype(dtype):
    x = np.linspace(0.2, 1.3, 7).astype(dtype)
    off = {"float32": 1.01, "float16": 1.2}[dtype]
    assert gradcheck.check_vjp(np.sin, lambda g, x: g * np.cos(x), (x,)).verdict is CORRECT
    wrong = gradcheck.check_vjp(np.sin, lambda g, x: g * np.cos(x) * x.dtype.type(off), (x,))
    assert wrong.verdict is WRONG


def test_a_forward_that_computes_in_float32_is_estimated_with_its_measured_noise():
    def single(x):
        return np.sin(x.astype(np.float32))

    x = np.linspace(0.2, 1.3, 7)
    assert gradcheck.check_vjp(single, lambda g, x: g * np.cos(x), (x,)).verdict is CORRECT
    off = gradcheck.check_vjp(single, lambda g, x: 1.01 * g * np.cos(x), (x,))
    assert off.verdict is WRONG


def test_noise_is_not_called_a_mismatch():
    def noisy(x):
        bits = np.ascontiguousarray(x).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return np.sin(x) * (1 + 1e-9 * (bits >> np.uint64(11)) / 2**53)

    x = np.linspace(0.2, 1.3, 7)
    right = gradcheck.check_vjp(noisy, lambda g, x: g * np.cos(x), (x,))
    assert right.verdict is not WRONG
    assert right.verdict is CORRECT or right.findings
    assert gradcheck.check_vjp(noisy, lambda g, x: 1.01 * g * np.cos(x), (x,)).verdict is WRONG
    assert gradcheck.check_vjp(noisy, lambda g, x: g * np.cos(x), (x,), rtol=1e-3)


def test_a_dependence_that_vanishes_is_correct_and_said_to_be_vacuous():
    result = gradcheck.check_vjp(lambda x: 0 * x, lambda g, x: 0 * g, (np.ones(3),))
    assert result.verdict is CORRECT
    assert "vacuous" in [finding.name for finding in result.findings]


def test_a_gradient_that_is_zero_but_for_rounding_is_no_mismatch():
    def softmax_sum(x):
        e = np.exp(x - x.max())
        return (e / e.sum()).sum()

    def backward(y_bar, x):
        p = np.exp(x - x.max())
        p /= p.sum()
        return y_bar * (p - p * p.sum())

    assert gradcheck.check_vjp(softmax_sum, backward, (np.array([0.3, -1.0, 2.0]),))


@pytest.mark.parametrize("vectorized", [True, False])
def test_exhaustive_compares_every_entry(vectorized):
    x = np.linspace(-1.5, 1.5, 400).reshape(20, 20)

    def off(y_bar, x):
        gradient = y_bar * np.cos(x)
        gradient[7, 3] *= 1 + 1e-4
        return gradient

    def cos(y_bar, x):
        return y_bar * np.cos(x)

    forward = Counting(lambda x: np.sin(x))
    right = gradcheck.check_vjp(
        forward, cos, (x,), exhaustive=True, vectorized=vectorized, name="sin"
    )
    assert right.verdict is CORRECT
    assert right.entries["x"].complete
    np.testing.assert_allclose(right.entries["x"].estimate, right.entries["x"].claimed, rtol=1e-7)
    assert forward.calls < 20 if vectorized else forward.calls >= 800
    wrong = gradcheck.check_vjp(np.sin, off, (x,), exhaustive=True, vectorized=vectorized)
    assert wrong.verdict is WRONG
    assert "x[7, 3]" in [c.path for c in wrong.comparisons if c.verdict is WRONG]


def test_exhaustive_says_when_a_forward_does_not_stack():
    def mean(x):
        return x.mean()

    result = gradcheck.check_vjp(
        mean, lambda g, x: np.full(x.shape, g / x.size), (np.ones(5),),
        exhaustive=True, vectorized=True,
    )  # fmt: skip
    assert result.verdict is CORRECT
    assert "not-vectorized" in [finding.name for finding in result.findings]


def test_complex_inputs_and_outputs_follow_the_conjugate_convention():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    b = rng.normal(size=(2, 4)) + 1j * rng.normal(size=(2, 4))

    def right(g, a, b):
        return g @ b.conj().T, a.conj().T @ g

    def wrong(g, a, b):
        return g @ b.T, a.T @ g

    assert gradcheck.check_vjp(np.matmul, right, (a, b)).verdict is CORRECT
    assert gradcheck.check_vjp(np.matmul, wrong, (a, b)).verdict is WRONG


def test_several_outputs_are_all_differentiated():
    def both(x):
        return np.sin(x), x**2

    def right(bars, x):
        return bars[0] * np.cos(x) + 2 * x * bars[1]

    def first_only(bars, x):
        return bars[0] * np.cos(x)

    x = (np.array([0.3, -0.8]),)
    assert gradcheck.check_vjp(both, right, x).verdict is CORRECT
    assert gradcheck.check_vjp(both, first_only, x).verdict is WRONG


def test_a_wrong_verdict_shows_every_oracle():
    result = gradcheck.check_vjp(np.sin, scaled_by(2.0), (np.array([0.3, 0.7]),))
    oracles = {evidence.oracle for c in result.comparisons for evidence in c.evidence}
    assert oracles == {"central differences", "complex step", "scipy"}


@pytest.mark.parametrize("factor", [1.0, 1.0 + 1e-6])
def test_jvps_are_checked_input_by_input(factor):
    def jvp(primals, tangents):
        (x, w), (x_dot, w_dot) = primals, tangents
        return x_dot @ w + factor * (x @ w_dot)

    rng = np.random.default_rng(1)
    point = (rng.normal(size=(3, 2)), rng.normal(size=(2, 4)))
    result = gradcheck.check_jvp(np.matmul, jvp, point)
    assert result.verdict is (CORRECT if factor == 1.0 else WRONG)
    if factor != 1.0:
        assert {c.input for c in result.comparisons if c.verdict is WRONG} == {"x1"} or {
            c.input for c in result.comparisons if c.verdict is WRONG
        } <= {"w", "x2", "x1"}


def test_check_grad_takes_scipys_arguments_in_scipys_order():
    from scipy.optimize import rosen, rosen_der

    assert gradcheck.check_grad(rosen, rosen_der, [1.3, 0.7, 0.8, 1.9])
    wrong = gradcheck.check_grad(rosen, lambda x: 2 * rosen_der(x), [1.3, 0.7])
    assert wrong.verdict is WRONG


def test_assertions_raise_with_the_record():
    x = (np.array([0.3, 0.7]),)
    gradcheck.assert_vjp(np.sin, scaled_by(1.0), x)
    with pytest.raises(GradientMismatch) as caught:
        gradcheck.assert_vjp(np.sin, scaled_by(2.0), x)
    assert caught.value.result.verdict is WRONG
    with pytest.raises(GradientInconclusive):
        gradcheck.assert_vjp(np.sign, lambda g, x: 0 * g, (np.zeros(1),))


def test_the_same_seed_gives_the_same_result():
    point = dense_point()
    first, second = (gradcheck.check_vjp(dense, dense_backward, point, seed=3) for _ in range(2))
    assert [c.claimed for c in first.comparisons] == [c.claimed for c in second.comparisons]


def test_inputs_are_left_as_they_were():
    point = dense_point()
    before = [array.copy() for array in point]
    gradcheck.check_vjp(dense, dense_backward, point)
    for array, kept in zip(point, before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_integer_inputs_need_no_gradient():
    labels = np.array([0, 2, 1])

    def pick(x, labels):
        return x[np.arange(3), labels]

    def backward(g, x, labels):
        x_bar = np.zeros_like(x)
        x_bar[np.arange(3), labels] = g
        return x_bar, None

    assert gradcheck.check_vjp(pick, backward, (np.eye(3) + 0.5, labels))


def test_nothing_to_differentiate_is_refused():
    with pytest.raises(InvalidArgument, match="float"):
        gradcheck.check_vjp(lambda x: x, lambda g, x: g, (np.arange(3),))


def test_findings_of_a_right_function_never_fail_it():
    result = gradcheck.check_vjp(dense, dense_backward, dense_point())
    assert not [f for f in result.findings if f.severity is not Severity.NOTE]
