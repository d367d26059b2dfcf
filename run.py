#!/usr/bin/env python3
"""Set up and run this repository with nothing but Python: ``python3 run.py verify|test|lint``.

verify   check every reference subject in models/ and losses/, in parallel
test     run every test
lint     ruff, mypy and codespell

The first use makes a virtual environment in .venv-run and installs pyproject.toml into it; later
uses find it ready. What follows the verb goes to pytest: ``python3 run.py test -x -k kink``.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv-run"
STAMP = VENV / "installed.json"
OLDEST = (3, 11)
NEWEST = (3, 14)

# Workers are processes, one a core: a BLAS with threads of its own would only get in their way.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Long and short tests are mixed, so an idle worker takes from a busy one. The seed is the same here
# and in CI; another one after the verb overrides it.
PYTEST = ["-m", "pytest", "-n", "auto", "--dist", "worksteal", "--gradcheck-seed", "0"]

COMMANDS = {
    "verify": [[*PYTEST, "tests/models", "tests/losses", "tests/verification"]],
    "test": [PYTEST],
    "lint": [
        ["-m", "ruff", "check"],
        ["-m", "ruff", "format", "--check"],
        ["-m", "mypy"],
        ["-m", "codespell_lib"],
    ],
}


def main(arguments):
    """Run one verb in the environment it needs; the exit code is that of the first failure."""
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    verb, *rest = arguments
    use_a_new_enough_python()
    install("dev" if verb == "lint" else "test")
    codes = [in_environment(command + rest) for command in COMMANDS[verb]]
    return next((code for code in codes if code), 0)


def use_a_new_enough_python():
    """Start again under the newest suitable Python on the PATH where this one is too old."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.call([found, "-c", ""]) == 0:
            os.execv(found, [found, *sys.argv])
    sys.exit(
        f"This is Python {sys.version.split()[0]}; gradcheck needs {OLDEST[0]}.{OLDEST[1]}"
        " or newer. Install one, then run this again."
    )


def install(extra):
    """Make the environment hold ``extra``, unless it already does."""
    wanted = {"python": sys.version, "project": project_digest()}
    have = read_stamp()
    if {key: have.get(key) for key in wanted} == wanted and have["extra"] in (extra, "dev"):
        return
    say(f"Setting up {VENV.name} from pyproject.toml (the first time takes a minute or two)")
    if not STAMP.exists() or have.get("python") != sys.version:
        create_environment()
    pip("install", "--quiet", "--editable", f"{ROOT}[{extra}]")
    STAMP.write_text(json.dumps(dict(wanted, extra=extra)))


def project_digest():
    """What an environment depends on: the project's metadata, and where the project lies."""
    content = (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    return hashlib.sha256(content).hexdigest()


def read_stamp():
    """What was installed, or nothing: an environment cut short while installing has no stamp."""
    try:
        return json.loads(STAMP.read_text()) if python().exists() else {}
    except (OSError, ValueError):
        return {}


def create_environment():
    """A fresh environment; where this Python cannot put pip into it, its own pip serves it."""
    shutil.rmtree(VENV, ignore_errors=True)
    command = [sys.executable, "-m", "venv", str(VENV)]
    if subprocess.run(command, capture_output=True).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([*command, "--without-pip"], check=True)


def pip(*arguments):
    """Run pip on the environment: the pip inside it, else that of the Python running this."""
    inside = [str(python()), "-m", "pip"]
    outside = [sys.executable, "-m", "pip", "--python", str(python())]
    for command in (inside, outside):
        if subprocess.run([*command, "--version"], capture_output=True).returncode == 0:
            finished = subprocess.call([*command, "--disable-pip-version-check", *arguments])
            if finished:
                sys.exit(finished)
            return
    sys.exit(f"No pip for {sys.executable}: install it (Debian: apt-get install python3-venv).")


def python():
    """The interpreter of the environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def in_environment(arguments):
    """Run the environment's Python at the root of the repository; a signal gives 128 + number."""
    environment = dict(dict.fromkeys(ONE_THREAD, "1"), **os.environ)
    code = subprocess.call([str(python()), *arguments], cwd=ROOT, env=environment)
    return code if code >= 0 else 128 - code


def say(sentence):
    """Progress goes to the error stream, at once."""
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
