#!/usr/bin/env python3
"""The page of `vitro graph --compare` in headless Chromium: compare_slow.py VITRO. Every cell is what --json says.

Exit code 77 where there is no browser or no playwright, as page_slow.py.
"""

import json
import subprocess
import sys

from page_slow import SIZES, Page, browser_and_folder, check_with_axe

ARGUMENTS = ["graph", "--compare", "", "weights=fp8", "passes=none", "-p", "The capital of France is"]
PROJECTION = "model.layers.1.self_attn.qkv_proj"


def check_cells(page, table):
    """All rows, unfolded: names, ops, types and the marks of what differs."""
    page.open("#compare=all&unfold=1")
    assert page.locator("[data-row]").count() == len(table["values"])
    shown = page.evaluate("""Object.fromEntries([...document.querySelectorAll('[data-row]')].map((row) => [row.dataset.row,
        [...row.querySelectorAll('td')].map((cell) => [cell.innerText, [...cell.querySelectorAll('.differs')].map((e) => e.innerText).join(' ')])]))""")
    marked = 0
    for row in table["values"]:
        for side, (text, marks) in zip(row["sides"], shown[row["path"]], strict=True):
            if not side["there"]:
                assert side.get("fate", "not there") in text, row
            else:
                for part in [side["op"], side["dtype"], side["shape"], f"step {side['step']}" if "step" in side else ""]:
                    assert part in text, (row["path"], part, text)
            if side.get("error", {}).get("parts"):
                assert "parts" in marks, (row["path"], marks)
                marked += 1
            assert row["differs"] or not marks, row
    assert marked > 20


def check_controls(page, table):
    page.open("")
    page.click("[data-compare-view='table']")
    assert page.is_visible("#compare") and "compare=any" in page.address()
    names = page.locator("[data-row] th").all_inner_texts()
    assert any("layers.0–3.mlp.gated" in name.replace("\u200b", "") and "4 ×" in name for name in names), names
    folded = page.locator("[data-row]").count()
    differing = sum(1 for row in table["values"] if row["differs"])
    assert folded < differing
    for aspect in ["presence", "op", "inputs", "step", "bytes", "error"]:
        page.select_option("#compare-wanted", aspect)
        assert f"compare={aspect}" in page.address() and page.locator("[data-row]").count() > 0
        assert page.evaluate("document.activeElement.id") == "compare-wanted"
    page.select_option("#compare-wanted", "any")
    page.click("#fold")
    assert page.locator("[data-row]").count() == differing
    page.click("#fold")
    page.select_option("#compare-layer", "2")
    assert "layer=2" in page.address() and page.locator("[data-row='model.layers.2.self_attn.k_rope']").count() == 1
    page.select_option("#compare-layer", "1")
    # From a cell to its box, and back.
    page.click(f"[data-row='{PROJECTION}'] td:nth-of-type(2) a")
    assert page.is_hidden("#compare") and f"path={PROJECTION}" in page.address() and "program=b" in page.address()
    assert page.inside(".pane.chosen .card.selected") and "ON EACH SIDE" in page.text("#panel").upper()
    row = next(row for row in table["values"] if row["path"] == PROJECTION)
    error = row["sides"][1]["error"]["nmse"]
    assert f"{error:.2e}".replace("e-0", "e-") in page.text(".pane.chosen .card.selected")
    page.select_option("#heat", "error")
    assert page.locator(".card.painted").count() > 5 and "heat=error" in page.address()
    page.click("#panel [data-side='2']")
    assert "program=c" in page.address() and f"path={PROJECTION}" in page.address()
    page.go_back()
    assert "program=b" in page.address()
    page.click("[data-compare-view='table']")
    assert page.is_visible("#compare")
    page.go_back()
    assert page.is_hidden("#compare")
    page.click("[data-compare-view='table']")
    page.focus(f"[data-row='{PROJECTION}'] td:nth-of-type(1) a")
    page.keyboard.press("Enter")
    assert page.is_hidden("#compare") and "program=" not in page.address()


BOXES = """() => panes.map((pane) => Object.fromEntries(pane.boxes.map((box) => [boxId(box), {left: box.left, top: box.top, w: box.w, h: box.h,
    kind: box.kind, path: box.path, differs: box.differs || {}, text: pane.elements.get(`s:${boxId(box)}`)?.innerText || ""}])))"""
TRANSFORMS = "panes.map(({canvas}) => canvas.style.transform)"


def check_drawings(page, table):
    """The sides next to each other: the same path at the same place, one eye, every difference of the table marked."""
    page.open("#unfold=1")
    assert page.locator(".pane").count() == 3 and page.is_hidden("#compare")
    assert ["27 ops" in page.text(".caption >> nth=0"), "137 ops" in page.text(".caption >> nth=2")] == [True, True]
    sides = page.evaluate(BOXES)
    common = set(sides[0]) & set(sides[1]) & set(sides[2])
    assert len(common) > 40
    for one in sides[1:]:
        for id in set(one) & set(sides[0]):
            assert all(one[id][key] == sides[0][id][key] for key in ["left", "top", "w", "h"]), id
    rows = {row["path"]: row for row in table["values"]}
    compared = marked = 0
    for side, boxes in enumerate(sides):
        for box in boxes.values():
            if box["kind"] != "node":
                continue
            row = rows[box["path"]]
            mine, first = row["sides"][side], next(each for each in row["sides"] if each["there"])
            expected = {aspect: mine[aspect] != first[aspect] for aspect in ["op", "inputs", "dtype", "shape", "bytes"]}
            expected["presence"] = "presence" in row["differs"] or not all(each["there"] for each in row["sides"])
            assert {aspect: box["differs"][aspect] for aspect in expected} == expected, (side, box, row)
            if mine.get("error", {}).get("parts"):
                assert box["differs"]["error"] and ", parts" in box["text"], box
                marked += 1
            compared += 1
    assert compared > 200 and marked > 10
    holes = dict(zip(page.locator(".pane >> nth=0 >> .hole .name").all_inner_texts(), page.locator(".pane >> nth=0 >> .hole .row").all_inner_texts()))
    assert holes["self_attn.scores"] == "elided in self_attn.attention" and len(holes) > 20
    # One eye.
    page.open("")
    assert "stage=program" in page.address() and "compare" not in page.address()
    assert page.evaluate("""panes.every((pane) => pane.program === 0 || [...pane.canvas.querySelectorAll('.does-differ')].some((card) => {
        const at = card.getBoundingClientRect(), view = pane.element.getBoundingClientRect();
        return at.left >= view.left && at.right <= view.right && at.top >= view.top && at.bottom <= view.bottom; }))""")
    before = page.evaluate(TRANSFORMS)
    view = page.locator(".pane >> nth=1").bounding_box()
    page.mouse.move(view["x"] + 30, view["y"] + 500)
    page.mouse.down()
    page.mouse.move(view["x"] + 90, view["y"] + 460, steps=4)
    page.mouse.up()
    page.mouse.wheel(0, -200)
    after = page.evaluate(TRANSFORMS)
    assert len(set(before)) == len(set(after)) == 1 and before != after
    # A click chooses its side; the panel tells of all.
    page.open(f"#stage=program&layer=1&path={PROJECTION}")
    assert page.locator(".card.selected").count() == 3
    page.click(f".pane >> nth=2 >> .card[data-id='s:n:{PROJECTION}']")
    assert "program=c" in page.address() and page.get_attribute("[data-program='2']", "aria-pressed") == "true"
    assert "ON EACH SIDE" in page.text("#panel").upper() and page.locator("#panel [data-side]").count() >= 3
    page.keyboard.press("ArrowLeft")  # the sides go to the stage of that name, or the last before it
    assert "stage=build" in page.address() and all("137 ops" in text for text in page.locator(".caption").all_inner_texts())
    page.go_back()
    page.click(".pane >> nth=0 >> .hole >> nth=0")
    assert "program=" not in page.address() and "Not in this stage" in page.text("#panel")
    # From difference to difference.
    page.open("")
    reached = []
    for _ in range(4):
        page.keyboard.press("n")
        reached.append(page.evaluate("ui.selected"))
        assert page.inside(".pane.chosen .selected")
    page.keyboard.press("N")
    assert len(set(reached)) == 4 and page.evaluate("ui.selected") == reached[2]
    # One drawing alone, and back.
    page.click("[data-compare-view='one']")
    assert page.locator(".pane").count() == 1 and "compare=one" in page.address() and page.locator(".hole").count() == 0
    page.go_back()
    assert page.locator(".pane").count() == 3


def check_narrow(browser, file):
    """As many sides as there is room for; on a phone one at a time, at the same place."""
    for width, count in [(1600, 3), (1280, 3), (768, 2), (400, 1)]:
        with Page(browser, file, "", width) as page:
            assert page.locator(".pane:visible").count() == count, width
            place = page.evaluate(TRANSFORMS)
            page.click("[data-program='2']")
            assert page.locator(".pane:visible").count() == count and page.is_visible(".pane.chosen") and "no passes" in page.text(".pane.chosen .caption")
            assert page.evaluate(TRANSFORMS) == place


def main():
    vitro = sys.argv[1]
    with browser_and_folder() as (browser, directory):
        file = f"{directory}/compare.html"
        subprocess.run([vitro, *ARGUMENTS, "--format", "html", "-o", file], check=True)
        table = json.loads(subprocess.run([vitro, *ARGUMENTS, "--json"], check=True, capture_output=True, text=True).stdout)
        with Page(browser, file) as page:
            check_cells(page, table)
            check_controls(page, table)
            check_drawings(page, table)
        check_narrow(browser, file)
        for width in SIZES:
            for scheme in ["light", "dark"]:
                for address, control in [("#compare=any", "#compare-wanted"), ("", ".pane.chosen .caption")]:
                    with Page(browser, file, address, width, scheme) as page:
                        check_with_axe(page, f"compare {address} at {width}, {scheme}")
                        assert page.inside(control) and page.evaluate("document.documentElement.scrollWidth") <= width
    print("compare_slow: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
