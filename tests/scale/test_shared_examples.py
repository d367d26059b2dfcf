"""What one machine found, another tries first, through Hypothesis's own databases."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

REDIS = shutil.which("redis-server")
ANSWER_SECONDS = 20
DOCS = Path(__file__).parents[2] / "docs"
GUIDE, PLUGIN = DOCS / "ci.md", DOCS / "plugin.md"

SUITE = """
import numpy as np
import gradcheck

seen = []

def square(x):
    seen.append(x.copy())
    return x**2

test_square = gradcheck.vjp_test(square, lambda y_bar, x: y_bar * np.abs(x) * 2, x="n")

def test_how_many_calls(record_property):
    record_property("calls", len(seen))
"""

CONFTEST = """
import hypothesis
from hypothesis.database import {imports}

hypothesis.settings.register_profile("shared", database={database})
hypothesis.settings.load_profile("shared")
"""


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory) -> Iterator[int]:
    if REDIS is None:
        pytest.skip("redis-server is missing: apt-get install redis-server")
    pytest.importorskip("redis", reason="the redis client is missing: pip install gradcheck[redis]")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            await_answer(port)
            yield port
        finally:
            server.terminate()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_answer(port: int) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def machine(pytester: pytest.Pytester, name: str, conftest: str, *flags: str) -> pytest.RunResult:
    """A run in a folder of its own: nothing is shared but the database."""
    folder = pytester.mkdir(name)
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_suite.py").write_text(SUITE)
    return pytester.runpytest_subprocess(f"--rootdir={folder}", *flags, str(folder))


def test_a_failure_found_on_one_machine_fails_on_the_next(pytester, redis_port):
    import redis

    server = redis.Redis(port=redis_port)
    server.flushall()
    shared = CONFTEST.format(
        imports="DirectoryBasedExampleDatabase; import redis; "
        "from hypothesis.extra.redis import RedisExampleDatabase",
        database=f"RedisExampleDatabase(redis.Redis(port={redis_port}))",
    )
    machine(pytester, "one", shared, "--gradcheck-seed=1").assert_outcomes(failed=1, passed=1)
    assert server.dbsize() > 0
    # One example of another seed finds nothing by itself: the database is what finds it.
    flags = ["--gradcheck-seed=2", "--gradcheck-examples=1"]
    alone = CONFTEST.format(imports="InMemoryExampleDatabase", database="InMemoryExampleDatabase()")
    assert "GradientMismatch" not in machine(pytester, "alone", alone, *flags).stdout.str()
    assert "GradientMismatch" in machine(pytester, "two", shared, *flags).stdout.str()


def test_a_campaign_ignores_databases(pytester, redis_port):
    """Its results depend on its seeds alone."""
    import redis

    server = redis.Redis(port=redis_port)
    server.flushall()
    pytester.makepyfile(
        suite="import hypothesis, redis\n"
        "from hypothesis.extra.redis import RedisExampleDatabase\n"
        "hypothesis.settings.register_profile(\n"
        f"    'shared', database=RedisExampleDatabase(redis.Redis(port={redis_port})))\n"
        "hypothesis.settings.load_profile('shared')\n" + SUITE
    )
    done = pytester.run(
        sys.executable, "-m", "gradcheck.cli", "campaign", "suite", "-n1", "--workers=1"
    )
    assert done.ret == 1
    assert server.dbsize() == 0


def documented(language: str, word: str) -> str:
    """The code block of the guide that holds a word."""
    blocks = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if word in block]
    return block


def test_the_documented_github_database_keeps_what_ci_found(pytester, monkeypatch):
    monkeypatch.setenv("CI", "true")
    conftest = documented("python", "GitHubArtifactDatabase")
    monkeypatch.chdir(pytester.mkdir("checkout"))
    Path("conftest.py").write_text(conftest)
    Path("test_suite.py").write_text(SUITE)
    pytester.run(sys.executable, "-m", "pytest").assert_outcomes(failed=1, passed=1)
    assert "path: .hypothesis/shared" in GUIDE.read_text(encoding="utf-8")
    assert [path for path in Path(".hypothesis/shared").rglob("*") if path.is_file()]


def test_the_documented_redis_profile_is_the_one_that_is_tested():
    compile(documented("python", "RedisExampleDatabase"), "conftest.py", "exec")
    assert "RedisExampleDatabase(redis.Redis(" in documented("python", "RedisExampleDatabase")


def test_the_documented_options_exist(pytester):
    options = set(re.findall(r"--gradcheck-[a-z-]+", GUIDE.read_text() + PLUGIN.read_text()))
    known = pytester.runpytest_inprocess("--help").stdout.str()
    assert len(options) >= 8
    assert all(option in known for option in options)
