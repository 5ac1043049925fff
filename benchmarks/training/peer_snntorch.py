"""Run by the Python of snnTorch: Yin-Yang 5-200-3 by surrogate gradients on a grid of 1 ms, one thread.

Reads {"X": (n, 5) input times [ms], "labels", "duration" [ms], "batches": sizes, "rounds"} as JSON and prints, for each batch
size, the CPU seconds per 1000 samples of forward, backward and Adam, the least of all rounds. Same time constants, inputs and
hidden weights as ours; the largest membrane of a leaky read-out decides, for surrogate gradients see no spike times.
"""

import json
import math
import sys
import time

import snntorch
import torch

TAU_M, TAU_SYN, STEP = 20.0, 5.0, 1.0


class Net(torch.nn.Module):
    def __init__(self, hidden=200):
        super().__init__()
        cell = dict(alpha=math.exp(-STEP / TAU_SYN), beta=math.exp(-STEP / TAU_M), spike_grad=snntorch.surrogate.atan())
        self.lower, self.upper = torch.nn.Linear(5, hidden, bias=False), torch.nn.Linear(hidden, 3, bias=False)
        self.hidden = snntorch.Synaptic(**cell, reset_mechanism="zero")
        self.output = snntorch.Synaptic(**cell, reset_mechanism="none")
        torch.nn.init.normal_(self.lower.weight, 1.5 * STEP / TAU_M, 0.78 * STEP / TAU_M)
        torch.nn.init.normal_(self.upper.weight, 0.93 * STEP / TAU_M, 0.1 * STEP / TAU_M)

    def forward(self, spikes):
        current, membrane = self.hidden.init_synaptic()
        out_current, out_membrane = self.output.init_synaptic()
        seen, count = [], 0.0
        for step in spikes:
            fired, current, membrane = self.hidden(self.lower(step), current, membrane)
            _, out_current, out_membrane = self.output(self.upper(fired), out_current, out_membrane)
            seen.append(out_membrane)
            count += float(fired.detach().sum())
        return torch.stack(seen).amax(0), count


def measure(X, labels, size, rounds):
    """CPU seconds per 1000 samples, and hidden spikes per sample. X: (steps, samples, 5) of 0 and 1."""
    torch.manual_seed(0)
    net = Net()
    adam, loss, n, best = torch.optim.Adam(net.parameters(), lr=5e-3), torch.nn.CrossEntropyLoss(), len(labels), math.inf
    for _ in range(rounds):
        start, spikes = time.process_time(), 0.0
        for k in range(0, n, size):
            out, count = net(X[:, k : k + size])
            adam.zero_grad()
            loss(out, labels[k : k + size]).backward()
            adam.step()
            spikes += count
        best = min(best, (time.process_time() - start) / n * 1000)
    return best, spikes / n


def main():
    job = json.load(sys.stdin)
    torch.set_num_threads(1)
    times, labels = torch.tensor(job["X"]), torch.tensor(job["labels"])
    X = torch.zeros(int(job["duration"] / STEP), *times.shape)
    X.scatter_(0, (times / STEP).long()[None], 1.0)
    found = {f"batch {size}": measure(X, labels, size, job["rounds"]) for size in job["batches"]}
    versions = dict(snntorch=snntorch.__version__, torch=torch.__version__)
    print(json.dumps({name: dict(cpu=cpu, hidden_spikes=spikes) for name, (cpu, spikes) in found.items()} | versions))


if __name__ == "__main__":
    main()
