// Draws the scene of a stage: boxes as elements, lines and their labels as SVG. Boxes that stay glide to their new places,
// those that vanish into the one that stands for them. Each side that is drawn has a pane; all are seen by one eye.
let panes = [];
let scene = null, elements = null;  // of the chosen program's pane
const movesAllowed = matchMedia("(prefers-reduced-motion: no-preference)");

class Pane {
  constructor() {
    this.elements = new Map();  // by box id; the head of an open module under "h:" and its path
    this.element = document.createElement("div");
    this.element.className = "pane";
    this.element.innerHTML = `<div class="canvas"><svg class="edges" aria-hidden="true"></svg></div><div class="caption" aria-live="polite"></div>`;
    [this.canvas, this.caption] = this.element.children;
    this.edges = this.canvas.firstChild;
    $("panes").append(this.element);
  }
  /** What is to be drawn, not yet laid out. */
  build(stage, frame) {
    this.scene = buildScene(stage, ui, frame);
    for (const group of this.scene.groups.values()) group.headWidth = headWidth(group);
  }
  /** From places within modules to places in the drawing. */
  place() {
    this.boxes = [];
    this.lines = [];
    this.holes = [];
    const visit = (group, x, y) => {
      for (const line of group.lines) this.lines.push({line, x, y});
      for (const hole of group.holes || []) this.holes.push({...hole, left: x + hole.x, top: y + hole.y});
      for (const item of [...group.items].sort((a, b) => (a.order ?? 0) - (b.order ?? 0))) {
        item.left = x + item.x;
        item.top = y + item.y;
        this.boxes.push(item);
        if (item.kind === "group" && item.isOpen) visit(item, item.left, item.top);
      }
    };
    visit(this.scene.root, 0, 0);
  }
  draw(moves) {
    const kept = new Set(), {stage} = this.scene;
    this.canvas.classList.toggle("moving", moves);
    let previous = this.edges;
    const put = (id, make) => {  // in the order of running, which is that of Tab
      kept.add(id);
      let element = this.elements.get(id);
      if (!element) {
        this.elements.set(id, (element = make()));
        element.dataset.id = id;
        if (moves) element.animate([{opacity: 0}, {opacity: 1}], 300);
      }
      if (previous.nextElementSibling !== element) previous.after(element);
      return (previous = element);
    };
    for (const item of this.boxes) {
      const isOpen = item.kind === "group" && item.isOpen;
      const element = put((isOpen ? "o:" : "s:") + boxId(item), () => document.createElement("div"));
      dress(element, item, stage, isOpen);
      place(element, item.left, item.top, item.w, item.h);
      if (isOpen) {
        const head = put("h:" + item.path, () => document.createElement("div"));
        head.className = "head";
        const html = headHtml(item, item.repeat ? this.scene.shownLayer(item.repeat) : 0);
        if (head.shownHtml !== html) head.innerHTML = head.shownHtml = html;
        place(head, item.left + 5, item.top + 3);
      }
    }
    for (const hole of this.holes) {
      const element = put(`w:${hole.kind}:${hole.path}`, () => document.createElement("div"));
      element.className = "hole";
      element.innerHTML = holeHtml(stage, hole);
      place(element, hole.left, hole.top, hole.w, hole.h);
    }
    for (const [id, element] of this.elements) if (!kept.has(id)) this.vanish(id, element, moves);
    this.drawLines();
  }
  /** A box that is gone glides into the box that stands for it now. */
  vanish(id, element, moves) {
    this.elements.delete(id);
    const fate = moves && id.startsWith("s:n:") ? this.scene.stage.story.fate(id.slice(4)) : null;
    const into = fate?.into && this.elements.get("s:n:" + drawnPath(fate.into, this.scene));
    if (!into) return element.remove();
    element.inert = true;
    element.removeAttribute("data-id");
    element.animate([{transform: element.style.transform, opacity: 1}, {transform: into.style.transform, opacity: 0}], {duration: 450, easing: "ease-in"})
      .finished.then(() => element.remove(), () => element.remove());
  }
  /** Lines first, then all labels, so that no line runs through one. A label that finds no free place is left out. */
  drawLines() {
    const paths = [], labels = [], taken = new Grid(), crossed = new Grid();
    for (const box of [...this.boxes, ...this.holes]) {
      if (box.kind === "group" && box.isOpen) taken.add({x: box.left, y: box.top, w: box.headWidth, h: HEAD});
      else taken.add({x: box.left, y: box.top, w: box.w, h: box.h});
    }
    const all = this.lines.map(({line, x, y}) => {
      const moved = ({x: px, y: py}) => ({x: px + x, y: py + y});
      return {line, segments: line.segments.map(([a, b]) => [moved(a), moved(b)]), tips: line.tips.map(moved), label: line.label && moved(line.label)};
    });
    for (const {line, segments} of all) for (const segment of segments) for (const point of along(segment)) crossed.add({...point, w: 1, h: 1, of: line.value.path});
    this.scene.drawn = [];
    for (const {line, segments, tips, label: start} of all) {
      const d = segments.map(([a, b]) => curve(a, b)).join("");
      const tip = tips.map((at) => `M${lineText(at.x - 4)} ${lineText(at.y - 7)}h8l-4 7z`).join("");
      const value = escaped(line.value.path);
      paths.push(`<g data-value="${value}"><path d="${d}"/>${tip ? `<path class="tip" d="${tip}"/>` : ""}</g>`);
      const label = start ? labelPlace(segments, start, line.value, taken, crossed) : null;
      if (label) labels.push(`<text data-value="${value}" x="${lineText(label.x)}" y="${lineText(label.y)}">${escaped(line.value.type)}</text>`);
      this.scene.drawn.push({d, tip, label, type: line.value.type});
    }
    this.edges.innerHTML = paths.join("") + labels.join("");
  }
}

function draw({moves = false} = {}) {
  const programs = isJoint() ? page.programs.map((_, i) => i) : [ui.program], shown = shownPrograms();
  while (panes.length > programs.length) panes.pop().element.remove();
  while (panes.length < programs.length) panes.push(new Pane());
  panes.forEach((pane, i) => { pane.program = programs[i]; });
  const stages = programs.map(stageBeside), frame = new Frame(stages, ui);
  panes.forEach((pane, i) => pane.build(stages[i], frame));
  if (isJoint()) layoutTogether(panes.map((pane) => pane.scene));
  else layoutGroup(panes[0].scene.root, sizeOf);
  for (const pane of panes) pane.place();
  ({scene, elements} = chosenPane());
  for (const pane of panes) {
    pane.element.hidden = !shown.includes(pane.program);
    if (!pane.element.hidden) pane.draw(moves && movesAllowed.matches);
  }
  showSelected();
  drawChrome();
}
const chosenPane = () => panes.find(({program}) => program === ui.program);
function place(element, x, y, w, h) {
  element.style.transform = `translate(${x}px, ${y}px)`;
  if (w !== undefined) Object.assign(element.style, {width: w + "px", height: h + "px"});
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
    if (stage.story.ops[item.node.op].view) names.push("view");
    if (stage.index > 0 && stage.changes.added.has(item.path)) names.push("is-new");
    if (stage.index > 0 && stage.changes.changed.has(item.path)) names.push("is-changed");
    const device = stage.isLast ? stage.story.devices[item.path] : "";
    if (device && device !== "cpu" && device !== "at load") names.push("elsewhere");
  }
  if (item.isCompared && doesDiffer(item)) names.push("does-differ");
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
      for (let j = Math.floor(y / this.size); j <= Math.floor((y + h) / this.size); ++j) yield i + 2 ** 26 * j;
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
