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

from page_slow import SIZES, Page, browser_and_folder, check_with_axe

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
    for (token, text, logit, probability), theirs in zip(page.evaluate("run.steps[0].next"), following, strict=True):
        assert (token, text, logit) == (theirs["id"], theirs["piece"].replace("▁", " "), theirs["logit"])
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
        profiled.click("#drawings")
        assert profiled.locator("#charts svg").count() == 2 and profiled.get_attribute("#drawings", "aria-pressed") == "true"
        check_with_axe(profiled, "drawings of the profile")
        profiled.keyboard.press("d")
        assert profiled.is_hidden("#charts")
        marks = profiled.evaluate("story.paint.marks")
        assert sorted(marks) == sorted(durations) and len(marks) > 20
        for path, times in durations.items():
            assert math.isclose(marks[path][0], sum(times) / len(times), rel_tol=1e-3, abs_tol=2e-3), (path, marks[path], times)


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
    subprocess.run([vitro, "trace", "--lesson", "--lang", "zh", "-p", TEXT, "-o", file], check=True)
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
    with browser_and_folder() as (browser, directory):
        file = f"{directory}/trace.html"
        subprocess.run([vitro, "trace", "-p", TEXT, "-n", str(PREDICT), "-o", file], check=True)
        assert pathlib.Path(file).stat().st_size < 6_000_000
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
        check_chinese(browser, vitro, directory)
        print("check_chinese: passed")
        said = check_nan(browser, vitro, directory)
        assert not said, said
    return 0


if __name__ == "__main__":
    sys.exit(main())
