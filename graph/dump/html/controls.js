// Buttons, keys, the line of passes, the caption and the help.
const actions = {
  fold() { ui.fold = !ui.fold; draw(); drawComparison(); fitTop(); remember(); },
  expand() { ui.open.clear(); ui.all = true; draw({moves: true}); fitTop(); remember(); },
  collapse() { closeAll(); draw({moves: true}); fitTop(); remember(); },
  fit() { fit(); },
  "zoom-in"() { zoomBy(1.25); },
  "zoom-out"() { zoomBy(0.8); },
  back() { goTo(ui.stage - 1); },
  forward() { goTo(ui.stage + 1); },
  first() { goTo(0); },
  last() { goTo(story.stages.length - 1); },
  play() { play(); },
  drawings() { $("charts").hidden = !$("charts").hidden; },
  svg() { exportSvg(); },
  png() { exportPng(); },
  details() { openPanel(); },
  help() { $("help-dialog").showModal(); },
  search() { $("query").focus(); $("query").select(); },
  "token-before"() { toToken(ui.token - 1); },
  "token-after"() { toToken(ui.token + 1); },
  "layer-before"() { stepLayer(-1); },
  "layer-after"() { stepLayer(1); },
  "difference-before"() { toDifference(-1); },
  "difference-after"() { toDifference(1); },
};
/** What keys do; the help lists them. */
const KEYS = [
  ["←", "ArrowLeft", "back", "the stage before"], ["→", "ArrowRight", "forward", "the next stage"],
  ["Home", "Home", "first", "the first stage: the model's equations"], ["End", "End", "last", "the last stage: the program"],
  ["p", "p", "play", "play the passes one after the other, or stop"],
  ["+", "+", "zoom-in", "larger"], ["−", "-", "zoom-out", "smaller"], ["f", "f", "fit", "see everything"],
  ["l", "l", "fold", "show layers that are alike once, or all of them"],
  ["[", "[", "layer-before", "the layer before, where layers are shown once"], ["]", "]", "layer-after", "the next layer"],
  [",", ",", "token-before", "the token before, where the page has values"], [".", ".", "token-after", "the next token"],
  ["N", "N", "difference-before", "the place before where the sides differ, side by side"], ["n", "n", "difference-after", "the next place where the sides differ"],
  ["e", "e", "expand", "open all modules"], ["c", "c", "collapse", "close all modules"],
  ["d", "d", "drawings", "drawings of the run, where there are any"], ["/", "/", "search", "search"], ["?", "?", "help", "this help"],
];
const SYMBOLS = {
  T: "tokens in this step, of all sequences together", R: "rows whose logits are wanted in this step",
  S: "sequences that may be in one step", C: "places for a token's keys and values in the cache's pages, for all sequences",
};

const symbolText = (name) => say(SYMBOLS[name] || "a size that a step chooses");

/** A finger or a small screen: the column of details lies below, and opens when something is chosen. */
function openPanel(isOpen) { document.body.classList.toggle("details-open", isOpen); }

let playing = null;
function play() {
  const stop = () => { clearInterval(playing); playing = null; $("play").textContent = "▶"; $("play").setAttribute("aria-pressed", false); };
  if (playing) return stop();
  if (ui.stage === story.stages.length - 1) goTo(0);
  $("play").textContent = "❚❚";
  $("play").setAttribute("aria-pressed", true);
  playing = setInterval(() => {
    let next = ui.stage + 1;
    while (next < story.stages.length - 1 && !story.stages[next].does) ++next;
    if (next >= story.stages.length) return stop();
    goTo(next, {isNew: false});
    if (next === story.stages.length - 1) stop();
  }, 1600);
}

function fillTimeline() {
  const symbols = Object.entries(story.symbols);
  $("title").innerHTML = `${escaped(story.name)} <small>${symbols.map(([name, bound]) => `<abbr title="${escaped(symbolText(name))}">${name} ≤ ${bound}</abbr>`).join(" · ")}</small>`;
  $("programs").innerHTML = page.programs.length < 2 ? "" : page.programs.map((name, i) => `<button data-program="${i}" aria-pressed="${i === ui.program}">${escaped(name)}</button>`).join("");
  $("timeline").innerHTML = story.stages.map((stage, i) => `<li class="${stage.does || i === 0 ? "does" : ""}"><button data-stage="${i}" title="${escaped(equationText(stage))}">${breakable(stage.name)}</button></li>`).join("");
  const drawings = story.paint?.drawings || [];
  $("drawings").hidden = drawings.length === 0;
  $("charts").innerHTML = drawings.map(([heading, svg]) => `<h2>${escaped(heading)}</h2>${svg}`).join("");
  $("pass").max = story.stages.length - 1;
}
/** What surrounds the drawing, as the stage wants it. */
function drawChrome() {
  const stage = stageNow();
  for (const pane of panes) {
    pane.element.classList.toggle("chosen", pane.program === ui.program);
    pane.caption.innerHTML = captionHtml(pane.scene.stage, pane.program);
  }
  for (const [i, item] of [...$("timeline").children].entries()) {
    item.classList.toggle("at", i === ui.stage);
    item.firstChild.toggleAttribute("aria-current", i === ui.stage);
  }
  $("pass").value = ui.stage;
  $("pass").setAttribute("aria-valuetext", `${stage.name}: ${equationText(stage)}`);
  $("back").disabled = ui.stage === 0;
  $("forward").disabled = stage.isLast;
  $("fold").setAttribute("aria-pressed", ui.fold);
  $("fold").hidden = stage.repeats.length === 0;
  for (const button of $("programs").children) button.setAttribute("aria-pressed", Number(button.dataset.program) === ui.program);
  drawTokens();
  drawMap();
  const current = $("timeline").children[ui.stage];
  $("timeline").scrollTo({left: current.offsetLeft - ($("timeline").clientWidth - current.offsetWidth) / 2});
}
/** What stands over a drawing: its side, its stage, its sums. */
function captionHtml(stage, program) {
  const before = stage.story.stages[stage.index - 1];
  const change = (a, b) => (before && !isJoint() && a !== b ? `${a} → <b>${b}</b>` : b);
  const side = isJoint() ? `<b class="side">${escaped(page.programs[program])}</b> <span>${escaped(sideTitle(comparison.sides[program]))}</span>` : "";
  return `${side} <b>${breakable(stage.name)}</b> ${isJoint() ? "" : `<span class="equation">${escaped(equationText(stage))}</span>`}
    <span class="numbers">${say`${change(before?.nodes.length.toLocaleString("en"), stage.nodes.length.toLocaleString("en"))} ops · ${change(before && human(before.bytesOfStep, "B"), human(stage.bytesOfStep, "B"))} moved per step`}</span>${program === ui.program ? heatLegend() : ""}`;
}

function fillHelp() {
  $("help-text").innerHTML = `<h2 id="help-title">${say`How to read this page`}</h2>
    <p>${say`Every box is one operation of the model's graph, every line a value that one computes and another reads. Frames are the model's modules. Layers that are alike are drawn once; ‹ and › at their frame go through them. The slider below goes through the passes of the compiler, each of which rewrites the graph. Click a box to read all that is known of it.`}</p>
    ${comparison ? `<p>${say`Side by side, the same path has the same place in each drawing, and all move together. Marked is what differs from the first side that has it; a hole with a dashed border says what became of a path that only other sides have.`}</p>` : ""}
    <h3>${say`Colours`}</h3><ul class="legend">${Object.entries(WORKS).map(([work, meaning]) => `<li><i style="background: var(--${work})"></i>${say(meaning)}</li>`).join("")}
    <li><i class="new"></i>${say`new in this stage`}</li><li><i class="changed"></i>${say`changed in this stage`}</li>${comparison ? `<li><i class="other"></i>${say`differs between the sides`}</li>` : ""}</ul>
    <h3>${say`Sizes`}</h3><dl class="facts">${Object.entries(story.symbols).map(([name, bound]) => `<dt>${name} ≤ ${bound}</dt><dd>${escaped(symbolText(name))}</dd>`).join("")}</dl>
    <p>${say`Bytes and operations are those of a step at these bounds.`}</p>
    <h3>${say`Keys`}</h3><dl class="facts">${KEYS.filter(([, , action]) => comparison || !action.startsWith("difference")).map(([shown, , , what]) => `<dt><kbd>${shown}</kbd></dt><dd>${say(what)}</dd>`).join("")}
    <dt><kbd>Tab</kbd> <kbd>Enter</kbd></dt><dd>${say`the next box; choose it`}</dd><dt><kbd>Esc</kbd></dt><dd>${say`back to what the stage did`}</dd></dl>`;
}

function watchControls() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) actions[button.dataset.action]();
  });
  $("programs").addEventListener("click", (event) => { const to = event.target.closest("[data-program]"); if (to) toProgram(Number(to.dataset.program)); });
  $("timeline").addEventListener("click", (event) => { const to = event.target.closest("[data-stage]"); if (to) goTo(Number(to.dataset.stage)); });
  $("pass").addEventListener("input", () => goTo(Number($("pass").value), {isNew: false}));
  const choose = (element, target) => {
    choosePane(panes.find((pane) => pane.element.contains(element)));
    if (target.dataset.step) return stepLayer(Number(target.dataset.step));
    const open = target.closest("[data-toggle]");
    if (open) {
      toggle(open.dataset.toggle);
      return select("module:" + open.dataset.toggle);
    }
    const [, kind, path] = /^.:(?:(.):)?(.*)$/s.exec(element.dataset.id);
    if (kind === "g") {
      if (element.classList.contains("card")) toggle(path);
      return select("module:" + path);
    }
    if (kind) select(path.startsWith("result ") ? path.slice(7) : path);
  };
  $("stage-view").addEventListener("click", (event) => {
    if (moved > 4 || event.target.closest("#map, .caption, #charts")) return;
    const element = event.target.closest("[data-id]");
    if (element && element.classList.contains("hole")) {
      choosePane(panes.find((pane) => pane.element.contains(element)));
      select(element.dataset.id.replace(/^w:\w+:/, ""));
    } else if (element) choose(element, event.target);
    else select(null);
  });
  $("panes").addEventListener("keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== " ") || !event.target.classList.contains("card")) return;
    event.preventDefault();
    event.stopPropagation();
    choose(event.target, event.target);
  });
  $("panel").addEventListener("click", (event) => {
    const to = event.target.closest("a, button[data-close]");
    if (!to) return;
    event.preventDefault();
    if (to.dataset.close) { openPanel(false); return select(null); }
    if (to.dataset.at) { ui.stage = Number(to.dataset.at); return show(to.dataset.path); }
    if (to.dataset.path) showWhereItIs(to.dataset.path);
  });
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help-dialog").open) return;
    const isRange = event.target.matches?.("input[type=range], select");
    if (isRange && (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End")) return;
    if (event.key === "Escape") { openPanel(false); return select(null); }
    const key = KEYS.find(([, name]) => name === event.key) || (event.key === "=" && KEYS.find(([, name]) => name === "+"));
    if (!key) return;
    event.preventDefault();
    actions[key[2]]();
  });
  window.addEventListener("popstate", () => { recall(); redraw(); });
  window.addEventListener("resize", () => { if (isJoint()) draw(); applyEye(); });
}
