// What the page shows: which program and stage of it, what is open, what is selected. The address says the same
// (#program=decode&stage=fuse_attention&path=model.norm&layer=3), so that a view can be kept and sent, and Back goes to
// the view before.
const page = JSON.parse($("page-data").textContent);
const storiesKept = [];
/** The story of a program, read when it is first wanted. */
function storyOf(index) {
  return storiesKept[index] ??= Object.assign(new Story(JSON.parse($(`program-${index}`).textContent)), {number: index});
}
let story = null;

const ui = {
  program: page.start, stage: 0, fold: true, layer: 0, selected: null, heat: "", open: new Map(), all: null,
  isOpen(path) { return this.open.has(path) ? this.open.get(path) : this.all ?? true; },
};
const stageNow = () => story.stages[ui.stage];

/** Parts of the page that keep something in the address: {keep(parts), recall(wanted)}. */
const addressParts = [];

let written = "";
/** Writes the address: as a new entry of the history where the view is another one, else over the old entry. */
function remember({isNew = true} = {}) {
  const parts = [];
  if (ui.program !== page.start) parts.push(["program", page.programs[ui.program]]);
  parts.push(["stage", stageNow().name]);
  if (ui.selected) parts.push(["path", ui.selected]);
  if (ui.layer) parts.push(["layer", ui.layer]);
  if (!ui.fold) parts.push(["unfold", 1]);
  if (ui.all === false) parts.push(["open", "none"]);
  if (ui.heat) parts.push(["heat", ui.heat]);
  for (const part of addressParts) part.keep(parts);
  const now = "#" + parts.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  if (now === written) return;
  history[isNew && written ? "pushState" : "replaceState"](null, "", now);
  written = now;
}
function recall() {
  written = location.hash;
  const wanted = new URLSearchParams(location.hash.slice(1));
  const program = page.programs.indexOf(wanted.get("program"));
  ui.program = program >= 0 ? program : page.start;
  story = storyOf(ui.program);
  const stage = story.stages.findIndex((each) => each.name === wanted.get("stage"));
  ui.stage = stage >= 0 ? stage : openingStage();
  ui.selected = wanted.get("path");
  ui.layer = Number(wanted.get("layer")) || 0;
  ui.fold = wanted.get("unfold") !== "1";
  ui.heat = wanted.get("heat") || "";
  ui.open.clear();
  ui.all = null;
  if (wanted.get("open") === "none") closeAll();
  for (const part of addressParts) part.recall(wanted);
}
/** Where the page begins: at what was compared or measured, else at the model's equations. */
function openingStage() {
  if (comparison) return Math.max(0, story.stages.findIndex(({name}) => name === comparison.sides[ui.program].stage));
  return story.paint ? story.stages.length - 1 : 0;
}
function closeAll() {
  ui.open.clear();
  ui.all = false;
  ui.open.set("model", true);
}
