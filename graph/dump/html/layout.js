// Layered drawing (Sugiyama, Tagawa and Toda 1981), module by module from the inside out: ranks by the longest path,
// fewer crossings by barycentres, places by the least squares that keep the order.
const GAP_X = 26, GAP_Y = 40, PADDING = 16, HEAD = 26;

/** Gives every item of an open group its place in it, and the group its size and ports. */
function layoutGroup(group, sizeOf) {
  for (const item of group.items) {
    if (item.kind === "group" && item.isOpen) layoutGroup(item, sizeOf);
    else Object.assign(item, sizeOf(item));
  }
  const items = new Map(group.items.map((item) => [boxId(item), item]));
  const vertices = new Map();
  const add = (id, w, h, order, item) => vertices.set(id, {id, w, h, order, item, x: 0, rank: 0});
  for (const port of group.ports.values()) add(port.id, 8, 0, port.side === "in" ? -1e9 : 1e9, port);
  for (const [id, item] of items) add(id, item.w, item.h, item.order ?? 0, item);
  const edges = group.edges.filter((edge) => vertices.get(edge.from).order < vertices.get(edge.to).order);
  const turned = group.edges.filter((edge) => vertices.get(edge.from).order >= vertices.get(edge.to).order);

  const ranks = rankVertices(vertices, edges);
  const lines = routeLines(vertices, edges, ranks);
  orderRanks(ranks, lines);
  placeRanks(ranks, lines);

  let y = group.parent ? HEAD : 0;
  let least = Infinity, most = -Infinity;
  for (const rank of ranks) {
    rank.h = Math.max(0, ...rank.map((v) => v.h));
    rank.top = y;
    for (const v of rank) {
      least = Math.min(least, v.x - v.w / 2);
      most = Math.max(most, v.x + v.w / 2);
    }
    y += rank.h + (rank.h > 0 ? GAP_Y : GAP_Y * 0.45);
  }
  if (ranks.length === 0) least = most = 0;
  const last = ranks[ranks.length - 1];
  const bottom = last ? last.top + last.h + (last.h > 0 ? PADDING : 0) : y;
  const head = group.parent ? group.headWidth || 0 : 0;
  const extra = Math.max(0, head - (most - least + 2 * PADDING)) / 2;
  // Lines come in beside the head, not through it.
  const entries = ranks.flat().filter((v) => v.item?.kind === "port" && v.item.side === "in").map((v) => v.x);
  const aside = head > 0 ? Math.max(0, head + 4 - (Math.min(...entries, Infinity) + PADDING + extra - least)) : 0;
  const shift = PADDING + extra + aside - least;
  group.w = most - least + 2 * (PADDING + extra) + aside;
  group.h = bottom;
  group.portX = new Map();
  for (const rank of ranks) for (const v of rank) {
    v.x += shift;
    v.top = rank.top; v.bottom = rank.top + rank.h;
    if (v.item?.kind === "port") {
      group.portX.set(v.id, v.x);
      v.top = v.bottom = v.item.side === "in" ? 0 : group.h;
    } else if (v.item) {
      v.item.x = v.x - v.w / 2;
      v.item.y = rank.top + (rank.h - v.h) / 2;
      v.top = v.item.y; v.bottom = v.item.y + v.h;
    }
  }
  /** The lines of those edges that `valueOf` gives a value for. */
  group.linesOf = (valueOf) => [
    ...lines.map((line) => lineOfSome(line, valueOf)).filter(Boolean).map(drawLine),
    ...turned.filter(valueOf).map((edge) => {
      const a = vertices.get(edge.from), b = vertices.get(edge.to);
      return {value: valueOf(edge), turned: true, segments: [[{x: a.x, y: a.bottom}, {x: b.x, y: b.top}]], tips: edge.hasTip ? [{x: b.x, y: b.top}] : [], label: null};
    })];
  group.lines = group.linesOf((edge) => edge.value);
}

/** Ranks by the longest path from above; what has nothing above it goes right above its first reader. */
function rankVertices(vertices, edges) {
  const sorted = [...vertices.values()].sort((a, b) => a.order - b.order);
  const out = new Map(sorted.map((v) => [v.id, []])), into = new Map(sorted.map((v) => [v.id, []]));
  for (const edge of edges) { out.get(edge.from).push(edge.to); into.get(edge.to).push(edge.from); }
  const isIn = (v) => v.item.kind === "port" && v.item.side === "in", isOut = (v) => v.item.kind === "port" && v.item.side === "out";
  const hasIn = sorted.some(isIn);
  for (const v of sorted) {
    v.rank = isIn(v) ? 0 : hasIn ? 1 : 0;
    for (const from of into.get(v.id)) v.rank = Math.max(v.rank, vertices.get(from).rank + 1);
  }
  for (const v of [...sorted].reverse()) {
    if (isIn(v) || into.get(v.id).length > 0 || out.get(v.id).length === 0) continue;
    v.rank = Math.max(v.rank, Math.min(...out.get(v.id).map((id) => vertices.get(id).rank)) - 1);
  }
  const deepest = Math.max(0, ...sorted.filter((v) => !isOut(v)).map((v) => v.rank));
  for (const v of sorted) if (isOut(v)) v.rank = deepest + 1;
  const ranks = [];
  for (const v of sorted) (ranks[v.rank] = ranks[v.rank] || []).push(v);
  for (let r = 0; r < ranks.length; ++r) ranks[r] = ranks[r] || [];
  return ranks;
}

/** One line for each value that leaves a vertex, through points in the ranks that it passes, with its branches. */
function routeLines(vertices, edges, ranks) {
  const lines = new Map();
  for (const edge of edges) {
    const key = edge.from + "|" + edge.value.path;
    if (!lines.has(key)) lines.set(key, {from: vertices.get(edge.from), value: edge.value, to: [], hasLabel: false});
    const line = lines.get(key);
    line.to.push({vertex: vertices.get(edge.to), hasTip: edge.hasTip, edge});
    line.hasLabel = line.hasLabel || edge.hasLabel;
  }
  for (const line of lines.values()) {
    const deepest = Math.max(...line.to.map((to) => to.vertex.rank));
    line.trunk = [line.from];
    for (let rank = line.from.rank + 1; rank < deepest; ++rank) {
      const point = {id: `${line.from.id}|${line.value.path}|${rank}`, w: 4, h: 0, order: line.from.order, rank, isPoint: true, x: 0};
      line.trunk.push(point);
      ranks[rank].push(point);
    }
    line.pieces = piecesOf(line);
  }
  return [...lines.values()];
}
/** The parts of a line from rank to rank: [upper, lower]. */
function piecesOf({from, trunk, to}) {
  return [...trunk.slice(1).map((point, i) => [trunk[i], point]), ...to.map(({vertex}) => [trunk[vertex.rank - 1 - from.rank], vertex])];
}
/** A line with those branches only whose edges have a value; null where none has. */
function lineOfSome(line, valueOf) {
  const to = line.to.filter(({edge}) => valueOf(edge));
  if (to.length === 0) return null;
  const trunk = line.trunk.slice(0, Math.max(...to.map(({vertex}) => vertex.rank)) - line.from.rank);
  return {...line, value: valueOf(to[0].edge), to, trunk, pieces: piecesOf({from: line.from, trunk, to})};
}

/** Where a value leaves or enters a vertex, as an offset from its middle. */
function offsetOf(vertex, value, side) {
  const item = vertex.item;
  if (!item || item.kind === "port") return 0;
  if (item.kind === "group" && item.isOpen) {
    const x = item.portX.get(`${side}:${value.path}`);
    return x === undefined ? 0 : x - item.w / 2;
  }
  const list = (side === "in" ? item.ins : item.outs) || [];
  const i = list.indexOf(value.path);
  return i < 0 || list.length < 2 ? 0 : ((i + 0.5) / list.length - 0.5) * item.w * 0.7;
}

function orderRanks(ranks, lines) {
  const up = new Map(), down = new Map();
  const link = (map, key, other) => { if (!map.has(key)) map.set(key, []); map.get(key).push(other); };
  for (const line of lines)
    for (const [a, b] of line.pieces) { link(down, a, b); link(up, b, a); }
  const number = () => ranks.forEach((rank) => rank.forEach((v, i) => { v.at = i; }));
  const crossings = () => {
    let count = 0;
    for (let r = 0; r + 1 < ranks.length; ++r) {
      const pairs = [];
      for (const v of ranks[r]) for (const w of down.get(v) || []) if (w.rank === r + 1) pairs.push([v.at, w.at]);
      for (let i = 0; i < pairs.length; ++i)
        for (let j = i + 1; j < pairs.length; ++j)
          if ((pairs[i][0] - pairs[j][0]) * (pairs[i][1] - pairs[j][1]) < 0) ++count;
    }
    return count;
  };
  number();
  let best = ranks.map((rank) => [...rank]), least = crossings();
  for (let sweep = 0; sweep < 10 && least > 0; ++sweep) {
    const isDown = sweep % 2 === 0, near = isDown ? up : down;
    const order = ranks.map((_, r) => r);
    if (!isDown) order.reverse();
    for (const r of order) {
      for (const v of ranks[r]) {
        const others = near.get(v);
        v.middle = others ? others.reduce((sum, other) => sum + (other.at + 0.5) / ranks[other.rank].length, 0) / others.length
          : (v.at + 0.5) / ranks[r].length;
      }
      ranks[r].sort((a, b) => a.middle - b.middle);
      ranks[r].forEach((v, i) => { v.at = i; });
    }
    const now = crossings();
    if (now < least) { least = now; best = ranks.map((rank) => [...rank]); }
  }
  best.forEach((rank, r) => { ranks[r].length = 0; ranks[r].push(...rank); });
  number();
}

/** x of every vertex: near its neighbours, in order, not overlapping. */
function placeRanks(ranks, lines) {
  const near = new Map();
  const link = (v, other, from, to, weight) => {
    if (!near.has(v)) near.set(v, []);
    near.get(v).push({other, from, to, weight});
  };
  for (const line of lines)
    for (const [a, b] of line.pieces) {
      const weight = a.isPoint && b.isPoint ? 8 : a.isPoint || b.isPoint ? 3 : 1;
      const out = offsetOf(a, line.value, "out"), into = offsetOf(b, line.value, "in");
      link(a, b, out, into, weight);
      link(b, a, into, out, weight);
    }
  const apart = (a, b) => (a.w + b.w) / 2 + (a.isPoint || b.isPoint ? GAP_X * 0.7 : GAP_X);
  for (const rank of ranks) {
    let x = 0;
    rank.forEach((v, i) => { x += i === 0 ? 0 : apart(rank[i - 1], v); v.x = x; });
    rank.forEach((v) => { v.x -= x / 2; });
  }
  for (let round = 0; round < 60; ++round) {
    const order = round % 2 === 0 ? ranks : [...ranks].reverse();
    for (const rank of order) {
      const wanted = rank.map((v) => {
        const others = near.get(v);
        if (!others) return {at: v.x, weight: 0.01};
        let sum = 0, weight = 0;
        for (const {other, from, to, weight: w} of others) { sum += w * (other.x + to - from); weight += w; }
        return {at: sum / weight, weight};
      });
      spread(rank, wanted, apart);
    }
  }
}

/** Least squares under the order: pools of vertices that touch move together. */
function spread(rank, wanted, apart) {
  const offsets = [0];
  for (let i = 1; i < rank.length; ++i) offsets.push(offsets[i - 1] + apart(rank[i - 1], rank[i]));
  const pools = [];
  wanted.forEach(({at, weight}, i) => {
    pools.push({sum: weight * (at - offsets[i]), weight, count: 1});
    while (pools.length > 1) {
      const b = pools[pools.length - 1], a = pools[pools.length - 2];
      if (a.sum / a.weight <= b.sum / b.weight) break;
      pools.pop();
      a.sum += b.sum; a.weight += b.weight; a.count += b.count;
    }
  });
  let i = 0;
  for (const pool of pools)
    for (let n = 0; n < pool.count; ++n, ++i) rank[i].x = pool.sum / pool.weight + offsets[i];
}

/** A line's curves, tips and label, in the group's coordinates. Called when all vertices have their places. */
function drawLine(line) {
  const end = (v, side) => ({x: v.x + offsetOf(v, line.value, side), y: side === "out" ? v.bottom : v.top});
  const segments = [], tips = [];
  for (const [a, b] of line.pieces) {
    const from = a.isPoint ? {x: a.x, y: a.bottom} : end(a, "out"), to = b.isPoint ? {x: b.x, y: b.top} : end(b, "in");
    segments.push([from, to]);
  }
  for (const point of line.trunk) if (point.isPoint && point.bottom > point.top) segments.push([{x: point.x, y: point.top}, {x: point.x, y: point.bottom}]);
  for (const to of line.to) if (to.hasTip) tips.push(end(to.vertex, "in"));
  const start = end(line.from, "out");
  const outs = line.from.item?.outs || [], row = Math.max(0, outs.indexOf(line.value.path));
  const label = line.hasLabel && line.from.item?.kind !== "port" ? {x: start.x, y: start.y + 11 * row} : null;
  return {value: line.value, segments, tips, label};
}
