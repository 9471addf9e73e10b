// When the steps of the program ran, and for how long: of the call that computed the chosen token, as `vitro profile`
// measures it. Linked to the boxes of the program.

/** The profile of the call that computed a token where the program that is shown made it, else of that program's last; or null. */
function profiledCall(token = ui.token) {
  const calls = run?.profile?.runs.filter(({phase}) => phase === story.phase) || [];
  return calls.find(({first, count}) => token >= first && token < first + count) || calls[calls.length - 1] || null;
}
/** "the step of token 6, Paris" */
function callName({first, count}) {
  return count === 1 ? say`the step of token ${first} “${pieceText(run.tokens[first][1])}”` : say`the step of tokens ${first} to ${first + count - 1}`;
}
/**
 * What the steps of the program took that a node of any stage became part of: {seconds, bytes, flops, kernels, isOwn};
 * isOwn where they compute nothing else. Null where nothing runs in the step.
 */
function timeOf(node) {
  const call = profiledCall();
  if (!call) return null;
  call.byPath ??= new Map(run.profile.paths[call.phase].map((each, i) => [each, call.steps[i]]));
  const kernels = story.kernelsOf(node).filter(({path}) => call.byPath.get(path));
  if (kernels.length === 0) return null;
  const sum = (of) => kernels.reduce((all, {path}) => all + of(call.byPath.get(path)), 0);
  return {seconds: sum(([begin, end]) => end - begin), bytes: sum((step) => step[2]), flops: sum((step) => step[3]), kernels, isOwn: isOwnKernel(node, kernels)};
}
const isOwnKernel = (node, kernels) => kernels.length === 1 && kernels[0].path === node.path && kernels[0].op === node.op;
const partText = (kernels) => say`part of ${kernels.map(({op}) => op).join(", ")}`;
const microseconds = (seconds) => `${short(1e6 * seconds)} µs`;
/** For a box: "7.3 µs", "part of attention: 7.3 µs" */
const timeText = ({seconds, kernels, isOwn}) => (isOwn ? "" : `${partText(kernels)}: `) + microseconds(seconds);
/** Facts for the panel of a node. */
function timeFacts(node) {
  const time = timeOf(node);
  if (!time) return [];
  const rate = (amount, unit) => (time.seconds > 0 && amount ? `${human(amount / time.seconds, unit)}/s` : "");
  return [time.isOwn ? null : [say`runs as part of`, time.kernels.map(({path, op}) => `${escaped(op)} ${stageLink(story.stages.length - 1, path)}`).join(", ")],
    [time.isOwn ? say`took` : say`which took`, `${microseconds(time.seconds)} <span class="doc">${say`in ${escaped(callName(profiledCall()))}`}</span>`],
    [time.isOwn ? say`moved` : say`which moved`, `${human(time.bytes, "B")}${rate(time.bytes, "B") ? `, ${rate(time.bytes, "B")}` : ""}`],
    [time.isOwn ? say`computed` : say`which computed`, time.flops ? `${human(time.flops, "FLOP")}, ${rate(time.flops, "FLOP")}` : ""]];
}
/** The layer of a path, for the middle lane of the timeline; "" outside of layers. */
function laneName(path) { return /^(.*?\.\d+)\./.exec(path)?.[1] ?? ""; }

/** The call in time: what surrounds the kernels, the layers, every step of the program. */
function timelineHtml() {
  const call = profiledCall();
  if (!call || !stageNow().isLast) return "";
  const w = 338, at = (seconds) => (seconds / call.seconds) * w, paths = run.profile.paths[call.phase];
  const first = call.steps[0][0], last = call.steps[call.steps.length - 1][1], kernels = call.steps.reduce((sum, [begin, end]) => sum + end - begin, 0);
  const bar = (begin, end, y, h, style, title, data = "") => `<rect ${data} class="${style}" x="${at(begin).toFixed(2)}" y="${y}" width="${Math.max(0.4, at(end - begin)).toFixed(2)}" height="${h}"><title>${escaped(title)}: ${microseconds(end - begin)}</title></rect>`;
  const parts = [[0, call.program, say`inputs and bookkeeping`, "part"], [call.program, first, say`to the first kernel`, "part"], [first, last, say`from the first kernel to the last`, "part run"], [last, call.seconds, say`results and bookkeeping`, "part"]]
    .map(([begin, end, name, style]) => bar(begin, end, 0, 14, style, name));
  const layers = [];
  call.steps.forEach(([begin, end], i) => {
    const name = laneName(paths[i]);
    if (layers.length && layers[layers.length - 1].name === name) layers[layers.length - 1].end = end;
    else layers.push({name, begin, end});
  });
  const lanes = layers.map(({name, begin, end}, i) => bar(begin, end, 18, 20, `lane${i % 2 ? " odd" : ""}`, name || say`outside of layers`));
  const steps = call.steps.map(([begin, end], i) => bar(begin, end, 42, 46, `block${paths[i] === ui.selected ? " chosen" : ""}`, paths[i],
    `data-path="${escaped(paths[i])}" style="--work: var(--${stageNow().node(paths[i])?.work || "view"})"`));
  return `<h3>${say`The step over time`}</h3><svg class="arena timeline" viewBox="0 0 ${w} 88" width="${w}" height="88" role="img" aria-label="${say`The steps of the program over time`}">${parts.join("")}${lanes.join("")}${steps.join("")}</svg>
    <p class="doc">${say`${escaped(callName(call))}, ${microseconds(call.seconds)} from left to right, of which kernels ${microseconds(kernels)}; without clocks ${microseconds(call.untimed)}. From top to bottom: the call, its layers, its steps. Click a step to go to its box.`}</p>
    <ul class="longest">${[...paths.keys()].sort((a, b) => call.steps[b][1] - call.steps[b][0] - call.steps[a][1] + call.steps[a][0]).slice(0, 5).map((i) => `<li><span class="path">${link(paths[i])}</span> <span class="why">${microseconds(call.steps[i][1] - call.steps[i][0])}</span></li>`).join("")}</ul>`;
}
