// Small drawings: histograms, strips of elements, squares of attention. SVG as text, coloured by the page's style.

function histogramSvg(counts, w, h) {
  const most = Math.max(1, ...counts), bar = w / counts.length;
  return `<svg class="histogram" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" aria-hidden="true">${counts.map((count, i) =>
    count ? `<rect x="${(i * bar).toFixed(1)}" y="${(h - Math.max(1, (count / most) * h)).toFixed(1)}" width="${Math.max(0.8, bar - 0.8).toFixed(1)}" height="${Math.max(1, (count / most) * h).toFixed(1)}"/>` : "").join("")}</svg>`;
}
/** Blue below 0, red above, by the size against the largest. */
function cellColour(x, most) {
  if (!Number.isFinite(x)) return x === -Infinity ? "var(--cell-none)" : "var(--cell-nan)";
  const share = most > 0 ? Math.min(1, Math.abs(x) / most) : 0;
  return `color-mix(in srgb, var(${x < 0 ? "--cell-below" : "--cell-above"}) ${Math.round(100 * share)}%, var(--paper))`;
}
function mostOf(row) { let most = 0; for (const x of row) if (Number.isFinite(x)) most = Math.max(most, Math.abs(x)); return most; }
/** Cells of a row of elements, wrapped to the width. */
function stripSvg(row, w, {most = mostOf(row), cell = row.length <= 16 ? 18 : row.length <= 128 ? 10 : 5} = {}) {
  const columns = Math.max(1, Math.floor(w / cell)), lines = Math.ceil(row.length / columns);
  return `<svg class="cells" width="${Math.min(columns, row.length) * cell}" height="${lines * cell}" aria-hidden="true">${[...row].map((x, i) =>
    `<rect x="${(i % columns) * cell}" y="${Math.floor(i / columns) * cell}" width="${cell - 0.5}" height="${cell - 0.5}" style="fill:${cellColour(x, most)}"><title>${i}: ${short(x)}</title></rect>`).join("")}</svg>`;
}
/**
 * A square of weights: rows[query][key], null where it is not known. `chosen` is the row to mark; `sees`, where it is
 * given, says whether a key may be looked at.
 */
function attentionSvg(rows, pieces, {chosen = -1, name = "", cell = clamp(Math.floor(230 / rows.length), 9, 26), sees = null} = {}) {
  const label = 74, w = label + rows.length * cell, h = rows.length * cell + 52;
  const cut = (text) => (text.length > 10 ? text.slice(0, 9) + "…" : text);
  let out = `<svg class="attention" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" role="img" aria-label="${say`${escaped(name)}: what each token takes from each`}">`;
  rows.forEach((row, query) => {
    out += `<text x="${label - 4}" y="${query * cell + cell * 0.5 + 3.5}" text-anchor="end" class="${query === chosen ? "chosen" : ""}">${escaped(cut(pieces[query]))}</text>`;
    for (let key = 0; key < rows.length; ++key) {
      const isSeen = sees ? sees(query, key) : key <= query, weight = row?.[key];
      const fill = !isSeen ? "var(--cell-none)" : weight === undefined ? "var(--line)" : Number.isFinite(weight) ? `color-mix(in srgb, var(--accent) ${Math.round(100 * weight)}%, var(--paper))` : "var(--cell-nan)";
      out += `<rect x="${label + key * cell}" y="${query * cell}" width="${cell - 1}" height="${cell - 1}" style="fill:${fill}"><title>${say`${escaped(pieces[query])} takes from ${escaped(pieces[key])}: ${!isSeen ? say`not seen` : weight === undefined ? say`unknown` : short(weight)}`}</title></rect>`;
    }
    if (query === chosen) out += `<rect x="${label - 1}" y="${query * cell - 1}" width="${rows.length * cell + 1}" height="${cell + 1}" class="chosen"/>`;
  });
  rows.forEach((_, key) => { const x = label + key * cell + cell / 2 + 3; out += `<text transform="translate(${x} ${rows.length * cell + 6}) rotate(60)">${escaped(cut(pieces[key]))}</text>`; });
  return out + "</svg>";
}
/** Bars with their names and numbers: [[name, share of the width, text], …]. */
function barsHtml(bars) {
  return `<dl class="bars">${bars.map(([name, share, text]) => `<dt>${escaped(name)}</dt><dd><i style="width:${(100 * clamp(share, 0, 1)).toFixed(2)}%"></i><span>${escaped(text)}</span></dd>`).join("")}</dl>`;
}
