"""The whole of bench/gpu/gpu_check.py on the emulated GPU, which fails in each part in turn: the part says so and keeps
what it had, and the parts around it are as without the failure."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VITRO = os.environ.get("VITRO_BINARY", str(ROOT / "build/release/vitro"))

# In the part that PLANT names the device fails at its SKIP-th synchronization, and at every call from then on.
WRAPPER = f"""#!/bin/sh
[ "$GPU_CHECK_PART" = "$PLANT" ] && export VITRO_EMULATION_FAIL=cudaStreamSynchronize:$SKIP
exec {VITRO} "$@"
"""
# Part, and how many synchronizations go well: some measurements are there then.
PARTS = {"limits": 3, "ops": 20, "decode": 60, "prefill": 20, "verify": 20, "switches": 20, "kernels": 20, "fp8": 20,
         "generate": 20, "start": 3}


class Rehearsal(unittest.TestCase):
    def check(self, only: str, plant: str = "", skip: int = 0) -> tuple[dict, str]:
        with tempfile.TemporaryDirectory() as folder:
            wrapper = Path(folder) / "vitro"
            wrapper.write_text(WRAPPER)
            wrapper.chmod(0o755)
            command = [sys.executable, str(ROOT / "bench/gpu/gpu_check.py"), "--device", "cuda-emulated", "--quick",
                       "--out", folder, "--scratch", folder, "--vitro", str(wrapper), "--seconds", "2000", "--only",
                       only]
            done = subprocess.run(command, capture_output=True, text=True, timeout=2000,
                                  env=os.environ | {"PLANT": plant, "SKIP": str(skip)})
            self.assertEqual(done.stderr, "")
            report = next(Path(folder).glob("*.json"))
            self.assertIn("# cuda-emulated", report.with_suffix(".md").read_text())
            return json.loads(report.read_text())["parts"], report.with_suffix(".log").read_text()

    def test_all_parts_that_need_no_pytorch_pass(self) -> None:
        parts, _ = self.check(",".join(["facts", *PARTS, "ncu", "sanitizer"]))
        for name, part in parts.items():
            expected = "not run" if name in ("ncu", "sanitizer") else "passed"
            self.assertEqual(part["status"], expected, (name, part))

    def test_a_device_that_fails_in_a_part_spoils_no_other(self) -> None:
        for name, skip in PARTS.items():
            with self.subTest(part=name):
                parts, log = self.check(f"facts,{name},start" if name != "start" else "facts,start,limits", name, skip)
                self.assertEqual(parts[name]["status"], "failed", parts[name])
                self.assertIn("an illegal memory access was encountered", json.dumps(parts[name]))
                self.assertIn("an illegal memory access was encountered", log)
                for other in parts.keys() - {name}:
                    self.assertEqual(parts[other]["status"], "passed", (other, parts[other]))

    def test_what_was_measured_before_the_failure_is_kept(self) -> None:
        parts, _ = self.check("decode", "decode", PARTS["decode"])
        self.assertGreater(parts["decode"]["found"]["load_seconds"], 0)


if __name__ == "__main__":
    unittest.main()
