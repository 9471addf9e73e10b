// The guided tour: chapters about this model computing this text. Words stand in lesson_en.js and lesson_zh.js, drawings in
// figures*.js, what is so of a model in lesson_model.js; every number comes from the run.
const LESSONS = {};  // by language: {words, chapters: [{title, needs, when, html}]}
const tour = {chapter: -1, head: 0, mask: "own", position: null, temperature: 1};

const lessonOn = () => Boolean(run?.lesson) && tour.chapter >= 0;
/** The chapters whose values this model has. */
function chapters() {
  const isThere = (name) => run.values[ownName(name.startsWith("model.") || name === "logits" ? name : `model.layers.0.${name}`)];
  return LESSONS[run.lesson].chapters.filter(({needs = [], when = () => true}) => needs.every(isThere) && when());
}
/** Where a chapter stands, from 1; 0 if this model has none of the kind. */
const chapterNumber = (key) => chapters().findIndex((chapter) => chapter.key === key) + 1;
const percent = (x) => (x > 0 && x < 5e-5 ? "< 0.01 %" : `${(100 * x).toFixed(x > 0.9995 ? 3 : 2)} %`);
const piece = (token) => `<b class="piece">${escaped(pieceText(run.tokens[token][1]))}</b>`;
const milliseconds = (seconds) => `${(1e3 * seconds).toFixed(seconds < 0.1 ? 3 : 1)} ms`;

function drawLesson() {
  if (!run?.lesson) return;
  $("lesson").hidden = !lessonOn();
  $("lesson-button").setAttribute("aria-pressed", lessonOn());
  if (!lessonOn()) return;
  const all = chapters(), words = LESSONS[run.lesson].words;
  tour.chapter = clamp(tour.chapter, 0, all.length - 1);
  tour.head = clamp(tour.head, 0, run.model.heads - 1);
  const options = (count, chosen, text) => Array.from({length: count}, (_, i) => `<option value="${i}" ${i === chosen ? "selected" : ""}>${escaped(text(i))}</option>`).join("");
  $("lesson-nav").innerHTML = `<button data-lesson="-1" ${tour.chapter === 0 ? "disabled" : ""}>‹ ${words.back}</button>
    <select id="lesson-chapter" aria-label="${words.chapter}">${options(all.length, tour.chapter, (i) => `${i + 1}. ${all[i].title}`)}</select>
    <button data-lesson="1" ${tour.chapter === all.length - 1 ? "disabled" : ""}>${words.next} ›</button>
    <label class="choice">${words.layer} <select id="lesson-layer">${options(run.model.layers.length, blockIndex(), String)}</select></label>
    <label class="choice">${words.head} <select id="lesson-head">${options(run.model.heads, tour.head, String)}</select></label>`;
  $("lesson-text").lang = run.lesson;
  $("lesson-text").innerHTML = `<h2>${tour.chapter + 1}. ${escaped(all[tour.chapter].title)}</h2>${all[tour.chapter].html()}`;
}
function toChapter(index, {isNew = true} = {}) {
  tour.chapter = index;
  drawLesson();
  $("lesson-text").scrollTop = 0;
  remember({isNew});
}
/** A link into the graph: leaves the tour. */
const toGraph = (stage, path, text) => `<a href="#stage=${stage}&path=${encodeURIComponent(path)}" data-graph-stage="${stage}" data-graph-path="${escaped(path)}">${text}</a>`;

function watchLesson() {
  if (!run?.lesson) return;
  $("lesson-button").hidden = false;
  addressParts.push({
    keep(parts) { if (lessonOn()) parts.push(["lesson", tour.chapter + 1]); },
    recall(wanted) { tour.chapter = wanted.has("lesson") ? Number(wanted.get("lesson")) - 1 : location.hash ? -1 : 0; },
  });
  $("lesson-button").addEventListener("click", () => { toChapter(lessonOn() ? -1 : 0); });
  $("lesson").addEventListener("click", (event) => {
    const button = event.target.closest("[data-lesson]"), graph = event.target.closest("[data-graph-stage]");
    if (button) toChapter(tour.chapter + Number(button.dataset.lesson));
    if (!graph) return;
    event.preventDefault();
    tour.chapter = -1;
    ui.stage = story.stages.findIndex((stage) => stage.name === graph.dataset.graphStage);
    drawLesson();
    show(graph.dataset.graphPath);
  });
  $("lesson").addEventListener("change", ({target}) => {
    if (target.id === "lesson-chapter") toChapter(Number(target.value));
    if (target.id === "lesson-head") tour.head = Number(target.value);
    if (target.id === "lesson-mask") tour.mask = target.value;
    if (target.id === "lesson-layer") { ui.layer = Number(target.value); draw(); }
    if (["lesson-head", "lesson-mask", "lesson-layer"].includes(target.id)) { drawLesson(); $(target.id).focus(); remember({isNew: false}); }
  });
  $("lesson").addEventListener("input", ({target}) => {
    if (target.id === "lesson-position") {
      tour.position = Number(target.value);
      $("rope-figure").innerHTML = ropeFigure();
    }
    if (target.id === "lesson-temperature") {
      tour.temperature = Number(target.value);
      $("temperature-figure").innerHTML = temperatureFigure();
    }
  });
}
