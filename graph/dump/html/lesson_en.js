// The tour's words in English.
LESSONS.en = {
  words: {back: "Back", next: "Next", chapter: "Chapter", layer: "Layer", head: "Head", mask: "Mask"},
  chapters: [
    {title: "Text, pieces, ids, embeddings", needs: ["model.embed_tokens"], html: () => `
      <p>This page watches ${escaped(run.model.architecture)} compute one text. The model has ${run.model.layers.length} blocks, a stream of ${run.model.hidden} numbers per token, and a vocabulary of ${run.model.vocab.toLocaleString("en")} entries.
      The tokenizer cuts the text into ${counted(run.prompt, "piece")}, each of which stands in the vocabulary and has a number there, its id. A piece may be a word, a part of one, or a sign; ␣ is the space in front of a word.${beginsByMark() ? ` The first, ${piece(0)}, is no text: the tokenizer puts it in front as a mark of the beginning.` : ""}</p>
      <p>The embedding table has a row of ${run.model.hidden} numbers for every id. Looking up the rows is all that the first op does. Below are the first 32 numbers of each row, blue below zero and red above.</p>
      ${piecesFigure(["position", "piece", "id", "embedding"])}
      <p>In the graph: ${toGraph("build", "model.embed_tokens", "model.embed_tokens")}.</p>`},
    {title: "The way through the model", needs: ["model.embed_tokens", "logits"], html: () => `
      <p>The model has three parts: the embedding table, a stack of ${run.model.layers.length} blocks, and the head, which gives every entry of the vocabulary a score. Below is what comes out of each in the step that computed ${piece(ui.token)}: its shape, and how large the numbers of this token are (root mean square); of the last norm and the head, those of the step’s last token.
      That step took ${counted(run.steps[stepOf(ui.token)].count, "token")}, and scores were wanted of the last one alone.</p>
      ${forwardFigure({tokenizer: "tokenizer", embed: "a row for each id", block: "attention, then feed-forward", norm: "brought to one scale", head: "a score for each entry"})}
      <p>The same as modules in modules, with the sizes of their matrices; layers that are alike are listed once.</p>
      ${nestingFigure()}`},
    {title: "The loop: one token at a time", html: () => `
      <p>The model computes a probability for every entry of the vocabulary to be the next token. One of them is chosen, appended to the text, and the model runs again. Here the most probable one is always taken; that is greedy decoding, or temperature 0. Sampling would draw by these probabilities instead.</p>
      ${loopFigure()}
      <p>The last token that was chosen is not fed any more: the run ended there.</p>`},
    {title: "Streams and the context length", needs: ["model.embed_tokens"], html: () => `
      <p>Every token has its own stream of ${run.model.hidden} numbers, which passes through all blocks. The table shows how large the numbers of each stream are (root mean square) in front of the blocks and after each of them. The chosen token, ${piece(ui.token)}, is marked; choose another above.</p>
      ${streamsFigure("after")}
      <p>Only the last stream of a step decides the next token. The others are needed because attention in every block reads from them. There can be no more streams than the context length: ${run.model.context.toLocaleString("en")} for this model.</p>`},
    {title: "What the cache saves", html: () => `
      <p>Attention reads a key and a value of every earlier token. They do not change when tokens are appended, so they are kept: the KV cache. A step then computes only the newest stream. Without the cache, each step would compute all tokens anew.</p>
      ${cacheGrid({step: "step", kept: "kept", computed: "computed"})}
      <p>Both were measured on this machine, without looking at values meanwhile: the fastest of three rounds.</p>
      ${run.times ? cacheFigure(["tokens of the step", "with the cache", "without"]) : ""}
      <p>The price is memory: each token leaves ${cacheBytes().toLocaleString("en")} bytes of keys and values in this model, over all its blocks.</p>`},
    {title: "Inside a block: the norm", needs: ["input_layernorm"], when: () => opOf("input_layernorm") === "rms_norm", html: () => `
      <p>Block ${blockIndex()} first brings the stream of ${piece(ui.token)} to a common scale: RMSNorm divides it by its root mean square and multiplies each number by a weight that was learned. ε is ${run.model.eps}.</p>
      ${MATH.norm}${normFigure("the first 64 numbers")}`},
    {title: "Queries, keys and values", needs: ["self_attn.v_heads", "self_attn.k_heads"], html: () => `
      <p>Three matrices make of each normed stream a query, a key and a value for every head. The query says what this token looks for, a key what a token offers to be found by, a value what is then taken from it. Each has ${run.model.layers[blockIndex()].head_dim} numbers.${opOf("self_attn.qkv_proj") ? " In this model’s files the three stand one below the other, as a single matrix, qkv_proj." : ""}</p>
      <p>Head ${tour.head} of block ${blockIndex()} uses head ${kvHead()} of keys and values. Below is the query of ${piece(ui.token)}, and the keys and values of all tokens up to it.${queryPath().endsWith("q_rope") ? " Queries and keys are shown as attention reads them: turned by their positions, of which a later chapter tells." : ""}</p>
      ${projectionsFigure(["", "numbers"])}`},
    {title: "Attention, step one: how relevant is each token?", needs: ["self_attn.scores", "self_attn.scaled_scores", "self_attn.attention_weights"], when: () => isPlainSoftmax(), html: () => `
      <p>The query of ${piece(ui.token)} is multiplied with every key, number by number, and summed: a score. The scores are divided by the square root of d = ${run.model.layers[blockIndex()].head_dim}, which is ${short(Math.sqrt(run.model.layers[blockIndex()].head_dim))}; the softmax turns them into weights that sum to 1.</p>
      ${MATH.scores}${scoresFigure(["key of", "q · k", "scaled", "weight"])}
      <p>In the graph: ${toGraph("build", inBlock("self_attn.scores"), "scores")}, ${toGraph("build", inBlock("self_attn.attention_weights"), "softmax")}.</p>`},
    {title: "Attention, step two: combining", needs: ["self_attn.attended", "self_attn.o_proj"], html: () => `
      <p>Each head sums the values, weighted. Its result has ${run.model.layers[blockIndex()].head_dim} numbers. The results of all ${run.model.heads} heads are put one after the other, and one more matrix, o_proj, mixes them into an update of the stream.</p>
      ${MATH.mix}${mixFigure(["head", "rms", "its result"])}`},
    {title: "Many heads look at different tokens", needs: ["self_attn.attention_weights"], html: () => `
      <p>These are the attention weights of all heads of block ${blockIndex()}. A row is a token that looks, a column one that is looked at. Choose another layer above, and see how different they are.</p>${headsFigure()}`},
    {title: "Multi-head, grouped and multi-query", needs: ["self_attn.k_cache.append"], html: () => `
      <p>Every head has queries of its own. Keys and values may be shared: not at all (multi-head attention), within groups of heads (grouped-query), or among all heads (multi-query). This model has ${run.model.heads} heads of queries and ${run.model.layers[blockIndex()].kv_heads} of keys and values in this block. Sharing makes the cache smaller; the last column says how many bytes each token leaves in it. The star marks this model’s own way; head ${tour.head} is marked.</p>
      ${groupsSvg((n) => (n === run.model.heads ? "multi-head" : n === 1 ? "multi-query" : `grouped, ${n} heads of keys and values`))}
      ${groupsFigure(["heads of keys and values", "who reads which", "cache per token"])}`},
    {title: "What a token may see", needs: ["self_attn.attention_weights"], html: () => `
      <p>A mask says which tokens may be looked at. This model decodes: a token sees itself and what is before it${run.model.layers[blockIndex()].window ? `, at most ${run.model.layers[blockIndex()].window} positions (its sliding window)` : ""}. Choose another mask to see which places it would leave. Grey places would be hidden; the colours are the weights that this run computed, with its own mask.</p>
      ${maskFigure({full: "full: everything before", sliding: "sliding window of 3", strided: "sparse, strided by 3", fixed: "sparse, fixed blocks of 3", both: "both directions, as in BERT (the future is unknown here)", packed: "packed: two texts in one context"})}
      <p>A window or a sparse pattern makes attention cheaper on long texts; models such as GPT-3 alternate full and sparse blocks. In a packed context several short texts lie one after the other: no text sees another, and positions begin at 0 in each. FlashAttention changes no mask and no result; it computes the same without writing the square of scores to main memory, as the op <code>attention</code> of the program does.</p>`},
    {title: "Positions: RoPE turns vectors", needs: ["self_attn.q_rope", "self_attn.q_heads"], when: () => run.model.layers.every((layer) => layer.plain_rope), html: () => `
      <p>The score of two tokens has to depend on how far apart they are. RoPE takes the numbers of a query or a key in pairs, number i with number i + ${run.model.layers[blockIndex()].rotary_dim / 2}, and turns each pair by an angle: the position p times a speed, which is smaller from pair to pair. θ is ${run.model.layers[blockIndex()].theta.toLocaleString("en")}. Queries and keys are turned inside attention, before scoring; then q · k depends on the positions only by their difference.</p>
      ${MATH.rope}<p>Thin: pair i of the query of ${piece(ui.token)} before turning. Thick: after it. At the position of the token, ${ui.token}, what is computed here equals the value of the run (after =).</p>
      ${ropeControls("Position")}
      <p>Learned tables of positions cannot say what lies beyond their end, and count on from one packed text into the next. A turn is counted from the start of each text. If the prompt were two texts in one context, cut in its middle, the positions would be:</p>
      ${packFigure({through: "counted through", own: "of each text"})}`},
    {title: "The feed-forward layer", needs: ["mlp.gated", "mlp.down_proj"], when: () => isPlainFeedForward(), html: () => `
      <p>After attention has mixed in other tokens, each stream is worked on alone. Two matrices widen it from ${run.model.hidden} to ${run.model.intermediate} numbers: one makes a gate, the other what the gate lets through. A third brings it back. In this block ${weightsOf(inBlock("mlp")).toLocaleString("en")} weights are in the feed-forward layer and ${weightsOf(inBlock("self_attn")).toLocaleString("en")} in attention. Much of what a model remembers is stored in the feed-forward layers.</p>
      ${MATH.gate}${gateFigure("the first 64 numbers")}`},
    {title: "The residual stream, then and now", needs: ["attention_residual", "mlp_residual", "input_layernorm", "post_attention_layernorm", "mlp.down_proj"], when: () => isPlainBlock(), html: () => `
      <p>Attention and the feed-forward layer do not replace the stream, they add to it. So every block finds what earlier ones left.</p>
      ${MATH.residual}${blockFigure({attention: "attention", relu: "feed-forward, ReLU", gated: "feed-forward, gated", then: "2017", now: "this block"})}${residualFigure()}
      ${tableHtml(["", "2017", "today"], [["norm", "LayerNorm, after the sum", "RMSNorm, before each part"], ["feed-forward", "ReLU", "gated, with SiLU (SwiGLU)"], ["attention", "multi-head", "grouped-query"], ["positions", "added to the embedding", "RoPE"], ["residuals", "yes", "yes"]])}`},
    {title: "The head chooses", needs: ["logits"], html: () => `
      <p>After the last block the stream is normed once more. The head multiplies it with one row of ${run.model.hidden} weights per vocabulary entry: ${run.model.vocab.toLocaleString("en")} scores, the logits. A softmax over them gives the probabilities. After the step ${lastOfStep() === ui.token ? `that ends with ${piece(ui.token)}` : `that computed ${piece(ui.token)}, whose last token is ${piece(lastOfStep())}`}, these were the most probable tokens, with their logits.</p>
      ${rivalsFigure()}
      ${temperatureControls("Temperature")}
      <p>Sampling divides the logits by a temperature T before the softmax: below 1 the most probable tokens gain, above 1 their rivals do; at 0 only the first is left.</p>
      <p>Other heads on the same blocks classify a whole text, or each token of it.</p>`},
    {title: "How the compiler sees the same", html: () => `
      <p>All of this is one graph. Passes rewrite it into fewer, larger ops that compute the same and move fewer bytes; each row is a pass that changed something (sizes at the bounds of a step; phase: ${escaped(story.phase)}). Click a name to watch it in the graph.</p>
      ${compilerFigure(["stage", "what it does", "ops", "bytes per step"])}`},
  ],
};
