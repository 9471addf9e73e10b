// The tour's drawings of what goes through the model: its parts, the streams, the cache, a block.

const shapeAt = (path, token = ui.token) => { const value = valueAt(path, token); return value ? `[${value.shape.join(", ")}]` : ""; };
/** What comes out of each part of the model in the step of the chosen token, from the tokens to the scores. */
function forwardFigure(words) {
  const step = run.steps[stepOf(ui.token)], parts = [[words.tokenizer, "", `[${step.count}]`, ""]];
  const add = (name, path, what) => { if (valueAt(path)) parts.push([`<code>${escaped(name)}</code>`, what, shapeAt(path), rmsAt(path)]); };
  add(embeddingPath().split(".").pop(), embeddingPath(), words.embed);
  run.model.layers.forEach((_, i) => add(inBlock("", i).split(".").slice(1, 3).join("."), streamAfter(i), words.block));
  add(ownName("model.norm").split(".").pop(), ownName("model.norm"), words.norm);
  add(isTied() ? words.tied : "lm_head", "logits", words.head);
  return `<ol class="flow">${parts.map(([name, what, shape, rms]) => `<li><b>${name}</b> <span>${what}</span> <span class="shape">${shape}</span> <span>${rms ? `rms ${rms}` : ""}</span></li>`).join("")}</ol>`;
}
/** The modules as printing the model shows them: of layers that follow each other and are alike, one. */
function nestingFigure() {
  const root = inBlock("", 0).split(".").slice(0, 2).join("."), all = [...story.moduleOf.values()], out = [];
  const line = ({path, type, detail}, name = path.split(".").pop()) => out.push(`${"  ".repeat(path ? path.split(".").length : 0)}${name && `${name}: `}${type}${detail ? ` (${detail})` : ""}`);
  const within = (index) => all.filter(({path}) => path === `${root}.${index}` || path.startsWith(`${root}.${index}.`));
  const likeness = (index) => within(index).map(({path, type, detail}) => [path.slice(`${root}.${index}`.length), type, detail].join()).join(";");
  for (const module of all) {
    if (!module.path.startsWith(`${root}.`)) line(module);
    if (module.path !== root) continue;
    for (let first = 0, last; first < run.model.layers.length; first = last + 1) {
      for (last = first; last + 1 < run.model.layers.length && likeness(last + 1) === likeness(first); ++last);
      within(first).forEach((each) => line(each, each.path === `${root}.${first}` && last > first ? `${first}–${last} (${last - first + 1} ×)` : undefined));
    }
  }
  return `<pre class="nesting" tabindex="0">${escaped(out.join("\n"))}</pre>`;
}
/** Each step's streams: what it computed, and what it read of earlier ones from the cache. */
function cacheGrid(words) {
  return tableHtml(["", ...fedTokens().map(piece)], run.steps.map(({first, count}, i) => [words.step(i + 1), ...fedTokens().map((token) =>
    token < first ? `<span class="kept">${words.kept}</span>` : token < first + count ? `<span class="computed">${words.computed}</span>` : "")]));
}
/** The streams side by side from the embedding down through the blocks, and what the chosen one reads of the others. */
function streamsFigure(words) {
  const tokens = fedTokens(), paths = [streamBefore(0), ...run.model.layers.map((_, i) => streamAfter(i))], label = 104, cell = 78, gap = 46, box = 24;
  const left = (token) => label + token * cell, middle = (token) => left(token) + cell / 2 - 3, top = (row) => 26 + row * gap, last = lastOfStep(), end = top(paths.length);
  const cut = (text) => (text.length > 9 ? text.slice(0, 8) + "…" : text), line = (from, to, row, style) => `<path d="M${middle(from)} ${top(row) + box}L${middle(to)} ${top(row + 1)}" class="${style}"/>`;
  let out = tokens.map((token) => `<text x="${middle(token)}" y="14" class="${token === ui.token ? "chosen" : ""}">${escaped(cut(pieceText(run.tokens[token][1])))}</text>`).join("");
  paths.forEach((path, row) => {
    if (row + 1 < paths.length) {
      for (const token of tokens) if (token !== ui.token && sees(ui.token, token, run.model.layers[row])) out += line(token, ui.token, row, "reads");
      for (const token of tokens) out += line(token, token, row, token === ui.token ? "chosen" : "");
    }
    out += `<text x="0" y="${top(row) + 16}" class="name">${escaped(row === 0 ? path.split(".")[1] : inBlock("", row - 1).split(".").slice(1, 3).join("."))}</text>`;
    for (const token of tokens) out += `<rect x="${left(token)}" y="${top(row)}" width="${cell - 6}" height="${box}" rx="5" class="${token === ui.token ? "chosen" : ""}"/><text x="${middle(token)}" y="${top(row) + 16}">${rmsAt(path, token)}</text>`;
  });
  const next = run.steps[stepOf(ui.token)].next[0];
  out += `<path d="M${middle(last)} ${end - gap + box}V${end}"/><rect x="${left(last)}" y="${end}" width="${cell - 6}" height="${box}" rx="5" class="head"/><text x="${middle(last)}" y="${end + 16}">${escaped(words.head)}</text>`;
  if (next) out += `<path d="M${middle(last)} ${end + box}v14"/><text x="${middle(last)}" y="${end + box + 28}" class="made">${escaped(cut(pieceText(next[1])))}</text>`;
  const w = label + tokens.length * cell, h = end + box + 36;
  return `<div class="table" tabindex="0"><svg class="streams" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" role="img" aria-label="${escaped(`${words.name}: ${paths.map((path) => rmsAt(path)).join(", ")}`)}">${out}</svg></div>`;
}
/** The block as it was drawn in 2017, and this one with the sizes of the chosen token's numbers. */
function blockFigure(words) {
  const w = 330, gap = 42, box = (x, y, text, style = "") => `<rect x="${x - 75}" y="${y}" width="150" height="26" rx="6" class="${style}"/><text x="${x}" y="${y + 17}">${escaped(text)}</text>`;
  const plus = (x, y) => `<circle cx="${x}" cy="${y + 13}" r="11"/><text x="${x}" y="${y + 17}">+</text>`;
  const draw = (left, rows, arcs) => rows.map(([kind, text, note], i) => {
    const y = 26 + i * gap, x = left + 130;
    return `${i > 0 ? `<path d="M${x} ${y - gap + (rows[i - 1][0] === "sum" ? 24 : 26)}V${y + (kind === "sum" ? 2 : 0)}"/>` : ""}${kind === "sum" ? plus(x, y) : box(x, y, text, kind)}${note ? `<text x="${x + 84}" y="${y + 17}" class="note">${escaped(note)}</text>` : ""}`;
  }).join("") + arcs.map(([from, to]) => { const x = left + 130; return `<path d="M${x} ${56 + from * gap}H${x - 105}V${39 + to * gap}H${x - 11}"/>`; }).join("");
  const note = (path) => `rms ${rmsAt(path)}`, parts = [words.attention, words[feedForwardKind()]], now = [["", "x", note(streamBefore())]], arcs = [];
  halves().forEach(({norm, part, after, sum}, i) => {
    const from = now.length - 1;
    if (norm) now.push(["norm", normName(norm), note(norm.path)]);
    now.push(["part", parts[i], note(part)]);
    for (const node of after) now.push([isNorm(node) ? "norm" : "", isNorm(node) ? normName(node) : words.scale, note(node.path)]);
    now.push(["sum", "", note(sum)]);
    arcs.push([from, now.length - 1]);
  });
  const old = [["", "x"], ["part", words.attention], ["sum"], ["norm", "LayerNorm"], ["part", words.relu], ["sum"], ["norm", "LayerNorm"]], h = 26 + gap * Math.max(old.length, now.length);
  return `<div class="table" tabindex="0"><svg class="block-drawing" width="${2 * w + 40}" height="${h}" viewBox="0 0 ${2 * w + 40} ${h}" role="img" aria-label="${escaped(`${words.then}; ${words.now}`)}">
    <text x="130" y="16" class="title">${escaped(words.then)}</text><text x="${w + 130}" y="16" class="title">${escaped(words.now)}</text>${draw(0, old, [[0, 2], [3, 5]])}${draw(w, now, arcs)}</svg></div>`;
}
