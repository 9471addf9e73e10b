// The tour's drawings of attention, each from the run's values at the chosen token, block and head.

function projectionsFigure(words) {
  const rows = [[`q ${piece(ui.token)}`, strip(rowOf(queryPath(), ui.token, tour.head))]];
  for (const token of seenTokens())
    rows.push([`k ${piece(token)}`, strip(rowOf(keyPath(), token, kvHead()))], [`v ${piece(token)}`, strip(rowOf(inBlock("self_attn.v_heads"), token, kvHead()))]);
  return tableHtml(words, rows);
}
/** The run's attention weights of the chosen token and head, or null where they were not kept. */
const weightsNow = () => rowOf(inBlock("self_attn.attention_weights"), ui.token, tour.head);
function scoresFigure(words) {
  const row = (name) => rowOf(inBlock(`self_attn.${name}`), ui.token, tour.head), raw = row("scores"), scaled = row("scaled_scores"), weights = weightsNow();
  const keys = seenTokens(), number = (all, key) => (all ? short(all[key]) : "–"), share = (x) => (weights ? barsHtml([["", x, percent(x)]]) : "–");
  return tableHtml(words, [...keys.map((key) => [piece(key), number(raw, key), number(scaled, key), share(weights?.[key])]),
    ["Σ", "", "", weights ? percent(keys.reduce((all, key) => all + weights[key], 0)) : "–"]]);
}
/** Each value that the chosen head of the chosen token takes from, times its weight; their sum; and the run's result. */
function combinedRows() {
  const keys = seenTokens(), weights = weightsNow(), values = keys.map((key) => rowOf(inBlock("self_attn.v_heads"), key, kvHead()));
  if (!weights || values.some((value) => !value)) return null;
  const weighted = keys.map((key, i) => values[i].map((x) => x * weights[key]));
  return {keys, weights, values, weighted, sum: weighted.reduce((all, row) => all.map((x, i) => x + row[i]), new Float64Array(values[0].length)), result: rowOf(inBlock("self_attn.attended"), ui.token, tour.head)};
}
function combineFigure(words) {
  const all = combinedRows();
  if (!all) return `<p>${LESSONS[run.lesson].words.notKept}</p>`;
  const most = Math.max(...all.weighted.map(mostOf), mostOf(all.sum)), small = (row, options) => (row ? stripSvg(row, 170, {cell: row.length <= 16 ? 10 : 5, ...options}) : "–");
  return tableHtml(words.head, [...all.keys.map((key, i) => [piece(key), percent(all.weights[key]), small(all.values[i]), small(all.weighted[i], {most})]),
    [`Σ, ${words.computed}`, "", "", small(all.sum, {most})], [words.run, "", "", small(all.result, {most})]]);
}
function mixFigure(words) {
  const heads = Array.from({length: run.model.heads}, (_, head) => rowOf(inBlock("self_attn.attended"), ui.token, head)), out = halves()[0].part;
  return tableHtml(words, [...heads.map((row, head) => [head === tour.head ? `<b>${head}</b>` : head, rmsOf(row), strip(row)]), [`<code>${escaped(out.slice(inBlock("").length))}</code>`, rmsAt(out), startOf(out)]]);
}
function headsFigure() {
  const pieces = run.tokens.map(([, text]) => pieceText(text));
  return `<div class="heads">${Array.from({length: run.model.heads}, (_, head) => `<figure><figcaption>${LESSONS[run.lesson].words.head} ${head}</figcaption>${attentionSvg(attentionRows(inBlock("self_attn.attention_weights"), head), pieces, {chosen: ui.token, name: String(head), sees})}</figure>`).join("")}</div>`;
}
/** Numbers of heads of keys and values to compare: as many as of queries, this model's, one; and some number between. */
function waysToShare() {
  const {heads} = run.model, ways = new Set([heads, layerNow().kv_heads, 1]);
  const between = Array.from({length: heads}, (_, n) => n).findLast((n) => n > 1 && n < heads && heads % n === 0);
  if (between && ![...ways].some((n) => headsKind(n) === "grouped")) ways.add(between);
  return [...ways].sort((a, b) => b - a);
}
/** Which heads of queries read which head of keys and values, and what that costs. */
function groupsFigure(words) {
  const {heads} = run.model, own = layerNow().kv_heads, reads = (kv, size) => (size === 1 ? `q${kv}→kv${kv}` : `q${kv * size}–q${(kv + 1) * size - 1}→kv${kv}`);
  return tableHtml(words, waysToShare().map((n) => [n === own ? `<b>${n}</b>` : n, Array.from({length: n}, (_, kv) => reads(kv, heads / n)).join(" "), human(cacheBytes(n), "B")]));
}
/** Heads of queries above, heads of keys and values below; the model's own way has a star. */
function groupsSvg(title) {
  const {heads} = run.model, own = layerNow().kv_heads, cell = clamp(Math.floor(660 / heads), 8, 44);
  return `<div class="heads">${waysToShare().map((n) => {
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
const MASKS = {
  own: () => sees,
  full: () => (query, key) => key <= query,
  sliding: () => (query, key) => key <= query && key > query - 3,
  strided: () => (query, key) => sees(query, key, {window: 0, stride: 3, summary: 0}),
  fixed: () => (query, key) => sees(query, key, {window: 0, stride: 3, summary: 1}),
  both: () => () => true,
  packed: () => (query, key) => key <= query && (query < secondText()) === (key < secondText()),
};
/** Where the second text would begin, if the prompt were two texts in one context. */
const secondText = () => Math.ceil(run.prompt / 2);
/** The run's weights of the chosen head, as each mask would let them be seen. */
function maskFigure(names) {
  const pieces = run.tokens.map(([, text]) => pieceText(text)), rows = attentionRows(inBlock("self_attn.attention_weights"), tour.head);
  return `<p><label class="choice">${LESSONS[run.lesson].words.mask} <select id="lesson-mask">${Object.keys(MASKS).map((name) => `<option value="${name}" ${name === tour.mask ? "selected" : ""}>${escaped(names[name])}</option>`).join("")}</select></label></p>
    <div class="table" tabindex="0">${attentionSvg(rows, pieces, {chosen: ui.token, name: names[tour.mask], sees: MASKS[tour.mask](), cell: 26})}</div>`;
}

/** A vector of one head turned for a position: pairs (i, i + r / 2) of its first r numbers. */
function turned(row, position, speeds = speedsOf()) {
  const out = Float64Array.from(row), half = speeds.length, {factor} = ropeNow();
  for (let i = 0; i < half; ++i) {
    const cos = factor * Math.cos(position * speeds[i]), sin = factor * Math.sin(position * speeds[i]);
    [out[i], out[i + half]] = [row[i] * cos - row[i + half] * sin, row[i] * sin + row[i + half] * cos];
  }
  return out;
}
/** Two vectors turned for positions that stay as far apart: where the second stands, and their product. */
function turnedTogether(position) {
  const query = rowOf(unturned(queryPath()), ui.token, tour.head), weights = weightsNow();
  const key = seenTokens().filter((token) => token !== ui.token).reduce((best, token) => (best < 0 || weights?.[token] > weights?.[best] ? token : best), -1);
  const other = key >= 0 && rowOf(unturned(keyPath()), key, kvHead());
  if (!query || !other) return null;
  const at = position - (ui.token - key), a = turned(query, position), b = turned(other, at, speedsOf(key));
  return {key, at, product: a.reduce((sum, x, i) => sum + x * b[i], 0), run: nodeIn("self_attn.q_scaled") ? undefined : rowOf(inBlock("self_attn.scores"), ui.token, tour.head)?.[key]};
}
/** Pairs of the query before and after turning, at a position that the slider says. */
function ropeFigure() {
  const before = rowOf(unturned(queryPath()), ui.token, tour.head), after = rowOf(queryPath(), ui.token, tour.head);
  if (!before || !after) return `<p>${LESSONS[run.lesson].words.notKept}</p>`;
  const position = tour.position ?? ui.token, speeds = speedsOf(), half = speeds.length, now = turned(before, position), together = turnedTogether(position);
  return `<p class="doc">p = ${position}</p><div class="heads">${[0, 1, 2, 4, 8, 16, 32].filter((i) => i < half).map((i) => {
    const a = before[i], b = before[i + half], angle = position * speeds[i], scale = 44 / (Math.hypot(a, b) * ropeNow().factor || 1);
    const line = (px, py, style) => `<line x1="55" y1="55" x2="${(55 + px * scale).toFixed(1)}" y2="${(55 - py * scale).toFixed(1)}" class="${style}"/>`;
    return `<figure><figcaption>i = ${i}</figcaption><svg class="rope" width="110" height="110" role="img" aria-label="i = ${i}, φ = ${short(angle)}"><circle cx="55" cy="55" r="46"/>${line(a, b, "before")}${line(now[i], now[i + half], "after")}</svg>
      <p class="doc">φ = ${short(angle)}<br>(${short(now[i])}, ${short(now[i + half])})${position === ui.token ? `<br>= (${short(after[i])}, ${short(after[i + half])})` : ""}</p></figure>`;
  }).join("")}</div>${together ? `<p>${LESSONS[run.lesson].words.together(together, position)}</p>` : ""}`;
}
function ropeControls(label) {
  const most = Math.min(run.model.context - 1, Math.max(64, lastToken()));
  return `<label class="choice">${label} <input id="lesson-position" type="range" min="0" max="${most}" value="${tour.position ?? ui.token}"></label><div id="rope-figure">${ropeFigure()}</div>`;
}
/** Two halves of the text as if they were two texts in one context: positions counted through, and of each text. */
function packFigure(words) {
  if (run.prompt < 2) return "";
  const half = secondText(), tokens = fedTokens().slice(0, run.prompt);
  return tableHtml(["", ...tokens.map((token) => `<span class="${token < half ? "" : "second"}">${piece(token)}</span>`)], [[words.through, ...tokens], [words.own, ...tokens.map((token) => `<b>${token < half ? token : token - half}</b>`)]]);
}
