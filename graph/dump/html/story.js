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
  /** Bytes that a step moves, at the bounds of the sizes. */
  get bytesOfStep() { return (this.bytesKept ??= this.nodes.reduce((sum, node) => sum + (node.work === "load" ? 0 : node.bytes), 0)); }
  get does() { const c = this.changes; return c.added.size + c.changed.size + c.gone.length > 0; }
  repeatOf(path) { return this.repeats.find((repeat) => layerIndex(repeat, path) >= 0); }
}
