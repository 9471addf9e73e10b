// What all parts of the page use: elements, texts and paths.
window.addEventListener("error", (event) => { document.documentElement.dataset.error = `${event.message} at ${event.lineno}`; });
const $ = (id) => document.getElementById(id);
const clamp = (x, least, most) => Math.min(Math.max(x, least), most);

/**
 * A text of the page in its language: say`${count} ops`, say("ops"). WORDS has the other languages' by the English one,
 * its slots called {0}, {1}, ….
 */
const WORDS = {};
const untold = new Set();  // what a language lacks
function say(parts, ...slots) {
  const english = typeof parts === "string" ? parts : parts.reduce((text, part, i) => `${text}{${i - 1}}${part}`);
  let text = english;
  if (page.language !== "en") {
    text = WORDS[page.language][english];
    if (text === undefined) untold.add(text = english);
  }
  return slots.length ? text.replace(/\{(\d)\}/g, (_, i) => slots[i]) : text;
}
/** What the compiler says of a stage: most are equations, which all languages have in common. */
const equationText = ({equation}) => WORDS[page.language]?.[equation] ?? equation;
/** The texts that page.html has. */
function tellPage() {
  if (page.language === "en") return;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    /^(script|style)$/i.test(node.nodeName) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) node.data = node.data.replace(/\p{L}(.*\S)?/su, (text) => say(text));
    else for (const name of ["title", "aria-label", "placeholder"]) if (node.hasAttribute(name)) node.setAttribute(name, say(node.getAttribute(name)));
  }
}

function parentPath(path) { const dot = path.lastIndexOf("."); return dot < 0 ? "" : path.slice(0, dot); }

/** The number of the repeat's layer that a value is in, or -1. For a module: its path and a dot. */
function layerIndex(repeat, path) {
  if (!path.startsWith(repeat.prefix)) return -1;
  const rest = path.slice(repeat.prefix.length), dot = rest.indexOf("."), index = parseInt(rest, 10);
  return index >= repeat.first && index <= repeat.last && repeat.members.has(rest.slice(dot)) ? index : -1;
}
/** The same path in another layer. */
function inLayer(repeat, path, index) {
  const rest = path.slice(repeat.prefix.length), dot = rest.indexOf(".");
  return repeat.prefix + index + (dot < 0 ? "" : rest.slice(dot));
}

/** What the op calls input i; of those beyond the last name of a variadic op, that one. */
function inputName(node, i) {
  return node.inputNames[Math.min(i, node.inputNames.length - 1)];
}
function human(number, unit) {
  const powers = ["", "k", "M", "G", "T", "P"];
  let power = 0;
  for (; number >= 999.5 && power + 1 < powers.length; ++power) number /= 1000;
  return `${number.toFixed(power === 0 ? 0 : number < 9.995 ? 2 : number < 99.95 ? 1 : 0)} ${powers[power]}${unit}`;
}
function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}[c]));
}
/** Underscores may end a line. */
function breakable(name) { return escaped(name).replace(/_/g, "_<wbr>"); }
/** "once", "1,024 times" */
function times(count) { return count === 1 ? say`once` : say`${count.toLocaleString("en")} times`; }
/** "1 op", "12 ops" */
function counted(count, noun) { return count === 1 ? say(`1 ${noun}`) : say(`{0} ${noun}s`).replace("{0}", count.toLocaleString("en")); }

/**
 * Lines about layers that are alike become one: {path, why, mark} with `count`, `name` ("layers.0–31.mlp.gated") and
 * `path`, the one of the first layer. What the line says of its own layer and of the one before is said of all of them.
 */
function foldedLines(lines) {
  const groups = new Map();
  for (const line of lines) {
    const match = /^((?:.*?\.)?)(\d+)\.(.*)$/.exec(line.path);
    const own = match ? new RegExp(`(^|[^\\w.])${escapedForRegExp(match[1] + match[2])}\\.`, "g") : null;
    const before = match ? new RegExp(`(^|[^\\w.])${escapedForRegExp(match[1] + (match[2] - 1))}\\.`, "g") : null;
    const why = match ? (line.why || "").replace(own, "$1\u0001.").replace(before, "$1\u0002.") : line.why || "";
    const key = [match ? match[1] + "\u0001." + match[3] : line.path, why, line.mark].join("|");
    if (!groups.has(key)) groups.set(key, {...line, folded: why, count: 0, prefix: match?.[1], first: match?.[2], rest: match?.[3]});
    const group = groups.get(key);
    group.count += 1;
    group.last = match?.[2];
  }
  return [...groups.values()].map((group) => {
    if (group.count === 1) return {...group, name: group.path};
    const all = `${group.prefix}${group.first}–${group.last}`;
    return {...group, name: `${all}.${group.rest}`, why: group.folded.replaceAll("\u0001", all).replaceAll("\u0002", say`(the layer before)`)};
  });
}
function escapedForRegExp(text) { return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"); }
