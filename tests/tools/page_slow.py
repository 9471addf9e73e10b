#!/usr/bin/env python3
"""Every control of the HTML pages, in headless Chromium: page_slow.py VITRO [CHECK...]. Exit code 77 where there is no
browser, or no playwright: neither for this python nor in the tree's .venv.

Checked with playwright 1.65 and axe-playwright-python 0.1.8 (axe-core 4), Debian's chromium.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

from own_python import rerun_or_skip

try:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright
except ImportError as error:
    rerun_or_skip(error)

CHROMIUM = "/usr/bin/chromium"
SIZES = {1600: 1000, 1280: 800, 768: 1024, 400: 800}
PHI3_MINI = {
    "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072,
    "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "sliding_window": 2047,
    "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": None, "hidden_act": "silu",
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 32000,
}


@contextlib.contextmanager
def browser_and_folder():
    """A browser, and a folder that is gone afterwards. Ends the test as skipped where there is no browser."""
    if not pathlib.Path(CHROMIUM).exists():
        print("SKIPPED: there is no chromium (Debian: chromium)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser, directory
        browser.close()


class Page:
    """A page of the browser that lets no error pass, nor anything from the network."""

    def __init__(self, browser, file, address="", width=1600, scheme="light", motion="reduce", waits=True):
        self.errors, self.file, self.waits = [], file, waits
        self.page = browser.new_page(viewport={"width": width, "height": SIZES[width]}, color_scheme=scheme,
                                     reduced_motion=motion)
        self.page.set_default_timeout(120_000)  # other processes share the machine
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.errors.extend(
            [] if request.url.startswith(("file:", "data:", "blob:")) else [f"request of {request.url}"]))
        self.open(address)

    def open(self, address):
        self.page.goto("about:blank")
        self.page.goto(f"file://{self.file}{address}")
        if self.waits:
            self.page.wait_for_selector("html[data-ready]")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            assert self.errors == [], self.errors
        self.page.close()

    def __getattr__(self, name):
        return getattr(self.page, name)

    def text(self, selector):
        return self.page.inner_text(selector)

    def address(self):
        return self.page.evaluate("decodeURIComponent(location.hash)")

    def inside(self, selector):
        """Whether an element is wholly within the window, and nothing lies over its middle."""
        return self.page.evaluate("""(selector) => {
            const element = document.querySelector(selector), at = element.getBoundingClientRect();
            const top = document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2);
            return at.width > 0 && at.left >= 0 && at.top >= 0 && at.right <= innerWidth && at.bottom <= innerHeight
                && (element.contains(top) || top.contains(element));
        }""", selector)

    def eye(self):
        return self.page.evaluate("({...eye})")


def check_stages(open_page):
    with open_page() as page:
        stages = page.evaluate("story.stages.map((stage) => stage.name)")
        assert page.address().startswith("#stage=build"), page.address()
        assert "every box is one op" in page.text("#panel")
        assert stages == [text.replace("\n", "") for text in page.locator("#timeline button").all_inner_texts()]
        for name in stages:  # all of them by the button
            assert page.text(".caption b >> nth=0") == name
            assert f"stage={name}" in page.address()
            refused = page.text("#panel").upper().count("REFUSED")
            assert not ("the graph has no place" in page.text("#panel") and refused), name
            if name != stages[-1]:
                page.click("#forward")
        assert page.is_disabled("#forward")
        page.click("#back")
        assert page.text(".caption b >> nth=0") == stages[-2]
        page.click(f"[data-stage='{stages.index('fuse_attention')}']")
        assert "fuse_attention" in page.address()
        assert "→" in page.text(".caption .numbers")
        page.fill("#pass", "3")
        assert f"stage={stages[3]}" in page.address()
        # The change is in sight, and readable.
        page.click(f"[data-stage='{stages.index('fuse_gated_ffn')}']")
        assert page.inside(".card.is-new, .card.is-changed")
        assert page.eye()["zoom"] >= 0.6
        page.open("#stage=build")
        page.click("#play")
        page.wait_for_timeout(1800)
        assert "stage=build" not in page.address()
        page.keyboard.press("p")
        at = page.address()
        page.wait_for_timeout(1800)
        assert page.address() == at


def check_every_program(open_page):
    """All stages of all phases, folded and not, without an error; a pass that fuses says how often."""
    with open_page() as page:
        for program in range(3):
            page.click(f"[data-program='{program}']")
            for stage in range(page.evaluate("story.stages.length")):
                page.evaluate(f"goTo({stage})")
                assert page.locator(".card[data-id^='s:n:']").count() > 0 or page.evaluate("stageNow().nodes.length") == 0
        page.open("#stage=fuse_attention")
        assert "FIRED 4 TIMES" in page.text("#panel").upper()
        page.open("#stage=program&path=model.layers.3.attention_residual&layer=3")
        assert page.locator("[data-at='0'][data-path='model.layers.3.self_attn.o_proj']").count() == 1
        assert "PLACE IN MEMORY" in page.text("#panel").upper()
        page.click("[data-at='0'][data-path='model.layers.3.self_attn.o_proj']")
        assert "stage=build&path=model.layers.3.self_attn.o_proj" in page.address()


def check_folded_texts(open_page):
    """What is said of layers that are alike names all of them, also in its reason."""
    with open_page("#stage=fuse_residual") as page:
        lines = page.locator("#panel li").all_inner_texts()
        folded = [line for line in lines if "layers.0–3." in line.splitlines()[0]]
        assert folded and not [line for line in folded if "layers.0." in line or "layers.1." in line], folded
        assert any("layers.0–3.mlp_residual" in line for line in lines), lines


def check_keys(open_page):
    with open_page("#stage=build") as page:
        press = page.keyboard.press
        for key, name in [("ArrowRight", "canonicalize"), ("ArrowLeft", "build"), ("End", "program"), ("Home", "build")]:
            press(key)
            assert f"stage={name}" in page.address(), key
        zoom = page.eye()["zoom"]
        press("+")
        assert page.eye()["zoom"] > zoom
        press("-")
        assert abs(page.eye()["zoom"] - zoom) < 1e-9
        press("?")
        assert page.is_visible("#help-dialog") and "the next layer" in page.text("#help-dialog")
        press("Escape")
        assert page.is_hidden("#help-dialog")
        press("]")
        assert "layer=1" in page.address() and "layer 1" in page.text(".step")
        press("[")
        assert "layer=" not in page.address()
        boxes = page.locator(".card").count()
        press("c")
        assert page.locator(".card").count() < boxes
        press("e")
        assert page.locator(".card").count() >= boxes
        press("l")
        assert page.locator(".card").count() > 2 * boxes and page.get_attribute("#fold", "aria-pressed") == "false"
        press("f")  # all of the unfolded model
        eye, w, h = page.eye(), *page.evaluate("[scene.root.w, scene.root.h]")
        view = page.evaluate("(({width, height}) => ({width, height}))(viewBox())")
        assert eye["x"] >= 0 and eye["y"] >= 0
        assert eye["x"] + w * eye["zoom"] <= view["width"] and eye["y"] + h * eye["zoom"] <= view["height"]
        press("l")
        press("/")
        assert page.evaluate("document.activeElement.id") == "query"
        page.keyboard.type("down_proj")
        press("Enter")
        assert "path=" in page.address() and "down_proj" in page.text("#panel .path >> nth=0")
        press("Escape")
        press("Escape")
        assert "path=" not in page.address()


def check_boxes_by_keyboard(open_page):
    with open_page("#stage=program") as page:
        page.focus("#png")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        reached = []
        for _ in range(60):
            label = page.evaluate("document.activeElement.closest('.canvas') && (document.activeElement.ariaLabel || document.activeElement.innerText)")
            if not label:
                break
            assert page.evaluate("""(() => { const at = document.activeElement.getBoundingClientRect(), view = viewBox();
                return at.left >= view.left - 1 && at.right <= view.right + 1 && at.top >= view.top - 1 && at.bottom <= view.bottom + 1; })()"""), label
            reached.append(label)
            page.keyboard.press("Tab")
        assert any(label.startswith("embed, model.embed_tokens") for label in reached), reached
        assert sum(1 for label in reached if "," in label) == page.locator(".card").count()
        page.focus(".card[data-id='s:n:model.embed_tokens']")
        page.keyboard.press("Enter")
        assert "path=model.embed_tokens" in page.address()
        page.focus(".head .toggle >> nth=-1")
        name = page.evaluate("document.activeElement.dataset.toggle")
        page.keyboard.press("Enter")
        assert page.get_attribute(f".card[data-id='s:g:{name}']", "aria-expanded") == "false"
        page.keyboard.press(" ")
        assert page.locator(f".toggle[data-toggle='{name}']").get_attribute("aria-expanded") == "true"


def check_addresses(open_page):
    with open_page("#stage=fuse_attention&path=model.layers.1.self_attn.attention&layer=1") as page:
        assert "model.layers.1.self_attn.attention" in page.text("#panel") and "layer 1" in page.text(".step")
        assert page.inside(".card.selected")
        page.click("#forward")
        page.click("#forward")
        page.go_back()
        page.go_back()
        assert "stage=fuse_attention" in page.address() and "fuse_attention" in page.text(".caption")
        assert page.inside(".card.selected")
        page.go_forward()
        assert "stage=fuse_gated_ffn" in page.address() and "fuse_gated_ffn" in page.text(".caption")
        page.open("#program=prefill&stage=build&unfold=1&open=none")
        assert page.get_attribute("[data-program='0']", "aria-pressed") == "true"
        assert page.locator(".card").count() < 20
        page.click("[data-program='2']")
        assert "program=load" in page.address()
        page.go_back()
        assert "program=prefill" in page.address()
        page.open("#stage=program&path=model.layers.0.self_attn.scores")  # gone by then
        assert "Not in this stage" in page.text("#panel")
        page.open("#stage=nonsense&layer=x&path=no.such")
        assert "Not in this stage" in page.text("#panel")


def check_search(open_page):
    with open_page("#stage=program") as page:
        page.fill("#query", "scores")
        assert "layers.0–3.self_attn.scores 4 ×" in page.text("#hits"), page.text("#hits")
        assert "at " in page.text("#hits li >> nth=0")
        page.press("#query", "Enter")
        assert "stage=program" not in page.address() and "scores" in page.address()
        page.fill("#query", "xyzzy")
        assert "No path or op" in page.text("#hits")
        page.fill("#query", "model")
        page.press("#query", "ArrowDown")
        assert page.get_attribute("#query", "aria-activedescendant") == "hit-1"
        assert page.get_attribute("#hit-1", "aria-selected") == "true"
        wanted = page.evaluate("hits[2].path")
        page.click("#hit-2")
        assert f"path={wanted}" in page.address()
        all_paths = page.evaluate("findable().filter(({path}) => path.includes('model')).length")
        page.fill("#query", "model")
        assert page.evaluate("hits.reduce((sum, hit) => sum + hit.count, 0)") >= all_paths  # none is left out


def check_mouse(open_page):
    with open_page("#stage=build") as page:
        page.click(".card[data-id='s:n:model.embed_tokens']")
        assert "path=model.embed_tokens" in page.address() and page.locator(".edges .hot").count() > 0
        page.click("#panel a >> nth=0")
        page.click("#panel [data-close]")
        assert "path=" not in page.address()
        page.click("[data-step='1']")
        assert "layer=1" in page.address()
        before = page.eye()
        page.mouse.move(300, 500)
        page.mouse.down()
        page.mouse.move(360, 430, steps=4)
        page.mouse.up()
        after = page.eye()
        assert (after["x"] - before["x"], after["y"] - before["y"]) == (60, -70)
        page.mouse.wheel(0, -200)
        assert page.eye()["zoom"] > after["zoom"]
        box = page.locator("#map").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 4)
        assert page.eye()["y"] < -1000
        page.click("#fit")
        assert page.evaluate("getComputedStyle(document.getElementById('map')).display") == "none"  # all is in sight
        page.click("[data-action='zoom-in']")
        page.click("[data-action='zoom-out']")
        page.click("[data-action='collapse']")
        page.click(".card.closed >> nth=0")
        assert "path=module:" in page.address()
        page.click("[data-action='expand']")
        page.click("#fold")
        assert "unfold=1" in page.address()
        page.click("#fold")
        for kind, head in [("svg", b"<svg"), ("png", b"\x89PNG")]:
            with page.expect_download() as download:
                page.click(f"[data-action='{kind}']")
            assert pathlib.Path(download.value.path()).read_bytes().startswith(head)
            assert download.value.suggested_filename.endswith("-build." + kind)
        page.click("#help")
        page.click("#help-dialog .close")
        assert page.is_hidden("#help-dialog")


def check_widths(open_page):
    for width in SIZES:
        for scheme in ["light", "dark"]:
            with open_page("#stage=fuse_residual", width=width, scheme=scheme) as page:
                for selector in ["#fit", "#forward", "#back", "#query", "#help", "#title"]:
                    assert page.inside(selector), (width, selector)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                if width > 900:
                    assert page.inside("#panel")
                else:
                    assert page.is_hidden("#panel")
                    page.click("#details")
                    assert page.inside("#panel") and "fuse_residual" in page.text("#panel")
                    page.click("#details")
                    assert page.is_hidden("#panel")


def check_axe(open_page):
    """axe-core finds nothing: names, roles, contrasts, landmarks."""
    for width, address in [(1600, "#stage=build"), (1600, "#stage=fuse_attention&path=model.layers.0.self_attn.attention"),
                           (768, "#stage=program"), (400, "#stage=fuse_qkv_rope")]:
        for scheme in ["light", "dark"]:
            with open_page(address, width=width, scheme=scheme) as page:
                check_with_axe(page, f"{address} at {width}, {scheme}")
                page.click("#help")
                check_with_axe(page, "help")
                page.keyboard.press("Escape")
                if page.is_visible("#details"):
                    page.click("#details")
                    check_with_axe(page, "details")
                page.fill("#query", "proj")
                check_with_axe(page, "search")


def check_with_axe(page, what):
    found = Axe().run(page.page).response["violations"]
    assert not found, what + "\n" + "\n".join(
        f"{one['id']}: {one['help']}: {[node['html'][:200] + str(node['any'][:1])[:300] for node in one['nodes'][:3]]}" for one in found)


def check_labels(open_page):
    """No label lies over a box, another label or the line of another value."""
    for stage in ["build", "fuse_qkv_rope", "program"]:
        with open_page(f"#stage={stage}") as page:
            over = page.evaluate("""(() => {
                const shapes = [...document.querySelectorAll('.edges text, .card, .head .step')].map((e) => [e, e.getBoundingClientRect()]);
                const found = [];
                for (const [a, p] of shapes) for (const [b, q] of shapes)
                    if (a !== b && a.tagName === 'text' && p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 2 && q.top < p.bottom - 2)
                        found.push(a.textContent + ' over ' + b.textContent);
                return found;
            })()""")
            assert over == [], (stage, over)
            assert page.locator(".edges text").count() > 5


def check_speed(browser, file):
    """Phi-3-mini: in less than a second, and at 30 frames a second or more."""
    with Page(browser, file) as page:
        times = []
        for _ in range(3):
            page.open("")
            times.append(int(page.get_attribute("html", "data-ready")))
        print(f"Phi-3-mini is drawn after {times} ms")
        assert min(times) < 1000
        for address in ["#stage=program", "#stage=build&unfold=1"]:
            page.open(address)
            busy = busy_time(page)
            before = busy()
            milliseconds = page.evaluate("""async () => {
                const start = performance.now();
                for (let i = 0; i < 60; ++i) {
                    if (i % 2) zoomBy(i % 4 === 1 ? 1.05 : 1 / 1.05); else { eye.y -= 20; applyEye(); }
                    await new Promise(requestAnimationFrame);
                }
                return (performance.now() - start) / 60;
            }""")
            own = (busy() - before) / 60
            print(f"{address}: {milliseconds:.1f} ms per frame of moving and zooming, of which the page's thread computes {own:.1f} ms")
            assert own < 1000 / 30
    for motion in ["reduce", "no-preference"]:
        with Page(browser, file, "#stage=build", motion=motion) as page:
            check_stage_changes(page)


def busy_time(page):
    """What the page's thread has computed so far, in milliseconds of CPU time: scripts, styles, layout and paint. Other
    processes share the machine, so that the time on the clock says little of the page."""
    session = page.context.new_cdp_session(page.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy():
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return 1000 * metrics["TaskDuration"]
    return busy


def check_stage_changes(page):
    """No stage change keeps the page's thread for longer than a thirtieth of a second. Of three rounds the least."""
    busy = busy_time(page)
    stages = range(1, page.evaluate("story.stages.length"))
    rounds = []
    for _ in range(3):
        page.evaluate("goTo(0)")
        rounds.append([])
        for stage in stages:
            page.wait_for_timeout(350)  # until all has glided to its place
            before = busy()
            page.evaluate(f"async () => {{ goTo({stage}); await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame); }}")
            rounds[-1].append(busy() - before)
    times = [min(each) for each in zip(*rounds, strict=True)]
    print(f"changing the stage takes {max(times):.1f} ms at most, {sorted(times)[len(times) // 2]:.1f} ms in the middle")
    assert max(times) < 1000 / 30


def check_plan_page(browser, file):
    for scheme, background in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 22, 29)")]:
        with Page(browser, file, scheme=scheme, waits=False) as page:
            paper = page.locator(".paper >> nth=0")
            assert paper.evaluate("(e) => getComputedStyle(e).fill") == background
            page.click(".block >> nth=3")
            chosen = page.text("#chosen")
            assert " at [" in chosen and "from " in chosen
            page.keyboard.press("Tab")
            assert page.text("#chosen") != chosen
            check_with_axe(page, f"plan, {scheme}")


def main():
    vitro = sys.argv[1]
    checks = [each for name, each in globals().items() if name.startswith("check_") and name not in ("check_with_axe", "check_speed", "check_stage_changes", "check_plan_page")]
    with browser_and_folder() as (browser, directory):
        small, large = f"{directory}/small.html", f"{directory}/large.html"
        pathlib.Path(directory, "config.json").write_text(json.dumps(PHI3_MINI))
        subprocess.run([vitro, "graph", "--format", "html", "-o", small], check=True)
        subprocess.run([vitro, "graph", "-m", directory, "--format", "html", "-o", large], check=True)
        wanted = sys.argv[2:]
        for check in checks:
            if not wanted or check.__name__ in wanted:
                check(lambda address="", **how: Page(browser, small, address, **how))
                print(f"{check.__name__}: passed")
        if not wanted or "check_speed" in wanted:
            check_speed(browser, large)
        if not wanted or "check_plan_page" in wanted:
            plan = f"{directory}/plan.html"
            subprocess.run([vitro, "plan", "--format", "html", "-o", plan], check=True)
            check_plan_page(browser, plan)
    return 0


if __name__ == "__main__":
    sys.exit(main())
