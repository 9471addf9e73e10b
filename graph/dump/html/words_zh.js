// The page's own words in Chinese, by the English ones. What the compiler says (names, equations, an op's definition, the
// reasons of its passes) stays as it writes it.
WORDS.zh = {
  "{0} ops": "{0} 个算子", "1 op": "1 个算子", "ops": "算子", "once": "1 次", "{0} times": "{0} 次",
  "1 value": "1 个值", "{0} values": "{0} 个值", "1 candidate": "1 个候选", "{0} candidates": "{0} 个候选", "1 element": "1 个元素", "{0} elements": "{0} 个元素",
  "(the layer before)": "（前一层）", "result": "结果", "input": "输入", "weight": "权重", "constant": "常量", "state": "状态", "module": "模块",
  "at most {0}": "最大 {0}", "{0} differ": "{0} 处不同", "{0} changed here": "此处改变 {0} 个", "reads other values": "读取的值不同", "not on this side": "这一边没有", "computed by {0}": "由 {0} 算出",
  ", differs": "，有差异", ", new in this stage": "，本阶段新增", ", changed in this stage": "，本阶段改变", "module {0}, {1}, {2}": "模块 {0}，{1}，{2}",
  "The layer before": "前一层", "The next layer": "后一层", "layer {0}": "第 {0} 层", "head {0}": "头 {0}",
  "{0}: what each token takes from each": "{0}：每个词元从各词元取多少", "{0} takes from {1}: {2}": "{0} 从 {1} 取：{2}", "not seen": "不可见", "unknown": "未知",

  // Stages that are no equations.
  "the model's equations": "模型的方程", "devices, kernels, an order and places in memory": "设备、内核、执行顺序与内存位置", "all weights of both, equal ones once": "两者的全部权重，相同的只留一份",
  "what decode reads that depends on weights alone": "decode 所读取的、只取决于权重的值", "what prefill reads that depends on weights alone": "prefill 所读取的、只取决于权重的值",

  // Sides.
  ", parts": "，超出舍入误差", "step {0}": "第 {0} 步", ", reference": "，参考实现", " on {0}": "，在 {0} 上", "once, at load": "加载时执行一次", "not there": "不存在", "of {0}": "读取 {0}",
  "first to part": "最先分歧处", "steps": "步数", "moved per step": "每步搬运", "computed per step": "每步计算", "what differs ({0})": "有差异的（{0}）", "all paths ({0})": "全部路径（{0}）",
  "Show": "显示", "Layer": "层", "Side": "边", "{0}, stage {1}. Marked: what differs from {2}. Click a cell to see it in its graph.": "{0}，阶段 {1}。标出与 {2} 不同之处。点击单元格可在图中查看。",
  ", stage {0}": "，阶段 {0}", "Nothing differs.": "没有差异。", "On each side": "在每一边", "is not on all sides": "并非各边都有", "op or its attributes": "算子或其属性", "inputs": "输入",
  "dtype": "数据类型", "shape": "形状", "steps: their order, device or kernel": "步骤：顺序、设备或内核", "bytes moved": "搬运的字节", "error beyond rounding": "超出舍入的误差",
  "How the sides are shown": "各边的显示方式", "A drawing for each side, the same paths at the same places": "每边一幅图，相同路径位置相同", "The drawing of one side alone": "只看一边的图",
  "All paths, a column for each side": "全部路径，每边一列", "Side by side": "并排", "One drawing": "单图", "Table": "表格", "What to show": "显示内容", "Paths and sides": "路径与各边",
  "differs between the sides": "各边之间不同",
  "Side by side, the same path has the same place in each drawing, and all move together. Marked is what differs from the first side that has it; a hole with a dashed border says what became of a path that only other sides have.":
    "并排时，相同的路径在每幅图中位置相同，各图一起移动。标出的是与最先具有该路径的一边不同之处；虚线空框说明只在其他边存在的路径在这一边变成了什么。",

  // The caption and the help.
  "{0} ops · {1} moved per step": "{0} 个算子 · 每步搬运 {1}", "How to read this page": "如何阅读本页", "Colours": "颜色", "Sizes": "大小", "Keys": "按键",
  "Every box is one operation of the model's graph, every line a value that one computes and another reads. Frames are the model's modules. Layers that are alike are drawn once; ‹ and › at their frame go through them. The slider below goes through the passes of the compiler, each of which rewrites the graph. Click a box to read all that is known of it.":
    "每个方框是模型图中的一个算子，每条线是由一个算子算出、由另一个读取的值。外框是模型的模块。相同的层只画一次，用外框上的 ‹ 和 › 逐层查看。下方的滑块依次经过编译器的各个遍，每一遍都会改写图。点击方框可查看其全部信息。",
  "new in this stage": "本阶段新增", "changed in this stage": "本阶段改变", "Bytes and operations are those of a step at these bounds.": "字节数和运算数均按这些上界下的一步计算。",
  "the next box; choose it": "下一个方框；选中它", "back to what the stage did": "回到本阶段的说明",
  "tokens in this step, of all sequences together": "这一步的词元数，所有序列合计", "rows whose logits are wanted in this step": "这一步需要 logits 的行数", "sequences that may be in one step": "一步中可有的序列数",
  "places for a token's keys and values in the cache's pages, for all sequences": "缓存页中可存放词元键和值的位置数，所有序列合计", "a size that a step chooses": "由每一步决定的大小",
  "the stage before": "上一阶段", "the next stage": "下一阶段", "the first stage: the model's equations": "第一个阶段：模型的方程", "the last stage: the program": "最后一个阶段：程序",
  "play the passes one after the other, or stop": "依次播放各遍，或停止", "larger": "放大", "smaller": "缩小", "see everything": "查看全图", "show layers that are alike once, or all of them": "相同的层只显示一次，或全部显示",
  "the layer before, where layers are shown once": "前一层（层合并显示时）", "the next layer": "后一层", "the token before, where the page has values": "前一个词元（本页带有数值时）", "the next token": "后一个词元",
  "the place before where the sides differ, side by side": "并排时，上一处差异", "the next place where the sides differ": "下一处差异", "open all modules": "展开所有模块", "close all modules": "收起所有模块",
  "drawings of the run, where there are any": "运行的图表（如果有）", "search": "搜索", "this help": "本帮助",
  "reads weights": "读取权重", "KV cache": "KV 缓存", "computes": "计算", "moves": "搬运", "view": "视图",

  // The column of details.
  "{0} more": "还有 {0} 项", "Sizes of a step": "一步的大小", "(before: {0})": "（之前：{0}）", "moves per step": "每步搬运", "moves once, at load": "加载时搬运一次", "took": "用时",
  "+ {0} new": "+ 新增 {0}", "~ {0} changed": "~ 改变 {0}", "− {0} gone": "− 消失 {0}", "Fired {0}": "应用 {0}", "Refused {0}": "拒绝 {0}", "New and changed": "新增与改变", "Gone": "消失",
  "The graph runs as the passes left it.": "图按各遍留下的样子运行。", "it": "它", "all of them": "全部",
  "This pass changed nothing: it looked at {0} and refused {1}, for the reasons below.": "这一遍没有改变任何东西：它检查了 {0}，{1}被拒绝，理由如下。",
  "This pass changed nothing: the graph has no place that it looks for.": "这一遍没有改变任何东西：图中没有它要找的地方。",
  "Memory": "内存", "Place in memory": "在内存中的位置", "of {0} bytes": "共 {0} 字节", "Back to the stage": "回到本阶段", "Back to the stage (Esc)": "回到本阶段（Esc）",
  "fused, ": "融合，", "nothing: a view": "无：只是视图", "intensity": "计算强度", "{0} FLOP per byte": "每字节 {0} FLOP", "device": "设备", "written at": "代码位置", "Inputs": "输入", "Outputs": "输出",
  "Stands for {0} of the source graph": "代表源图中的 {0}", "Read by": "读取者", " at {0}": "，位于 {0}", "takes it away": "将其去掉", "lives from step {0} to step {1}": "存在于第 {0} 步到第 {1} 步", "reads {0}": "读取 {0}",
  "Its life": "它的经历", "fired": "应用", "refused": "拒绝", "What passes found here": "各遍在此处的发现", "Not in this stage.": "不在本阶段。", "became": "变为", "by": "由", "type": "类型", "bytes": "字节",
  "The graph as the model's code wrote it: every box is one op of the equations, every line a value. Move the slider below (or press →) to watch the passes rewrite it, up to the program that runs. Click a box to see what it is; click a module's name to open or close it. ? explains colours, symbols and keys.":
    "模型代码所写的图：每个方框是方程中的一个算子，每条线是一个值。移动下方的滑块（或按 →），观看各遍如何把它改写成最终运行的程序。点击方框查看它是什么；点击模块名将其展开或收起。? 解释颜色、符号和按键。",
  "merged with {0}": "与 {0} 合并", "elided in {0}": "并入 {0}", "folded into {0}": "折叠为 {0}", "unused": "未使用",

  // The search.
  " · at {0}": " · 在 {0}", "{0} more: type more of the path": "还有 {0} 项：请输入更多路径", "No path or op of any stage has “{0}”.": "任何阶段都没有含“{0}”的路径或算子。",

  // Times, values, memory.
  "the step of token {0} “{1}”": "词元 {0}“{1}”的那一步", "the step of tokens {0} to {1}": "词元 {0} 到 {1} 的那一步", "part of {0}": "属于 {0}", "runs as part of": "运行时属于", "which took": "其用时", "in {0}": "（{0}）",
  "moved": "搬运", "which moved": "其搬运", "computed": "计算", "which computed": "其计算", "inputs and bookkeeping": "输入与准备", "to the first kernel": "到第一个内核", "from the first kernel to the last": "从第一个内核到最后一个",
  "results and bookkeeping": "结果与整理", "outside of layers": "层之外", "The step over time": "这一步的时间线", "The steps of the program over time": "程序各步的时间线",
  "{0}, {1} from left to right, of which kernels {2}; without clocks {3}. From top to bottom: the call, its layers, its steps. Click a step to go to its box.":
    "{0}，从左到右 {1}，其中内核 {2}；不计时则为 {3}。从上到下：调用、各层、各步。点击一步可转到它的方框。",
  "each box has the time of the program’s kernel that it became part of": "每个方框显示它所并入的程序内核的用时", "token {0}, id {1}": "词元 {0}，编号 {1}", ", chosen by the model": "，由模型选出", ", not fed again": "，未再输入", "token {0}, {1}": "词元 {0}，{1}",
  "what they do": "做什么", "operations": "运算", "microseconds of the step": "该步微秒数", "rms of the value": "值的均方根", "largest magnitude": "最大绝对值", "error against side a": "相对 a 边的误差",
  "µs a step": "每步微秒", "nmse against side a": "相对 a 边的 nmse",
  "at token {0} “{1}”": "在词元 {0}“{1}”处", "of the whole step": "整个一步", "Its value": "它的值", "range": "范围", "mean": "均值", "no number": "非数", "came about": "来源",
  "copied from the program’s memory": "从程序内存中复制", "computed again from copies of what the fused op read": "由融合算子所读数据的副本重新算出", "{0}: blue below 0, red above": "{0}：蓝色小于 0，红色大于 0",
  "What each head looks at": "每个头看什么", "A row for each token, a column for each that it takes from; dark is much. Rows sum to 1.": "每个词元一行，它所取自的每个词元一列；越深越多。每行之和为 1。",
  "{0}: {1} at {2}, steps {3} to {4}": "{0}：{1}，偏移 {2}，第 {3} 步到第 {4} 步", "The {0} over time": "{0} 随时间的变化", "Blocks of the {0} by step and offset": "{0} 的各块，按步和偏移",
  "{0} from bottom to top, steps 1 to {1} from left to right. Click a block to go to its box.": "从下到上 {0}，从左到右为第 1 到 {1} 步。点击一块可转到它的方框。",

  // Buttons.
  "Program": "程序", "Search a path or an op  ( / )": "搜索路径或算子  ( / )", "Search a path or an op": "搜索路径或算子", "Found": "搜索结果", "View": "视图", "The guided tour": "导览", "Lesson": "课程", "Drawings": "图表",
  "Drawings of the run (d)": "运行的图表（d）", "Fold layers": "合并层", "Show layers that are alike once, or all of them (l)": "相同的层只显示一次，或全部显示（l）", "Open all": "全部展开", "Open all modules (e)": "展开所有模块（e）",
  "Close all": "全部收起", "Close all modules (c)": "收起所有模块（c）", "Smaller": "缩小", "Smaller (-)": "缩小（-）", "Larger": "放大", "Larger (+)": "放大（+）", "Fit": "全图", "See everything (f)": "查看全图（f）", "Colours:": "颜色：",
  "SVG": "SVG", "PNG": "PNG", "Save the drawing as SVG": "将图保存为 SVG", "Save the drawing as PNG": "将图保存为 PNG", "Help": "帮助", "Colours, symbols and keys (?)": "颜色、符号和按键（?）",
  "Tokens": "词元", "Token": "词元", "Graph": "图", "Chapters": "章节", "Details": "详情", "Show or hide the details": "显示或隐藏详情", "The stage before": "上一阶段", "The stage before (←)": "上一阶段（←）",
  "Play the passes": "播放各遍", "Play the passes (p)": "播放各遍（p）", "Stage": "阶段", "Stages": "阶段", "The next stage": "下一阶段", "The next stage (→)": "下一阶段（→）", "Close": "关闭",
};
