"""What an optimiser really does with its gradients, read off the first few updates.

An update is compared with what a rule would have made of the gradient there, and of the gradients
that a faulty loop would have used instead: an old one, the first one, the sum of all.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.linalg import lstsq

from gradcheck.result import Update
from gradcheck.training.cost import Cost, all_finite, coarsest_eps
from gradcheck.trees import Array, is_differentiable, ravel

EXACT = 1e-8
"""Relative residual of a fit that is no coincidence: rounding leaves 1e-14, a wrong rule 1e-2."""

ROUNDING = 100
"""Last places of the parameters, and of the gradients, that a fit may be off by."""

CLEARLY = 10
"""How much worse than the tolerance every right rule must fit before a faulty one is named."""

SPARE_ROWS = 4
"""Equations beyond unknowns below which a fit could be an accident."""

GROWTH = 0.01
"""Least change from update to update, relative to them, that a growing sum of gradients makes."""

ADAPTIVE = 1e-3
"""Relative residual of a fit of Adam or RMSprop, whose small constants are not known."""

LAGGING = 0.1
"""Share of an update that may go along its gradient where a momentum has not turned yet.

Measured on 60 trainings each: at most 0.01 under the sign of a momentum, at least 0.13 at the end
where the first gradient is kept.
"""

MEAN_DECAYS = (0.9, 0.0)
SQUARE_DECAYS = (0.999, 0.99)
EPSILONS = (1e-8, 1e-7)
"""Defaults of Adam, RMSprop and their kin in the common frameworks."""


class Use(enum.Enum):
    """How updates use the gradient; the value completes "the update ..."."""

    DESCENDS = "follows minus the gradient"
    MOMENTUM = "follows minus the gradient, with momentum"
    ADAPTIVE = "follows minus the gradient, rescaled per entry"
    ASCENDS = "adds the gradient instead of subtracting it"
    STALE = "uses the gradient of the step before"
    FROZEN = "keeps using the first gradient"
    ACCUMULATES = "uses the sum of all gradients so far"
    UNKNOWN = "follows no rule known here"

    @property
    def faulty(self) -> bool:
        """Whether it is a mistake, and not an optimiser."""
        return self in (Use.ASCENDS, Use.STALE, Use.FROZEN, Use.ACCUMULATES)


@dataclass(frozen=True, slots=True)
class Steps:
    """Consecutive updates as vectors; row t of each array belongs to update t."""

    theta: Array
    delta: Array
    gradient: Array
    tolerance: float

    @property
    def count(self) -> int:
        """Number of updates."""
        return len(self.delta)


def use_of_gradient(updates: Sequence[Update], cost: Cost | None) -> Use:
    """The rule that explains the updates, right or faulty; a fault only where no right one does.

    Parameters
    ----------
    updates : sequence of Update
        Those without gradients are given the ones that ``cost`` claims at their start.
    cost : Cost, optional

    Examples
    --------
    >>> bowl = Cost(lambda p: (float(p["w"] @ p["w"]), {"w": 2 * p["w"]}))
    >>> w = [np.array([1.0, 2.0]), np.array([0.8, 1.6]), np.array([0.64, 1.28])]
    >>> forth = [Update(0, {"w": w[0]}, {"w": w[1]}), Update(1, {"w": w[1]}, {"w": w[2]})]
    >>> back = [Update(0, {"w": w[2]}, {"w": w[1]}), Update(1, {"w": w[1]}, {"w": w[0]})]
    >>> use_of_gradient(forth, bowl), use_of_gradient(back, bowl)
    (<Use.DESCENDS: 'follows minus the gradient'>,
     <Use.ASCENDS: 'adds the gradient instead of subtracting it'>)
    """
    steps = _steps(_consecutive(updates), cost)
    if steps is None:
        return Use.UNKNOWN
    for judge in (_plain, _linear, _adaptive, _by_signs):
        use = judge(steps)
        if use is not Use.UNKNOWN:
            return Use.UNKNOWN if use.faulty and _is_sign_rule(use, updates, cost) else use
    return Use.UNKNOWN


def _is_sign_rule(use: Use, updates: Sequence[Update], cost: Cost | None) -> bool:
    """Whether the updates may only look faulty because they go by signs.

    A sign stays the same for long: sign descent, and the sign of a momentum even longer, repeat
    their update as one does that keeps its first gradient. Late updates are looked at too.
    """
    finite = [u for u in updates if all_finite(u.before) and all_finite(u.after)]
    steps = _steps(finite, cost)
    return steps is not None and (
        (use is Use.FROZEN and _turns(steps)) or (_has_one_size(steps) and _descends(steps))
    )


def _turns(steps: Steps) -> bool:
    """Whether an update has another direction than the first, which a frozen gradient's has."""
    return _parallel(steps.delta, steps.delta[:1])[0] > ADAPTIVE


def _has_one_size(steps: Steps) -> bool:
    """Whether every update moves all entries equally far."""
    far = np.abs(steps.delta)
    return bool(np.all(np.ptp(far, axis=1) <= ADAPTIVE * far.max(axis=1)))


def _descends(steps: Steps) -> bool:
    """Whether every update goes against its own gradient, but for what lags behind."""
    effects = steps.delta * steps.gradient
    raising = np.sum(np.maximum(effects, 0.0), axis=1)
    return bool(np.all(raising <= LAGGING * np.sum(np.abs(effects), axis=1)))


def _consecutive(updates: Sequence[Update]) -> list[Update]:
    chain: list[Update] = []
    for update in updates:
        follows = not chain or all(
            np.array_equal(array, update.before[name]) for name, array in chain[-1].after.items()
        )
        if not (follows and all_finite(update.before) and all_finite(update.after)):
            break
        chain.append(update)
    return chain


def _steps(chain: Sequence[Update], cost: Cost | None) -> Steps | None:
    gradients = [
        u.gradients if u.gradients is not None or cost is None else cost(u.before)[1] for u in chain
    ]
    names = _moving(chain)
    if not names or any(g is None for g in gradients):
        return None
    theta = np.array([ravel({n: u.before[n] for n in names}) for u in chain], dtype=np.float64)
    after = np.array([ravel({n: u.after[n] for n in names}) for u in chain], dtype=np.float64)
    gradient = np.array([ravel({n: g[n] for n in names}) for g in gradients if g is not None])
    steps = _significant(theta, after - theta, gradient.astype(np.float64), chain[0])
    return steps if steps.count else None


def _moving(chain: Sequence[Update]) -> list[str]:
    # A parameter that never moves has a finding of its own, and fits no rule.
    return [
        name
        for name, array in (chain[0].before.items() if chain else ())
        if is_differentiable(array)
        and not np.iscomplexobj(array)
        and any(not np.array_equal(u.before[name], u.after[name]) for u in chain)
    ]


def _significant(theta: Array, delta: Array, gradient: Array, first: Update) -> Steps:
    """The updates until one is lost in rounding."""
    size = np.linalg.norm(delta, axis=1)
    eps = coarsest_eps(first.before)
    with np.errstate(all="ignore"):
        rounding = ROUNDING * eps * np.maximum(1.0, np.linalg.norm(theta, axis=1) / size)
    lost = np.flatnonzero(~(rounding < EXACT**0.5) | ~np.isfinite(gradient).all(axis=1))
    end = int(lost[0]) if lost.size else len(delta)
    worst = float(rounding[:end].max()) if end else np.inf
    return Steps(theta[:end], delta[:end], gradient[:end], EXACT + worst)


def _parallel(delta: Array, direction: Array) -> tuple[float, Array]:
    """Worst relative residual of ``delta[t] = a[t] * direction[t]``, and the factors a."""
    squares = np.sum(direction**2, axis=1)
    with np.errstate(all="ignore"):
        factors = np.where(squares > 0, np.sum(delta * direction, axis=1) / squares, 0.0)
    residual = np.linalg.norm(delta - factors[:, None] * direction, axis=1)
    return float(np.max(residual / np.linalg.norm(delta, axis=1))), factors


def _plain(steps: Steps) -> Use:
    """Gradient descent with any schedule of rates."""
    residual, factors = _parallel(steps.delta, steps.gradient)
    if residual <= steps.tolerance:
        return _signed(factors, Use.DESCENDS)
    if steps.count < 3 or residual < CLEARLY * steps.tolerance:
        return Use.UNKNOWN
    old = {
        Use.STALE: steps.gradient[1:-1],
        Use.FROZEN: steps.gradient[:1].repeat(steps.count - 2, 0),
    }
    for use, gradient in old.items():
        residual, factors = _parallel(steps.delta[2:], gradient)
        if residual <= steps.tolerance and np.all(factors < 0):
            return use
    return Use.UNKNOWN


def _signed(factors: Array, use: Use) -> Use:
    if np.all(factors < 0):
        return use
    return Use.ASCENDS if np.all(factors > 0) else Use.UNKNOWN


def _linear(steps: Steps) -> Use:
    """Momentum, Nesterov's too, with or without weight decay: linear in what came before."""
    if steps.count < 3:
        return Use.UNKNOWN
    size = np.linalg.norm(steps.delta[1:], axis=1)[:, None]
    now, then = steps.gradient[1:] / size, steps.gradient[:-1] / size
    inertia, weight = steps.delta[:-1] / size, steps.theta[1:] / size
    target = steps.delta[1:] / size
    full, (mu, a, _, _) = _regress(target, inertia, now, then, weight)
    unclear = CLEARLY * steps.tolerance
    if full > steps.tolerance or _regress(target, inertia, weight)[0] <= unclear:
        return Use.UNKNOWN  # no such rule, or updates that repeat whatever the gradient is
    residual, (_, b, _) = _regress(target, inertia, then, weight)
    fresh = _regress(target, inertia, now, weight)[0]
    if residual <= steps.tolerance and b < 0 and fresh > unclear:
        return Use.STALE
    residual, (a_sum, _) = _regress(target - inertia, now, weight)
    bounded = _regress(target - 0.999 * inertia, now, weight)[0]
    growth = float(np.min(np.linalg.norm(target - inertia, axis=1)))
    if residual <= steps.tolerance and a_sum < 0 and bounded > unclear and growth > GROWTH:
        return Use.ACCUMULATES
    if a > 0 and mu > -steps.tolerance and _regress(target, inertia, then, weight)[0] > unclear:
        return Use.ASCENDS
    return Use.MOMENTUM if a < 0 else Use.UNKNOWN


def _regress(target: Array, *columns: Array) -> tuple[float, Array]:
    """Worst relative residual over the updates of one linear fit to all, and its coefficients."""
    design = np.stack([column.ravel() for column in columns], axis=1)
    unknowns = np.zeros(len(columns))
    if len(design) < len(columns) + SPARE_ROWS:
        return np.inf, unknowns
    scale = np.linalg.norm(design, axis=0)
    scale[scale == 0] = 1.0
    solution = lstsq(design / scale, target.ravel())[0] / scale
    rest = target - (design @ solution).reshape(target.shape)
    return float(np.max(np.linalg.norm(rest, axis=1))), solution


def _adaptive(steps: Steps) -> Use:
    """Adam, RMSprop: rules that rescale every entry by the size of its own past gradients."""
    if steps.count < 3:
        return Use.UNKNOWN
    g = steps.gradient
    fits = {
        Use.ADAPTIVE: _best_adaptive(steps, g),
        Use.STALE: _best_adaptive(steps, np.concatenate([g[:1], g[:-1]])),
        Use.FROZEN: _best_adaptive(steps, g[:1].repeat(steps.count, 0)),
        Use.ACCUMULATES: _best_adaptive(steps, np.cumsum(g, axis=0)),
    }
    use = min(fits, key=lambda each: fits[each][0])
    residual, factors = fits[use]
    right = fits[Use.ADAPTIVE][0]
    if residual > ADAPTIVE or (use.faulty and right < CLEARLY * max(residual, ADAPTIVE)):
        return Use.UNKNOWN
    return _signed(factors, use)


def _best_adaptive(steps: Steps, gradient: Array) -> tuple[float, Array]:
    fits = [_parallel(steps.delta, direction) for direction in _adaptive_directions(gradient)]
    return min(fits, key=lambda fit: fit[0])


def _adaptive_directions(gradient: Array) -> Iterator[Array]:
    for beta, decay, epsilon in product(MEAN_DECAYS, SQUARE_DECAYS, EPSILONS):
        mean, square = np.zeros(gradient.shape[1]), np.zeros(gradient.shape[1])
        rows = []
        for t, g in enumerate(gradient, start=1):
            mean = beta * mean + (1 - beta) * g
            square = decay * square + (1 - decay) * g**2
            rows.append(mean / (np.sqrt(square / (1 - decay**t)) + epsilon))
        yield np.array(rows)


SAME_SIGN = 0.99
"""Share of entries that must move with their gradient before an unknown rule is said to ascend."""


def _by_signs(steps: Steps) -> Use:
    """The first update of any sane optimiser moves every entry against its gradient."""
    signs = np.sign(steps.delta[0]) * np.sign(steps.gradient[0])
    told = signs[signs != 0]
    enough = told.size >= 2 * SPARE_ROWS
    return Use.ASCENDS if enough and np.mean(told > 0) >= SAME_SIGN else Use.UNKNOWN
