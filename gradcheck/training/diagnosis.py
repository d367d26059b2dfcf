"""Why a training failed: the gradient, or else the step, the units, the data; or not a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradcheck.result import Diagnosis, Finding, Verdict
from gradcheck.training.cost import Cost, float_arrays, moved, norm
from gradcheck.training.descending import RISE, gradients_of
from gradcheck.training.line import Line
from gradcheck.training.loop import Loop, train
from gradcheck.training.promises import Run
from gradcheck.training.trends import plateau
from gradcheck.trees import Array, Arrays, tree_inner_product

SYMMETRY = 1e-4
"""Relative asymmetry of the claimed Hessian beyond which no function has this gradient."""

SYMMETRY_STEP = 1e-6
"""Relative step for it: rounding leaves 1e-10, and few units change sides on so short a way."""

CONSERVATIVE_BUGS = {"constant-factor", "sign-flipped", "accumulated-twice"}
"""Mistakes that leave the gradient of a function, a multiple of the loss."""

MUCH_LONGER = 64.0
"""An update is too short if one this many times as long falls further; a right one rarely is."""

STUCK = {
    "no-progress",
    "no-trend",
    "level-not-reached",
    "optimum-not-reached",
    "gradient-level-not-reached",
    "no-better-than-guessing",
}
"""Findings that a step too short may explain."""

STARVED = STUCK | {"parameter-never-moves", "small-batch-not-overfitted"}
"""Findings that units without a gradient may explain: they make no loss rise, and no nan."""

DEAD_SHARE = 0.5
"""Share of a layer's units without any gradient from which on they are blamed."""

SCALED_RATES = (*(4.0**-k for k in range(1, 7)), *(8.0**k for k in range(1, 9)))
"""Learning rates tried again, relative to the one that failed: shorter ones first."""

RETRAINED_EPOCHS = 10


def explain(run: Run, findings: Sequence[Finding]) -> tuple[Diagnosis, ...]:
    """Diagnoses of a failed run, best first.

    A wrong gradient explains everything else, so nothing is said of the step then; a faulty update
    explains the losses, so nothing is said of the data then.
    """
    names = {finding.name for finding in findings}
    for suspects in (GRADIENT, LOOP, STEP, DATA):
        found = [d for suspect in suspects for d in suspect(run, names)]
        if found:
            return tuple(sorted(found, key=lambda d: -d.fit))
    return ()


def suspect_gradient(run: Run, _: set[str]) -> Iterator[Diagnosis]:
    """The gradient is wrong."""
    result = run.gradient
    if result is None or result.verdict is not Verdict.WRONG:
        return
    cause = f": {result.diagnoses[0].sentence}" if result.diagnoses else ""
    layer = f" of layer {result.guilty_layer!r}" if result.guilty_layer else ""
    worst = result.worst()
    yield Diagnosis(
        "gradient-wrong",
        f"the gradient{layer} is wrong{cause}; mend it before looking at any hyper-parameter",
        0.95,
        input=worst.input if worst else "",
        evidence=_worst_in_words(run),
    )


def _worst_in_words(run: Run) -> str:
    worst = run.gradient.worst() if run.gradient is not None else None
    if worst is None:
        return ""
    estimate = worst.estimate
    return f"{worst.path}: claimed {worst.claimed:.6g}, estimated {estimate.value:.6g}"


def suspect_other_loss(run: Run, names: set[str]) -> Iterator[Diagnosis]:
    """The loss that is logged, or returned, is not the one whose gradient is followed."""
    if names & {"logged-loss-differs", "update-ignores-gradient"} and not run.gradient_is_wrong:
        sentence = "the loss that is logged is not the one that is minimised"
        yield Diagnosis("logged-loss-differs", sentence, 0.95)
    elif run.cost is not None and run.wrong_point is not None:
        result = run.gradient
        causes = {d.name for d in result.diagnoses} if result is not None else set()
        if causes & CONSERVATIVE_BUGS or not is_conservative(run.cost, run.wrong_point):
            return
        yield Diagnosis(
            "logged-loss-differs",
            "the gradient is that of another function: the loss that is returned is not the one "
            "that is differentiated (a penalty, another loss, other data)",
            1.0,
            evidence="its Jacobian is symmetric, which a botched gradient's is not",
        )


def is_conservative(cost: Cost, parameters: Arrays, seed: int = 0) -> bool:
    """Whether the claimed gradient is the gradient of *some* function: its Jacobian is symmetric.

    Examples
    --------
    >>> def other(p):  # the gradient of another function
    ...     return float(p["w"].sum()), {"w": 2 * p["w"]}
    >>> def none(p):  # of no function at all
    ...     return float(p["w"].sum()), {"w": np.cumsum(p["w"]) ** 2}
    >>> here = {"w": np.array([1.0, 2.0, 3.0])}
    >>> is_conservative(Cost(other), here), is_conservative(Cost(none), here)
    (True, False)
    """
    rng = np.random.default_rng(seed)
    arrays = float_arrays(parameters)
    pairs = [(_direction(arrays, rng), _direction(arrays, rng)) for _ in range(3)]
    here = {**parameters, **{n: a + SYMMETRY_STEP * d for (n, a), d in _jitter(arrays, rng)}}
    return all(_symmetric(cost, here, u, v) for u, v in pairs)


def _jitter(arrays: Arrays, rng: np.random.Generator) -> list[tuple[tuple[str, Array], Array]]:
    # Off the kinks that zero biases make.
    return list(zip(arrays.items(), _direction(arrays, rng).values(), strict=True))


def _direction(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    return {n: rng.standard_normal(a.shape) * (0.1 + np.abs(a)) for n, a in arrays.items()}


def _symmetric(cost: Cost, parameters: Arrays, u: Arrays, v: Arrays) -> bool:
    left = tree_inner_product(u, _gradient_change(cost, parameters, v))
    right = tree_inner_product(v, _gradient_change(cost, parameters, u))
    scale = max(abs(left), abs(right))
    # A claim that is the same everywhere, zero above all, is no sign of another function.
    return 0 < scale < np.inf and abs(left - right) <= SYMMETRY * scale


def _gradient_change(cost: Cost, parameters: Arrays, direction: Arrays) -> Arrays:
    ahead = cost(_step(parameters, direction, SYMMETRY_STEP))[1]
    behind = cost(_step(parameters, direction, -SYMMETRY_STEP))[1]
    return {n: (ahead[n] - behind[n]) / (2 * SYMMETRY_STEP) for n in direction}


def _step(parameters: Arrays, direction: Arrays, length: float) -> Arrays:
    still = {n: a for n, a in parameters.items() if n not in direction}
    return {**still, **moved({n: parameters[n] for n in direction}, direction, length)}


LOOP_FAULTS = {
    "step-ascends": "the step has the wrong sign: it adds the gradient instead of subtracting it",
    "stale-gradient": "the step uses a stale gradient: compute it at the parameters it updates",
    "gradient-accumulates": (
        "gradients pile up from step to step: a zeroing is forgotten, or the momentum is 1"
    ),
}


def suspect_update(_: Run, names: set[str]) -> Iterator[Diagnosis]:
    """The update misuses the gradient."""
    for name, sentence in LOOP_FAULTS.items():
        if name in names:
            yield Diagnosis(name, sentence, 1.0, evidence="fits the first updates exactly")


def suspect_unmoved(run: Run, names: set[str]) -> Iterator[Diagnosis]:
    """A parameter that has a gradient is never updated."""
    if "parameter-never-moves" not in names:
        return
    for name in _unmoved_names(run):
        largest = max((float(np.max(np.abs(g))) for g in gradients_of(run, name)), default=0.0)
        if largest > 0:
            yield Diagnosis(
                "parameter-not-updated",
                f"parameter {name!r} is not handed to the optimiser, or is overwritten",
                1.0,
                input=name,
                evidence=f"its gradient is up to {largest:.2g}, and it never moves",
            )


def _unmoved_names(run: Run) -> list[str]:
    return [
        name
        for name, array in float_arrays(run.updates[0].before).items()
        if array.size
        and name not in run.promises.frozen
        and all(np.array_equal(u.before[name], u.after[name]) for u in run.updates)
    ]


def suspect_dead_units(run: Run, names: set[str]) -> Iterator[Diagnosis]:
    """Units that are off on every example get no gradient, and stay off."""
    if run.cost is None or run.end is None or not names & STARVED:
        return
    gradients = {n: g for n, g in run.end_gradient.items() if n not in run.promises.frozen}
    dead = {n: _dead_share(g) for n, g in gradients.items() if g.size and run.updates}
    worst = max(dead, key=lambda n: (dead[n], gradients[n].ndim == 1), default="")
    if worst and dead[worst] >= DEAD_SHARE and norm(gradients) > 0:
        yield Diagnosis(
            "dead-units",
            f"dead units: {dead[worst]:.0%} of the gradient of {worst!r} is exactly zero on all "
            "the data; start from smaller steps or biases, or use a unit that is never off",
            0.9,
            input=worst,
            evidence="at the parameters after the last epoch",
        )


def _dead_share(gradient: Array) -> float:
    """Exact zeros of a bias, or all of an array: a row of zeros may be an input that is zero."""
    if gradient.ndim == 1:
        return float(np.mean(gradient == 0))
    return float(not np.any(gradient))


def suspect_long_step(run: Run, _: set[str]) -> Iterator[Diagnosis]:
    """A step that climbs, where the same step cut short descends."""
    scale = abs(run.series[0]) if run.series else 1.0
    floors = [0.0, *(RISE * scale for _ in run.lines[1:])]  # no noise in the data excuses the first
    climbs = [
        line
        for line, floor in zip(run.lines, floors, strict=False)
        if line.rise >= floor and line.too_long
    ]
    if not climbs:
        return
    worst = max(climbs, key=lambda line: line.rise)
    part = worst.descending_part or 0.0
    yield Diagnosis(
        "step-too-long",
        f"{_gradient_words(run)}the loss falls at lr/{1 / part:g}: the step is too long",
        0.9,
        evidence=_climb_words(worst, part) + _retrained(run, below=True),
    )


def _climb_words(line: Line, part: float) -> str:
    full = f"raises it by {line.rise:.3g}" if np.isfinite(line.rise) else "makes it infinite"
    fall = line.fall_at(part)
    return f"cut to {part:.2g} an update lowers the loss by {fall:.3g}; whole it {full}"


def suspect_short_step(run: Run, names: set[str]) -> Iterator[Diagnosis]:
    """A step so short that a very much longer one would still descend."""
    if not run.lines or not names & STUCK:
        return
    multiple = min(line.best_multiple for line in (run.lines[0], run.lines[-1]))
    if multiple >= MUCH_LONGER:
        yield Diagnosis(
            "step-too-short",
            f"{_gradient_words(run)}the loss falls further at {multiple:g} times the step: "
            "the step is too short",
            0.85,
            evidence=f"along the first and the last update{_retrained(run, below=False)}",
        )


def _retrained(run: Run, *, below: bool) -> str:
    """What training again at other rates gives, where the loop can be started again."""
    if run.promises.retrain is None:
        return ""
    said, least = "", np.inf
    for scale in (s for s in SCALED_RATES if (s < 1) is below):
        start, end = _train_again(run.promises.retrain(scale), len(run.trace.losses))
        if end is not None and start - end > 2 * max(run.total_fall, 0.0) and end < least:
            rate = f"lr/{1 / scale:g}" if below else f"{scale:g} lr"
            said = f"; trained again at {rate}, the loss goes from {start:.4g} to {end:.4g}"
            least = end
        elif said:  # past the best rate
            break
    return said


def _train_again(step: Loop | Callable[[], object], epochs: int) -> tuple[float, float | None]:
    trace = train(step, max(2, min(epochs, RETRAINED_EPOCHS)), progress=False)
    finite = [loss for loss in trace.losses if np.isfinite(loss)]
    start = trace.initial_loss if trace.initial_loss is not None else next(iter(finite), 0.0)
    return start, None if trace.stopped or not finite else finite[-1]


def suspect_non_finite(run: Run, names: set[str]) -> Iterator[Diagnosis]:
    """A loss that was falling, and is not a number from one epoch to the next."""
    if not names & {"non-finite-loss", "non-finite-parameter"}:
        return
    epoch = next((i + 1 for i, x in enumerate(run.trace.losses) if not np.isfinite(x)), None)
    when = f"in epoch {epoch}" if epoch else "after the last epoch"
    yield Diagnosis(
        "turned-non-finite",
        f"something is not a number {when}, out of a sound run: look at that epoch's data, and at "
        "logarithms, roots and divisions",
        0.8,
        evidence=_sound_words(run),
    )


def _sound_words(run: Run) -> str:
    if run.cost is None or run.end is None:
        return ""
    loss, gradients = run.cost(run.end)
    sound = np.isfinite(loss) and all(np.all(np.isfinite(g)) for g in gradients.values())
    state = "are finite" if sound else "are not finite either"
    return f"at the last finite parameters the objective and its gradient {state}"


def suspect_data(run: Run, names: set[str]) -> Iterator[Diagnosis]:
    """Nothing is wrong with gradient or step, and there is nothing to learn."""
    if "no-better-than-guessing" not in names or run.gradient_is_wrong:
        return
    flat = plateau(run.losses)
    where = f"the training loss stands at {flat.level:.4g}" if flat else "the training loss falls"
    yield Diagnosis(
        "data-unlearnable",
        f"{_gradient_words(run)}the labels cannot be told from the inputs better than by "
        "guessing: shuffled labels, or inputs and labels out of step?",
        0.7,
        evidence=f"{where}; guessing gives {run.promises.guessing:.4g}",
    )


def _gradient_words(run: Run) -> str:
    return "the gradient is right; " if run.gradient_is_right else ""


Suspect = Callable[[Run, set[str]], Iterator[Diagnosis]]
GRADIENT: tuple[Suspect, ...] = (suspect_gradient, suspect_other_loss)
LOOP: tuple[Suspect, ...] = (suspect_update, suspect_unmoved)
STEP: tuple[Suspect, ...] = (
    suspect_long_step,
    suspect_short_step,
    suspect_dead_units,
    suspect_non_finite,
)
DATA: tuple[Suspect, ...] = (suspect_data,)
