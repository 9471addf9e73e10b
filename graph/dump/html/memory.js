// The arena over time: each block lies from the step that writes it to the last that reads it.

function arenaHtml(story) {
  const blocks = Object.entries(story.places).filter(([, place]) => place.length > 3);
  if (blocks.length === 0) return "";
  return [...new Set(blocks.map(([, [region]]) => region))].map((region) => {
    const own = blocks.filter(([, place]) => place[0] === region), bytes = story.regions[region] || 1, w = 338, h = 190;
    const steps = Math.max(...own.map(([, place]) => place[4]));
    const rects = own.map(([path, [, offset, size, first, last]]) => {
      const chosen = path === ui.selected ? " chosen" : "";
      return `<rect class="block${chosen}" data-path="${escaped(path)}" x="${(((first - 1) / steps) * w).toFixed(2)}" y="${(h - ((offset + size) / bytes) * h).toFixed(2)}"
        width="${Math.max(1, ((last - first + 1) / steps) * w).toFixed(2)}" height="${Math.max(1, (size / bytes) * h).toFixed(2)}" style="--work: var(--${stageNow().node(path)?.work || "view"})"><title>${say`${escaped(path)}: ${human(size, "B")} at ${offset}, steps ${first} to ${last}`}</title></rect>`;
    });
    return `<h3>${say`The ${escaped(region)} over time`}</h3><svg class="arena" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="${say`Blocks of the ${escaped(region)} by step and offset`}">${rects.join("")}</svg>
      <p class="doc">${say`${human(bytes, "B")} from bottom to top, steps 1 to ${steps} from left to right. Click a block to go to its box.`}</p>`;
  }).join("");
}
function watchMemory() {
  $("panel").addEventListener("click", (event) => {
    const block = event.target.closest(".block");
    if (block) showWhereItIs(block.dataset.path);
  });
}
