// The data as the page uses them: stages with nodes, values and modules. What page_data.cpp writes is a table of distinct
// nodes and values; a stage has runs of those: the number of the first node, and how many follow each other. Layers that are
// alike stand there once.

/** The entries of a list of blocks, as folded_list.h tells. */
function unfolded(blocks) {
  const out = [];
  for (const {items, numbers = [], layers, first = 0, last = 0, steps = []} of blocks) {
    const width = numbers.length / items.length;
    for (let index = first; index <= last; ++index) {
      const own = `${layers}.${index}`, before = `${layers}.${index - 1}`;
      const text = (each) => layers && typeof each === "string" ? each.replaceAll("\u0001", own).replaceAll("\u0002", before) : each;
      items.forEach((item, i) => out.push([...item.map(text),
        ...numbers.slice(i * width, (i + 1) * width).map((number, n) => number + (index - first) * (steps[i * width + n] || 0))]));
    }
  }
  return out;
}
/** Whether two nodes compute the same. */
function isSameNode(a, b) {
  const same = (one, other) => one.length === other.length && one.every((each, i) => each === other[i]);
  return a === b || (a.op === b.op && a.work === b.work && a.source === b.source && same(a.inputs, b.inputs) && same(a.outputs, b.outputs)
    && same(a.inputNames, b.inputNames) && same(a.attributes.flat(), b.attributes.flat()) && same(a.realizes, b.realizes));
}

class Story {
  constructor(data) {
    Object.assign(this, data);
    this.valuesKept = new Map();
    this.nodesKept = new Map();
    this.values = data.values.map(([path, kind, type, bytes]) => this.value(data.paths[path], kind, data.types[type], bytes));
    this.nodes = data.nodes.map((node, id) => ({
      id, op: node.o, work: node.w, inputs: node.i.map((v) => this.values[v]), inputNames: node.n || data.ops[node.o].inputs, outputs: node.u.map((v) => this.values[v]),
      attributes: node.a, realizes: node.r.map((p) => data.paths[p]), source: node.s, bytes: node.b, flops: node.f,
      path: this.values[node.u[0]].path,
    }));
    this.moduleOf = new Map(unfolded(data.modules).map(([path, type, detail]) => [path, {path, type, detail}]));
    this.fates = Object.fromEntries(unfolded(data.fates).map(([path, ...fate]) => [path, fate]));
    this.places = Object.fromEntries(unfolded(data.places).map(([path, region, offset, bytes, first, last]) =>
      [path, first ? [region, offset, bytes, first, last] : [region, offset, bytes]]));
    this.devices = Object.fromEntries(unfolded(data.devices));
    this.sources = Object.fromEntries(unfolded(data.sources));
    this.stages = data.stages.map((stage, index) => new Stage(this, stage, index));
  }
  /** The one object for a value. */
  value(path, kind, type, bytes) {
    const key = `${path} ${kind} ${type}`;
    if (!this.valuesKept.has(key)) this.valuesKept.set(key, {path, kind, type, bytes});
    return this.valuesKept.get(key);
  }
  /** The nodes of an entry of a stage: a run, or layers like one of them. */
  nodesOf(entry) {
    const run = ([first, count]) => this.nodes.slice(first, first + count);
    if (!Array.isArray(entry[0])) return run(entry);
    const [runs, layers, of, from, to] = entry, nodes = runs.flatMap(run), out = [];
    for (let index = from; index <= to; ++index) for (const node of nodes) out.push(this.nodeInLayer(node, layers, of, index));
    return out;
  }
  /** What a node of layer `of` is in another layer: it names its own layer and the one before. */
  nodeInLayer(node, layers, of, index) {
    if (index === of) return node;
    const key = `${node.id} ${index}`;
    if (this.nodesKept.has(key)) return this.nodesKept.get(key);
    const own = `${layers}.${of}.`, before = `${layers}.${of - 1}.`;
    const moved = (path) => path.startsWith(own) ? `${layers}.${index}.${path.slice(own.length)}`
      : path.startsWith(before) ? `${layers}.${index - 1}.${path.slice(before.length)}` : path;
    const value = ({path, kind, type, bytes}) => this.value(moved(path), kind, type, bytes);
    const made = {...node, inputs: node.inputs.map(value), outputs: node.outputs.map(value), realizes: node.realizes.map(moved), path: moved(node.path)};
    this.nodesKept.set(key, made);
    return made;
  }
  /** The longest module path that `path` begins with. */
  module(path) {
    for (let at = path; at; at = parentPath(at)) if (this.moduleOf.has(at)) return at;
    return "";
  }
  /**
   * The nodes of the program that a node of an earlier stage became, or became part of: by the origins that they list,
   * else by what became of its values. None of what runs at load, or not at all.
   */
  kernelsOf(node) {
    if (!this.kernels) {
      this.kernels = new Map();
      for (const kernel of this.stages[this.stages.length - 1].nodes)
        for (const path of new Set([...kernel.realizes, ...kernel.outputs.map((value) => value.path)])) {
          if (!this.kernels.has(path)) this.kernels.set(path, []);
          this.kernels.get(path).push(kernel);
        }
    }
    const own = this.kernels.get(node.path)?.find((kernel) => kernel.path === node.path);
    if (own) return [own];
    for (const start of [...node.outputs.map((value) => value.path), ...node.realizes])
      for (let at = start; at; at = this.fates[at]?.[1]) if (this.kernels.has(at)) return this.kernels.get(at);
    return [];
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
    Object.assign(this, {name: data.name, equation: data.equation, milliseconds: data.ms, findings: unfolded(data.findings)});
    this.nodes = data.nodes.flatMap((entry) => story.nodesOf(entry));
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
        else if (!isSameNode(was, node)) out.changed.add(node.path);
      }
      for (const node of before.nodes)
        for (const value of node.outputs) if (!this.producer.has(value.path)) out.gone.push(value.path);
    }
    return this.changesKept = out;
  }
  /** Bytes that a step moves, at the bounds of the sizes. */
  get bytesOfStep() { return (this.bytesKept ??= this.nodes.reduce((sum, node) => sum + (node.work === "load" ? 0 : node.bytes), 0)); }
  get isLast() { return this.index === this.story.stages.length - 1; }
  get does() { const c = this.changes; return c.added.size + c.changed.size + c.gone.length > 0; }
  /** The numbers of the layers whose paths begin so. */
  layersOf(prefix) { return new Set(this.nodes.filter(({path}) => path.startsWith(prefix)).map(({path}) => parseInt(path.slice(prefix.length), 10))); }
  repeatOf(path) { return this.repeats.find((repeat) => layerIndex(repeat, path) >= 0); }
}
