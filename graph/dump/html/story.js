// The data as the page uses them: stages with nodes, values and modules. What html.cpp writes is a table of distinct nodes
// and values; a stage has runs of those: the number of the first node, and how many follow each other.
class Story {
  constructor(data) {
    Object.assign(this, data);
    this.values = data.values.map(([path, kind, type, bytes]) => ({path: data.paths[path], kind, type: data.types[type], bytes}));
    this.nodes = data.nodes.map((node, id) => ({
      id, op: node.o, work: node.w, inputs: node.i.map((v) => this.values[v]), inputNames: node.n || data.ops[node.o].inputs, outputs: node.u.map((v) => this.values[v]),
      attributes: node.a, realizes: node.r.map((p) => data.paths[p]), source: node.s, bytes: node.b, flops: node.f,
      path: this.values[node.u[0]].path,
    }));
    this.moduleOf = new Map(data.modules.map(([path, type, detail]) => [path, {path, type, detail}]));
    this.stages = data.stages.map((stage, index) => new Stage(this, stage, index));
  }
  /** The longest module path that `path` begins with. */
  module(path) {
    for (let at = path; at; at = parentPath(at)) if (this.moduleOf.has(at)) return at;
    return "";
  }
  /** "elided in …, by fuse_attention" of a value that is gone. */
  fate(path) {
    const fate = this.fates[path];
    if (!fate) return null;
    const [kind, into, pass] = fate;
    return {kind, into, pass};
  }
}

class Stage {
  constructor(story, data, index) {
    this.story = story;
    this.index = index;
    Object.assign(this, {name: data.name, equation: data.equation, milliseconds: data.ms, findings: data.findings});
    this.nodes = data.nodes.flatMap(([first, count]) => story.nodes.slice(first, first + count));
    this.results = data.results.map((v) => story.values[v]);
    this.repeats = data.repeats.map(([layers, first, last, members]) => ({layers, first, last, prefix: layers + ".", members: new Set(members)}));
    this.producer = new Map();
    this.nodes.forEach((node, order) => {
      for (const value of node.outputs) this.producer.set(value.path, {node, order});
    });
    this.readers = new Map();
    for (const node of this.nodes)
      for (const value of new Set(node.inputs)) {
        if (!this.readers.has(value.path)) this.readers.set(value.path, []);
        this.readers.get(value.path).push(node);
      }
  }
  node(path) { return this.producer.get(path)?.node; }
  value(path) {
    const node = this.node(path);
    if (node) return node.outputs.find((value) => value.path === path);
    return this.readers.get(path)?.[0].inputs.find((value) => value.path === path);
  }
  /** What the pass did: paths that are new, changed, gone, against the stage before. */
  get changes() {
    if (this.changesKept) return this.changesKept;
    const before = this.story.stages[this.index - 1], out = {added: new Set(), changed: new Set(), gone: []};
    if (before) {
      for (const node of this.nodes) {
        const was = before.node(node.path);
        if (!was) out.added.add(node.path);
        else if (was !== node) out.changed.add(node.path);
      }
      for (const node of before.nodes)
        for (const value of node.outputs) if (!this.producer.has(value.path)) out.gone.push(value.path);
    }
    return this.changesKept = out;
  }
  get does() { const c = this.changes; return c.added.size + c.changed.size + c.gone.length > 0; }
  repeatOf(path) { return this.repeats.find((repeat) => layerIndex(repeat, path) >= 0); }
}

function parentPath(path) { const dot = path.lastIndexOf("."); return dot < 0 ? "" : path.slice(0, dot); }

/** The number of the repeat's layer that a value is in, or -1. For a module: its path and a dot. */
function layerIndex(repeat, path) {
  if (!path.startsWith(repeat.prefix)) return -1;
  const rest = path.slice(repeat.prefix.length), dot = rest.indexOf("."), index = parseInt(rest, 10);
  return index >= repeat.first && index <= repeat.last && repeat.members.has(rest.slice(dot)) ? index : -1;
}
/** The same path in another layer. */
function inLayer(repeat, path, index) {
  const rest = path.slice(repeat.prefix.length), dot = rest.indexOf(".");
  return repeat.prefix + index + (dot < 0 ? "" : rest.slice(dot));
}

/** What the op calls input i; of those beyond the last name of a variadic op, that one. */
function inputName(node, i) {
  return node.inputNames[Math.min(i, node.inputNames.length - 1)];
}
function human(number, unit) {
  const powers = ["", "k", "M", "G", "T", "P"];
  let power = 0;
  for (; number >= 999.5 && power + 1 < powers.length; ++power) number /= 1000;
  return `${number.toFixed(power === 0 ? 0 : number < 9.995 ? 2 : number < 99.95 ? 1 : 0)} ${powers[power]}${unit}`;
}
function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
}

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
  return {root, boxOfNode, groups, shownLayer, leaves};
}
function boxId(box) { return (box.kind === "group" ? "g:" : box.kind === "leaf" ? "l:" : "n:") + box.path; }
