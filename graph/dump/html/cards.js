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
    lines.push(["row", `${counted(box.nodes, "op")} · ${human(box.bytes, "B")}`]);
    const mark = markOf(story, box);
    if (mark) lines.push(["row", `at most ${mark[2]}`]);
    if (box.touched) lines.push(["row", `${box.touched} changed here`]);
  } else {
    lines.push(["op", box.node.op, story.ops[box.node.op].view ? "" : human(box.node.bytes, "B")]);
    lines.push(["name", shortName(box)]);
    const text = attributeText(box.node);
    if (text) lines.push(["row", text]);
    const mark = markOf(story, box);
    if (mark) lines.push(["row", mark[2]]);
    const error = boxError(box);
    if (error) lines.push(["row", errorText(error)]);
    const time = ui.heat === "time" && timeOf(box.path);
    if (time) lines.push(["row", microseconds(time.end - time.begin)]);
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
  return cardLines(box).map(([style, text, right]) =>
    `<div class="${style}">${right ? `<span class="cost">${escaped(right)}</span>` : ""}${escaped(text)}${style === "op" ? times : ""}</div>`).join("") + cardFoot.html(box);
}
/** What a screen reader says of a box. */
function cardName(box, stage) {
  const changed = stage.index === 0 ? "" : stage.changes.added.has(box.path) ? ", new in this stage" : stage.changes.changed.has(box.path) ? ", changed in this stage" : "";
  if (box.kind === "leaf") return `${box.isResult ? "result" : "input"} ${box.value.path}, ${box.value.type}`;
  if (box.kind === "group") return `module ${groupName(box)}, ${box.module?.type || ""}, ${counted(box.nodes, "op")}`;
  return `${box.node.op}, ${box.path}${changed}`;
}
function headHtml(group, layer) {
  const repeat = group.repeat;
  return `<button class="toggle" data-toggle="${escaped(group.path)}" aria-expanded="true"><b>${escaped(groupName(group))}</b>` +
    (repeat ? ` <span class="times">${repeat.last - repeat.first + 1} ×</span>` : "") + ` <span>${escaped(group.module?.type || "")}</span></button>` +
    (repeat ? `<span class="step"><button data-step="-1" aria-label="The layer before" title="The layer before">‹</button>layer ${layer}<button data-step="1" aria-label="The next layer" title="The next layer">›</button></span>` : "");
}
