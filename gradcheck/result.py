"""The records every room speaks in; nothing here computes a derivative or reads a subject.

An estimate carries its own error bound, a comparison carries the limit it was judged against, and a
check result carries everything that led to its verdict.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Verdict(enum.Enum):
    """What a check can say. The value is the sentence shown to people."""

    CORRECT = "the claimed derivative agrees with the estimate"
    WRONG = "the claimed derivative is wrong"
    INCONCLUSIVE = "the estimate could not decide"

    def __bool__(self) -> bool:
        return self is Verdict.CORRECT


class Local(enum.Enum):
    """How the function looks around the point, along the direction tried."""

    SMOOTH = "smooth"
    KINK = "kink: the one-sided slopes differ"
    INFINITE_SLOPE = "the slope grows without bound as the step shrinks"
    JUMP = "the function jumps"
    NON_FINITE = "the function is not finite around the point"
    NOISY = "the rounding noise of the function drowns its slope"


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder: the central difference at ``step`` and the two one-sided ones."""

    step: float
    central: float
    forward: float
    backward: float
    noise: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A numerical directional derivative with a bound on its own error.

    Attributes
    ----------
    value : float
        The estimated slope.
    error : float
        Bound on ``|value - truth|``; ``inf`` when nothing could be said.
    oracle : str
        Which oracle made it, in words.
    local : Local
        What the function looks like along this direction.
    left, right : float
        One-sided slopes (equal to ``value`` where they were not needed).
    one_sided_error : float
        Bound on the error of ``left`` and ``right``.
    noise : float
        Measured absolute noise of the projected function.
    rungs : tuple of Rung
        The step ladder: the evidence, and the curve drawn in reports.
    note : str
        What was unusual, in words ("step shortened to stay inside the domain").
    doubt : float
        A difference beyond ``error`` that this estimate alone must not call a bug: it is sharper
        than the function's own arithmetic, in which the claim may have been computed.
    """

    value: float
    error: float
    oracle: str
    local: Local = Local.SMOOTH
    left: float = float("nan")
    right: float = float("nan")
    one_sided_error: float = float("inf")
    noise: float = 0.0
    rungs: tuple[Rung, ...] = ()
    note: str = ""
    doubt: float = 0.0

    def interval(self) -> tuple[float, float]:
        """Smallest interval sure to hold every one-sided slope."""
        if self.local is Local.KINK:
            low, high = sorted((self.left, self.right))
            return low - self.one_sided_error, high + self.one_sided_error
        return self.value - self.error, self.value + self.error


@dataclass(frozen=True, slots=True)
class Evidence:
    """The number one oracle gave for one comparison, shown beside the others."""

    oracle: str
    value: complex
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One claimed number beside its estimate and the limit of their difference.

    ``index`` is the entry's multi-index, or ``None`` for a projection on a random direction.
    ``claimed`` and ``estimate.value`` are directional derivatives in the same direction; for an
    entry of a complex array two comparisons are made, ``part`` telling ``"real"`` from ``"imag"``.
    """

    input: str
    index: tuple[int, ...] | None
    claimed: float
    estimate: Estimate
    limit: float
    verdict: Verdict
    reason: str = ""
    part: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def path(self) -> str:
        """``name`` or ``name[i, j]``."""
        if self.index is None:
            return self.input
        inner = ", ".join(str(i) for i in self.index)
        suffix = f".{self.part}" if self.part else ""
        return f"{self.input}[{inner}]{suffix}" if self.index else f"{self.input}{suffix}"

    @property
    def difference(self) -> float:
        """Absolute difference between claim and estimate."""
        return abs(self.claimed - self.estimate.value)

    @property
    def relative_error(self) -> float:
        """Difference over the larger of the two magnitudes; 0 when both are 0."""
        scale = max(abs(self.claimed), abs(self.estimate.value))
        return self.difference / scale if scale > 0 else self.difference


class Severity(enum.Enum):
    """What a finding does to the verdict."""

    FAILURE = "failure"
    DOUBT = "doubt"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """A named fact about the subject that no estimate was needed for.

    Attributes
    ----------
    name : str
        Kebab-case, stable: ``"mutates-input"``. Users select and expect findings by it.
    message : str
        What was got, what was expected, what to do.
    severity : Severity
        A FAILURE makes the verdict WRONG, a DOUBT makes it INCONCLUSIVE, a NOTE is only shown.
    input : str
        The named input concerned, or ``""``.
    """

    name: str
    message: str
    severity: Severity = Severity.FAILURE
    input: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A named hypothesis about the cause, the evidence for it, and how well it fits (0 to 1)."""

    name: str
    sentence: str
    fit: float
    input: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class EntryTable:
    """Claimed and estimated entries of one named input, entry by entry.

    All arrays are one-dimensional and aligned with ``flat``, the C-order positions measured in an
    array of shape ``shape``. ``wrong`` marks the entries whose own comparison is WRONG.
    """

    shape: tuple[int, ...]
    flat: Array
    claimed: Array
    estimate: Array
    error: Array
    wrong: Array

    @property
    def complete(self) -> bool:
        """Whether every entry of the array was measured."""
        return int(self.flat.size) == int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Jacobian:
    """Claimed and estimated derivative of every output entry by every entry of one input.

    Rows are the entries of all outputs in their order, columns those of the input, both in C order.
    An estimate that is not known is NaN.
    """

    claimed: Array
    estimate: Array
    error: Array


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known about one failing check: what diagnosis reads, and never re-runs.

    ``second_claim`` is the claim for ``second_cotangent`` at the same inputs, so that a hypothesis
    can see how the claim depends on the cotangent. ``output`` and ``cotangent`` hold one array per
    named output (``"out"`` for a single one). ``jacobians`` holds what is small enough to be
    measured whole.
    """

    inputs: Mapping[str, Array]
    output: Mapping[str, Array]
    cotangent: Mapping[str, Array]
    claimed: Mapping[str, Array | None]
    entries: Mapping[str, EntryTable]
    findings: tuple[Finding, ...] = ()
    second_cotangent: Mapping[str, Array] | None = None
    second_claim: Mapping[str, Array | None] | None = None
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    jacobians: Mapping[str, Jacobian] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Calls spent on the subject: those of the estimates, and those of the exact relations."""

    estimate_forwards: int = 0
    estimate_backwards: int = 0
    relation_forwards: int = 0
    relation_backwards: int = 0

    @property
    def forwards(self) -> int:
        """All forward calls."""
        return self.estimate_forwards + self.relation_forwards

    @property
    def backwards(self) -> int:
        """All backward calls."""
        return self.estimate_backwards + self.relation_backwards

    def __iter__(self) -> Iterator[int]:
        return iter((self.forwards, self.backwards))

    def __add__(self, other: Evaluations) -> Evaluations:
        return Evaluations(
            self.estimate_forwards + other.estimate_forwards,
            self.estimate_backwards + other.estimate_backwards,
            self.relation_forwards + other.relation_forwards,
            self.relation_backwards + other.relation_backwards,
        )


def _repr_only(result: CheckResult) -> str:
    return f"{result.subject}: {result.verdict.name} ({result.verdict.value})"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Everything a check found out.

    Attributes
    ----------
    subject : str
        Name of the function checked.
    verdict : Verdict
        WRONG if any comparison is WRONG or any exact relation fails; else INCONCLUSIVE if a
        comparison that matters could not be decided; else CORRECT.
    comparisons : tuple of Comparison
    findings : tuple of Finding
    diagnoses : tuple of Diagnosis
        Best first; empty where no hypothesis fits.
    evaluations : Evaluations
        Forward and backward calls spent.
    resolution : float
        The smallest relative error this check could have seen.
    seed : int
        Seed of the random directions and cotangents.
    entries : mapping of str to EntryTable
        The inputs that were measured entry by entry.
    guilty_layer : str
        The layer whose own backward is wrong, ``"wiring"``, or ``""``.
    reproduce : str
        A line that runs the same check again.
    """

    subject: str
    verdict: Verdict
    comparisons: tuple[Comparison, ...] = ()
    findings: tuple[Finding, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    evaluations: Evaluations = Evaluations()
    resolution: float = float("nan")
    seed: int = 0
    entries: Mapping[str, EntryTable] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    kinks: int = 0
    guilty_layer: str = ""
    reproduce: str = ""
    render: Callable[[CheckResult], str] = field(default=_repr_only, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.verdict is Verdict.CORRECT

    def __str__(self) -> str:
        return self.render(self)

    def __repr__(self) -> str:
        # What pytest shows of a failed `assert check_vjp(...)`, where it cuts at 240 characters.
        names = dict.fromkeys(c.path for c in self.comparisons if c.verdict is self.verdict)
        wrong = ", ".join(list(names)[:3]) if self.verdict is not Verdict.CORRECT else ""
        failed = [f.name for f in self.findings if f.severity is Severity.FAILURE]
        causes = [*failed[:2], *(f"{d.name}: {d.sentence}" for d in self.diagnoses[:1])]
        where = f" for {wrong}" if wrong else ""
        return f"<{self.subject}: {self.verdict.name}{where}{''.join(f'; {c}' for c in causes)}>"

    def worst(self) -> Comparison | None:
        """The comparison furthest beyond (or nearest to) its limit."""
        return max(self.comparisons, key=_excess, default=None)


def _excess(comparison: Comparison) -> float:
    if comparison.verdict is Verdict.WRONG:
        return float("inf")
    if comparison.estimate.local is Local.KINK:
        return 0.0  # certified: the claim need not be near the middle of the slopes
    limit = comparison.limit
    ratio = comparison.difference / limit if limit > 0 else comparison.difference
    return ratio if np.isfinite(ratio) else -1.0


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of a training run; norms, never the arrays themselves.

    Attributes
    ----------
    index : int
        0 for the first epoch.
    loss : float
        The loss that the loop reported for it.
    seconds : float
        Wall-clock time.
    parameter_norms : mapping of str to float
        Euclidean norm of each parameter after the epoch.
    moved : mapping of str to float
        Distance that each parameter moved during the epoch.
    held_out : float, optional
        Loss on data that the loop does not train on, after the epoch.
    """

    index: int
    loss: float
    seconds: float = 0.0
    parameter_norms: Mapping[str, float] = field(default_factory=dict)
    moved: Mapping[str, float] = field(default_factory=dict)
    held_out: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """Copies of the parameters before and after one update, or one epoch.

    ``gradients`` are those the update was given, ``None`` where the loop did not show them.
    """

    epoch: int
    before: Mapping[str, Array]
    after: Mapping[str, Array]
    gradients: Mapping[str, Array] | None = None


@dataclass(frozen=True, slots=True)
class TrainingTrace:
    """What a training loop did: the loss before it and after each epoch, and how it ended.

    Attributes
    ----------
    losses : tuple of float
        One per finished epoch; the last may be nan or inf.
    initial_loss : float, optional
        The loss before the first update.
    epochs : tuple of Epoch
    stopped : str
        Why the loop ended before its last epoch, in words; ``""`` when it did not.
    metadata : mapping of str to object
        JSON-able facts: epochs asked for, what the losses are.
    updates : tuple of Update
        The first few, the one that raised the loss most, and the last; in memory only.
    objective : callable or Subject, optional
        What the loop said it minimises; in memory only.
    error : BaseException, optional
        What the loop raised; in memory only.
    promises : mapping of str to object
        What the loop said it is to be held to; in memory only.
    """

    losses: tuple[float, ...]
    initial_loss: float | None = None
    epochs: tuple[Epoch, ...] = ()
    stopped: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    updates: tuple[Update, ...] = field(default=(), repr=False, compare=False)
    objective: Any = field(default=None, repr=False, compare=False)
    error: BaseException | None = field(default=None, repr=False, compare=False)
    promises: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def _training_in_words(result: TrainingResult) -> str:
    return f"training: {result.verdict.name}"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Findings and diagnoses of one training run, with the trace they were read from.

    Attributes
    ----------
    verdict : Verdict
        WRONG if a promise is broken, INCONCLUSIVE if one could not be decided, else CORRECT.
    trace : TrainingTrace
    findings : tuple of Finding
        What was promised, broken, or noticed; named.
    diagnoses : tuple of Diagnosis
        Why it failed: the gradient or the hyper-parameters; best first.
    gradient : CheckResult, optional
        The gradient checked on the spot.
    checked : tuple of str
        Names of the promises that were put to the test, kept or not.
    name : str
        Name of the loop.
    reproduce : str
        A line that trains and fails the same way, where the training was drawn.
    """

    verdict: Verdict
    trace: TrainingTrace
    findings: tuple[Finding, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    gradient: CheckResult | None = None
    checked: tuple[str, ...] = ()
    name: str = "training"
    reproduce: str = ""
    render: Callable[[TrainingResult], str] = field(
        default=_training_in_words, repr=False, compare=False
    )

    def __bool__(self) -> bool:
        return self.verdict is Verdict.CORRECT

    def __str__(self) -> str:
        return self.render(self)
