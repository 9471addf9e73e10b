"""bench/gpu/gpu_check.py without a GPU: what happens when processes fail, hang, or are ended from outside."""

import argparse
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest
from pathlib import Path
from unittest import mock

SCRIPTS = Path(__file__).resolve().parents[2] / "bench/gpu"
sys.path.insert(0, str(SCRIPTS))

import gpu_check  # noqa: E402
import ncu  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402
import sanitizer  # noqa: E402
from torch_device import torch_device  # noqa: E402

# `ops` hangs, and has a child that does.
VITRO = """#!/bin/sh
case "$1 $2" in
"devices --json") echo '{"cpu": {"threads": 1}, "cuda": [{"name": "Card One"}, {"name": "Card (2)"}]}' ;;
"devices --limits") echo '{"limits": {"read_bytes_per_second": 1e9, "copy_bytes_per_second": 1e9, "gemm_size": 8,
    "gemm_flops_per_second": 1e9}}' ;;
"ops --json") echo '[{"name": "rms_norm"}, {"name": "rope"}]' ;;
"ops rope") echo "rope passed: cuda 3" ;;
ops*) sleep 600 & echo $! > "$(dirname "$0")/child"; echo "half a line"; wait ;;
*) echo "error: $1 does not work" >&2; exit 3 ;;
esac
"""


def alive(pid: int) -> bool:
    """Whether it runs: one that nobody has waited for has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.script("vitro", VITRO)

    def script(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def check(self, **more: object) -> gpu_check.Check:
        options = {"device": "cuda", "only": None, "scratch": self.folder, "seconds": 60, "quick": True,
                   "vitro": self.folder / "vitro"}
        return gpu_check.Check(argparse.Namespace(**options | more))

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, str(SCRIPTS / "gpu_check.py"), "--out", "out", "--scratch", ".", *arguments]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def reports(self) -> list[Path]:
        return sorted((self.folder / "out").glob("*.json"))

    def child(self) -> int:
        path = self.folder / "child"
        self.assertTrue(until(lambda: path.exists() and path.read_text().strip()))
        return int(path.read_text())


class Processes(Folder):
    def test_a_failure_keeps_what_was_printed(self) -> None:
        with self.assertRaises(processes.Failure) as caught:
            processes.run(["sh", "-c", "echo out; echo first >&2; echo last >&2; exit 3"], 10)
        self.assertEqual((str(caught.exception), caught.exception.out), ("last", "out\n"))
        with self.assertRaisesRegex(processes.Failure, "^killed by SIGSEGV: words$"):
            processes.run(["sh", "-c", "echo words >&2; kill -SEGV $$"], 10)
        with self.assertRaisesRegex(processes.Failure, "^/nowhere/vitro: No such file"):
            processes.run(["/nowhere/vitro"], 10)

    def test_a_limit_ends_the_children_too_and_keeps_what_was_printed(self) -> None:
        with self.assertRaises(processes.TimedOut) as caught:
            processes.run([self.folder / "vitro", "ops", "rms_norm"], 2)
        self.assertEqual(caught.exception.out, "half a line\n")
        self.assertTrue(until(lambda: not alive(self.child())))

    def test_the_last_line_of_json(self) -> None:
        self.assertEqual(processes.last_json('{"a": 1}\n{"a": 2}\nNaN\nwords\n{"a": 3, "b"'), {"a": 2})
        self.assertIsNone(processes.last_json("words\n[1]\n"))


class Whole(Folder):
    def test_a_signal_ends_the_child_and_keeps_the_parts_before(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number=number):
                (self.folder / "child").unlink(missing_ok=True)
                shutil.rmtree(self.folder / "out", ignore_errors=True)
                process = self.start("--vitro", "./vitro", "--only", "facts,limits,ops,start")
                child = self.child()
                self.assertTrue(alive(child))
                before = json.loads(self.reports()[0].read_text())  # there already
                self.assertEqual((list(before["parts"]), before["not_run"]), (["facts", "limits"], ["ops", "start"]))
                process.send_signal(number)
                out, errors = process.communicate(timeout=20)
                self.assertEqual((process.returncode, errors), (128 + number, ""))
                self.assertTrue(until(lambda: not alive(child)))
                found = json.loads(self.reports()[0].read_text())
                self.assertEqual({name: part["status"] for name, part in found["parts"].items()},
                                 {"facts": "passed", "limits": "passed", "ops": "failed"})
                self.assertEqual(found["parts"]["ops"]["why"], f"interrupted by {signal.Signals(number).name}")
                text = self.reports()[0].with_suffix(".md").read_text()
                self.assertIn("Without a result: start.", text)
                self.assertEqual(list(self.folder.glob("gpu-check-*")) + list(self.folder.glob("out/*.part")), [])

    def test_the_report_is_named_by_device_and_time(self) -> None:
        for vitro, device, name in (("vitro", "cuda", "card-one"), ("./vitro", "cuda:1", "card-2"),
                                    ("vitro", "cuda:7", "cuda-7"), ("vitro", "cuda-emulated", "cuda-emulated")):
            process = self.start("--vitro", vitro, "--only", "limits", "--device", device)
            out, errors = process.communicate(timeout=20)
            self.assertEqual((process.returncode, errors), (0, ""), out)
            found = [path for path in self.reports() if re.fullmatch(name + r"-\d{4}(-\d\d){2}-\d{6}\.json", path.name)]
            self.assertEqual(len(found), 1, self.reports())

    def test_everything_ends_at_the_deadline(self) -> None:
        begin = time.monotonic()
        process = self.start("--vitro", "vitro", "--only", "limits,ops,start", "--seconds", "3", "--quick")
        out, errors = process.communicate(timeout=30)
        self.assertLess(time.monotonic() - begin, 15)
        parts = json.loads(self.reports()[0].read_text())["parts"]
        self.assertRegex(parts["ops"]["why"], "rms_norm failed: did not end within .*; rope not run: no time was")
        self.assertRegex(self.reports()[0].with_suffix(".log").read_text(), "half a line\n+=== did not end within")
        self.assertEqual((parts["start"]["status"], parts["start"]["why"]), ("not run", "no model was made: no time was left"))
        self.assertEqual((process.returncode, errors), (1, ""))


class Parts(Folder):
    def test_decode_fails_for_what_is_allocated_only(self) -> None:
        row = {"batch": 1, "context": 0, "seconds": 1, "tokens_per_second": 1, "bytes": 1, "bytes_per_second": 1,
               "launches": 1}
        for bytes_, status, words in ((0, "passed", None), (4096, "failed", "4096 bytes were allocated"),
                                      (-4096, "passed", "something else freed 4096 bytes")):
            check = self.check()
            check.bench = lambda *_: {"decode": [row | {"allocated_bytes": bytes_}]}
            part = check.part("decode")
            self.assertEqual(part["status"], status)
            self.assertIn(words or "", part.get("why", "") + "".join(part.get("notes", [])))
            self.assertEqual(len(part["found"]["decode"]), 1)  # the times stay

    def test_facts_without_nvidia_smi(self) -> None:
        self.script("nvidia-smi", "#!/bin/sh\necho 'Failed to initialize NVML'; exit 9\n")
        check = self.check()
        check.describe()
        with mock.patch.dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}"):
            part = check.part("facts")
        self.assertEqual((part["status"], part["found"]["cuda"][0]["name"]), ("passed", "Card One"))
        self.assertEqual(part["notes"], ["nvidia-smi: Failed to initialize NVML"])

    def bench(self, text: str, limit: float = 30) -> dict:
        self.script("transformers_bench.py", text)
        check = self.check(quick=False)
        check.model = lambda layers: self.folder
        parts = {"transformers": (limit, "")}
        with mock.patch.object(gpu_check, "HERE", self.folder), mock.patch.object(gpu_check, "PARTS", parts):
            return check.part("transformers")

    def test_transformers_keeps_what_it_had_measured(self) -> None:
        lines = "print('{\"eager\": 1}'); print('{\"eager\": 2}'); print('{\"eager\": 3, ', flush=True)\n"
        part = self.bench(lines + "raise SystemExit('out of memory')")
        self.assertEqual((part["status"], part["found"], part["why"]), ("failed", {"eager": 2}, "out of memory"))
        part = self.bench(lines + "import time; time.sleep(60)", 5)
        self.assertEqual((part["status"], part["found"]), ("passed", {"eager": 2}))
        self.assertIn("did not end within 5 s", part["notes"][0])
        part = self.bench("import no_torch_here")
        self.assertEqual((part["status"], part.get("found")), ("not run", None))
        self.assertIn(f"{sys.executable} has not what it needs", part["why"])

    def test_each_run_of_the_sanitizer_counts_alone(self) -> None:
        self.script("compute-sanitizer", """#!/bin/sh
case "$2 $8" in
"memcheck rms_norm") echo "rms_norm  text 3"; echo "========= ERROR SUMMARY: 0 errors" ;;
"racecheck rms_norm") echo "========= Error: Device not supported. Please read"; exit 1 ;;
"memcheck linear") echo "========= Invalid __global__ read of size 4 bytes"; echo "========= ERROR SUMMARY: 1 error"
    exit 9 ;;
"memcheck attention") echo "========= ERROR SUMMARY: 0 errors" ;;
"racecheck linear") sleep 60 ;;
*) echo "attention  text 3"; echo "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)" ;;
esac
""")
        check = self.check(quick=False)
        with (mock.patch.dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}"),
              mock.patch.object(gpu_check, "PARTS", {"sanitizer": (12, "")})):
            part = check.part("sanitizer")
        self.assertEqual(part["status"], "failed")
        for name, line in (
            ("memcheck rms_norm", "passed: ERROR SUMMARY: 0 errors"),
            ("racecheck rms_norm", "not run: Error: Device not supported. Please read"),
            ("memcheck linear", "failed: Invalid __global__ read of size 4 bytes; ERROR SUMMARY: 1 error"),
            ("memcheck attention", "not run: the program printed nothing"),
            ("racecheck linear", "not run: did not end within 6 s"),
            ("racecheck attention", "passed: RACECHECK SUMMARY: 0 hazards"),
        ):
            self.assertTrue(part["found"][name].startswith(line), (name, part["found"][name]))
        self.assertEqual(list(part["found"]), [" ".join(words) for words in sanitizer.CHECKS])
        self.assertNotIn("rms_norm passed", part["why"])

    def test_a_sanitizer_or_counters_that_cannot_run_are_no_failure_of_the_kernels(self) -> None:
        self.script("compute-sanitizer", "#!/bin/sh\necho '========= Error: Device not supported'; exit 1\n")
        self.script("ncu", "#!/bin/sh\necho '==ERROR== ERR_NVGPUCTRPERM'; exit 1\n")
        check = self.check(quick=False)
        check.model = lambda layers: self.folder
        with mock.patch.dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}"):
            parts = {name: check.part(name) for name in ("sanitizer", "ncu")}
        self.assertEqual([part["status"] for part in parts.values()], ["not run", "not run"])
        self.assertIn("resident_product_kernel: ==ERROR== ERR_NVGPUCTRPERM", parts["ncu"]["why"])

    def test_the_counters_of_a_kernel(self) -> None:
        time, memory = ncu.METRICS[:2]
        out = (f'==PROF== Connected\ndecode batch 1\n"ID","Kernel Name","{time}","{memory}"\n"","","us","%"\n'
               '"0","resident_product_kernel","23.4","91.2"\n')
        self.assertEqual(ncu.parse(out), {time: "23.4 us", memory: "91.2 %"})
        self.assertEqual(ncu.parse("==PROF== no kernels were profiled\n"), {})

    def test_an_op_that_dies_leaves_the_others(self) -> None:
        self.script("vitro", """#!/bin/sh
case "$1 $2" in
"ops --json") echo '[{"name": "rms_norm"}, {"name": "linear"}, {"name": "rope"}]' ;;
"ops linear") echo "error: an illegal memory access was encountered" >&2; exit 1 ;;
*) echo "$2 passed: cuda 3" ;;
esac
""")
        check = self.check(quick=False)
        part = check.part("ops")
        self.assertEqual(part["found"], {"rms_norm": "passed: rms_norm passed: cuda 3",
                                         "linear": "failed: error: an illegal memory access was encountered",
                                         "rope": "passed: rope passed: cuda 3"})
        self.assertEqual(part["why"], "linear failed: error: an illegal memory access was encountered")

    def test_steps_that_differ_say_where_and_keep_the_numbers(self) -> None:
        row = {"batch": 8, "context": 1000, "agrees": False, "why": "equal sequences differ"}
        self.script("vitro", f"#!/bin/sh\necho '{json.dumps({'verify': [row]})}'; exit 1\n")
        check = self.check()
        check.model = lambda layers: self.folder
        part = check.part("verify")
        self.assertEqual((part["status"], part["why"], part["found"]),
                         ("failed", "batch 8, context 1000: equal sequences differ", {"verify": [row]}))

    def test_a_product_that_differs_from_the_plain_kernel_fails(self) -> None:
        limits = {"limits": {"products": [{"m": 1, "n": 2, "k": 3, "nmse": 0.5}, {"m": 4, "n": 5, "k": 6, "nmse": 0}]}}
        self.script("vitro", f"#!/bin/sh\necho '{json.dumps(limits)}'\n")
        part = self.check().part("limits")
        self.assertEqual((part["status"], part["why"]), ("failed", "a product of 1 x 2 x 3: nmse 5.0e-01"))

    def test_a_bench_that_dies_keeps_what_it_had_measured(self) -> None:
        self.script("vitro", """#!/bin/sh
echo '{"decode": []}'; echo '{"decode": [{"batch": 1}]}'; echo '{"decode": [{"bat'
echo "error: the card is gone" >&2; exit 1
""")
        check = self.check()
        check.model = lambda layers: self.folder
        for name in ("decode", "prefill", "kernels"):
            part = check.part(name)
            self.assertEqual((part["status"], part["why"], part["found"]),
                             ("failed", "error: the card is gone", {"decode": [{"batch": 1}]}))

    def test_transformers_do_not_fall_back_to_the_cpu(self) -> None:
        without = types.SimpleNamespace(__version__="2.15+cpu", cuda=types.SimpleNamespace(is_available=lambda: False))
        has = types.SimpleNamespace(cuda=types.SimpleNamespace(is_available=lambda: True))
        for name, expected in (("cpu", "cpu"), ("cuda-emulated", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1")):
            self.assertEqual(torch_device(name, has), expected)
        self.assertEqual(torch_device("cuda-emulated", without), "cpu")
        with self.assertRaisesRegex(SystemExit, "torch 2.15.cpu finds no CUDA device"):
            torch_device("cuda:1", without)

    def test_the_report_shows_what_ran_where_and_what_was_left_out(self) -> None:
        baseline = {"device": "NVIDIA H200", "torch": "2.9", "transformers": "5.0", "eager": {}, "compiled": {},
                    "without_cuda_graphs": ["decode 1:0"], "skipped": ["prefill 512: no | time"], "load_seconds": 1}
        whole = {"name": "Card", "date": "2026-01-02T03:04:05", "command": "gpu_check.py", "seconds": 1, "quick": False,
                 "not_run": []}
        whole["parts"] = {"transformers": {"about": "", "status": "failed", "why": "a\n| b", "seconds": 1,
                                           "found": baseline, "details": "# last words"}}
        report.write(self.folder / "r", whole)
        text = (self.folder / "r.md").read_text()
        for words in ("# Card, 2026-01-02 03:04", "| failed | 1.0 | a / b |", "with torch 2.9 ran on NVIDIA H200",
                      "without CUDA graphs: decode 1:0", "- left out: prefill 512: no / time", "    # last words"):
            self.assertIn(words, text)
        self.assertEqual(json.loads((self.folder / "r.json").read_text()), whole)
        report.write(self.folder / "r", whole | {"parts": {"transformers": {"status": "failed"}}})
        self.assertIn("could not be made of the JSON: KeyError", (self.folder / "r.md").read_text())

    def test_the_report_has_the_limits_of_a_cpu(self) -> None:
        limits = {"about": "", "status": "passed", "seconds": 1,
                  "found": {"device": "cpu", "read_bytes_per_second": 8e9, "flops_per_second": 2e11,
                            "bf16_flops_per_second": 0}}
        row = {"tokens": 8, "seconds": 0.1, "tokens_per_second": 80, "flops_per_second": 5e10, "launches": 0}
        whole = {"date": "2026-01-01T00:00:00+00:00", "device": "cpu", "name": "cpu", "quick": False, "command": "",
                 "seconds": 1, "not_run": [],
                 "parts": {"limits": limits, "prefill": limits | {"found": {"prefill": [row]}}}}
        report.write(self.folder / "r", whole)
        text = (self.folder / "r.md").read_text()
        self.assertIn("| 8 |  | 0.2 |", text)
        self.assertIn("25%", text)

    def test_the_report_shows_what_a_generation_that_failed_had_measured(self) -> None:
        part = {"about": "", "status": "failed", "why": "a fault", "seconds": 1, "found": {"load_seconds": 0.25}}
        whole = {"date": "2026-01-01T00:00:00+00:00", "device": "cuda", "name": "a card", "quick": False, "command": "",
                 "seconds": 1, "not_run": [], "parts": {"generate": part}}
        report.write(self.folder / "r", whole)
        self.assertIn("| load, s | 0.250 |", (self.folder / "r.md").read_text())

    @unittest.skipUnless(importlib.util.find_spec("transformers"), "there is no transformers")
    def test_the_static_cache_is_there_before_the_compiled_step(self) -> None:
        import torch
        import transformers
        import transformers_bench

        config = transformers.Phi3Config(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                         num_attention_heads=2, max_position_embeddings=128, pad_token_id=0)
        bench = transformers_bench.Bench.__new__(transformers_bench.Bench)
        bench.model, bench.device, bench.on_gpu = transformers.Phi3ForCausalLM(config).eval(), "cpu", False

        def greedy(cache: object) -> list[int]:
            tokens = [torch.tensor([[5]])]
            for _ in range(6):
                tokens.append(bench.step(tokens[-1], cache))
            return [int(token) for token in tokens]

        with torch.no_grad():
            cache = bench.static_cache(1, 16)
            self.assertTrue(all(layer.is_initialized for layer in cache.layers))
            self.assertEqual(int(cache.get_seq_length()), 0)
            self.assertEqual(greedy(cache), greedy(transformers.DynamicCache(config=config)))


if __name__ == "__main__":
    unittest.main()
