"""The peers: NEST, Brian2 and, for benchmarks, snnTorch, each in a virtual environment of its own, called as a subprocess.

The process that tests eventsim never imports a peer. `run` hands a job (a dict) as JSON to a script, by default
`peer_nest.py` or `peer_brian2.py`, on the standard input of the peer's interpreter, and reads a dict back; JSON keeps every
bit of a float64.

The environments are made on first use, from PyPI, in the folder named by the environment variable EVENTSIM_PEERS
(default: `.peers` in the checkout). `python tests/validate/peers.py` makes both and prints their versions.
"""

import json
import os
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("EVENTSIM_PEERS") or HERE.parents[1] / ".peers").resolve()
PACKAGES = {"nest": ["nest-simulator"], "brian2": ["brian2", "numpy<2.4"], "snntorch": ["torch", "snntorch"]}
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Unavailable(RuntimeError):
    """A peer cannot be installed or started here; the message says why."""


@cache
def interpreter(peer):
    """Path of the Python that can import `peer`, which is installed if need be.

    Raises
    ------
    Unavailable
        If the environment cannot be made, or the peer does not start in it.
    """
    home = FOLDER / peer
    python = home / "bin" / "python"
    if not _imports(python, peer):
        try:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / ".gitignore").write_text("*\n")
            venv.create(home, clear=True, with_pip=True)
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES[peer]]
            subprocess.run(pip, check=True, capture_output=True, text=True, timeout=1800)
        except (OSError, subprocess.SubprocessError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
            raise Unavailable(f"{peer} cannot be installed in {home}: {reason}") from error
        if not _imports(python, peer):
            raise Unavailable(f"{peer} was installed in {home} but does not start there; remove that folder to try again")
    return python


def run(peer, script=None, **job):
    """Run `job` in the peer and return its answer, the last line that `script` (default: `peer_NAME.py`) prints.

    Raises
    ------
    Unavailable
        If the peer cannot be had.
    RuntimeError
        If it fails; the message ends with what it printed.
    """
    command = [interpreter(peer), script or HERE / f"peer_{peer}.py"]
    text = json.dumps(job, default=lambda value: value.tolist())  # arrays and NumPy numbers
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=os.environ | THREADS, timeout=3600)
    if done.returncode:
        raise RuntimeError(f"{peer} stopped with exit status {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])  # the peers greet on standard output, too


def _imports(python, module):
    command = [python, "-c", f"import {module}"]
    return python.exists() and subprocess.run(command, capture_output=True, timeout=600).returncode == 0


if __name__ == "__main__":
    for name in ("nest", "brian2"):  # those of the tests
        try:
            print(name, run(name)["version"], interpreter(name))
        except Unavailable as error:
            sys.exit(str(error))
