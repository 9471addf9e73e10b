// Numbers of a run on the boxes: a colour by their size, and their text. What html.h calls Paint.
/** The marks of the values that a node computes or stands for, or of the steps that it became part of: [path, value, text], the largest first. */
function marksOf(story, node) {
  if (!story.paint) return [];
  const {marks} = story.paint, found = (paths) => [...new Set(paths)].filter((path) => marks[path]).map((path) => [path, ...marks[path]]).sort((a, b) => b[1] - a[1]);
  if (!story.paint.ofSteps) return found([...node.outputs.map((value) => value.path), ...node.realizes]);
  const kernels = story.kernelsOf(node);
  return found(kernels.map(({path}) => path)).map(([path, value, text]) => [path, value, isOwnKernel(node, kernels) ? text : `${partText(kernels)}: ${text}`]);
}
/** The largest mark of what a box shows, or null. */
function markOf(story, item) {
  if (!story.paint) return null;
  const all = item.kind === "node" ? marksOf(story, item.node) : item.kind === "group" ? (item.marks || []) : [];
  return all.length ? all.reduce((most, mark) => (mark[1] > most[1] ? mark : most)) : null;
}
/** From green for the least to red for the most. */
function heat(paint, value) {
  const on = (x) => (paint.log ? Math.log(Math.max(x, paint.least)) : x);
  const share = (on(value) - on(paint.least)) / (on(paint.most) - on(paint.least) || 1);
  return `hsl(${Math.round(140 * (1 - Math.min(1, Math.max(0, share))))}, 75%, 48%)`;
}
function paintLegend(paint) {
  const text = (x) => (x !== 0 && (Math.abs(x) < 0.01 || Math.abs(x) >= 1e4) ? x.toExponential(1) : String(+x.toPrecision(3)));
  return `<span class="paint">${escaped(paint.title)}: ${text(paint.least)}<i class="scale"></i>${text(paint.most)}</span>`;
}
function marksHtml(story, marks) {
  if (!marks.length) return "";
  return `<h3>${escaped(say(story.paint.title))}</h3><ul>${marks.map(([path, , text]) =>
    `<li><span class="path">${link(path)}</span><span class="why">${escaped(text)}</span></li>`).join("")}</ul>`;
}
