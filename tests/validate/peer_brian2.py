"""Run by Brian2's own interpreter (see peers.py): a network of explicit edges in, spikes on the grid of step `dt` out."""

import json
import sys

import brian2 as b
import numpy as np

LEAK = "dV_m/dt = (E_L - V_m + tau_m/C_m*(I_ex + I_in + I_e))/(tau_m*ms) : 1 (unless refractory)\n"
SYNAPSES = """dI_ex/dt = -I_ex/(tau_syn_ex*ms) : 1
dI_in/dt = -I_in/(tau_syn_in*ms) : 1
"""
TO_CURRENT = "I_ex += w*int(w >= 0); I_in += w*int(w < 0)"

#: Model: equations, threshold, reset, effect of a spike by receptor, integration method. The error of rk4, of fourth order, is
#: far below that of the grid; it starts faster than the exact solution of many equations, and integrates what has none.
MODELS = {
    "LIF": (LEAK + SYNAPSES, "V_m >= V_th", "V_m = V_reset", {None: TO_CURRENT}, "exact"),
    # Brian2 does not let a spike touch a variable that is clamped: input while refractory is lost, as it should be.
    "DeltaLIF": (
        "dV_m/dt = (E_L - V_m + tau_m/C_m*I_e)/(tau_m*ms) : 1 (unless refractory)",
        "V_m > V_th",
        "V_m = V_reset",
        {None: "V_m += w"},
        "exact",
    ),
    "PerfectIntegrator": (
        "dV_m/dt = (I_ex + I_in + I_e)/C_m/ms : 1 (unless refractory)\n" + SYNAPSES,
        "V_m >= V_th",
        "V_m = V_reset",
        {None: TO_CURRENT},
        "rk4",
    ),
    # Two stages: z feeds I, which rises from 0 to its peak w.
    "AlphaLIF": (
        LEAK
        + """dI_ex/dt = (z_ex - I_ex)/(tau_syn_ex*ms) : 1
        dI_in/dt = (z_in - I_in)/(tau_syn_in*ms) : 1
        dz_ex/dt = -z_ex/(tau_syn_ex*ms) : 1
        dz_in/dt = -z_in/(tau_syn_in*ms) : 1""",
        "V_m >= V_th",
        "V_m = V_reset",
        {None: "z_ex += exp(1)*w*int(w >= 0); z_in += exp(1)*w*int(w < 0)"},
        "rk4",
    ),
    # I is the difference of two exponentials, scaled so that its peak is w.
    "DoubleExpLIF": (
        "dV_m/dt = (E_L - V_m + tau_m/C_m*(d_ex - r_ex + d_in - r_in + I_e))/(tau_m*ms) : 1 (unless refractory)\n"
        + """dd_ex/dt = -d_ex/(tau_decay_ex*ms) : 1
        dr_ex/dt = -r_ex/(tau_rise_ex*ms) : 1
        dd_in/dt = -d_in/(tau_decay_in*ms) : 1
        dr_in/dt = -r_in/(tau_rise_in*ms) : 1""",
        "V_m >= V_th",
        "V_m = V_reset",
        {
            None: """d_ex += w*int(w >= 0)/peak_ex
            r_ex += w*int(w >= 0)/peak_ex
            d_in += w*int(w < 0)/peak_in
            r_in += w*int(w < 0)/peak_in"""
        },
        "rk4",
    ),
    "AdaptiveLIF": (
        LEAK.replace("+ I_e", "+ I_e - I_stc")
        + SYNAPSES
        + """dI_stc/dt = -I_stc/(tau_stc*ms) : 1
        dh/dt = -h/(tau_sfa*ms) : 1""",
        "V_m >= V_th + h",
        "V_m = V_reset; I_stc += q_stc; h += q_sfa",
        {None: TO_CURRENT},
        "rk4",
    ),
    # V = tan(phase/2) makes the spike at V = infinity a crossing of pi.
    "QIF": (
        """dphase/dt = (1 - cos(phase) - sin(phase) + I*(1 + cos(phase)))/(tau_m*ms) : 1
        dI/dt = -2*I/(tau_m*ms) : 1""",
        "phase >= pi",
        "phase -= 2*pi",
        {None: "I += w"},
        "rk4",
    ),
    # g is frozen while refractory but takes spikes, which the flag "unless refractory" would not allow.
    "FlyLIF": (
        """dV_m/dt = (E_L - V_m + g)/(tau_m*ms) : 1 (unless refractory)
        dg/dt = -g/(tau_syn*ms)*int(not_refractory) : 1""",
        "V_m >= V_th",
        "V_m = V_reset; g = 0",
        {None: "g += w", "g": "g += w", "V": "V_m += w"},
        "rk4",
    ),
}


def peak(rise, decay):
    """Largest value of exp(-t/decay) - exp(-t/rise)."""
    t = np.log(decay / rise) * decay * rise / (decay - rise)
    return np.exp(-t / decay) - np.exp(-t / rise)


def create(pop):
    """The group of one population, and the namespace of its parameters; arrays become variables of the neurons."""
    n, params = pop["n"], dict(pop["params"])
    if pop["model"] == "Poisson":
        return b.PoissonGroup(n, params["rate"] * b.Hz), {}
    if pop["model"] == "SpikeSource":
        return b.SpikeGeneratorGroup(n, params["ids"], np.asarray(params["times"]) * b.ms), {}
    if pop["model"] == "DoubleExpLIF":
        params |= {f"peak_{k}": peak(params[f"tau_rise_{k}"], params[f"tau_decay_{k}"]) for k in ("ex", "in")}
    each = {name: value for name, value in params.items() if isinstance(value, list)}
    shared = {name: value for name, value in params.items() if name not in each}
    equations, threshold, reset, _, method = MODELS[pop["model"]]
    equations += "".join(f"\n{name} : 1 (constant)" for name in each)
    refractory = "t_ref*ms" if "t_ref" in params else False
    rules = dict(threshold=threshold, reset=reset, refractory=refractory, method=method)
    group = b.NeuronGroup(n, equations, **rules, namespace=shared)
    for state, value in (each | pop["initial"]).items():
        phase = pop["model"] == "QIF" and state == "V_m"
        setattr(group, "phase" if phase else state, 2 * np.arctan(value) if phase else value)
    return group, shared


def simulate(net, T, dt, seed=1):
    """Spikes in [0, T) by population: times in order [ms], numbers of the neurons."""
    b.defaultclock.dt = dt * b.ms
    b.seed(seed)
    network, groups, monitors = b.Network(), {}, {}
    for pop in net["pops"]:
        groups[pop["name"]] = create(pop)
        network.add(groups[pop["name"]][0])
        if pop["model"] in MODELS:
            monitors[pop["name"]] = b.SpikeMonitor(groups[pop["name"]][0])
            network.add(monitors[pop["name"]])
    models = {pop["name"]: pop["model"] for pop in net["pops"]}
    for edges in net["edges"]:
        pre, (post, namespace) = groups[edges["pre"]][0], groups[edges["post"]]
        effect = MODELS[models[edges["post"]]][3][edges["receptor"]]
        synapses = b.Synapses(pre, post, "w : 1", on_pre=effect, namespace=namespace)
        synapses.connect(i=edges["i"], j=edges["j"])
        synapses.w = edges["weight"]
        synapses.delay = np.asarray(edges["delay"]) * b.ms
        network.add(synapses)
    network.run(T * b.ms)
    return {name: [list(m.t / b.ms), [int(i) for i in m.i]] for name, m in monitors.items()}


b.prefs.codegen.target = "numpy"
job = json.load(sys.stdin)
spikes = simulate(**job) if job else {}
print(json.dumps(dict(spikes=spikes, version=b.__version__)))
