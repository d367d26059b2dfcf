"""Random training problems with right gradients: networks, losses, data and optimisers by seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from gradcheck.training.cost import Cost, moved
from gradcheck.training.descent import safe_step
from losses import LOSSES, Loss
from models import (
    ELU,
    GELU,
    Dense,
    LeakyReLU,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
    he_normal,
)

ACTIVATIONS = (ELU, GELU, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh)
CLASSES = 3


@dataclass
class Problem:
    """A network with its data; parameters are flat names such as ``0.weight``."""

    network: Network
    loss: Loss
    x: np.ndarray
    labels: np.ndarray
    start: dict[str, np.ndarray]
    held_out_x: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    held_out_labels: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def objective(self, parameters: Mapping[str, np.ndarray], rows: Any = slice(None)) -> Any:
        nested = nest(parameters, self.network)
        cost, gradients = self.network.value_and_gradients(
            nested, self.x[rows], self.labels[rows], self.loss
        )
        return cost, flatten(gradients.parameters)

    def held_out(self, parameters: Mapping[str, np.ndarray]) -> float:
        predictions = self.network.predict(nest(parameters, self.network), self.held_out_x)
        return float(self.loss.cost(predictions, self.held_out_labels))

    def safe_rate(self, visits: int = 25) -> float:
        """A rate of descent that is safe wherever a descent from the start comes along.

        A loss is often flat at the start and steep soon after: what is safe there is too long here.
        """
        cost, theta, rates = Cost(self.objective), self.start, [1.0]
        for _ in range(visits):
            safe = safe_step(cost, theta)
            if safe.fall < 0.01 * cost.value(self.start):  # arrived: only rounding is left
                break
            rates.append(safe.length)
            theta = moved(theta, {n: -g for n, g in cost(theta)[1].items()}, safe.length)
        return min(rates)


def flatten(params: Any) -> dict[str, np.ndarray]:
    return {f"{i}.{name}": a for i, layer in enumerate(params) for name, a in layer.items()}


def nest(flat: Mapping[str, np.ndarray], network: Network) -> list[dict[str, np.ndarray]]:
    return [
        {name: flat[f"{i}.{name}"] for name in layer.parameter_shapes}
        for i, layer in enumerate(network.layers)
    ]


def random_problem(
    rng: np.random.Generator, *, rows: int = 48, depth: int | None = None
) -> Problem:
    """A network, a loss that fits its output, and labels that a teacher made from the inputs."""
    loss = LOSSES[str(rng.choice(list(LOSSES)))]
    features, outputs = int(rng.integers(2, 7)), _outputs(loss, rng)
    network = random_network(rng, features, outputs, loss, depth)
    x = rng.standard_normal((rows, features))
    labels = teacher_labels(rng, x, outputs, loss)
    start = flatten(network.initialise(rng, weight=he_normal))
    # Biases of zero put every unit's kink through the origin; a right start is a generic one.
    start = {n: a + 0.1 * rng.standard_normal(a.shape) for n, a in start.items()}
    return Problem(network, loss, x, labels, start)


def _outputs(loss: Loss, rng: np.random.Generator) -> int:
    return CLASSES if loss.labels in ("one_hot", "classes") else int(rng.integers(1, 4))


def random_network(
    rng: np.random.Generator, features: int, outputs: int, loss: Loss, depth: int | None = None
) -> Network:
    hidden = int(rng.integers(0, 3)) if depth is None else depth
    widths = [features, *(int(w) for w in rng.integers(8, 17, hidden)), outputs]
    layers: list[Any] = []
    for i, (before, after) in enumerate(pairwise(widths)):
        layers += [ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]()] if i else []
        layers.append(Dense(before, after))
    if loss.predictions == "probabilities":
        layers.append(Sigmoid() if loss.labels == "binary" else Softmax())
    return Network(layers)


def teacher_labels(rng: np.random.Generator, x: np.ndarray, outputs: int, loss: Loss) -> np.ndarray:
    scores = np.tanh(x @ rng.standard_normal((x.shape[1], outputs)))
    scores = scores + 0.1 * rng.standard_normal(scores.shape)
    if loss.labels == "real":
        return scores
    if loss.labels == "binary":
        return (scores > 0).astype(float)
    classes = scores.argmax(axis=1)
    return np.eye(outputs)[classes] if loss.labels == "one_hot" else classes


Update = Callable[[dict[str, np.ndarray], dict[str, np.ndarray]], dict[str, np.ndarray]]


def gradient_descent(rate: float) -> Update:
    return lambda theta, g: {n: a - rate * g[n] for n, a in theta.items()}


def momentum(rate: float, decay: float = 0.9) -> Update:
    velocity: dict[str, np.ndarray] = {}

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for n in theta:
            velocity[n] = decay * velocity.get(n, 0.0) + g[n]
        return {n: a - rate * velocity[n] for n, a in theta.items()}

    return update


def nesterov(rate: float, decay: float = 0.9) -> Update:
    velocity: dict[str, np.ndarray] = {}

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for n in theta:
            velocity[n] = decay * velocity.get(n, 0.0) + g[n]
        return {n: a - rate * (g[n] + decay * velocity[n]) for n, a in theta.items()}

    return update


def weight_decayed(rate: float, decay: float = 1e-3) -> Update:
    return lambda theta, g: {n: a - rate * (g[n] + decay * a) for n, a in theta.items()}


def adam(rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Update:
    mean: dict[str, np.ndarray] = {}
    square: dict[str, np.ndarray] = {}
    count = 0

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nonlocal count
        count += 1
        new = {}
        for n, a in theta.items():
            mean[n] = betas[0] * mean.get(n, 0.0) + (1 - betas[0]) * g[n]
            square[n] = betas[1] * square.get(n, 0.0) + (1 - betas[1]) * g[n] ** 2
            m, s = mean[n] / (1 - betas[0] ** count), square[n] / (1 - betas[1] ** count)
            new[n] = a - rate * m / (np.sqrt(s) + epsilon)
        return new

    return update


def rmsprop(rate: float, decay: float = 0.99, epsilon: float = 1e-8) -> Update:
    square: dict[str, np.ndarray] = {}

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for n in theta:
            square[n] = decay * square.get(n, 0.0) + (1 - decay) * g[n] ** 2
        return {n: a - rate * g[n] / (np.sqrt(square[n]) + epsilon) for n, a in theta.items()}

    return update


def adagrad(rate: float, epsilon: float = 1e-10) -> Update:
    square: dict[str, np.ndarray] = {}

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for n in theta:
            square[n] = square.get(n, 0.0) + g[n] ** 2
        return {n: a - rate * g[n] / (np.sqrt(square[n]) + epsilon) for n, a in theta.items()}

    return update


def lion(rate: float, betas: tuple[float, float] = (0.9, 0.99)) -> Update:
    """The sign of a momentum (Chen et al. 2023): the same for many steps, and then another."""
    mean: dict[str, np.ndarray] = {}

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        new = {}
        for n, a in theta.items():
            before = mean.get(n, np.zeros_like(a))
            new[n] = a - rate * np.sign(betas[0] * before + (1 - betas[0]) * g[n])
            mean[n] = betas[1] * before + (1 - betas[1]) * g[n]
        return new

    return update


def warmed_up(rate: float, steps: int = 10) -> Update:
    rates = itertools.chain(rate * np.arange(1, steps) / steps, itertools.repeat(rate))
    return lambda theta, g: gradient_descent(next(rates))(theta, g)


def clipped(rate: float, norm: float = 0.3) -> Update:
    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        size = np.sqrt(sum(float(np.sum(a**2)) for a in g.values()))
        return gradient_descent(rate * min(1.0, norm / max(size, norm)))(theta, g)

    return update


def noisy(rate: float, rng: np.random.Generator) -> Update:
    """Descent with noise of a tenth of the gradient's size, as Langevin dynamics adds it."""

    def update(theta: dict[str, np.ndarray], g: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        size = {n: 0.1 * np.linalg.norm(a) / np.sqrt(a.size) for n, a in g.items()}
        drawn = {n: a + size[n] * rng.standard_normal(a.shape) for n, a in g.items()}
        return gradient_descent(rate)(theta, drawn)

    return update


def right_update(rng: np.random.Generator, rate: float) -> Update:
    """An optimiser at a rate that suits it, given a rate that is safe for plain descent."""
    makers: dict[str, Callable[[], Update]] = {
        "gradient descent": lambda: gradient_descent(rate * rng.uniform(0.1, 0.5)),
        "momentum": lambda: momentum(rate * rng.uniform(0.02, 0.1)),
        "nesterov": lambda: nesterov(rate * rng.uniform(0.02, 0.1)),
        "weight decay": lambda: weight_decayed(rate * rng.uniform(0.1, 0.5)),
        "adam": lambda: adam(10 ** rng.uniform(-3, -1.5)),
        "rmsprop": lambda: rmsprop(10 ** rng.uniform(-3, -2)),
        "adagrad": lambda: adagrad(10 ** rng.uniform(-2, -1)),
        "lion": lambda: lion(10 ** rng.uniform(-3, -2.5)),
        "warm-up": lambda: warmed_up(rate * rng.uniform(0.2, 0.5)),
        "clipping": lambda: clipped(rate * rng.uniform(0.2, 0.5)),
        "noise": lambda: noisy(rate * rng.uniform(0.1, 0.3), rng),
    }
    return makers[str(rng.choice(list(makers)))]()


def shuffled_batches(rows: int, size: int, seed: int) -> Callable[[int], list[np.ndarray]]:
    """Batches that are shuffled anew, and the same, in every epoch of every run with this seed."""

    def batches(epoch: int) -> list[np.ndarray]:
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        return [order[i : i + size] for i in range(0, rows, size)]

    return batches


class BlackBox:
    """A loop that owns its parameters and shows nothing but what it is asked for."""

    def __init__(self, problem: Problem, update: Update, *, log_before: bool = False) -> None:
        self.problem, self.update, self.log_before = problem, update, log_before
        self.parameters = {n: a.copy() for n, a in problem.start.items()}

    def epoch_in(self, batches: list[np.ndarray]) -> float:
        """One epoch in batches; logs the mean of what they cost before their updates."""
        losses = []
        for rows in batches:
            loss, gradients = self.problem.objective(self.parameters, rows)
            self.parameters = self.update(self.parameters, gradients)
            losses.append(float(loss))
        return float(np.mean(losses))

    def step(self) -> float:
        loss, gradients = self.problem.objective(self.parameters)
        self.parameters = self.update(self.parameters, gradients)
        return float(loss if self.log_before else self.problem.objective(self.parameters)[0])
