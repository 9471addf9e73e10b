// Graphs side by side: what `vitro graph --compare` wrote. A row is a path, a column a side; what differs from the first
// side that has it is marked. The sides' graphs are the page's programs.
const comparison = $("comparison-data") && JSON.parse($("comparison-data").textContent);
const ASPECTS = {
  presence: "is not on all sides", op: "op or its attributes", inputs: "inputs", dtype: "dtype", shape: "shape",
  step: "steps: their order, device or kernel", bytes: "bytes moved", error: "error beyond rounding",
};
const table = {isOpen: false, wanted: "any", at: null};  // wanted: "all", "any" or one of ASPECTS
const comparedRow = (path) => (comparison.byPath ??= new Map(comparison.values.map((row) => [row.path, row]))).get(path);
const errorNumber = (error) => (typeof error.nmse === "string" ? Infinity : error.nmse);
const errorText = (error) => `nmse ${typeof error.nmse === "string" ? error.nmse : error.nmse === 0 ? "0" : error.nmse.toExponential(2)}${error.parts ? ", parts" : ""}`;

/** What a side has at a path, each aspect marked that differs there from the first side that has it. */
function cellHtml(row, side) {
  const value = row.sides[side], first = row.sides.find((each) => each.there);
  const error = value.error ? `<span class="${value.error.parts ? "differs" : "doc"}">${errorText(value.error)}</span>` : "";
  if (!value.there) return `<span class="doc">${value.fate ? escaped(value.fate) : "not there"}</span> ${error}`;
  const mark = (aspect, text, differs) => (text ? `<span class="${row.differs.includes(aspect) && differs ? "differs" : ""}">${text}</span>` : "");
  const same = (key) => JSON.stringify(value[key]) === JSON.stringify(first[key]);
  const step = value.step ? `step ${value.step}${value.reference ? ", reference" : ""}${value.device === "cpu" ? "" : ` on ${escaped(value.device)}`}` : value.at_load ? "once, at load" : "";
  const parts = [mark("op", `<b>${escaped(value.op)}</b>`, !same("op") || !row.sides[0].there),
    `${mark("dtype", escaped(value.dtype), !same("dtype"))} ${mark("shape", escaped(value.shape), !same("shape"))}`,
    mark("bytes", human(value.bytes, "B"), !same("bytes")), mark("step", step, side > 0), error,
    !same("inputs") ? mark("inputs", `of ${value.inputs.map((path) => escaped(path)).join(", ")}`, true) : ""];
  return `<a href="#program=${encodeURIComponent(page.programs[side])}&stage=${comparison.sides[side].stage}&path=${encodeURIComponent(row.path)}" data-side="${side}" data-compared="${escaped(row.path)}">${parts.filter((part) => part.trim()).join(" · ")}</a>`;
}
/** What a row says but for the numbers that are another one in every layer. */
function rowMeaning(row, layer) {
  const own = layer ? `${layer.layers}.${layer.index}.` : "\u0000", before = layer ? `${layer.layers}.${layer.index - 1}.` : "\u0000";
  return JSON.stringify([row.path, row.differs, row.sides.map(({step, error, ...rest}) => [rest, Boolean(step)])]).replaceAll(own, "\u0001.").replaceAll(before, "\u0002.");
}
function layerOf(path) {
  const match = /^(.*?)\.(\d+)\.(.*)$/.exec(path);
  return match ? {layers: match[1], index: Number(match[2])} : null;
}
/** The rows to be shown: [{row, name, count}], layers that are alike once, by the one that is chosen. */
function shownRows() {
  const wanted = comparison.values.filter((row) => table.wanted === "all" || (table.wanted === "any" ? row.differs.length : row.differs.includes(table.wanted)));
  const groups = new Map(), out = [];
  for (const row of wanted) {
    const layer = ui.fold ? layerOf(row.path) : null, key = layer ? rowMeaning(row, layer) : row.path;
    const last = groups.get(key);
    if (last && layer.index === last.last + 1) {
      last.rows.push(row);
      last.last = layer.index;
      continue;
    }
    const group = {rows: [row], layer, last: layer?.index};
    groups.set(key, group);
    out.push(group);
  }
  return out.map(({rows, layer, last}) => {
    const row = layer ? rows[clamp(ui.layer - layer.index, 0, rows.length - 1)] : rows[0];
    return {row, count: rows.length, name: rows.length > 1 ? row.path.replace(/\.\d+\./, `.${layer.index}–${last}.`) : row.path};
  });
}
/** What a side is; of its directory the last part, where that tells the sides apart. */
function sideTitle({title}) {
  const short = (text) => text.replace(/^[^,]*\//, ""), titles = comparison.sides.map((side) => side.title);
  return new Set(titles.map(short)).size === new Set(titles).size ? short(title) : title;
}
function sumsHtml() {
  const {sides} = comparison, least = sides[0];
  const line = (name, of, text = (x) => x.toLocaleString("en")) => `<tr><th scope="row">${name}</th>${sides.map((side) => `<td class="${of(side) === of(least) ? "" : "differs"}">${text(of(side))}</td>`).join("")}</tr>`;
  const bytes = (x) => human(x, "B"), regions = [...new Set(sides.flatMap((side) => Object.keys(side.regions)))];
  const parting = sides.some((side) => side.parting) ? `<tr><th scope="row">first to part</th>${sides.map((side) => `<td>${partingHtml(side.parting)}</td>`).join("")}</tr>` : "";
  return line("ops", (side) => side.ops) + line("steps", (side) => side.steps) + line("moved per step", (side) => side.bytes, bytes) +
    line("computed per step", (side) => side.flops, (x) => human(x, "FLOP")) + regions.map((region) => line(escaped(region), (side) => side.regions[region] || 0, bytes)).join("") + parting;
}
/** "path: fault: cause", the cause to be opened. */
function partingHtml(text) {
  const [, brief, cause] = /^(.*?: .*?): (.*)$/s.exec(text) || [];
  return brief ? `<details><summary>${escaped(brief)}</summary>${escaped(cause)}</details>` : "";
}
function drawComparison() {
  if (!comparison) return;
  $("compare").hidden = !table.isOpen;
  $("compare-button").setAttribute("aria-pressed", table.isOpen);
  if (!table.isOpen) return;
  const rows = shownRows(), {sides} = comparison, layers = 1 + Math.max(...comparison.values.map(({path}) => layerOf(path)?.index ?? 0));
  const count = (aspect) => comparison.values.filter((row) => row.differs.includes(aspect)).length;
  const choices = [["any", `what differs (${comparison.values.filter((row) => row.differs.length).length})`], ["all", `all paths (${comparison.values.length})`],
    ...Object.entries(ASPECTS).filter(([name]) => count(name)).map(([name, text]) => [name, `${text} (${count(name)})`])];
  if (!choices.some(([name]) => name === table.wanted)) table.wanted = "any";
  $("compare-nav").innerHTML = `<label class="choice">Show <select id="compare-wanted">${choices.map(([name, text]) => `<option value="${name}" ${name === table.wanted ? "selected" : ""}>${escaped(text)}</option>`).join("")}</select></label>
    ${ui.fold && layers > 1 ? `<label class="choice">Layer <select id="compare-layer">${Array.from({length: layers}, (_, i) => `<option ${i === ui.layer ? "selected" : ""}>${i}</option>`).join("")}</select></label>` : ""}
    <span class="doc">${escaped(sides[0].phase)}, stage ${escaped(sides[0].stage)}. Marked: what differs from ${escaped(sides[0].name)}. Click a cell to see it in its graph.</span>`;
  $("compare-table").innerHTML = `<table style="--sides: ${sides.length}"><thead><tr><td></td>${sides.map((side) => `<th scope="col"><b>${escaped(side.name)}</b> ${escaped(sideTitle(side))}${side.stage === sides[0].stage ? "" : `, stage ${escaped(side.stage)}`}</th>`).join("")}</tr></thead>
    <tbody class="sums">${sumsHtml()}</tbody><tbody>${rows.map(({row, name, count: layers}) => `<tr data-row="${escaped(row.path)}" class="${row.path === table.at ? "at" : ""}"><th scope="row">${breakable(name)}${layers > 1 ? ` <span class="times">${layers} ×</span>` : ""}</th>${
    sides.map((_, side) => `<td class="${row.sides[side].there ? "" : "gone"}">${cellHtml(row, side)}</td>`).join("")}</tr>`).join("")}</tbody></table>${rows.length ? "" : `<p>Nothing differs.</p>`}`;
}
/** What the other graphs have at a path, for the panel. */
function comparedHtml(path) {
  const row = comparison && comparedRow(path);
  return row ? `<h3>On each side</h3><ul>${row.sides.map((_, side) => `<li><b>${escaped(comparison.sides[side].name)}</b> ${cellHtml(row, side)}</li>`).join("")}</ul>` : "";
}
/** The error of a box of the program that is shown against side a, or null: the worst of what it computes or stands for. */
function boxError(item) {
  if (!comparison || item.kind !== "node") return null;
  const errors = [...item.node.outputs.map((value) => value.path), ...item.node.realizes].map((path) => comparedRow(path)?.sides[ui.program].error).filter(Boolean);
  return errors.length ? errors.reduce((worst, error) => (errorNumber(error) > errorNumber(worst) ? error : worst)) : null;
}
function toTable(isOpen, {isNew = true} = {}) {
  table.isOpen = isOpen;
  drawComparison();
  remember({isNew});
}
function toSide(side, path) {
  table.isOpen = false;
  table.at = path;
  ui.program = side;
  story = storyOf(side);
  ui.stage = Math.max(0, story.stages.findIndex((stage) => stage.name === comparison.sides[side].stage));
  fillTimeline();
  drawComparison();
  show(path);
}
function watchComparison() {
  if (!comparison) return;
  $("compare-button").hidden = false;
  $("programs").setAttribute("aria-label", "Side");
  addressParts.push({
    keep(parts) { if (table.isOpen) parts.push(["compare", table.wanted]); },
    recall(wanted) {
      table.isOpen = wanted.has("compare") || !location.hash;
      table.wanted = wanted.get("compare") || "any";
    },
  });
  $("compare-button").addEventListener("click", () => toTable(!table.isOpen));
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-compared]");
    if (!cell) return;
    event.preventDefault();
    toSide(Number(cell.dataset.side), cell.dataset.compared);
  });
  $("compare").addEventListener("change", ({target}) => {
    if (target.id === "compare-wanted") table.wanted = target.value;
    if (target.id === "compare-layer") {
      ui.layer = Number(target.value);
      draw();
    }
    drawComparison();
    $(target.id).focus();
    remember({isNew: false});
  });
}
