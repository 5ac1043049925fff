# How long windows are.

def window_length(Engine engine):
    """The length of windows [ms], a power of two; or a projection with a delay [ms] too short for them: (index, delay)."""
    cdef Rows rows
    cdef Population pre
    shortest, tiny = 1.0, 2.0 ** -FINEST
    for k in [k for indices in engine.outgoing for k in indices]:
        rows = engine.projections[k]
        pre = engine.populations[rows.pre]
        delay = rows.shortest
        # Nothing reaches a source: it spikes before the window's arrivals are looked at, and after thresholds of smaller ids.
        if delay < tiny and not (pre.is_source and pre.first < rows.post.first):
            return k, delay
        if not pre.is_source:
            shortest = min(shortest, delay)
    return 2.0 ** floor(np.log2(shortest))


def poisson_arrivals(Engine engine, Population p):
    """How many arrivals Poisson sources bring to a population [1/ms]."""
    arrivals = 0.0
    for pre, indices in zip(engine.populations, engine.outgoing, strict=True):
        if "rate" in pre.parameters:
            synapses = sum(len(engine.projections[k].indices) for k in indices if engine.projections[k].post is p)
            arrivals += 1e-3 * float(np.mean(pre.parameters["rate"])) * synapses
    return arrivals


def summing_length(Engine engine):
    """The length of windows in which arrivals are summed [ms], a fraction 1/n of a millisecond; 0: no model can sum."""
    cdef Rows rows
    cdef Population p
    summing = [p for p in engine.populations if (<Population> p).kernel() != NULL]
    if not summing:
        return 0.0
    longest = min(1.0, *(p.longest_window() for p in summing))
    arrivals = 0.0
    for k in [k for indices in engine.outgoing for k in indices]:
        rows = engine.projections[k]
        p = engine.populations[rows.pre]
        if not p.is_source:
            longest = min(longest, rows.shortest * (1.0 - 2.0 ** -40))       # a boundary is rounded as a time is
        if rows.post.kernel() != NULL:
            rate = np.mean(p.parameters["rate"]) if "rate" in p.parameters else USUAL_RATE
            arrivals += 1e-3 * rate * len(rows.indices)
    if arrivals:
        longest = min(longest, max(FEW * sum(p.n for p in summing) / arrivals, SHORTEST))
    return 1.0 / np.ceil(1.0 / longest)
