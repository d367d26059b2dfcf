"""What holds for every loss: means, gradients, dtypes, borders, equalities and invariances."""

import tracemalloc

import numpy as np
import pytest

import losses
from losses import LOSSES
from tests.losses.loss_data import labels_for, predictions_for
from tests.losses.numeric import central_differences, complex_step

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@every_loss
def test_the_cost_is_the_mean_over_examples(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    per_example = loss.per_example(p, y)
    assert per_example.shape == (p.shape if loss.event_axes == 0 else p.shape[:-1])
    np.testing.assert_allclose(loss.cost(p, y), per_example.sum() / per_example.size, rtol=1e-15)


@every_loss
def test_the_gradient_is_that_of_the_cost(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    estimate = central_differences(lambda q: loss.cost(q, y), p)
    np.testing.assert_allclose(loss.gradient(p, y), estimate, rtol=1e-7, atol=1e-9)


@every_loss
def test_a_complex_step_goes_through(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    estimate = complex_step(lambda q: loss.cost(q, y), p)
    np.testing.assert_allclose(loss.gradient(p, y), estimate, rtol=1e-13, atol=1e-16)


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_the_dtype_of_the_predictions_is_kept(loss, dtype, rng):
    p, y = predictions_for(loss, rng).astype(dtype), labels_for(loss, rng)
    assert loss.per_example(p, y).dtype == dtype
    assert loss.cost(p, y).dtype == dtype
    assert loss.gradient(p, y).dtype == dtype


@every_loss
@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
def test_other_precisions_agree_with_double(loss, dtype, rng):
    p, y = predictions_for(loss, rng).astype(dtype), labels_for(loss, rng)
    y = y if loss.labels == "classes" else y.astype(dtype)
    coarsest = 100 * max(np.finfo(dtype).eps, np.finfo(np.float64).eps)
    double = p.astype(np.float64)
    np.testing.assert_allclose(loss.gradient(p, y), loss.gradient(double, y), rtol=coarsest)


@every_loss
def test_nothing_handed_in_is_changed_or_handed_back(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    p.flags.writeable = y.flags.writeable = False
    for result in (loss.per_example(p, y), loss.slope(p, y), loss.gradient(p, y)):
        assert not np.shares_memory(result, p)
        assert not np.shares_memory(result, y)


@every_loss
def test_all_leading_axes_count_examples(loss, rng):
    p, y = predictions_for(loss, rng, (2, 3, 4)), labels_for(loss, rng, (2, 3, 4))
    flat = y.reshape(6) if loss.labels == "classes" else y.reshape(6, 4)
    np.testing.assert_allclose(loss.cost(p, y), loss.cost(p.reshape(6, 4), flat), rtol=1e-15)
    by_flat = loss.gradient(p.reshape(6, 4), flat)
    np.testing.assert_array_equal(loss.gradient(p, y), by_flat.reshape(2, 3, 4))


@every_loss
def test_a_single_example_needs_no_batch_axis(loss, rng):
    p, y = predictions_for(loss, rng, (1, 3)), labels_for(loss, rng, (1, 3))
    np.testing.assert_array_equal(loss.gradient(p[0], y[0]), loss.gradient(p, y)[0])


@every_loss
def test_strided_views_give_what_copies_give(loss, rng):
    p, y = predictions_for(loss, rng, (6, 3))[::-2], labels_for(loss, rng, (6, 3))[::-2]
    np.testing.assert_array_equal(loss.gradient(p, y), loss.gradient(p.copy(), y.copy()))


@every_loss
def test_the_order_of_examples_does_not_matter(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    order = rng.permutation(5)
    np.testing.assert_allclose(loss.cost(p[order], y[order]), loss.cost(p, y), rtol=1e-14)
    np.testing.assert_array_equal(loss.gradient(p[order], y[order]), loss.gradient(p, y)[order])


@every_loss
def test_every_example_twice_keeps_the_cost_and_halves_the_gradient(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    pp, yy = np.concatenate([p, p]), np.concatenate([y, y])
    np.testing.assert_allclose(loss.cost(pp, yy), loss.cost(p, y), rtol=1e-14)
    np.testing.assert_allclose(loss.gradient(pp, yy)[:5], loss.gradient(p, y) / 2, rtol=1e-15)


@every_loss
def test_no_example_costs_less_than_nothing(loss, rng):
    p, y = predictions_for(loss, rng, (50, 4)), labels_for(loss, rng, (50, 4))
    assert (loss.per_example(p, y) >= 0).all()


@every_loss
def test_nan_is_never_hidden(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    p[0, 0] = np.nan
    if loss.labels == "classes":
        y[0] = 0
    elif loss.labels == "one_hot":
        y[0] = [1, 0, 0]
    assert np.isnan(loss.cost(p, y))


@every_loss
def test_the_repr_rebuilds_it(loss):
    assert eval(repr(loss), vars(losses)) == loss


@every_loss
def test_the_subject_claims_the_gradient_of_its_value(loss, rng):
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    subject = loss.subject(y)
    assert subject.name == loss.name
    assert subject.value({"predictions": p}) == loss.cost(p, y)
    claimed = subject.vjp({"predictions": p}, 3.0)["predictions"]
    np.testing.assert_array_equal(claimed, 3.0 * loss.gradient(p, y))


@pytest.mark.parametrize("loss", [x for x in LOSSES.values() if x.predictions == "logits"])
@pytest.mark.parametrize("size", [1e4, 1e300])
def test_extreme_logits_stay_finite_without_a_warning(loss, size, rng):
    p = rng.choice([-size, 0.0, size], (40, 4))
    y = labels_for(loss, rng, (40, 4))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.isfinite(loss.cost(p, y) / size)
        gradient = loss.gradient(p, y) * loss.examples(p.shape)
    assert (abs(gradient) <= 1).all()


@pytest.mark.parametrize("loss", [x for x in LOSSES.values() if x.predictions == "probabilities"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_certain_probabilities_stay_finite_without_a_warning(loss, dtype, rng):
    p = np.eye(4, dtype=dtype)[rng.integers(0, 4, 40)]
    y = labels_for(loss, rng, (40, 4))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert np.isfinite(loss.per_example(p, y)).all()
        assert np.isfinite(loss.slope(p, y)).all()


@pytest.mark.parametrize(
    ("p", "y", "value", "slope"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (1.0, 1.0, 0.0, -1.0),
        (0.0, 1.0, -np.log(np.finfo(float).tiny), -1 / np.finfo(float).tiny),
        (1.0, 0.0, -np.log(np.finfo(float).tiny), 1 / np.finfo(float).tiny),
    ],
)
def test_binary_cross_entropy_at_the_borders_is_as_documented(p, y, value, slope):
    loss = LOSSES["binary_cross_entropy"]
    assert loss.per_example([p], [y]) == [value]
    assert loss.slope([p], [y]) == [slope]


def test_categorical_cross_entropy_at_the_borders_is_as_documented():
    tiny = np.finfo(float).tiny
    dense, sparse = LOSSES["categorical_cross_entropy"], LOSSES["sparse_categorical_cross_entropy"]
    for loss, right, wrong in [(dense, [1, 0], [0, 1]), (sparse, 0, 1)]:
        assert loss.per_example([1.0, 0.0], right) == 0
        assert loss.per_example([1.0, 0.0], wrong) == -np.log(tiny)
        np.testing.assert_array_equal(loss.slope([1.0, 0.0], right), [-1, 0])
        np.testing.assert_array_equal(loss.slope([1.0, 0.0], wrong), [0, -1 / tiny])


def test_a_saturated_unit_passes_zero_and_not_nan():
    saturated = np.array([0.0])
    by_probability = LOSSES["binary_cross_entropy"].gradient(saturated, [1.0])
    assert (saturated * (1 - saturated) * by_probability == 0).all()


def test_softmax_cross_entropy_is_categorical_cross_entropy_of_softmax(rng):
    z = rng.normal(size=(6, 4)) * 3
    y = np.eye(4)[rng.integers(0, 4, 6)]
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    on_logits, on_p = LOSSES["softmax_cross_entropy"], LOSSES["categorical_cross_entropy"]
    np.testing.assert_allclose(on_logits.per_example(z, y), on_p.per_example(p, y), rtol=1e-12)
    by_p = on_p.gradient(p, y)
    through_softmax = p * (by_p - (p * by_p).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(on_logits.gradient(z, y), through_softmax, rtol=1e-10, atol=1e-16)


def test_binary_cross_entropy_on_logits_is_that_of_the_sigmoid(rng):
    z, y = rng.normal(size=9) * 3, rng.integers(0, 2, 9)
    p = 1 / (1 + np.exp(-z))
    on_logits, on_p = LOSSES["binary_cross_entropy_on_logits"], LOSSES["binary_cross_entropy"]
    np.testing.assert_allclose(on_logits.per_example(z, y), on_p.per_example(p, y), rtol=1e-12)
    through_sigmoid = on_p.gradient(p, y) * p * (1 - p)
    np.testing.assert_allclose(on_logits.gradient(z, y), through_sigmoid, rtol=1e-12)


@pytest.mark.parametrize(
    ("sparse", "dense"),
    [
        ("sparse_categorical_cross_entropy", "categorical_cross_entropy"),
        ("sparse_softmax_cross_entropy", "softmax_cross_entropy"),
    ],
)
def test_integer_labels_mean_their_one_hot_rows(sparse, dense, rng):
    p = predictions_for(LOSSES[dense], rng, (7, 4))
    classes = rng.integers(0, 4, 7)
    one_hot = np.eye(4)[classes]
    by_class, by_row = LOSSES[sparse], LOSSES[dense]
    np.testing.assert_array_equal(by_class.per_example(p, classes), by_row.per_example(p, one_hot))
    np.testing.assert_array_equal(by_class.gradient(p, classes), by_row.gradient(p, one_hot))


def test_sparse_labels_never_become_rows():
    n, classes = 200, 1000
    p, y = np.full((n, classes), 1 / classes), np.zeros(n, dtype=int)
    tracemalloc.start()
    LOSSES["sparse_categorical_cross_entropy"].per_example(p, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < p.nbytes  # a one-hot copy of the labels would weigh as much as p


def test_two_classes_of_softmax_are_one_logit(rng):
    z, y = rng.normal(size=8), rng.integers(0, 2, 8)
    rows = np.stack([np.zeros(8), z], axis=-1)
    two, one = LOSSES["sparse_softmax_cross_entropy"], LOSSES["binary_cross_entropy_on_logits"]
    np.testing.assert_allclose(two.per_example(rows, y), one.per_example(z, y), rtol=1e-13)
    np.testing.assert_allclose(two.gradient(rows, y)[:, 1], one.gradient(z, y), rtol=1e-13)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sparse_softmax_cross_entropy"])
def test_a_constant_added_to_the_logits_changes_nothing(name, rng):
    loss = LOSSES[name]
    z, y = rng.integers(-8, 8, (6, 4)).astype(float), labels_for(loss, rng, (6, 4))
    np.testing.assert_array_equal(loss.per_example(z + 1024, y), loss.per_example(z, y))
    np.testing.assert_array_equal(loss.gradient(z + 1024, y), loss.gradient(z, y))
    np.testing.assert_allclose(loss.gradient(z, y).sum(axis=-1), 0, atol=1e-16)


@pytest.mark.parametrize("name", ["mean_squared_error", "mean_absolute_error", "huber"])
def test_regression_losses_know_only_the_error(name, rng):
    loss = LOSSES[name]
    p, y = rng.integers(-8, 8, (2, 9)).astype(float)
    np.testing.assert_array_equal(loss.per_example(p + 64, y + 64), loss.per_example(p, y))
    np.testing.assert_array_equal(loss.per_example(y, p), loss.per_example(p, y))
    np.testing.assert_array_equal(loss.slope(y, p), -loss.slope(p, y))


def test_only_a_loss_with_a_kink_says_so(rng):
    def jump(loss):
        y = np.zeros(1)
        return abs(loss.slope(y + 1e-9, y) - loss.slope(y - 1e-9, y))

    regressions = [loss for loss in LOSSES.values() if loss.labels == "real"]
    assert [loss.name for loss in regressions if jump(loss) > 1e-6] == ["mean_absolute_error"]
    assert [name for name, loss in LOSSES.items() if loss.has_kink] == ["mean_absolute_error"]


def test_the_registry_keeps_each_loss_under_its_name():
    assert {name: loss.name for name, loss in LOSSES.items()} == {name: name for name in LOSSES}
    assert len(LOSSES) == 9
