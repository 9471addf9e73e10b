// Graphs side by side: what `vitro graph --compare` wrote. A row is a path, a column a side; what differs from the first
// side that has it is marked. The sides' graphs are the page's programs.
const comparison = $("comparison-data") && JSON.parse($("comparison-data").textContent);
const ASPECTS = {
  presence: "is not on all sides", op: "op or its attributes", inputs: "inputs", dtype: "dtype", shape: "shape",
  step: "steps: their order, device or kernel", bytes: "bytes moved", error: "error beyond rounding",
};
const compared = {view: "drawings", wanted: "any", at: null};  // view: or "one", "table"; wanted: "all", "any" or one of ASPECTS
const inTable = () => Boolean(comparison) && compared.view === "table";
const comparedRow = (path) => (comparison.byPath ??= new Map(comparison.values.map((row) => [row.path, row]))).get(path);
const errorNumber = (error) => (typeof error.nmse === "string" ? Infinity : error.nmse);
const errorText = (error) => `nmse ${typeof error.nmse === "string" ? error.nmse : error.nmse === 0 ? "0" : error.nmse.toExponential(2)}${error.parts ? say`, parts` : ""}`;

/** "step 3, reference on cuda:0": where a side's program computes a path. */
function stepText(path, side) {
  const {step, reference, device, at_load: atLoad} = comparedRow(path)?.sides[side] || {};
  return step ? say`step ${step}` + (reference ? say`, reference` : "") + (device === "cpu" ? "" : say` on ${device}`) : atLoad ? say`once, at load` : "";
}
/** What a side has at a path, each aspect marked that differs there from the first side that has it. */
function cellHtml(row, side) {
  const value = row.sides[side], first = row.sides.find((each) => each.there);
  const error = value.error ? `<span class="${value.error.parts ? "differs" : "doc"}">${errorText(value.error)}</span>` : "";
  if (!value.there) return `<span class="doc" ${value.fate ? 'lang="en"' : ""}>${value.fate ? escaped(value.fate) : say`not there`}</span> ${error}`;
  const mark = (aspect, text, differs) => (text ? `<span class="${row.differs.includes(aspect) && differs ? "differs" : ""}">${text}</span>` : "");
  const same = (key) => JSON.stringify(value[key]) === JSON.stringify(first[key]);
  const step = escaped(stepText(row.path, side));
  const parts = [mark("op", `<b>${escaped(value.op)}</b>`, !same("op") || !row.sides[0].there),
    `${mark("dtype", escaped(value.dtype), !same("dtype"))} ${mark("shape", escaped(value.shape), !same("shape"))}`,
    mark("bytes", human(value.bytes, "B"), !same("bytes")), mark("step", step, side > 0), error,
    !same("inputs") ? mark("inputs", say`of ${value.inputs.map((path) => escaped(path)).join(", ")}`, true) : ""];
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
  const wanted = comparison.values.filter((row) => compared.wanted === "all" || (compared.wanted === "any" ? row.differs.length : row.differs.includes(compared.wanted)));
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
  const parting = sides.some((side) => side.parting) ? `<tr><th scope="row">${say`first to part`}</th>${sides.map((side) => `<td>${partingHtml(side.parting)}</td>`).join("")}</tr>` : "";
  return line(say`ops`, (side) => side.ops) + line(say`steps`, (side) => side.steps) + line(say`moved per step`, (side) => side.bytes, bytes) +
    line(say`computed per step`, (side) => side.flops, (x) => human(x, "FLOP")) + regions.map((region) => line(escaped(region), (side) => side.regions[region] || 0, bytes)).join("") + parting;
}
/** "path: fault: cause", the cause to be opened. */
function partingHtml(text) {
  const [, brief, cause] = /^(.*?: .*?): (.*)$/s.exec(text) || [];
  return brief ? `<details><summary>${escaped(brief)}</summary>${escaped(cause)}</details>` : "";
}
function drawComparison() {
  if (!comparison) return;
  $("compare").hidden = !inTable();
  for (const button of $("compare-views").children) button.setAttribute("aria-pressed", button.dataset.compareView === compared.view);
  if (!inTable()) return;
  const rows = shownRows(), {sides} = comparison, layers = 1 + Math.max(...comparison.values.map(({path}) => layerOf(path)?.index ?? 0));
  const count = (aspect) => comparison.values.filter((row) => row.differs.includes(aspect)).length;
  const choices = [["any", say`what differs (${comparison.values.filter((row) => row.differs.length).length})`], ["all", say`all paths (${comparison.values.length})`],
    ...Object.entries(ASPECTS).filter(([name]) => count(name)).map(([name, text]) => [name, `${say(text)} (${count(name)})`])];
  if (!choices.some(([name]) => name === compared.wanted)) compared.wanted = "any";
  $("compare-nav").innerHTML = `<label class="choice">${say`Show`} <select id="compare-wanted">${choices.map(([name, text]) => `<option value="${name}" ${name === compared.wanted ? "selected" : ""}>${escaped(text)}</option>`).join("")}</select></label>
    ${ui.fold && layers > 1 ? `<label class="choice">${say`Layer`} <select id="compare-layer">${Array.from({length: layers}, (_, i) => `<option ${i === ui.layer ? "selected" : ""}>${i}</option>`).join("")}</select></label>` : ""}
    <span class="doc">${say`${escaped(sides[0].phase)}, stage ${escaped(sides[0].stage)}. Marked: what differs from ${escaped(sides[0].name)}. Click a cell to see it in its graph.`}</span>`;
  $("compare-table").innerHTML = `<table style="--sides: ${sides.length}"><thead><tr><td></td>${sides.map((side) => `<th scope="col"><b>${escaped(side.name)}</b> ${escaped(sideTitle(side))}${side.stage === sides[0].stage ? "" : say`, stage ${escaped(side.stage)}`}</th>`).join("")}</tr></thead>
    <tbody class="sums">${sumsHtml()}</tbody><tbody>${rows.map(({row, name, count: layers}) => `<tr data-row="${escaped(row.path)}" class="${row.path === compared.at ? "at" : ""}"><th scope="row">${breakable(name)}${layers > 1 ? ` <span class="times">${layers} ×</span>` : ""}</th>${
    sides.map((_, side) => `<td class="${row.sides[side].there ? "" : "gone"}">${cellHtml(row, side)}</td>`).join("")}</tr>`).join("")}</tbody></table>${rows.length ? "" : `<p>${say`Nothing differs.`}</p>`}`;
}
/** What the other graphs have at a path, for the panel. */
function comparedHtml(path) {
  const row = comparison && comparedRow(path);
  return row ? `<h3>${say`On each side`}</h3><ul>${row.sides.map((_, side) => `<li><b>${escaped(comparison.sides[side].name)}</b> ${cellHtml(row, side)}</li>`).join("")}</ul>` : "";
}
/** The error of a box of the program that is shown against side a, or null: the worst of what it computes or stands for. */
function boxError(item) {
  if (!comparison || item.kind !== "node") return null;
  const errors = [...item.node.outputs.map((value) => value.path), ...item.node.realizes].map((path) => comparedRow(path)?.sides[item.stage.story.number].error).filter(Boolean);
  return errors.length ? errors.reduce((worst, error) => (errorNumber(error) > errorNumber(worst) ? error : worst)) : null;
}
function toView(view) {
  compared.view = view;
  drawComparison();
  if (view !== "table") {
    draw();
    if (ui.selected && !ui.selected.startsWith("module:")) show(ui.selected);
    else lookAtStage({glides: false});
  }
  remember();
}
/** To the box of a path, in the drawing of a side. */
function toSide(side, path) {
  if (compared.view === "table") compared.view = "drawings";
  compared.at = path;
  ui.program = side;
  story = storyOf(side);
  ui.stage = Math.max(0, story.stages.findIndex((stage) => stage.name === comparison.sides[side].stage));
  fillTimeline();
  drawComparison();
  show(path);
}
function watchComparison() {
  if (!comparison) return;
  $("compare-views").hidden = false;
  $("programs").setAttribute("aria-label", say`Side`);
  addressParts.push({
    keep(parts) { if (compared.view !== "drawings") parts.push(["compare", inTable() ? compared.wanted : "one"]); },
    recall(wanted) {
      const said = wanted.get("compare");
      compared.view = said === null ? "drawings" : said === "one" ? "one" : "table";
      if (inTable()) compared.wanted = said;
    },
  });
  $("compare-views").addEventListener("click", ({target}) => { if (target.dataset.compareView) toView(target.dataset.compareView); });
  document.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-compared]");
    if (!cell) return;
    event.preventDefault();
    toSide(Number(cell.dataset.side), cell.dataset.compared);
  });
  $("compare").addEventListener("change", ({target}) => {
    if (target.id === "compare-wanted") compared.wanted = target.value;
    if (target.id === "compare-layer") {
      ui.layer = Number(target.value);
      draw();
    }
    drawComparison();
    $(target.id).focus();
    remember({isNew: false});
  });
}
