#!/usr/bin/env python3
"""What nvcc made of the kernels of a decode step and of a prefill: a table, without a GPU.

Example, after `./dev gpu-bundle`:

    build/gpu-bundle/vitro ops --cuda-report --json > build/cuda_report.json
    bench/gpu/kernels.py build/gpu-bundle/vitro --report build/cuda_report.json -o build/kernels.md

Registers, static shared memory and instructions are those of the machine code, by cuobjdump; threads, dynamic shared
memory, coalescing and bank conflicts those of the launches in the report. Occupancy follows from these: no kernel runs.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import sass
from report import table

# Of a multiprocessor of compute capability 9.0: CUDA Programming Guide, "Compute Capabilities"; 1 KB a block is the
# system's: Hopper Tuning Guide, "Shared Memory". Units of allocation: NVIDIA's occupancy calculator.
REGISTERS, WARPS, BLOCKS, SHARED = 65536, 64, 32, 228 * 1024
REGISTER_UNIT, SHARED_UNIT, PARTITIONS = 256, 128, 4  # registers of a warp; bytes; what warps are dealt out to

# The kernels of Phi-3-mini in bf16.
STEP = [r"embed_kernel", r"rms_norm_kernel(<.*>)?", r"(resident|tile)_product_kernel<bf16, bf16, .*LinearEpilogue>",
        r"(resident|tile)_product_kernel<bf16, bf16, .*true, QkvEpilogue>",
        r"attention_(decode|prefill|hopper)_kernel<bf16, (bf16, )?96>", r"finish_product_kernel<QkvEpilogue>",
        r"finish_linear_kernel<8>", r"gather_rows_kernel<uint4>", r"map_kernel<Same>", r"sample_kernel",
        r"argmax_kernel"]


@dataclass(frozen=True)
class Launch:
    tokens: str  # of a step: "1, 8"
    threads: int
    dynamic_shared: int
    efficiency: float  # of the bytes that move, the share that was asked for: the least
    conflicts: float   # bank conflicts for each request of shared memory: the most


@dataclass
class Kernel:
    name: str
    resources: sass.Resources
    counts: sass.Counts


def round_up(value: int, unit: int) -> int:
    return (value + unit - 1) // unit * unit


def resident_blocks(registers: int, threads: int, shared: int) -> tuple[int, str]:
    """Blocks on a multiprocessor at once, and what limits them. `shared`: static and dynamic bytes."""
    warps = (threads + 31) // 32
    warps_by_registers = REGISTERS // PARTITIONS // round_up(registers * 32, REGISTER_UNIT) * PARTITIONS
    limits = {"threads": WARPS // warps, "registers": warps_by_registers // warps,
              "shared memory": SHARED // round_up(shared + sass.RESERVED_SHARED, SHARED_UNIT), "blocks": BLOCKS}
    limit = min(limits, key=lambda name: limits[name])
    return limits[limit], limit


def launched_as(name: str) -> str:
    """What the report calls the launches of a kernel."""
    base = name.split("<")[0].removesuffix("_kernel")
    if base in ("resident_product", "tile_product"):
        return "qkv_projection" if "QkvEpilogue" in name else "linear"
    return {"finish_product": "finish_qkv", "map": "cast"}.get(base, base)


def tokens_of(call: str) -> int:
    """The rows of the first input whose size is a symbol: of `linear(bf16 [R, 3072], …) … R=4 S=4 T=4`, 4."""
    symbol = re.search(r"\[([A-Z])\b", call)
    value = symbol and re.search(rf" {symbol.group(1)}=(\d+)", call)
    return int(value.group(1)) if value else 1


def is_launch_of(name: str, call: str, threads: int) -> bool:
    """Whether a call, whose launches have the kernel's name, takes this instance of the kernel. With 9 to 16 tokens the
    threads tell tiles, 256 of them, from blocks that stay."""
    if not name.startswith(("resident_product", "tile_product")):
        return True
    tiles, norm = re.findall(r", (\d+), (true|false)", name)[0]
    least, most = {("resident", 1): (1, 8), ("resident", 2): (9, 16), ("tile", 2): (1, 16), ("tile", 4): (17, 32),
                   ("tile", 8): (33, 64)}[name.split("_")[0], int(tiles)]
    if int(tiles) == 2 and (threads == 256) != name.startswith("tile"):
        return False
    return least <= tokens_of(call) <= most and ("norm_weight = " in call) == (norm == "true")


def launches_of(name: str, report: list[dict]) -> list[Launch]:
    """Of the report; those with the same threads and shared memory are one."""
    found: dict[tuple[int, int], list[tuple[int, float, float]]] = {}
    for call in report:
        for row in call["kernels"]:
            if row["kernel"] != launched_as(name) or not is_launch_of(name, call["call"], row["block"]):
                continue
            if row["kernel"] == "cast" and call["op"] != "cast":
                continue
            conflicts = row["bank_conflicts"] / max(1, row["shared_requests"])
            found.setdefault((row["block"], row["dynamic_shared"]), []).append(
                (tokens_of(call["call"]), row["efficiency"], conflicts))
    out = []
    for (threads, dynamic_shared), all_of_it in found.items():
        tokens, efficiencies, conflicts = zip(*all_of_it)
        out.append(Launch(", ".join(map(str, sorted(set(tokens)))), threads, dynamic_shared, min(efficiencies),
                          max(conflicts)))
    return out


def row_of(kernel: Kernel, launch: Launch | None) -> list[str]:
    resources, counts = kernel.resources, kernel.counts
    row = [f"`{kernel.name}`", str(resources.registers)]
    if launch is None:
        row += ["", "", str(resources.static_shared), "", "", ""]
    else:
        blocks, limit = resident_blocks(resources.registers, launch.threads,
                                        resources.static_shared + launch.dynamic_shared)
        warps = blocks * ((launch.threads + 31) // 32)
        row += [launch.tokens, str(launch.threads), f"{resources.static_shared} + {launch.dynamic_shared}",
                f"{100 * warps / WARPS:g}% ({blocks} × {launch.threads // 32} warps, {limit})",
                f"{100 * launch.efficiency:.0f}%", f"{launch.conflicts:.2f}"]
    return row + [str(resources.stack + resources.local), str(counts.local), str(counts.loads), str(counts.copies),
                  str(counts.in_flight), str(counts.tensor_core), str(counts.prefetches)]


HEAD = ["kernel", "registers", "tokens", "threads", "shared bytes, static + dynamic", "occupancy", "coalesced",
        "conflicts a request", "stack, local bytes", "local accesses", "16-byte loads", "16-byte copies",
        "loads in flight", "tensor core", "L2 prefetches"]


def markdown(kernels: list[Kernel], report: list[dict]) -> str:
    rows = []
    for kernel in sorted(kernels, key=lambda each: each.name):
        rows += [row_of(kernel, launch) for launch in launches_of(kernel.name, report) or [None]]
    return "\n".join(table(HEAD, rows))


def read_kernels(binary: sass.Binary, patterns: list[str] | None) -> list[Kernel]:
    resources = binary.resources()
    names = dict(zip(resources, (sass.short_name(name) for name in sass.demangled(list(resources)))))
    wanted = {name for name, short in names.items()
              if patterns is None or any(re.fullmatch(pattern, short) for pattern in patterns)}
    counts = binary.sass(wanted) if wanted else {}
    return [Kernel(names[name], resources[name], counts[name]) for name in wanted if name in counts]


def read_report(path: Path | None) -> list[dict]:
    if path is None:
        return []
    try:
        report = json.loads(path.read_text())
        if all("dynamic_shared" in row for call in report for row in call["kernels"]):
            return report
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise sass.Failure(f"{path}: {error}; `vitro ops --cuda-report --json` writes it") from None
    raise sass.Failure(f"{path} does not say how kernels are launched; `vitro ops --cuda-report --json` writes it")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path, nargs="+",
                        help="a program, library, object or cubin with kernels for --arch")
    parser.add_argument("--report", type=Path, help="what `vitro ops --cuda-report --json` printed; without it there "
                                                    "are no threads, no dynamic shared memory and no occupancy")
    parser.add_argument("--all", action="store_true", help="all kernels, not only those of Phi-3-mini in bf16")
    parser.add_argument("--arch", default="sm_90a", help="default: sm_90a, the H200's")
    parser.add_argument("--cuobjdump", help="where it is, when not on the path")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a file instead")
    options = parser.parse_args()
    try:
        report = read_report(options.report)
        tool = options.cuobjdump or sass.find_cuobjdump()
        kernels = [kernel for path in options.binary
                   for kernel in read_kernels(sass.Binary(path, options.arch, tool), None if options.all else STEP)]
        if not kernels:
            raise sass.Failure(f"{options.binary[0]}: there are kernels, but none of a step in bf16; --all shows them")
        text = markdown(kernels, report)
    except (sass.Failure, OSError) as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    if options.output:
        options.output.write_text(text + "\n")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
