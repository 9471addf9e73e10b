// The beginning.

/** Draws all that the address asks for. */
function redraw() {
  fillTokens();
  drawLesson();
  drawComparison();
  fillTimeline();
  draw();
  if (ui.selected && !ui.selected.startsWith("module:")) show(ui.selected);
  else lookAtStage({glides: false});
}
function start() {
  tellPage();
  watchLesson();
  watchComparison();
  recall();
  fillHelp();
  watchControls();
  watchPointers();
  watchSearch();
  watchTokens();
  watchMemory();
  redraw();
  remember({isNew: false});
}
start();
requestAnimationFrame(() => { document.documentElement.dataset.ready = Math.round(performance.now()); });
