"""The verification in small: each probe fails if a gradient it reaches is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from gradcheck import Verdict
from gradcheck.checking import Options, run_check
from gradcheck.subject import FunctionSubject
from losses import L1, L2, LOSSES, MeanSquaredError, Objective
from models import (
    CATALOGUE,
    ELU,
    Dense,
    Identity,
    LayerSubject,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from tests.losses.loss_data import labels_for, predictions_for

SHAPES = [(5, 3), (3,), (2, 3, 4)]


@dataclass(frozen=True)
class Probe:
    """One check, by name; running it raises where something is wrong."""

    name: str
    run: Callable[[], None]


def probes() -> list[Probe]:
    """All probes, in an order that does not matter."""
    makers = (
        _losses,
        _sure_predictions,
        _borders,
        _arguments,
        _objectives,
        _layers,
        _conventions,
        _networks,
    )
    return [probe for make in makers for probe in make()]


def _check(name: str, subject, inputs, kinks: str = "strict") -> Probe:
    return Probe(name, partial(_require_correct, subject, inputs, kinks))


def _require_correct(subject, inputs, kinks: str) -> None:
    """`gradcheck.assert_check` without the diagnosis, which nobody reads here."""
    result = run_check(subject, inputs, Options(kinks=kinks, diagnose=False))
    assert result.verdict is Verdict.CORRECT, result.subject


def _equal(name: str, compute: Callable[[], object], expected: object) -> Probe:
    return Probe(name, lambda: np.testing.assert_array_equal(compute(), expected))


def _losses() -> Iterator[Probe]:
    rng = np.random.default_rng(0)
    for name, loss in LOSSES.items():
        for shape in SHAPES:
            p, y = predictions_for(loss, rng, shape), labels_for(loss, rng, shape)
            yield _check(f"{name} {shape}", loss.subject(y), {"predictions": p})
        if loss.labels in {"binary", "one_hot"}:
            soft = rng.dirichlet(np.ones(3), 4)
            p = predictions_for(loss, rng, soft.shape)
            yield _check(f"{name} on soft labels", loss.subject(soft), {"predictions": p})


def _sure_predictions() -> Iterator[Probe]:
    """Nearly right predictions, where ``p - y`` would have lost its digits."""
    logits = np.array([[40.0, 0.0, -3.0], [-2.0, 45.0, 1.0]])
    rows = {"classes": np.array([0, 1]), "one_hot": np.eye(3)[:2]}
    for loss in LOSSES.values():
        if loss.predictions == "logits" and loss.labels in rows:
            subject = loss.subject(rows[loss.labels])
            yield _check(f"{loss.name}, sure and right", subject, {"predictions": logits})
    subject = LOSSES["binary_cross_entropy_on_logits"].subject(np.array([1.0, 0.0]))
    yield _check("binary, sure and right", subject, {"predictions": np.array([40.0, -45.0])})


def _borders() -> Iterator[Probe]:
    """Where no difference can be taken, or a floating-point trap lies: the documented numbers."""
    tiny = np.finfo(float).tiny
    slopes = [1.0, -1.0, -1 / tiny, 1 / tiny]
    binary = LOSSES["binary_cross_entropy"]
    yield _equal("binary borders", lambda: binary.slope([0, 1, 0, 1], [0, 1, 1, 0]), slopes)
    for name, labels in [("categorical", [[0, 1]]), ("sparse_categorical", [1])]:
        loss = LOSSES[f"{name}_cross_entropy"]
        compute = partial(loss.slope, [[1, 0]], labels)
        yield _equal(f"{name} border", compute, [[0, -1 / tiny]])
    yield _equal("equality", lambda: LOSSES["mean_absolute_error"].slope([2.0], [2.0]), [0.0])
    with_traps = {
        "binary_cross_entropy_on_logits": ([1e4, -1e4, 1e4], [0, 1, 1], [1, -1, 0]),
        "softmax_cross_entropy": ([[1e4, -1e4]], [[0, 1]], [[1, -1]]),
        "sparse_softmax_cross_entropy": ([[1e4, -1e4]], [1], [[1, -1]]),
    }
    for name, (logits, labels, slope) in with_traps.items():
        compute = _strictly(partial(LOSSES[name].slope, logits, labels))
        yield _equal(f"{name} at 1e4", compute, slope)


def _arguments() -> Iterator[Probe]:
    """Lists, scalars, labels of another precision, rows that sum to 1 but for rounding."""
    rng = np.random.default_rng(4)
    for name, loss in LOSSES.items():
        p, y = predictions_for(loss, rng), labels_for(loss, rng)
        compute = partial(_dtype_of_gradient, loss, p.astype(np.float32), y)
        yield _equal(f"{name} in single precision", compute, np.dtype(np.float32))
        compute = partial(loss.gradient, p.tolist(), y.tolist())
        yield _equal(f"{name} of lists", compute, loss.gradient(p, y))
        if loss.event_axes:
            yield Probe(f"{name} of a scalar", partial(_refuses_a_scalar, loss))
    nearly_one = np.array([[0.5, 0.5004, 0.0], [0.2, 0.4, 0.3996]])
    for name in ("categorical_cross_entropy", "softmax_cross_entropy"):
        p = predictions_for(LOSSES[name], rng, (2, 3))
        subject = LOSSES[name].subject(nearly_one)
        yield _check(f"{name} of rounded rows", subject, {"predictions": p})


def _dtype_of_gradient(loss, p, y):
    return loss.gradient(p, y).dtype


def _refuses_a_scalar(loss) -> None:
    try:
        loss.slope(0.5, 0)
    except ValueError as error:
        if "along the last axis" in str(error):
            return
    raise AssertionError("a scalar is no row of scores")


def _strictly(compute: Callable[[], object]) -> Callable[[], object]:
    """The same, where every floating-point trap raises, underflow included."""

    def strict() -> object:
        with np.errstate(all="raise"):
            return compute()

    return strict


def _objectives() -> Iterator[Probe]:
    rng = np.random.default_rng(1)
    weights = {"v": rng.normal(size=(2, 3)), "w": rng.normal(size=4)}
    p, y = rng.normal(size=5), rng.normal(size=5)
    for penalty in (L1(0.3), L2(0.3)):
        subject = FunctionSubject(
            repr(penalty),
            lambda inputs, penalty=penalty: penalty.value(inputs["v"]),
            lambda inputs, y_bar, penalty=penalty: {"v": y_bar * penalty.gradient(inputs["v"])},
        )
        yield _check(f"{penalty}", subject, {"v": weights["v"]})
    for penalties in [(), (L2(0.2),), (L1(0.1), L2(0.2))]:
        objective = Objective(MeanSquaredError(), penalties)

        def value(inputs, objective=objective):
            return objective.value(inputs["p"], y, [inputs["v"], inputs["w"]])

        def vjp(inputs, y_bar, objective=objective):
            by_p, (by_v, by_w) = objective.gradient(inputs["p"], y, [inputs["v"], inputs["w"]])
            return {"p": y_bar * by_p, "v": y_bar * by_v, "w": y_bar * by_w}

        subject = FunctionSubject(repr(objective), value, vjp)
        yield _check(f"{len(penalties)} penalties", subject, {"p": p, **weights})


def _layers() -> Iterator[Probe]:
    rng = np.random.default_rng(2)
    layers = [entry.build(4, 4) for entry in CATALOGUE.values()]
    for layer in [*layers, Dense(4, 2), LeakyReLU(-0.5), ELU(-0.5)]:
        for shape in [(5, 4), (4,), (2, 3, 4)]:
            inputs = {"x": rng.normal(size=shape) * 2}
            inputs |= {name: rng.normal(size=s) for name, s in layer.parameter_shapes.items()}
            yield _check(f"{layer} {shape}", LayerSubject(layer), inputs)


def _conventions() -> Iterator[Probe]:
    """The documented slope at a kink, and slopes so far out that exponentials overflow."""
    yield _equal("L1 at 0", partial(L1(0.3).gradient, np.zeros(2)), [0, 0])
    for layer, at_zero in [(ReLU(), 0), (LeakyReLU(0.3), 0.3), (ELU(0.5), 0.5)]:
        yield _equal(f"{layer} at 0", partial(_slopes, layer, [0.0, -0.0]), [at_zero] * 2)
    for name, far in [("elu", [0, 1]), ("sigmoid", [0, 0]), ("softplus", [0, 1]), ("gelu", [0, 1])]:
        compute = _strictly(partial(_slopes, CATALOGUE[name].build(2, 2), [-1e4, 1e4]))
        yield _equal(f"{name} at 1e4", compute, far)
    largest = np.finfo(float).max
    compute = _strictly(partial(_slopes, CATALOGUE["gelu"].build(2, 2), [-largest, largest]))
    yield _equal("gelu at the largest numbers", compute, [0, 1])


def _slopes(layer, z: list[float]):
    _, residuals = layer.forward({}, np.array(z))
    return layer.backward({}, residuals, np.ones(2))[1]


def _networks() -> Iterator[Probe]:
    rng = np.random.default_rng(3)
    tiny = Network([Dense(2, 1)])  # first, because a wrong claim of few numbers is soon refuted
    subject = tiny.subject(LOSSES["mean_squared_error"], rng.normal(size=(2, 1)))
    inputs = subject.inputs(tiny.initialise(rng), rng.normal(size=(2, 2)))
    yield _check("tiny network", subject, inputs)
    smooth = Network([Dense(3, 4), Tanh(), Dense(4, 3), Sigmoid(), Dense(3, 2), Softmax()])
    kinked = Network([Dense(2, 3), ReLU(), Identity(), Dense(3, 2)])
    for network, width, kinks in [(smooth, 3, "strict"), (kinked, 2, "lenient")]:
        params, x = network.initialise(rng, bias=_generic), rng.normal(size=(4, width))
        for signals in (False, True):
            subject = network.subject(signals=signals)
            inputs = subject.inputs(params, x)
            yield _check(f"outputs of {width}, signals {signals}", subject, inputs, kinks)
            yield Probe(f"memory of {width}", partial(_require_own_memory, subject, inputs))
        for name in ("categorical_cross_entropy", "softmax_cross_entropy"):
            if network is smooth or name == "softmax_cross_entropy":
                subject = network.subject(LOSSES[name], np.eye(2)[[0, 1, 1, 0]], signals=True)
                inputs = subject.inputs(params, x)
                yield _check(f"{name} of {width}", subject, inputs, kinks)
                for i in range(len(network.layers) + 1):
                    run = partial(_check_call, subject, inputs, i, kinks)
                    yield Probe(f"call {i} of {name} of {width}", run)


def _check_call(subject, inputs, i: int, kinks: str) -> None:
    call = subject.layers(inputs, np.float64(0.7))[i]
    _require_correct(call.subject, call.inputs, kinks)


def _require_own_memory(subject, inputs) -> None:
    y_bar = np.ones_like(subject.value(inputs))
    for name, gradient in subject.vjp(inputs, y_bar).items():
        for given in (y_bar, *inputs.values()):
            assert not np.shares_memory(gradient, given), name


def _generic(rng: np.random.Generator, shape: tuple[int, ...]):
    return rng.normal(size=shape)
