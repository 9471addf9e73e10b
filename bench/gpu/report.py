"""The report of gpu_check.py: JSON, and Markdown made of it."""

import json
import os


def write(path, whole):
    """path.json and path.md. Each is complete or as it was before."""
    replace(f"{path}.json", json.dumps(whole, indent=1) + "\n")
    try:
        text = markdown(whole)
    except Exception as error:  # the JSON has it all
        text = f"This report could not be made of the JSON: {type(error).__name__}: {error}\n"
    replace(f"{path}.md", text)


def replace(path, text):
    with open(f"{path}.part", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.part", path)


def markdown(whole):
    parts = whole["parts"]
    found = {name: part.get("found", {}) for name, part in parts.items()}
    out = [f"# {whole['name']}, {whole['date'][:16].replace('T', ' ')}", "",
           f"`{whole['command']}`, {whole['seconds']:.0f} s. Medians, by the clock of the host for whole steps and by "
           "the device's events for kernels.", ""]
    if whole["quick"]:
        out += ["**A small model: this tests the script and measures nothing.**", ""]
    if whole["not_run"]:
        out += [f"**Not all has run. Without a result: {', '.join(whole['not_run'])}.**", ""]
    out += table(["part", "", "s", ""],
                 [[name, part["status"], f"{part['seconds']:.1f}" if "seconds" in part else "", words(part)]
                  for name, part in parts.items()])
    limits = found.get("limits")
    peak = limits["read_bytes_per_second"] if limits else None
    if limits:
        out += ["## Limits, measured", ""]
        if "gemm_size" in limits:
            product, copied = f"product of {limits['gemm_size']}", f"{limits['copy_bytes_per_second'] / 1e9:.0f}"
        else:  # of a CPU, which has no copies of its own
            product, copied = "products", ""
        out += table(["read GB/s", "copy GB/s", f"bf16 {product}, TFLOP/s"],
                     [[f"{limits['read_bytes_per_second'] / 1e9:.0f}", copied, f"{product_rate(limits) / 1e12:.1f}"]])
    out += parity(found)
    out += verify(found)
    out += baseline(found)
    out += decode(found, peak)
    out += prefill(found, limits)
    out += switches(found)
    out += rest(found)
    out += lines(found, "ops", "ops", failures_only=True)
    out += lines(found, "sanitizer", "compute-sanitizer")
    out += counters(found)
    for name in ("kernels", "fp8"):
        for row in [*found.get(name, {}).get("decode", []), *found.get(name, {}).get("prefill", [])]:
            if row.get("kernels"):
                out += kernels(name, row, peak)
    for name, part in parts.items():
        if part.get("details"):
            out += [f"## What `{name}` printed last", "", *("    " + line for line in part["details"].splitlines()), ""]
    return "\n".join(out) + "\n"


def product_rate(limits):
    """Operations a second of bf16 products; the CPU's are not one large product's, and fp32's where it has no others."""
    return limits.get("gemm_flops_per_second") or limits["bf16_flops_per_second"] or limits["flops_per_second"]


def words(part):
    """Why it has failed, what is to be known though it passed, or what it is for."""
    why = [part["why"]] if "why" in part else []
    return cell("; ".join(why + part.get("notes", [])) or part["about"])


def cell(text):
    return " ".join(text.split()).replace("|", "/")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def percent(value, limit):
    return f"{100 * value / limit:.0f}%" if limit else ""


def theirs(found, mode, name):
    seconds = found.get("transformers", {}).get(mode, {}).get(name)
    return seconds


def best_of(found, name):
    times = [t for t in (theirs(found, mode, name) for mode in ("eager", "compiled")) if t]
    return min(times) if times else None


def ratio(ours, best):
    return f"{best / ours:.2f}x" if best else ""


def milliseconds(seconds):
    return f"{1e3 * seconds:.3f}" if seconds else ""


def parity(found):
    rows = [[str(p["layers"]), f"{p['nmse']:.1e}", f"{p['transformers_bf16_nmse']:.1e}",
             f"{p['greedy_equal']} of {p['greedy_tokens']}", f"{p['greedy_furthest_below']:.4f}", p["device"]]
            for p in (found.get("parity_2_layers"), found.get("parity")) if p]
    if not rows:
        return []
    head = ["layers", "nmse to f32", "transformers' bf16", "greedy tokens equal", "furthest below the best logit",
            "transformers ran on"]
    return ["## Parity with transformers", ""] + table(head, rows)


def baseline(found):
    """What transformers ran on, and what is not as it should be."""
    run = found.get("transformers")
    if not run:
        return []
    out = ["## transformers", "",
           f"transformers {run['transformers']} with torch {run['torch']} ran on {run['device']}.", ""]
    if run["without_cuda_graphs"]:
        out += [f"**Compiled, but without CUDA graphs: {', '.join(run['without_cuda_graphs'])}.**", ""]
    if run["skipped"]:
        out += [f"- left out: {cell(text)}" for text in run["skipped"]] + [""]
    return out


def lines(found, part, head, failures_only=False):
    """What each of a part's runs says."""
    rows = [[name, cell(line)] for name, line in found.get(part, {}).items()
            if not failures_only or not line.startswith("passed")]
    return [f"## {head}", ""] + table(["", "what it says"], rows) if rows else []


def counters(found):
    rows = [[f"`{kernel}`", *values.values()] for kernel, values in found.get("ncu", {}).items() if values]
    if not rows:
        return []
    head = next(values for values in found["ncu"].values() if values)
    return ["## ncu", ""] + table(["kernel", *(f"`{name}`" for name in head)], rows)


def verify(found):
    rows = [[label, str(r["batch"]), str(r["context"]), f"{r['decode_nmse']:.1e}", f"{r['ragged_nmse']:.1e}",
             "yes" if r["equal"] else "NO", f"{r['ragged_equal']} of {r['batch']}", f"{r['allowed_nmse']:.0e}"]
            for part, label in (("verify", ""), ("fp8", "fp8")) for r in found.get(part, {}).get("verify", [])]
    head = ["cache", "batch", "context", "decode against prompt, nmse", "batch against alone, nmse", "equal ones equal",
            "alone bit for bit", "allowed"]
    return ["## Steps against each other", ""] + table(head, rows) if rows else []


def switches(found):
    times = found.get("switches", {})
    rows = []
    for name, time in times.items():
        base = times.get(f"{name.split(',')[0]}, as it is")
        rows.append([name, milliseconds(time), f"{time / base:.3f}x" if base else ""])
    return ["## Switches", ""] + table(["", "ms", "of the first"], rows) if rows else []


def decode(found, peak):
    rows = []
    for name, label in (("decode", ""), ("fp8", "fp8")):
        for row in found.get(name, {}).get("decode", []):
            key = f"decode {row['batch']}:{row['context']}"
            rows.append([label, str(row["batch"]), str(row["context"]), milliseconds(row["seconds"]),
                         f"{row['tokens_per_second']:.0f}", f"{row['bytes_per_second'] / 1e9:.0f}",
                         percent(row["bytes_per_second"], peak), str(row["launches"]),
                         milliseconds(theirs(found, "eager", key)), milliseconds(theirs(found, "compiled", key)),
                         ratio(row["seconds"], best_of(found, key))])
    if not rows:
        return []
    head = ["weights", "batch", "context", "ms", "tokens/s", "GB/s", "of the read limit", "launches",
            "transformers eager, ms", "compiled, ms", "faster than the best"]
    return ["## Decode", ""] + table(head, rows)


def prefill(found, limits):
    rows = []
    for row in found.get("prefill", {}).get("prefill", []):
        key = f"prefill {row['tokens']}"
        rows.append([str(row["tokens"]), milliseconds(row["seconds"]), f"{row['tokens_per_second']:.0f}",
                     f"{row['flops_per_second'] / 1e12:.1f}",
                     percent(row["flops_per_second"], limits and product_rate(limits)),
                     milliseconds(theirs(found, "eager", key)), ratio(row["seconds"], best_of(found, key))])
    if not rows:
        return []
    head = ["tokens", "ms", "tokens/s", "TFLOP/s", "of the product's rate", "transformers eager, ms", "faster"]
    return ["## Prefill", ""] + table(head, rows)


def rest(found):
    rows = []
    bench = found.get("generate", {})
    if "generate" in bench:
        count = bench["generate"]["tokens"]
        rows.append([f"{count} tokens with the KV cache, s", f"{bench['generate']['seconds']:.3f}",
                     seconds(theirs(found, "eager", f"generate {count}"))])
        rows.append([f"{count} tokens without it, s", f"{bench['generate']['seconds_without_cache']:.3f}",
                     seconds(theirs(found, "eager", f"generate {count} without cache"))])
    if "load_seconds" in bench:  # which a run that failed later has, too
        rows.append(["load, s", f"{bench['load_seconds']:.3f}",
                     seconds(found.get("transformers", {}).get("load_seconds"))])
    if found.get("start"):
        rows.append(["from start to first token, s", f"{found['start']['seconds']:.3f}", ""])
    return ["## Generation and start", ""] + table(["", "vitro", "transformers eager"], rows) if rows else []


def seconds(value):
    return f"{value:.3f}" if value else ""


def kernels(name, row, peak):
    what = f"batch {row['batch']}, context {row['context']}" if "batch" in row else f"{row['tokens']} tokens"
    rows = [[k["op"], str(k["count"]), f"{1e6 * k['seconds']:.2f}", f"{k['bytes']:,}",
             f"{k['bytes_per_second'] / 1e9:.0f}", percent(k["bytes_per_second"], peak),
             f"{k['flops_per_second'] / 1e12:.2f}", f"`{k['first']}`"] for k in row["kernels"]]
    head = ["op", "times", "us", "bytes", "GB/s", "of the read limit", "TFLOP/s", "first"]
    return [f"### Kernels: {name}, {what}", ""] + table(head, rows)
