"""Saving and loading a simulation: one zip of arrays and a JSON header, no pickles, checked on the way in."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .connectivity import CSR
from .distributions import Steps
from .model import Model
from .network import Network, Projection

if TYPE_CHECKING:
    from .simulation import Simulation

FORMAT = 1  # raised whenever what is stored changes


def save(sim: Simulation, path: Any) -> None:
    """Write `sim` to `path`: to a temporary file beside it, flushed to disk, then renamed over it."""
    engine = sim._engine
    arrays: dict[str, np.ndarray] = {f"engine/{k}": v for k, v in engine.snapshot().items()}
    header: dict[str, Any] = {
        "format": FORMAT,
        "seed": sim.seed,
        "time": sim._time,
        "start": sim._start,
        "current": sim._current,
        "wall": sim._wall,
        "populations": [],
        "projections": [p.name for p in sim.network.projections],
        "rows": [],
        "eras": [],
    }
    for p, core in zip(sim.network.populations, engine.populations, strict=True):
        options = {k: getattr(core.model, k) for k in core.model.options}
        header["populations"].append({"name": p.name, "n": p.n, "model": type(core.model).__name__, "options": options})
        header["eras"].append([start for start, _ in sim._eras[p.index]])
        for e, (_, parameters) in enumerate(sim._eras[p.index]):
            arrays |= {f"population{p.index}/era{e}/{k}": v for k, v in parameters.items()}
        arrays |= {f"population{p.index}/input/{k}": v for k, v in core.inputs().items()}
    for k, rows in enumerate(engine.projections):
        header["rows"].append({"pre": rows.pre, "post": rows.post.index, "port": rows.port})
        for part in ("indptr", "indices", "weight", "delay"):
            arrays[f"rows{k}/{part}"] = getattr(rows, part)
    header["hash"] = network_hash(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Any) -> Simulation:
    """The simulation saved in a file; it continues bit for bit.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is damaged, is not of this program, or was written by a newer version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(bytes(file["header"]))
            if header["format"] > FORMAT:
                raise ValueError(f"format {header['format']} is newer than this version's {FORMAT}; upgrade eventsim")
            arrays = {k: file[k] for k in file.files if k != "header"}
        if network_hash(header, arrays) != header["hash"]:
            raise ValueError("its network does not match its hash")
        return _restore(header, arrays)
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, EOFError, OSError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(f"load: {str(path)!r} cannot be read: {error}; it is damaged or no saved simulation") from None


def network_hash(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of the network: populations, parameters, inputs and synapses, without the state."""
    digest = hashlib.sha256()
    for part in ("populations", "projections", "rows", "current"):
        digest.update(json.dumps(header[part]).encode())
    for name in sorted(k for k in arrays if not k.startswith("engine/")):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _restore(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Simulation:
    from .simulation import Simulation

    models = {name: getattr(_core, name) for name in _core.__all__}

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    network, cores, eras = Network(), [], []
    start = tuple(header["start"])
    for i, spec in enumerate(header["populations"]):
        eras.append([(tuple(t), group(f"population{i}/era{e}/")) for e, t in enumerate(header["eras"][i])])
        inputs, parameters = group(f"population{i}/input/"), eras[-1][-1][1]
        model: Model = models[spec["model"]].restored(parameters, inputs, spec["options"])
        population = network.add(spec["name"], spec["n"], model)
        core = model.population(model, population.n, parameters, population.first, i, *start)
        core.set_inputs(inputs)
        cores.append(core)
    rows = [
        _core.Rows(cores[r["pre"]], cores[r["post"]], r["port"], *(arrays[f"rows{k}/{part}"] for part in
                   ("indptr", "indices", "weight", "delay")))
        for k, r in enumerate(header["rows"])
    ]
    for name, k in zip(header["projections"], header["current"], strict=True):
        r, pops = rows[k], network.populations
        network.projections.append(
            Projection(len(network.projections), name, pops[r.pre], pops[r.post.index], CSR(r.indptr, r.indices), r.weight, r.delay,
                       r.port)
        )
    engine = _core.Engine(cores, rows, *start)
    engine.set_projections(rows, header["current"])
    engine.restore(group("engine/"))
    sim = Simulation.__new__(Simulation)
    sim.seed = header["seed"]
    sim._begin(network, engine, start)
    sim._time, sim._eras, sim._wall = tuple(header["time"]), eras, header["wall"]
    sim._current = header["current"]
    return sim
