// The search: paths, ops and kinds of every stage, layers that are alike once.
let hitAt = 0;
const MOST_HITS = 400;  // more would only be scrolled past; the last line says how many there are

/** What can be found: of each path, what it is and the stages that have it, first those of this story's last. */
function findable() {
  if (story.findable) return story.findable;
  const all = new Map();
  story.stages.forEach((stage, index) => {
    const add = (path, what) => {
      if (!all.has(path)) all.set(path, {path, what, stages: new Set(), of: new Map()});
      all.get(path).stages.add(index);
      all.get(path).of.set(index, what);
    };
    for (const node of stage.nodes) {
      for (const value of node.outputs) add(value.path, node.op);
      for (const value of node.inputs) if (!stage.node(value.path)) add(value.path, value.kind);
    }
  });
  return (story.findable = [...all.values()]);
}
function found(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const here = [], elsewhere = [];
  for (const each of findable()) {
    const isHere = each.stages.has(ui.stage), what = each.of.get(ui.stage) ?? each.what;
    if (!words.every((word) => each.path.toLowerCase().includes(word) || what.includes(word))) continue;
    (isHere ? here : elsewhere).push({path: each.path, why: what, mark: isHere ? "" : story.stages[Math.max(...each.stages)].name});
  }
  return [...foldedLines(here), ...foldedLines(elsewhere)];
}
let hits = [];
function search() {
  const query = $("query").value, list = $("hits");
  hits = found(query);
  const shown = hits.slice(0, MOST_HITS);
  let html = shown.map((hit, i) => `<li id="hit-${i}" role="option" aria-selected="${i === hitAt}" data-hit="${i}" class="${i === hitAt ? "at" : ""}"><span>${escaped(hit.name)}${hit.count > 1 ? ` <small>${hit.count} ×</small>` : ""}</span>
    <b>${escaped(hit.why)}${hit.mark ? say` · at ${escaped(hit.mark)}` : ""}</b></li>`).join("");
  if (hits.length > shown.length) html += `<li role="option" aria-selected="false" aria-disabled="true">${say`${(hits.length - shown.length).toLocaleString("en")} more: type more of the path`}</li>`;
  if (query.trim() && hits.length === 0) html = `<li role="option" aria-selected="false" aria-disabled="true">${say`No path or op of any stage has “${escaped(query.trim())}”.`}</li>`;
  list.innerHTML = html;
  const isOpen = html !== "";
  list.classList.toggle("open", isOpen);
  $("query").setAttribute("aria-expanded", isOpen);
  if (isOpen && shown.length) $("query").setAttribute("aria-activedescendant", `hit-${hitAt}`);
  else $("query").removeAttribute("aria-activedescendant");
  list.querySelector(".at")?.scrollIntoView({block: "nearest"});
}
function closeHits() {
  $("hits").classList.remove("open");
  $("query").setAttribute("aria-expanded", false);
}
function takeHit(index) {
  const hit = hits[index];
  if (!hit) return;
  closeHits();
  const drawn = hit.count > 1 && stageNow().repeatOf(hit.path) ? drawnPath(hit.path) : hit.path;  // the layer that is shown
  showWhereItIs(drawn);
}
function watchSearch() {
  const query = $("query");
  query.addEventListener("input", () => { hitAt = 0; search(); });
  query.addEventListener("focus", () => { if (query.value) search(); });
  query.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      hitAt = (hitAt + (event.key === "ArrowDown" ? 1 : hits.length - 1)) % Math.max(1, Math.min(hits.length, MOST_HITS));
      event.preventDefault();
      search();
    } else if (event.key === "Enter") {
      search();
      takeHit(hitAt);
    } else if (event.key === "Escape") {
      closeHits();
      query.blur();
    }
    event.stopPropagation();
  });
  query.addEventListener("blur", () => setTimeout(closeHits, 150));
  $("hits").addEventListener("pointerdown", (event) => {
    event.preventDefault();  // the field keeps the focus
    const hit = event.target.closest("[data-hit]");
    if (hit) takeHit(Number(hit.dataset.hit));
  });
}
