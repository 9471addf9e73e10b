#!/usr/bin/env python3
"""What decoding several sequences together reaches, and decoding after a long context, as shares of their limits.

    pip install numpy gguf==0.19.0
    python bench/batches.py build/release/vitro -o build/batches.md

The files are those of bench/compare_llamacpp.py (its --only-write writes them). The limit of tokens a second is what binds:
the rate at which a prompt of 128 tokens is prefilled, or N tokens in the time in which the machine, measured beside each
case, reads the bytes of a step of N sequences. A prefill computes logits of its last token alone, a step of
N sequences those of N: where the head is a tenth of the model, as in these files of 8 layers, 0.9 is all there can be.

With --depth D also decode of one sequence after D tokens: the time that it takes longer than after none, over the time that
the bytes of the cache would take at the rate at which the step after none reads. Printed are medians over the rounds.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from compare_llamacpp import TYPES, cpu_name


def measure(model: pathlib.Path, arguments) -> dict[str, float]:
    """Tokens a second and shares of the limit by the number of sequences, and what depth costs."""
    cases = [f"{batch}:{context}" for batch, context in
             [(batch, 0) for batch in arguments.batches] + ([(1, 0), (1, arguments.depth)] if arguments.depth > 0 else [])]
    command = [arguments.vitro, "bench", "-m", model, "-t", arguments.threads, "--prefill", 128, "--decode", ",".join(cases),
               "--repeats", arguments.repeats, "--json"]
    if arguments.kv_type:
        command += ["--kv-type", arguments.kv_type]
    found = json.loads(subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout)
    prefill, bandwidth = found["prefill"][0]["tokens_per_second"], found["limits"]["bytes_per_second"]
    steps = {(row["batch"], row["context"]): row for row in found["decode"]}
    rates = {"prefill": prefill, "bandwidth": bandwidth}
    for batch in arguments.batches:
        row = steps[batch, 0]
        limit = min(prefill, batch * bandwidth / row["bytes"])
        rates[f"rate {batch}"], rates[f"share {batch}"] = row["tokens_per_second"], row["tokens_per_second"] / limit
    if arguments.depth > 0:
        none, deep = steps[1, 0], steps[1, arguments.depth]
        rates["depth"] = (deep["seconds"] - none["seconds"]) / ((deep["bytes"] - none["bytes"]) / none["bytes_per_second"])
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vitro", type=pathlib.Path)
    parser.add_argument("--types", default=",".join(TYPES), help="of the random files")
    parser.add_argument("--files", type=pathlib.Path, default=pathlib.Path("build/models"))
    parser.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], default=[4, 8, 16], help="numbers of sequences")
    parser.add_argument("--depth", type=int, default=0, help="tokens before the one that is decoded alone; 0: this is not measured")
    parser.add_argument("--kv-type", help="type of the cache")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=9, help="of each case in a round, whose median counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--out", type=pathlib.Path, help="the table, as markdown")
    arguments = parser.parse_args()

    version = subprocess.run([str(arguments.vitro), "--version"], check=True, capture_output=True, text=True).stdout.strip()
    heads = ["file", "GB/s that memory gives", "prefill of 128", *(f"{batch} sequences" for batch in arguments.batches)]
    if arguments.depth > 0:
        heads.append(f"after {arguments.depth}, over its bytes' time")
    lines = [f"{cpu_name()}; {arguments.threads} threads; tokens/s and the share of the limit, medians of {arguments.rounds} rounds", "",
             "```", version, "```", "", f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    print("\n".join(lines), flush=True)
    for kind in arguments.types.split(","):
        model = arguments.files / f"phi3-shapes-8-layers-{kind}.gguf"
        rounds = [measure(model, arguments) for _ in range(arguments.rounds)]
        middle = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        cells = [kind.upper(), f"{middle['bandwidth'] / 1e9:.1f}", f"{middle['prefill']:.0f}"]
        cells += [f"{middle[f'rate {batch}']:.0f} ({100 * middle[f'share {batch}']:.0f}%)" for batch in arguments.batches]
        if arguments.depth > 0:
            cells.append(f"{middle['depth']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if arguments.out is not None:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
