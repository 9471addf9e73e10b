// More drawings of the tour: the way through the model, a block, the cache, shared heads, packing, temperature.

const shapeAt = (path, token = ui.token) => { const value = valueAt(path, token); return value ? `[${value.shape.join(", ")}]` : ""; };
/** What comes out of each part of the model in the step of the chosen token, from the pieces to the scores. */
function forwardFigure(words) {
  const step = run.steps[stepOf(ui.token)], parts = [[words.tokenizer, "", `[${step.count}]`, ""]];
  const add = (name, path, what) => { if (valueAt(path)) parts.push([`<code>${escaped(name)}</code>`, what, shapeAt(path), rmsAt(path)]); };
  add("embed_tokens", "model.embed_tokens", words.embed);
  run.model.layers.forEach((_, i) => add(`layers.${i}`, `model.layers.${i}.mlp_residual`, words.block));
  add("norm", "model.norm", words.norm);
  add("lm_head", "logits", words.head);
  return `<ol class="flow">${parts.map(([name, what, shape, rms]) => `<li><b>${name}</b> <span>${what}</span> <span class="shape">${shape}</span> <span>${rms ? `rms ${rms}` : ""}</span></li>`).join("")}</ol>`;
}
/** The modules as printing the model shows them: one layer of those that are alike. */
function nestingFigure() {
  const layers = /\.layers\.(\d+)(\.|$)/, count = run.model.layers.length;
  return `<pre class="nesting" tabindex="0">${[...story.moduleOf.values()].filter(({path}) => !(Number(layers.exec(path)?.[1] ?? 0) > 0)).map(({path, type, detail}) => {
    const name = path.split(".").pop();
    return escaped(`${"  ".repeat(path ? path.split(".").length : 0)}${name === "0" && count > 1 ? `0–${count - 1} (${count} ×): ` : name && `${name}: `}${type}${detail ? ` (${detail})` : ""}`);
  }).join("\n")}</pre>`;
}
/** Each step's streams: what it computed, and what it read of earlier ones from the cache. */
function cacheGrid(words) {
  return tableHtml(["", ...fedTokens().map(piece)], run.steps.map(({first, count}) => [words.step, ...fedTokens().map((token) =>
    token < first ? `<span class="kept">${words.kept}</span>` : token < first + count ? `<span class="computed">${words.computed}</span>` : "")]));
}
/** Heads of queries above, heads of keys and values below; the model's own way is the thick one. */
function groupsSvg(title) {
  const heads = run.model.heads, own = run.model.layers[blockIndex()].kv_heads, cell = clamp(Math.floor(660 / heads), 8, 44);
  return `<div class="heads">${[heads, own, 1].filter((n, i, all) => all.indexOf(n) === i).map((n) => {
    const w = heads * cell, at = (kv) => ((kv + 0.5) * w) / n;
    let out = "";
    for (let head = 0; head < heads; ++head) {
      const x = (head + 0.5) * cell, kv = Math.floor(head / (heads / n)), isChosen = head === tour.head;
      out += `<line x1="${x}" y1="22" x2="${at(kv).toFixed(1)}" y2="62" class="${isChosen ? "chosen" : ""}"/><rect x="${head * cell + 2}" y="4" width="${cell - 4}" height="18" rx="4" class="q${isChosen ? " chosen" : ""}"><title>q ${head}</title></rect>`;
      if (cell > 20) out += `<text x="${x}" y="17">q${head}</text>`;
    }
    for (let kv = 0; kv < n; ++kv) {
      out += `<rect x="${(at(kv) - cell / 2 + 2).toFixed(1)}" y="62" width="${cell - 4}" height="18" rx="4" class="kv"><title>k, v ${kv}</title></rect>`;
      if (cell > 20) out += `<text x="${at(kv).toFixed(1)}" y="75">kv${kv}</text>`;
    }
    return `<figure><figcaption>${n === own ? "★ " : ""}${title(n)}</figcaption><svg class="groups${n === own ? " own" : ""}" width="${w}" height="84" viewBox="0 0 ${w} 84" role="img" aria-label="${escaped(title(n))}">${out}</svg></figure>`;
  }).join("")}</div>`;
}
/** The block as it was drawn in 2017, and this one with the sizes of the chosen token's stream. */
function blockFigure(words) {
  const w = 330, gap = 42, box = (x, y, text, style = "") => `<rect x="${x - 75}" y="${y}" width="150" height="26" rx="6" class="${style}"/><text x="${x}" y="${y + 17}">${escaped(text)}</text>`;
  const sum = (x, y) => `<circle cx="${x}" cy="${y + 13}" r="11"/><text x="${x}" y="${y + 17}">+</text>`;
  const draw = (left, rows, arcs) => rows.map(([kind, text, note], i) => {
    const y = 26 + i * gap, x = left + 130;
    return `${i > 0 ? `<path d="M${x} ${y - gap + (rows[i - 1][0] === "sum" ? 24 : 26)}V${y + (kind === "sum" ? 2 : 0)}"/>` : ""}${kind === "sum" ? sum(x, y) : box(x, y, text, kind)}${note ? `<text x="${x + 84}" y="${y + 17}" class="note">${escaped(note)}</text>` : ""}`;
  }).join("") + arcs.map(([from, to]) => { const x = left + 130; return `<path d="M${x} ${26 + from * gap + (from ? 30 : 30)}H${x - 105}V${26 + to * gap + 13}H${x - 11}"/>`; }).join("");
  const before = blockIndex() === 0 ? "model.embed_tokens" : `model.layers.${blockIndex() - 1}.mlp_residual`;
  const note = (path) => `rms ${rmsAt(path)}`;
  const old = [["", "x"], ["part", words.attention], ["sum"], ["norm", "LayerNorm"], ["part", words.relu], ["sum"], ["norm", "LayerNorm"]];
  const now = [["", "x", note(before)], ["norm", "RMSNorm", note(inBlock("input_layernorm"))], ["part", words.attention, note(inBlock("self_attn.o_proj"))], ["sum", "", note(inBlock("attention_residual"))],
    ["norm", "RMSNorm", note(inBlock("post_attention_layernorm"))], ["part", words.gated, note(inBlock("mlp.down_proj"))], ["sum", "", note(inBlock("mlp_residual"))]];
  return `<div class="table" tabindex="0"><svg class="block-drawing" width="${2 * w + 40}" height="${26 + 7 * gap}" viewBox="0 0 ${2 * w + 40} ${26 + 7 * gap}" role="img" aria-label="${escaped(`${words.then}; ${words.now}`)}">
    <text x="130" y="16" class="title">${escaped(words.then)}</text><text x="${w + 130}" y="16" class="title">${escaped(words.now)}</text>${draw(0, old, [[0, 2], [3, 5]])}${draw(w, now, [[0, 3], [3, 6]])}</svg></div>`;
}
/** Two halves of the text as if they were two texts in one context: positions counted through, and of each text. */
function packFigure(words) {
  const half = Math.ceil(run.prompt / 2), tokens = fedTokens().slice(0, run.prompt);
  return tableHtml(["", ...tokens.map((token) => `<span class="${token < half ? "" : "second"}">${piece(token)}</span>`)], [[words.through, ...tokens], [words.own, ...tokens.map((token) => `<b>${token < half ? token : token - half}</b>`)]]);
}
/** The probabilities at a temperature, over all logits of the step, where they were kept. */
function temperatureFigure() {
  const step = stepOf(ui.token), logits = elementsOf("logits", step), temperature = tour.temperature;
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weight = (logit) => (temperature === 0 ? Number(logit === most) : Math.exp((logit - most) / temperature));
  const sum = logits.reduce((all, logit) => all + weight(logit), 0);
  return `<p class="doc">T = ${temperature.toFixed(1)}</p>` + barsHtml(run.steps[step].next.slice(0, 8).map(([id, text]) => [pieceText(text), weight(logits[id]) / sum, percent(weight(logits[id]) / sum)]));
}
function temperatureControls(label) {
  const logits = elementsOf("logits", stepOf(ui.token));
  if (!logits || logits.length !== run.model.vocab) return "";
  return `<label class="choice">${label} <input id="lesson-temperature" type="range" min="0" max="2" step="0.1" value="${tour.temperature}"></label><div id="temperature-figure">${temperatureFigure()}</div>`;
}
