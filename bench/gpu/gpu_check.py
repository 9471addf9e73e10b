#!/usr/bin/env python3
"""Everything there is to verify and to measure on a GPU, in one go and in less than eight minutes.

usage: gpu_check.py [--device cuda] [--only facts,limits,...] [--out DIR] [--seconds 470] [--vitro PATH] [--quick]

Each part is processes of its own with a limit of its own: whatever fails or hangs, the others run, and the report says
what happened. Writes DIR/<device>-<date>-<time>.json and .md after every part: an end from outside loses the part under
way. Exits with 0 if every part has passed, else with 1; one that cannot run, for want of a GPU or of PyTorch, has not.

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

import processes
import report
import sanitizer
from processes import Failure, Interrupted, TimedOut, last_json, tail

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Name, limit in seconds, what it is for. In this order; the last ones suffer when time runs short.
PARTS = {
    "facts": (20, "what the device and its driver are"),
    "limits": (40, "bandwidth and matrix products, measured"),
    "ops": (80, "every op's kernels against the references"),
    "parity_2_layers": (70, "logits and 64 greedy tokens as transformers has them"),
    "parity": (110, "the same with all layers"),
    "decode": (100, "decode steps, per batch and context, with the table of kernels"),
    "prefill": (60, "prompts, with the table of kernels"),
    "generate": (40, "100 tokens with and without the KV cache"),
    "fp8": (40, "decode with fp8 weights"),
    "start": (30, "from the start of the process to the first token"),
    "transformers": (170, "the same steps in transformers: eager, and compiled with a static cache"),
    "sanitizer": (120, "compute-sanitizer over some ops"),
}
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

    # --- running things ---------------------------------------------------------------------------------------------

    def left(self):
        return min(self.until, self.deadline) - time.monotonic()

    def run(self, command, seconds=None):
        """stdout of a process, which gets what is left of the part, or less."""
        left = min(self.left(), seconds or self.left())
        if left < 1:
            raise Failure("no time was left")
        return processes.run(command, left)

    def vitro(self, *arguments):
        return self.run([self.options.vitro, *arguments])

    def bench(self, *arguments):
        model = self.model(self.layers)
        return json.loads(self.vitro("bench", "-m", model, "--device", self.options.device, "--json",
                                     *(["--repeats", 1] if self.options.quick else []), *arguments))

    def python(self, script, *arguments):
        """The last line of JSON that a script printed. A failure has it too: what was measured counts."""
        try:
            out = self.run([sys.executable, HERE / script, *arguments, "--device", self.options.device])
        except Failure as failure:
            failure.found = last_json(failure.out)
            if "No module named" in str(failure):
                failure.args = (f"{sys.executable} has not what it needs: {failure}",)
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
                self.models[layers] = Failure(f"no model was made: {failure}", failure.out, failure.errors)
            self.until = until + time.monotonic() - begin
        if isinstance(self.models[layers], Failure):
            raise self.models[layers]
        return self.models[layers]

    def describe(self):
        """Asks `vitro devices`, and keeps why it says nothing if it does not."""
        self.until = time.monotonic() + DESCRIBE_SECONDS
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
        return json.loads(self.vitro("devices", "--limits", self.options.device, "--json"))["limits"]

    def ops(self):
        chosen = ["rms_norm"] if self.options.quick else []
        return {"output": tail(self.vitro("ops", *chosen, "--check", "--device", self.options.device), 60)}

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
        found = self.bench("--kernels", "--decode", cases)
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
        return self.bench("--kernels", "--prefill", "8,16" if self.options.quick else "512,2048,4096")

    def generate(self):
        return self.bench("--generate", 4 if self.options.quick else 100)

    def fp8(self):
        return self.bench("--weights", "fp8", "--kernels", "--decode", "1:0")

    def start(self):
        """Median wall time of whole processes, weights in the page cache."""
        times, model = [], self.model(self.layers)
        for _ in range(1 if self.options.quick else 3):
            begin = time.monotonic()
            self.vitro("run", "-m", model, "--device", self.options.device, "--tokens", "1,5,9,13", "-n", 1, "--json")
            times.append(time.monotonic() - begin)
        return {"seconds": sorted(times)[len(times) // 2]}

    def sanitizer(self):
        if not self.on_gpu:
            raise Failure("there is nothing for it without a GPU; the emulation checks by itself")
        tool, found = sanitizer.tool(), {}
        for i, (check, op) in enumerate(sanitizer.CHECKS):
            share = self.left() / (len(sanitizer.CHECKS) - i)
            command = [tool, "--tool", check, "--error-exitcode", 9, self.options.vitro, "ops", "--check", op,
                       "--device", self.options.device]
            found[f"{check} {op}"] = sanitizer.judge(op, lambda: self.run(command, share))
        bad = [f"{name} {line}" for name, line in found.items() if not line.startswith("passed")]
        if bad:
            raise Failure("; ".join(bad), found=found)
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
        self.until = begin + limit * (4 if self.options.quick else 1)  # nothing is measured, and the emulation is slow
        self.notes = []
        part = {"about": about, "status": "passed"}
        try:
            part["found"] = getattr(self, name)()
        except Failure as failure:
            part |= {"status": "failed", "why": str(failure)}
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
        print(f"{path}.json and .md: {len(passed)} of {len(names)} parts have passed")
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
