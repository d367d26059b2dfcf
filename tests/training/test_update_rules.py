"""What an optimiser does with the gradient is read off its first updates, right or faulty."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.training.cost import Cost
from gradcheck.training.descent import descend
from gradcheck.training.steps import Use, use_of_gradient
from tests.training.faults import altered
from tests.training.problems import (
    adagrad,
    adam,
    clipped,
    gradient_descent,
    lion,
    momentum,
    nesterov,
    noisy,
    random_problem,
    rmsprop,
    shuffled_batches,
    warmed_up,
    weight_decayed,
)

EPOCHS = 24
"""Late updates are looked at too: a first gradient that is kept climbs in the end."""

RIGHT = {
    "gradient descent": (lambda: gradient_descent(0.05), Use.DESCENDS),
    "a schedule of rates": (lambda: scheduled(), Use.DESCENDS),
    "momentum": (lambda: momentum(0.01), Use.MOMENTUM),
    "momentum of 0.99": (lambda: momentum(0.01, 0.99), Use.MOMENTUM),
    "Nesterov's momentum": (lambda: nesterov(0.01), Use.MOMENTUM),
    "weight decay": (lambda: weight_decayed(0.05), Use.MOMENTUM),
    "Adam": (lambda: adam(0.01), Use.ADAPTIVE),
    "sign descent": (lambda: sign_descent(0.001), None),  # until a sign changes, it may be frozen
    "RMSprop": (lambda: rmsprop(0.01), Use.ADAPTIVE),
    "warm-up": (lambda: warmed_up(0.05), Use.DESCENDS),
    "clipping": (lambda: clipped(0.05), Use.DESCENDS),
    "Lion": (lambda: lion(0.003), None),
    "Adagrad": (lambda: adagrad(0.05), None),
    "noise": (lambda: noisy(0.05, np.random.default_rng(0)), None),
}


def scheduled():
    rates = iter(0.1 / (1 + np.arange(1000)))
    return lambda theta, g: gradient_descent(next(rates))(theta, g)


def sign_descent(rate):
    return lambda theta, g: {n: a - rate * np.sign(g[n]) for n, a in theta.items()}


def negated(g):
    return {n: -a for n, a in g.items()}


def delayed():
    kept = []

    def delay(g):
        kept.append(g)
        return kept[max(len(kept) - 2, 0)]

    return delay


def frozen():
    kept = []

    def first(g):
        kept.append(g)
        return kept[0]

    return first


def summed():
    total = {}

    def add(g):
        total.update({n: total.get(n, 0.0) + a for n, a in g.items()})
        return dict(total)

    return add


def uses(update, seed, batches=False):
    problem = random_problem(np.random.default_rng(seed), depth=1)
    chosen = shuffled_batches(len(problem.x), 12, seed) if batches else None
    trace = descend(problem.objective, problem.start, update, EPOCHS, batches=chosen)
    return use_of_gradient(trace.updates, Cost(problem.objective))


@pytest.mark.parametrize(("make", "use"), RIGHT.values(), ids=RIGHT.keys())
@pytest.mark.parametrize("batches", [False, True], ids=["whole", "batches"])
def test_a_right_rule_is_never_called_faulty(make, use, batches):
    found = [uses(make(), seed, batches) for seed in range(12)]
    assert not [u for u in found if u.faulty]
    named = np.mean([u is use for u in found])
    assert named >= 0.8 or use is None


FAULTS = {
    "ascent": (lambda: negated, Use.ASCENDS),
    "the gradient before": (delayed, Use.STALE),
    "the first gradient": (frozen, Use.FROZEN),
    "the sum of gradients": (summed, Use.ACCUMULATES),
}
RULES = {
    "gradient descent": lambda: gradient_descent(0.03),
    "momentum": lambda: momentum(0.005),
    "Adam": lambda: adam(0.01),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize(("fault", "use"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("batches", [False, True], ids=["whole", "batches"])
def test_a_faulty_use_is_named(fault, use, rule, batches):
    found = [uses(altered(rule(), fault()), seed, batches) for seed in range(10)]
    assert np.mean([u is use for u in found]) >= 0.9 or _same_as_momentum(rule, use, found)


def _same_as_momentum(rule, use, found):
    # A sum of gradients under momentum is a rule with two decays, which nothing here claims to
    # know: then nothing may be said.
    nested = rule is RULES["momentum"] and use in (Use.ACCUMULATES, Use.FROZEN)
    return nested and set(found) <= {use, Use.UNKNOWN}


def test_nothing_is_said_without_gradients_or_updates():
    assert use_of_gradient([], None) is Use.UNKNOWN
