// What is selected: its box, its lines, and the column that tells of it.

/** The path that is drawn for this one: of layers that are alike, the one that is shown. */
function drawnPath(path) {
  const repeat = ui.fold && stageNow().repeatOf(path);
  return repeat ? inLayer(repeat, path, scene.shownLayer(repeat)) : path;
}
const elementOf = (kind, path) => elements.get(`s:${kind}:${path}`);

/** Marks what is selected, and fills the panel. */
function showSelected() {
  const stage = stageNow(), panel = $("panel"), path = ui.selected;
  for (const element of document.querySelectorAll("#canvas .selected")) element.classList.remove("selected");
  let touched = new Set();
  if (!path) {
    panel.innerHTML = stagePanel(stage);
  } else if (path.startsWith("module:")) {
    const group = scene.groups.get(path.slice(7));
    panel.innerHTML = group ? modulePanel(stage, group) : stagePanel(stage);
    if (group) (elementOf("g", group.path) || elements.get("o:g:" + group.path))?.classList.add("selected");
  } else {
    const node = stage.node(path);
    panel.innerHTML = node ? nodePanel(stage, node) : valuePanel(stage, path);
    const shown = node ? elementOf("n", drawnPath(node.path)) : elementOf("l", path);
    shown?.classList.add("selected");
    touched = new Set(node ? [...node.outputs, ...node.inputs].map((value) => drawnPath(value.path)) : [path]);
  }
  for (const element of document.querySelectorAll("#edges [data-value]")) element.classList.toggle("hot", touched.has(element.dataset.value));
  panel.scrollTop = 0;
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
  const stage = stageNow().name;
  ui.program = index;
  story = storyOf(index);
  ui.stage = Math.max(0, story.stages.findIndex((each) => each.name === stage));
  fillTimeline();
  draw();
  fitTop();
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
