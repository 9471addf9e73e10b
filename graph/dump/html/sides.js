// Several graphs drawn next to each other: what has the same name has the same place in each drawing, so that one eye moves
// over all of them. What a side lacks leaves a hole that says what became of it; what differs is marked.

/** Whether the sides are drawn next to each other. */
const isJoint = () => Boolean(comparison) && compared.view === "drawings";
const LEAST_PANE = 240;  // pixels; where fewer are left for each side, fewer sides are shown

/** The programs that have a drawing now: all sides, or as many as there is room for, the chosen one among them. */
function shownPrograms() {
  if (!isJoint()) return [ui.program];
  const count = clamp(Math.floor($("stage-view").clientWidth / LEAST_PANE), 1, page.programs.length);
  const first = clamp(ui.program - Math.floor(count / 2), 0, page.programs.length - count);
  return Array.from({length: count}, (_, i) => first + i);
}
/** The stage of a program that stands beside the one that is shown: of the same name, else of the last name before that it has. */
function stageBeside(program) {
  if (program === ui.program) return stageNow();
  const {stages} = storyOf(program);
  for (let i = ui.stage; i >= 0; --i) {
    const found = stages.find(({name}) => name === story.stages[i].name);
    if (found) return found;
  }
  return stages[0];
}

/** All paths in an order that keeps that of each list, as far as they agree; what only later lists have stands behind what goes before it there. */
function mergedOrder(lists) {
  const after = new Map([[null, null]]);
  for (const list of lists) {
    let last = null;
    for (const each of list) {
      if (!after.has(each)) {
        after.set(each, after.get(last));
        after.set(last, each);
      }
      last = each;
    }
  }
  const order = new Map();
  for (let at = after.get(null); at !== null; at = after.get(at)) order.set(at, order.size);
  return order;
}

/** One group that has what the groups of the sides have, null where a side has none: to be laid out once for all. */
function unionOf(groups, order, parent) {
  const first = groups.find(Boolean), own = (key) => groups.map((group) => group?.[key]).filter(Boolean);
  const made = {kind: "group", path: first.path, isOpen: first.isOpen, parent, sides: groups, headWidth: Math.max(0, ...own("headWidth")), items: [], edges: [], ports: new Map(own("ports").flatMap((ports) => [...ports]))};
  const edges = new Map();
  for (const edge of own("edges").flat()) {
    const key = edgeKey(edge), known = edges.get(key);
    edges.set(key, {...edge, hasTip: edge.hasTip || known?.hasTip, hasLabel: edge.hasLabel || known?.hasLabel});
  }
  made.edges = [...edges.values()];
  const ids = [...new Set(own("items").flat().map(boxId))];
  const byId = groups.map((group) => new Map(group?.items.map((item) => [boxId(item), item])));
  for (const id of ids) {
    const sides = byId.map((items) => items.get(id) || null), item = sides.find(Boolean);
    if (item.kind === "group" && item.isOpen) made.items.push(unionOf(sides, order, made));
    else made.items.push({kind: item.kind, path: item.path, parent: made, sides, order: item.kind === "node" ? order.get(item.path) : item.order});
    const union = made.items[made.items.length - 1];
    for (const key of ["ins", "outs"]) union[key] = [...new Set(sides.flatMap((side) => side?.[key] || []))];
    if (item.kind === "group" && !item.isOpen) union.order = Math.min(...sides.filter(Boolean).map((side) => order.get(side.firstNode)));
  }
  made.order = Math.min(...made.items.map((item) => item.order));
  return made;
}
const edgeKey = ({from, to, value}) => `${from}|${to}|${value.path}`;

/** Lays out the scenes of all sides as one, and gives each its places, its lines and its holes. */
function layoutTogether(scenes) {
  const order = mergedOrder(scenes.map((scene) => scene.stage.nodes.map(({path}) => path)));
  const union = unionOf(scenes.map(({root}) => root), order, null);
  markDifferences(union, scenes);
  const size = (item) => {
    const all = item.sides.filter(Boolean).map(sizeOf);
    return {w: Math.max(...all.map(({w}) => w)), h: Math.max(...all.map(({h}) => h))};
  };
  layoutGroup(union, size);
  const give = (group) => {
    group.sides.forEach((side) => {
      if (!side) return;
      const own = new Map(side.edges.map((edge) => [edgeKey(edge), edge.value]));
      Object.assign(side, {w: group.w, h: group.h, lines: group.linesOf((edge) => own.get(edgeKey(edge))), holes: []});
    });
    for (const item of group.items) {
      item.sides.forEach((side, i) => {
        const place = {x: item.x, y: item.y, w: item.w, h: item.h};
        if (side) Object.assign(side, place);
        else group.sides[i]?.holes.push({path: item.path, kind: item.kind, ...place});
      });
      if (item.kind === "group" && item.isOpen) give(item);
    }
  };
  give(union);
}

/** What a stage has at a path and can be another thing on another side; null where it has nothing there. */
function aspectsAt(stage, path, isResult = false) {
  const value = stage.value(path), node = isResult ? null : stage.node(path);
  if (!value) return null;
  const at = value.type.indexOf("["), own = {dtype: at < 0 ? value.type : value.type.slice(0, at), shape: at < 0 ? "" : value.type.slice(at)};
  return node ? {...own, op: `${node.op} ${node.attributes.flat().join(" ")}`, inputs: node.inputs.map((each) => each.path).join(" "), bytes: node.bytes} : {...own, op: value.kind};
}
/** Tells the boxes what differs from the first side that has their path: {op, dtype, …}; a closed module, how many of its nodes do. */
function markDifferences(union, scenes) {
  const stages = scenes.map(({stage}) => stage), isTabled = stages.every(({name}, i) => name === comparison.sides[i].stage);
  const differsAt = (path, i, isResult) => {
    const all = stages.map((stage) => aspectsAt(stage, path, isResult)), one = all.find(Boolean);
    return {...Object.fromEntries(Object.keys(one).map((aspect) => [aspect, all[i][aspect] !== one[aspect]])), presence: all.includes(null)};
  };
  for (const item of union.items) {
    if (item.kind === "group" && item.isOpen) {
      markDifferences(item, scenes);
      continue;
    }
    item.sides.forEach((side, i) => {
      if (!side) return;
      side.isCompared = true;
      if (side.kind === "group") {
        side.differing = side.nodesInside.filter(({path}) => Object.values(differsAt(path, i)).some(Boolean)).length;
        return;
      }
      side.differs = differsAt(side.kind === "leaf" ? side.value.path : side.path, i, side.isResult);
      side.differs.step = isTabled && i > 0 && side.kind === "node" && comparedRow(side.path)?.differs.includes("step");
      side.differs.error = Boolean(boxError(side)?.parts);
    });
  }
}
const doesDiffer = (box) => box.differing > 0 || Object.values(box.differs || {}).some(Boolean);

/** The first box that all sides have, and not alike; else the first that is another on any side. */
function firstDifference() {
  const everywhere = (box) => panes.every((pane) => pane.boxes.some((other) => boxId(other) === boxId(box)));
  const differing = panes.flatMap((pane) => pane.boxes.filter(doesDiffer)).sort((a, b) => a.top - b.top);
  return differing.find(everywhere) || differing[0];
}
/** The next place where the sides differ, in the order of running, behind what is selected. */
function toDifference(by) {
  if (!isJoint()) return;
  const order = mergedOrder(panes.map(({scene}) => [...scene.boxes()].filter(doesDiffer).map(boxId)));
  const ids = [...order.keys()], at = ids.indexOf(ids.find((id) => id.slice(2) === (ui.selected || "").replace(/^module:/, "")));
  if (ids.length === 0) return;
  const id = ids[at < 0 ? (by > 0 ? 0 : ids.length - 1) : (at + by + ids.length) % ids.length];
  const has = (pane) => [...pane.scene.boxes()].some((box) => boxId(box) === id);
  const pane = panes.find((each) => each.program === ui.program && has(each)) || panes.find(has);
  choosePane(pane);
  if (id.startsWith("g:")) return select("module:" + id.slice(2));
  show(id.slice(2).replace(/^result /, ""));
}
