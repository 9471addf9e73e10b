// What is drawn of a stage: boxes in boxes, and the lines between them.
/**
 * What is to be drawn of a stage: a tree of boxes (modules that are open, modules that are closed, nodes), and in each
 * open module the lines between its boxes. A line that crosses a module's border goes through a port of that module, one
 * for each value.
 */
function buildScene(stage, ui) {
  const story = stage.story;
  const shownLayer = (repeat) => Math.min(Math.max(ui.layer, repeat.first), repeat.last);
  const repeats = ui.fold ? stage.repeats : [];
  const repeatOf = (path) => repeats.find((repeat) => layerIndex(repeat, path) >= 0);
  const isShown = (path) => { const repeat = repeatOf(path); return !repeat || layerIndex(repeat, path) === shownLayer(repeat); };
  const shown = stage.nodes.filter((node) => isShown(node.path));
  const inModule = new Map();
  for (const node of shown) {
    const module = story.module(node.path);
    inModule.set(module, (inModule.get(module) || 0) + 1);
  }
  const hasModules = new Set([...story.moduleOf.keys()].map(parentPath));
  /** The module whose box is around a node: lists of modules and modules of a single node have none. */
  const around = (path) => {
    let module = story.module(path);
    if (module && !hasModules.has(module) && inModule.get(module) === 1) module = parentPath(module);
    while (repeatOf(module + ".") && !repeatOf(path) && !repeatOf(path + ".")) module = parentPath(module);
    while (module && (!story.moduleOf.has(module) || story.moduleOf.get(module).type === "ModuleList")) module = parentPath(module);
    return module;
  };

  const root = {kind: "group", path: "", items: [], edges: [], ports: new Map(), parent: null};
  const groups = new Map([["", root]]);
  const group = (path) => {
    if (groups.has(path)) return groups.get(path);
    const parent = group(around(parentPath(path)));
    const repeat = repeatOf(path + ".");
    const isRepeat = repeat && path === repeat.prefix + shownLayer(repeat);
    const made = {kind: "group", path, parent, module: story.moduleOf.get(path), items: [], edges: [], ports: new Map(),
      repeat: isRepeat ? repeat : null, isOpen: ui.isOpen(path), nodes: 0, bytes: 0, flops: 0};
    parent.items.push(made);
    groups.set(path, made);
    return made;
  };
  const boxOfNode = new Map();
  shown.forEach((node, order) => {
    const parent = group(around(node.path));
    const box = {kind: "node", path: node.path, node, parent, order, chips: [], ins: [], outs: []};
    parent.items.push(box);
    boxOfNode.set(node, box);
    for (let at = parent; at; at = at.parent) {
      at.nodes = (at.nodes || 0) + 1;
      at.bytes = (at.bytes || 0) + (node.work === "load" ? 0 : node.bytes);
      at.flops = (at.flops || 0) + (node.work === "load" ? 0 : node.flops);
      if (at.order === undefined) at.order = order;
      if (story.paint) (at.marks = at.marks || []).push(...marksOf(story, node));
      for (const kind of ["added", "changed"]) if (stage.changes[kind].has(node.path)) at.touched = (at.touched || 0) + 1;
    }
  });

  /** The value that is drawn where this one is read at input `i` of `node`. */
  const sourceOf = (node, i) => {
    const value = node.inputs[i], repeat = repeatOf(value.path);
    if (!repeat || isShown(value.path)) return value;
    const own = layerIndex(repeat, node.path);
    if (own >= 0) {  // of the layer before: what the first layer reads in its place
      const first = stage.node(inLayer(repeat, node.path, repeat.first));
      return first ? first.inputs[i] : value;
    }
    return stage.value(inLayer(repeat, value.path, shownLayer(repeat))) || value;
  };
  const readers = new Map();
  for (const node of shown)
    new Set(node.inputs.map((_, i) => sourceOf(node, i).path)).forEach((path) => readers.set(path, (readers.get(path) || 0) + 1));

  const leaves = new Map();
  const leafBox = (value) => {
    if (!leaves.has(value.path)) {
      const box = {kind: "leaf", path: value.path, value, parent: root, order: -1, chips: [], ins: [], outs: [value.path]};
      root.items.push(box);
      leaves.set(value.path, box);
    }
    return leaves.get(value.path);
  };
  const wires = [];
  for (const node of shown) {
    const box = boxOfNode.get(node);
    node.inputs.forEach((own, i) => {
      const value = sourceOf(node, i), name = inputName(node, i);
      const from = stage.node(value.path);
      const isLeaf = !from;
      const many = readers.get(value.path) > (isLeaf ? 1 : 6);
      if (many || (isLeaf && value.kind !== "input")) box.chips.push({name, value: own});
      else wires.push({from: isLeaf ? leafBox(value) : boxOfNode.get(from), to: box, value});
    });
  }
  stage.results.forEach((value) => {
    const repeat = repeatOf(value.path);
    const path = repeat ? inLayer(repeat, value.path, shownLayer(repeat)) : value.path;
    const box = {kind: "leaf", path: "result " + value.path, value, isResult: true, parent: root, order: 1e9, chips: [], ins: [], outs: []};
    root.items.push(box);
    const from = stage.node(path);
    if (from && boxOfNode.has(from)) wires.push({from: boxOfNode.get(from), to: box, value});
  });

  // The box that stands for another one, where a module around it is closed.
  const visible = (box) => {
    let out = box;
    for (let at = box.parent; at && at !== root; at = at.parent) if (!at.isOpen) out = at;
    return out;
  };
  const seen = new Set();
  const join = (owner, from, to, value, ends) => {
    const key = owner.path + "|" + from + "|" + to + "|" + value.path;
    if (seen.has(key)) return;
    seen.add(key);
    owner.edges.push({from, to, value, ...ends});
  };
  const port = (owner, side, value) => {
    const id = side + ":" + value.path;
    if (!owner.ports.has(id)) owner.ports.set(id, {kind: "port", side, value, id});
    return id;
  };
  const addOnce = (list, path) => { if (!list.includes(path)) list.push(path); };
  for (const wire of wires) {
    if (!wire.from) continue;  // its source is in a layer that is not shown
    const from = visible(wire.from), to = visible(wire.to);
    if (from === to) continue;
    from.outs = from.outs || []; to.ins = to.ins || [];
    addOnce(from.outs, wire.value.path);
    addOnce(to.ins, wire.value.path);
    const above = new Set();
    for (let at = to.parent; at; at = at.parent) above.add(at);
    let common = from.parent;
    while (!above.has(common)) common = common.parent;
    let tail = from, head = to;
    for (let at = from.parent; at !== common; at = at.parent) {
      join(at, boxId(tail), port(at, "out", wire.value), wire.value, {});
      tail = at;
    }
    for (let at = to.parent; at !== common; at = at.parent) {
      join(at, port(at, "in", wire.value), boxId(head), wire.value, {hasTip: head === to});
      head = at;
    }
    join(common, boxId(tail), boxId(head), wire.value, {hasTip: head === to, hasLabel: true});
  }
  const boxes = function* (group = root) {
    for (const item of group.items) {
      yield item;
      if (item.kind === "group" && item.isOpen) yield* boxes(item);
    }
  };
  return {root, boxOfNode, groups, shownLayer, leaves, boxes};
}
function boxId(box) { return (box.kind === "group" ? "g:" : box.kind === "leaf" ? "l:" : "n:") + box.path; }
