# SPDX-License-Identifier: Apache-2.0
"""A peer's process: it waits between its rounds, and answers each line with a line."""
import atexit
import json
import os
import shutil
import signal
import subprocess
import threading

from table.setup import BENCH


class Unfit(Exception):
    """A peer that cannot take part; the text says why."""


class Peer:
    """A process that waits between its rounds."""

    def __init__(self, o, script, spec, extra):
        env = dict(os.environ, OMP_NUM_THREADS=str(o.threads), JAX_PLATFORMS=spec.get("device", "cpu"),
                   TORCHINDUCTOR_CACHE_DIR=str(o.cache / "inductor"),
                   JAX_COMPILATION_CACHE_DIR=str(o.cache / "jax"),
                   JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0.5",
                   XLA_FLAGS=f"{os.environ.get('XLA_FLAGS', '')} "
                             "--xla_cpu_multi_thread_eigen=true", **extra)
        self.process = subprocess.Popen(
            [*few_processors(o.threads), o.python, BENCH / "peers" / script,
             json.dumps(spec)], env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, start_new_session=True,
            stderr=None if o.verbose else subprocess.DEVNULL)
        atexit.register(self.end)  # a session of its own hears no ^C
        self.patience = o.patience
        hello = self.read()
        if "unfit" in hello:
            self.end()
            raise Unfit(hello["unfit"])
        self.variants, self.parameters = hello["variants"], hello["parameters"]

    def end(self):
        # Compilers have processes of their own.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        atexit.unregister(self.end)

    def read(self):
        timer = threading.Timer(self.patience, self.end)
        timer.start()
        line = self.process.stdout.readline()
        alive = timer.is_alive()
        timer.cancel()
        if not line:
            self.end()
            raise Unfit("it ended (--verbose shows why)" if alive else
                        f"no answer within {self.patience:g} s, which --patience sets")
        return json.loads(line)

    def ask(self, variant, **what):
        self.process.stdin.write(json.dumps({"variant": variant, **what}) + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        self.end()
        self.process.wait()


def few_processors(threads):
    """JAX takes every processor that it may use."""
    if threads < len(os.sched_getaffinity(0)) and shutil.which("taskset"):
        return ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))
                                              [:threads]))]
    return []
