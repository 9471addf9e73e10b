"""compute-sanitizer over the checks of some ops: what each run says."""

import re
import shutil
from pathlib import Path

from processes import Failure, NotRun, TimedOut, tail

# Few, as each launch takes many times its time; the cheapest first, as what one leaves of its share goes to the rest.
CHECKS = (("memcheck", "rms_norm"), ("racecheck", "rms_norm"), ("memcheck", "linear"), ("memcheck", "attention"),
          ("racecheck", "linear"), ("racecheck", "attention"))

# The sanitizer's own words where a machine, its driver or its container does not let it work.
COULD_NOT = re.compile(r"not supported|unsupported|unable to|could not|cannot|failed to|internal sanitizer error|"
                       r"no attachable process|not permitted|insufficient", re.IGNORECASE)


def tool():
    path = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(path).exists():
        raise NotRun("there is no compute-sanitizer")
    return path


def judge(op, run):
    """A line of one run, which starts with `passed`, `failed` or `not run`. A sanitizer is slow: that it did not end
    says nothing of the kernels."""
    try:
        out = run()
    except TimedOut as failure:
        return f"not run: {failure}"
    except Failure as failure:
        if not failure.out + failure.errors:
            return f"not run: {failure}"
        return refusal(failure.out + "\n" + failure.errors) or f"failed: {found_errors(failure)}"
    # A sanitizer that does not know the driver may end well without having run anything.
    if not re.search(rf"^{op} ", out, re.MULTILINE):
        return refusal(out) or f"not run: the program printed nothing. {tail(out, 1)}"
    return f"passed: {tail(out, 1).strip('= ')}"


def refusal(printed):
    """The sanitizer's first words about itself, where no kernel has been found wrong."""
    if re.search(r"^=+\s+(Invalid|Race|Error: Race|Misaligned|Warning: Race|Out-of-range|Barrier error)", printed,
                 re.MULTILINE | re.IGNORECASE):
        return None
    for line in printed.splitlines():
        if line.startswith("=") and COULD_NOT.search(line):
            return f"not run: {line.strip('= ')}"
    return None


def found_errors(failure):
    """The first error and the count of them."""
    lines = [line.strip("= ") for line in (failure.out + "\n" + failure.errors).splitlines() if line.strip("= ")]
    first = next((line for line in lines if re.match(r"Invalid|Error|Race|Misaligned|Out-of-range|Barrier", line)), "")
    summary = next((line for line in reversed(lines) if "SUMMARY" in line), str(failure))
    return f"{first}; {summary}" if first else summary
