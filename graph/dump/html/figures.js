// The drawings of the tour, each from the run's values at the chosen token, layer and head.

const MATH = {
  norm: `<math display="block"><mi>y</mi><mo>=</mo><mfrac><mi>x</mi><msqrt><mrow><mfrac><mn>1</mn><mi>n</mi></mfrac><munder><mo>∑</mo><mi>i</mi></munder><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><mo>+</mo><mi>ε</mi></mrow></msqrt></mfrac><mo>⊙</mo><mi>w</mi></math>`,
  scores: `<math display="block"><msub><mi>s</mi><mi>j</mi></msub><mo>=</mo><mfrac><mrow><mi>q</mi><mo>·</mo><msub><mi>k</mi><mi>j</mi></msub></mrow><msqrt><mi>d</mi></msqrt></mfrac><mo>,</mo><mspace width="1em"/><msub><mi>a</mi><mi>j</mi></msub><mo>=</mo><mfrac><msup><mi>e</mi><msub><mi>s</mi><mi>j</mi></msub></msup><mrow><munder><mo>∑</mo><mi>i</mi></munder><msup><mi>e</mi><msub><mi>s</mi><mi>i</mi></msub></msup></mrow></mfrac></math>`,
  mix: `<math display="block"><mi>o</mi><mo>=</mo><munder><mo>∑</mo><mi>j</mi></munder><msub><mi>a</mi><mi>j</mi></msub><msub><mi>v</mi><mi>j</mi></msub></math>`,
  gate: `<math display="block"><mi>y</mi><mo>=</mo><msub><mi>W</mi><mtext>down</mtext></msub><mo>(</mo><mi>silu</mi><mo>(</mo><msub><mi>W</mi><mtext>gate</mtext></msub><mi>x</mi><mo>)</mo><mo>⊙</mo><msub><mi>W</mi><mtext>up</mtext></msub><mi>x</mi><mo>)</mo><mo>,</mo><mspace width="1em"/><mi>silu</mi><mo>(</mo><mi>z</mi><mo>)</mo><mo>=</mo><mfrac><mi>z</mi><mrow><mn>1</mn><mo>+</mo><msup><mi>e</mi><mrow><mo>−</mo><mi>z</mi></mrow></msup></mrow></mfrac></math>`,
  rope: `<math display="block"><mo>(</mo><mi>a</mi><mo>,</mo><mi>b</mi><mo>)</mo><mo>→</mo><mo>(</mo><mi>a</mi><mi>cos</mi><mi>φ</mi><mo>−</mo><mi>b</mi><mi>sin</mi><mi>φ</mi><mo>,</mo><mspace width=".3em"/><mi>a</mi><mi>sin</mi><mi>φ</mi><mo>+</mo><mi>b</mi><mi>cos</mi><mi>φ</mi><mo>)</mo><mo>,</mo><mspace width="1em"/><mi>φ</mi><mo>=</mo><mi>p</mi><msup><mi>θ</mi><mrow><mo>−</mo><mn>2</mn><mi>i</mi><mo>/</mo><mi>d</mi></mrow></msup></math>`,
  residual: `<math display="block"><mi>h</mi><mo>=</mo><mi>x</mi><mo>+</mo><mi>attention</mi><mo>(</mo><mi>norm</mi><mo>(</mo><mi>x</mi><mo>)</mo><mo>)</mo><mo>,</mo><mspace width="1em"/><msup><mi>x</mi><mo>′</mo></msup><mo>=</mo><mi>h</mi><mo>+</mo><mi>ffn</mi><mo>(</mo><mi>norm</mi><mo>(</mo><mi>h</mi><mo>)</mo><mo>)</mo></math>`,
};
const tableHtml = (head, rows) => `<div class="table" tabindex="0"><table><thead><tr>${head.map((each) => (each === "" ? "<td></td>" : `<th>${each}</th>`)).join("")}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map((each) => `<td>${each}</td>`).join("")}</tr>`).join("")}</tbody></table></div>`;
const strip = (row, w = 340) => (row ? stripSvg(row, w) : "");
const fedTokens = () => Array.from({length: lastToken() + 1}, (_, i) => i);
const kvHead = () => Math.floor(tour.head / (run.model.heads / run.model.layers[blockIndex()].kv_heads));
/** Whether the first token is a mark such as <s>, which no text has. */
const beginsByMark = () => /^<.*>$|^\[.*\]$/.test(run.tokens[0][1]);
/** The last token of the step that computed the chosen one: it decides what comes next. */
const lastOfStep = () => { const {first, count} = run.steps[stepOf(ui.token)]; return first + count - 1; };
/** Whether scores are divided by the square root of their length and go through a softmax alone, as the formula says. */
function isPlainSoftmax() {
  const row = (name) => rowOf(`model.layers.0.self_attn.${name}`, lastToken(), 0), raw = row("scores"), scaled = row("scaled_scores"), weights = row("attention_weights");
  if (!raw || !scaled || !weights) return false;
  const keys = fedTokens().filter((key) => weights[key] > 0), root = Math.sqrt(run.model.layers[0].head_dim);
  const sum = keys.reduce((all, key) => all + Math.exp(scaled[key]), 0);
  return keys.every((key) => Math.abs(scaled[key] * root - raw[key]) <= 1e-2 * Math.abs(raw[key]) + 1e-6 && Math.abs(Math.exp(scaled[key]) / sum - weights[key]) < 1e-3);
}
/** Whether the feed-forward layer is one gated pair of matrices, not experts, with SiLU alone. */
function isPlainFeedForward() {
  const gated = story.stages[0].node("model.layers.0.mlp.gated");
  return opOf("mlp.act_fn") === "silu" && opOf("mlp.down_proj") === "matmul" && gated?.op === "mul" && gated.inputs.some(({path}) => path === "model.layers.0.mlp.act_fn");
}
/** Whether a block adds what attention and the feed-forward layer give to its stream, each behind an RMSNorm, and nothing else. */
function isPlainBlock() {
  const first = (name) => `model.layers.0.${name}`;
  const adds = (to, ...parts) => opOf(to) === "add" && parts.every((part) => story.stages[0].node(first(to)).inputs.some(({path}) => path === first(part)));
  return adds("attention_residual", "self_attn.o_proj") && adds("mlp_residual", "attention_residual", "mlp.down_proj") &&
    ["input_layernorm", "post_attention_layernorm"].every((name) => opOf(name) === "rms_norm");
}
const rmsAt = (path, token = ui.token) => { const value = valueAt(path, token); return value ? short(value.rms) : "–"; };

function piecesFigure(words) {
  return tableHtml(words, run.tokens.slice(0, run.prompt).map(([id, text], i) => [i, piece(i), id, strip(rowOf("model.embed_tokens", i)?.subarray(0, 32))]));
}
function loopFigure() {
  return run.steps.map(({first, count, next}) => {
    const before = run.tokens.slice(0, first + count).map((_, i) => piece(i)).join("<wbr>");
    return `<div class="loop"><p>${before} → ${next.length ? `<b class="piece made">${escaped(pieceText(next[0][1]))}</b>` : "–"}</p>${barsHtml(next.slice(0, 3).map(([, text, , p]) => [pieceText(text), p, percent(p)]))}</div>`;
  }).join("");
}
/** The rms of every stream in front of the blocks and after each. */
function streamsFigure(words) {
  const paths = ["model.embed_tokens", ...run.model.layers.map((_, i) => `model.layers.${i}.mlp_residual`)];
  return tableHtml([words, ...fedTokens().map(piece)], paths.map((path) => [`<code>${escaped(path.replace("model.", ""))}</code>`, ...fedTokens().map((token) => `<span class="${token === ui.token ? "chosen" : ""}">${rmsAt(path, token)}</span>`)]));
}
function cacheFigure(words) {
  const {cached, anew} = run.times, most = Math.max(...cached, ...anew);
  return tableHtml(words, run.steps.map(({first, count}, i) => [count === 1 ? piece(first) : `${count} ×`, barsHtml([["", cached[i] / most, milliseconds(cached[i])]]), barsHtml([["", anew[i] / most, milliseconds(anew[i])]])]));
}
/** Bytes of keys and values that a token leaves in the cache, with that many heads of them in each layer. */
function cacheBytes(kvHeads) {
  const type = run.values["model.layers.0.self_attn.k_cache.append"]?.type.split(" ")[0], bytes = {f32: 4, f8e4m3: 1}[type] || 2;
  return run.model.layers.reduce((sum, layer) => sum + 2 * (kvHeads ?? layer.kv_heads) * layer.head_dim * bytes, 0);
}
function normFigure(words) {
  const before = blockIndex() === 0 ? "model.embed_tokens" : `model.layers.${blockIndex() - 1}.mlp_residual`, after = inBlock("input_layernorm");
  return tableHtml(["", "rms", words], [["x", rmsAt(before), strip(rowOf(before)?.subarray(0, 64))], ["y", rmsAt(after), strip(rowOf(after)?.subarray(0, 64))]]);
}
const queryPath = () => inBlock(run.values[inBlock("self_attn.q_rope")] ? "self_attn.q_rope" : "self_attn.q_heads");
const keyPath = () => inBlock(run.values[inBlock("self_attn.k_rope")] ? "self_attn.k_rope" : "self_attn.k_heads");
function projectionsFigure(words) {
  const rows = [[`q ${piece(ui.token)}`, strip(rowOf(queryPath(), ui.token, tour.head))]];
  for (const token of fedTokens().filter((each) => each <= ui.token)) {
    rows.push([`k ${piece(token)}`, strip(rowOf(keyPath(), token, kvHead()))], [`v ${piece(token)}`, strip(rowOf(inBlock("self_attn.v_heads"), token, kvHead()))]);
  }
  return tableHtml(words, rows);
}
function scoresFigure(words) {
  const row = (name) => rowOf(inBlock(`self_attn.${name}`), ui.token, tour.head) || [];
  const raw = row("scores"), scaled = row("scaled_scores"), weights = row("attention_weights");
  const keys = fedTokens().filter((token) => token <= ui.token);
  const sum = keys.reduce((all, key) => all + weights[key], 0);
  return tableHtml(words, [...keys.map((key) => [piece(key), short(raw[key]), short(scaled[key]), barsHtml([["", weights[key], percent(weights[key])]])]), ["Σ", "", "", percent(sum)]]);
}
function mixFigure(words) {
  return tableHtml(words, Array.from({length: run.model.heads}, (_, head) => [head, rmsOf(rowOf(inBlock("self_attn.attended"), ui.token, head)), strip(rowOf(inBlock("self_attn.attended"), ui.token, head))])) +
    tableHtml(["", "rms", ""], [["o_proj", rmsAt(inBlock("self_attn.o_proj")), strip(rowOf(inBlock("self_attn.o_proj"))?.subarray(0, 64))]]);
}
function rmsOf(row) { return row ? short(Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length)) : "–"; }
function headsFigure() {
  const pieces = run.tokens.map(([, text]) => pieceText(text));
  return `<div class="heads">${Array.from({length: run.model.heads}, (_, head) => `<figure><figcaption>${LESSONS[run.lesson].words.head} ${head}</figcaption>${attentionSvg(attentionRows(inBlock("self_attn.attention_weights"), head), pieces, {chosen: ui.token, name: String(head)})}</figure>`).join("")}</div>`;
}
/** Which heads of queries read which head of keys and values. */
function groupsFigure(words) {
  const heads = run.model.heads, own = run.model.layers[blockIndex()].kv_heads;
  return tableHtml(words, [heads, own, 1].filter((n, i, all) => all.indexOf(n) === i).map((n) => [
    n === own ? `<b>${n}</b>` : n, Array.from({length: heads}, (_, head) => `q${head}→kv${Math.floor(head / (heads / n))}`).join(" "), human(cacheBytes(n), "B")]));
}
const MASKS = {
  full: () => (query, key) => key <= query,
  sliding: () => (query, key) => key <= query && key > query - 3,
  strided: () => (query, key) => key <= query && (key > query - 3 || (query - key) % 3 === 0),
  fixed: () => (query, key) => key <= query && (Math.floor(query / 3) === Math.floor(key / 3) || key % 3 === 2),
  both: () => () => true,
  packed: () => { const half = Math.ceil(run.prompt / 2); return (query, key) => key <= query && (query < half) === (key < half); },
};
/** The run's weights of the chosen head, as each mask would let them be seen. */
function maskFigure(names) {
  const pieces = run.tokens.map(([, text]) => pieceText(text));
  const rows = attentionRows(inBlock("self_attn.attention_weights"), tour.head), sees = MASKS[tour.mask]();
  return `<p><label class="choice">${LESSONS[run.lesson].words.mask} <select id="lesson-mask">${Object.keys(MASKS).map((name) => `<option value="${name}" ${name === tour.mask ? "selected" : ""}>${escaped(names[name])}</option>`).join("")}</select></label></p>
    ${attentionSvg(rows, pieces, {chosen: ui.token, name: names[tour.mask], sees, cell: 26})}`;
}
/** Pairs of the query before and after turning, at a position that the slider says. */
function ropeFigure() {
  const {theta, rotary_dim: size} = run.model.layers[blockIndex()], before = rowOf(inBlock("self_attn.q_heads"), ui.token, tour.head), after = rowOf(queryPath(), ui.token, tour.head);
  if (!before || !after) return "";
  const position = tour.position ?? ui.token, half = size / 2;
  return `<div class="heads">${[0, 1, 2, 4, 8, 16].filter((i) => i < half).map((i) => {
    const a = before[i], b = before[i + half], angle = position * theta ** (-i / half), r = Math.hypot(a, b) || 1, scale = 44 / r;
    const x = a * Math.cos(angle) - b * Math.sin(angle), y = a * Math.sin(angle) + b * Math.cos(angle);
    const line = (px, py, style) => `<line x1="55" y1="55" x2="${(55 + px * scale).toFixed(1)}" y2="${(55 - py * scale).toFixed(1)}" class="${style}"/>`;
    return `<figure><figcaption>i = ${i}</figcaption><svg class="rope" width="110" height="110" role="img" aria-label="i = ${i}, φ = ${short(angle)}"><circle cx="55" cy="55" r="46"/>${line(a, b, "before")}${line(x, y, "after")}</svg>
      <p class="doc">φ = ${short(angle)}<br>(${short(x)}, ${short(y)})${position === ui.token ? `<br>= (${short(after[i])}, ${short(after[i + half])})` : ""}</p></figure>`;
  }).join("")}</div>`;
}
function ropeControls(label) {
  const position = tour.position ?? ui.token;
  return `<label class="choice">${label} <input id="lesson-position" type="range" min="0" max="${Math.min(run.model.context - 1, 64)}" value="${position}"></label><div id="rope-figure">${ropeFigure()}</div>`;
}
function gateFigure(words) {
  const rows = [["gate", "mlp.gate_up.0"], ["up", "mlp.gate_up.1"], ["gate", "mlp.gate_proj"], ["up", "mlp.up_proj"], ["silu(gate)", "mlp.act_fn"], ["silu(gate) ⊙ up", "mlp.gated"], ["down", "mlp.down_proj"]];
  return tableHtml(["", "rms", words], rows.filter(([, name]) => valueAt(inBlock(name))).map(([text, name]) => [text, rmsAt(inBlock(name)), strip(rowOf(inBlock(name))?.subarray(0, 64))]));
}
function residualFigure() {
  return tableHtml(["", "rms"], [["attention", rmsAt(inBlock("self_attn.o_proj"))], ["x + attention", rmsAt(inBlock("attention_residual"))], ["ffn", rmsAt(inBlock("mlp.down_proj"))], ["x′", rmsAt(inBlock("mlp_residual"))]]);
}
/** What the model would say next after the chosen token's step. */
function rivalsFigure() {
  const step = run.steps[stepOf(ui.token)];
  return barsHtml(step.next.map(([, text, logit, p]) => [pieceText(text), p, `${percent(p)}   (${short(logit)})`]));
}
function compilerFigure(words) {
  const rows = story.stages.filter((stage, i) => i === 0 || stage.does).map((stage) => [
    toGraph(stage.name, "model.embed_tokens", `<code>${escaped(stage.name)}</code>`), `<code>${escaped(stage.equation)}</code>`, stage.nodes.length, human(stage.bytesOfStep, "B")]);
  const last = story.stages[story.stages.length - 1];
  return tableHtml(words, [...rows, [toGraph(last.name, "model.embed_tokens", `<code>${escaped(last.name)}</code>`), "", last.nodes.length, human(last.bytesOfStep, "B")]]);
}
/** How many weights the parts of a block have, from the types of the graph. */
function weightsOf(part) {
  return story.stages[0].nodes.flatMap((node) => node.inputs).filter((value, i, all) => value.kind === "weight" && value.path.startsWith(part) && all.findIndex((other) => other.path === value.path) === i)
    .reduce((sum, value) => sum + value.type.replace(/^[^[]*\[|\]/g, "").split(", ").reduce((a, b) => a * Number(b), 1), 0);
}
