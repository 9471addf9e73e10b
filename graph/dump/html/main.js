// The beginning.

/** Draws all that the address asks for. */
function redraw() {
  fillTimeline();
  draw();
  if (ui.selected && !ui.selected.startsWith("module:")) show(ui.selected);
  else lookAtStage({glides: false});
}
function start() {
  recall();
  fillHelp();
  watchControls();
  watchPointers();
  watchSearch();
  redraw();
  remember({isNew: false});
}
start();
requestAnimationFrame(() => { document.documentElement.dataset.ready = Math.round(performance.now()); });
