// The line of tokens above the graph, and what boxes are coloured by.

const HEATS = {
  "": "what they do", bytes: "bytes moved", flops: "operations", time: "microseconds of the step", rms: "rms of the value", most: "largest magnitude", error: "error against side a",
};
/** The number that a box is coloured by, or null. */
function heatNumber(item) {
  if (item.kind !== "node") return null;
  if (ui.heat === "bytes" || ui.heat === "flops") return item.node[ui.heat];
  if (ui.heat === "time") { const time = timeOf(item.node); return time && 1e6 * time.seconds; }
  if (ui.heat === "error") return (boxError(item) || null) && errorNumber(boxError(item));
  const value = valueOfBox(item);
  if (!value) return null;
  if (value.nan || value.plus) return Infinity;
  return ui.heat === "rms" ? value.rms : Math.max(Math.abs(value.min), Math.abs(value.max));
}
/** The ends of the scale: what is drawn. */
function heatScale() {
  if (scene.heatScale) return scene.heatScale;
  const all = panes.flatMap((pane) => [...pane.scene.boxes()]).map(heatNumber).filter((x) => x > 0 && Number.isFinite(x));
  return (scene.heatScale = all.length ? {title: say(HEATS[ui.heat]), log: true, least: Math.min(...all), most: Math.max(...all)} : null);
}
/** The colour of a box, or null: by the chosen number, else by the paint that the page was written with. */
function heatOf(item) {
  if (!ui.heat) {
    const mark = markOf(item.stage.story, item);
    return mark && heat(story.paint, mark[1]);
  }
  const number = heatNumber(item), scale = heatScale();
  if (number === Infinity) return "hsl(330, 90%, 50%)";
  return number > 0 && scale ? heat(scale, number) : null;
}
/** What the colours mean, for the caption. */
function heatLegend() {
  if (!ui.heat && !story.paint) return "";
  const scale = ui.heat ? heatScale() : {...story.paint, title: say(story.paint.title)}, legend = scale ? paintLegend(scale) : "";
  const isOfSteps = ui.heat ? ui.heat === "time" : story.paint.ofSteps;
  return !isOfSteps || stageNow().isLast ? legend : `${legend}<span class="paint">${say`each box has the time of the program’s kernel that it became part of`}</span>`;
}

function fillTokens() {
  const isThere = {time: run?.profile, rms: run, most: run, error: comparison?.values.some((row) => row.sides.some((side) => side.error))};
  const heats = Object.entries(HEATS).filter(([name]) => !(name in isThere) || isThere[name]);
  if (story.paint) heats[0] = ["", story.paint.title];
  $("heat").innerHTML = heats.map(([name, text]) => `<option value="${name}">${escaped(say(text))}</option>`).join("");
  if (!run) return;
  $("tokens").hidden = false;
  $("trouble").textContent = run.trouble;
  $("token").max = lastToken();
  $("token-list").innerHTML = run.tokens.map(([id, piece], i) => `<li><button data-token="${i}" class="${i >= run.prompt ? "made" : ""}" ${i > lastToken() ? "disabled" : ""}
    title="${say`token ${i}, id ${id}`}${i >= run.prompt ? say`, chosen by the model` : ""}${i > lastToken() ? say`, not fed again` : ""}">${escaped(pieceText(piece))}</button></li>`).join("");
}
function drawTokens() {
  if (![...$("heat").options].some((option) => option.value === ui.heat)) ui.heat = "";
  $("heat").value = ui.heat;
  if (!run) return;
  $("token").value = ui.token;
  $("token").setAttribute("aria-valuetext", say`token ${ui.token}, ${pieceText(run.tokens[ui.token][1])}`);
  for (const button of document.querySelectorAll("[data-token]")) button.setAttribute("aria-pressed", Number(button.dataset.token) === ui.token);
}
function toToken(token, {isNew = true} = {}) {
  if (!run) return;
  ui.token = clamp(token, 0, lastToken());
  const scroll = $("panel").scrollTop;
  draw();
  $("panel").scrollTop = scroll;
  tour.position = null;
  drawLesson();
  remember({isNew});
}
function watchTokens() {
  $("token-list").addEventListener("click", (event) => { const to = event.target.closest("[data-token]"); if (to) toToken(Number(to.dataset.token)); });
  $("token").addEventListener("input", () => toToken(Number($("token").value), {isNew: false}));
  $("heat").addEventListener("change", () => { ui.heat = $("heat").value; draw(); remember(); });
}
