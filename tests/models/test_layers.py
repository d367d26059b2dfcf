"""Every layer against closed forms, at extremes, and against differences of its own forward."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

import models
from models import CATALOGUE, ELU, GELU, Dense, LeakyReLU
from tests.losses.numeric import central_differences, complex_step

mpmath.mp.dps = 50

POINTS = [-1e4, -750.0, -40.0, -3.0, -0.75, -1e-9, 1e-9, 0.3, 2.0, 40.0, 750.0, 1e4]


def gelu(z):
    return z / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (z + mpf("0.044715") * z**3)))


FORMULAS = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "relu": lambda z: max(z, mpf(0)),
    "leaky_relu": lambda z: z if z > 0 else mpf(0.01) * z,
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "gelu": gelu,
}
ELEMENTWISE = [*FORMULAS]
ACTIVATIONS = [*ELEMENTWISE, "softmax"]


def activation(name, width=1):
    return CATALOGUE[name].build(width, width)


def slopes(layer, z):
    _, residuals = layer.forward({}, z)
    return layer.backward({}, residuals, np.ones_like(z))[1]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("z", POINTS)
def test_an_activation_is_its_formula(name, z):
    with mpmath.workdps(1000 if abs(z) > 40 else 50):
        truth = FORMULAS[name](mpf(z))
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            got = activation(name).forward({}, np.array([z]))[0][0]
        # the argument of an exponential as large as 1e4 is rounded before the exponential is taken
        roundings = 1e-14 * (1 + (z**4 if name == "gelu" and z < -2 else 0))
        assert abs(mpf(float(got)) - truth) <= roundings * abs(truth) + mpf(2) ** -1022


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("z", POINTS)
def test_the_slope_of_an_activation_is_its_derivative(name, z):
    with mpmath.workdps(120):
        h = mpf("1e-40")
        truth = (FORMULAS[name](mpf(z) + h) - FORMULAS[name](mpf(z) - h)) / (2 * h)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            got = slopes(activation(name), np.array([z]))[0]
        # 1 - sigmoid and 1 - tanh keep what float64 keeps of the value, one place beside 1
        place = 2.3e-16 if name in {"sigmoid", "tanh", "gelu"} else 1e-30
        assert abs(mpf(float(got)) - truth) <= 1e-13 * abs(truth) + place


@pytest.mark.parametrize(
    ("name", "slope"), [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0), ("gelu", 0.5)]
)
def test_the_slope_at_zero_is_the_documented_one(name, slope):
    assert slopes(activation(name), np.array([0.0, -0.0])).tolist() == [slope, slope]


@pytest.mark.parametrize(("layer", "kink"), [(ELU(), False), (ELU(0.5), True), (GELU(), False)])
def test_an_elu_has_a_kink_unless_its_slopes_meet(layer, kink):
    gap = abs(np.diff(slopes(layer, np.array([-1e-9, 1e-9]))))[0]
    assert layer.has_kink == kink == (gap > 0.1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_only_a_layer_with_a_kink_says_so(name):
    z = np.array([[-1e-9, 0.0], [1e-9, 0.0]])
    y_bar = np.array([[1.0, 0.0], [1.0, 0.0]])
    layer = activation(name, 2)
    below, above = layer.backward({}, layer.forward({}, z)[1], y_bar)[1][:, 0]
    assert CATALOGUE[name].has_kink == layer.has_kink == (abs(above - below) > 0.1)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_largest_numbers_neither_overflow_nor_make_nan(name):
    z = np.array([-1e300, 1e300])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a, _ = activation(name, 2).forward({}, z)
        far = slopes(activation(name, 2), z)
    rising = (a[1] - a[0]) / 1e300
    np.testing.assert_allclose(far.sum(), rising, atol=1e-299)  # each is as steep as its asymptotes


def test_softmax_is_its_formula():
    row = [0.3, -2.0, 40.0]
    total = mpmath.fsum(mpmath.exp(z) for z in row)
    p, _ = activation("softmax", 3).forward({}, np.array(row))
    np.testing.assert_allclose(p, [float(mpmath.exp(z) / total) for z in row], rtol=1e-14)


def test_softmax_backward_is_its_jacobian_transposed(rng):
    layer = activation("softmax", 4)
    z, y_bar = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    p, residuals = layer.forward({}, z)
    jacobian = p[:, :, None] * np.eye(4) - p[:, :, None] * p[:, None, :]
    expected = np.einsum("nkj,nk->nj", jacobian, y_bar)
    np.testing.assert_allclose(layer.backward({}, residuals, y_bar)[1], expected, rtol=1e-13)


def test_softmax_rows_are_distributions_at_any_size():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, residuals = activation("softmax", 3).forward({}, np.array([[1e4, -1e4, 0], [-1e4] * 3]))
        z_bar = activation("softmax", 3).backward({}, residuals, np.ones((2, 3)))[1]
    np.testing.assert_array_equal(p, [[1, 0, 0], [1 / 3] * 3])
    np.testing.assert_allclose(z_bar, 0, atol=1e-16)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 5, 3), (0, 3)])
def test_backward_is_the_derivative_of_forward_for_any_leading_axes(name, shape, rng):
    layer = CATALOGUE[name].build(3, 3)
    x = rng.normal(size=shape)
    params = {key: rng.normal(size=size) for key, size in layer.parameter_shapes.items()}
    y, residuals = layer.forward(params, x)
    y_bar = rng.normal(size=y.shape)
    params_bar, x_bar = layer.backward(params, residuals, y_bar)

    def projected(x=x, **changed):
        return (layer.forward({**params, **changed}, x)[0] * y_bar).sum()

    for estimate in (central_differences, complex_step):
        np.testing.assert_allclose(x_bar, estimate(projected, x), rtol=1e-6, atol=1e-8)
        for key in params:
            by_key = estimate(lambda value, key=key: projected(**{key: value}), params[key])
            np.testing.assert_allclose(params_bar[key], by_key, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CATALOGUE)
def test_backward_is_linear_in_the_cotangent_and_remembers_nothing(name, rng):
    layer = CATALOGUE[name].build(3, 3)
    params = {key: rng.normal(size=size) for key, size in layer.parameter_shapes.items()}
    x, y_bar = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    _, residuals = layer.forward(params, x)
    once = layer.backward(params, residuals, y_bar)[1]
    layer.forward(params, x + 1)
    np.testing.assert_array_equal(layer.backward(params, residuals, 2 * y_bar)[1], 2 * once)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_a_layer_works_in_the_dtype_it_is_given(name, dtype, rng):
    layer = CATALOGUE[name].build(3, 3)
    params = {
        key: rng.normal(size=size).astype(dtype) for key, size in layer.parameter_shapes.items()
    }
    x = rng.normal(size=(2, 3)).astype(dtype)
    y, residuals = layer.forward(params, x)
    assert y.dtype == dtype
    params_bar, x_bar = layer.backward(params, residuals, np.ones_like(y))
    assert {array.dtype for array in [x_bar, *params_bar.values()]} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_layer_changes_nothing_and_hands_nothing_back(name, rng):
    layer = CATALOGUE[name].build(3, 3)
    params = {key: rng.normal(size=size) for key, size in layer.parameter_shapes.items()}
    x, y_bar = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    given = [x, y_bar, *params.values()]
    for array in given:
        array.flags.writeable = False
    y, residuals = layer.forward(params, x)
    params_bar, x_bar = layer.backward(params, residuals, y_bar)
    for result in (y, x_bar, *params_bar.values()):
        assert not any(np.shares_memory(result, array) for array in given)


@pytest.mark.parametrize("name", CATALOGUE)
def test_nan_is_never_hidden_by_a_layer(name):
    layer = CATALOGUE[name].build(1, 1)
    params = {key: np.ones(size) for key, size in layer.parameter_shapes.items()}
    assert np.isnan(layer.forward(params, np.array([np.nan]))[0]).all()


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_repr_of_a_layer_rebuilds_it(name):
    layer = CATALOGUE[name].build(3, 3)
    assert eval(repr(layer), vars(models)) == layer


def test_parameters_of_activations_are_part_of_the_repr():
    assert repr(LeakyReLU(slope_below=0.2)) == "LeakyReLU(slope_below=0.2)"


def test_gelu_is_near_the_form_with_the_error_function():
    z = np.linspace(-6, 6, 241)
    exact = [float(mpf(x) * mpmath.ncdf(x)) for x in z]
    assert abs(GELU().forward({}, z)[0] - exact).max() < 5e-4


@pytest.mark.parametrize("name", [name for name, e in CATALOGUE.items() if e.preserves_width])
def test_an_activation_refuses_to_change_the_width(name):
    with pytest.raises(ValueError, match="got widths 2 and 3, expected equal ones"):
        CATALOGUE[name].build(2, 3)


def test_only_the_dense_layer_changes_the_width():
    assert [name for name, e in CATALOGUE.items() if not e.preserves_width] == ["dense"]


ONES = {"weight": np.ones((2, 3)), "bias": np.ones(3)}
REFUSED = {
    "too wide an input": (ONES, np.ones((4, 3)), r"expected \(..., 2\)"),
    "a scalar input": (ONES, np.float64(1), r"shape \(\), expected \(..., 2\)"),
    "a transposed weight": ({**ONES, "weight": np.ones((3, 2))}, np.ones((4, 2)), r"\(3, 2\)"),
    "a column of biases": ({**ONES, "bias": np.ones((3, 1))}, np.ones((4, 2)), r"\(3, 1\)"),
    "no bias": ({"weight": np.ones((2, 3))}, np.ones((4, 2)), "expected {'weight'"),
    "a name too many": ({**ONES, "gain": np.ones(3)}, np.ones((4, 2)), "'gain'"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_dense_layer_refuses_what_does_not_fit(case):
    params, x, message = case
    with pytest.raises(ValueError, match=message):
        Dense(2, 3).forward(params, x)


@pytest.mark.parametrize("widths", [(0, 1), (1, 0), (-1, 2)])
def test_a_dense_layer_needs_widths(widths):
    with pytest.raises(ValueError, match="expected a whole number of at least 1"):
        Dense(*widths)
