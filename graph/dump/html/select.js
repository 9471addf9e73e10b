// What is selected: its box, its lines, and the column that tells of it.

/** The path that is drawn for this one: of layers that are alike, the one that is shown. */
function drawnPath(path, of = scene) {
  const repeat = of.repeatOf(path);
  return repeat ? inLayer(repeat, path, of.shownLayer(repeat)) : path;
}
const elementOf = (kind, path) => elements.get(`s:${kind}:${path}`);

/** Marks what is selected, in all drawings, and fills the panel. */
function showSelected() {
  const stage = stageNow(), panel = $("panel"), path = ui.selected;
  if (!path) {
    panel.innerHTML = stagePanel(stage);
  } else if (path.startsWith("module:")) {
    const group = scene.groups.get(path.slice(7));
    panel.innerHTML = group ? modulePanel(stage, group) : stagePanel(stage);
  } else {
    const node = stage.node(path);
    panel.innerHTML = node ? nodePanel(stage, node) : valuePanel(stage, path);
  }
  for (const pane of panes) markSelected(pane, path);
  panel.scrollTop = 0;
}
function markSelected({scene: {stage}, scene: own, canvas, edges, elements: all, element}, path) {
  if (element.hidden) return;
  for (const each of canvas.querySelectorAll(".selected")) each.classList.remove("selected");
  let touched = new Set();
  if (path?.startsWith("module:")) {
    const id = "g:" + path.slice(7);
    (all.get("s:" + id) || all.get("o:" + id))?.classList.add("selected");
  } else if (path) {
    const node = stage.node(path), drawn = (each) => drawnPath(each, own);
    (all.get(node ? `s:n:${drawn(node.path)}` : `s:l:${path}`) || all.get(`w:node:${drawn(path)}`))?.classList.add("selected");
    touched = new Set(node ? [...node.outputs, ...node.inputs].map((value) => drawn(value.path)) : [path]);
  }
  for (const each of edges.querySelectorAll("[data-value]")) each.classList.toggle("hot", touched.has(each.dataset.value));
}
/** What is done goes to this drawing's program from now on. */
function choosePane(pane) {
  if (pane.program === ui.program) return;
  ui.program = pane.program;
  story = storyOf(pane.program);
  ui.stage = pane.scene.stage.index;
  ({scene, elements} = pane);
  fillTimeline();
  drawChrome();
}
function select(path) {
  ui.selected = path;
  showSelected();
  if (path) openPanel(true);
  remember();
}

/** Opens what is around the value, brings it into sight and selects it. */
function show(path) {
  const stage = stageNow(), node = stage.node(path), at = node ? node.path : path;
  const repeat = ui.fold && stage.repeatOf(at);
  if (repeat) ui.layer = layerIndex(repeat, at);
  for (let module = at; module; module = parentPath(module)) ui.open.set(module, true);
  ui.selected = path;
  draw({moves: true});
  const box = node ? scene.boxOfNode.get(node) : scene.leaves.get(path);
  const goal = box || scene.boxOfNode.get(stage.readers.get(path)?.[0]);
  if (goal) look(goal);
  remember();
}
/** Shows a path at the stage before this one that has it, or at the first after it. */
function showWhereItIs(path) {
  if (!stageNow().value(path)) {
    const before = story.stages.findLastIndex((stage, i) => i < ui.stage && stage.value(path));
    const after = story.stages.findIndex((stage) => stage.value(path));
    if (before >= 0 || after >= 0) ui.stage = before >= 0 ? before : after;
  }
  show(path);
}

/** Looks at what changed in the stage; at all of it where nothing did, or where all fits. */
function lookAtStage({glides = true} = {}) {
  const changes = stageNow().changes;
  if (isJoint()) {
    const first = firstDifference();
    return first ? glideTo({...centred(first, 0.75), y: captionHeight() + 60 - first.top * 0.75}, glides) : fitTop({glides});
  }
  const touched = [...scene.boxes()].filter((box) => (box.kind === "node" && (changes.added.has(box.path) || changes.changed.has(box.path))) || (box.kind === "group" && !box.isOpen && box.touched));
  if (ui.stage === 0 || touched.length === 0) fitTop({glides});
  else lookAtAll(touched, {glides});
}
function goTo(index, {isNew = true} = {}) {
  ui.stage = clamp(index, 0, story.stages.length - 1);
  draw({moves: true});
  lookAtStage();
  remember({isNew});
}
function toProgram(index) {
  const stage = stageBeside(index);
  ui.program = index;
  story = storyOf(index);
  ui.stage = stage.index;
  fillTimeline();
  draw();
  if (!isJoint()) fitTop();
  remember();
}

function toggle(path, isOpen) {
  const before = scene.groups.get(path);
  ui.open.set(path, isOpen ?? !ui.isOpen(path));
  draw({moves: true});
  const after = scene.groups.get(path);
  if (before?.left !== undefined && after?.left !== undefined) {  // its corner stays where it is
    eye.x += (before.left - after.left) * eye.zoom;
    eye.y += (before.top - after.top) * eye.zoom;
    applyEye();
  }
  (elements.get("h:" + path)?.querySelector("button") || elementOf("g", path))?.focus({preventScroll: true});
  remember();
}
function stepLayer(by) {
  const group = [...scene.groups.values()].find((each) => each.repeat);
  if (!group) return;
  ui.layer = clamp(scene.shownLayer(group.repeat) + by, group.repeat.first, group.repeat.last);
  draw();
  drawComparison();
  remember({isNew: false});
}
