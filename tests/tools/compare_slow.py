#!/usr/bin/env python3
"""The page of `vitro graph --compare` in headless Chromium: compare_slow.py VITRO. Every cell is what --json says.

Exit code 77 where there is no browser or no playwright, as page_slow.py.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from page_slow import CHROMIUM, SIZES, Page, check_with_axe, sync_playwright

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
    assert page.inside(".card.selected") and "ON EACH SIDE" in page.text("#panel").upper()
    row = next(row for row in table["values"] if row["path"] == PROJECTION)
    error = row["sides"][1]["error"]["nmse"]
    assert f"{error:.2e}".replace("e-0", "e-") in page.text(".card.selected")
    page.select_option("#heat", "error")
    assert page.locator(".card.painted").count() > 5 and "heat=error" in page.address()
    page.click("#panel [data-side='2']")
    assert "program=c" in page.address() and f"path={PROJECTION}" in page.address()
    page.go_back()
    assert "program=b" in page.address()
    page.click("#compare-button")
    assert page.is_visible("#compare")
    page.go_back()
    assert page.is_hidden("#compare")
    page.click("#compare-button")
    page.focus(f"[data-row='{PROJECTION}'] td:nth-of-type(1) a")
    page.keyboard.press("Enter")
    assert page.is_hidden("#compare") and "program=" not in page.address()


def main():
    vitro = sys.argv[1]
    if not pathlib.Path(CHROMIUM).exists():
        print("SKIPPED: there is no chromium (Debian: chromium)")
        return 77
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        file = f"{directory}/compare.html"
        subprocess.run([vitro, *ARGUMENTS, "--format", "html", "-o", file], check=True)
        table = json.loads(subprocess.run([vitro, *ARGUMENTS, "--json"], check=True, capture_output=True, text=True).stdout)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with Page(browser, file) as page:
            check_cells(page, table)
            check_controls(page, table)
        for width in SIZES:
            for scheme in ["light", "dark"]:
                with Page(browser, file, "#compare=any", width, scheme) as page:
                    check_with_axe(page, f"compare at {width}, {scheme}")
                    assert page.inside("#compare-wanted") and page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
    print("compare_slow: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
