// The tour's words in Chinese.
LESSONS.zh = {
  words: {
    back: "上一章", next: "下一章", chapter: "章节", layer: "块", head: "头", mask: "掩码",
    notKept: "此处无法显示：模型太大，本页只保留了最初几步、前面几块的这类数。请选择靠前的词元或块。",
    together: ({key, at, product, run: inRun}, position) => `让查询位于 ${position}、${piece(key)} 的键位于 ${at}，两者的距离与原文相同，此时 q · k 为 ${short(product)}${inRun === undefined ? "" : `，本次运行中为 ${short(inRun)}`}。拖动滑块，它保持不变。`,
  },
  chapters: [
    {key: "text", title: "文本、词元、编号与嵌入", needs: ["model.embed_tokens"], html: () => `
      <p>语言模型读入一段文本，并给出每一种可能的后续有多大的概率。本页展示的是 ${escaped(run.model.architecture)} 处理上方${isWithoutText() ? "词元" : "文本"}的全过程，页面上的每个数都来自这一次运行。</p>
      <p>${isWithoutText() ? `文本以词元（token）的形式参与计算：词、词的片段或单个符号，由分词器切分得到。这次运行没有给文本，而是直接给出 ${run.prompt} 个词元的编号。` : `首先，分词器把文本切成词元（token）：词、词的片段或单个符号。这段文本被切成 ${run.prompt} 个词元；␣ 表示空格。${beginsByMark() ? `第一个词元 ${piece(0)} 不属于文本，是分词器加在最前面的起始标记。` : ""}`}模型认识的所有词元列成一张固定的表，叫作词表；词元在表中的序号就是它的编号（id）。本模型的词表共有 ${run.model.vocab.toLocaleString("en")} 项。</p>
      <p>接着，每个编号换成一组数，即嵌入表中的一行。嵌入表为词表的每一项存有一行，每行 ${run.model.hidden.toLocaleString("en")} 个数，都是训练得到的；这一行就是该词元的嵌入。下面列出各词元嵌入的前 ${Math.min(FIRST, run.model.hidden)} 个数：蓝色小于零，红色大于零，每行中绝对值最大的数颜色最浓。位置从 0 开始计。</p>
      ${piecesFigure(["位置", "词元", "编号", "嵌入"])}
      ${streamBefore(0) === embeddingPath() ? "" : `<p>${equations().node(streamBefore(0)).op === "mul" ? "随后，本模型把嵌入乘以一个常数" : "随后，本模型在每个嵌入上加上另一个训练得到的行，它由词元的位置决定"}：<code>${escaped(streamBefore(0))}</code>。</p>`}
      <p>在图中：${toGraph("build", embeddingPath(), embeddingPath())}。</p>`},
    {key: "forward", title: "前向传播", needs: ["model.embed_tokens", "logits"], html: () => `
      <p>若干词元一同穿过模型，叫作一次前向传播，本页也称为一步。词元依次经过三个部分：嵌入表、由 ${run.model.layers.length} 个块（也叫层）叠成的主体，以及给词表每一项打分的输出头。在块中，注意力让词元从彼此那里读取信息，前馈层则对每个词元单独加工；后面几章会打开这两部分。</p>
      <p>下面是计算 ${piece(ui.token)} 的那一步中各部分的输出。这一步计算了 ${run.steps[stepOf(ui.token)].count} 个词元；${shapeAt(embeddingPath())} 是输出的形状：每个词元一行，每行 ${run.model.hidden.toLocaleString("en")} 个数。${piece(ui.token)} 的这些数有多大，用均方根（rms，即平方的平均值的平方根）表示。只需要最后一个词元 ${piece(lastOfStep())} 的分数，因此最后的归一化和输出头只为它计算，这两处的 rms 也是它的。</p>
      ${forwardFigure({tokenizer: "分词器", embed: "每个编号一行", block: "注意力与前馈层", norm: "调整到统一尺度", head: "每一项一个分数", tied: "输出头"})}
      <p>同一个模型写成层层嵌套的模块，并注明矩阵的大小；结构相同的层只列一个。${isTied() ? "其中没有输出头：它没有自己的矩阵，而是再次使用嵌入表。" : ""}</p>
      ${nestingFigure()}`},
    {key: "loop", title: "循环：每次一个词元", html: () => `
      <p>分数会换算成概率：词表的每一项成为下一个词元的可能性有多大${chapterNumber("head") ? `（怎样换算见第 ${chapterNumber("head")} 章）` : ""}。选出其中一项，接在文本末尾，模型再运行一次；文本就这样一个词元一个词元地变长。${run.tokens.length > run.prompt ? "这里每次都选概率最大的一项，叫作贪心解码；采样则按这些概率随机抽取一项。" : "每次选概率最大的一项叫作贪心解码，按这些概率随机抽取一项叫作采样。"}下面是每一步中概率最大的三个词元。</p>
      ${loopFigure()}
      <p>${run.tokens.length > lastToken() + 1 ? "最后选出的词元没有再输入模型，运行到此结束。" : "运行到此结束，没有再选词元。"}</p>`},
    {key: "streams", title: "数据流与上下文长度", needs: ["model.embed_tokens"], html: () => `
      <p>在穿过各块的途中，每个词元始终有自己的 ${run.model.hidden.toLocaleString("en")} 个数，这就是它的数据流。同一步中的各条流并排计算。图中的流自上而下，方框里是各条流进入第一块之前以及经过每一块之后的 rms。${piece(ui.token)} 的流已标出；汇入它的线来自它的注意力所读取的流。可以在上方选择别的词元。</p>
      ${streamsFigure({name: `${pieceText(run.tokens[ui.token][1])} 的数据流的 rms`, head: "输出头"})}
      <p>一步之中，只有最后一条流进入输出头，决定下一个词元；其余的流同样需要，因为每个块的注意力都要读取它们。流的数量不能超过上下文长度，本模型为 ${run.model.context.toLocaleString("en")}。</p>`},
    {key: "cache", title: "缓存节省了什么", html: () => `
      <p>在每个块中，注意力要读取之前每个词元的两行数：键和值${chapterNumber("qkv") ? `（见第 ${chapterNumber("qkv")} 章）` : ""}。在后面追加词元时它们不会改变，所以可以保存下来，这就是 KV 缓存。第一步计算文本的全部词元（预填充，prefill），此后每一步只需计算最新的一条流（解码，decode）。如果没有缓存，每一步都得重新计算所有词元。</p>
      ${cacheGrid({step: (i) => `第 ${i} 步`, kept: "已存", computed: "计算"})}
      ${run.times ? `<p>两种做法的时间都是在生成本页的机器上测得的，测量时不查看数值；各测三轮，取最快的一轮。第一步时缓存还是空的，两种做法的计算量相同。</p>
      ${cacheFigure({step: (i) => `第 ${i} 步`, tokens: (n) => `${n} 个词元`, computed: "新的词元", cached: "有缓存", anew: "无缓存"})}` : ""}
      <p>代价是内存：在本模型中，每个词元在所有块里共留下 ${cacheBytes().toLocaleString("en")} 字节的键和值。</p>`},
    {key: "norm", title: "块的内部：归一化", needs: ["input_layernorm"], html: () => (opIn("input_layernorm") === "rms_norm" ? `
      <p>第 ${blockIndex()} 块先把 ${piece(ui.token)} 的流 x 调整到统一的尺度：RMSNorm 将它除以自身的均方根，再把每个数乘以一个训练得到的权重 w（⊙）。ε = ${epsilon()}，避免根号下为零；n = ${run.model.hidden.toLocaleString("en")}，是数的个数。</p>
      ${MATH.norm}` : `
      <p>第 ${blockIndex()} 块先把 ${piece(ui.token)} 的流 x 调整到统一的尺度：LayerNorm 减去这 ${run.model.hidden.toLocaleString("en")} 个数的平均值 μ，除以它们的标准差 σ，再把每个数乘以一个训练得到的权重 w（⊙）${nodeIn("input_layernorm").inputs.length > 2 ? "，并加上训练得到的 b" : ""}。ε = ${epsilon()}，避免根号下为零。</p>
      ${MATH.layerNorm(nodeIn("input_layernorm").inputs.length > 2)}`) + normFigure(`前 ${Math.min(START, run.model.hidden)} 个数`)},
    {key: "qkv", title: "查询、键与值", needs: ["self_attn.v_heads"], html: () => `
      <p>注意力由并行工作的头组成，本模型有 ${run.model.heads} 个头。对每个词元，三个矩阵把它${halves()[0].norm ? "归一化后" : ""}的数变成供各个头使用的查询、键和值。查询表示该词元在寻找什么，键表示一个词元凭什么被找到，值则是找到之后从它那里取走的内容。每个头的查询、键和值各有 ${layerNow().head_dim} 个数。${opIn("self_attn.qkv_proj") ? "在本模型的文件中，这三个矩阵上下拼成一个，即 qkv_proj。" : ""}</p>
      <p>下面是第 ${blockIndex()} 块第 ${tour.head} 个头中 ${piece(ui.token)} 的查询，以及它能看到的词元的键和值${layerNow().kv_heads < run.model.heads ? `；键和值由几个头共用，共 ${layerNow().kv_heads} 组，这个头读取第 ${kvHead()} 组${chapterNumber("groups") ? `（见第 ${chapterNumber("groups")} 章）` : ""}` : ""}。块和头的编号都从 0 开始。${isNormedQuery() ? "本模型还对查询和键再做一次归一化。" : ""}${isTurned() ? `图中的查询和键是注意力实际读取的样子，已按位置旋转${chapterNumber("rope") ? `（见第 ${chapterNumber("rope")} 章）` : ""}。` : ""}</p>
      ${projectionsFigure(["", "数值"])}`},
    {key: "scores", title: "注意力第一步：每个词元有多相关？", needs: ["self_attn.scores", "self_attn.scaled_scores", "self_attn.attention_weights"], when: () => scoring(0).factor, html: () => `
      <p>${piece(ui.token)} 的查询 q 与它能看到的每个词元的键 k 逐个数相乘，再把乘积加起来，得到 q · k，即分数。${scoring().isRoot ? `分数除以 √d：d = ${layerNow().head_dim} 是数的个数，其平方根为 ${short(Math.sqrt(layerNow().head_dim))}。` : `分数乘以本模型的一个常数 ${short(scoring().factor)}。`}${scoring().cap ? `随后一个非线性函数（tanh）把它们限制在 ±${scoring().cap} 之内。` : ""}softmax 再把分数变成权重，每个都在 0 与 1 之间，总和为 1${scoring().hasSink ? "。在本模型中总和小于 1：每个头还有一个额外的分数（sink），它分走一部分权重，却没有对应的值" : ""}。权重越大，说明该词元越相关。</p>
      ${scoring().isRoot && !scoring().cap && !scoring().hasSink ? MATH.scores : ""}${scoresFigure(["键的词元", "q · k", "缩放后，s", "权重，a"])}
      <p>在图中：${toGraph("build", inBlock("self_attn.scores"), "scores")}，${toGraph("build", inBlock("self_attn.attention_weights"), "softmax")}。</p>`},
    {key: "combine", title: "注意力第二步：合并", needs: ["self_attn.attended", "self_attn.attention_weights"], html: () => `
      <p>第 ${tour.head} 个头把每个词元的值 v 乘以该词元的权重 a，再全部相加，所以 ${piece(ui.token)} 从权重最大的词元那里取得最多。最右一列（包括总和）的颜色用同一尺度。</p>
      ${MATH.mix}${combineFigure({head: ["词元", "权重", "值", "权重 × 值"], computed: "在此算出", run: "运行中的结果"})}
      <p>${run.model.heads === 1 ? "这个头的结果" : `全部 ${run.model.heads} 个头的结果首尾相接，`}再经过一个矩阵，混合成 ${run.model.hidden.toLocaleString("en")} 个数。这就是注意力要加到数据流上的内容；最后一行是其中的前 ${Math.min(START, run.model.hidden)} 个。</p>
      ${mixFigure(["头", "rms", "它的结果"])}`},
    {key: "heads", title: "不同的头看向不同的词元", needs: ["self_attn.attention_weights"], html: () => `
      <p>这是第 ${blockIndex()} 块${run.model.heads === 1 ? "唯一一个头" : `全部 ${run.model.heads} 个头`}的注意力权重。每一行是一个正在看的词元，每一列是一个被看的词元：颜色越浓，权重越大；灰色表示看不见。可以在上方选择别的块作比较。</p>${headsFigure()}`},
    {key: "groups", title: "多头、分组查询与多查询", needs: ["self_attn.k_cache.append"], html: () => `
      <p>每个头都有自己的查询。键和值则可以不共用（多头注意力），由一组头共用（分组查询），或由所有头共用（多查询）。在这一块中，本模型有 ${run.model.heads} 个查询头和 ${layerNow().kv_heads} 个键值头，属于${{"multi-head": "多头", "multi-query": "多查询", grouped: "分组查询"}[headsKind(layerNow().kv_heads)]}。键值头越少，缓存越小；最右一列是每个词元会在缓存中留下的字节数。星号标出本模型的做法，粗线是第 ${tour.head} 个头。</p>
      ${groupsSvg((n) => ({"multi-head": "多头", "multi-query": "多查询", grouped: `分组，${n} 个键值头`})[headsKind(n)])}
      ${groupsFigure(["键值头数", "谁读取哪个", "每个词元占用的缓存"])}`},
    {key: "mask", title: "一个词元可以看到什么", needs: ["self_attn.attention_weights"], html: () => `
      <p>掩码规定哪些词元可以被看到。本模型从左向右写：一个词元能看到自己和之前的词元，看不到之后的${layerNow().window ? `。第 ${blockIndex()} 块有滑动窗口：连同自己最多看到 ${layerNow().window.toLocaleString("en")} 个词元${layerNow().window > lastToken() ? "，比这段文本还长" : ""}` : ""}${layerNow().stride ? `。在这些词元中，第 ${blockIndex()} 块只看步长为 ${layerNow().stride} 的稀疏模式` : ""}。可以选择别的掩码，看看它会留下哪些位置。灰色的位置会被遮住；颜色是第 ${tour.head} 个头在本次运行中、用模型自己的掩码得到的权重。</p>
      ${maskFigure({own: "这一块自己的掩码", full: "完整：之前的全部词元", sliding: "滑动窗口，宽 3", strided: "稀疏，步长 3", fixed: "稀疏，固定块长 3", both: "双向，如 BERT（之后的部分没有计算）", packed: "打包：一个上下文中放两段文本"})}
      <p>窗口或稀疏模式使长文本上的注意力更省计算；例如 GPT-3 就交替使用完整的块和稀疏的块。打包是把几段短文本放进同一个上下文，彼此不能看见。FlashAttention 则是另一回事：它不改变掩码，除舍入误差外也不改变结果，只是从不把整个分数方阵写入主存。${programAttention() ? `本程序运行的算子 <code>attention</code> 也是如此（${toGraph("program", programAttention(), "在图中")}）。` : ""}</p>`},
    {key: "rope", title: "位置：RoPE 旋转向量", needs: ["self_attn.scores"], when: () => run.model.layers.some((layer) => layer.rope >= 0), html: () => (isTurned() ? `
      <p>嵌入只说明一个词元是什么，不说明它在哪里。RoPE 使分数取决于两个词元相距多远：它把查询或键的${ropeSize() < layerNow().head_dim ? ` ${layerNow().head_dim} 个数中的前 ${ropeSize()} 个` : ` ${ropeSize()} 个数`}两两配对，第 i 个与第 i + ${ropeSize() / 2} 个为一对，再把每一对 (a, b) 像钟表的指针那样旋转一个角度 φ。</p>
      ${MATH.rope}
      <p>角度等于词元的位置 p 乘以转速；第一对的转速为 1，之后逐对减小：θ = ${ropeNow().theta.toLocaleString("en")}，r = ${ropeSize()}。${ropeNow().is_scaled ? "为了容纳更长的文本，本模型还把这些转速除以自己的一组系数；下面的角度已计入这些系数。" : ""}${ropeNow().factor === 1 ? "" : `它还把向量的长度变为 ${short(ropeNow().factor)} 倍。`}</p>
      ${MATH.speed}
      <p>细线是第 ${tour.head} 个头中 ${piece(ui.token)} 的查询的第 i 对旋转之前的样子，粗线是旋转之后。φ 以弧度计。位于该词元自己的位置 ${ui.token} 时，等号后面是运行中的数，供对照。</p>
      ${ropeControls("位置 p")}
      <p>旋转只作用于查询和键，不作用于值，并且在注意力内部、打分之前进行。RoPE 之前的模型给每个位置准备一行数，加到嵌入上：这样的表对表尾之外的位置无话可说，同一段文本放到上下文中间也会变样。把几段短文本打包进一个上下文时，这就成了问题。打包时每段文本从自己的开头计位置${run.prompt > 1 ? "；假如这段文本从中间切开，变成两段：" : "。"}</p>
      ${packFigure({through: "连续计数", own: "各从开头计数"})}` : `
      <p>本模型有些块按位置旋转查询和键，第 ${blockIndex()} 块则不旋转：它知道每个词元是什么，却不知道在哪里。请在上方选择别的块。</p>`)},
    {key: "ffn", title: "前馈层", needs: ["mlp_residual"], html: () => `
      <p>注意力混入其他词元的信息之后，每条流再单独加工。${{
        gated: () => `两个矩阵各把它${halves()[1].norm ? "归一化后" : ""}的 ${run.model.hidden.toLocaleString("en")} 个数 x 变成 ${run.model.intermediate.toLocaleString("en")} 个：一组是门，对它施加一个非线性函数 ${activationName()}；另一组是由门放行的内容。两组逐个数相乘（⊙），第三个矩阵再把结果变回 ${run.model.hidden.toLocaleString("en")} 个数。`,
        plain: () => `一个矩阵把它${halves()[1].norm ? "归一化后" : ""}的 ${run.model.hidden.toLocaleString("en")} 个数 x 变成 ${run.model.intermediate.toLocaleString("en")} 个，对每个数施加一个非线性函数（${activationName()}），第二个矩阵再把它们变回 ${run.model.hidden.toLocaleString("en")} 个。`,
        experts: () => `第 ${blockIndex()} 块中有好几个这样的层，称为专家；一个小矩阵为每个词元给各个专家打分，只有得分最高的几个参与计算。`,
      }[feedForwardKind()]()}在这一块中，前馈层有 ${weightsOf(partOf(halves()[1].part)).toLocaleString("en")} 个权重，注意力有 ${weightsOf(partOf(halves()[0].part)).toLocaleString("en")} 个。模型记住的许多内容就存放在前馈层中。</p>
      ${{gated: () => MATH.gate(activationName()) + gateFigure("开头的数，最多 64 个"), plain: () => MATH.plain(activationName()) + gateFigure("开头的数，最多 64 个"), experts: () => ""}[feedForwardKind()]()}`},
    {key: "residual", title: "残差流，过去与现在", needs: ["attention_residual", "mlp_residual"], html: () => `
      <p>注意力和前馈层并不替换数据流，而是加到它上面，这叫作残差连接；因此每一块都能读到之前各块留下的内容。${isUsualBlock() ? "x 是进入这一块的流，h 是经过注意力之后的流，x′ 是离开这一块的流，ffn 是前馈层。" : ""}</p>
      ${isUsualBlock() ? MATH.residual : ""}
      <p>左边是最初的 Transformer 中的块，右边是本模型的第 ${blockIndex()} 块，旁边注明 ${piece(ui.token)} 在各部分输出的 rms。</p>
      ${blockFigure({attention: "注意力", relu: "前馈层，ReLU", gated: "前馈层，带门", plain: `前馈层，${activationName()}`, experts: "专家", scale: "× 常数", then: "2017 年", now: `第 ${blockIndex()} 块`})}
      ${tableHtml(["", "2017 年", "如今常见"], [["归一化", "LayerNorm，在求和之后", "RMSNorm，在每部分之前"], ["前馈层", "ReLU", "带门，用 SiLU（SwiGLU）"], ["注意力", "多头", "分组查询"], ["位置", "加到嵌入上", "RoPE"], ["残差", "有", "有"]])}`},
    {key: "head", title: "输出头做选择", needs: ["logits"], html: () => `
      <p>经过最后一块之后，数据流再归一化一次。输出头为词表的每一项准备了一行 ${run.model.hidden.toLocaleString("en")} 个权重${isTied() ? "（就是嵌入表中的行）" : ""}，与数据流逐个数相乘再求和，得到 ${run.model.vocab.toLocaleString("en")} 个分数，称为 logits${{mul: "（其间还乘以一个常数）", softcap: "（其间还经过一个把它们限制在一定范围内的非线性函数）"}[equations().node("logits").op] ?? ""}；softmax 再把它们变成概率。在${lastOfStep() === ui.token ? `以 ${piece(ui.token)} 结尾的那一步` : `计算 ${piece(ui.token)}、以 ${piece(lastOfStep())} 结尾的那一步`}之后，概率最大的词元如下，括号内是 logit。</p>
      ${rivalsFigure()}
      <p>采样时，logits 先除以温度 T 再做 softmax。T 小于 1 时，概率最大的词元更占优势；大于 1 时，其他词元更有机会；趋近于 0 时只剩下它，与贪心解码相同。</p>
      ${hasLogits() ? temperatureControls("温度") : ""}
      <p>同样的块换上别的输出头，可以给整段文本或其中每个词元分类。</p>`},
    {key: "compiler", title: "编译器眼中的同一件事", html: () => `
      <p>以上的一切是同一张图，图中的方框是算子，即单项计算。第一行是本课所讲的模型方程，最后一行是实际运行的程序，中间是每一遍有改动的改写（pass）：它把一些算子换成结果相同的另一些，最终算子更少，搬运的字节也更少。字节数按程序所能承受的最大一步计算（阶段：${escaped(story.phase)}）。点击名称即可在图中查看。</p>
      ${compilerFigure(["阶段", "做什么", "算子数", "每步字节"])}`},
  ],
};
