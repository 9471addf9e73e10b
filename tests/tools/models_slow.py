#!/usr/bin/env python3
"""Every tool that looks into a run, as text and as JSON, on models of real sizes: models_slow.py VITRO [MODEL...].

Without a MODEL: the bundled one; two layers of Phi-3-mini's sizes with random weights, where VITRO_TEST_DATA has its config.json;
SmolLM2 in blocks of 4 bits (GGUF), where it was fetched (./dev fetch smollm2). What is not there is said aloud.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
TEXT = "The capital of France is"


def run(vitro, *arguments, expect=(0,)):
    result = subprocess.run([vitro, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode in expect, f"{' '.join(map(str, arguments))}: exit code {result.returncode}: {result.stderr}"
    return result.stdout


def both(vitro, *arguments, expect=(0,)):
    """The JSON; the text has to hold something, too."""
    assert run(vitro, *arguments, expect=expect).strip() != "", arguments
    return json.loads(run(vitro, *arguments, "--json", expect=expect))


def check_model(vitro, model, directory):
    flags = ["-m", model] if model else []
    text = ["-p", TEXT, *flags]

    heads = both(vitro, "attend", *text)["heads"]
    assert len({head["path"] for head in heads}) == max(head["layer"] for head in heads) + 1
    for head in heads:
        for query in head["queries"]:
            assert abs(sum(query["weights"]) - 1) < 1e-5, head["path"]
            assert not any(query["weights"][query["token"] + 1:]), head["path"]
    assert run(vitro, "attend", *text, "--layer", 1, "--svg", directory / "attend.svg") == ""
    assert run(vitro, "attend", *text, "--layer", 1, "--head", 0).count("\n") == len(heads[0]["queries"]) + 1

    values = both(vitro, "tap", "layers.1.self_attn.attention_weights", "layers.1.mlp.gated", *text, "--stats", "-n", 2)
    assert [len(step["values"]) for step in values["steps"]] == [2, 2]
    assert all(statistics["nan"] == 0 for step in values["steps"] for value in step["values"]
               for statistics in value["statistics"])
    run(vitro, "tap", "layers.1.*", *text, "-o", directory / "taps.safetensors")
    assert both(vitro, "tap", "--stop-on-nan", *text)["finite"]
    assert "attention_weights" in run(vitro, "tap", "--list", *flags)

    # What kernels make of numbers that are not rounded is what references make of them.
    unrounded = ["--kv-type", "f32"]
    exact = ["compare", *text, *unrounded, "--a", "exact=yes", "-n", 1]
    assert both(vitro, *exact, "--b", "exact=yes,cpu-kernels=reference")["first"] is None
    first = both(vitro, *exact, "--b", "exact=yes,weights=fp8", "--replay", directory / "step", expect=(1,))["first"]
    assert first["fault"] == "pass" and "quantize_weights" in first["cause"], first["cause"]
    run(vitro, "exec", directory / "step.vt", "--inputs", directory / "step.safetensors", "--device", "cpu", "-o",
        directory / "again.safetensors")
    run(vitro, "tap", first["step"], *text, *unrounded, "--exact", "--weights", "fp8", "-o", directory / "taps.safetensors")
    again, seen = [(directory / name).read_bytes() for name in ["again.safetensors", "taps.safetensors"]]
    data = len(again) - 8 - int.from_bytes(again[:8], "little")
    assert data > 0 and again[-data:] == seen[-data:], f"{first['step']}: the replay gives other bits"
    run(vitro, *exact, "--b", "kv-type=fp8", "--format", "html", "-o", directory / "compare.html", expect=(1,))

    for phase in both(vitro, "profile", *text, "-n", 4)["phases"]:
        parts = sum(part["seconds"] for part in phase["parts"])
        assert abs(parts / phase["wall_seconds"] - 1) < 0.03, (phase["phase"], parts, phase["wall_seconds"])
    run(vitro, "profile", *text, "-n", 2, "--trace", directory / "trace.json", "--format", "html", "-o",
        directory / "profile.html")
    assert json.loads((directory / "trace.json").read_text())["traceEvents"]

    following = both(vitro, "next", TEXT, *flags, "--lens", "--trace", 2, "--temp", 0.8, "--top-k", 5)
    assert following["lens"][-1]["id"] == following["next"][0]["id"] and len(following["trace"]) == 2
    cache = both(vitro, "run", TEXT, *flags, "-n", 4, "--explain-cache")["cache"]
    assert cache["computed_tokens"] > 0
    both(vitro, "bench", *flags, "--generate", 4, "--kv-cache", "on,off", "--plot", directory / "cache.svg")

    program = both(vitro, "why", "layers.1.mlp.gated", *text)["program"]
    assert program["time"]["seconds"] > 0 and program["memory"]["region"] == "arena" and program["read_by"]
    assert both(vitro, "graph", *flags, "--explain")["summary"]
    receipt = directory / "receipt.json"
    run(vitro, "graph", *flags, "--receipt", receipt, "-o", directory / "graph.vt")
    run(vitro, "graph", *flags, "--expect", receipt, "-o", directory / "graph.vt")
    run(vitro, "graph", *flags, "--expect", receipt, "-o", directory / "graph.vt", "--disable-pass", "fuse_attention",
        expect=(1,))


def models(directory):
    """Names, and what -m is given."""
    yield "the bundled model", ""
    config = pathlib.Path(os.environ.get("VITRO_TEST_DATA", "/nonexistent")) / "phi-3-mini-4k-instruct/config.json"
    if config.exists():
        made = directory / "phi3"
        subprocess.run([sys.executable, ROOT / "bench/make_random_model.py", made, "--config", config, "--layers", "2"],
                       check=True, stdout=subprocess.DEVNULL)
        yield "two layers of Phi-3-mini", made
    else:
        print("SKIPPED: Phi-3-mini's sizes: VITRO_TEST_DATA does not have them")
    smollm2 = ROOT / "build/models/smollm2/model.gguf"
    if smollm2.exists():
        yield "SmolLM2", smollm2
    else:
        print("SKIPPED: SmolLM2 is not there; ./dev fetch smollm2")


with tempfile.TemporaryDirectory() as name:
    given = [(model, model) for model in sys.argv[2:]]
    for what, which in given or models(pathlib.Path(name)):
        check_model(sys.argv[1], which, pathlib.Path(name))
        print(f"{what}: passed")
