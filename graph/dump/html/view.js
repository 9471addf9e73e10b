// The page: draws the scene, moves and zooms it, and answers clicks and keys. The address says what is shown
// (#stage=program&select=model.norm&layer=3), so that a view can be kept and sent.
window.addEventListener("error", (event) => { document.documentElement.dataset.error = `${event.message} at ${event.lineno}`; });
const $ = (id) => document.getElementById(id);
const story = new Story(JSON.parse($("data").textContent));

const ui = {
  stage: story.stages.length - 1, fold: true, layer: 0, selected: null, open: new Map(), all: null,
  isOpen(path) { return this.open.has(path) ? this.open.get(path) : this.all ?? true; },
};
const eye = {x: 0, y: 0, zoom: 1};
let scene = null;
const elements = new Map();  // by box id

/* -- sizes ------------------------------------------------------------------------------------------------------- */

const pen = document.createElement("canvas").getContext("2d");
const fonts = {};
function textWidth(text, font) {
  if (!fonts[font]) { fonts[font] = new Map(); }
  const kept = fonts[font].get(text);
  if (kept !== undefined) return kept;
  pen.font = font;
  const width = pen.measureText(text).width;
  fonts[font].set(text, width);
  return width;
}
const mono = getComputedStyle(document.documentElement).getPropertyValue("--mono");
const FONT = {op: `650 12.5px system-ui, "DejaVu Sans", sans-serif`, name: `11px ${mono}`, row: `10px ${mono}`, head: `600 12px ${mono}`, type: `11.5px system-ui, "DejaVu Sans", sans-serif`};

function shortName(box) {
  const around = box.parent?.path;
  return around && box.path.startsWith(around + ".") ? box.path.slice(around.length + 1) : box.path;
}
function attributeText(node) {
  const text = node.attributes.map(([key, value]) => `${key} = ${value}`).join(", ");
  return text.length > 46 ? text.slice(0, 44) + " …" : text;
}
/** The lines of a card: [class, text, text on the right]. */
function cardLines(box) {
  if (box.lines) return box.lines;
  const lines = [];
  if (box.kind === "leaf") {
    lines.push(["op", box.isResult ? "result" : box.value.path]);
    lines.push(["name", box.isResult ? box.value.path : box.value.type]);
  } else if (box.kind === "group") {
    lines.push(["op", groupName(box) + (box.repeat ? "         " : "")]);  // room for "32 ×"
    lines.push(["name", box.module?.type || ""]);
    lines.push(["row", `${box.nodes} op${box.nodes === 1 ? "" : "s"} · ${human(box.bytes, "B")}`]);
    if (box.touched) lines.push(["row", `${box.touched} changed here`]);
    if (markOf(story, box)) lines.push(["row", `at most ${markOf(story, box)[2]}`]);
  } else {
    const node = box.node, op = story.ops[node.op];
    lines.push(["op", node.op, op.view ? "" : human(node.bytes, "B")]);
    lines.push(["name", shortName(box)]);
    const text = attributeText(node);
    if (text) lines.push(["row", text]);
    if (markOf(story, box)) lines.push(["row", markOf(story, box)[2]]);
    for (const {name, value} of box.chips) {
      const leaf = value.kind === "weight" || value.kind === "constant";
      lines.push(["row", `${name}: ${leaf ? value.type : value.kind === "state" ? `${value.path.split(".").pop()} ${value.type}` : value.path}`]);
    }
  }
  return (box.lines = lines);
}
const HEIGHT = {op: 17, name: 16, row: 14};
function sizeOf(box) {
  let w = 60, h = 11;
  for (const [style, text, right] of cardLines(box)) {
    w = Math.max(w, textWidth(text, FONT[style]) + (right ? textWidth(right, FONT.row) + 26 : 0));
    h += HEIGHT[style];
  }
  return {w: Math.ceil(w) + 26, h};
}
function groupName(group) {
  if (group.repeat) return `${tail(group.parent, group.repeat.layers)}.${group.repeat.first}–${group.repeat.last}`;
  return tail(group.parent, group.path);
}
function tail(parent, path) { return parent?.path && path.startsWith(parent.path + ".") ? path.slice(parent.path.length + 1) : path; }

/* -- drawing ----------------------------------------------------------------------------------------------------- */

function headWidth(group) {
  return textWidth(groupName(group), FONT.head) + textWidth(group.module?.type || "", FONT.type) + (group.repeat ? 210 : 44);
}

function draw(options = {}) {
  const stage = story.stages[ui.stage];
  scene = buildScene(stage, ui);
  for (const group of scene.groups.values()) group.headWidth = headWidth(group);
  layoutGroup(scene.root, sizeOf);
  const canvas = $("canvas"), kept = new Set(), lines = [];
  const visit = (group, x, y) => {
    for (const line of group.lines) lines.push({line, x, y});
    for (const item of group.items) {
      const id = boxId(item);
      kept.add(id);
      item.left = x + item.x;
      item.top = y + item.y;
      const isOpen = item.kind === "group" && item.isOpen;
      let element = elements.get(id);
      const kind = isOpen ? "open" : "shut";
      if (element && element.dataset.kind !== kind) { element.remove(); element = null; }
      if (!element) {
        element = document.createElement("div");
        element.dataset.kind = kind;
        element.dataset.id = id;
        elements.set(id, element);
        canvas.appendChild(element);
        if (options.moves) { element.style.opacity = 0; requestAnimationFrame(() => { element.style.transition = "opacity .3s"; element.style.opacity = ""; }); }
      }
      dress(element, item, stage, isOpen);
      element.style.transform = `translate(${item.left}px, ${item.top}px)`;
      element.style.width = item.w + "px";
      element.style.height = item.h + "px";
      if (isOpen) visit(item, item.left, item.top);
    }
  };
  canvas.classList.toggle("moving", Boolean(options.moves));
  visit(scene.root, 0, 0);
  for (const [id, element] of elements) if (!kept.has(id)) { element.remove(); elements.delete(id); }
  drawLines(lines);
  drawChrome(stage);
  select(ui.selected, {quiet: true});
  if (options.fit) fit();
}

function dress(element, item, stage, isOpen) {
  if (isOpen) {
    element.className = "group" + (item.repeat ? " many" : "");
    const layer = item.repeat ? scene.shownLayer(item.repeat) : 0;
    const html = `<div class="head"><b>${escaped(groupName(item))}</b>` +
      (item.repeat ? `<span class="times">${item.repeat.last - item.repeat.first + 1} ×</span>` : "") +
      `<span>${escaped(item.module?.type || "")}</span>` +
      (item.repeat ? `<span class="step"><button data-step="-1" title="The layer before">‹</button>layer ${layer}<button data-step="1" title="The next layer">›</button></span>` : "") + `</div>`;
    if (element.innerHTML !== html) element.innerHTML = html;
    return;
  }
  const changes = stage.changes;
  let names = "card", work = "";
  if (item.kind === "leaf") names += " leaf";
  if (item.kind === "group") names += " closed" + (item.repeat ? " many" : "") + (item.touched ? " is-changed" : "");
  if (item.kind === "node") {
    const op = story.ops[item.node.op];
    work = `var(--${item.node.work})`;
    if (op.view) names += " view";
    if (stage.index > 0 && changes.added.has(item.path)) names += " is-new";
    if (stage.index > 0 && changes.changed.has(item.path)) names += " is-changed";
    const device = stage.index === story.stages.length - 1 ? story.devices[item.path] : "";
    if (device && device !== "cpu") names += " elsewhere";
  }
  const mark = markOf(story, item);
  if (mark) element.style.setProperty("--heat", heat(story.paint, mark[1]));
  element.className = names + (mark ? " painted" : "");
  element.style.setProperty("--work", work || (item.kind === "leaf" ? "var(--input)" : "var(--accent)"));
  const times = item.repeat ? ` <span class="times">${item.repeat.last - item.repeat.first + 1} ×</span>` : "";
  element.innerHTML = cardLines(item).map(([style, text, right]) =>
    `<div class="${style}">${right ? `<span class="cost">${escaped(right)}</span>` : ""}${escaped(text)}${style === "op" ? times : ""}</div>`).join("");
}

function drawLines(lines) {
  const parts = [];
  for (const {line, x, y} of lines) {
    let d = "";
    for (const [a, b] of line.segments) {
      const x1 = (a.x + x).toFixed(1), y1 = (a.y + y).toFixed(1), x2 = (b.x + x).toFixed(1), y2 = (b.y + y).toFixed(1), middle = ((a.y + b.y) / 2 + y).toFixed(1);
      d += x1 === x2 ? `M${x1} ${y1}V${y2}` : `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
    }
    let tips = "";
    for (const tip of line.tips) { const tx = tip.x + x, ty = tip.y + y; tips += `M${(tx - 4).toFixed(1)} ${(ty - 7).toFixed(1)}h8l-4 7z`; }
    const label = line.label ? `<text x="${(line.label.x + x + 5).toFixed(1)}" y="${(line.label.y + y + 13).toFixed(1)}">${escaped(line.value.type)}</text>` : "";
    parts.push(`<g data-value="${escaped(line.value.path)}"><path d="${d}"/>${tips ? `<path class="tip" d="${tips}"/>` : ""}${label}</g>`);
  }
  $("edges").innerHTML = parts.join("");
}

function drawChrome(stage) {
  document.querySelectorAll("#timeline div").forEach((element, i) => element.classList.toggle("at", i === ui.stage));
  $("fold").classList.toggle("on", ui.fold);
  $("fold").style.display = stage.repeats.length ? "" : "none";
}

/* -- what is selected -------------------------------------------------------------------------------------------- */

function drawnPath(path) {
  const repeat = ui.fold && story.stages[ui.stage].repeatOf(path);
  return repeat ? inLayer(repeat, path, scene.shownLayer(repeat)) : path;
}

function select(path, {quiet} = {}) {
  const stage = story.stages[ui.stage];
  ui.selected = path;
  document.querySelectorAll(".selected").forEach((element) => element.classList.remove("selected"));
  document.querySelectorAll("#edges g.hot").forEach((element) => element.classList.remove("hot"));
  const panel = $("panel");
  if (!path) {
    panel.innerHTML = stagePanel(stage);
  } else if (path.startsWith("module:")) {
    const group = scene.groups.get(path.slice(7));
    panel.innerHTML = group ? modulePanel(stage, group) : stagePanel(stage);
    if (group) elements.get("g:" + group.path)?.classList.add("selected");
  } else {
    const node = stage.node(path);
    panel.innerHTML = node ? nodePanel(stage, node) : valuePanel(stage, path);
    const shown = node ? elements.get("n:" + drawnPath(node.path)) : elements.get("l:" + path);
    shown?.classList.add("selected");
    const touched = new Set(node ? [...node.outputs, ...node.inputs].map((value) => drawnPath(value.path)) : [path]);
    document.querySelectorAll("#edges g").forEach((element) => element.classList.toggle("hot", touched.has(element.dataset.value)));
  }
  panel.scrollTop = 0;
  if (!quiet) remember();
}

/** Opens what is around the value, brings it into sight and selects it. */
function show(path) {
  const stage = story.stages[ui.stage];
  const node = stage.node(path), at = node ? node.path : path;
  const repeat = ui.fold && stage.repeatOf(at);
  if (repeat) ui.layer = layerIndex(repeat, at);
  for (let module = at; module; module = parentPath(module)) ui.open.set(module, true);
  ui.selected = path;
  draw({moves: true});
  const box = node ? scene.boxOfNode.get(node) : scene.leaves.get(path);
  const reader = !box && stage.readers.get(path)?.[0];
  const goal = box || (reader && scene.boxOfNode.get(reader));
  if (goal) look(goal);
  remember();
}
function look(box) {
  const view = $("stage-view").getBoundingClientRect();
  eye.zoom = Math.max(eye.zoom, 0.75);
  eye.x = view.width / 2 - (box.left + box.w / 2) * eye.zoom;
  eye.y = view.height / 2 - (box.top + box.h / 2) * eye.zoom;
  applyEye();
}
function goTo(stage, options = {}) {
  ui.stage = Math.min(Math.max(stage, 0), story.stages.length - 1);
  draw({moves: true, ...options});
  remember();
}

/* -- moving and zooming ------------------------------------------------------------------------------------------ */

function applyEye() {
  $("canvas").style.transform = `translate(${eye.x}px, ${eye.y}px) scale(${eye.zoom})`;
  $("canvas").classList.toggle("far", eye.zoom < 0.42);
}
function fit() {
  const view = $("stage-view").getBoundingClientRect(), margin = 26;
  const whole = Math.min((view.width - 2 * margin) / scene.root.w, (view.height - 2 * margin) / scene.root.h);
  eye.zoom = Math.min(1.25, Math.max(whole, 0.02));
  eye.x = (view.width - scene.root.w * eye.zoom) / 2;
  eye.y = Math.max(margin, (view.height - scene.root.h * eye.zoom) / 2);
  applyEye();
}
/** At first: readable, from the top, even where not everything fits. */
function fitTop() {
  const view = $("stage-view").getBoundingClientRect();
  fit();
  if (eye.zoom >= 0.62) return;
  eye.zoom = Math.min(0.85, (view.width - 52) / scene.root.w);
  eye.x = (view.width - scene.root.w * eye.zoom) / 2;
  eye.y = 26;
  applyEye();
}
function zoomAt(x, y, factor) {
  const zoom = Math.min(3, Math.max(0.02, eye.zoom * factor));
  eye.x = x - ((x - eye.x) * zoom) / eye.zoom;
  eye.y = y - ((y - eye.y) * zoom) / eye.zoom;
  eye.zoom = zoom;
  applyEye();
}

/* -- events ------------------------------------------------------------------------------------------------------ */

const pointers = new Map();
let moved = 0;
$("stage-view").addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
  moved = 0;
});
window.addEventListener("pointermove", (event) => {
  const was = pointers.get(event.pointerId);
  if (!was) return;
  const view = $("stage-view").getBoundingClientRect();
  if (pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(was.x - other.x, was.y - other.y), now = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    zoomAt((event.clientX + other.x) / 2 - view.left, (event.clientY + other.y) / 2 - view.top, now / Math.max(before, 1));
  } else {
    eye.x += event.clientX - was.x;
    eye.y += event.clientY - was.y;
    applyEye();
  }
  moved += Math.abs(event.clientX - was.x) + Math.abs(event.clientY - was.y);
  pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
  if (moved > 4) $("stage-view").classList.add("dragging");
});
for (const name of ["pointerup", "pointercancel"])
  window.addEventListener(name, (event) => { pointers.delete(event.pointerId); $("stage-view").classList.remove("dragging"); });
$("stage-view").addEventListener("wheel", (event) => {
  event.preventDefault();
  const view = $("stage-view").getBoundingClientRect();
  zoomAt(event.clientX - view.left, event.clientY - view.top, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)));
}, {passive: false});

function toggle(path, isOpen) {
  const before = scene.groups.get(path);
  ui.open.set(path, isOpen ?? !ui.isOpen(path));
  draw({moves: true});
  const after = scene.groups.get(path);
  if (before && after && before.left !== undefined) {  // its corner stays under the pointer
    eye.x += (before.left - after.left) * eye.zoom;
    eye.y += (before.top - after.top) * eye.zoom;
    applyEye();
  }
  remember();
}
$("stage-view").addEventListener("click", (event) => {
  if (moved > 4) return;
  const step = event.target.closest("[data-step]");
  const element = event.target.closest(".card, .group");
  if (step) {
    const group = scene.groups.get(element.dataset.id.slice(2));
    ui.layer = Math.min(Math.max(scene.shownLayer(group.repeat) + Number(step.dataset.step), group.repeat.first), group.repeat.last);
    draw();
    return remember();
  }
  if (!element) return select(null);
  const id = element.dataset.id, path = id.slice(2);
  if (id.startsWith("g:")) {
    if (element.dataset.kind === "shut" || event.target.closest(".head")) toggle(path);
    return select("module:" + path);
  }
  select(path.startsWith("result ") ? path.slice(7) : path);
});
$("panel").addEventListener("click", (event) => {
  const to = event.target.closest("a, [data-close]");
  if (!to) return;
  if (to.dataset.close) return select(null);
  if (to.dataset.build) { ui.stage = 0; return show(to.dataset.build); }
  const stage = story.stages[ui.stage], path = to.dataset.path;
  if (!stage.value(path)) {  // gone: to the last stage that has it
    for (let i = ui.stage; i-- > 0;) if (story.stages[i].value(path)) { ui.stage = i; break; }
  }
  show(path);
});

let hitAt = 0;
function search() {
  const words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean), stage = story.stages[ui.stage];
  const all = words.length === 0 ? [] : stage.nodes.flatMap((node) => [
    ...node.outputs.map((value) => ({path: value.path, what: node.op})),
    ...node.inputs.filter((value) => !stage.node(value.path)).map((value) => ({path: value.path, what: value.kind})),
  ]).filter(({path, what}) => words.every((word) => path.toLowerCase().includes(word) || what.includes(word)));
  const once = [...new Map(all.map((hit) => [hit.path, hit])).values()].slice(0, 60);
  $("hits").innerHTML = once.map(({path, what}, i) => `<li data-path="${escaped(path)}" class="${i === hitAt ? "at" : ""}">${escaped(path)}<b>${escaped(what)}</b></li>`).join("");
  $("hits").classList.toggle("open", once.length > 0);
  return once;
}
$("query").addEventListener("input", () => { hitAt = 0; search(); });
$("query").addEventListener("keydown", (event) => {
  const hits = search();
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    hitAt = (hitAt + (event.key === "ArrowDown" ? 1 : hits.length - 1)) % Math.max(1, hits.length);
    event.preventDefault();
    search();
  } else if (event.key === "Enter" && hits[hitAt]) {
    $("hits").classList.remove("open");
    $("query").blur();
    show(hits[hitAt].path);
  } else if (event.key === "Escape") {
    $("hits").classList.remove("open");
    $("query").blur();
  }
  event.stopPropagation();
});
$("query").addEventListener("blur", () => setTimeout(() => $("hits").classList.remove("open"), 150));
$("hits").addEventListener("mousedown", (event) => { const hit = event.target.closest("li"); if (hit) show(hit.dataset.path); });

const actions = {
  fold() { ui.fold = !ui.fold; draw({fit: true}); remember(); },
  expand() { ui.open.clear(); ui.all = true; draw({moves: true, fit: true}); remember(); },
  collapse() { ui.open.clear(); ui.open.set("model", true); ui.all = false; draw({moves: true, fit: true}); remember(); },
  fit() { fit(); },
  drawings() { $("charts").classList.toggle("open"); },
  back() { goTo(ui.stage - 1); },
  forward() { goTo(ui.stage + 1); },
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
const keys = {ArrowLeft: "back", ArrowRight: "forward", f: "fit", l: "fold", e: "expand", c: "collapse", d: "drawings"};
window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { $("query").focus(); event.preventDefault(); }
  if (event.key === "Escape") select(null);
  if (keys[event.key]) actions[keys[event.key]]();
});
window.addEventListener("hashchange", () => { if (location.hash !== written) { recall(); draw({fit: true}); } });

let written = "";
function remember() {
  const parts = [`stage=${story.stages[ui.stage].name}`];
  if (ui.selected) parts.push(`select=${encodeURIComponent(ui.selected)}`);
  if (ui.layer) parts.push(`layer=${ui.layer}`);
  if (!ui.fold) parts.push("unfold=1");
  if (ui.all === false) parts.push("open=none");
  written = "#" + parts.join("&");
  history.replaceState(null, "", written);
}
function recall() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const stage = story.stages.findIndex((each) => each.name === wanted.get("stage"));
  if (stage >= 0) ui.stage = stage;
  ui.selected = wanted.get("select");
  ui.layer = Number(wanted.get("layer") || 0);
  ui.fold = wanted.get("unfold") !== "1";
  if (wanted.get("open") === "none") { ui.all = false; ui.open.set("model", true); }
}

function start() {
  $("title").innerHTML = `${escaped(story.name)}<small>${escaped(story.phase)} · ${Object.entries(story.symbols).map(([s, n]) => `${s} ≤ ${n}`).join(" · ")}</small>`;
  $("legend").innerHTML = Object.entries(WORKS).map(([work, meaning]) =>
    `<span><i style="background: var(--${work})"></i>${meaning}</span>`).join("") + (story.paint ? paintLegend(story.paint) : "");
  const drawings = story.paint?.drawings || [];
  $("drawings").style.display = drawings.length ? "" : "none";
  $("charts").innerHTML = drawings.map(([heading, svg]) => `<h2>${escaped(heading)}</h2>${svg}`).join("");
  $("timeline").innerHTML = story.stages.map((stage) => `<div class="${stage.does || stage.index === 0 ? "does" : ""}" title="${escaped(stage.equation)}">${escaped(stage.name.replace(/_/g, " "))}</div>`).join("");
  $("timeline").addEventListener("click", (event) => {
    const at = [...$("timeline").children].indexOf(event.target.closest("#timeline > div"));
    if (at >= 0) goTo(at);
  });
  recall();
  draw();
  fitTop();
  if (ui.selected && !ui.selected.startsWith("module:")) show(ui.selected);
}

start();
requestAnimationFrame(() => { document.documentElement.dataset.ready = Math.round(performance.now()); });
