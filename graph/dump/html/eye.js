// Which part of the drawing is in sight: moving, zooming, fitting, and the small map.
const eye = {x: 0, y: 0, zoom: 1};
const READABLE = 0.6, MOST_ZOOM = 3;
/** Where the drawing lies that an element is in, in the window. */
const paneBox = (element) => (element.closest?.(".pane") || chosenPane().element).getBoundingClientRect();
const viewBox = () => chosenPane().element.getBoundingClientRect();
/** The smallest zoom: a little less than what shows everything. */
const leastZoom = () => Math.min(0.1, wholeZoom() * 0.8);
function wholeZoom(box = scene.root, margin = 26) {
  const view = viewBox();
  return Math.max(1e-4, Math.min((view.width - 2 * margin) / box.w, (view.height - captionHeight() - 2 * margin) / box.h));
}
/** The caption lies over the top of the drawing. */
const captionHeight = () => Math.max(...panes.map(({caption}) => caption.offsetHeight));

let gliding = 0;
function applyEye() {
  for (const {canvas} of panes) {
    canvas.style.transform = `translate(${eye.x}px, ${eye.y}px) scale(${eye.zoom})`;
    canvas.classList.toggle("far", eye.zoom < 0.42);
  }
  drawMapFrame();
}
/** Moves the eye there, in small steps where movement is wanted. */
function glideTo(goal, glides = true) {
  cancelAnimationFrame(gliding);
  if (!glides || !movesAllowed.matches) {
    Object.assign(eye, goal);
    return applyEye();
  }
  const from = {...eye}, start = performance.now();
  const step = (now) => {
    const t = clamp((now - start) / 280, 0, 1), s = t * t * (3 - 2 * t);
    for (const key of ["x", "y", "zoom"]) eye[key] = from[key] + (goal[key] - from[key]) * s;
    applyEye();
    if (t < 1) gliding = requestAnimationFrame(step);
  };
  gliding = requestAnimationFrame(step);
}
/** The eye that has a box of the drawing in the middle. */
function centred(box, zoom) {
  const view = viewBox(), top = captionHeight();
  return {zoom, x: view.width / 2 - (box.left + box.w / 2) * zoom, y: top + (view.height - top) / 2 - (box.top + box.h / 2) * zoom};
}
function fit({glides = true} = {}) {
  glideTo(centred({left: 0, top: 0, w: scene.root.w, h: scene.root.h}, Math.min(1.25, wholeZoom())), glides);
}
/** Readable, from the top, even where not everything fits. */
function fitTop({glides = false} = {}) {
  if (wholeZoom() >= READABLE) return fit({glides});
  const view = viewBox(), zoom = clamp((view.width - 52) / scene.root.w, READABLE, 0.85);
  glideTo({zoom, x: (view.width - scene.root.w * zoom) / 2, y: captionHeight() + 20}, glides);
}
function look(box) { glideTo(centred(box, Math.max(eye.zoom, 0.75))); }
/** All of these boxes, as long as they can be read; else everything from the first of them on. */
function lookAtAll(boxes, {glides = true} = {}) {
  const left = Math.min(...boxes.map((box) => box.left)), top = Math.min(...boxes.map((box) => box.top));
  const all = {left, top, w: Math.max(...boxes.map((box) => box.left + box.w)) - left, h: Math.max(...boxes.map((box) => box.top + box.h)) - top};
  if (wholeZoom() >= READABLE) return fit({glides});
  const zoom = Math.min(1, wholeZoom(all, 60));
  if (zoom >= READABLE) return glideTo(centred(all, zoom), glides);
  const first = boxes.reduce((a, b) => (b.top < a.top ? b : a)), goal = centred(first, 0.75);
  glideTo({...goal, y: captionHeight() + 60 - first.top * 0.75}, glides);
}
function zoomAt(x, y, factor) {
  cancelAnimationFrame(gliding);
  const zoom = clamp(eye.zoom * factor, leastZoom(), MOST_ZOOM);
  eye.x = x - ((x - eye.x) * zoom) / eye.zoom;
  eye.y = y - ((y - eye.y) * zoom) / eye.zoom;
  eye.zoom = zoom;
  applyEye();
}
function zoomBy(factor) { const view = viewBox(); zoomAt(view.width / 2, view.height / 2, factor); }

/* -- fingers and wheel --------------------------------------------------------------------------------------------- */

const pointers = new Map();
let moved = 0;
function watchPointers() {
  $("stage-view").addEventListener("pointerdown", (event) => {
    if (event.target.closest("#map, .caption, #charts")) return;
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    moved = 0;
  });
  window.addEventListener("pointermove", (event) => {
    const was = pointers.get(event.pointerId);
    if (!was) return;
    cancelAnimationFrame(gliding);
    const view = paneBox(event.target);
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
    if (event.target.closest("#charts")) return;
    event.preventDefault();
    const view = paneBox(event.target);
    zoomAt(event.clientX - view.left, event.clientY - view.top, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)));
  }, {passive: false});
  // A box that Tab reaches comes into sight.
  $("panes").addEventListener("focusin", (event) => {
    const at = event.target.getBoundingClientRect(), view = paneBox(event.target);
    event.target.closest(".pane").scrollTo(0, 0);
    $("stage-view").scrollTo(0, 0);
    if (at.left >= view.left && at.right <= view.right && at.top >= view.top + captionHeight() && at.bottom <= view.bottom) return;
    glideTo({...eye, x: eye.x + (view.left + view.right - at.left - at.right) / 2, y: eye.y + (view.top + view.bottom - at.top - at.bottom) / 2});
  });
  const toMap = (event) => {
    const box = $("map").getBoundingClientRect(), view = viewBox(), scale = mapScale();
    glideTo({zoom: eye.zoom, x: view.width / 2 - ((event.clientX - box.left) / scale) * eye.zoom, y: view.height / 2 - ((event.clientY - box.top) / scale) * eye.zoom}, false);
  };
  $("map").addEventListener("pointerdown", (event) => { $("map").setPointerCapture(event.pointerId); toMap(event); });
  $("map").addEventListener("pointermove", (event) => { if (event.buttons) toMap(event); });
}

/* -- the small map ------------------------------------------------------------------------------------------------- */

function mapScale() { return Math.min(120 / scene.root.w, (isJoint() ? 130 : 220) / scene.root.h); }
/** The boxes of the drawing; drawn when it changes. */
function drawMap() {
  const scale = mapScale(), map = $("map"), w = Math.max(8, scene.root.w * scale), h = Math.max(8, scene.root.h * scale);
  map.setAttribute("viewBox", `0 0 ${w} ${h}`);
  Object.assign(map.style, {width: w + "px", height: h + "px"});
  const rects = [...scene.boxes()].map((box) => `<rect class="${box.kind === "group" && box.isOpen ? "open" : ui.selected === box.path ? "at" : ""}" x="${(box.left * scale).toFixed(1)}" y="${(box.top * scale).toFixed(1)}"
    width="${Math.max(1, box.w * scale).toFixed(1)}" height="${Math.max(0.6, box.h * scale).toFixed(1)}"/>`);
  map.innerHTML = rects.join("") + `<rect id="map-frame"/>`;
  drawMapFrame();
}
function drawMapFrame() {
  const frame = $("map-frame");
  if (!frame) return;
  const view = viewBox(), scale = mapScale() / eye.zoom;
  for (const [key, value] of [["x", -eye.x * scale], ["y", -eye.y * scale], ["width", view.width * scale], ["height", view.height * scale]]) frame.setAttribute(key, value.toFixed(1));
  const isWhole = eye.x >= 0 && eye.y >= 0 && eye.x + scene.root.w * eye.zoom <= view.width && eye.y + scene.root.h * eye.zoom <= view.height;
  $("map").classList.toggle("whole", isWhole);
}
