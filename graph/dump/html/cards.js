// What stands on a box, and how large that makes it.
const pen = document.createElement("canvas").getContext("2d");
const widthsKept = {};
function textWidth(text, font) {
  const kept = (widthsKept[font] ??= new Map());
  if (!kept.has(text)) {
    pen.font = font;
    kept.set(text, pen.measureText(text).width);
  }
  return kept.get(text);
}
const mono = getComputedStyle(document.documentElement).getPropertyValue("--mono");
const sans = `system-ui, "DejaVu Sans", sans-serif`;
const FONT = {op: `650 12.5px ${sans}`, name: `11px ${mono}`, row: `10px ${mono}`, head: `600 12px ${mono}`, type: `11.5px ${sans}`};
const LINE = {op: 17, name: 16, row: 14};

function shortName(box) {
  const around = box.parent?.path;
  return around && box.path.startsWith(around + ".") ? box.path.slice(around.length + 1) : box.path;
}
function groupName(group) {
  const tail = (path) => (group.parent?.path && path.startsWith(group.parent.path + ".") ? path.slice(group.parent.path.length + 1) : path);
  return group.repeat ? `${tail(group.repeat.layers)}.${group.repeat.first}–${group.repeat.last}` : tail(group.path);
}
function attributeText(node) {
  const text = node.attributes.map(([key, value]) => `${key} = ${value}`).join(", ");
  return text.length > 46 ? text.slice(0, 44) + " …" : text;
}
function chipText({name, value}) {
  if (value.kind === "weight" || value.kind === "constant") return `${name}: ${value.type}`;
  if (value.kind === "state") return `${name}: ${value.path.split(".").pop()} ${value.type}`;
  return name === value.path ? `${name} ${value.type}` : `${name}: ${value.path}`;
}
/** The lines of a card: [class, text, text on the right, whether each differs from the first side]. */
function cardLines(box) {
  if (box.lines) return box.lines;
  const lines = [], {story} = box.stage, differs = box.differs || {};
  if (box.kind === "leaf") {
    lines.push(["op", box.isResult ? say`result` : box.value.path, "", differs.op]);
    lines.push(["name", box.isResult ? box.value.path : box.value.type, "", differs.dtype || differs.shape]);
  } else if (box.kind === "group") {
    lines.push(["op", groupName(box) + (box.repeat ? "         " : "")]);  // room for "32 ×"
    lines.push(["name", box.module?.type || ""]);
    lines.push(["row", `${counted(box.nodes, "op")} · ${human(box.bytes, "B")}`]);
    const mark = markOf(story, box);
    if (mark) lines.push(["row", say`at most ${mark[2]}`]);
    if (box.isCompared && box.differing) lines.push(["row", say`${box.differing} differ`, "", true]);
    else if (box.touched && !box.isCompared) lines.push(["row", say`${box.touched} changed here`]);
  } else {
    lines.push(["op", box.node.op, story.ops[box.node.op].view ? "" : human(box.node.bytes, "B"), differs.op, differs.bytes]);
    lines.push(["name", shortName(box)]);
    const text = attributeText(box.node);
    if (text) lines.push(["row", text, "", differs.op]);
    if (differs.dtype || differs.shape) lines.push(["row", box.node.outputs[0].type, "", true]);
    if (differs.inputs) lines.push(["row", say`reads other values`, "", true]);
    if (differs.step) lines.push(["row", stepText(box.path, story.number), "", true]);
    const mark = markOf(story, box);
    if (mark) lines.push(["row", mark[2]]);
    const error = boxError(box);
    if (error) lines.push(["row", errorText(error), "", error.parts]);
    const time = ui.heat === "time" && timeOf(box.node);
    if (time) lines.push(["row", timeText(time)]);
    for (const chip of box.chips) lines.push(["row", chipText(chip)]);
  }
  return (box.lines = lines);
}
/** Room below a card's lines; values put their histogram there. */
const cardFoot = {height: () => 0, width: () => 0, html: () => ""};
function sizeOf(box) {
  let w = Math.max(60, cardFoot.width(box)), h = 11;
  for (const [style, text, right] of cardLines(box)) {
    w = Math.max(w, textWidth(text, FONT[style]) + (right ? textWidth(right, FONT.row) + 26 : 0));
    h += LINE[style];
  }
  return {w: Math.ceil(w) + 26, h: h + cardFoot.height(box)};
}
/** Room that the head of an open module needs: its name, its type, and the way through its layers. */
function headWidth(group) {
  return textWidth(groupName(group), FONT.head) + textWidth(group.module?.type || "", FONT.type) + (group.repeat ? 210 : 44);
}
function cardHtml(box) {
  const times = box.repeat ? ` <span class="times">${box.repeat.last - box.repeat.first + 1} ×</span>` : "";
  const marked = (text, differs) => (differs ? `<span class="differs">${escaped(text)}</span>` : escaped(text));
  return cardLines(box).map(([style, text, right, differs, rightDiffers]) =>
    `<div class="${style}">${right ? `<span class="cost">${marked(right, rightDiffers)}</span>` : ""}${marked(text, differs)}${style === "op" ? times : ""}</div>`).join("") + cardFoot.html(box);
}
/** What stands where another side has a box: what it would be, and what became of it here. */
function holeHtml(stage, {path, kind}) {
  const name = path.replace(/^result /, ""), tail = (each) => each.split(".").slice(-2).join("."), fate = kind === "node" && stage.story.fate(name);
  const node = kind === "node" && stage.node(name);  // of which it is a further output
  const text = node ? say`computed by ${tail(node.path)}` : fate ? fateText(fate, tail) : say`not on this side`;
  return `<div class="name">${escaped(tail(name))}</div><div class="row">${escaped(text)}</div>`;
}
/** What a screen reader says of a box. */
function cardName(box, stage) {
  const changed = box.isCompared ? (doesDiffer(box) ? say`, differs` : "") : stage.index === 0 ? "" : stage.changes.added.has(box.path) ? say`, new in this stage` : stage.changes.changed.has(box.path) ? say`, changed in this stage` : "";
  if (box.kind === "leaf") return `${box.isResult ? say`result` : say(box.value.kind)} ${box.value.path}, ${box.value.type}`;
  if (box.kind === "group") return say`module ${groupName(box)}, ${box.module?.type || ""}, ${counted(box.nodes, "op")}`;
  return `${box.node.op}, ${box.path}${changed}`;
}
function headHtml(group, layer) {
  const repeat = group.repeat;
  return `<button class="toggle" data-toggle="${escaped(group.path)}" aria-expanded="true"><b>${escaped(groupName(group))}</b>` +
    (repeat ? ` <span class="times">${repeat.last - repeat.first + 1} ×</span>` : "") + ` <span>${escaped(group.module?.type || "")}</span></button>` +
    (repeat ? `<span class="step"><button data-step="-1" aria-label="${say`The layer before`}" title="${say`The layer before`}">‹</button>${say`layer ${layer}`}<button data-step="1" aria-label="${say`The next layer`}" title="${say`The next layer`}">›</button></span>` : "");
}
