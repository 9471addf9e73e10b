// The tour's words in Chinese.
LESSONS.zh = {
  words: {back: "上一章", next: "下一章", chapter: "章节", layer: "层", head: "头", mask: "掩码"},
  chapters: [
    {title: "文本、词元、编号与嵌入", needs: ["model.embed_tokens"], html: () => `
      <p>本页展示 ${escaped(run.model.architecture)} 计算一段文本的全过程。该模型有 ${run.model.layers.length} 个块，每个词元有一条由 ${run.model.hidden} 个数组成的数据流，词表共 ${run.model.vocab.toLocaleString("en")} 项。分词器把文本切成 ${run.prompt} 个词元；每个词元都在词表中，有一个编号（id）。词元可以是一个词、词的一部分或一个符号；␣ 表示词前的空格。${beginsByMark() ? `第一个词元 ${piece(0)} 不是文本：它是分词器加在前面的开头标记。` : ""}</p>
      <p>嵌入表为每个编号存有一行，共 ${run.model.hidden} 个数。第一个算子所做的只是查出这些行。下面是每行的前 32 个数，蓝色小于零，红色大于零。</p>
      ${piecesFigure(["位置", "词元", "编号", "嵌入"])}
      <p>在图中：${toGraph("build", "model.embed_tokens", "model.embed_tokens")}。</p>`},
    {title: "穿过模型的路", needs: ["model.embed_tokens", "logits"], html: () => `
      <p>模型有三个部分：嵌入表、${run.model.layers.length} 个块叠成的栈，以及为词表每一项打分的输出头。下面是在计算 ${piece(ui.token)} 的那一步中各部分的输出：形状，以及该词元的数有多大（均方根）；最后的归一化和输出头只算这一步的最后一个词元。
      这一步计算了 ${run.steps[stepOf(ui.token)].count} 个词元，只需要最后一个词元的分数。</p>
      ${forwardFigure({tokenizer: "分词器", embed: "每个编号一行", block: "注意力，然后前馈", norm: "调整到统一尺度", head: "每一项一个分数"})}
      <p>同一结构写成嵌套的模块，带有矩阵的大小；相同的层只列一次。</p>
      ${nestingFigure()}`},
    {title: "循环：每次一个词元", html: () => `
      <p>模型为词表的每一项计算它成为下一个词元的概率。选出其中一个，接在文本之后，模型再运行一次。这里总是取概率最大的一个，即贪心解码，等同于温度为 0；采样则按这些概率随机抽取。</p>
      ${loopFigure()}
      <p>最后选出的词元不再输入模型：运行到此结束。</p>`},
    {title: "数据流与上下文长度", needs: ["model.embed_tokens"], html: () => `
      <p>每个词元都有自己的一条数据流，由 ${run.model.hidden} 个数组成，依次通过所有的块。下表给出每条流在各块之前和之后的大小（均方根）。当前选中的词元 ${piece(ui.token)} 已标出，可在上方选择别的词元。</p>
      ${streamsFigure("在此之后")}
      <p>一步中只有最后一条流决定下一个词元；其余的流仍然需要，因为每个块的注意力都要读取它们。流的数量不能超过上下文长度：本模型为 ${run.model.context.toLocaleString("en")}。</p>`},
    {title: "缓存节省了什么", html: () => `
      <p>注意力要读取之前每个词元的键和值。追加词元时它们不会改变，因此被保存下来，这就是 KV 缓存。于是一步只需计算最新的一条流；没有缓存，每一步都要重新计算所有词元。</p>
      ${cacheGrid({step: "一步", kept: "已存", computed: "计算"})}
      <p>两种做法都在这台机器上测量过，测量时不查看数值，取三轮中最快的一轮。</p>
      ${run.times ? cacheFigure(["该步的词元", "有缓存", "无缓存"]) : ""}
      <p>代价是内存：在本模型中，每个词元在所有块中共留下 ${cacheBytes().toLocaleString("en")} 字节的键和值。</p>`},
    {title: "块的内部：归一化", needs: ["input_layernorm"], when: () => opOf("input_layernorm") === "rms_norm", html: () => `
      <p>第 ${blockIndex()} 块先把 ${piece(ui.token)} 的流调整到统一的尺度：RMSNorm 用它的均方根去除它，再把每个数乘以一个学得的权重。ε 为 ${run.model.eps}。</p>
      ${MATH.norm}${normFigure("前 64 个数")}`},
    {title: "查询、键与值", needs: ["self_attn.v_heads", "self_attn.k_heads"], html: () => `
      <p>三个矩阵由每条归一化后的流为每个头算出查询、键和值。查询表示这个词元在寻找什么，键表示一个词元凭什么被找到，值表示随后从它那里取走什么。每个都有 ${run.model.layers[blockIndex()].head_dim} 个数。${opOf("self_attn.qkv_proj") ? "在本模型的文件中，三个矩阵上下相接，合成一个矩阵 qkv_proj。" : ""}</p>
      <p>第 ${blockIndex()} 块的第 ${tour.head} 个头使用第 ${kvHead()} 个键值头。下面是 ${piece(ui.token)} 的查询，以及到它为止所有词元的键和值。${queryPath().endsWith("q_rope") ? "查询和键按注意力读取时的样子显示：已按位置旋转，后面有一章讲述。" : ""}</p>
      ${projectionsFigure(["", "数值"])}`},
    {title: "注意力第一步：每个词元有多相关？", needs: ["self_attn.scores", "self_attn.scaled_scores", "self_attn.attention_weights"], when: () => isPlainSoftmax(), html: () => `
      <p>${piece(ui.token)} 的查询与每个键逐数相乘再求和，得到分数。分数除以 d = ${run.model.layers[blockIndex()].head_dim} 的平方根 ${short(Math.sqrt(run.model.layers[blockIndex()].head_dim))}，再由 softmax 变成总和为 1 的权重。</p>
      ${MATH.scores}${scoresFigure(["键的词元", "q · k", "缩放后", "权重"])}
      <p>在图中：${toGraph("build", inBlock("self_attn.scores"), "scores")}，${toGraph("build", inBlock("self_attn.attention_weights"), "softmax")}。</p>`},
    {title: "注意力第二步：合并", needs: ["self_attn.attended", "self_attn.o_proj"], html: () => `
      <p>每个头按权重对值求和，结果有 ${run.model.layers[blockIndex()].head_dim} 个数。${run.model.heads} 个头的结果依次相接，再由矩阵 o_proj 混合成对这条流的更新。</p>
      ${MATH.mix}${mixFigure(["头", "均方根", "它的结果"])}`},
    {title: "不同的头看向不同的词元", needs: ["self_attn.attention_weights"], html: () => `
      <p>这是第 ${blockIndex()} 块所有头的注意力权重。行是正在看的词元，列是被看的词元。在上方选择别的层，可以看到它们的差别。</p>${headsFigure()}`},
    {title: "多头、分组查询与多查询", needs: ["self_attn.k_cache.append"], html: () => `
      <p>每个头都有自己的查询。键和值可以不共享（多头注意力），由一组头共享（分组查询），或由所有头共享（多查询）。在这一块中，本模型有 ${run.model.heads} 个查询头和 ${run.model.layers[blockIndex()].kv_heads} 个键值头。共享使缓存变小；最后一列是每个词元在缓存中留下的字节数。星号是本模型自己的方式；第 ${tour.head} 个头已标出。</p>
      ${groupsSvg((n) => (n === run.model.heads ? "多头" : n === 1 ? "多查询" : `分组，${n} 个键值头`))}
      ${groupsFigure(["键值头数", "谁读取哪个", "每词元缓存"])}`},
    {title: "一个词元可以看到什么", needs: ["self_attn.attention_weights"], html: () => `
      <p>掩码规定哪些词元可以被看到。本模型是解码器：一个词元看到自己和它之前的词元${run.model.layers[blockIndex()].window ? `，最多 ${run.model.layers[blockIndex()].window} 个位置（滑动窗口）` : ""}。选择别的掩码，看它会留下哪些位置。灰色位置会被遮住；颜色是本次运行用它自己的掩码算出的权重。</p>
      ${maskFigure({full: "完整：之前的一切", sliding: "滑动窗口，宽 3", strided: "稀疏，步长 3", fixed: "稀疏，固定块长 3", both: "双向，如 BERT（此处未来未知）", packed: "打包：一个上下文中两段文本"})}
      <p>窗口或稀疏模式使长文本上的注意力更便宜；GPT-3 等模型交替使用完整块和稀疏块。打包的上下文中，几段短文本前后相接：彼此看不见，位置各自从 0 开始。FlashAttention 不改变掩码，也不改变结果；它计算同样的内容，但不把分数方阵写入主存，程序中的算子 <code>attention</code> 就是这样做的。</p>`},
    {title: "位置：RoPE 旋转向量", needs: ["self_attn.q_rope", "self_attn.q_heads"], when: () => run.model.layers.every((layer) => layer.plain_rope), html: () => `
      <p>两个词元的分数应取决于它们相距多远。RoPE 把查询或键中的数两两成对，第 i 个数与第 i + ${run.model.layers[blockIndex()].rotary_dim / 2} 个数一对，每一对旋转一个角度：位置 p 乘以一个速度，速度逐对减小。θ 为 ${run.model.layers[blockIndex()].theta.toLocaleString("en")}。旋转在注意力内部、打分之前进行；两者都旋转之后，q · k 与位置的关系只在于位置之差。</p>
      ${MATH.rope}<p>细线：${piece(ui.token)} 的查询中第 i 对旋转之前；粗线：旋转之后。在该词元自己的位置 ${ui.token}，这里算出的值等于运行中的值（等号之后）。</p>
      ${ropeControls("位置")}
      <p>学得的位置表说不出表尾之外的位置，也会从一段打包文本一直数到下一段。旋转则从每段文本的开头算起。假如提示从中间切开，是一个上下文中的两段文本，位置将是：</p>
      ${packFigure({through: "一直数下去", own: "每段文本自己的"})}`},
    {title: "前馈层", needs: ["mlp.gated", "mlp.down_proj"], when: () => isPlainFeedForward(), html: () => `
      <p>注意力混入其他词元之后，每条流单独被加工。两个矩阵把它从 ${run.model.hidden} 个数扩展到 ${run.model.intermediate} 个：一个产生门，另一个产生由门放行的内容；第三个矩阵再把它变回来。在这一块中，前馈层有 ${weightsOf(inBlock("mlp")).toLocaleString("en")} 个权重，注意力有 ${weightsOf(inBlock("self_attn")).toLocaleString("en")} 个。模型记住的许多内容存放在前馈层中。</p>
      ${MATH.gate}${gateFigure("前 64 个数")}`},
    {title: "残差流，过去与现在", needs: ["attention_residual", "mlp_residual", "input_layernorm", "post_attention_layernorm", "mlp.down_proj"], when: () => isPlainBlock(), html: () => `
      <p>注意力和前馈层不替换数据流，而是加到它上面，所以每个块都能找到之前各块留下的内容。</p>
      ${MATH.residual}${blockFigure({attention: "注意力", relu: "前馈层，ReLU", gated: "前馈层，带门", then: "2017 年", now: "本块"})}${residualFigure()}
      ${tableHtml(["", "2017 年", "今天"], [["归一化", "LayerNorm，在求和之后", "RMSNorm，在每部分之前"], ["前馈层", "ReLU", "带门，用 SiLU（SwiGLU）"], ["注意力", "多头", "分组查询"], ["位置", "加到嵌入上", "RoPE"], ["残差", "有", "有"]])}`},
    {title: "输出头做选择", needs: ["logits"], html: () => `
      <p>最后一块之后，数据流再归一化一次。输出头为词表的每一项用一行 ${run.model.hidden} 个权重与它相乘，得到 ${run.model.vocab.toLocaleString("en")} 个分数（logits），再由 softmax 变成概率。在${lastOfStep() === ui.token ? `以 ${piece(ui.token)} 结尾的那一步` : `计算 ${piece(ui.token)} 的那一步（其最后一个词元是 ${piece(lastOfStep())}）`}之后，概率最大的词元如下，括号内是 logits。</p>
      ${rivalsFigure()}
      ${temperatureControls("温度")}
      <p>采样时，logits 先除以温度 T 再做 softmax：T 小于 1，第一名占优；大于 1，对手占优；等于 0 时只剩第一名。</p>
      <p>在同样的块上换用别的输出头，可以给整段文本或其中每个词元分类。</p>`},
    {title: "编译器眼中的同一件事", html: () => `
      <p>以上一切是同一张图。各遍（pass）把它改写成更少、更大的算子，结果相同而搬运的字节更少；每行是一个有改动的遍（大小取一步的上限；阶段：${escaped(story.phase)}）。点击名称即可在图中观看。</p>
      ${compilerFigure(["阶段", "做什么", "算子数", "每步字节"])}`},
  ],
};
