#!/usr/bin/env python3
"""The page of `vitro trace` in headless Chromium: trace_slow.py VITRO. Its numbers are those of `vitro tap` and `vitro next`.

Exit code 77 where there is no browser or no playwright, as page_slow.py.
"""

import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile

from page_slow import CHROMIUM, SIZES, Page, check_with_axe, sync_playwright

TEXT = "The capital of France is"
PREDICT = 3
ALL_VALUES = """() => Object.fromEntries(Object.entries(run.values).map(([path, value]) => [path,
    Object.fromEntries(Object.entries(value.steps).map(([step, at]) => [step, at.stats]))]))"""


def asked(vitro, *arguments):
    return json.loads(subprocess.run([vitro, *arguments], check=True, capture_output=True, text=True).stdout)


def check_numbers(vitro, page):
    """Every statistic of every value of every token, and the elements that are kept, are `vitro tap`'s."""
    tapped = asked(vitro, "tap", "*", "-p", TEXT, "-n", str(PREDICT), "--stats", "--json")
    shown = page.evaluate(ALL_VALUES)
    compared = 0
    for number, step in enumerate(tapped["steps"]):
        for value in step["values"]:
            if value["path"] not in shown:  # inputs, weights and constants
                continue
            for mine, theirs in zip(shown[value["path"]][str(number)], value["statistics"], strict=True):
                expected = [theirs[key] for key in ["min", "max", "mean", "rms", "nan", "plus_infinity", "minus_infinity"]]
                assert mine == expected, (value["path"], number, mine, expected)
                compared += 1
    assert compared > 1000, compared
    elements = asked(vitro, "tap", "layers.1.self_attn.attention_weights", "-p", TEXT, "--json")["steps"][0]["values"][0]
    mine = page.evaluate("[...elementsOf('model.layers.1.self_attn.attention_weights', 0)]")
    assert mine == elements["elements"] or all(math.isclose(a, b, rel_tol=1e-7) for a, b in zip(mine, elements["elements"], strict=True))
    following = asked(vitro, "next", TEXT, "--top", "12", "--json")["next"]
    for (token, piece, logit, probability), theirs in zip(page.evaluate("run.steps[0].next"), following, strict=True):
        assert (token, piece, logit) == (theirs["id"], theirs["piece"], theirs["logit"])
        assert math.isclose(probability, theirs["probability"], rel_tol=1e-12)


def check_shown(page):
    """What stands on the page is what the data say, at the chosen token."""
    path = "model.layers.2.mlp.gated"
    page.open(f"#stage=build&path={path}&layer=2")
    for token in [0, 3, 5, 7]:
        page.click(f"[data-token='{token}']")
        value = page.evaluate(f"valueAt('{path}', {token})")
        text = page.text(f"[data-value-of='{path}']").replace("−", "-")
        for key in ["mean", "rms"]:
            digits = float(text.split(key)[1].split()[0])
            assert math.isclose(digits, value[key], rel_tol=1e-4), (token, key, digits, value[key])
        card = page.text(f".card[data-id='s:n:{path}']").replace("−", "-")
        assert math.isclose(float(card.split("rms")[1].split()[0]), value["rms"], rel_tol=1e-4)
        assert ("token=" in page.address()) == (token != 5)
    page.go_back()
    assert "token" not in page.address() and page.get_attribute("[data-token='5']", "aria-pressed") == "true"
    page.keyboard.press(",")
    assert "token=4" in page.address()
    page.keyboard.press(".")
    page.fill("#token", "1")
    assert "token=1" in page.address()
    assert page.is_disabled("[data-token='8']")  # chosen, but not fed again


def check_attention(page):
    """Heads open as heat maps, in the equations and in the fused op; each row sums to 1, none looks ahead."""
    for address in ["#stage=build&path=model.layers.1.self_attn.attention_weights&layer=1",
                    "#stage=program&path=model.layers.1.self_attn.attention&layer=1"]:
        page.open(address)
        assert page.locator("#panel .attention").count() == 4
    rows = page.evaluate("attentionRows('model.layers.1.self_attn.attention_weights', 1)")
    assert [len(row) for row in rows] == list(range(1, 9))
    assert all(math.isclose(sum(row), 1, rel_tol=1e-5) for row in rows)
    assert "takes from" in page.locator("#panel .attention title >> nth=0").text_content()


def check_heat_and_memory(page):
    page.open("#stage=program")
    for heat in ["bytes", "flops", "rms", "most"]:
        page.select_option("#heat", heat)
        assert f"heat={heat}" in page.address() and page.locator(".card.painted").count() > 5
        assert page.locator(".caption .paint").count() == 1
    page.select_option("#heat", "")
    assert page.locator(".card.painted").count() == 0
    block = page.locator("#panel .arena:not(.timeline) .block >> nth=2")
    path = block.get_attribute("data-path")
    block.click()
    assert f"path={path}" in page.address() and page.inside(".card.selected")
    assert page.locator(f"#panel .arena:not(.timeline) .chosen[data-path='{path}']").count() == 1


def check_times(browser, vitro, directory, page):
    """Bytes and operations of every step are `vitro profile`'s. Times are those of the profile that the page carries; on
    the page of `vitro profile` those of its own trace, which the same run writes."""
    phases = asked(vitro, "profile", "-p", TEXT, "-n", str(PREDICT - 1), "--json")["phases"]
    assert [each["phase"] for each in phases] == ["prefill", "decode"]
    for phase in phases:
        for row in phase["by_step"]:
            mine = page.evaluate("""([phase, path]) => run.profile.runs.filter((call) => call.phase === phase)
                .map((call) => call.steps[run.profile.paths[phase].indexOf(path)])""", [phase["phase"], row["name"]])
            assert len(mine) == row["calls"]
            assert sum(step[2] for step in mine) == row["bytes"], (phase["phase"], row["name"])
            assert sum(step[3] for step in mine) == row["flops"], (phase["phase"], row["name"])
    for call in page.evaluate("run.profile.runs"):
        at = call["program"]
        for begin, end, *_ in call["steps"]:  # one after the other, within the call
            assert at <= begin <= end
            at = end
        assert at <= call["seconds"]
    page.open("#stage=program&program=decode&token=7&heat=time")
    assert "step of token 7" in page.text("#panel") and page.locator(".card.painted").count() > 5
    steps = page.locator("#panel .timeline .block")
    assert steps.count() == page.evaluate("run.profile.paths.decode.length")
    path, call = steps.nth(5).get_attribute("data-path"), page.evaluate("run.profile.runs[2]")
    steps.nth(5).click(force=True)
    assert f"path={path}" in page.address() and page.inside(".card.selected")
    took = page.evaluate("(seconds) => microseconds(seconds)", call["steps"][5][1] - call["steps"][5][0])
    assert took in page.text(".card.selected") and took in page.text("#panel .facts >> nth=0")
    assert page.locator(f"#panel .timeline .chosen[data-path='{path}']").count() == 1
    # At earlier stages a box has the time of the program's kernel that it became part of, and says so.
    page.open("#stage=build&program=decode&token=7&heat=time&path=model.layers.0.self_attn.scores")
    assert "the program’s kernel that it became part of" in page.text(".caption")
    attention = page.evaluate("run.profile.paths.decode.indexOf('model.layers.0.self_attn.attention')")
    took = page.evaluate("(seconds) => microseconds(seconds)", call["steps"][attention][1] - call["steps"][attention][0])
    for name in ["scores", "attention_weights", "attended"]:
        assert f"part of attention: {took}" in page.text(f".card[data-id='s:n:model.layers.0.self_attn.{name}']"), name
    assert took in page.text("#panel .facts >> nth=0")
    assert "part of" not in page.text(".card[data-id='s:n:model.embed_tokens']")
    page.click("#panel [data-at][data-path='model.layers.0.self_attn.attention']")
    assert "stage=program&path=model.layers.0.self_attn.attention" in page.address()

    html, trace = f"{directory}/profile.html", f"{directory}/profile.json"
    subprocess.run([vitro, "profile", "-p", TEXT, "-n", "4", "--format", "html", "-o", html, "--trace", trace], check=True)
    durations = {}
    calls = [event for event in json.loads(pathlib.Path(trace).read_text())["traceEvents"] if event.get("cat") in ("model", "step")]
    decode = False
    for event in calls:
        if event["cat"] == "model":
            decode = event["name"].startswith("decode")
        elif decode:
            durations.setdefault(event["args"]["path"], []).append(event["dur"])
    with Page(browser, html) as profiled:
        assert "stage=program" in profiled.address()  # what was measured
        marks = profiled.evaluate("story.paint.marks")
        assert sorted(marks) == sorted(durations) and len(marks) > 20
        for path, times in durations.items():
            assert math.isclose(marks[path][0], sum(times) / len(times), rel_tol=1e-3, abs_tol=2e-3), (path, marks[path], times)


def check_figures(page):
    """The way through the model, the cache, shared heads, a block, packing and temperature: numbers of the run."""
    def chapter(number):
        page.select_option("#lesson-chapter", str(number - 1))
        return page.text("#lesson-text")
    for path in ["model.embed_tokens", "model.layers.0.mlp_residual", "model.layers.3.mlp_residual"]:
        value = page.evaluate(f"({{...valueAt('{path}', 4)}})")
        assert f"[{', '.join(map(str, value['shape']))}]" in chapter(2) and page.evaluate("short", value["rms"]) in chapter(2)
    assert "Linear (in_features=256, out_features=512, bias=False)" in chapter(2)
    steps = page.evaluate("run.steps")
    assert len(steps) == PREDICT
    chapter(5)
    assert page.locator("#lesson-text .computed").count() == sum(step["count"] for step in steps)
    assert page.locator("#lesson-text .kept").count() == sum(step["first"] for step in steps)
    chapter(11)
    assert page.locator("#lesson-text .groups").count() == 3 and page.locator("#lesson-text .groups.own rect.kv").count() == 2
    text = chapter(15)
    for name in ["input_layernorm", "self_attn.o_proj", "attention_residual", "post_attention_layernorm", "mlp.down_proj", "mlp_residual"]:
        assert "rms " + page.evaluate(f"short(valueAt('model.layers.2.{name}', 4).rms)") in text, name
    assert page.locator("#lesson-text .second").count() == 0
    chapter(13)
    assert page.locator("#lesson-text .second").count() == 3
    chapter(16)
    logits = page.evaluate("[...elementsOf('logits', 0)]")
    for temperature in [0.5, 1, 1.7]:
        page.fill("#lesson-temperature", str(temperature))
        total = sum(math.exp((logit - max(logits)) / temperature) for logit in logits)
        assert page.evaluate("percent", 1 / total) in page.text("#temperature-figure"), temperature
    page.fill("#lesson-temperature", "0")
    assert "100.000 %" in page.text("#temperature-figure")


def check_lesson(browser, vitro, directory):
    """Every chapter in both languages: nothing left open, the same figures, numbers that are the run's."""
    figures = {}
    for language in ["en", "zh"]:
        file = f"{directory}/lesson_{language}.html"
        subprocess.run([vitro, "trace", "--lesson", "--lang", language, "-p", TEXT, "-o", file], check=True)
        with Page(browser, file) as page:
            assert page.is_visible("#lesson") and "lesson=1" in page.address()
            count = page.evaluate("chapters().length")
            assert count == 17
            for chapter in range(count):
                assert f"lesson={chapter + 1}" in page.address()
                text = page.text("#lesson-text")
                assert not [bad for bad in ["undefined", "NaN", "[object", "null"] if bad in text], (language, chapter, text)
                figures.setdefault(language, []).append(page.evaluate(
                    "['table', 'svg', 'math', '.bars', 'rect'].map((each) => document.querySelectorAll('#lesson-text ' + each).length)"))
                check_with_axe(page, f"lesson {language}, chapter {chapter + 1}")
                if chapter + 1 < count:
                    page.click("[data-lesson='1']")
            page.go_back()
            assert f"lesson={count - 1}" in page.address()
            # Chapter 1: pieces and ids; 6: the norm; 8: weights; 13: turning; 16: rivals.
            page.select_option("#lesson-chapter", "0")
            for token, piece in page.evaluate("run.tokens.slice(0, run.prompt)"):
                assert str(token) in page.text("#lesson-text") and piece.replace("▁", "␣") in page.text("#lesson-text")
            page.select_option("#lesson-layer", "2")
            page.select_option("#lesson-head", "3")
            page.click("[data-token='4']")
            page.select_option("#lesson-chapter", "5")
            assert page.evaluate("short(valueAt('model.layers.2.input_layernorm', 4).rms)") in page.text("#lesson-text")
            page.select_option("#lesson-chapter", "7")
            weights = page.evaluate("attentionRows('model.layers.2.self_attn.attention_weights', 3)[4].map(percent)")
            assert len(weights) == 5 and all(weight in page.text("#lesson-text") for weight in weights)
            page.select_option("#lesson-chapter", "12")
            pairs = page.evaluate("""(() => [0, 1, 2, 4, 8, 16].map((i) => { const half = run.model.layers[2].rotary_dim / 2,
                before = rowOf('model.layers.2.self_attn.q_heads', 4, 3), after = rowOf('model.layers.2.self_attn.q_rope', 4, 3),
                angle = 4 * run.model.layers[2].theta ** (-i / half);
                return [before[i] * Math.cos(angle) - before[i + half] * Math.sin(angle), after[i]]; }))()""")
            assert all(math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5) for a, b in pairs), pairs
            page.fill("#lesson-position", "9")
            assert "φ = 9" in page.text("#rope-figure")
            page.select_option("#lesson-chapter", "11")
            for mask in ["sliding", "strided", "fixed", "both", "packed", "full"]:
                page.select_option("#lesson-mask", mask)
            check_figures(page)
            page.select_option("#lesson-chapter", "15")
            assert page.evaluate("percent(run.steps[0].next[0][3])") in page.text("#lesson-text")
            page.select_option("#lesson-chapter", "7")
            page.click("#lesson-text [data-graph-stage] >> nth=0")
            assert page.is_hidden("#lesson") and "path=model.layers.2.self_attn.scores" in page.address()
            page.click("#lesson-button")
            assert page.is_visible("#lesson")
        with Page(browser, file, "#stage=build&lesson=9", 400, "dark") as page:
            for chapter in range(count):
                page.evaluate(f"toChapter({chapter})")
                check_with_axe(page, f"lesson on a phone, chapter {chapter + 1}")
                assert page.evaluate("document.documentElement.scrollWidth") <= 400
                assert page.evaluate("(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)($('lesson-text'))"), chapter + 1
    assert figures["en"] == figures["zh"]


ENGLISH = """(allowed) => {
    const found = [], words = (text) => (text || "").replace(/[\\w]+(?:[._–][\\w–]+)+/g, "").match(/[A-Za-z]{2,}/g) || [];
    const names = new Set(allowed.flatMap((name) => String(name).match(/[A-Za-z]+/g) || []));
    const look = (element, what, text) => words(text).filter((word) => !names.has(word)).forEach((word) => found.push(`${word} in ${what} of ${element.outerHTML.slice(0, 90)}`));
    for (const element of document.querySelectorAll("body *:not(script, style)")) {
        if (element.closest("[lang=en], math, code, .path, .equation, .piece, .card, .edges, .head, kbd, #lesson-text, #hits, #title, #token-list, .doc > a, title, .bars, #timeline")) continue;
        for (const name of ["title", "aria-label", "placeholder"]) look(element, name, element.getAttribute(name));
        for (const node of element.childNodes) if (node.nodeType === 3) look(element, "text", node.data);
    }
    return found;
}"""


def check_chinese(browser, vitro, directory):
    """No English word is left in buttons, labels, panel, search and help, but for names of the graph and units."""
    file = f"{directory}/lesson_zh.html"
    with Page(browser, file, "#stage=build") as page:
        assert page.get_attribute("html", "lang") == "zh"
        allowed = ["SVG", "PNG", "KV", "Esc", "Tab", "Enter", "Home", "End", "rms", "nmse", "FLOP", "MFLOP", "kFLOP", "GFLOP", "kB", "MB", "GB", "NaN", "Inf", "logits", "ms", "RoPE",
                   *page.evaluate("page.programs"), *page.evaluate("story.stages.flatMap(({name}) => name.match(/[A-Za-z]+/g))"), *page.evaluate("Object.keys(story.ops)"), *page.evaluate("Object.keys(story.regions)"),
                   *page.evaluate("[...new Set(story.stages.flatMap((stage) => stage.nodes.flatMap((node) => node.attributes.flat())))].flatMap((text) => text.match(/\\w+/g) || [])"),
                   *page.evaluate("[...new Set([...story.moduleOf.values()].flatMap(({type, detail}) => `${type} ${detail}`.match(/\\w+/g)))]"), *page.evaluate("run.tokens.map(([, piece]) => pieceText(piece)).flatMap((text) => text.match(/\\w+/g) || [])"),
                   "cpu", "cpp", "models", "decoder", "bf", "tokens", *page.evaluate("[...new Set(story.stages.flatMap(({nodes}) => nodes.flatMap(({inputNames}) => inputNames)))]")]
        for address in ["#stage=build", "#stage=fuse_attention", "#stage=fuse_bias", "#stage=program", "#stage=program&path=model.layers.1.self_attn.attention&layer=1&heat=time",
                        "#stage=build&path=model.layers.1.self_attn.scores&layer=1&heat=rms", "#stage=build&path=module:model.layers.0.mlp", "#stage=program&path=model.layers.0.self_attn.scores",
                        "#stage=build&path=tokens", "#stage=build&open=none", *(f"#stage=build&lesson={chapter}" for chapter in range(1, 18))]:
            page.open(address)
            assert not page.evaluate(ENGLISH, allowed), (address, page.evaluate(ENGLISH, allowed)[:8])
        page.click("#help")
        assert not page.evaluate(ENGLISH, allowed), page.evaluate(ENGLISH, allowed)[:8]
        assert "如何阅读本页" in page.text("#help-dialog")
        page.keyboard.press("Escape")
        for query in ["xyzzy", "model", "scores"]:
            page.fill("#query", query)
            text = page.text("#hits")
            assert "没有含“xyzzy”" in text if query == "xyzzy" else text
            assert "more" not in text and " at " not in text
        for text in page.locator(".card .row, .head .step").all_inner_texts():
            assert not re.search(r"\b(layer|ops?|part of|at most|changed)\b", text), text
        assert page.evaluate("[...untold]") == []


def check_other_models(browser, vitro, directory):
    """Chapters stand only where what they say is so: of a softmax with sinks or a cap, of experts, of a scaled sum, none."""
    golden = pathlib.Path(__file__).parents[1] / "golden"
    plain, block, feed = "Attention, step one: how relevant is each token?", "The residual stream, then and now", "The feed-forward layer"
    for model, missing in [("phi3_odd", []), ("gpt_oss", [plain, block, feed]), ("gemma2", [plain, block, feed]), ("mixtral", [block, feed]), ("granite", [plain, block])]:
        file = f"{directory}/{model}.html"
        subprocess.run([vitro, "trace", "--lesson", "-m", golden / model, "--tokens", "1,5,3,7", "-o", file], check=True)
        with Page(browser, file) as page:
            titles = page.evaluate("chapters().map(({title}) => title)")
            assert [title for title in [plain, block, feed] if title not in titles] == missing, (model, titles)
            for chapter in range(len(titles)):
                page.evaluate(f"toChapter({chapter})")
                text = page.text("#lesson-text")
                assert not [bad for bad in ["undefined", "NaN", "[object", "null"] if bad in text], (model, titles[chapter], text)


def check_nan(browser, vitro, directory):
    """A weight that is NaN: boxes after it are red and say how many."""
    file = f"{directory}/nan.html"
    broken = pathlib.Path(directory, "broken")
    broken.mkdir()
    source = pathlib.Path(__file__).parents[2] / "models/bundled/tiny-phi3"
    for each in source.iterdir():
        broken.joinpath(each.name).write_bytes(each.read_bytes())
    weights = broken / "model.safetensors"
    data = bytearray(weights.read_bytes())
    size = int.from_bytes(data[:8], "little")
    tensor = json.loads(data[8:8 + size])["model.layers.2.mlp.down_proj.weight"]
    assert tensor["dtype"] == "BF16"
    at = 8 + size + tensor["data_offsets"][0]
    data[at:at + 2] = b"\xc0\x7f"
    weights.write_bytes(data)
    result = subprocess.run([vitro, "trace", "-m", broken, "-p", TEXT, "-o", file], capture_output=True, text=True)
    if result.returncode != 0:
        return result.stderr
    with Page(browser, file, "#stage=build&layer=2") as page:
        assert page.locator(".card .broken").count() > 0
        assert "NaN" in page.text(".card .broken >> nth=0")
    return ""


def main():
    vitro = sys.argv[1]
    if not pathlib.Path(CHROMIUM).exists():
        print("SKIPPED: there is no chromium (Debian: chromium)")
        return 77
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        file = f"{directory}/trace.html"
        subprocess.run([vitro, "trace", "-p", TEXT, "-n", str(PREDICT), "-o", file], check=True)
        assert pathlib.Path(file).stat().st_size < 6_000_000
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with Page(browser, file) as page:
            check_numbers(vitro, page)
            for check in [check_shown, check_attention, check_heat_and_memory]:
                check(page)
                print(f"{check.__name__}: passed")
            check_times(browser, vitro, directory, page)
            print("check_times: passed")
        for width in SIZES:
            for scheme in ["light", "dark"]:
                with Page(browser, file, "#stage=build&path=model.layers.1.self_attn.attention_weights&heat=rms", width, scheme) as page:
                    check_with_axe(page, f"trace at {width}, {scheme}")
                    assert page.inside("#forward") and page.inside("#token")
        check_lesson(browser, vitro, directory)
        print("check_lesson: passed")
        check_chinese(browser, vitro, directory)
        print("check_chinese: passed")
        check_other_models(browser, vitro, directory)
        print("check_other_models: passed")
        said = check_nan(browser, vitro, directory)
        assert not said, said
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
