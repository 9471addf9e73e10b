"""What cuobjdump says of kernels: registers, shared memory, and the instructions that decide how fast memory is read.

Names and meanings of instructions: CUDA Binary Utilities, "Instruction Set Reference" (Hopper). What nvcc 13 makes of
prefetch.global.L2 is CCTL.E.PF2, of cp.async LDGSTS, of mma.sync HMMA, of wgmma HGMMA, of ldmatrix LDSM, of setmaxnreg
USETMAXREG.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator

RESERVED_SHARED = 1024  # bytes of a block that the system keeps; cuobjdump adds them to static ones where there are any

INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][A-Z0-9_.a-z]*)\s*(.*?)\s*;")
FUNCTION = re.compile(r"^\s*Function\s*:?\s+(\S+?):?\s*$")
REGISTER = re.compile(r"\bR(\d+)\b")
L2_PREFETCHES = {"PF2", "PML2"}  # kinds of CCTL
BY_GROUPS = {"HGMMA", "QGMMA", "IGMMA"}
TENSOR_CORE = {"HMMA", "IMMA"} | BY_GROUPS
STORES = {"ST", "STG", "STS", "STL", "RED", "REDG", "LDGSTS"}  # whose first operand is read, too


class Failure(Exception):
    """What cannot be read, and what to do about it."""


@dataclass
class Resources:
    registers: int
    stack: int
    static_shared: int  # bytes, without those that the system keeps
    local: int


@dataclass
class Counts:
    """Instructions of a kernel, each counted once however often it runs."""

    loads: int = 0         # of 16 bytes, from global memory to registers
    copies: int = 0        # of 16 bytes, from global to shared memory, asynchronous
    in_flight: int = 0     # most loads of 16 bytes before the first use of one of them
    tensor_core: int = 0   # matrix products
    by_groups: int = 0     # of these, those of four warps (wgmma)
    overlapped: int = 0    # exponentials between such a product and the next wait for all of them
    under_way: bool = False  # such products
    resizes: int = 0       # times that groups of warps give registers back or take them (setmaxnreg)
    matrices: int = 0      # loads of matrices from shared memory to registers
    local: int = 0         # loads and stores of local memory: spilled registers, arrays that are indexed
    prefetches: int = 0    # to the L2 cache
    eager: int = 0         # times that loads of 16 bytes are waited for before the next kernel may start
    early_copies: int = 0  # of `copies`, those before the last wait for the kernel in front: ACQBULK
    allows_next: bool = False  # the next kernel may start: PREEXIT
    waiting: set[int] = field(default_factory=set)  # registers that loads on their way will fill
    run: int = 0           # those loads

    def add(self, predicate: str | None, opcode: str, operands: str) -> None:
        name, *parts = opcode.split(".")
        registers = operands.split(",", 1)
        reads = operands if name in STORES else "".join(registers[1:])
        if self.waiting & {int(number) for number in REGISTER.findall(reads)}:
            self.eager += not self.allows_next
            self.forget()
        self.allows_next |= name == "PREEXIT"
        if name == "LDG" and "128" in parts:
            self.loads += 1
            target = REGISTER.match(registers[0].strip())
            if target:
                first = int(target.group(1))
                self.waiting |= set(range(first, first + 4))
                self.run += 1
                self.in_flight = max(self.in_flight, self.run)
        self.copies += name == "LDGSTS" and "128" in parts
        if name == "ACQBULK":
            self.early_copies = self.copies
        self.tensor_core += name in TENSOR_CORE
        self.by_groups += name in BY_GROUPS
        if name in BY_GROUPS:
            self.under_way = True
        elif name == "WARPGROUP" and "DEPBAR" in parts and operands.endswith(" 0x0"):
            self.under_way = False
        self.overlapped += self.under_way and name == "MUFU" and "EX2" in parts
        self.resizes += name == "USETMAXREG"
        self.matrices += name == "LDSM"
        self.local += name in ("LDL", "STL")
        self.prefetches += name == "UBLKPF" or (name == "CCTL" and not L2_PREFETCHES.isdisjoint(parts))
        if predicate is None and name in ("BRA", "EXIT", "RET", "BRX", "JMP"):
            self.forget()

    def forget(self) -> None:
        self.waiting = set()
        self.run = 0


def parse_resources(text: str) -> dict[str, Resources]:
    """Of `cuobjdump --dump-resource-usage`, by mangled name."""
    found, name = {}, None
    for line in text.splitlines():
        match = FUNCTION.match(line)
        if match:
            name = match.group(1)
        elif name and "REG:" in line:
            value = {key: int(number) for key, number in re.findall(r"(\w+):(\d+)", line)}
            found[name] = Resources(value["REG"], value["STACK"], max(0, value["SHARED"] - RESERVED_SHARED),
                                    value["LOCAL"])
            name = None
    return found


def parse_sass(lines: Iterable[str], wanted: set[str] | None = None) -> dict[str, Counts]:
    """Of `cuobjdump -sass`, by mangled name; of the functions that are wanted, or of all."""
    found: dict[str, Counts] = {}
    now = None
    for line in lines:
        match = FUNCTION.match(line)
        if match:
            name = match.group(1)
            now = found.setdefault(name, Counts()) if wanted is None or name in wanted else None
        elif now is not None:
            match = INSTRUCTION.match(line)
            if match:
                now.add(*match.groups())
    return found


def short_name(demangled: str) -> str:
    """`void vitro::cuda::(anonymous namespace)::f<__nv_bfloat16, 8>(int)` is `f<bf16, 8>`."""
    name = demangled.replace("(anonymous namespace)::", "").removeprefix("void ")
    depth = 0
    for at, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            name = name[:at]
            break
    name = re.sub(r"\b\w+::", "", name)
    for long, short in (("__nv_bfloat16", "bf16"), ("__half", "f16"), ("__nv_fp8_e4m3", "f8e4m3")):
        name = name.replace(long, short)
    return name


def demangled(names: list[str]) -> list[str]:
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if not tool:
        raise Failure("c++filt is not there: it comes with binutils (cu++filt, with the CUDA toolkit, will do too)")
    out = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return out.splitlines()


def find_cuobjdump() -> str:
    found = shutil.which("cuobjdump")
    if found:
        return found
    folders = [Path("/usr/local/cuda/bin")] + [Path(folder) / "triton/backends/nvidia/bin" for folder in sys.path]
    for path in (folder / "cuobjdump" for folder in folders):
        if path.is_file():
            return str(path)
    raise Failure("cuobjdump is not there: it comes with the CUDA toolkit and, in triton/backends/nvidia/bin, with "
                  "Triton; name it with --cuobjdump")


class Binary:
    """A file with kernels: a program, a library, an object or a cubin."""

    def __init__(self, path: Path, architecture: str, cuobjdump: str):
        if not path.is_file():
            raise Failure(f"{path} is not there")
        self.path = path
        # A cubin is for one architecture, and cuobjdump takes no other word for it.
        self.command = [cuobjdump] + ([] if path.suffix == ".cubin" else ["-arch", architecture])
        self.architecture = architecture

    def resources(self) -> dict[str, Resources]:
        done = subprocess.run([*self.command, "--dump-resource-usage", str(self.path)], capture_output=True, text=True)
        found = parse_resources(done.stdout)
        if done.returncode != 0 or not found:
            why = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Failure(f"{self.path}: no kernels for {self.architecture} were found in it"
                          + (f" (cuobjdump: {why[0]})" if why else "")
                          + "; `./dev gpu-bundle` builds a program that has them")
        return found

    def sass(self, wanted: set[str] | None) -> dict[str, Counts]:
        with subprocess.Popen([*self.command, "-sass", str(self.path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            return parse_sass(self.lines(process.stdout), wanted)

    @staticmethod
    def lines(stream: Iterable[str]) -> Iterator[str]:
        return (line for line in stream if "/*" in line or "Function" in line)


def main() -> None:
    """usage: sass.py CUBIN: for each kernel that lets the next one start early, whether it waits for weights before,
    what it copies before it waits for the kernel in front, how many products it has for each ten loads of matrices
    (ldmatrix) and how many by four warps, exponentials while these are under way, how often groups change their
    registers, and accesses of local memory."""
    binary = Binary(Path(sys.argv[1]), "sm_90a", find_cuobjdump())
    found = {name: counts for name, counts in binary.sass(None).items() if counts.allows_next}
    for name, counts in zip(demangled(list(found)), found.values()):
        print(f"{short_name(name)}: {counts.eager} waits before PREEXIT, {counts.early_copies} copies before ACQBULK, "
              f"{10 * counts.tensor_core // max(1, counts.matrices)} products for each ten of ldmatrix, "
              f"{counts.by_groups} by four warps, {counts.overlapped} exponentials beside them, "
              f"{counts.resizes} changes of registers, {counts.local} of local memory")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
