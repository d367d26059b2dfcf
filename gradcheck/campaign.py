"""Run many cases of a suite on whatever executor is given, and go on after a kill.

The results do not depend on the executor, on the number of workers or on the order of arrival.
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from gradcheck.cases import CaseSpec, is_pair, resolve, suite_members
from gradcheck.checking import check
from gradcheck.errors import (
    GradientInconclusive,
    GradientMismatch,
    InvalidArgument,
    TrainingFailed,
    VacuousTest,
    leaves,
)
from gradcheck.progress import progress as progress_bar
from gradcheck.recording import RunSettings, recording, running_with
from gradcheck.report import json_lines
from gradcheck.report.evidence import MAX_TEXT, evidence_of, shortened
from gradcheck.report.tally import Tally, count

Json = dict[str, Any]

MAX_EVIDENCE = 5
MAX_WAITING = 256
"""Cases handed to the executor at a time: enough for many machines, few to cancel."""
CONNECT_SECONDS = 5
"""How long a scheduler may take to answer; one that is there needs far less."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What to run: ``cases`` cases of a suite, dealt to its members in turn.

    Attributes
    ----------
    suite : str
        Import path, see `gradcheck.cases.suite_members`.
    cases : int
        How many in all; a longer campaign of the same seed begins with the same cases.
    examples : int
        Examples of a case.
    seed : int
        Another seed gives other cases.
    """

    suite: str
    cases: int = 100
    examples: int = 25
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("cases", "examples"):
            if getattr(self, name) < 1:
                raise InvalidArgument(f"{name} is {getattr(self, name)}: expected 1 or more")

    def specs(self) -> list[CaseSpec]:
        """The cases, in the order they are handed out."""
        members = suite_members(self.suite)
        return [
            CaseSpec(members[i % len(members)], self._seed(i // len(members)), self.examples)
            for i in range(self.cases)
        ]

    def _seed(self, turn: int) -> int:
        digest = blake2b(f"{self.seed}:{turn}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big")


def run_campaign(
    campaign: Campaign,
    executor: Executor,
    output: Path,
    *,
    progress: bool = False,
) -> list[Json]:
    """Run what a campaign has not run yet, one line of ``output`` per case.

    Parameters
    ----------
    campaign : Campaign
    executor : concurrent.futures.Executor
        Where cases run; see `process_pool` and `dask_executor`.
    output : pathlib.Path
        JSON lines. If it holds a part of this campaign, the rest is run and added.
    progress : bool
        Whether to show a bar (needs tqdm).

    Returns
    -------
    list of dict
        The rows of all cases, in the order of `Campaign.specs`.

    Raises
    ------
    InvalidArgument
        Nothing to check, a test that needs arguments, another campaign in ``output``, a file that
        cannot be written, or an executor whose workers died.
    """
    specs = campaign.specs()
    for path in dict.fromkeys(spec.subject for spec in specs):
        _require_runnable(resolve(path), path)
    done = _resumed(campaign, output)
    missing = [spec for spec in specs if spec.id not in done]
    bar = progress_bar(len(specs), "cases", done=len(done), wanted=progress)
    with _appending(output) as append, bar as advance:
        if not done and not output.stat().st_size:
            append(json_lines.run_header("campaign", **_identity(campaign)))
        for row in _run_all(missing, executor, output):
            append(row)
            done[row["id"]] = row
            advance(1)
    return [done[spec.id] for spec in specs]


def _run_all(specs: list[CaseSpec], executor: Executor, output: Path) -> Iterator[Json]:
    """Rows as they come, with a bounded number of cases waiting."""
    queue = iter(specs)
    waiting: dict[Future[tuple[Json, float]], CaseSpec] = {}
    try:
        for spec in islice(queue, MAX_WAITING):
            waiting[executor.submit(timed_case, spec)] = spec
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield _row(waiting.pop(future), *future.result())
                for spec in islice(queue, 1):
                    waiting[executor.submit(timed_case, spec)] = spec
    except InvalidArgument:  # a worker without the suite says what to do
        raise
    except Exception as error:  # every executor has errors of its own for a lost worker
        raise InvalidArgument(
            f"a worker died or is out of reach ({type(error).__name__}: {error}), in one of "
            f"{_first(waiting)}; {output} holds every case that was finished: run the same "
            "command again to go on"
        ) from error
    finally:
        for future in waiting:
            future.cancel()


def _first(waiting: dict[Future[tuple[Json, float]], CaseSpec]) -> str:
    """The cases that were handed out first: those a dead worker may have been at."""
    suspects = [f"{spec.subject} (seed {spec.seed})" for spec in islice(waiting.values(), 4)]
    return ", ".join(suspects)


def _row(spec: CaseSpec, result: Json, seconds: float) -> Json:
    return {
        "kind": "case",
        "id": spec.id,
        "spec": spec.to_json(),
        "result": result,
        "seconds": round(seconds, 6),
    }


def _identity(campaign: Campaign) -> Json:
    """What must be the same for two files to hold one campaign; its length may differ."""
    asked = asdict(campaign)
    del asked["cases"]
    return asked


def _resumed(campaign: Campaign, output: Path) -> dict[str, Json]:
    """Rows that are already there, by case id; a torn last line is cut off."""
    if output.suffix != ".jsonl":
        raise InvalidArgument(
            f"{output}: a campaign writes JSON lines: name it {output.with_suffix('.jsonl').name}, "
            "and make pages of it with 'gradcheck report'"
        )
    json_lines.require_writable(output)
    if not output.exists() or not output.stat().st_size:
        return {}
    rows = json_lines.read(output)
    expected = {**json_lines.run_header("campaign"), **_identity(campaign)}
    for name in ("kind", *_identity(campaign), "numpy", "hypothesis", "gradcheck"):
        if rows[0].get(name) != expected[name]:
            raise InvalidArgument(
                f"{output} holds another campaign ({name} {rows[0].get(name)!r}, now "
                f"{expected[name]!r}): name another output, or move this one away"
            )
    _cut_torn_line(output)
    return {row["id"]: row for row in rows if row["kind"] == "case"}


def _cut_torn_line(output: Path) -> None:
    """A killed process leaves at most one unfinished line: the case that was in flight."""
    content = output.read_bytes()
    if not content.endswith(b"\n"):
        with output.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


@contextmanager
def _appending(output: Path) -> Iterator[Callable[[Json], None]]:
    """Rows reach the disk one by one: what is written survives a kill."""
    with output.open("a", encoding="ascii", newline="\n") as file:

        def append(row: Json) -> None:
            try:
                file.write(json_lines.encode(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise InvalidArgument(
                    f"{output} cannot be written ({error.strerror}): free some space, then run "
                    "the same command again to go on"
                ) from error

        yield append


# -------------------------------------------------------------------------------------- executors


def process_pool(workers: int | None = None) -> ProcessPoolExecutor:
    """Processes on this machine, one per core unless told otherwise.

    Fresh processes, not forks: a fork inherits locks of threads that it does not have.
    """
    if workers is not None and workers < 1:
        raise InvalidArgument(f"workers is {workers}: expected 1 or more")
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let no worker of a killed campaign wait for cases for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "this runs in workers"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a dask scheduler; every worker must be able to import the suite.

    Raises
    ------
    InvalidArgument
        distributed is not installed, or no scheduler answers.
    """
    try:
        import distributed
    except ImportError:
        raise InvalidArgument("dask is not installed: pip install 'gradcheck[dask]'") from None
    connect: Any = distributed.Client
    try:
        client = connect(address, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidArgument(
            f"no dask scheduler answers at {address} ({type(error).__name__}): start one with "
            "'dask scheduler', and workers with 'dask worker ADDRESS'"
        ) from error
    with client:
        yield client.get_executor(pure=False)


# ------------------------------------------------------------------------------------------ a case


def timed_case(spec: CaseSpec) -> tuple[Json, float]:
    """`run_case` and the seconds it took, which are no part of the result.

    Raises
    ------
    InvalidArgument
        The suite is not there: that is no result of the case, but a worker set up wrongly.
    """
    resolve(spec.subject)
    start = time.perf_counter()
    return run_case(spec), time.perf_counter() - start


def run_case(spec: CaseSpec) -> Json:
    """Run one case and say what came of it.

    Returns
    -------
    dict
        ``verdict`` (CORRECT, WRONG, INCONCLUSIVE or ERROR), ``tally``, ``evidence`` and ``error``
        (a text). JSON values only, and the same in every process on machines of one kind.
    """
    heard = _Heard()
    settings = RunSettings(examples=spec.examples, seed=spec.seed, key=spec.subject, portable=True)
    with recording(heard, alone=True), running_with(settings):
        verdict, error = _outcome(spec, heard)
    return {
        "verdict": verdict,
        "tally": heard.tally,
        "evidence": [evidence_of(result) for result in heard.failures()],
        "error": error,
    }


class _Heard:
    """Counts every result, and keeps the last that was not CORRECT of every subject."""

    def __init__(self) -> None:
        self.tally: Tally = {}
        self._kept: dict[tuple[str, str], Any] = {}

    def __call__(self, result: Any) -> None:
        count(self.tally, result)
        if not result:
            key = getattr(result, "subject", "training"), result.verdict.name
            self._kept.pop(key, None)
            self._kept[key] = result

    def failures(self) -> list[Any]:
        return list(self._kept.values())[-MAX_EVIDENCE:]


def _outcome(spec: CaseSpec, heard: _Heard) -> tuple[str, str]:
    try:
        verdict = _run(resolve(spec.subject), spec)
    except Exception as error:
        return _verdict_of(error), _described(error)
    if not heard.tally:
        return "ERROR", f"{spec.subject} checked nothing: it called no function of gradcheck"
    return verdict, ""


def _run(subject: Any, spec: CaseSpec) -> str:
    _require_runnable(subject, spec.subject)
    if is_pair(subject):
        return check(subject[0], subject[1], seed=spec.seed).verdict.name
    subject()
    return "CORRECT"


def _require_runnable(subject: Any, path: str) -> None:
    if is_pair(subject):
        return
    if not callable(subject):
        raise InvalidArgument(
            f"{path} is a {type(subject).__name__}: expected a test function, or a pair "
            "(subject, inputs)"
        )
    parameters = inspect.signature(subject).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in _VARIADIC]
    if needed:
        raise InvalidArgument(
            f"{path} needs {', '.join(needed)}: a campaign gives no fixtures and no parameters"
        )


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _verdict_of(error: BaseException) -> str:
    single = list(leaves(error))
    if any(isinstance(leaf, (GradientMismatch, TrainingFailed)) for leaf in single):
        return "WRONG"
    if all(isinstance(leaf, (GradientInconclusive, VacuousTest)) for leaf in single):
        return "INCONCLUSIVE"
    return "ERROR"


def _described(error: BaseException) -> str:
    """The errors as text, the same in every process: addresses differ, so they go."""
    texts = [f"{type(leaf).__name__}: {leaf}" for leaf in leaves(error)]
    return shortened(re.sub(r" at 0x[0-9a-f]+", "", "\n".join(texts)), MAX_TEXT)
