// The tour's formulas and tables, each from the run's values at the chosen token, block and head.

const MATH = {
  norm: `<math display="block"><mi>y</mi><mo>=</mo><mfrac><mi>x</mi><msqrt><mrow><mfrac><mn>1</mn><mi>n</mi></mfrac><munder><mo>∑</mo><mi>i</mi></munder><msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><mo>+</mo><mi>ε</mi></mrow></msqrt></mfrac><mo>⊙</mo><mi>w</mi></math>`,
  layerNorm: (hasBias) => `<math display="block"><mi>y</mi><mo>=</mo><mfrac><mrow><mi>x</mi><mo>−</mo><mi>μ</mi></mrow><msqrt><mrow><msup><mi>σ</mi><mn>2</mn></msup><mo>+</mo><mi>ε</mi></mrow></msqrt></mfrac><mo>⊙</mo><mi>w</mi>${hasBias ? "<mo>+</mo><mi>b</mi>" : ""}</math>`,
  scores: `<math display="block"><msub><mi>s</mi><mi>j</mi></msub><mo>=</mo><mfrac><mrow><mi>q</mi><mo>·</mo><msub><mi>k</mi><mi>j</mi></msub></mrow><msqrt><mi>d</mi></msqrt></mfrac><mo>,</mo><mspace width="1em"/><msub><mi>a</mi><mi>j</mi></msub><mo>=</mo><mfrac><msup><mi>e</mi><msub><mi>s</mi><mi>j</mi></msub></msup><mrow><munder><mo>∑</mo><mi>i</mi></munder><msup><mi>e</mi><msub><mi>s</mi><mi>i</mi></msub></msup></mrow></mfrac></math>`,
  mix: `<math display="block"><mi>o</mi><mo>=</mo><munder><mo>∑</mo><mi>j</mi></munder><msub><mi>a</mi><mi>j</mi></msub><msub><mi>v</mi><mi>j</mi></msub></math>`,
  gate: (act) => `<math display="block"><mi>y</mi><mo>=</mo><msub><mi>W</mi><mtext>down</mtext></msub><mo>(</mo><mi>${act}</mi><mo>(</mo><msub><mi>W</mi><mtext>gate</mtext></msub><mi>x</mi><mo>)</mo><mo>⊙</mo><msub><mi>W</mi><mtext>up</mtext></msub><mi>x</mi><mo>)</mo>${MATH.silu(act)}</math>`,
  plain: (act) => `<math display="block"><mi>y</mi><mo>=</mo><msub><mi>W</mi><mn>2</mn></msub><mi>${act}</mi><mo>(</mo><msub><mi>W</mi><mn>1</mn></msub><mi>x</mi><mo>+</mo><msub><mi>b</mi><mn>1</mn></msub><mo>)</mo><mo>+</mo><msub><mi>b</mi><mn>2</mn></msub>${MATH.silu(act)}</math>`,
  silu: (act) => (act === "silu" ? `<mo>,</mo><mspace width="1em"/><mi>silu</mi><mo>(</mo><mi>z</mi><mo>)</mo><mo>=</mo><mfrac><mi>z</mi><mrow><mn>1</mn><mo>+</mo><msup><mi>e</mi><mrow><mo>−</mo><mi>z</mi></mrow></msup></mrow></mfrac>` : ""),
  rope: `<math display="block"><mo>(</mo><mi>a</mi><mo>,</mo><mi>b</mi><mo>)</mo><mo>→</mo><mo>(</mo><mi>a</mi><mi>cos</mi><mi>φ</mi><mo>−</mo><mi>b</mi><mi>sin</mi><mi>φ</mi><mo>,</mo><mspace width=".3em"/><mi>a</mi><mi>sin</mi><mi>φ</mi><mo>+</mo><mi>b</mi><mi>cos</mi><mi>φ</mi><mo>)</mo></math>`,
  speed: `<math display="block"><mi>φ</mi><mo>=</mo><mi>p</mi><msup><mi>θ</mi><mrow><mo>−</mo><mn>2</mn><mi>i</mi><mo>/</mo><mi>r</mi></mrow></msup></math>`,
  residual: `<math display="block"><mi>h</mi><mo>=</mo><mi>x</mi><mo>+</mo><mi>attention</mi><mo>(</mo><mi>norm</mi><mo>(</mo><mi>x</mi><mo>)</mo><mo>)</mo><mo>,</mo><mspace width="1em"/><msup><mi>x</mi><mo>′</mo></msup><mo>=</mo><mi>h</mi><mo>+</mo><mi>ffn</mi><mo>(</mo><mi>norm</mi><mo>(</mo><mi>h</mi><mo>)</mo><mo>)</mo></math>`,
};
const tableHtml = (head, rows) => `<div class="table" tabindex="0"><table><thead><tr>${head.map((each) => (each === "" ? "<td></td>" : `<th>${each}</th>`)).join("")}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map((each) => `<td>${each}</td>`).join("")}</tr>`).join("")}</tbody></table></div>`;
/** The numbers of a row, or a dash where they were too many to be kept. */
const strip = (row, options) => (row?.length ? stripSvg(row, 340, options) : "–");
/** The start of a row: so many numbers of it, or all where it has fewer. */
const START = 64, FIRST = 32;
const startOf = (path, count = START, token = ui.token) => strip(rowOf(path, token)?.subarray(0, count));
const rmsAt = (path, token = ui.token) => { const value = valueAt(path, token); return value ? short(value.rms) : "–"; };
const rmsOf = (row) => (row?.length ? short(Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length)) : "–");

function piecesFigure(words) {
  return tableHtml(words, run.tokens.slice(0, run.prompt).map(([id], i) => [i, piece(i), id, startOf(embeddingPath(), FIRST, i)]));
}
function loopFigure() {
  return run.steps.map(({first, count, next}) => {
    const before = run.tokens.slice(0, first + count).map((_, i) => piece(i)).join("<wbr>");
    return `<div class="loop"><p>${before} → ${next.length ? `<b class="piece made">${escaped(pieceText(next[0][1]))}</b>` : "–"}</p>${barsHtml(next.slice(0, 3).map(([, text, , p]) => [pieceText(text), p, percent(p)]))}</div>`;
  }).join("");
}
/** Times of each step with the cache and without, and of all together. */
function cacheFigure(words) {
  const {cached, anew} = run.times, most = Math.max(...cached, ...anew), sum = (all) => all.reduce((a, b) => a + b, 0);
  const bar = (seconds) => barsHtml([["", seconds / most, milliseconds(seconds)]]);
  const rows = run.steps.map(({first, count}, i) => [words.step(i + 1), count === 1 ? piece(first) : words.tokens(count), bar(cached[i]), bar(anew[i])]);
  return tableHtml(["", words.computed, words.cached, words.anew], rows.length === 1 ? rows : [...rows, ["Σ", "", `<b>${milliseconds(sum(cached))}</b>`, `<b>${milliseconds(sum(anew))}</b>`]]);
}
function normFigure(words) {
  const norm = nodeIn("input_layernorm"), rows = [["x", norm.inputs[0].path], ["y", norm.path]];
  return tableHtml(["", "rms", words], rows.map(([name, path]) => [name, rmsAt(path), startOf(path)]));
}
function gateFigure(words) {
  const up = nodeIn("mlp.gated")?.inputs.find(({path}) => path !== inBlock("mlp.act_fn"))?.path, act = activationName(), before = nodeIn("mlp.act_fn").inputs[0].path;
  const rows = feedForwardKind() === "gated" ? [["gate", before], ["up", up], [`${act}(gate)`, inBlock("mlp.act_fn")], [`${act}(gate) ⊙ up`, inBlock("mlp.gated")], ["y", halves()[1].part]]
    : [["W₁x + b₁", before], [`${act}(W₁x + b₁)`, inBlock("mlp.act_fn")], ["y", halves()[1].part]];
  return tableHtml(["", "rms", words], rows.map(([text, path]) => [text, rmsAt(path), startOf(path)]));
}
/** The most probable tokens after the chosen token's step. */
function rivalsFigure() {
  return barsHtml(run.steps[stepOf(ui.token)].next.map(([, text, logit, p]) => [pieceText(text), p, `${percent(p)}   (${short(logit)})`]));
}
function compilerFigure(words) {
  const row = (stage) => [toGraph(stage.name, embeddingPath(), `<code>${escaped(stage.name)}</code>`), stage.equation ? `<code>${escaped(stage.equation)}</code>` : "", stage.nodes.length.toLocaleString("en"), human(stage.bytesOfStep, "B")];
  return tableHtml(words, story.stages.filter((stage, i, all) => i === 0 || i === all.length - 1 || stage.does).map(row));
}
/** The probabilities at a temperature, over all logits of the step, where they were kept. */
function temperatureFigure() {
  const step = stepOf(ui.token), logits = elementsOf("logits", step), temperature = tour.temperature;
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weight = (logit) => (temperature === 0 ? Number(logit === most) : Math.exp((logit - most) / temperature));
  const sum = logits.reduce((all, logit) => all + weight(logit), 0);
  return `<p class="doc">T = ${temperature.toFixed(1)}</p>` + barsHtml(run.steps[step].next.slice(0, 8).map(([id, text]) => [pieceText(text), weight(logits[id]) / sum, percent(weight(logits[id]) / sum)]));
}
/** Whether all logits of the step were kept, so that they can be computed with. */
const hasLogits = () => elementsOf("logits", stepOf(ui.token))?.length === run.model.vocab;
function temperatureControls(label) {
  return `<label class="choice">${label} <input id="lesson-temperature" type="range" min="0" max="2" step="0.1" value="${tour.temperature}"></label><div id="temperature-figure">${temperatureFigure()}</div>`;
}
