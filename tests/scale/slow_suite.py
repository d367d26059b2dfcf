"""Cases that tell when they start and wait until they may end, and one that kills its process."""

from __future__ import annotations

import os

import numpy as np

import gradcheck
from gradcheck.recording import run_settings


def slow():
    fifo = os.open(os.environ["STARTED"], os.O_WRONLY | os.O_NONBLOCK)
    os.write(fifo, b"started\n")
    os.close(fifo)
    if "MAY_END" in os.environ:
        with open(os.environ["MAY_END"], "rb", buffering=0) as allowed:
            allowed.read(1)
    x = np.random.default_rng(run_settings().stream_seed).normal(size=(30, 3))
    for row in x:
        gradcheck.assert_vjp(np.sin, lambda y_bar, x: y_bar * np.cos(x), {"x": row})


def fatal():
    os.kill(os.getpid(), 9)


ALL = [slow]
