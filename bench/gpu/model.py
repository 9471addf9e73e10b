#!/usr/bin/env python3
"""A model of the time of a step on an H200, from bytes, operations and launches. Nothing in it is timed.

Example:

    ./dev vitro ops --cuda-report --json > build/cuda_report.json
    bench/gpu/model.py --report build/cuda_report.json -o build/model.md

Bytes and operations are those of `vitro graph --json`, which come from the ops' cost functions; whether a kernel is
launched programmatically, and what the choice of a token reads, are in the report. A kernel takes the longer of its
bytes at the memory's rate and its operations at the tensor cores', and a latency.

A product of many tokens is up to three kernels: the norm, a Gemm, and the rest. One of 17 to 64 multiplies by the
instructions that attention of few tokens uses, and is given its share of the peak.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from report import table

HERE = Path(__file__).resolve().parent
RESIDENT_TOKENS = 16  # kResidentTokens of ops/common/resident_product_cuda.h: up to so many, blocks stay
TILE_TOKENS = 64      # kTileTokens of ops/common/tile_product_cuda.h: of more, a product is a Gemm
WGMMA_TOKENS = 64     # kWgmmaTokens of ops/attention/attention_cuda.cu: from so many on, attention is by wgmma ...
TOKENS_PER_SEQUENCE = 8  # ... where a sequence has as many
BF16 = 2  # bytes

DECODE = [(1, 0), (1, 1000), (1, 4000), (8, 1000), (32, 1000), (128, 1000)]
PREFILL = [512, 2048, 4096]


@dataclass
class Machine:
    """What the model assumes; flags of the same names change it."""

    bandwidth: float = 4.3e12  # bytes/s, taken as what an H200 reads at most; its data sheet says 4.8e12
    peak: float = 989e12       # bf16 operations/s of the tensor cores, dense: NVIDIA H200 data sheet
    gemm_share: float = 0.65   # of the peak, in products of many tokens; assumed
    attention_share: float = 0.35  # of the peak, in attention by mma: FlashAttention-2 on an H100 (Shah et al. 2024)
    wgmma_share: float = 0.6   # in attention by wgmma; assumed: FlashAttention-3 reaches up to 0.75 (same source)
    latency: float = 3e-6      # s from the end of a kernel's reads to the full rate of the next one's; assumed
    hidden: float = 0.5        # of the latency, by a programmatic launch; assumed
    block_bandwidth: float = 47e9  # bytes/s of a block: 1024 threads, 32 bytes each on their way for 0.7 us; assumed
    product_blocks: float = 132    # of a product of few tokens at once: one on each multiprocessor
    product_block_bandwidth: float = 66e9  # bytes/s of one of those: 512 threads, 128 bytes each for 1 us; assumed


@dataclass
class Kind:
    """Kernels that are alike."""

    name: str
    bytes: int  # of one
    flops: int
    programmatic: bool
    share: float  # of the peak that its operations reach
    rate: float   # bytes/s
    count: int = 1
    blocks: int = 0  # units of a product of few tokens, of which the last may be too few for the memory's rate

    def transfer(self, machine: Machine) -> float:
        """Seconds that its bytes take."""
        last = self.blocks % machine.product_blocks
        if not last:
            return self.bytes / self.rate
        of_last = self.bytes * last / self.blocks
        return (self.bytes - of_last) / self.rate + of_last / min(self.rate, last * machine.product_block_bandwidth)

    def seconds(self, machine: Machine) -> tuple[float, float]:
        """Of one: working, and waiting."""
        work = max(self.transfer(machine), self.flops / (machine.peak * self.share))
        return work, machine.latency * (1 - machine.hidden * self.programmatic)

    def bound(self, machine: Machine) -> str:
        by_flops = self.flops / (machine.peak * self.share) > self.transfer(machine)
        work, wait = self.seconds(machine)
        return "latency" if wait > work else "operations" if by_flops else "bytes"


@dataclass
class Case:
    name: str
    tokens: int  # that a step makes: one of each sequence, or those of the prompt
    kinds: list[Kind]
    least_bytes: int
    least_flops: int

    def seconds(self, machine: Machine) -> float:
        return sum(kind.count * sum(kind.seconds(machine)) for kind in self.kinds)

    def limit(self, machine: Machine) -> float:
        return max(self.least_bytes / machine.bandwidth, self.least_flops / machine.peak)


def programmatic_ops(report: list[dict]) -> set[str]:
    """Those all of whose kernels are launched so."""
    ops: dict[str, bool] = {}
    for call in report:
        for row in call["kernels"]:
            ops[call["op"]] = ops.get(call["op"], True) and row["programmatic"]
    return {op for op, all_are in ops.items() if all_are}


def sample_launch(report: list[dict]) -> tuple[int, int]:
    """What the choice of one token asks for, the logits three times, and the blocks that share the first time."""
    return next((row["bytes"], row["grid"][1]) for call in report
                if call["op"] == "sample" and call["call"].endswith("T=1") for row in call["kernels"])


def parts_of_product(node: dict, shapes: dict[str, list], tokens: int) -> dict[str, int]:
    """The kernels of a product of many tokens, with their bytes: what one leaves in memory the next one reads."""
    n, k = shapes[node["inputs"][1]]
    attributes, parts = node["attributes"], {}
    gemm = node["bytes"]
    if "norm_weight" in node["input_names"]:
        parts["norm"] = 2 * tokens * k * BF16
    if node["op"] == "qkv_projection" or attributes.get("gated") or attributes.get("activation"):
        written = tokens * (n // 2 if attributes.get("gated") else n) * BF16
        parts["finish"] = tokens * n * BF16 + written
        gemm += tokens * n * BF16 - written
    return parts | {"gemm": gemm}


def rows_of(node: dict, shapes: dict[str, list], sizes: dict[str, int]) -> int:
    first = shapes[node["outputs"][0]][0]
    return sizes.get(first, 1) if isinstance(first, str) else first


def name_of(node: dict) -> str:
    path = node["outputs"][0]
    if path.endswith(".rows") or ".layers." not in path:
        return f"{node['op']} {path.split('.layers.')[-1]}".replace(" model.", " ")
    return f"{node['op']} {path.split('.')[-1]}"


def kinds_of(node: dict, graph: dict, shapes: dict[str, list], report: list[dict], machine: Machine) -> list[Kind]:
    """The kernels of a step."""
    op, name, tokens = node["op"], name_of(node), rows_of(node, shapes, graph["symbols"])
    programmatic = op in programmatic_ops(report)
    if op in ("linear", "qkv_projection") and tokens > TILE_TOKENS:
        return [Kind(f"{name}, {part}", moved, node["flops"] if part == "gemm" else 0, programmatic and part != "gemm",
                     machine.gemm_share, machine.bandwidth)
                for part, moved in parts_of_product(node, shapes, tokens).items()]
    is_product = op in ("linear", "qkv_projection")
    is_tiled = is_product and tokens > RESIDENT_TOKENS
    by_wgmma = op == "attention" and tokens >= max(WGMMA_TOKENS, TOKENS_PER_SEQUENCE * graph["symbols"].get("S", 1))
    share = (machine.wgmma_share if by_wgmma else machine.attention_share if op == "attention" or is_tiled
             else machine.gemm_share)
    if op == "sample":  # after the first time a block for each row
        moved, blocks = sample_launch(report)
        rate = tokens * machine.block_bandwidth * 3 / (2 + 1 / blocks)
        return [Kind(name, tokens * moved, node["flops"], programmatic, share, min(machine.bandwidth, rate))]
    # 16 rows of the weights a unit, or 8 of a gate and its 8 of up.
    blocks = -(-shapes[node["inputs"][1]][0] // 16) if is_product and not is_tiled else 0
    return [Kind(name, node["bytes"], node["flops"], programmatic, share, machine.bandwidth, blocks=blocks)]


def case_of(name: str, tokens: int, graph: dict, report: list[dict], machine: Machine) -> Case:
    shapes = {value["path"]: value["shape"] for value in graph["values"]}
    kinds: dict[str, Kind] = {}
    nodes = [node for node in graph["nodes"] if node["work"] != "view"]
    for kind in (kind for node in nodes for kind in kinds_of(node, graph, shapes, report, machine)):
        if kind.name in kinds:
            kinds[kind.name].count += 1
        else:
            kinds[kind.name] = kind
    return Case(name, tokens, list(kinds.values()), sum(node["bytes"] for node in nodes),
                sum(node["flops"] for node in nodes))


def graph_of(vitro: Path, config: Path, *arguments: object) -> dict:
    with tempfile.TemporaryDirectory() as model:
        (Path(model) / "config.json").write_bytes(config.read_bytes())
        command = [vitro, "graph", "-m", model, "--device", "cuda-emulated", "--json", *arguments]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def cases(vitro: Path, config: Path, report: list[dict], machine: Machine) -> list[Case]:
    out = []
    for batch, context in DECODE:
        graph = graph_of(vitro, config, "--phase", "decode", "--batch", batch, "-c", context + 1)
        out.append(case_of(f"decode, batch {batch}, context {context}", batch, graph, report, machine))
    for tokens in PREFILL:
        graph = graph_of(vitro, config, "--phase", "prefill", "--chunk", tokens, "-c", tokens)
        out.append(case_of(f"prefill, {tokens} tokens", tokens, graph, report, machine))
    return out


def summary(found: list[Case], machine: Machine) -> list[str]:
    rows = []
    for case in found:
        whole, limit = case.seconds(machine), case.limit(machine)
        parts = {"products": 0.0, "attention": 0.0, "rest": 0.0, "latency": 0.0}
        for kind in case.kinds:
            work, wait = kind.seconds(machine)
            op = kind.name.split()[0]
            part = "products" if op in ("linear", "qkv_projection") else "attention" if op == "attention" else "rest"
            parts[part] += kind.count * work
            parts["latency"] += kind.count * wait
        rows.append([case.name, f"{case.least_bytes / 1e9:.2f}", f"{case.least_flops / 1e12:.3g}",
                     str(sum(kind.count for kind in case.kinds)), f"{1e3 * whole:.2f}",
                     f"{case.tokens / whole:,.0f}", f"{100 * limit / whole:.0f}%",
                     *(f"{100 * part / whole:.0f}%" for part in parts.values())])
    return table(["step", "GB", "TFLOP", "kernels", "ms, predicted", "tokens/s, predicted", "of the limit", "products",
                  "attention", "rest", "latency"], rows)


def details(case: Case, machine: Machine) -> list[str]:
    whole = case.seconds(machine)
    rows = []
    for kind in sorted(case.kinds, key=lambda each: -each.count * sum(each.seconds(machine))):
        work, wait = kind.seconds(machine)
        rows.append([f"`{kind.name}`", str(kind.count), f"{kind.bytes:,}", f"{kind.flops:,}",
                     f"{1e6 * work:.2f}", f"{1e6 * wait:.2f}", kind.bound(machine),
                     f"{100 * kind.count * (work + wait) / whole:.1f}%"])
    return [f"{case.name[0].upper()}{case.name[1:]}:", ""] + table(
        ["kernel", "times", "bytes", "operations", "working, us", "latency, us", "bound by", "of the step"],
        rows)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vitro", type=Path, default=HERE.parent.parent / "build/release/vitro")
    parser.add_argument("--config", type=Path, default=HERE / "phi3_mini.json", help="default: Phi-3-mini's shapes")
    parser.add_argument("--report", type=Path, required=True, help="what `vitro ops --cuda-report --json` printed")
    parser.add_argument("-o", "--output", type=Path, help="write the tables to a file instead")
    for name, value in vars(Machine()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=value, help=f"default: {value:g}")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    machine = Machine(**{name: getattr(options, name) for name in vars(Machine())})
    if not options.vitro.is_file():
        sys.exit(f"error: {options.vitro} is not there: ./dev build makes it")
    try:
        report = json.loads(options.report.read_text())
        programmatic_ops(report), sample_launch(report)
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        sys.exit(f"error: {options.report}: {error!r}; `vitro ops --cuda-report --json` writes it")
    found = cases(options.vitro, options.config, report, machine)
    shown = [found[1], found[-2]]
    lines = summary(found, machine) + [line for case in shown for line in details(case, machine)]
    text = "\n".join(lines)
    if options.output:
        options.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
