// Draws the scene of a stage: boxes as elements, lines and their labels as SVG. Boxes that stay glide to their new places,
// those that vanish into the one that stands for them.
let scene = null;
const elements = new Map();  // by box id; the head of an open module under "h:" and its path
const movesAllowed = matchMedia("(prefers-reduced-motion: no-preference)");

function draw({moves = false} = {}) {
  const stage = stageNow(), canvas = $("canvas"), kept = new Set(), lines = [];
  scene = buildScene(stage, ui);
  for (const group of scene.groups.values()) group.headWidth = headWidth(group);
  layoutGroup(scene.root, sizeOf);
  moves = moves && movesAllowed.matches;
  canvas.classList.toggle("moving", moves);
  const boxes = [];
  const visit = (group, x, y) => {
    for (const line of group.lines) lines.push({line, x, y});
    for (const item of [...group.items].sort((a, b) => (a.order ?? 0) - (b.order ?? 0))) {
      item.left = x + item.x;
      item.top = y + item.y;
      boxes.push(item);
      if (item.kind === "group" && item.isOpen) visit(item, item.left, item.top);
    }
  };
  visit(scene.root, 0, 0);
  let previous = $("edges");
  const put = (id, make) => {  // in the order of running, which is that of Tab
    kept.add(id);
    let element = elements.get(id);
    if (!element) {
      elements.set(id, (element = make()));
      element.dataset.id = id;
      if (moves) element.animate([{opacity: 0}, {opacity: 1}], 300);
    }
    if (previous.nextElementSibling !== element) previous.after(element);
    return (previous = element);
  };
  for (const item of boxes) {
    const isOpen = item.kind === "group" && item.isOpen;
    const element = put((isOpen ? "o:" : "s:") + boxId(item), () => document.createElement("div"));
    dress(element, item, stage, isOpen);
    place(element, item.left, item.top, item.w, item.h);
    if (isOpen) {
      const head = put("h:" + item.path, () => document.createElement("div"));
      head.className = "head";
      const html = headHtml(item, item.repeat ? scene.shownLayer(item.repeat) : 0);
      if (head.shownHtml !== html) head.innerHTML = head.shownHtml = html;
      place(head, item.left + 5, item.top + 3);
    }
  }
  for (const [id, element] of elements) if (!kept.has(id)) vanish(id, element, moves);
  drawLines(lines, boxes);
  drawChrome();
  showSelected();
}
function place(element, x, y, w, h) {
  element.style.transform = `translate(${x}px, ${y}px)`;
  if (w !== undefined) Object.assign(element.style, {width: w + "px", height: h + "px"});
}
/** A box that is gone glides into the box that stands for it now. */
function vanish(id, element, moves) {
  elements.delete(id);
  const fate = moves && id.startsWith("s:n:") ? story.fate(id.slice(4)) : null;
  const into = fate?.into && elements.get("s:n:" + drawnPath(fate.into));
  if (!into) return element.remove();
  element.inert = true;
  element.removeAttribute("data-id");
  element.animate([{transform: element.style.transform, opacity: 1}, {transform: into.style.transform, opacity: 0}], {duration: 450, easing: "ease-in"})
    .finished.then(() => element.remove(), () => element.remove());
}

function dress(element, item, stage, isOpen) {
  if (isOpen) {
    element.className = "group" + (item.repeat ? " many" : "");
    return;
  }
  const names = ["card"];
  if (item.kind === "leaf") names.push("leaf");
  if (item.kind === "group") names.push("closed", ...(item.repeat ? ["many"] : []), ...(item.touched && stage.index > 0 ? ["is-changed"] : []));
  if (item.kind === "node") {
    if (story.ops[item.node.op].view) names.push("view");
    if (stage.index > 0 && stage.changes.added.has(item.path)) names.push("is-new");
    if (stage.index > 0 && stage.changes.changed.has(item.path)) names.push("is-changed");
    const device = stage.index === story.stages.length - 1 ? story.devices[item.path] : "";
    if (device && device !== "cpu" && device !== "at load") names.push("elsewhere");
  }
  const heat = heatOf(item);
  if (heat) {
    names.push("painted");
    element.style.setProperty("--heat", heat);
  }
  element.className = names.join(" ");
  element.tabIndex = 0;
  element.setAttribute("role", "button");
  if (item.kind === "group") element.setAttribute("aria-expanded", "false");
  element.setAttribute("aria-label", cardName(item, stage));
  element.style.setProperty("--work", item.kind === "node" ? `var(--${item.node.work})` : item.kind === "leaf" ? "var(--input)" : "var(--accent)");
  const html = cardHtml(item);
  if (element.shownHtml !== html) element.innerHTML = element.shownHtml = html;
}

const lineText = (x) => x.toFixed(1);
function curve(a, b) {
  const middle = lineText((a.y + b.y) / 2);
  return a.x.toFixed(1) === b.x.toFixed(1) ? `M${lineText(a.x)} ${lineText(a.y)}V${lineText(b.y)}`
    : `M${lineText(a.x)} ${lineText(a.y)}C${lineText(a.x)} ${middle} ${lineText(b.x)} ${middle} ${lineText(b.x)} ${lineText(b.y)}`;
}
/** Lines first, then all labels, so that no line runs through one. A label that finds no free place is left out. */
function drawLines(lines, boxes) {
  const paths = [], labels = [], taken = new Grid(), crossed = new Grid();
  for (const box of boxes) {
    if (box.kind === "group" && box.isOpen) taken.add({x: box.left, y: box.top, w: box.headWidth, h: HEAD});
    else taken.add({x: box.left, y: box.top, w: box.w, h: box.h});
  }
  const all = lines.map(({line, x, y}) => {
    const moved = ({x: px, y: py}) => ({x: px + x, y: py + y});
    return {line, segments: line.segments.map(([a, b]) => [moved(a), moved(b)]), tips: line.tips.map(moved), label: line.label && moved(line.label)};
  });
  for (const {line, segments} of all) for (const segment of segments) for (const point of along(segment)) crossed.add({...point, w: 1, h: 1, of: line.value.path});
  scene.drawn = [];
  for (const {line, segments, tips, label: start} of all) {
    const d = segments.map(([a, b]) => curve(a, b)).join("");
    const tip = tips.map((at) => `M${lineText(at.x - 4)} ${lineText(at.y - 7)}h8l-4 7z`).join("");
    const value = escaped(line.value.path);
    paths.push(`<g data-value="${value}"><path d="${d}"/>${tip ? `<path class="tip" d="${tip}"/>` : ""}</g>`);
    const label = start ? labelPlace(segments, start, line.value, taken, crossed) : null;
    if (label) labels.push(`<text data-value="${value}" x="${lineText(label.x)}" y="${lineText(label.y)}">${escaped(line.value.type)}</text>`);
    scene.drawn.push({d, tip, label, type: line.value.type});
  }
  $("edges").innerHTML = paths.join("") + labels.join("");
}
/** Points of a line, near enough to each other that no label lies between two. */
function* along([a, b]) {
  const count = Math.ceil((Math.abs(b.x - a.x) + Math.abs(b.y - a.y)) / 9) + 1;
  for (let i = 0; i <= count; ++i) {
    const t = i / count, u = 1 - t;  // the curve of `curve`
    yield {x: a.x * (u * u * u + 3 * u * u * t) + b.x * (3 * u * t * t + t * t * t), y: a.y * (u * u * u + 1.5 * u * u * t + 1.5 * u * t * t) + b.y * (1.5 * u * u * t + 1.5 * u * t * t + t * t * t)};
  }
}
/** Beside the line: right below its start if that is free, else to the left, else further down. */
function labelPlace(segments, start, value, taken, crossed) {
  const w = textWidth(value.type, FONT.row), [a, b] = segments.find(([from]) => Math.abs(from.y - start.y) < 1) || segments[0];
  const places = [[start.x + 5, start.y + 13], [start.x - w - 5, start.y + 13]];
  for (const share of [0.5, 0.7, 0.3]) {
    const x = a.x + (b.x - a.x) * share, y = a.y + (b.y - a.y) * share;
    places.push([x + 5, y + 4], [x - w - 5, y + 4]);
  }
  for (const counts of [() => true, (point) => point.of !== value.path]) {  // not over its own line either, if that can be
    for (const [x, y] of places) {
      const box = {x: x - 1, y: y - 9, w: w + 2, h: 11};
      if (taken.hits(box) || crossed.hits(box, counts)) continue;
      taken.add(box);
      return {x, y};
    }
  }
  return null;
}
/** Rectangles, found by the cells of a grid that they lie in. */
class Grid {
  constructor(size = 160) { this.size = size; this.cells = new Map(); }
  *keys({x, y, w, h}) {
    for (let i = Math.floor(x / this.size); i <= Math.floor((x + w) / this.size); ++i)
      for (let j = Math.floor(y / this.size); j <= Math.floor((y + h) / this.size); ++j) yield `${i},${j}`;
  }
  add(box) {
    for (const key of this.keys(box)) (this.cells.get(key) || this.cells.set(key, []).get(key)).push(box);
  }
  hits(box, counts = () => true) {
    for (const key of this.keys(box))
      for (const other of this.cells.get(key) || [])
        if (box.x < other.x + other.w && other.x < box.x + box.w && box.y < other.y + other.h && other.y < box.y + box.h && counts(other)) return true;
    return false;
  }
}
