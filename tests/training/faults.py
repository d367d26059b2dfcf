"""Trainings with one planted fault each, and the name the diagnosis must give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.result import TrainingResult
from gradcheck.training import check_training, descend, train
from gradcheck.training.theory import guessing_cross_entropy
from losses import LOSSES, SparseSoftmaxCrossEntropy
from models import Dense, Network, ReLU, Tanh, he_normal
from tests.training.problems import (
    BlackBox,
    Problem,
    Update,
    adam,
    flatten,
    gradient_descent,
    momentum,
    random_problem,
    right_update,
    shuffled_batches,
)

Params = Mapping[str, np.ndarray]
EPOCHS = 20

GRADIENT_BUGS = (
    "sign",
    "factor two",
    "sum for mean",
    "bias not summed",
    "bias averaged",
    "transposed",
    "activation derivative missing",
    "derivative at the output",
    "overwritten",
    "detached",
    "wrong rows",
)


@dataclass
class TiedNetwork:
    """``x -> W1 -> tanh -> W -> tanh -> W -> tanh -> W2`` with softmax cross-entropy: W is used
    twice. ``bug`` names what its backward gets wrong."""

    x: np.ndarray
    labels: np.ndarray
    bug: str = ""

    def __call__(self, p: Params) -> tuple[float, dict[str, np.ndarray]]:
        a1 = np.tanh(self.x @ p["w_in"] + p["b_in"])
        a2 = np.tanh(a1 @ p["w"] + p["b"])
        a3 = np.tanh(a2 @ p["w"] + p["b"])
        z = a3 @ p["w_out"] + p["b_out"]
        n = len(z)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        probabilities = e / e.sum(axis=1, keepdims=True)
        cost = -np.mean(np.log(probabilities[np.arange(n), self.labels]))
        z_bar = probabilities.copy()
        z_bar[np.arange(n), self._subtracted()] -= 1
        z_bar /= 1 if self.bug == "sum for mean" else n
        return float(cost), self._backward(p, (a1, a2, a3), z_bar)

    def _subtracted(self) -> np.ndarray:
        off = self.bug == "other labels"
        return np.maximum(self.labels - 1, 0) if off else self.labels

    def _backward(
        self, p: Params, activations: tuple[np.ndarray, ...], z_bar: np.ndarray
    ) -> dict[str, np.ndarray]:
        a1, a2, a3 = activations
        g: dict[str, np.ndarray] = {"w_out": a3.T @ z_bar, "b_out": self._summed(z_bar)}
        z3_bar = self._through(a3, z_bar @ p["w_out"].T)
        turned = p["w"] if self.bug == "transposed" else p["w"].T
        z2_bar = self._through(a2, z3_bar @ turned)
        z1_bar = self._through(a1, z2_bar @ p["w"].T, last=True)
        both = 0 if self.bug == "overwritten" else 1
        g["w"] = both * (a2.T @ z3_bar) + a1.T @ z2_bar
        g["b"] = both * self._summed(z3_bar) + self._summed(z2_bar)
        g["w_in"], g["b_in"] = self.x.T @ z1_bar, self._summed(z1_bar)
        return self._finished(g, p)

    def _summed(self, z_bar: np.ndarray) -> np.ndarray:
        if self.bug == "bias not summed":
            return z_bar[-1]
        return z_bar.mean(axis=0) if self.bug == "bias averaged" else z_bar.sum(axis=0)

    def _through(self, a: np.ndarray, a_bar: np.ndarray, *, last: bool = False) -> np.ndarray:
        if self.bug == "activation derivative missing" and last:
            return a_bar
        at_output = self.bug == "derivative at the output"
        return a_bar * (1 - np.tanh(a) ** 2 if at_output else 1 - a**2)

    def _finished(self, g: dict[str, np.ndarray], p: Params) -> dict[str, np.ndarray]:
        if self.bug == "sign":
            g["w_out"] = -g["w_out"]
        elif self.bug == "factor two":
            g = {n: 2 * a for n, a in g.items()}
        elif self.bug == "detached":
            g["w_in"] = np.zeros_like(g["w_in"])
        elif self.bug == "wrong rows":
            g["w_in"] = np.roll(g["w_in"], 1, axis=0)
        return {n: g[n] for n in p}


def tied_network(rng: np.random.Generator, bug: str) -> tuple[TiedNetwork, dict[str, np.ndarray]]:
    rows, features, width, classes = 32, int(rng.integers(2, 6)), int(rng.integers(4, 9)), 3
    x = rng.standard_normal((rows, features))
    labels = (x @ rng.standard_normal((features, classes))).argmax(axis=1)
    shapes = {
        "w_in": (features, width), "b_in": (width,), "w": (width, width), "b": (width,),
        "w_out": (width, classes), "b_out": (classes,),
    }  # fmt: skip
    start = {n: rng.standard_normal(s) / np.sqrt(s[0]) for n, s in shapes.items()}
    return TiedNetwork(x, labels, bug), start


def wrong_gradient(bug: str) -> Callable[[np.random.Generator], TrainingResult]:
    def run(rng: np.random.Generator) -> TrainingResult:
        objective, start = tied_network(rng, bug)
        return check_training(descend(objective, start, right_update(rng, rate=1.0), EPOCHS))

    return run


def classification(rng: np.random.Generator, rows: int = 256) -> Problem:
    """Two well separated kinds of structure: a teacher that a small network can learn."""
    features, classes = int(rng.integers(3, 7)), 3
    x = rng.standard_normal((2 * rows, features))
    labels = (x @ rng.standard_normal((features, classes))).argmax(axis=1)
    hidden = ReLU() if rng.integers(2) else Tanh()
    network = Network([Dense(features, 12), hidden, Dense(12, classes)])
    start = flatten(network.initialise(rng, weight=he_normal))
    start = {n: a + 0.1 * rng.standard_normal(a.shape) for n, a in start.items()}
    return Problem(
        network, SparseSoftmaxCrossEntropy(), x[:rows], labels[:rows], start, x[rows:],
        labels[rows:],
    )  # fmt: skip


def any_problem(rng: np.random.Generator) -> Problem:
    return random_problem(rng, depth=int(rng.integers(1, 3)))


def run_loop(
    rng: np.random.Generator, problem: Problem, update: Update, **promises: Any
) -> TrainingResult:
    """One of the three ways to show a loop to the harness."""
    kind = str(rng.choice(["direct", "batches", "black box"]))
    if kind == "direct":
        trace = descend(problem.objective, problem.start, update, EPOCHS)
    elif kind == "batches":
        batches = shuffled_batches(len(problem.x), 16, int(rng.integers(1000)))
        trace = descend(problem.objective, problem.start, update, EPOCHS, batches=batches)
    else:
        loop = BlackBox(problem, update, log_before=bool(rng.integers(2)))
        trace = train(
            loop.step, EPOCHS, parameters=lambda: loop.parameters, objective=problem.objective
        )
        promises = {"full_batch": True, **promises}
    return check_training(trace, **promises)


def some_rule(rng: np.random.Generator, rate: float) -> Update:
    rules = (gradient_descent(0.3 * rate), momentum(0.05 * rate), adam(0.01))
    return rules[int(rng.integers(len(rules)))]


def altered(update: Update, alter: Callable[[dict[str, np.ndarray]], Any]) -> Update:
    """The rule, given gradients that the loop has spoilt on the way."""
    return lambda theta, g: update(theta, alter({n: a.copy() for n, a in g.items()}))


def ascending(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    rule = some_rule(rng, problem.safe_rate())
    flipped = altered(rule, lambda g: {n: -a for n, a in g.items()})
    return run_loop(rng, problem, flipped)


def stale(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    kept: list[dict[str, np.ndarray]] = []

    def delay(g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        kept.append(g)
        return kept[max(len(kept) - 2, 0)]

    return run_loop(rng, problem, altered(some_rule(rng, problem.safe_rate()), delay))


def never_recomputed(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    kept: list[dict[str, np.ndarray]] = []

    def first(g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        kept.append(g)
        return kept[0]

    return run_loop(rng, problem, altered(some_rule(rng, problem.safe_rate()), first))


def not_zeroed(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    total: dict[str, np.ndarray] = {}

    def pile_up(g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for n, a in g.items():
            total[n] = total.get(n, 0.0) + a
        return dict(total)

    rules = (gradient_descent(0.1 * problem.safe_rate()), adam(0.01))
    return run_loop(rng, problem, altered(rules[int(rng.integers(2))], pile_up))


def never_updated(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    rule = some_rule(rng, problem.safe_rate())
    forgotten = str(rng.choice(list(problem.start)))

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**rule(theta, g), forgotten: theta[forgotten]}

    return run_loop(rng, problem, update)


def too_long(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    rate = 100 * problem.safe_rate()  # of the longest safe step; momentum adds up to ten of its own
    rule = gradient_descent(rate) if rng.integers(2) else momentum(rate / 10)
    return run_loop(rng, problem, rule)


def too_short(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    rate = 1e-6 * problem.safe_rate()
    rules = (gradient_descent(0.3 * rate), momentum(0.05 * rate), adam(1e-8))
    return run_loop(rng, problem, rules[int(rng.integers(3))])


def shuffled_labels(rng: np.random.Generator, *, shuffle: bool = True) -> TrainingResult:
    problem = classification(rng)
    if shuffle:
        problem.labels = rng.permutation(problem.labels)
    batches = shuffled_batches(len(problem.x), 16, int(rng.integers(1000)))
    trace = descend(
        problem.objective, problem.start, adam(0.01), EPOCHS, batches=batches,
        held_out=problem.held_out,
    )  # fmt: skip
    return check_training(trace, guessing=guessing_cross_entropy(problem.held_out_labels))


def dead_units(rng: np.random.Generator) -> TrainingResult:
    problem = classification(rng)
    problem.network = Network([problem.network.layers[0], ReLU(), problem.network.layers[2]])
    if rng.integers(2):
        problem.start["0.bias"] -= 100.0
    else:  # inputs that are never negative, weights that are never positive
        problem.x = np.abs(problem.x)
        problem.start["0.weight"] = -np.abs(problem.start["0.weight"])
        problem.start["0.bias"] = -np.abs(problem.start["0.bias"])
    return run_loop(rng, problem, some_rule(rng, problem.safe_rate()))


def nan_at_seven(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    loop = BlackBox(problem, some_rule(rng, problem.safe_rate()))
    epoch, spoils_parameters = 0, bool(rng.integers(2))

    def step() -> float:
        nonlocal epoch
        epoch += 1
        if epoch == 7 and spoils_parameters:
            name = next(iter(loop.parameters))
            loop.parameters = {**loop.parameters, name: loop.parameters[name] * np.nan}
        return float("nan") if epoch == 7 else loop.step()

    trace = train(step, EPOCHS, parameters=lambda: loop.parameters, objective=problem.objective)
    return check_training(trace)


def other_loss_logged(rng: np.random.Generator) -> TrainingResult:
    problem = any_problem(rng)
    rule = some_rule(rng, problem.safe_rate())
    loop = BlackBox(problem, rule)
    others = [
        loss for loss in LOSSES.values()
        if (loss.labels, loss.predictions) == (problem.loss.labels, problem.loss.predictions)
        and loss.name != problem.loss.name
    ]  # fmt: skip

    def step() -> float:
        logged = loop.step()
        if not others:  # a penalty that is logged, and never minimised
            return logged + 0.1 * sum(float(np.sum(a**2)) for a in loop.parameters.values())
        nested = [dict(layer) for layer in _nested(problem, loop.parameters)]
        return float(others[0].cost(problem.network.predict(nested, problem.x), problem.labels))

    trace = train(step, EPOCHS, parameters=lambda: loop.parameters, objective=problem.objective)
    return check_training(trace, full_batch=True)


def _nested(problem: Problem, parameters: Params) -> Any:
    names = [layer.parameter_shapes for layer in problem.network.layers]
    return [{n: parameters[f"{i}.{n}"] for n in layer} for i, layer in enumerate(names)]


def other_loss_returned(rng: np.random.Generator) -> TrainingResult:
    """The objective returns the cost plus a penalty, and differentiates the cost alone."""
    problem = any_problem(rng)
    strength = 10 ** rng.uniform(-3, -1)

    def objective(p: Params, rows: Any = slice(None)) -> Any:
        cost, gradients = problem.objective(p, rows)
        return cost + strength * sum(np.sum(a**2) for a in p.values()), gradients

    rule = some_rule(rng, problem.safe_rate())
    return check_training(descend(objective, problem.start, rule, EPOCHS))


FAULTS: dict[str, tuple[Callable[[np.random.Generator], TrainingResult], str]] = {
    **{f"gradient: {bug}": (wrong_gradient(bug), "gradient-wrong") for bug in GRADIENT_BUGS},
    "gradient of other labels": (wrong_gradient("other labels"), "logged-loss-differs"),
    "step with the wrong sign": (ascending, "step-ascends"),
    "gradient of the step before": (stale, "stale-gradient"),
    "gradient never recomputed": (never_recomputed, "stale-gradient"),
    "gradients not zeroed": (not_zeroed, "gradient-accumulates"),
    "parameter never updated": (never_updated, "parameter-not-updated"),
    "rate 100 times too long": (too_long, "step-too-long"),
    "rate a million times too short": (too_short, "step-too-short"),
    "shuffled labels": (shuffled_labels, "data-unlearnable"),
    "dead units": (dead_units, "dead-units"),
    "nan in epoch 7": (nan_at_seven, "turned-non-finite"),
    "another loss logged": (other_loss_logged, "logged-loss-differs"),
    "another loss returned": (other_loss_returned, "logged-loss-differs"),
}
