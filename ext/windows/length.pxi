# How long windows are.

def components_of(Engine engine):
    """Which populations influence each other: the strongly connected component of each, named by its first population.

    (There are few populations; SciPy's function for this would take 20 MB to import.)"""
    if engine.components is not None:
        return engine.components
    reaches = np.eye(len(engine.populations), dtype=np.float32)
    for rows in [engine.projections[k] for indices in engine.outgoing for k in indices]:
        if len(rows.indices):
            reaches[rows.pre, rows.post.index] = 1.0
    for _ in range(len(reaches).bit_length()):              # in 1, 2, 4, 8 ... steps
        reaches = np.minimum(reaches @ reaches, 1.0)
    engine.components = np.argmax(reaches * reaches.T > 0.0, axis=1)
    return engine.components


def ranks_of(Engine engine, double length):
    """In which order populations go through a window of `length` [ms]: what can reach another within it comes first.

    Within a component no delay is shorter than that, so that the order has no cycle. Sources spike before all others."""
    component, ranks, moved = components_of(engine), [0] * len(engine.populations), True
    rows = [engine.projections[k] for indices in engine.outgoing for k in indices]
    prompt = [r for r in rows if component[r.pre] != component[r.post.index] and r.shortest * (1.0 - 2.0 ** -40) < length
              and not (<Population> engine.populations[r.pre]).is_source]
    while moved:
        moved = False
        for r in prompt:
            if ranks[r.post.index] <= ranks[r.pre]:
                ranks[r.post.index], moved = ranks[r.pre] + 1, True
    return ranks


def window_length(Engine engine):
    """The length of windows [ms], a power of two; or a projection with a delay [ms] too short for them: (index, delay)."""
    cdef Rows rows
    cdef Population pre
    component, shortest, tiny = components_of(engine), 1.0, 2.0 ** -FINEST
    for k in [k for indices in engine.outgoing for k in indices]:
        rows = engine.projections[k]
        pre = engine.populations[rows.pre]
        delay = rows.shortest
        cyclic = component[rows.pre] == component[rows.post.index]
        # What spikes before its targets' arrivals are looked at must come before them in the order of thresholds, too.
        if delay < tiny and (cyclic or pre.first > rows.post.first):
            return k, delay
        if cyclic:
            shortest = min(shortest, delay)
    return 2.0 ** floor(np.log2(shortest))


def is_driven(Engine engine, Population p, double length):
    """Do Poisson sources alone reach so many neurons in a window that all are looked at in each?"""
    cdef Rows rows
    arrivals = 0.0
    for pre, indices in zip(engine.populations, engine.outgoing, strict=True):
        for rows in [engine.projections[k] for k in indices] if "rate" in pre.parameters else ():
            if rows.post is p:
                arrivals += 1e-3 * float(np.mean(pre.parameters["rate"])) * len(rows.indices) * (SINGLE if rows.one_each()[0] else 1.0)
    return arrivals * length > DENSE * p.n


def frame_length(Population p, double length):
    """How long sums of a population last [ms], if windows have such a length; 0: for one window.

    No longer than a response takes to rise, and not so long that currents fade much; and not where currents are injected, which
    change all of a sudden."""
    if p.kernel().settle == NULL or len(p.inputs()["step_times"]):
        return 0.0
    longest = min(LONGEST_FRAME, p.longest_window(), FADES * log(2.0) / max(p.coef[:, :p.kernel().rates].max(), 1e-300))
    frame = 2.0 ** floor(np.log2(longest)) if longest >= 1.0 else 0.0
    return frame if frame >= 2.0 * length else 0.0


def summing_length(Engine engine):
    """The length of windows in which arrivals are summed [ms], a fraction 1/n of a millisecond; 0: no model can sum."""
    cdef Rows rows
    cdef Population p
    summing = [p for p in engine.populations if (<Population> p).kernel() != NULL]
    if not summing:
        return 0.0
    component = components_of(engine)
    longest = min(1.0, *(p.longest_window() for p in summing))
    arrivals = 0.0
    for k in [k for indices in engine.outgoing for k in indices]:
        rows = engine.projections[k]
        p = engine.populations[rows.pre]
        if component[rows.pre] == component[rows.post.index]:
            longest = min(longest, rows.shortest * (1.0 - 2.0 ** -40))       # a boundary is rounded as a time is
        if rows.post.kernel() != NULL:
            rate = np.mean(p.parameters["rate"]) if "rate" in p.parameters else USUAL_RATE
            arrivals += 1e-3 * rate * len(rows.indices)
    if arrivals:
        longest = min(longest, max(FEW * sum(p.n for p in summing) / arrivals, SHORTEST))
    if any(is_driven(engine, p, longest) for p in summing) and any(0.0 in q.parameters.get("grid", ()) for q in engine.populations):
        return 2.0 ** floor(np.log2(longest))           # windows begin with cells of the sources (poisson.h)
    return 1.0 / np.ceil(1.0 / longest)
