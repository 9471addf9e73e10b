// What is drawn of a stage: boxes in boxes, and the lines between them.
/** What stages that are drawn next to each other must have in common: the modules, and the layers that are shown. */
class Frame {
  constructor(stages, ui) {
    this.moduleOf = stages.length === 1 ? stages[0].story.moduleOf : new Map(stages.flatMap((stage) => [...stage.story.moduleOf]).reverse());
    this.hasModules = new Set([...this.moduleOf.keys()].map(parentPath));
    this.inModule = new Map();  // the most nodes that a module has itself in one of the stages
    this.stages = new Map();
    for (const stage of stages) {
      const repeats = ui.fold ? cutByOthers(stage.repeats, stages.filter((other) => other !== stage)) : [];
      const repeatOf = (path) => repeats.find((repeat) => layerIndex(repeat, path) >= 0);
      const shownLayer = (repeat) => clamp(ui.layer, repeat.first, repeat.last);
      const shown = stage.nodes.filter(({path}) => { const repeat = repeatOf(path); return !repeat || layerIndex(repeat, path) === shownLayer(repeat); });
      this.stages.set(stage, {repeatOf, shownLayer, shown});
      const counts = new Map();
      for (const node of shown) {
        const module = this.module(node.path);
        counts.set(module, (counts.get(module) || 0) + 1);
      }
      for (const [module, count] of counts) this.inModule.set(module, Math.max(count, this.inModule.get(module) || 0));
    }
  }
  /** The longest module path that `path` begins with. */
  module(path) {
    for (let at = path; at; at = parentPath(at)) if (this.moduleOf.has(at)) return at;
    return "";
  }
}
/** Layers that are alike here are drawn apart where another stage has some of them that are not, or none of them. */
function cutByOthers(repeats, others) {
  return repeats.flatMap((repeat) => {
    const cuts = new Set([repeat.first, repeat.last + 1]);
    const cut = (at) => { if (at > repeat.first && at <= repeat.last) cuts.add(at); };
    for (const other of others) {
      const own = other.repeats.filter(({layers}) => layers === repeat.layers);
      for (const {first, last} of own) { cut(first); cut(last + 1); }
      for (const index of other.layersOf(repeat.prefix)) if (!own.some(({first, last}) => first <= index && index <= last)) { cut(index); cut(index + 1); }
    }
    const ends = [...cuts].sort((x, y) => x - y);
    return ends.slice(1).map((end, i) => ({...repeat, first: ends[i], last: end - 1})).filter(({first, last}) => first < last);
  });
}
/**
 * What is to be drawn of a stage: a tree of boxes (modules that are open, modules that are closed, nodes), and in each
 * open module the lines between its boxes. A line that crosses a module's border goes through a port of that module, one
 * for each value.
 */
function buildScene(stage, ui, frame) {
  const story = stage.story, {moduleOf} = frame;
  const {repeatOf, shownLayer, shown} = frame.stages.get(stage);
  const isShown = (path) => { const repeat = repeatOf(path); return !repeat || layerIndex(repeat, path) === shownLayer(repeat); };
  /** The module whose box is around a node: lists of modules and modules of a single node have none. */
  const around = (path) => {
    let module = frame.module(path);
    if (module && !frame.hasModules.has(module) && frame.inModule.get(module) === 1) module = parentPath(module);
    while (repeatOf(module + ".") && !repeatOf(path) && !repeatOf(path + ".")) module = parentPath(module);
    while (module && (!moduleOf.has(module) || moduleOf.get(module).type === "ModuleList")) module = parentPath(module);
    return module;
  };

  const root = {kind: "group", path: "", items: [], edges: [], ports: new Map(), parent: null};
  const groups = new Map([["", root]]);
  const group = (path) => {
    if (groups.has(path)) return groups.get(path);
    const parent = group(around(parentPath(path)));
    const repeat = repeatOf(path + ".");
    const isRepeat = repeat && path === repeat.prefix + shownLayer(repeat);
    const made = {kind: "group", path, parent, stage, module: moduleOf.get(path), items: [], edges: [], ports: new Map(),
      repeat: isRepeat ? repeat : null, isOpen: ui.isOpen(path), nodes: 0, bytes: 0, flops: 0};
    parent.items.push(made);
    groups.set(path, made);
    return made;
  };
  const boxOfNode = new Map();
  shown.forEach((node, order) => {
    const parent = group(around(node.path));
    const box = {kind: "node", path: node.path, node, stage, parent, order, chips: [], ins: [], outs: []};
    parent.items.push(box);
    boxOfNode.set(node, box);
    for (let at = parent; at; at = at.parent) {
      at.nodes = (at.nodes || 0) + 1;
      (at.nodesInside ??= []).push(node);
      at.bytes = (at.bytes || 0) + (node.work === "load" ? 0 : node.bytes);
      at.flops = (at.flops || 0) + (node.work === "load" ? 0 : node.flops);
      if (at.order === undefined) Object.assign(at, {order, firstNode: node.path});
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
      return first && first !== node ? sourceOf(first, i) : value;
    }
    return stage.value(inLayer(repeat, value.path, shownLayer(repeat))) || value;
  };
  const readers = new Map();
  for (const node of shown)
    new Set(node.inputs.map((_, i) => sourceOf(node, i).path)).forEach((path) => readers.set(path, (readers.get(path) || 0) + 1));

  const leaves = new Map();
  const leafBox = (value) => {
    if (!leaves.has(value.path)) {
      const box = {kind: "leaf", path: value.path, value, stage, parent: root, order: -1, chips: [], ins: [], outs: [value.path]};
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
    const box = {kind: "leaf", path: "result " + value.path, value, stage, isResult: true, parent: root, order: 1e9, chips: [], ins: [], outs: []};
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
  return {stage, root, boxOfNode, groups, shownLayer, repeatOf, leaves, boxes};
}
function boxId(box) { return (box.kind === "group" ? "g:" : box.kind === "leaf" ? "l:" : "n:") + box.path; }
