#!/usr/bin/env python3
"""How true `vitro profile` is, and what it costs: profile_check.py VITRO [MODEL...] [--rounds N] [--predict N].

Of each model (without one, the bundled one): the largest distance of the sum of a step's parts, and of what all ways to group
kernels add up to, from what they are parts of; and how much longer decode steps take with clocks than without, which the
profile measures by making each step twice, by turns. 1 where a distance or the median of the rounds' overheads is above 3%.

Ends with how busy the machine was: a share of a microsecond means nothing where other programs run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

LIMIT = 0.03


def profiled(vitro, model, predict):
    command = [vitro, "profile", "--tokens", "1,2,3,4,5,6", "-n", str(predict), "--json"]
    return json.loads(subprocess.run(command + (["-m", model] if model else []), check=True, capture_output=True).stdout)


def distance(phase):
    """The largest relative distance of a sum from its whole."""
    seconds = [sum(row["seconds"] for row in phase[by]) for by in ["by_op", "by_module", "by_layer", "by_path", "by_step"]]
    kernels = phase["parts"][0]["seconds"]
    parts = sum(part["seconds"] for part in phase["parts"])
    return max([abs(parts / phase["wall_seconds"] - 1)] + [abs(sum_of / kernels - 1) for sum_of in seconds])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vitro")
    parser.add_argument("models", nargs="*", default=[""])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--predict", type=int, default=64)
    arguments = parser.parse_args()
    busy_before = os.getloadavg()[0]
    is_within = True
    print("| model | step | ms | sums off by | overhead, median | of rounds |\n| --- | --- | --- | --- | --- | --- |")
    for model in arguments.models:
        rounds = [profiled(arguments.vitro, model, arguments.predict) for _ in range(arguments.rounds)]
        for index, first in enumerate(rounds[0]["phases"]):
            phases = [one["phases"][index] for one in rounds]
            apart = max(distance(phase) for phase in phases)
            overheads = sorted(phase["overhead"] for phase in phases)
            overhead = statistics.median(overheads)
            milliseconds = 1e3 * statistics.median(phase["wall_seconds"] / phase["runs"] for phase in phases)
            is_decode = first["phase"] == "decode"  # a prefill is one step: its overhead is one measurement
            is_within &= apart <= LIMIT and (not is_decode or overhead <= LIMIT)
            print(f"| {model or 'bundled'} | {first['phase']} | {milliseconds:.3f} | {apart:.1e} | {overhead:+.1%} | "
                  f"{overheads[0]:+.1%} to {overheads[-1]:+.1%} |")
    print(f"load of the machine before, one minute's mean: {busy_before:.1f}"
          + ("" if busy_before < 0.3 else " (not idle: the overheads are not to be trusted)"))
    sys.exit(0 if is_within else 1)


main()
