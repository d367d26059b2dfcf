"""A real dask scheduler and two real workers, on loopback, give the bits that one process gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from pathlib import Path

import pytest

from gradcheck.campaign import Campaign, dask_executor, run_campaign
from gradcheck.report import json_lines

DASK = Path(sys.executable).with_name("dask")
pytestmark = pytest.mark.skipif(
    not DASK.exists(), reason="dask is missing: pip install 'gradcheck[dask]'"
)

ROOT = Path(__file__).parents[2]
CAMPAIGN = Campaign("tests.scale.suite:MIXED", cases=12, examples=2, seed=3)
PROPERTIES = Campaign("tests.scale.properties_suite", cases=4, examples=10, seed=3)


class Serial(Executor):
    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def started(stack: ExitStack, folder: Path, ready: str, *arguments: str) -> str:
    """Start a server and wait for the line that says it is ready."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    server = stack.enter_context(
        subprocess.Popen(
            [DASK, *arguments],
            cwd=folder,
            env=environment,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    stack.callback(server.terminate)
    said = []
    for line in server.stdout:
        said.append(line)
        found = re.search(ready, line)
        if found:
            return found[1]
    raise AssertionError("".join(said))


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dask")
    with ExitStack() as stack:
        address = started(
            stack, folder, r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)",
            "scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard",
        )  # fmt: skip
        for name in ("one", "two"):
            started(
                stack, folder, r"(Registered to)",
                "worker", address, "--host=127.0.0.1", f"--name={name}", "--nthreads=2",
                "--no-dashboard", "--no-nanny", f"--local-directory={folder}",
            )  # fmt: skip
        yield address


def test_a_cluster_gives_the_bits_of_one_process(scheduler, tmp_path):
    for campaign in (CAMPAIGN, PROPERTIES):
        name = campaign.suite.partition(":")[0]
        with dask_executor(scheduler) as executor:
            far = run_campaign(campaign, executor, tmp_path / f"{name}.far.jsonl")
        near = run_campaign(campaign, Serial(), tmp_path / f"{name}.near.jsonl")
        assert [row["result"] for row in far] == [row["result"] for row in near]
        assert [row["id"] for row in far] == [row["id"] for row in near]


def test_the_command_line_reaches_the_cluster(scheduler, tmp_path):
    output = tmp_path / "x.jsonl"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gradcheck.cli", "campaign", "tests.scale.suite:RIGHT"),
            *(f"--dask={scheduler}", "-n6", "--examples=2", f"--output={output}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "6 cases checked 2 subjects" in done.stdout
    assert {row["kind"] for row in json_lines.read(output)} == {"campaign", "case"}


def test_workers_without_the_suite_give_no_results(scheduler, tmp_path):
    """Such a case is not done: once the workers are mended, the campaign goes on."""
    (tmp_path / "only_here.py").write_text("from tests.scale.suite import tanh\n")
    output = tmp_path / "x.jsonl"
    command = [
        *(sys.executable, "-m", "gradcheck.cli", "campaign", "only_here:tanh"),
        *(f"--dask={scheduler}", "-n3", "--examples=2", f"--output={output}"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "only_here cannot be imported" in done.stderr
    assert "on every machine of the campaign" in done.stderr
    assert [row["kind"] for row in json_lines.read(output)] == ["campaign"]
    here = [part for part in command if not part.startswith("--dask")]
    subprocess.run(here, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert len(json_lines.read(output)) == 1 + 3
