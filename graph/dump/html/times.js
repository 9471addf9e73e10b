// When the steps of the program ran, and for how long: of the call that computed the chosen token, as `vitro profile`
// measures it. Linked to the boxes of the program.

/** The profile of the call that computed a token where the program that is shown made it, else of that program's last; or null. */
function profiledCall(token = ui.token) {
  const calls = run?.profile?.runs.filter(({phase}) => phase === story.phase) || [];
  return calls.find(({first, count}) => token >= first && token < first + count) || calls[calls.length - 1] || null;
}
/** "the step of token 6, Paris" */
function callName({first, count}) {
  return count === 1 ? `the step of token ${first} “${pieceText(run.tokens[first][1])}”` : `the step of tokens ${first} to ${first + count - 1}`;
}
/** {begin, end, bytes, flops} of a step of the program, in seconds since the call; null where nothing runs or it is not the program's stage. */
function timeOf(path) {
  const call = ui.stage === story.stages.length - 1 ? profiledCall() : null;
  if (!call) return null;
  call.byPath ??= new Map(run.profile.paths[call.phase].map((each, i) => [each, call.steps[i]]));
  const [begin, end, bytes, flops] = call.byPath.get(path) || [];
  return begin === undefined ? null : {begin, end, bytes, flops};
}
const microseconds = (seconds) => `${short(1e6 * seconds)} µs`;
/** Facts for the panel of a node. */
function timeFacts(path) {
  const time = timeOf(path);
  if (!time) return [];
  const rate = (amount, unit) => (time.end > time.begin && amount ? `${human(amount / (time.end - time.begin), unit)}/s` : "");
  return [["took", `${microseconds(time.end - time.begin)} <span class="doc">in ${escaped(callName(profiledCall()))}</span>`],
    ["moved", `${human(time.bytes, "B")}${rate(time.bytes, "B") ? `, ${rate(time.bytes, "B")}` : ""}`], ["computed", time.flops ? `${human(time.flops, "FLOP")}, ${rate(time.flops, "FLOP")}` : ""]];
}
/** The layer of a path, for the middle lane of the timeline; "" outside of layers. */
function laneName(path) { return /^(.*?\.\d+)\./.exec(path)?.[1] ?? ""; }

/** The call in time: what surrounds the kernels, the layers, every step of the program. */
function timelineHtml() {
  const call = profiledCall();
  if (!call || ui.stage !== story.stages.length - 1) return "";
  const w = 338, at = (seconds) => (seconds / call.seconds) * w, paths = run.profile.paths[call.phase];
  const first = call.steps[0][0], last = call.steps[call.steps.length - 1][1], kernels = call.steps.reduce((sum, [begin, end]) => sum + end - begin, 0);
  const bar = (begin, end, y, h, style, title, data = "") => `<rect ${data} class="${style}" x="${at(begin).toFixed(2)}" y="${y}" width="${Math.max(0.4, at(end - begin)).toFixed(2)}" height="${h}"><title>${escaped(title)}: ${microseconds(end - begin)}</title></rect>`;
  const parts = [[0, call.program, "inputs and bookkeeping"], [call.program, first, "to the first kernel"], [first, last, "from the first kernel to the last"], [last, call.seconds, "results and bookkeeping"]]
    .map(([begin, end, name]) => bar(begin, end, 0, 14, name.includes("kernel to") ? "part run" : "part", name));
  const layers = [];
  call.steps.forEach(([begin, end], i) => {
    const name = laneName(paths[i]);
    if (layers.length && layers[layers.length - 1].name === name) layers[layers.length - 1].end = end;
    else layers.push({name, begin, end});
  });
  const lanes = layers.map(({name, begin, end}, i) => bar(begin, end, 18, 20, `lane${i % 2 ? " odd" : ""}`, name || "outside of layers"));
  const steps = call.steps.map(([begin, end], i) => bar(begin, end, 42, 46, `block${paths[i] === ui.selected ? " chosen" : ""}`, paths[i],
    `data-path="${escaped(paths[i])}" style="--work: var(--${stageNow().node(paths[i])?.work || "view"})"`));
  return `<h3>The step over time</h3><svg class="arena timeline" viewBox="0 0 ${w} 88" width="${w}" height="88" role="img" aria-label="The steps of the program over time">${parts.join("")}${lanes.join("")}${steps.join("")}</svg>
    <p class="doc">${escaped(callName(call))}, ${microseconds(call.seconds)} from left to right, of which kernels ${microseconds(kernels)}; without clocks ${microseconds(call.untimed)}. From top to bottom: the call, its layers, its steps. Click a step to go to its box.</p>
    <ul class="longest">${[...paths.keys()].sort((a, b) => call.steps[b][1] - call.steps[b][0] - call.steps[a][1] + call.steps[a][0]).slice(0, 5).map((i) => `<li><span class="path">${link(paths[i])}</span> <span class="why">${microseconds(call.steps[i][1] - call.steps[i][0])}</span></li>`).join("")}</ul>`;
}
