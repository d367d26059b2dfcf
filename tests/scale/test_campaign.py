"""The results of a campaign depend on its seeds alone: not on executors, workers, or kills."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from gradcheck.campaign import Campaign, process_pool, run_campaign
from gradcheck.errors import InvalidArgument
from gradcheck.report import json_lines

CAMPAIGN = Campaign("tests.scale.suite:MIXED", cases=8, examples=2, seed=5)
PROPERTIES = Campaign("tests.scale.properties_suite", cases=4, examples=10, seed=5)
PATIENCE = 60
"""Seconds that a process which has to end is given on a busy machine."""


class Serial(Executor):
    """Runs a case when it is submitted: the simplest executor there is."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Backwards(Serial):
    """Finishes the last case first, as a cluster may."""

    def __init__(self) -> None:
        self.waiting: list = []

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.waiting.append((future, fn, args, kwargs))
        if len(self.waiting) == CAMPAIGN.cases:
            for late, function, given, named in reversed(self.waiting):
                late.set_result(function(*given, **named))
        return future


def results(rows: list[dict]) -> list[tuple[str, str]]:
    return [(row["id"], json.dumps(row["result"], sort_keys=True)) for row in rows]


def run(campaign: Campaign, executor: Executor, folder: Path) -> list[tuple[str, str]]:
    return results(run_campaign(campaign, executor, folder / "x.jsonl"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[tuple[str, str]]:
    return run(CAMPAIGN, Serial(), tmp_path_factory.mktemp("serial"))


def test_cases_are_dealt_to_all_members_in_turn():
    specs = CAMPAIGN.specs()
    assert [spec.subject for spec in specs[:5]] == [
        "tests.scale.suite:MIXED[tanh]",
        "tests.scale.suite:MIXED[dense]",
        "tests.scale.suite:MIXED[wrong]",
        "tests.scale.suite:MIXED[broken]",
        "tests.scale.suite:MIXED[tanh]",
    ]
    assert len({spec.id for spec in specs}) == 8
    assert len({spec.seed for spec in specs}) == 2


def test_a_longer_campaign_begins_with_the_same_cases():
    longer = Campaign(CAMPAIGN.suite, 80, CAMPAIGN.examples, CAMPAIGN.seed)
    assert longer.specs()[:8] == CAMPAIGN.specs()


def test_another_seed_shares_no_case():
    other = Campaign(CAMPAIGN.suite, 8, CAMPAIGN.examples, seed=6)
    assert not {spec.id for spec in other.specs()} & {spec.id for spec in CAMPAIGN.specs()}


def test_order_of_arrival_does_not_matter(expected, tmp_path):
    assert run(CAMPAIGN, Backwards(), tmp_path) == expected


def test_threads_do_not_hear_each_other(expected, tmp_path):
    with ThreadPoolExecutor(4) as executor:
        assert run(CAMPAIGN, executor, tmp_path) == expected


def test_processes_give_the_same_bits(expected, tmp_path):
    serial = run(PROPERTIES, Serial(), tmp_path)
    (tmp_path / "processes").mkdir()
    (tmp_path / "mixed").mkdir()
    with process_pool(2) as executor:
        assert run(PROPERTIES, executor, tmp_path / "processes") == serial
        assert run(CAMPAIGN, executor, tmp_path / "mixed") == expected


class Lost(Serial):
    """Loses its third case as a cluster does whose scheduler is gone."""

    def submit(self, fn, /, *args, **kwargs):
        self.submitted = getattr(self, "submitted", 0) + 1
        if self.submitted != 3:
            return super().submit(fn, *args, **kwargs)
        future: Future = Future()
        future.set_exception(OSError("the connection is closed"))
        return future


def test_a_lost_connection_keeps_what_was_finished(expected, tmp_path):
    message = "OSError: the connection is closed.*run the same command again"
    with pytest.raises(InvalidArgument, match=message):
        run(CAMPAIGN, Lost(), tmp_path)
    assert run(CAMPAIGN, Serial(), tmp_path) == expected


def test_a_finished_campaign_runs_nothing(expected, tmp_path):
    first = run(CAMPAIGN, Serial(), tmp_path)
    assert run(CAMPAIGN, Backwards(), tmp_path) == first == expected


def test_a_campaign_goes_on_where_it_was_stopped(expected, tmp_path):
    run(CAMPAIGN, Serial(), tmp_path)
    path = tmp_path / "x.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in (1, 3, 7):
        path.write_bytes(b"".join(lines[:kept]) + lines[kept][:25])  # torn in its middle
        assert run(CAMPAIGN, Serial(), tmp_path) == expected
        assert len(json_lines.read(path)) == 1 + CAMPAIGN.cases


@pytest.mark.parametrize(
    "other",
    [
        Campaign(CAMPAIGN.suite, 8, 2, seed=6),
        Campaign(CAMPAIGN.suite, 8, 3, seed=5),
        Campaign("tests.scale.suite:RIGHT", 8, 2, seed=5),
    ],
)
def test_another_campaign_is_never_mixed_in(tmp_path, other):
    run(CAMPAIGN, Serial(), tmp_path)
    before = (tmp_path / "x.jsonl").read_bytes()
    with pytest.raises(InvalidArgument, match="holds another campaign"):
        run(other, Serial(), tmp_path)
    assert (tmp_path / "x.jsonl").read_bytes() == before


@pytest.mark.parametrize("content", [b"my notes", b"my notes\n", b"{}", b'{"kind":"run"}\nx'])
def test_a_file_of_somebody_else_is_left_alone(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(InvalidArgument):
        run(CAMPAIGN, Serial(), tmp_path)
    assert (tmp_path / "x.jsonl").read_bytes() == content


def test_the_results_of_a_test_run_are_no_campaign(tmp_path):
    (tmp_path / "x.jsonl").write_text(json_lines.encode(json_lines.run_header()) + "\n")
    with pytest.raises(InvalidArgument, match="holds another campaign"):
        run(CAMPAIGN, Serial(), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"cases": 0}, "cases is 0"), ({"examples": -1}, "examples is -1")],
)
def test_an_empty_campaign_is_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        Campaign("tests.scale.suite:RIGHT", **arguments)


def test_a_campaign_is_no_page(tmp_path):
    message = r"name it night\.jsonl, and make pages of it with 'gradcheck report'"
    with pytest.raises(InvalidArgument, match=message):
        run_campaign(CAMPAIGN, Backwards(), tmp_path / "night.html")


def test_a_place_that_cannot_be_written_is_refused_before_a_case_runs(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    for output in (
        tmp_path / "missing" / "x.jsonl",
        Path("/proc/x.jsonl"),
        tmp_path / "folder.jsonl",
    ):
        with pytest.raises(InvalidArgument):
            run_campaign(CAMPAIGN, Backwards(), output)


# ------------------------------------------------------------------------------------------- kills


def command(output: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "gradcheck.cli", "campaign", *arguments, "-o", str(output)]


@contextlib.contextmanager
def cases_that_wait(tmp_path: Path, free: int) -> Iterator[tuple[dict[str, str], int, int]]:
    """The environment of `slow_suite` in which no case but the first ``free`` ever ends by itself.

    With it, descriptors: to read of every start, and to write a byte for each case that may end.
    """
    started, may_end = tmp_path / "started", tmp_path / "may_end"
    os.mkfifo(started)
    os.mkfifo(may_end)
    starts, ends = (os.open(fifo, os.O_RDWR) for fifo in (started, may_end))  # they never close
    os.write(ends, b"." * free)
    environment = {**os.environ, "STARTED": str(started), "MAY_END": str(may_end)}
    try:
        yield environment, starts, ends
    finally:
        os.close(starts)
        os.close(ends)


def wait_for_starts(starts: int, count: int) -> int:
    begun = b""
    while begun.count(b"\n") < count:
        begun += os.read(starts, 64)
    return begun.count(b"\n")


def cases_in(path: Path) -> list[str]:
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    return [row["id"] for row in map(json.loads, whole) if row["kind"] == "case"]


def test_a_killed_campaign_loses_at_most_the_cases_in_flight(tmp_path):
    output = tmp_path / "x.jsonl"
    arguments = ("tests.scale.slow_suite:ALL", "-n40", "--workers=1", "--examples=1")
    with cases_that_wait(tmp_path, free=8) as (environment, starts, _):
        with subprocess.Popen(
            command(output, *arguments), env=environment, start_new_session=True
        ) as campaign:
            begun = wait_for_starts(starts, 9)
            os.killpg(campaign.pid, signal.SIGKILL)
        kept = cases_in(output)
        assert 4 <= len(kept) <= 8
        assert begun - len(kept) <= 2  # one computing, one on its way
        del environment["MAY_END"]
        finished = subprocess.run(
            command(output, *arguments), env=environment, check=True, capture_output=True, text=True
        )
    assert cases_in(output)[: len(kept)] == kept
    assert len(cases_in(output)) == len(set(cases_in(output))) == 40
    assert "40 cases checked 1 subject" in finished.stdout


def test_a_worker_that_dies_is_told_and_finished_cases_are_kept(tmp_path):
    output = tmp_path / "x.jsonl"
    done = subprocess.run(
        command(output, "tests.scale.slow_suite:fatal", "-n3", "--workers=1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "a worker died" in done.stderr
    assert "run the same command again to go on" in done.stderr
    assert len(json_lines.read(output)) == 1


def test_the_workers_of_a_killed_campaign_end_with_it(tmp_path):
    arguments = ("tests.scale.slow_suite:ALL", "-n400", "--workers=2", "--examples=1")
    with (
        cases_that_wait(tmp_path, free=0) as (environment, starts, may_end),
        subprocess.Popen(command(tmp_path / "x.jsonl", *arguments), env=environment) as campaign,
    ):
        wait_for_starts(starts, 1)
        children = Path(f"/proc/{campaign.pid}/task/{campaign.pid}/children").read_text().split()
        ends = [os.pidfd_open(int(child)) for child in children]
        campaign.kill()
        os.write(may_end, b"." * 400)
        for end in ends:
            assert select.select([end], [], [], PATIENCE)[0]
            os.close(end)
    assert len(ends) >= 2


@pytest.fixture
def interruptible():
    """Children listen to SIGINT even where this run does not, as a job in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_campaign_says_how_to_go_on(tmp_path):
    output = tmp_path / "x.jsonl"
    arguments = ("tests.scale.slow_suite:ALL", "-n40", "--workers=1", "--examples=1")
    with (
        cases_that_wait(tmp_path, free=3) as (environment, starts, may_end),
        subprocess.Popen(
            command(output, *arguments), env=environment, stderr=subprocess.PIPE, text=True
        ) as campaign,
    ):
        wait_for_starts(starts, 4)
        campaign.send_signal(signal.SIGINT)
        os.write(may_end, b"." * 40)
        _, said = campaign.communicate()
    assert campaign.returncode == 130
    assert said == "gradcheck: interrupted; a campaign goes on when the same command is run again\n"
    assert 1 <= len(cases_in(output)) < 40


# ---------------------------------------------------------------------------------------- the CLI


@pytest.mark.parametrize(("ci", "shown"), [("", True), ("true", False)])
def test_a_terminal_sees_how_far_a_campaign_is(tmp_path, ci, shown):
    pytest.importorskip("tqdm")
    watched, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    subprocess.run(
        command(tmp_path / "x.jsonl", "tests.scale.suite:RIGHT", "-n2", "--workers=1"),
        env={**os.environ, "CI": ci},
        stderr=terminal,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    os.write(terminal, b"the end")
    assert (b"0/2" in os.read(watched, 65536)) == shown
    os.close(watched)
    os.close(terminal)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tests.scale.suite:EMPTY"], "holds nothing to check"),
        (["no_such_module"], "cannot be imported"),
        (["tests.scale.suite:needs_fixture"], "needs tmp_path"),
        (["tests.scale.suite:POINT"], "is a ndarray: expected a test function"),
        (["tests.scale.suite:RIGHT", "-n0"], "cases is 0"),
        (["tests.scale.suite:RIGHT", "--workers=0"], "workers is 0"),
        (["tests.scale.suite:RIGHT", "--dask=tcp://127.0.0.1:1"], "no dask scheduler answers"),
        (["tests.scale.suite:RIGHT", "--dask=nonsense://x"], "no dask scheduler answers"),
    ],
)
def test_a_campaign_that_cannot_run_says_what_to_do(tmp_path, arguments, message):
    done = subprocess.run(
        command(tmp_path / "x.jsonl", *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
