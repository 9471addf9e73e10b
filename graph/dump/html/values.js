// The values of a run by token: what `vitro trace` wrote. Null where the page has none.
const run = $("run-data") && JSON.parse($("run-data").textContent);
if (run) {
  ui.token = run.prompt - 1;
  addressParts.push({
    keep(parts) {
      if (ui.token !== run.prompt - 1) parts.push(["token", ui.token]);
    },
    recall(wanted) {
      ui.token = wanted.has("token") ? clamp(Number(wanted.get("token")) || 0, 0, lastToken()) : run.prompt - 1;
    },
  });
}
/** The last position that was computed: a token that was chosen last was not fed. */
function lastToken() { const step = run.steps[run.steps.length - 1]; return step.first + step.count - 1; }
/** "The", where the tokenizer writes "▁The". */
function pieceText(piece) { return piece.replace(/^▁/, "␣").replace(/▁/g, " "); }
/** The step that computed a position. */
function stepOf(token) { return run.steps.findIndex(({first, count}) => token >= first && token < first + count); }

/** A value at a token: {step, row, stats, hist, shape, …}, or null where the run has none. Whole where it has no axis of tokens. */
function valueAt(path, token = ui.token) {
  const value = run?.values[path], step = run && stepOf(token), at = value?.steps[step];
  if (!at) return null;
  const row = at.by_token ? token - run.steps[step].first : 0;
  const [min, max, mean, rms, nan, plus, minus] = at.stats[row].map(Number);
  return {path, step, row, type: value.type, shape: at.shape, byToken: at.by_token, isCopied: at.copied, in: at.in, hist: at.hist[row], min, max, mean, rms, nan, plus, minus};
}
/** All elements of a value in a step, as f32, or null where they were too many to be kept. */
function elementsOf(path, step) {
  const at = run?.values[path]?.steps[step];
  if (!at?.data) return null;
  if (!at.elements) {
    const text = atob(at.data), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
    at.elements = new Float32Array(bytes.buffer);
  }
  return at.elements;
}
/** The elements of one token: [T, …] or, with heads outermost, those of one head. */
function rowOf(path, token = ui.token, head = null) {
  const step = stepOf(token), all = elementsOf(path, step), at = run?.values[path]?.steps[step];
  if (!all) return null;
  const axis = run.values[path].type.replace(/^[^[]*\[|\]/g, "").split(", ").indexOf("T");
  if (axis < 0) return all;
  const count = (from, to) => at.shape.slice(from, to).reduce((a, b) => a * b, 1);
  const inner = count(axis + 1), row = token - run.steps[step].first;
  if (axis === 0 && head === null) return all.subarray(row * inner, (row + 1) * inner);
  if (axis === 0) return all.subarray((row * at.shape[1] + head) * count(2), (row * at.shape[1] + head + 1) * count(2));
  return all.subarray(((head ?? 0) * at.shape[axis] + row) * inner, ((head ?? 0) * at.shape[axis] + row + 1) * inner);
}
/** The value that a box shows: what its op computes. */
function valueOfBox(box) { return run && box.kind === "node" ? valueAt(box.path) : run && box.kind === "leaf" ? valueAt(box.value.path) : null; }

/** Five digits, as `vitro tap` prints them. */
function short(x) {
  if (!Number.isFinite(x)) return String(x);
  const text = Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 1e-4) ? x.toExponential(3) : String(+x.toPrecision(5));
  return text.replace("-", "−");
}
const oddText = ({nan, plus, minus}) => [nan ? `${nan} NaN` : "", plus ? `${plus} +Inf` : "", minus ? `${minus} −Inf` : ""].filter(Boolean).join(", ");

if (run) {
  cardFoot.height = (box) => (valueOfBox(box) ? 34 : 0);
  const rangeText = (value) => `${short(value.min)} … ${short(value.max)}`;
  cardFoot.width = (box) => {
    const value = valueOfBox(box);
    return value ? Math.max(97 + textWidth(`rms ${short(value.rms)} ${oddText(value)}`, FONT.row), textWidth(rangeText(value), FONT.row)) : 0;
  };
  cardFoot.html = (box) => {
    const value = valueOfBox(box);
    if (!value) return "";
    const broken = value.nan || value.plus;
    return `<div class="foot${broken ? " broken" : ""}">${histogramSvg(value.hist, 90, 17)}<span>rms ${short(value.rms)}${broken ? ` <b>${oddText(value)}</b>` : ""}</span></div>
      <div class="row range">${rangeText(value)}</div>`;
  };
}

/** What the panel says of a value at the chosen token. */
function valueHtml(path) {
  const value = run && valueAt(path);
  if (!value) return "";
  const where = value.byToken ? say`at token ${ui.token} “${escaped(pieceText(run.tokens[ui.token][1]))}”` : say`of the whole step`;
  const odd = oddText(value), heads = headsOf(path), row = heads ? null : rowOf(path);
  return `<h3>${say`Its value`}</h3><p class="doc">${where}</p><div class="value" data-value-of="${escaped(path)}">${histogramSvg(value.hist, 330, 54)}
    ${facts([[say`range`, `${short(value.min)} … ${short(value.max)}`], [say`mean`, short(value.mean)], ["rms", short(value.rms)],
      [say`no number`, odd ? `<span class="${value.nan || value.plus ? "minus" : ""}">${odd}</span>` : ""],
      [say`came about`, value.isCopied ? say`copied from the program’s memory` : say`computed again from copies of what the fused op read`]])}
    ${row && row.length <= 1024 ? `<div class="strip-cells" role="img" aria-label="${counted(row.length, "element")}">${stripSvg(row, 330)}</div><p class="doc">${say`${counted(row.length, "element")}: blue below 0, red above`}</p>` : ""}</div>
    ${heads ? heatMapsHtml(path, heads) : ""}`;
}
/** How many heads a value of attention weights has, [heads, T, C]; 0 of others. */
function headsOf(path) {
  const value = run?.values[path];
  return value && path.endsWith(".attention_weights") && value.type.includes(", T, C]") ? Object.values(value.steps)[0].shape[0] : 0;
}
/** Paths of attention weights that a node computes or stands for. */
function attentionOf(node) {
  return [...new Set([...node.outputs.map((value) => value.path), ...node.realizes])].filter((path) => headsOf(path) > 0);
}
/** The weights of one head for every token that was fed: rows of as many keys as there were then. */
function attentionRows(path, head) {
  const rows = [];
  for (let token = 0; token <= lastToken(); ++token) {
    const row = rowOf(path, token, head);
    rows.push(row ? [...row].slice(0, token + 1) : null);
  }
  return rows;
}
function heatMapsHtml(path, heads) {
  const pieces = run.tokens.map(([, piece]) => pieceText(piece));
  return `<h3>${say`What each head looks at`}</h3><p class="doc">${say`A row for each token, a column for each that it takes from; dark is much. Rows sum to 1.`}</p><div class="heads">${
    Array.from({length: heads}, (_, head) => `<figure><figcaption>${say`head ${head}`}</figcaption>${attentionSvg(attentionRows(path, head), pieces, {chosen: ui.token, name: say`head ${head}`})}</figure>`).join("")}</div>`;
}
