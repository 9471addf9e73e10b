#!/usr/bin/env python3
"""Everything there is to verify and to measure on a GPU, in one go and in less than eight minutes.

usage: gpu_check.py [--device cuda] [--only facts,limits,...] [--out DIR] [--seconds 470] [--vitro PATH] [--quick]

Each part is processes of its own with a limit of its own: whatever fails or hangs, the others run, and the report says
what happened. Writes DIR/<device>-<date>-<time>.json and .md after every part, and .log, with all that processes print,
after each of them: an end from outside loses the process under way. Exits with 0 if every part has passed, else with
1; one that could not run, for want of a GPU or of PyTorch, has not.

--quick takes the bundled model's sizes, not Phi-3-mini's; with --device cuda-emulated it tests this script itself.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import ncu
import processes
import report
import sanitizer
from processes import Failure, Interrupted, NotRun, TimedOut, last_json, tail

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Name, limit in seconds, what it is for. In this order; the last ones suffer when time runs short.
PARTS = {
    "facts": (20, "what the device and its driver are"),
    "limits": (40, "bandwidth and matrix products, measured; products as a plain kernel has them"),
    "parity_2_layers": (70, "logits and 64 greedy tokens as transformers has them"),
    "ops": (80, "every op's kernels against the references"),
    "decode": (60, "decode steps, per batch and context"),
    "prefill": (40, "prompts"),
    "verify": (60, "decode gives what a prompt gives, a batch what each sequence gives alone"),
    "switches": (50, "a decode step without recordings, programmatic launches, prefetching"),
    "kernels": (60, "the time of each kind of kernel"),
    "fp8": (60, "decode with fp8 weights; steps agree with an fp8 cache"),
    "parity": (110, "logits and greedy tokens with all layers"),
    "generate": (40, "100 tokens with and without the KV cache"),
    "start": (30, "from the start of the process to the first token"),
    "ncu": (60, "counters of the kernels that most of the time goes to"),
    "transformers": (170, "the same steps in transformers: eager, and compiled with a static cache"),
    "sanitizer": (120, "compute-sanitizer over some ops"),
}
PRODUCT_NMSE = 1e-4    # of a product in bf16 against another kernel's: both round once
OP_SECONDS = 20        # for one op's check
QUICK_LIMITS = 20      # times the limits with --quick: nothing is measured, and the emulation is slow
DESCRIBE_SECONDS = 20  # what device there is, which names the report
MODEL_SECONDS = 120    # for writing a model of 8 GB; the parts' own limits begin after it


def find_cublaslt():
    """Lets vitro have the cuBLASLt that PyTorch brings, where no other is installed."""
    if "VITRO_CUBLASLT" in os.environ or Path("/usr/local/cuda/lib64/libcublasLt.so.13").exists():
        return
    for folder in sys.path:
        for path in sorted(Path(folder or ".").glob("nvidia/*/lib/libcublasLt.so.13")):
            os.environ["VITRO_CUBLASLT"] = str(path)
            return


class Check:
    def __init__(self, options):
        self.options = options
        self.deadline = time.monotonic() + options.seconds
        self.until = self.deadline  # of the part under way
        self.work = Path(tempfile.mkdtemp(prefix="gpu-check-", dir=options.scratch))
        self.models = {}
        self.notes = []
        self.on_gpu = options.device not in ("cpu", "cuda-emulated")
        self.devices = Failure("not asked yet")
        self.log = None  # a file
        self.name = ""   # of the part under way

    # --- running things ---------------------------------------------------------------------------------------------

    def left(self):
        return min(self.until, self.deadline) - time.monotonic()

    def run(self, command, seconds=None, variables=None):
        """stdout of a process, which gets what is left of the part, or less."""
        left = min(self.left(), seconds or self.left())
        if left < 1:
            raise NotRun("no time was left")
        return processes.run(command, left, self.log, {"GPU_CHECK_PART": self.name, **(variables or {})})

    def vitro(self, *arguments, seconds=None, variables=None):
        return self.run([self.options.vitro, *arguments], seconds, variables)

    def bench(self, *arguments, repeats=100, warm_up=500, variables=None):
        """What `vitro bench` has measured, which a failure has too."""
        command = ["bench", "-m", self.model(self.layers), "--device", self.options.device, "--json", "--lines",
                   "--repeats", 1 if self.options.quick else repeats, "--warm-up", 1 if self.options.quick else warm_up]
        try:
            out = self.vitro(*command, *arguments, variables=variables)
        except Failure as failure:
            failure.found = last_json(failure.out)
            raise
        found = last_json(out)
        if found is None:
            raise Failure("vitro bench printed no JSON", out)
        return found

    def python(self, script, *arguments):
        """The last line of JSON that a script printed. A failure has it too: what was measured counts."""
        try:
            out = self.run([sys.executable, HERE / script, *arguments, "--device", self.options.device])
        except Failure as failure:
            failure.found = last_json(failure.out)
            if "No module named" in str(failure):
                why = f"{sys.executable} has not what it needs: {failure}"
                raise NotRun(why, failure.out, failure.errors) from None
            raise
        found = last_json(out)
        if found is None:
            raise Failure(f"{script} printed no JSON", out)
        return found

    def model(self, layers):
        """A model directory with random weights; made once, and not tried twice."""
        if layers not in self.models:
            config = ROOT / "models/bundled/tiny-phi3/config.json" if self.options.quick else HERE / "phi3_mini.json"
            out = self.work / f"model-{layers}"
            begin, until = time.monotonic(), self.until
            self.until = begin + MODEL_SECONDS
            try:
                self.run([sys.executable, ROOT / "bench/make_random_model.py", out, "--config", config, "--layers",
                          layers])
                (out / "generation_config.json").write_text("{}\n")
                self.models[layers] = out
            except Failure as failure:
                kind = NotRun if isinstance(failure, NotRun) else Failure
                self.models[layers] = kind(f"no model was made: {failure}", failure.out, failure.errors)
            self.until = until + time.monotonic() - begin
        if isinstance(self.models[layers], Failure):
            raise self.models[layers]
        return self.models[layers]

    def describe(self):
        """Asks `vitro devices`, and keeps why it says nothing if it does not."""
        self.until = time.monotonic() + DESCRIBE_SECONDS * (QUICK_LIMITS if self.options.quick else 1)
        try:
            self.devices = json.loads(self.vitro("devices", "--json"))
        except Failure as failure:
            self.devices = failure
        except ValueError as error:
            self.devices = Failure(f"vitro devices --json: {error}")

    def device_name(self):
        """The card's name, for cuda and cuda:N, or what --device says."""
        number = re.fullmatch(r"cuda(?::(\d+))?", self.options.device)
        cards = [] if isinstance(self.devices, Failure) else self.devices["cuda"]
        index = int(number[1] or 0) if number else len(cards)
        return cards[index]["name"] if index < len(cards) else self.options.device

    @property
    def layers(self):
        return 4 if self.options.quick else 32

    # --- the parts --------------------------------------------------------------------------------------------------

    def facts(self):
        if isinstance(self.devices, Failure):
            raise self.devices
        found = dict(self.devices)
        if shutil.which("nvidia-smi"):
            query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit"
            try:
                found["nvidia_smi"] = self.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv"]).strip()
            except Failure as failure:
                self.notes.append(f"nvidia-smi: {failure}")
        if self.on_gpu and not found["cuda"]:
            raise Failure(found["why_no_cuda"], found=found)
        return found

    def limits(self):
        found = json.loads(self.vitro("devices", "--limits", self.options.device, "--json"))["limits"]
        wrong = [f"a product of {p['m']} x {p['n']} x {p['k']}: nmse {p['nmse']:.1e}" for p in found.get("products", [])
                 if not p["nmse"] < PRODUCT_NMSE]
        if wrong:
            raise Failure("; ".join(wrong), found=found)
        return found

    def ops(self):
        """A process for each op: what a fault leaves of a device ends with the process."""
        names = ["rms_norm", "rope"] if self.options.quick else [op["name"] for op in
                                                                   json.loads(self.vitro("ops", "--json"))]
        found = {}
        for name in names:
            try:
                out = self.vitro("ops", name, "--check", "--device", self.options.device,
                                 seconds=OP_SECONDS * (QUICK_LIMITS if self.options.quick else 1))
                found[name] = f"passed: {tail(out, 1)}"
            except NotRun as failure:
                found[name] = f"not run: {failure}"
            except Failure as failure:
                found[name] = f"failed: {failure}"
        bad = [f"{name} {line}" for name, line in found.items() if not line.startswith("passed")]
        if bad:
            raise Failure("; ".join(bad), found=found)
        return found

    def parity_2_layers(self):
        return self.parity(2)

    def parity(self, layers=None):
        found = self.python("parity.py", self.model(layers or self.layers), "--vitro", self.options.vitro,
                            *(["--prompt", 6, "--tokens", 4] if self.options.quick else []))
        if not found["agrees"]:
            raise Failure(found["why"], found=found)
        return found

    def decode(self):
        cases = "1:0,2:16" if self.options.quick else "1:0,1:1000,1:4000,8:1000,32:1000,128:1000"
        found = self.bench("--decode", cases)
        grown = []
        for row in found["decode"]:  # by the free memory of the whole card, which others use too
            case, bytes_ = f"batch {row['batch']}, context {row['context']}", row["allocated_bytes"]
            if bytes_ > 0:
                grown.append(f"{case}: {bytes_} bytes were allocated after the first steps")
            elif bytes_ < 0:
                self.notes.append(f"{case}: something else freed {-bytes_} bytes of the card's memory")
        if grown:
            raise Failure("; ".join(grown), found=found)
        return found

    def prefill(self):
        return self.bench("--prefill", "8,16" if self.options.quick else "512,2048,4096", repeats=30)

    def verify(self, *arguments, cases="1:4000,8:1000,16:500,128:250"):
        try:
            return self.bench("--verify", "1:16,3:20" if self.options.quick else cases, *arguments)
        except Failure as failure:
            rows = (failure.found or {}).get("verify", [])
            wrong = [f"batch {row['batch']}, context {row['context']}: {row['why']}"
                     for row in rows if not row["agrees"]]
            raise Failure("; ".join(wrong), failure.out, failure.errors, failure.found) if wrong else failure

    def switches(self):
        """Seconds of a decode step and of a prefill in each way, and twice as it is: what those differ by is noise."""
        quick, found, failed = self.options.quick, {}, []
        for way, case, variables in (("decode", "1:16" if quick else "1:1000",
                                      ("", "VITRO_CUDA_GRAPHS", "VITRO_CUDA_PDL", "VITRO_CUDA_PREFETCH", "")),
                                     ("prefill", "64" if quick else "2048", ("", "VITRO_CUDA_WGMMA", ""))):
            for variable in variables:
                name = f"{way}, {variable}=0" if variable else f"{way}, as it is" + ", again" * (
                    f"{way}, as it is" in found)
                try:
                    found[name] = self.bench(f"--{way}", case, variables={variable: "0"} if variable else {}
                                             )[way][0]["seconds"]
                except Failure as failure:
                    failed.append(f"{name}: {failure}")
        if failed:
            raise Failure("; ".join(failed), found=found)
        return found

    def kernels(self):
        """Without prefetching: bytes that a kernel brings for the next one are not its own."""
        decode, prefill = ("2:16", "8") if self.options.quick else ("1:0,1:1000,1:4000,8:1000,32:1000,128:1000", "2048")
        return self.bench("--kernels", "--decode", decode, "--prefill", prefill, repeats=20, warm_up=100,
                          variables={"VITRO_CUDA_PREFETCH": "0"})

    def generate(self):
        return self.bench("--generate", 4 if self.options.quick else 100)

    def fp8(self):
        found = self.bench("--weights", "fp8", "--kernels", "--decode", "1:16" if self.options.quick else "1:0,1:1000")
        try:
            found |= {"verify": self.verify("--kv-type", "fp8", cases="1:4000,8:1000")["verify"]}
        except Failure as failure:
            failure.found = found | {"verify": (failure.found or {}).get("verify", [])}
            raise
        return found

    def start(self):
        """Median wall time of whole processes, weights in the page cache."""
        times, model = [], self.model(self.layers)
        for _ in range(1 if self.options.quick else 3):
            begin = time.monotonic()
            self.vitro("run", "-m", model, "--device", self.options.device, "--tokens", "1,5,9,13", "-n", 1, "--json")
            times.append(time.monotonic() - begin)
        return {"seconds": sorted(times)[len(times) // 2]}

    def ncu(self):
        if not self.on_gpu:
            raise NotRun("there is nothing for it without a GPU; `vitro ops --cuda-report` counts in the emulation")
        path, found, why = ncu.tool(), {}, []
        for i, (kernel, flag, skip) in enumerate(ncu.KERNELS):
            share = self.left() / (len(ncu.KERNELS) - i)
            case = "1:1000" if flag == "--decode" else "2048"
            command = [*ncu.command(path, kernel, skip), self.options.vitro, "bench", "-m", self.model(self.layers),
                       "--device", self.options.device, flag, case, "--repeats", 1]
            try:  # one kernel after the other: a recording would be one launch
                out = self.run(command, share, {"VITRO_CUDA_GRAPHS": "0"})
                found[kernel] = ncu.parse(out)
                if not found[kernel]:
                    why.append(f"{kernel}: it counted nothing: {tail(out, 1)}")
            except Failure as failure:
                why.append(f"{kernel}: {failure}")
        if why:  # a tool that a machine does not let work says nothing of the kernels
            raise NotRun("; ".join(why), found=found)
        return found

    def sanitizer(self):
        if not self.on_gpu:
            raise NotRun("there is nothing for it without a GPU; the emulation checks by itself")
        tool, found = sanitizer.tool(), {}
        for i, (check, op) in enumerate(sanitizer.CHECKS):
            share = self.left() / (len(sanitizer.CHECKS) - i)
            command = [tool, "--tool", check, "--error-exitcode", 9, self.options.vitro, "ops", "--check", op,
                       "--device", self.options.device]
            found[f"{check} {op}"] = sanitizer.judge(op, lambda: self.run(command, share))
        bad = [f"{name} {line}" for name, line in found.items() if not line.startswith("passed")]
        if any(line.startswith("failed") for line in found.values()):
            raise Failure("; ".join(bad), found=found)
        if bad:
            raise NotRun("; ".join(bad), found=found)
        return found

    def transformers(self):
        model = self.model(self.layers)
        try:
            return self.python("transformers_bench.py", model, "--seconds", round(self.left() - 10, 1),
                               *(["--quick"] if self.options.quick else []))
        except TimedOut as failure:  # a line after each measurement: what there is counts
            if failure.found is None:
                raise
            self.notes.append(f"{failure}; what it had measured is kept")
            return failure.found

    # --- all of them ------------------------------------------------------------------------------------------------

    def part(self, name):
        limit, about = PARTS[name]
        begin = time.monotonic()
        self.until = begin + limit * (QUICK_LIMITS if self.options.quick else 1)
        self.notes, self.name = [], name
        part = {"about": about, "status": "passed"}
        try:
            part["found"] = getattr(self, name)()
        except Failure as failure:
            part |= {"status": "not run" if isinstance(failure, NotRun) else "failed", "why": str(failure)}
            part |= {"details": tail(failure.out + failure.errors, 40)} if failure.out + failure.errors else {}
            part |= {"found": failure.found} if failure.found is not None else {}
        except Exception as error:  # a part's own mistake must not end the others
            part |= {"status": "failed", "why": f"{type(error).__name__}: {error}"}
        if self.notes:
            part["notes"] = self.notes
        part["seconds"] = round(time.monotonic() - begin, 1)
        words = "; ".join([part["why"]] if "why" in part else self.notes)
        print(f"{name:<16} {part['status']:<7} {part['seconds']:>6.1f} s  {words}", flush=True)
        return part


def default_vitro():
    beside = ROOT / "vitro"  # a bundle
    return beside if beside.is_file() else ROOT / "build/release/vitro"


def check_all(options):
    """Runs the parts and writes the report after each. Returns the exit code."""
    now, begin = datetime.datetime.now().astimezone(), time.monotonic()
    names = [name for name in PARTS if not options.only or name in options.only]
    parts, code, path = {}, 1, None
    whole = {"date": now.isoformat(timespec="seconds"), "device": options.device, "quick": options.quick,
             "command": " ".join(["gpu_check.py", *sys.argv[1:]]), "parts": parts}

    def save():
        whole["seconds"] = round(time.monotonic() - begin, 1)
        whole["not_run"] = [name for name in names if name not in parts]
        report.write(path, whole)

    check, name = Check(options), ""
    try:
        check.describe()
        whole["name"] = check.device_name()
        path = options.out / f"{re.sub(r'[^a-z0-9]+', '-', whole['name'].lower()).strip('-')}-{now:%Y-%m-%d-%H%M%S}"
        check.log = f"{path}.log"
        for name in names:
            parts[name] = check.part(name)
            save()
    except Interrupted as signal:
        code = 128 + signal.number
        print(f"interrupted by {signal}", flush=True)
        if name:
            parts.setdefault(name, {"about": PARTS[name][1], "status": "failed", "why": f"interrupted by {signal}"})
            save()
    finally:
        shutil.rmtree(check.work, ignore_errors=True)
    passed = [name for name, part in parts.items() if part["status"] == "passed"]
    if path:
        print(f"{path}.json, .md and .log: {len(passed)} of {len(names)} parts have passed")
    return 0 if len(passed) == len(names) else code


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", type=lambda text: text.split(","), help="these parts: " + ", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=HERE, help="where the report goes (default: beside this script)")
    parser.add_argument("--scratch", type=Path, help="where models of 8 GB are made (default: the temporary folder)")
    parser.add_argument("--seconds", type=float, default=470, help="for everything together (default 470)")
    parser.add_argument("--vitro", type=Path, default=default_vitro())
    parser.add_argument("--quick", action="store_true", help="a small model: tests this script, measures nothing")
    options = parser.parse_args()
    options.vitro = options.vitro.absolute()  # a name alone would be looked for in the PATH
    if not options.vitro.is_file():
        parser.error(f"{options.vitro} is not there: ./dev build makes it, ./dev gpu-bundle the one that is carried")
    for name in options.only or []:
        if name not in PARTS:
            parser.error(f"--only: expected {', '.join(PARTS)}, found {name}")
    options.out.mkdir(parents=True, exist_ok=True)
    processes.interrupt_on_signals()
    find_cublaslt()
    sys.exit(check_all(options))


if __name__ == "__main__":
    main()
