// The drawing as a picture of its own: SVG, or PNG drawn from it.
function svgOfScene() {
  const css = getComputedStyle(document.documentElement), colour = (name) => css.getPropertyValue("--" + name).trim();
  const {w, h} = scene.root, parts = [];
  const text = (x, y, line, style, fill, anchor = "start") => parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" style="font:${escaped(FONT[style])}" fill="${colour(fill)}">${escaped(line)}</text>`);
  const box = (item, attributes) => parts.push(`<rect x="${item.left.toFixed(1)}" y="${item.top.toFixed(1)}" width="${item.w.toFixed(1)}" height="${item.h.toFixed(1)}" ${attributes}/>`);
  for (const item of scene.boxes())
    if (item.kind === "group" && item.isOpen) box(item, `rx="12" fill="${colour("ink")}" fill-opacity=".03" stroke="${colour("line")}"`);
  for (const {d, tip} of scene.drawn) parts.push(`<path d="${d}" fill="none" stroke="${colour("edge")}" stroke-width="1.5"/>`, tip ? `<path d="${tip}" fill="${colour("edge")}"/>` : "");
  for (const {label, type} of scene.drawn) if (label) text(label.x, label.y, type, "row", "soft");
  for (const item of scene.boxes()) {
    if (item.kind === "group" && item.isOpen) {
      text(item.left + 10, item.top + 18, `${groupName(item)}${item.repeat ? ` (${item.repeat.last - item.repeat.first + 1} ×)` : ""}  ${item.module?.type || ""}`, "head", "ink");
      continue;
    }
    box(item, `rx="${item.kind === "leaf" ? 16 : 8}" fill="${colour("paper")}" stroke="${colour(item.kind === "leaf" ? "input" : "line")}"`);
    if (item.kind === "node") parts.push(`<rect x="${item.left}" y="${item.top}" width="4" height="${item.h}" rx="2" fill="${colour(item.node.work)}"/>`);
    let y = item.top + 5;
    for (const [style, line, right] of cardLines(item)) {
      y += LINE[style];
      text(item.left + 10, y - 4, line, style, style === "row" ? "soft" : "ink");
      if (right) text(item.left + item.w - 9, y - 4, right, "row", "soft", "end");
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(w)}" height="${Math.ceil(h)}" viewBox="0 0 ${w} ${h}"><rect width="100%" height="100%" fill="${colour("back")}"/>${parts.join("")}</svg>`;
}
function download(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${story.name}-${story.phase}-${stageNow().name}.${ending}`.replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function exportSvg() { download(new Blob([svgOfScene()], {type: "image/svg+xml"}), "svg"); }
/** Two pixels to a point, fewer where the picture would be larger than browsers draw. */
function exportPng() {
  const image = new Image(), scale = Math.min(2, 16000 / Math.max(scene.root.w, scene.root.h));
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = scene.root.w * scale;
    canvas.height = scene.root.h * scale;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => download(blob, "png"), "image/png");
  };
  image.src = "data:image/svg+xml," + encodeURIComponent(svgOfScene());
}
