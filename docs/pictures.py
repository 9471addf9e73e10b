#!/usr/bin/env python3
"""Makes the README's pictures from the page itself: docs/pictures.py [build/release/vitro].

Needs Debian's chromium, and playwright 1.65 and pillow 13 from PyPI (`./dev pictures` installs them into .venv).
"""

import io
import pathlib
import subprocess
import sys
import tempfile

from PIL import Image
from playwright.sync_api import sync_playwright

TEXT = "The capital of France is"
WIDTH, HEIGHT = 1440, 810
ATTENTION = "model.layers.1.self_attn.attention"


def main():
    docs = pathlib.Path(__file__).resolve().parent
    vitro = sys.argv[1] if len(sys.argv) > 1 else docs.parent / "build/release/vitro"
    frames = []
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        file = f"{directory}/lesson.html"
        subprocess.run([vitro, "trace", "--lesson", "-p", TEXT, "-o", file], check=True)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(120_000)

        def frame(milliseconds):
            page.wait_for_timeout(120)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            frames.append((picture.resize((WIDTH * 2 // 3, HEIGHT * 2 // 3), Image.Resampling.LANCZOS), milliseconds))

        def open_at(address):
            page.goto("about:blank")
            page.goto(f"file://{file}{address}")
            page.wait_for_selector("html[data-ready]")

        open_at(f"#stage=fuse_attention&path={ATTENTION}&layer=1")
        page.evaluate("document.querySelector('#panel .heads figure').scrollIntoView({block: 'end'})")
        page.screenshot(path=docs / "trace.png")

        open_at("#stage=build")
        frame(1600)
        for name in page.evaluate("story.stages.filter((stage) => stage.does).map((stage) => stage.name)"):
            page.evaluate(f"goTo(story.stages.findIndex((stage) => stage.name === '{name}'))")
            frame(1100)
        open_at(f"#stage=program&path={ATTENTION}&layer=1&token=3")
        for token in [3, 4, 5, 6]:
            page.click(f"[data-token='{token}']")
            frame(800)
        for chapter in [2, 3, 8, 10, 13, 16]:
            open_at(f"#stage=build&layer=1&lesson={chapter}")
            frame(1500)
        # Two compilations next to each other, from difference to difference.
        file = f"{directory}/sides.html"
        subprocess.run([vitro, "graph", "--compare", "weights=stored", "weights=fp8", "-p", TEXT, "--format", "html", "-o", file], check=True)
        open_at("")
        for _ in range(3):
            frame(1300)
            page.keyboard.press("n")
        browser.close()
    # One palette for all frames, of what they show together.
    sample = Image.new("RGB", (WIDTH * 2 // 3, HEIGHT * 2 // 3 * len(frames)))
    for i, (picture, _) in enumerate(frames):
        sample.paste(picture, (0, i * picture.height))
    palette = sample.quantize(256)
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture, _ in frames]
    pictures[0].save(docs / "trace.gif", save_all=True, append_images=pictures[1:], duration=[time for _, time in frames], loop=0, optimize=True)
    for name in ["trace.png", "trace.gif"]:
        print(f"docs/{name}: {(docs / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
