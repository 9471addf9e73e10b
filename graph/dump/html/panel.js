// The column on the right: what a stage did and why, or all that is known of what is selected.

const WORKS = {weights: "reads weights", cache: "KV cache", compute: "computes", movement: "moves", view: "view", load: "once, at load"};
/** Whether a node runs in every step, not once, when the model is loaded. */
const inStep = (node) => node.work !== "load";
const sumOf = (nodes, field) => nodes.reduce((sum, node) => sum + node[field], 0);
const link = (path, text) => `<a href="#stage=${stageNow().name}&path=${encodeURIComponent(path)}" data-path="${escaped(path)}">${escaped(text ?? path)}</a>`;
/** A link to a path at another stage. */
const stageLink = (stage, path) => `<a href="#stage=${story.stages[stage].name}&path=${encodeURIComponent(path)}" data-at="${stage}" data-path="${escaped(path)}">${escaped(path)}</a>`;
const facts = (rows) => `<dl class="facts">${rows.filter((row) => row && row[1] !== "" && row[1] !== undefined)
  .map(([key, html]) => `<dt>${escaped(key)}</dt><dd>${html}</dd>`).join("")}</dl>`;

function lineHtml(line) {
  const path = line.count > 1 ? `${link(stageNow().repeatOf(line.path) ? drawnPath(line.path) : line.path, line.name)} <small>${line.count} ×</small>` : link(line.path);
  return `<li><span class="${{"+": "plus", "−": "minus", "~": "tilde"}[line.mark] || ""}">${line.mark || ""}</span>
    <span class="path">${path}</span>${line.why ? `<span class="why" ${line.isCompilers ? 'lang="en"' : ""}>${escaped(line.why)}</span>` : ""}</li>`;
}
function listHtml(lines, most = 14) {
  const html = foldedLines(lines).map(lineHtml);
  if (html.length <= most) return `<ul>${html.join("")}</ul>`;
  return `<ul>${html.slice(0, most).join("")}</ul><details><summary>${say`${html.length - most} more`}</summary><ul>${html.slice(most).join("")}</ul></details>`;
}

function stagePanel(stage) {
  const story = stage.story, changes = stage.changes;
  let html = `<h2>${escaped(stage.name)}</h2><div class="equation">${escaped(equationText(stage))}</div>`;
  if (stage.name === "build") {
    html += `<p class="doc">${say("The graph as the model's code wrote it: every box is one op of the equations, every line a value. Move the slider below (or press →) to watch the passes rewrite it, up to the program that runs. Click a box to see what it is; click a module's name to open or close it. ? explains colours, symbols and keys.")}</p>`;
    html += `<h3>${say`Sizes of a step`}</h3>` + facts(Object.entries(story.symbols).map(([name, bound]) => [`${name} ≤ ${bound}`, escaped(symbolText(name))]));
  }
  html += facts([[say`ops`, `${stage.nodes.length}${stage.index ? ` <span class="doc">${say`(before: ${story.stages[stage.index - 1].nodes.length})`}</span>` : ""}`],
    [say`moves per step`, human(stage.bytesOfStep, "B")],
    [say`computes`, human(sumOf(stage.nodes.filter(inStep), "flops"), "FLOP")],
    stage.nodes.every(inStep) ? null : [say`moves once, at load`, human(sumOf(stage.nodes.filter((node) => !inStep(node)), "bytes"), "B")],
    stage.milliseconds != null ? [say`took`, `${stage.milliseconds.toFixed(2)} ms`] : null]);
  if (stage.index > 0) {
    html += `<div class="tally"><span class="plus">${say`+ ${changes.added.size} new`}</span><span class="tilde">${say`~ ${changes.changed.size} changed`}</span>
      <span class="minus">${say`− ${changes.gone.length} gone`}</span></div>`;
    if (!stage.does) html += `<p class="doc">${idleText(stage)}</p>`;
  }
  if (stage.isLast) html += timelineHtml() + memoryHtml(story) + arenaHtml(story);
  const fired = stage.findings.filter((f) => f[1]), refused = stage.findings.filter((f) => !f[1]);
  const asLine = (mark) => ([path, , why]) => ({path, why, mark, isCompilers: true});
  if (fired.length) html += `<h3>${say`Fired ${times(fired.length)}`}</h3>` + listHtml(fired.map(asLine("")));
  if (refused.length) html += `<h3>${say`Refused ${times(refused.length)}`}</h3>` + listHtml(refused.map(asLine("")));
  const changed = [...[...changes.added].map((path) => ({path, mark: "+"})), ...[...changes.changed].map((path) => ({path, mark: "~"}))];
  if (changed.length && stage.index > 0) html += `<h3>${say`New and changed`}</h3>` + listHtml(changed);
  if (changes.gone.length) {
    html += `<h3>${say`Gone`}</h3>` + listHtml(changes.gone.map((path) => ({path, mark: "−", why: fateText(story.fate(path))})));
  }
  return html;
}
const FATES = {merged: "merged with {0}", elided: "elided in {0}", folded: "folded into {0}", unused: "unused"};
/** "elided in …"; the path as it is, or as `show` writes it. */
function fateText(fate, show = (path) => path) { return fate ? say(FATES[fate.kind]).replace("{0}", show(fate.into)) : ""; }

/** Of a stage that left the graph as it was. */
function idleText(stage) {
  if (stage.isLast) return say`The graph runs as the passes left it.`;
  const refused = stage.findings.filter(([, fired]) => !fired).length;
  if (refused > 0) return say`This pass changed nothing: it looked at ${counted(refused, "candidate")} and refused ${refused === 1 ? say`it` : say`all of them`}, for the reasons below.`;
  return say`This pass changed nothing: the graph has no place that it looks for.`;
}

function memoryHtml(story) {
  const rows = Object.entries(story.regions).map(([name, bytes]) => [name, `${human(bytes, "B")} <span class="doc">(${bytes})</span>`]);
  return rows.length ? `<h3>${say`Memory`}</h3>` + facts(rows) : "";
}

function placeHtml(story, path) {
  const place = story.places[path];
  if (!place) return "";
  const [region, offset, bytes] = place, all = story.regions[region] || 1;
  return `<h3>${say`Place in memory`}</h3><div class="strip"><i style="left:${(100 * offset) / all}%;width:${(100 * bytes) / all}%"></i></div>
    <p class="path">${escaped(region)} ${offset} … ${offset + bytes} <span class="doc">${say`of ${all} bytes`}</span></p>`;
}

function valueRow(stage, value, name) {
  return `<li><span class="path">${name && name !== value.path ? `<span class="doc">${escaped(name)}:</span> ` : ""}${link(value.path)}</span>
    <span class="why">${escaped(say(value.kind))} ${escaped(value.type)}, ${human(value.bytes, "B")}</span></li>`;
}

const closeHtml = () => `<button class="close" data-close="1" aria-label="${say`Back to the stage`}" title="${say`Back to the stage (Esc)`}">×</button>`;
function nodePanel(stage, node) {
  const story = stage.story, op = story.ops[node.op];
  const state = stage.changes.added.has(node.path) ? `<span class="plus">${say`new in this stage`}</span>`
    : stage.changes.changed.has(node.path) ? `<span class="tilde">${say`changed in this stage`}</span>` : "";
  let html = `${closeHtml()}
    <h2>${escaped(node.op)} <span class="badge"><i style="background: var(--${node.work})"></i>${op.fused ? say`fused, ` : ""}${say(WORKS[node.work])}</span></h2>
    <p class="path">${escaped(node.path)}</p>${state}<p class="doc" lang="en">${escaped(op.doc)}</p>`;
  html += facts([[say`moves`, op.view ? say`nothing: a view` : human(node.bytes, "B")],
    [say`computes`, node.flops ? human(node.flops, "FLOP") : ""],
    [say`intensity`, node.flops && node.bytes ? say`${(node.flops / node.bytes).toFixed(2)} FLOP per byte` : ""],
    [say`device`, stage.isLast ? escaped(story.devices[node.path] || "") : ""],
    ...timeFacts(node),
    [say`written at`, escaped(node.source)],
    ...node.attributes.map(([key, value]) => [key, escaped(value)])]);
  html += comparedHtml(node.path);
  html += attentionOf(node).filter((path) => path !== node.path).map((path) => heatMapsHtml(path, headsOf(path))).join("");
  html += valueHtml(node.path);
  html += `<h3>${say`Inputs`}</h3><ul>${node.inputs.map((value, i) => valueRow(stage, value, inputName(node, i))).join("")}</ul>`;
  html += `<h3>${say`Outputs`}</h3><ul>${node.outputs.map((value) => valueRow(stage, value)).join("")}</ul>`;
  if (node.realizes.length) {
    html += `<h3>${say`Stands for ${counted(node.realizes.length, "value")} of the source graph`}</h3><ul>${node.realizes.map((path) => {
      const source = story.stages[0].node(path);
      return `<li><span class="path">${stageLink(0, path)}</span>${source ? `<span class="why">${escaped(source.op)}</span>` : ""}</li>`;
    }).join("")}</ul>`;
  }
  if (stage.isLast) html += node.outputs.map((value) => placeHtml(story, value.path)).join("") + (story.places[node.path]?.length > 3 ? arenaHtml(story) : "") + (timeOf(node) ? timelineHtml() : "");
  return html + marksHtml(story, marksOf(story, node)) + lifeHtml(story, node.path) + whyHtml(story, node.path) + readersHtml(stage, node.outputs);
}

function readersHtml(stage, values) {
  const all = [...new Set(values.flatMap((value) => stage.readers.get(value.path) || []))];
  return all.length ? `<h3>${say`Read by`}</h3>` + listHtml(all.map((node) => ({path: node.path, why: node.op}))) : "";
}

/** What computes a value in each stage that changed it, what became of it, and where that lives: `vitro why`. */
function lifeHtml(story, path) {
  const lines = [];
  let before = null;
  for (const stage of story.stages) {
    const node = stage.node(path);
    if (node && node !== before)
      lines.push(`<li><b>${escaped(stage.name)}</b> <span class="why">${escaped(node.op)}(${node.inputs.map((value) => link(value.path)).join(", ")})${node.source ? say` at ${escaped(node.source)}` : ""}</span></li>`);
    if (!node && before) lines.push(`<li><b>${escaped(stage.name)}</b> <span class="why">${say`takes it away`}</span></li>`);
    before = node;
  }
  let at = path;
  for (let fate = story.fate(at); fate && at; fate = story.fate(at)) {
    lines.push(`<li><b>${escaped(fate.pass)}</b> <span class="why">${fateText(fate, link)}</span></li>`);
    at = fate.into;
  }
  const last = story.stages[story.stages.length - 1], place = story.places[at];
  if (place && place.length > 3) lines.push(`<li><span class="why">${say`lives from step ${place[3]} to step ${place[4]}`}</span></li>`);
  const tensors = (last.node(at)?.inputs || []).filter((value) => value.kind === "weight").map((value) => story.sources[value.path] || value.path);
  if (tensors.length) lines.push(`<li><span class="why">${say`reads ${tensors.map(escaped).join(", ")}`}</span></li>`);
  return lines.length ? `<h3>${say`Its life`}</h3><ul>${lines.join("")}</ul>` : "";
}

/** What the passes found at this path. */
function whyHtml(story, path) {
  const lines = story.stages.flatMap((stage) => stage.findings.filter((f) => f[0] === path)
    .map(([, fired, why]) => `<li><b>${escaped(stage.name)}</b> <span class="${fired ? "plus" : "tilde"}">${fired ? say`fired` : say`refused`}</span><span class="why" lang="en">${escaped(why)}</span></li>`));
  return lines.length ? `<h3>${say`What passes found here`}</h3><ul>${lines.join("")}</ul>` : "";
}

function valuePanel(stage, path) {
  const story = stage.story, value = stage.value(path);
  let html = `${closeHtml()}`;
  if (!value) {
    const fate = story.fate(path);
    html += `<h2>${escaped(path)}</h2><p class="doc">${say`Not in this stage.`}</p>`;
    if (fate) html += facts([[say`became`, fateText(fate, link)], [say`by`, escaped(fate.pass)]]);
    return html + comparedHtml(path) + lifeHtml(story, path) + whyHtml(story, path);
  }
  html += `<h2>${escaped(say(value.kind))}</h2><p class="path">${escaped(path)}</p>`;
  html += facts([[say`type`, escaped(value.type)], [say`bytes`, `${value.bytes} <span class="doc">(${human(value.bytes, "B")})</span>`]]);
  html += comparedHtml(path) + valueHtml(path);
  if (stage.isLast) html += placeHtml(story, path);
  return html + readersHtml(stage, [value]);
}

function modulePanel(stage, group) {
  const inside = stage.nodes.filter((node) => node.path.startsWith(group.path + ".") || node.path === group.path);
  const byOp = new Map();
  for (const node of inside) byOp.set(node.op, (byOp.get(node.op) || 0) + 1);
  return `${closeHtml()}
    <h2>${escaped(group.module?.type || say`module`)}</h2><p class="path">${escaped(group.path)}</p><p class="doc">${escaped(group.module?.detail || "")}</p>` +
    facts([[say`ops`, inside.length], [say`moves per step`, human(sumOf(inside.filter(inStep), "bytes"), "B")],
      [say`computes`, human(sumOf(inside.filter(inStep), "flops"), "FLOP")],
      ...[...byOp].map(([op, count]) => [op, `${count} ×`])]);
}
