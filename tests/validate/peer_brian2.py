"""Run by Brian2's own interpreter (see peers.py): a network of explicit edges in, spikes on the grid of step `dt` out."""

import json
import sys

import brian2 as b
import numpy as np

CURRENTS = "tau_m/C_m*(I_ex + I_in + I_e)"
LEAK = f"dV_m/dt = (E_L - V_m + {CURRENTS})/(tau_m*ms) : 1 (unless refractory)\n"
SYNAPSES = """dI_ex/dt = -I_ex/(tau_syn_ex*ms) : 1
dI_in/dt = -I_in/(tau_syn_in*ms) : 1
"""
TO_CURRENT = "I_ex += w*int(w >= 0); I_in += w*int(w < 0)"

#: Model: equations, threshold, reset, effect of a spike by receptor, integration method.
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
    # The current rises from 0 to its peak w: z feeds I.
    "AlphaLIF": (
        LEAK
        + """dI_ex/dt = (z_ex - I_ex)/(tau_syn_ex*ms) : 1
        dI_in/dt = (z_in - I_in)/(tau_syn_in*ms) : 1
        dz_ex/dt = -z_ex/(tau_syn_ex*ms) : 1
        dz_in/dt = -z_in/(tau_syn_in*ms) : 1""",
        "V_m >= V_th",
        "V_m = V_reset",
        {None: "z_ex += exp(1)*w*int(w >= 0); z_in += exp(1)*w*int(w < 0)"},
        "exact",
    ),
    "AdaptiveLIF": (
        LEAK.replace("+ I_e", "+ I_e - I_stc")
        + SYNAPSES
        + """dI_stc/dt = -I_stc/(tau_stc*ms) : 1
        dh/dt = -h/(tau_sfa*ms) : 1""",
        "V_m >= V_th + h",
        "V_m = V_reset; I_stc += q_stc; h += q_sfa",
        {None: TO_CURRENT},
        "exact",
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


def explicit(job):
    """Spikes of `job["net"]` in [0, T), in time order, neurons by population and number."""
    b.defaultclock.dt = job["dt"] * b.ms
    network, groups, monitors = b.Network(), {}, {}
    effects = {}
    for pop in job["net"]["pops"]:
        name, params = pop["name"], pop["params"]
        if pop["model"] == "SpikeSource":
            groups[name] = b.SpikeGeneratorGroup(pop["n"], params["ids"], np.asarray(params["times"]) * b.ms)
        else:
            equations, threshold, reset, effects[name], method = MODELS[pop["model"]]
            groups[name] = b.NeuronGroup(
                pop["n"],
                equations,
                threshold=threshold,
                reset=reset,
                refractory=params.get("t_ref", 0.0) * b.ms,
                method=method,
                namespace=params,
            )
            for state, value in pop["initial"].items():
                phase = pop["model"] == "QIF" and state == "V_m"
                setattr(groups[name], "phase" if phase else state, 2 * np.arctan(value) if phase else value)
            monitors[name] = b.SpikeMonitor(groups[name])
            network.add(monitors[name])
        network.add(groups[name])
    for edges in job["net"]["edges"]:
        effect = effects[edges["post"]][edges["receptor"]]
        synapses = b.Synapses(groups[edges["pre"]], groups[edges["post"]], "w : 1", on_pre=effect)
        synapses.connect(i=edges["i"], j=edges["j"])
        synapses.w = edges["weight"]
        synapses.delay = np.asarray(edges["delay"]) * b.ms
        network.add(synapses)
    network.run(job["T"] * b.ms)
    return dict(spikes={name: [list(m.t / b.ms), [int(i) for i in m.i]] for name, m in monitors.items()})


b.prefs.codegen.target = "numpy"
job = json.load(sys.stdin)
answer = explicit(job) if "net" in job else {}
print(json.dumps(answer | dict(version=b.__version__)))
