#!/usr/bin/env python3
"""The lesson of `vitro trace --lesson`, in headless Chromium: lesson_slow.py VITRO [CHECK...]. Every number that a chapter of the bundled
model says or draws, in both languages, computed again from the values that `vitro tap` gives and from the model's files, and
that what the sentences say of them is so; then which chapters other models have.

Exit code 77 where there is no browser or no playwright, as page_slow.py.
"""

import json
import math
import pathlib
import re
import struct
import subprocess
import sys

from page_slow import Page, browser_and_folder, check_with_axe

TEXT = "The capital of France is"
ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "models/bundled/tiny-phi3"
CHAPTERS = ["text", "forward", "loop", "streams", "cache", "norm", "qkv", "scores", "combine", "heads", "groups", "mask", "rope", "ffn", "residual", "head", "compiler"]
TAPPED = ["model.embed_tokens", "layers.*.input_layernorm", *(f"layers.*.self_attn.{name}" for name in [
    "q_heads", "q_rope", "k_heads", "k_rope", "v_heads", "scores", "scaled_scores", "attention_weights", "attended", "o_proj"]),
    "layers.*.attention_residual", "layers.*.post_attention_layernorm", *(f"layers.*.mlp.{name}" for name in [
        "gate_up.0", "gate_up.1", "act_fn", "gated", "down_proj"]), "layers.*.mlp_residual", "model.norm", "logits"]
PLACES = [(5, 0, 0), (2, 3, 3), (7, 1, 2)]  # token, block, head: of the prompt's step and of a decode step


def asked(vitro, *arguments):
    return json.loads(subprocess.run([vitro, *arguments], check=True, capture_output=True, text=True).stdout)


def close(a, b, rel=1e-4, absolute=1e-6):
    return math.isclose(a, b, rel_tol=rel, abs_tol=absolute)


def rms(row):
    return math.sqrt(sum(x * x for x in row) / len(row))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def softmax(scores):
    powers = [math.exp(x - max(scores)) for x in scores]
    return [x / sum(powers) for x in powers]


def numbers(text):
    """The numbers in a text, −1,024.5 as one."""
    return [float(found.rstrip(",").replace(",", "").replace("−", "-")) for found in re.findall(r"(?<![A-Za-z_0-9.])[−-]?\d[\d,]*(?:\.\d+)?(?:e[−+-]?\d+)?", text.replace("−", "-"))]


class Run:
    """The values of the run, as `vitro tap` gives them, and the model's weights."""

    def __init__(self, vitro):
        self.config = json.loads((MODEL / "config.json").read_text())
        self.steps = [{value["path"]: value for value in step["values"]} | {"first": step["first_position"], "count": len(step["tokens"])}
                      for step in asked(vitro, "tap", *TAPPED, "-p", TEXT, "-n", "3", "--json")["steps"]]
        data = (MODEL / "model.safetensors").read_bytes()
        size = int.from_bytes(data[:8], "little")
        self.tensors, self.data = json.loads(data[8:8 + size]), data[8 + size:]

    def step(self, token):
        return next(i for i, step in enumerate(self.steps) if step["first"] <= token < step["first"] + step["count"])

    def last(self, token):
        step = self.steps[self.step(token)]
        return step["first"] + step["count"] - 1

    def row(self, path, token, head=None):
        step = self.steps[self.step(token)]
        value = step[path]
        shape, axis, at = value["shape"], value["type"].split("[")[1].rstrip("]").split(", ").index("T"), token - step["first"]
        inner = shape[-1] if axis == 1 or head is not None else math.prod(shape[1:])
        begin = (head * shape[1] + at) * inner if axis == 1 else at * math.prod(shape[1:]) + (head or 0) * inner
        return value["elements"][begin:begin + inner]

    def weight(self, name, first=0, count=None):
        """Rows of a weight, which is bf16."""
        tensor = self.tensors[name]
        assert tensor["dtype"] == "BF16"
        width = tensor["shape"][-1]
        begin, end = tensor["data_offsets"][0] + 2 * first * width, tensor["data_offsets"][1] if count is None else tensor["data_offsets"][0] + 2 * (first + count) * width
        return [struct.unpack("<f", b"\0\0" + self.data[i:i + 2])[0] for i in range(begin, end, 2)]

    def weights_in(self, module):
        return sum(math.prod(tensor["shape"]) for name, tensor in self.tensors.items() if name.startswith(module + "."))


def said(run, key, token, block, head):
    """The numbers that the sentences of a chapter say, in any order."""
    c, last, count = run.config, run.last(token), run.steps[run.step(token)]["count"]
    hidden, heads, kv_heads, vocabulary, layers = (c[key] for key in ["hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size", "num_hidden_layers"])
    size, kv = hidden // heads, head // (heads // kv_heads)
    path = f"model.layers.{block}"
    assert last == (5 if token < 6 else token)
    number = {name: i + 1 for i, name in enumerate(CHAPTERS)}
    return {
        "text": [6, vocabulary, hidden, 32, 0],
        "forward": [layers, count, count, hidden, hidden],
        "loop": [number["head"]],
        "streams": [hidden, c["max_position_embeddings"]],
        "cache": [number["qkv"], layers * 2 * kv_heads * size * 4],
        "norm": [block, c["rms_norm_eps"], hidden],
        "qkv": [heads, size, head, block, kv, kv_heads, 0, number["groups"], number["rope"]],
        "scores": [size, math.sqrt(size), 0, 1, 1],
        "combine": [head, heads, hidden, 64],
        "heads": [heads, block],
        "groups": [heads, kv_heads, head],
        "mask": [block, c["sliding_window"], head, 3, 3, 3, 3],  # three masks of 3, GPT-3
        "rope": [size, size // 2, 1, c["rope_theta"], size, head, token],
        "ffn": [c["intermediate_size"], hidden, hidden, run.weights_in(f"{path}.mlp"), run.weights_in(f"{path}.self_attn")],
        "residual": [block],
        "head": [hidden, vocabulary, 1, 1, 0],
        "compiler": [],
    }[key]


def check_equations(run, token, block, head):
    """What the sentences say was computed from what: by the elements that the run had."""
    at = f"model.layers.{block}"
    size = run.config["hidden_size"] // run.config["num_attention_heads"]
    before = "model.embed_tokens" if block == 0 else f"model.layers.{block - 1}.mlp_residual"
    x, y = run.row(before, token), run.row(f"{at}.input_layernorm", token)
    root = math.sqrt(dot(x, x) / len(x) + run.config["rms_norm_eps"])
    assert all(close(b, a / root * w) for a, b, w in zip(x, y, run.weight(f"{at}.input_layernorm.weight"), strict=True))
    q, keys = run.row(f"{at}.self_attn.q_rope", token, head), range(token + 1)
    scores, scaled, weights = (run.row(f"{at}.self_attn.{name}", token, head) for name in ["scores", "scaled_scores", "attention_weights"])
    for key in keys:
        assert close(scores[key], dot(q, run.row(f"{at}.self_attn.k_rope", key, head // 2)), absolute=1e-4)
        assert close(scaled[key], scores[key] / math.sqrt(size))
    assert all(close(a, b) for a, b in zip(weights, softmax(scaled[:token + 1])))
    assert close(sum(weights), 1)
    values = [run.row(f"{at}.self_attn.v_heads", key, head // 2) for key in keys]
    attended = run.row(f"{at}.self_attn.attended", token, head)
    assert all(close(a, sum(weights[key] * values[key][i] for key in keys), absolute=1e-5) for i, a in enumerate(attended))
    joined = [a for other in range(run.config["num_attention_heads"]) for a in run.row(f"{at}.self_attn.attended", token, other)]
    added = run.row(f"{at}.self_attn.o_proj", token)
    assert close(added[3], dot(joined, run.weight(f"{at}.self_attn.o_proj.weight", 3, 1)), absolute=1e-4)
    for name, part, into in [("attention_residual", "self_attn.o_proj", x), ("mlp_residual", "mlp.down_proj", run.row(f"{at}.attention_residual", token))]:
        assert all(close(c, a + b, absolute=1e-5) for a, b, c in zip(into, run.row(f"{at}.{part}", token), run.row(f"{at}.{name}", token), strict=True))
    gate, up, act, gated = (run.row(f"{at}.mlp.{name}", token) for name in ["gate_up.0", "gate_up.1", "act_fn", "gated"])
    assert all(close(b, a / (1 + math.exp(-a))) for a, b in zip(gate, act, strict=True))
    assert all(close(c, a * b) for a, b, c in zip(act, up, gated, strict=True))
    last = run.last(token)
    step = run.steps[run.step(token)]
    normed, logits = (step[path]["elements"] for path in ["model.norm", "logits"])
    best = max(range(len(logits)), key=logits.__getitem__)
    assert last == step["first"] + step["count"] - 1 and close(logits[best], dot(normed, run.weight("lm_head.weight", best, 1)))


class Lesson:
    def __init__(self, page, run, token, block, head):
        self.page, self.run, self.token, self.block, self.head = page, run, token, block, head
        self.at = f"model.layers.{block}"
        page.evaluate(f"ui.layer = {block}; tour.head = {head}; toToken({token})")

    def open(self, key):
        self.page.evaluate(f"toChapter({CHAPTERS.index(key)})")

    def numbers_in(self, selector):
        return self.page.evaluate(f"[...document.querySelectorAll({json.dumps('#lesson-text ' + selector)})].map((each) => each.textContent)")

    def rows(self, table=0):
        """The numbers of each row of a table of the chapter; of pieces there are none in this text."""
        texts = self.page.evaluate(f"[...document.querySelectorAll('#lesson-text table')[{table}].querySelectorAll('tbody tr')].map((row) => row.innerText)")
        return [numbers(text) for text in texts]

    def rms_of(self, name, token=None):
        return rms(self.run.row(name if name.startswith("model.") else f"{self.at}.{name}", self.token if token is None else token))


def expect(found, expected, what, rel=1e-4):
    assert len(found) == len(expected) and all(close(a, b, rel) for a, b in zip(found, expected)), (what, found, expected)


def check_figures(lesson, run, vitro):
    token, block, head, layers = lesson.token, lesson.block, lesson.head, run.config["num_hidden_layers"]
    self_attn, streams = f"{lesson.at}.self_attn", ["model.embed_tokens", *(f"model.layers.{i}.mlp_residual" for i in range(layers))]
    keys, step = range(token + 1), run.steps[run.step(token)]
    lesson.open("text")
    expect([row[1] for row in lesson.rows()], [1, 328, 287, 289, 1116, 266], "ids")
    lesson.open("forward")
    last = [rms(step[path]["elements"]) for path in ["model.norm", "logits"]]
    expect([numbers(text)[-1] for text in lesson.numbers_in(".flow li")[1:]], [*(lesson.rms_of(path) for path in streams), *last], "forward")
    lesson.open("streams")
    boxes = lesson.numbers_in("svg.streams rect:not(.head) + text")
    expect([numbers(text)[0] for text in boxes], [rms(run.row(path, each)) for path in streams for each in range(8)], "streams")
    assert len(lesson.numbers_in("svg.streams path.reads")) == token * layers
    lesson.open("cache")
    times = lesson.page.evaluate("run.times")
    assert len(lesson.numbers_in(".computed")) == 8 and len(lesson.numbers_in(".kept")) == 6 + 7
    rows = lesson.rows(1)
    for i in range(3):
        expect(rows[i][-2:], [1e3 * times["cached"][i], 1e3 * times["anew"][i]], "times", 1e-2)
    expect(rows[3], [1e3 * sum(times["cached"]), 1e3 * sum(times["anew"])], "all times", 1e-2)
    lesson.open("norm")
    expect([row[0] for row in lesson.rows()], [lesson.rms_of(streams[block]), lesson.rms_of("input_layernorm")], "norm")
    lesson.open("scores")
    scores, scaled, weights = (run.row(f"{self_attn}.{name}", token, head) for name in ["scores", "scaled_scores", "attention_weights"])
    for key, row in zip(keys, lesson.rows()):
        expect(row[:2], [scores[key], scaled[key]], "scores")
        assert abs(row[2] - 100 * weights[key]) <= 0.00501, (row, weights[key])
    lesson.open("combine")
    assert all(abs(row[0] - 100 * weights[key]) <= 0.00501 for key, row in zip(keys, lesson.rows()))
    most = lesson.page.evaluate("(({sum, result}) => Math.max(...result.map((x, i) => Math.abs(x - sum[i]))))(combinedRows())")
    assert most < 1e-5, most
    results = [rms(run.row(f"{self_attn}.attended", token, each)) for each in range(4)]
    expect([row[-1] for row in lesson.rows(1)], [*results, lesson.rms_of("self_attn.o_proj")], "heads' results")
    lesson.open("groups")
    assert [row[-1] for row in lesson.rows()] == [8.19, 4.1, 2.05]
    assert len(lesson.numbers_in(".groups")) == 3 and len(lesson.numbers_in(".groups.own rect.kv")) == 2
    lesson.open("rope")
    before, after, theta = run.row(f"{self_attn}.q_heads", token, head), run.row(f"{self_attn}.q_rope", token, head), run.config["rope_theta"]
    for i, text in zip([0, 1, 2, 4, 8, 16], lesson.numbers_in("#rope-figure figure .doc"), strict=True):
        angle = token * theta ** (-i / 32)
        a, b = before[i], before[i + 32]
        turned = [a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle)]
        found = numbers(re.sub(r"[φ(),=]+", " ", text))
        assert all(close(x, y, 2e-4, 2e-4) for x, y in zip(found, [angle, *turned, after[i], after[i + 32]], strict=True)), (i, found)
    for position in [token, 0, 40]:  # turned together, the product stays
        lesson.page.fill("#lesson-position", str(position))
        key, at, product, inRun = lesson.page.evaluate(f"(({{key, at, product, run}}) => [key, at, product, run])(turnedTogether({position}))")
        assert key == max(range(token), key=weights.__getitem__) and at == position - token + key
        assert close(product, scores[key], 1e-4, 1e-4) and close(inRun, scores[key])
    assert len(lesson.numbers_in(".second")) == 3
    lesson.open("ffn")
    expect([row[0] for row in lesson.rows()], [lesson.rms_of(f"mlp.{name}") for name in ["gate_up.0", "gate_up.1", "act_fn", "gated", "down_proj"]], "ffn")
    lesson.open("residual")
    notes = [numbers(text)[0] for text in lesson.numbers_in(".block-drawing .note")]
    expect(notes, [lesson.rms_of(name) for name in [streams[block], "input_layernorm", "self_attn.o_proj", "attention_residual",
                                                    "post_attention_layernorm", "mlp.down_proj", "mlp_residual"]], "block")
    lesson.open("head")
    logits = step["logits"]["elements"]
    probabilities, order = softmax(logits), sorted(range(len(logits)), key=lambda i: -logits[i])
    for i, text in zip(order, lesson.numbers_in("> .bars dd")):
        percent, logit = numbers(text.replace("(", " ").replace("<", " "))
        assert close(logit, logits[i]) and abs(percent - max(100 * probabilities[i], 0.01 if "<" in text else 0)) <= 0.00501, (text, logits[i], probabilities[i])
    for temperature in [0.5, 1, 1.7]:
        lesson.page.fill("#lesson-temperature", str(temperature))
        best = softmax([logit / temperature for logit in logits])[order[0]]
        assert abs(numbers(lesson.numbers_in("#temperature-figure dd")[0])[0] - 100 * best) <= 0.00501
    lesson.page.fill("#lesson-temperature", "0")
    assert lesson.numbers_in("#temperature-figure dd")[0] == "100.000 %"
    lesson.page.fill("#lesson-temperature", "1")
    lesson.open("compiler")
    stages = lesson.numbers_in("[data-graph-stage]")
    assert stages[0] == "build" and stages[-1] == "program" and len(stages) > 5
    if lesson.token == 5:
        for stage, row in zip(stages, lesson.rows()):
            nodes = asked(vitro, "graph", "--after", stage, "--phase", "prefill", "--chunk", "9", "--json")["nodes"]
            assert row[-2] == len(nodes), (stage, row)
            assert abs(row[-1] * 1e6 - sum(node["bytes"] for node in nodes)) <= 0.051e6, (stage, row)


def check_sentences(browser, vitro, directory):
    """Every chapter in both languages, at several tokens, blocks and heads: its numbers, and the same in both."""
    run = Run(vitro)
    plan = asked(vitro, "plan", "-c", "512", "--json")["devices"][0]["kv_cache"]
    assert plan == 512 * said(run, "cache", 5, 0, 0)[1]
    for language in ["en", "zh"]:
        file = f"{directory}/lesson_{language}.html"
        assert pathlib.Path(file).stat().st_size < 6_000_000
        with Page(browser, file) as page:
            assert page.evaluate("chapters().map(({key}) => key)") == CHAPTERS
            for token, block, head in PLACES:
                check_equations(run, token, block, head)
                lesson = Lesson(page, run, token, block, head)
                for key in CHAPTERS:
                    lesson.open(key)
                    found = [each for text in lesson.numbers_in("> p") for each in numbers(text)]
                    expected = said(run, key, token, block, head)
                    assert sorted(found) == sorted(expected), (language, key, found, expected)
                    text = page.text("#lesson-text")
                    assert not [bad for bad in ["undefined", "NaN", "[object", "null"] if bad in text], (language, key, text)
                check_figures(lesson, run, vitro)


def check_controls(browser, _, directory):
    """Back and Next, deep links, links into the graph; axe's rules; no chapter is wider than a phone."""
    with Page(browser, f"{directory}/lesson_en.html") as page:
        assert page.is_visible("#lesson") and "lesson=1" in page.address()
        for chapter in range(len(CHAPTERS)):
            assert f"lesson={chapter + 1}" in page.address()
            check_with_axe(page, f"lesson, chapter {chapter + 1}")
            if chapter + 1 < len(CHAPTERS):
                page.click("[data-lesson='1']")
        page.go_back()
        assert f"lesson={len(CHAPTERS) - 1}" in page.address()
        page.select_option("#lesson-layer", "2")
        page.select_option("#lesson-chapter", str(CHAPTERS.index("mask")))
        for mask in ["own", "sliding", "strided", "fixed", "both", "packed", "full"]:
            page.select_option("#lesson-mask", mask)
            assert page.locator("#lesson-text .attention").count() == 1
        page.select_option("#lesson-chapter", str(CHAPTERS.index("scores")))
        page.click("#lesson-text [data-graph-stage] >> nth=0")
        assert page.is_hidden("#lesson") and "path=model.layers.2.self_attn.scores" in page.address()
        page.click("#lesson-button")
        assert page.is_visible("#lesson")
    for language in ["en", "zh"]:
        with Page(browser, f"{directory}/lesson_{language}.html", "#stage=build&lesson=9", 400, "dark") as page:
            for chapter in range(len(CHAPTERS)):
                page.evaluate(f"toChapter({chapter})")
                if language == "zh":
                    check_with_axe(page, f"lesson on a phone, chapter {chapter + 1}")
                assert page.evaluate("document.documentElement.scrollWidth") <= 400
                assert page.evaluate("(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)($('lesson-text'))"), (language, chapter + 1)


# What the lesson says of models that differ: the chapters they lack, and words of some chapters.
OTHERS = {
    "gpt2": (["rope"], {"text": ["adds to each embedding", "transformer.embedded"], "norm": ["LayerNorm"], "cache": ["leaves 768 bytes"], "ffn": ["gelu"], "groups": ["multi-head"]}),
    "gpt_oss": ([], {"scores": ["a sink"], "ffn": ["experts"], "rope": ["factors of its own", "times as long"]}),
    "gemma2": ([], {"text": ["multiplies the embeddings by a constant"], "scores": ["tanh", "±"], "head": ["within bounds"], "mask": ["no more than 6 tokens"]}),
    "granite": ([], {"scores": ["multiplied by a constant of the model"], "head": ["multiplication, by a constant"]}),
    "mixtral": ([], {"ffn": ["experts"]}),
    "olmo2": (["norm"], {"qkv": ["norms queries and keys once more"]}),
    "phi3_odd": ([], {"groups": ["multi-query"], "scores": ["square root"]}),
    "phi3_partial_rotary": ([], {"rope": ["the first 8 of the 16 numbers"]}),
    "smollm3_no_rope": ([], {"forward": ["uses the embedding table once more"]}),
    "stablelm": ([], {"norm": ["LayerNorm"]}),
}


def check_other_models(browser, vitro, directory):
    """Chapters stand, and sentences are said, only where what they say is so."""
    for model, (missing, words) in OTHERS.items():
        file = f"{directory}/{model}.html"
        subprocess.run([vitro, "trace", "--lesson", "-m", ROOT / "tests/golden" / model, "--tokens", "1,5,3,7", "-o", file], check=True)
        with Page(browser, file) as page:
            keys = page.evaluate("chapters().map(({key}) => key)")
            assert [key for key in CHAPTERS if key not in keys] == missing, (model, keys)
            for block in range(page.evaluate("run.model.layers.length")):
                page.evaluate(f"ui.layer = {block}")
                for chapter, key in enumerate(keys):
                    page.evaluate(f"toChapter({chapter})")
                    text = page.text("#lesson-text")
                    assert not [bad for bad in ["undefined", "NaN", "[object", "null"] if bad in text], (model, key, text)
                    assert block > 0 or all(word in text for word in words.get(key, [])), (model, key, text)
                if block == 1 and model == "smollm3_no_rope":
                    assert "block 1 does not" in page.evaluate("chapters().find(({key}) => key === 'rope').html()")
            # Turned by the run's own speeds, the query is the run's; weighted, the values are its result.
            page.evaluate("ui.layer = 0")
            gap = "(a, b) => Math.max(...a.map((x, i) => Math.abs(x - b[i])))"
            if "rope" in keys:
                assert page.evaluate(f"({gap})([...turned(rowOf(unturned(queryPath()), 3, 1), 3, speedsOf(3))], rowOf(queryPath(), 3, 1))") < 1e-4, model
            assert page.evaluate(f"(({{sum, result}}) => ({gap})([...sum], result))(combinedRows())") < 1e-4, model


def main():
    vitro = sys.argv[1]
    with browser_and_folder() as (browser, directory):
        for language in ["en", "zh"]:
            subprocess.run([vitro, "trace", "--lesson", "--lang", language, "-p", TEXT, "-o", f"{directory}/lesson_{language}.html"], check=True)
        for check in [check_sentences, check_other_models, check_controls]:
            if not sys.argv[2:] or check.__name__ in sys.argv[2:]:
                check(browser, vitro, directory)
                print(f"{check.__name__}: passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
