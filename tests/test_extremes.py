"""Points where numbers of all sizes meet: right code is not accused there, and wrong code is."""

import numpy as np
import pytest
from scipy import special

import gradcheck
from gradcheck.oracles import Ray, estimate_slope
from gradcheck.oracles.neville import extrapolate
from gradcheck.result import Verdict

CORRECT, WRONG, INCONCLUSIVE = Verdict.CORRECT, Verdict.WRONG, Verdict.INCONCLUSIVE


def tanh_backward(y_bar, x):
    return y_bar / np.cosh(np.clip(x, -350, 350)) ** 2


def tanh_backward_doubled(y_bar, x):
    return 2 * tanh_backward(y_bar, x)


@pytest.mark.parametrize("huge", [1e6, 1e13, 1e50])
@pytest.mark.parametrize("small", [0.0, 1.0, 1e-47])
@pytest.mark.parametrize("seed", range(3))
def test_an_entry_beside_a_huge_one_is_judged_by_steps_of_its_own(huge, small, seed):
    x = np.array([huge, small, 0.5])
    assert gradcheck.check_vjp(np.tanh, tanh_backward, (x,), seed=seed).verdict is not WRONG
    found = gradcheck.check_vjp(np.tanh, tanh_backward_doubled, (x,), seed=seed)
    assert found.verdict is (WRONG if huge < 4e12 else INCONCLUSIVE)


def residual(x, w):
    return x + np.tanh(x @ w)


def residual_backward(y_bar, x, w):
    z_bar = y_bar * (1 - np.tanh(x @ w) ** 2)
    return y_bar + z_bar @ w.T, x.T @ z_bar


@pytest.mark.parametrize("huge", [1e10, 1e16, -5e49])
def test_a_slope_below_every_step_is_no_bug_where_the_complex_step_has_it(huge):
    point = np.array([[huge]]), np.array([[0.0]])
    result = gradcheck.check_vjp(residual, residual_backward, point)
    assert result.verdict is not WRONG


def test_a_complex_step_that_drops_parts_is_not_heard():
    def scaled(x):  # np.abs drops the imaginary part, and so does the wrong backward
        return x / np.abs(x).max()

    def scaled_backward(y_bar, x):
        return (y_bar / np.abs(x).max(),)

    x = np.array([0.5, -2.0, 1.0])
    assert gradcheck.check_vjp(scaled, scaled_backward, (x,)).verdict is WRONG


@pytest.mark.parametrize("power", [1.003, 1.0263, 1.1])
def test_slow_convergence_at_the_edge_of_a_domain_is_no_slope(power):
    def backward(y_bar, x):
        return (y_bar * power * x ** (power - 1),)

    with np.errstate(invalid="ignore"):
        result = gradcheck.check_vjp(lambda x: x**power, backward, (np.array([1.0, 0.0]),))
    assert result.verdict is not WRONG


@pytest.mark.parametrize("power", [0.003, 0.0263, 0.1])
def test_the_bound_of_slow_quotients_holds_their_limit(power):
    steps = [8.0**-k for k in range(12)]
    found = extrapolate(steps, [h**power for h in steps], [0.0] * 12, 1)
    assert abs(found.fine.value) <= found.fine.error


def test_quotients_that_drift_to_one_side_widen_the_bound():
    # A function that saturates within all but the finest steps.
    ray = Ray(
        lambda a: np.tanh(1e9 * a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)}, {"out": np.ones(1)}
    )
    found = estimate_slope(ray, target=1e9)
    low, high = found.interval()
    assert not np.isfinite(found.error) or low <= 1e9 <= high


def attention(q, k, v):
    return special.softmax(q @ k.T, axis=-1) @ v


def attention_backward(y_bar, q, k, v):
    p = special.softmax(q @ k.T, axis=-1)
    p_bar = y_bar @ v.T
    s_bar = p * (p_bar - (p_bar * p).sum(axis=-1, keepdims=True))
    return s_bar @ k, s_bar.T @ q, p.T @ y_bar


@pytest.mark.parametrize("seed", range(5))
def test_a_claim_of_nothing_but_rounding_is_not_called_wrong(seed):
    q = k = np.full((2, 1), 1000.0)
    v = np.array([[0.0], [1.0]])
    result = gradcheck.check_vjp(attention, attention_backward, (q, k, v), seed=seed)
    assert result.verdict is not WRONG


def determinant(a):
    return a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]


def determinant_backward(y_bar, a):  # 0 for singular matrices: wrong, and noisy around them
    value = determinant(a)
    return (np.zeros_like(a) if value == 0 else y_bar * value * np.linalg.inv(a).T,)


def test_a_zero_among_noisy_claims_is_no_rounding_error():
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert gradcheck.check_vjp(determinant, determinant_backward, (singular,)).verdict is WRONG


def test_a_claim_that_rounding_may_make_anything_is_not_correct():
    def cancelling(y_bar, x):  # right but for rounding, of which it is made
        return (y_bar * ((1e18 + x) - 1e18),)

    result = gradcheck.check_vjp(lambda x: x**2 / 2, cancelling, (np.array([3.0, 5.0]),))
    assert result.verdict is not CORRECT


def test_a_claim_that_underflows_before_its_function_is_right():
    def softplus(z):
        return np.sum(np.logaddexp(0, z))

    result = gradcheck.check_vjp(softplus, lambda u, z: (u * special.expit(z),), ([-710.0],))
    assert result.verdict is CORRECT


def test_an_output_that_does_not_move_adds_no_noise():
    # Beside 1e10 the last place is 2e-6; the other output is as sharp as ever.
    def pair(x):
        return np.array([1e10, np.sin(x[0])])

    result = gradcheck.check_vjp(pair, lambda u, x: (u[1:] * np.cos(x),), (np.array([0.7]),))
    assert result.verdict is CORRECT
    wrong = gradcheck.check_vjp(
        pair, lambda u, x: (u[1:] * np.cos(x) * (1 + 1e-6),), (np.array([0.7]),)
    )
    assert wrong.verdict is WRONG


def triangular_solve(a, b):
    return np.linalg.solve(np.tril(a, -1) + np.eye(len(b)), b)


def triangular_solve_backward(y_bar, a, b):
    lower = np.tril(a, -1) + np.eye(len(b))
    b_bar = np.linalg.solve(lower.T, y_bar)
    return np.tril(-np.outer(b_bar, np.linalg.solve(lower, b)), -1), b_bar


@pytest.mark.parametrize("seed", range(3))
def test_slopes_of_one_factorisation_of_a_bad_matrix_prove_nothing(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-3, 3, (60, 60)), rng.normal(size=60)  # grows like 4**60
    point = {"a": a, "b": b}
    result = gradcheck.check_vjp(triangular_solve, triangular_solve_backward, point, seed=seed)
    assert result.verdict is not WRONG


def test_one_side_of_nothing_but_noise_is_no_slope():
    def spectral(a):
        return np.sum(np.exp(-np.linalg.eigvalsh((a + a.T) / 2) / 4))

    def spectral_backward(y_bar, a):
        w, v = np.linalg.eigh((a + a.T) / 2)
        return (-y_bar / 4 * (v * np.exp(-w / 4)) @ v.T,)

    point = (np.full((3, 3), 1e16),)
    assert gradcheck.check_vjp(spectral, spectral_backward, point).verdict is not WRONG


def logistic_log_density(y, mu):
    z = np.abs(y - mu)
    return -z - 2 * np.log1p(np.exp(-z))


def logistic_backward(u, y, mu):
    slope = np.tanh((y - mu) / 2)
    return -u * slope, u * slope


@pytest.mark.parametrize("seed", range(3))
def test_steps_below_the_last_place_of_a_large_input_are_not_counted(seed):
    point = np.array([9999999999.0, 1e10]), np.array([9999999999.5, 1e10])
    result = gradcheck.check_vjp(logistic_log_density, logistic_backward, point, seed=seed)
    assert result.verdict is not WRONG
    wrong = gradcheck.check_vjp(
        logistic_log_density,
        lambda u, y, mu: (-2 * logistic_backward(u, y, mu)[1], logistic_backward(u, y, mu)[1]),
        point,
        seed=seed,
    )
    assert wrong.verdict is not CORRECT


@pytest.mark.parametrize("z", [7.0, 7.5, 8.5])
def test_a_float32_claim_is_not_asked_for_digits_that_its_values_do_not_have(z):
    def backward(y_bar, z):  # 1 - y**2 keeps two digits of float32 here
        return (y_bar * (1 - np.tanh(z) ** 2),)

    result = gradcheck.check_vjp(np.tanh, backward, (np.array([z], dtype=np.float32),))
    assert result.verdict is not WRONG


def triplet(a, n, f):
    return np.sum(np.maximum(0, _distance(a, n) - _distance(a, f) + 0.5))


def _distance(a, b):
    return np.sum((a - b) ** 2, axis=1)


def triplet_backward(u, a, n, f):
    on = 2 * u * (_distance(a, n) - _distance(a, f) + 0.5 > 0)[:, None]
    return on * (f - n), on * (n - a), on * (a - f)


def test_imaginary_parts_that_cancel_are_no_exact_slope():
    point = np.array([[-90.0]]), np.array([[-1e-8]]), np.array([[0.0]])
    result = gradcheck.check_vjp(triplet, triplet_backward, point, exhaustive=True)
    assert result.verdict is not WRONG


@pytest.mark.parametrize(
    "point",
    [
        (np.full((1, 3), 1e16), np.array([[-2.8, 0.0, 0.0]]), np.array([[0.0, 5.0, 0.0]])),
        (np.array([[4e16], [0.0]]), np.array([[0.0], [1.0]]), np.array([[1.0], [0.0]])),
    ],
)
def test_a_function_swallowed_by_its_own_rounding_proves_nothing(point):
    assert gradcheck.check_vjp(triplet, triplet_backward, point).verdict is not WRONG


def test_quotients_that_come_to_rest_have_not_converged_slowly():
    # Kinks are crossed one by one and quotients change less and less, until there is none left.
    crossing = [-132917.37, -132844.18, -132258.63, -127574.26, -108641.38]
    at_rest = [-97886.3974077479, -97886.3974177197, -97886.397457607, -97886.397032144]
    at_rest += [-97886.3944794, -97886.4693609, -97886.9050354, -97890.8261056, -97897.7968969]
    quotients = crossing + at_rest
    steps = [2.0 ** (-2 - 3 * k) for k in range(len(quotients))]
    found = extrapolate(steps, quotients, [3e-8] * len(steps), 1)
    assert abs(found.fine.value + 97886.3974) < found.fine.error < 1.0


CANCELLING = {
    "exp": (lambda x: np.exp(x) - 1 - x, np.expm1),
    "log": (lambda x: np.log(1 + x) - x, lambda x: -x / (1 + x)),
    "sqrt": (lambda x: np.sqrt(1 + x) - 1 - x / 2, lambda x: 0.5 / np.sqrt(1 + x) - 0.5),
}


@pytest.mark.parametrize(("forward", "slope"), CANCELLING.values(), ids=CANCELLING)
@pytest.mark.parametrize("size", [1, 3])
def test_steps_that_a_one_swallows_prove_nothing_at_zero(forward, slope, size):
    # exp(h) - 1 - h is -h where 1 + h is 1: a straight line of slope -1, and no slope of exp.
    x = np.zeros(size)
    assert gradcheck.check_vjp(forward, lambda g, x: (g * slope(x),), (x,)).verdict is CORRECT
    wrong = gradcheck.check_vjp(forward, lambda g, x: (g * (slope(x) + 0.01),), (x,))
    assert wrong.verdict is WRONG


STRUCTURED = {
    "staircase": (lambda x: np.round(4 * x) / 4, np.zeros_like, [1e10]),
    "sawtooth": (lambda x: x - np.floor(x), np.ones_like, [80987166786.39952, 0.0]),
    "softshrink": (
        lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
        lambda x: (np.abs(x) > 0.5) * 1.0,
        [0.0, -1e10],
    ),
}


@pytest.mark.parametrize(("forward", "slope", "x"), STRUCTURED.values(), ids=STRUCTURED)
@pytest.mark.parametrize("seed", range(3))
def test_what_long_steps_pass_over_accuses_nobody(forward, slope, x, seed):
    found = gradcheck.check_vjp(forward, lambda g, x: (g * slope(x),), (np.array(x),), seed=seed)
    assert found.verdict is not WRONG, str(found)


def test_entries_that_are_right_may_add_up_to_more_along_a_direction():
    hilbert = 1 / (np.arange(8)[:, None] + np.arange(8) + 1.0)
    b = np.random.default_rng(14).standard_normal(8)
    for factor, verdict in ((1.0, CORRECT), (1 + 1e-6, WRONG)):
        found = gradcheck.check_vjp(
            lambda b: np.linalg.solve(hilbert, b),
            lambda g, b, c=factor: (c * np.linalg.solve(hilbert.T, g),),
            (b,),
        )
        assert found.verdict is verdict, str(found)


@pytest.mark.parametrize("seed", [0, 1, 2914])
def test_a_complex_step_through_rounded_real_parts_proves_nothing(seed):
    # The real part of a - near is rounded to 2e-6, and with it what the step says of the slope.
    def triplet(a, near, far):
        return np.maximum(0, np.sum((a - near) ** 2) - np.sum((a - far) ** 2) + 0.5)

    def backward(g, a, near, far):
        g = g * (triplet(a, near, far) > 0)
        return 2 * g * (far - near), 2 * g * (near - a), 2 * g * (a - far)

    a = np.array([[-1e10, 1e10, 1e10, 0.0]])
    near, far = np.array([[0.1, 1.0, -3.7, 0.0]]), np.zeros((1, 4))
    found = gradcheck.check_vjp(triplet, backward, (a, near, far), seed=seed)
    assert found.verdict is not WRONG, str(found)


@pytest.mark.parametrize("draw", [43565, 35280])
def test_a_solve_that_rounding_ruins_accuses_nobody(draw):
    # Factored with pivots, a unit triangle of such entries loses two bits in every row.
    def unit(a):
        return np.tril(a, -1) + np.eye(len(a))

    def backward(g, a, b):
        b_bar = np.linalg.solve(unit(a).T, g)
        return np.tril(-np.outer(b_bar, np.linalg.solve(unit(a), b)), -1), b_bar

    codes = b"\x00\x17\x17\x10\x12\x06\x14\x17\x04"
    a = gradcheck.coded_array((64, 64), seed=draw, codes=codes, continuous=True, domain=(-3.0, 3.0))
    point = a, np.zeros(64)
    found = gradcheck.check_vjp(lambda a, b: np.linalg.solve(unit(a), b), backward, point)
    assert found.verdict is not WRONG, str(found)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(x + 0.05 * x**3))


def gelu_backward(y_bar, x):
    t = np.tanh(x + 0.05 * x**3)
    return (y_bar * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * (1 + 0.15 * x**2)),)


@pytest.mark.parametrize("x", [-6.3, -5.9, -6.2])
def test_a_stair_of_a_cancelled_value_proves_nothing_where_the_complex_step_knows_better(x):
    # 1 + tanh is a few last places of one here, and stands still between two stairs.
    result = gradcheck.check_vjp(gelu, gelu_backward, (np.array([x]),))
    assert result.verdict is not WRONG

    def wrong(y_bar, x):
        return (2 * gelu_backward(y_bar, x)[0],)

    assert gradcheck.check_vjp(gelu, wrong, (np.array([-1.0]),)).verdict is WRONG


def test_a_kink_that_a_curve_hides_from_long_steps_is_no_mistake():
    def transported(x, y):
        return np.mean((np.sort(x) - np.sort(y)) ** 2)

    def backward(out_bar, x, y):
        i, j = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
        slope = 2 * out_bar * (x[i] - y[j]) / len(x)
        x_bar, y_bar = np.empty_like(x), np.empty_like(y)
        x_bar[i], y_bar[j] = slope, -slope
        return x_bar, y_bar

    for x in ([1e-8, 0.0], [0.0, 1e-8, 3e-8]):
        point = np.array(x), np.zeros(len(x))
        assert gradcheck.check_vjp(transported, backward, point).verdict is not WRONG


def test_a_gradient_of_nothing_but_rounding_is_no_float32():
    def skewness(x):
        c = x - x.mean(axis=1, keepdims=True)
        return np.mean(c**3, axis=1) / np.sqrt(np.mean(c**2, axis=1) + 0.1) ** 3

    def backward(out_bar, x):
        c = x - x.mean(axis=1, keepdims=True)
        s = np.sqrt(np.mean(c**2, axis=1, keepdims=True) + 0.1)
        g = out_bar[:, None] / x.shape[1]
        c_bar = 3 * g * (c**2 / s**3 - np.mean(c**3, axis=1, keepdims=True) / s**5 * c)
        return (c_bar - c_bar.mean(axis=1, keepdims=True),)

    x = np.array(
        [[0, 0], [2.991562929486914, 2.991157018222967], [2.993413453978364, 2.993056506820313]]
    )
    for seed in range(10):
        result = gradcheck.check_vjp(skewness, backward, (x,), seed=seed, relations=("narrowed",))
        assert "narrowed" not in [finding.name for finding in result.findings]


def test_a_kink_sharp_beside_huge_numbers_only_accuses_no_claim():
    def selu(x):
        return np.where(x > 0, x, 1.6733 * np.expm1(np.minimum(x, 0)))

    def backward(y_bar, x):
        return (y_bar * np.where(x > 0, 1.0, 1.6733 * np.exp(np.minimum(x, 0))),)

    assert gradcheck.check_vjp(selu, backward, (np.array([-2e10, 0.0]),)).verdict is not WRONG


def test_a_difference_that_cancels_alike_for_all_cotangents_nearby_is_no_mistake():
    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(y_bar, x):
        y = softmax(x)
        return (y * (y_bar - (y_bar * y).sum(axis=1, keepdims=True)),)

    x = np.array([[0.0, -1e-150, 1e-50, -3.0, 29.94, 1.5], [29.94, -1, -30, -1e-150, -30, -1]])
    for seed in range(8):
        assert gradcheck.check_vjp(softmax, backward, (x,), seed=seed).verdict is not WRONG


def test_a_product_of_an_array_with_itself_may_round_in_its_own_way():
    def attention(q, k):
        logits = q @ k.T
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(y_bar, q, k):
        p = attention(q, k)
        z_bar = p * (y_bar - (y_bar * p).sum(axis=1, keepdims=True))
        return z_bar @ k, z_bar.T @ q

    rng = np.random.default_rng(0)
    for _ in range(10):
        q = 10 + 0.1 * rng.standard_normal((2, 72))
        result = gradcheck.check_vjp(attention, backward, (q, q + 0.0), relations=("same-array",))
        assert not [finding for finding in result.findings if finding.name == "same-array"]


@pytest.mark.parametrize("x", [-710.0, -715.0, -730.0])
def test_a_factor_of_a_number_that_underflowed_is_no_mistake(x):
    def mish(x):
        return x * np.tanh(np.logaddexp(0, x))

    def backward(y_bar, x):
        t = np.tanh(np.logaddexp(0, x))
        return (y_bar * (t + x * (1 - t**2) * special.expit(x)),)

    def flushed(y_bar, x):
        return (np.where(x < -708, 0.0, backward(y_bar, x)[0]),)

    for claimed in (backward, flushed):
        assert gradcheck.check_vjp(mish, claimed, (np.array([x]),)).verdict is not WRONG


def test_values_that_a_huge_input_swallows_convict_no_claim():
    def gap(anchor, near, far):
        return np.sum((anchor - near) ** 2 - (anchor - far) ** 2, axis=1)

    def triplet(anchor, near, far):
        return np.sum(np.maximum(0, gap(anchor, near, far) + 0.5))

    def backward(out_bar, anchor, near, far):
        up = 2 * out_bar * (gap(anchor, near, far) + 0.5 > 0)[:, None]
        return up * (far - near), up * (near - anchor), up * (anchor - far)

    rng = np.random.default_rng(0)
    for seed in range(5):
        anchor = 4e16 * rng.uniform(-1, 1, (7, 2))
        near = rng.choice([[0.5, -1.0], [2.0, 0.0]], size=7)
        point = anchor, near, np.zeros((7, 2))
        assert gradcheck.check_vjp(triplet, backward, point, seed=seed).verdict is not WRONG


@pytest.mark.parametrize("seed", range(4))
def test_a_triangle_whose_solution_grows_beyond_all_digits_accuses_nobody(seed):
    rng = np.random.default_rng(seed)
    a = rng.choice([-3.0, 3.0, 4.0, -4.0, 2.0], size=(48, 48))
    b = rng.choice([0.0, 1.0, -1.0], size=48)

    def triangle(a):
        return np.tril(a, -1) + np.eye(len(a))

    def solve(a, b):
        return np.linalg.solve(triangle(a), b)

    def backward(y_bar, a, b):
        b_bar = np.linalg.solve(triangle(a).T, y_bar)
        return np.tril(-np.outer(b_bar, solve(a, b)), -1), b_bar

    assert gradcheck.check_vjp(solve, backward, (a, b), seed=seed).verdict is not WRONG


@pytest.mark.parametrize("z", [37.0, 50.0, 100.0])
def test_a_loss_of_exactly_zero_hides_slopes_below_the_last_place_of_one(z):
    def loss(x):
        return special.logsumexp(x) - x[0]

    def backward(y_bar, x):
        p = special.softmax(x)
        p[0] = -p[1:].sum()
        return (y_bar * p,)

    x = np.array([z, 0.0, 1.0])
    for seed in range(5):
        assert gradcheck.check_vjp(loss, backward, (x,), seed=seed).verdict is not WRONG


@pytest.mark.parametrize("claimed", [1.0, 1e-4, -1e-6])
def test_a_slope_claimed_for_an_entry_that_is_not_used_is_wrong_where_it_could_be_seen(claimed):
    def rest(x):
        return x[1:].sum()

    def backward(y_bar, x):
        return (y_bar * np.array([claimed, 1.0, 1.0]),)

    result = gradcheck.check_vjp(rest, backward, (np.array([50.0, 0.0, 1.0]),), exhaustive=True)
    assert result.verdict is WRONG


def two_layers(x, w, b):
    return np.sum((np.maximum(x @ w, 0) + b) ** 2)


def two_layers_backward(y_bar, x, w, b):
    hidden = np.maximum(x @ w, 0)
    z_bar = 2 * y_bar * (hidden + b)
    return (z_bar * (x @ w > 0)) @ w.T, x.T @ (z_bar * (x @ w > 0)), z_bar.sum(axis=0)


@pytest.mark.parametrize("tiny", [1e-228, 1e-170, 1e-89])
def test_the_bottom_of_a_sum_of_squares_that_underflow_is_right(tiny):
    x, w = np.full((3, 3), 2.4), np.zeros((3, 2))
    w[0] = tiny
    result = gradcheck.check_vjp(two_layers, two_layers_backward, (x, w, np.zeros(2)))
    assert result.verdict is CORRECT


def test_a_gradient_of_1e_89_that_is_three_times_too_large_is_wrong():
    def tripled(y_bar, x, w, b):
        x_bar, w_bar, b_bar = two_layers_backward(y_bar, x, w, b)
        return 3 * x_bar, w_bar, b_bar

    x, w = np.full((3, 3), 2.4), np.zeros((3, 2))
    w[0] = 1e-89
    result = gradcheck.check_vjp(two_layers, tripled, (x, w, np.zeros(2)))
    assert result.verdict is WRONG


@pytest.mark.parametrize("huge", [1e8, 1e10, 3e11])
def test_a_slope_that_only_steps_below_a_huge_factor_see_is_looked_for_there(huge):
    def gate(h, c):
        return 0.5 * h + 0.5 * np.tanh(c * h)

    def backward(y_bar, h, c):
        slope = 0.5 * y_bar * (1 - np.tanh(c * h) ** 2)
        return 0.5 * y_bar + slope * c, slope * h

    def wrong(y_bar, h, c):
        return backward(y_bar, h, c)[0], 2 * backward(y_bar, h, c)[1]

    point = np.array([huge]), np.array([0.0])
    for seed in range(3):
        assert gradcheck.check_vjp(gate, backward, point, seed=seed).verdict is not WRONG
    assert gradcheck.check_vjp(gate, wrong, (np.ones(1), np.zeros(1))).verdict is WRONG


def test_a_kink_at_zero_is_no_mistake_because_it_looks_otherwise_far_away():
    """Beside -2e10 a zero is sampled at distances where exp(x) has long gone."""

    def elu(x):
        return np.where(x > 0, x, 2.0 * np.expm1(np.minimum(x, 0.0)))

    def elu_backward(g, x):
        return g * np.where(x > 0, 1.0, 2.0 * np.exp(np.minimum(x, 0.0)))

    for seed in range(6):
        result = gradcheck.check_vjp(elu, elu_backward, (np.array([0.0, -2e10]),), seed=seed)
        assert result.verdict is not WRONG


@pytest.mark.parametrize("seed", [49, 120, 125, 166, 215, 352, 495, 512, 540])
def test_a_gradient_of_rounding_that_some_points_spare_is_no_mistake(seed):
    """The claim for q is rounding alone: for one cotangent exactly zero, for the next 1e-10."""
    k = np.full((2, 2), -708.0)
    v = np.full((2, 7), -711.0)
    v[0, 2:5] += 0.5, 3.0, 0.5
    v[1] += 2.0, 1.0, 1.0, -1.0, 1.0, 2.0, 0.0

    def softmax(q, k):
        scores = np.exp(q @ k.T / np.sqrt(2))
        return scores / scores.sum(axis=1, keepdims=True)

    def attention_backward(g, q, k, v):
        p, p_bar = softmax(q, k), g @ v.T
        s_bar = p * (p_bar - (p * p_bar).sum(axis=1, keepdims=True)) / np.sqrt(2)
        return s_bar @ k, s_bar.T @ q, p.T @ g

    inputs = np.zeros((2, 2)), k, v
    result = gradcheck.check_vjp(
        lambda q, k, v: softmax(q, k) @ v, attention_backward, inputs, seed=seed
    )
    assert result.verdict is not WRONG, result


def log_determinant(a):
    return np.linalg.slogdet(a + 4 * np.eye(len(a)))[1]


def log_determinant_backward(g, a):
    return g * np.linalg.inv(a + 4 * np.eye(len(a))).T


@pytest.mark.parametrize("seed", range(12))
def test_a_function_that_last_places_change_by_a_tenth_decides_nothing(seed):
    """Two rows are nearly equal: what the factorisation leaves of a pivot is rounding."""
    a = np.full((4, 4), 1e10)
    a[1, 3] = a[2, 0] = 0.0
    result = gradcheck.check_vjp(log_determinant, log_determinant_backward, (a,), seed=seed)
    assert result.verdict is not WRONG, result


@pytest.mark.parametrize("seed", range(4))
def test_numbers_that_tie_with_nothing_but_standing_zeros_are_moved_by_no_tie(seed):
    def normal(a, b):
        crossed = np.cross(b - a, -a)
        length = np.linalg.norm(crossed, axis=-1, keepdims=True)
        return crossed / np.where(length == 0, 1.0, length)

    def normal_backward(g, a, b):
        crossed = np.cross(b - a, -a)
        length = np.linalg.norm(crossed, axis=-1, keepdims=True)
        safe = np.where(length == 0, 1.0, length)
        n = crossed / safe
        through = (g - n * (n * g).sum(-1, keepdims=True)) / safe
        left, right = np.cross(-a, through), np.cross(through, b - a)
        return -left - right, left

    a = np.array([[0.0, 0.0, 0.0], [1e16, -1e16, 0.0]])
    b = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0005]])
    result = gradcheck.check_vjp(normal, normal_backward, (a, b), seed=seed)
    assert not [f for f in result.findings if f.name == "tied-entries"]


def test_a_quotient_of_numbers_whose_squares_underflow_is_no_missing_guard():
    def backward(g, a, b):
        with np.errstate(all="ignore"):
            return g / b, (-g * a / (b * b)).sum()

    inputs = np.zeros((1, 1)), np.array(1e-300)
    assert gradcheck.check_vjp(lambda a, b: a / b, backward, inputs).verdict is INCONCLUSIVE
    ordinary = np.zeros((1, 1)), np.array(0.5)
    wrong = gradcheck.check_vjp(
        lambda a, b: a / b, lambda g, a, b: (g / b, np.nan * g.sum()), ordinary
    )
    assert wrong.verdict is WRONG
