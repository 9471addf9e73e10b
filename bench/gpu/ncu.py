"""Nsight Compute over the kernels that a step's time goes to: what each run says."""

import csv
import io
import shutil
from pathlib import Path

from processes import NotRun

# Kernel, and the steps in which it runs; launches in front of the one that is looked at are warm-up.
KERNELS = (("resident_product_kernel", "--decode", 60), ("attention_decode_kernel", "--decode", 12),
           ("sample_kernel", "--decode", 1), ("attention_prefill_kernel", "--prefill", 12),
           ("qkv_rope_append_kernel", "--prefill", 12))
METRICS = ("gpu__time_duration.sum", "dram__throughput.avg.pct_of_peak_sustained_elapsed",
           "sm__throughput.avg.pct_of_peak_sustained_elapsed", "sm__warps_active.avg.pct_of_peak_sustained_active",
           "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio")


def tool():
    path = shutil.which("ncu") or "/usr/local/cuda/bin/ncu"
    if not Path(path).exists():
        raise NotRun("there is no ncu")
    return path


def command(path, kernel, skip):
    """Clocks stay as they are: the card is not ours alone."""
    return [path, "--csv", "--page", "raw", "--clock-control", "none", "--metrics", ",".join(METRICS), "--kernel-name",
            f"regex:{kernel}", "--launch-skip", skip, "--launch-count", 1]


def parse(out):
    """{metric: "value unit"} of ncu's table, which stands among what the program prints; empty where there is none."""
    lines = out.splitlines()
    head = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if head is None:
        return {}
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[head:]))))
    if len(rows) < 2:
        return {}
    units, values = rows[0], rows[1]
    return {name: f"{values[name]} {units[name]}".strip() for name in METRICS if values.get(name)}
