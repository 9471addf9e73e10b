// What the tour knows of the model: what its parts are called, and what is so of them. A chapter stands, and a sentence is
// said, only where it is so.

/** Names that most models give their parts, and what GPT-2 calls the same. */
const OTHER_NAMES = [["model.embed_tokens", "transformer.wte"], ["model.layers.", "transformer.h."], ["model.norm", "transformer.ln_f"],
  ["self_attn.", "attn."], ["o_proj", "c_proj"], ["input_layernorm", "ln_1"]];
const equations = () => story.stages[0];
function ownName(path) { return equations().node("transformer.wte") ? OTHER_NAMES.reduce((name, [from, to]) => name.replace(from, to), path) : path; }
/** The layer that the tour speaks of, and paths in it. */
function blockIndex() { return clamp(ui.layer, 0, run.model.layers.length - 1); }
const layerNow = () => run.model.layers[blockIndex()];
const inBlock = (name, index = blockIndex()) => ownName(`model.layers.${index}.${name}`);
const nodeIn = (name, index) => equations().node(inBlock(name, index));
const opIn = (name, index) => nodeIn(name, index)?.op;
const embeddingPath = () => ownName("model.embed_tokens");
/** A linear's result: after its bias, where it has one. */
const withBias = (path) => (equations().node(`${path}.add_bias`) ? `${path}.add_bias` : path);

/** What a block's first half and its second begin with and add to: the stream. */
const streamBefore = (index = blockIndex()) => nodeIn("attention_residual", index).inputs[0].path;
const streamAfter = (index = blockIndex()) => inBlock("mlp_residual", index);
const isNorm = (node) => node?.op === "rms_norm" || node?.op === "layer_norm";
/**
 * A half of a block, {from, norm, part, after, sum}: the norm that the part reads the stream through, where there is
 * one; the part's result; what is done to that before it is added (norms and scalings).
 */
function halfOf(name, index = blockIndex()) {
  const sum = nodeIn(name, index), from = sum.inputs[0].path, after = [];
  let part = equations().node(sum.inputs[1].path);
  for (; isNorm(part) || part.path.endsWith(".scaled"); part = equations().node(part.inputs[0].path)) after.unshift(part);
  const norm = (equations().readers.get(from) || []).find((node) => isNorm(node) && node.path.startsWith(inBlock("")));
  return {from, norm, part: part.path, after, sum: sum.path};
}
const halves = (index) => ["attention_residual", "mlp_residual"].map((name) => halfOf(name, index));
const normName = (node) => (node.op === "rms_norm" ? "RMSNorm" : "LayerNorm");
/** Whether a block is as in the formula: x + part(RMSNorm(x)), twice. */
const isUsualBlock = () => halves().every(({norm, after}) => norm?.op === "rms_norm" && after.length === 0);
/** "gated", "plain" (two matrices) or "experts". */
function feedForwardKind(index = blockIndex()) { return run.model.layers[index].has_experts ? "experts" : nodeIn("mlp.gated", index) ? "gated" : "plain"; }
/** The nonlinearity of the feed-forward layer, as its op is called. */
const activationName = () => opIn("mlp.act_fn") ?? "";

/** Values of attention in the block at hand, as attention reads them and before turning. */
const firstOf = (...names) => names.map((name) => inBlock(`self_attn.${name}`)).find((path) => equations().node(path) || run.values[path]);
const queryPath = () => firstOf("q_rope", "q_norm", "q_heads");
const keyPath = () => firstOf("k_rope", "k_norm", "k_heads");
const isTurned = () => Boolean(nodeIn("self_attn.q_rope"));
const unturned = (path) => equations().node(path).inputs[0].path;
const isNormedQuery = () => Boolean(nodeIn("self_attn.q_norm"));
const kvHead = (head = tour.head) => Math.floor(head / (run.model.heads / layerNow().kv_heads));
/** Whether the equations have so many heads of keys and values as of queries, fewer, or one. */
function headsKind(kvHeads) { return kvHeads === run.model.heads ? "multi-head" : kvHeads === 1 ? "multi-query" : "grouped"; }
/**
 * How the block at hand makes weights of scores: the factor before the softmax, by the run's numbers (undefined where they
 * were not kept); whether that is one over the square root of d; the bound that holds them, if any; whether there is a sink.
 */
function scoring(index = blockIndex()) {
  const row = (name, token) => rowOf(inBlock(`self_attn.${name}`, index), token, 0);
  const token = fedTokens().findLast((each) => row("scores", each) && row("scaled_scores", each));
  const largest = token === undefined ? -1 : row("scores", token).reduce((best, x, key, all) => (Math.abs(x) > Math.abs(all[best]) ? key : best), 0);
  const factor = largest < 0 ? undefined : row("scaled_scores", token)[largest] / row("scores", token)[largest];
  return {factor, isRoot: Math.abs(factor * Math.sqrt(run.model.layers[index].head_dim) - 1) < 1e-3,
    cap: nodeIn("self_attn.capped_scores", index)?.attributes.find(([name]) => name === "cap")?.[1], hasSink: nodeIn("self_attn.attention_weights", index).inputs.length > 1};
}
/** Whether a token sees another, in a layer. */
function sees(query, key, {window, stride, summary} = layerNow()) {
  const distance = query - key;
  if (distance < 0 || (window > 0 && distance >= window)) return false;
  if (stride === 0) return true;
  if (summary === 0) return distance < stride || distance % stride === 0;
  return Math.floor(query / stride) === Math.floor(key / stride) || key % stride >= stride - summary;
}
/** How many numbers of a query are turned. */
const ropeSize = () => 2 * speedsOf().length;
/** The op of the program that computes attention in the block at hand without writing all scores, if there is one. */
const programAttention = () => story.stages.at(-1).nodes.find((node) => node.op === "attention" && node.path.startsWith(inBlock("")))?.path;
/** A file may say it in fp32: 1e-5 as 0.00000999999975. */
const epsilon = () => String(Number(run.model.eps.toPrecision(6)));
/** How the block at hand turns queries and keys, or undefined; and radians a position of each pair, in a token's step. */
const ropeNow = () => run.model.ropes[layerNow().rope];
function speedsOf(token = ui.token) {
  const {first, count} = run.steps[stepOf(token)], {speeds, long_speeds: longSpeeds, short_until: until} = ropeNow();
  return first + count > until ? longSpeeds : speeds;
}

const fedTokens = () => Array.from({length: lastToken() + 1}, (_, i) => i);
/** The tokens that the chosen one sees in the block at hand. */
const seenTokens = () => fedTokens().filter((key) => sees(ui.token, key));
/** Whether the run was given ids, not a text. */
const isWithoutText = () => run.tokens.every(([id, text]) => text === String(id));
/** Whether the first token is a mark such as <s>, which no text has. */
const beginsByMark = () => /^<.*>$|^\[.*\]$/.test(run.tokens[0][1]);
/** The last token of the step that computed the chosen one: it decides what comes next. */
const lastOfStep = () => { const {first, count} = run.steps[stepOf(ui.token)]; return first + count - 1; };
const isTied = () => !story.moduleOf.has("lm_head");

/** Bytes of keys and values that a token leaves in the cache, with that many heads of them in each layer. */
function cacheBytes(kvHeads) {
  return run.model.layers.reduce((sum, layer, index) => sum + ["k_cache", "v_cache"].reduce((both, name) => {
    const {bytes, type} = nodeIn(`self_attn.${name}.append`, index).outputs[0], [pages, size] = type.replace(/^[^[]*\[|\]/g, "").split(", ").map(Number);
    return both + (bytes / (pages * size)) * ((kvHeads ?? layer.kv_heads) / layer.kv_heads);
  }, 0), 0);
}
/** How many weights the parts of a block have, from the types of the graph. */
function weightsOf(part) {
  const weights = new Map(equations().nodes.flatMap((node) => node.inputs).filter(({kind, path}) => kind === "weight" && path.startsWith(`${part}.`)).map((value) => [value.path, value]));
  return [...weights.values()].reduce((sum, {type}) => sum + type.replace(/^[^[]*\[|\]/g, "").split(", ").reduce((a, b) => a * Number(b), 1), 0);
}
/** The part of the block, such as model.layers.0.mlp, that a value in it belongs to. */
const partOf = (path) => inBlock(path.slice(inBlock("").length).split(".")[0]);
