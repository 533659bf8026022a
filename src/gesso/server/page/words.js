// Every text of the page by its name. Another language is another table.
const ENGLISH = {
  paint: "Paint", prompt: "Prompt", negative: "Keep away from", model: "Model", size: "Size", count: "Pictures",
  seed: "Seed", steps: "Steps", cfg: "Guidance", sampler: "Sampler", schedule: "Schedule", loras: "LoRAs",
  addLora: "Add a LoRA", controls: "Control models", addControl: "Add a control model", file_: "File", weight: "Weight",
  annotator: "Made of the picture", asItIs: "nothing, it is shown as it is", remove: "Remove", kept: "the picture that was sent",
  random: "random", own: "the model's own", source: "Start from a picture",
  picture: "Picture", brush: "Brush: paint where it is to be painted anew", strength: "Strength",
  extend: "Grow the canvas, in pixels", left: "Left", up: "Up", right: "Right", down: "Down",
  frame: "Drag the frame outward to grow the canvas.",
  grid: "Grid", x: "Across", y: "Down", z: "From sheet to sheet", paintGrid: "Paint the grid",
  gridHint: "A field and its values: cfg=3,5,7 or seed=1-4; model=one,two; prompt~cat=cat,dog.",
  grids: "Grids", gridOf: "{title}: {across} x {down}", compare: "Compare", compared: "Comparison",
  comparing: "Now choose the other picture.", comparePair: "Compare", slider: "Left picture, right picture",
  compareWith: "Compare with", another: "another picture", byModel: "the same by {model}", left_picture: "Left: {what}", right_picture: "Right: {what}",
  runs: "Training", runOf: "{name}: {learns}, step {step} of {steps}", loss: "Loss", validation: "Loss on pictures that are kept back, band {band}",
  curve: "{what}: {last} after step {step}", earlier: "Earlier", later: "Later",
  unmask: "Clear mask", unsource: "Without picture", go: "Paint", plan: "What would it take?", clear: "Clear",
  drop: "Drop a picture anywhere to load what painted it. Ctrl+Enter paints.", queue: "Queue",
  idle: "Nothing waits.", gallery: "Gallery", search: "Search prompts", more: "More", shown: "Picture",
  again: "Load request", edit: "Paint into it", save: "Save", close: "Close", key: "Key", cancel: "Cancel", skip: "Skip picture",
  first: "Go first", retry: "Try again", working: "{n} worker(s)", down_: "No answer",
  state_queued: "waits, {n} before it", state_running: "{done} of {total} steps", left_: ", {s} s left",
  state_failed: "failed: {why}", state_quarantined: "put away: {why}", state_cancelled: "cancelled",
  facts: "{family}, best at {size}, {steps} steps, {sampler}", takes: "{steps} steps, {n} rows through the network",
  preview: "Preview of {what}", painting: "Painting of {what}", loaded: "Loaded.", untitled: "no words",
};
export function word(name, values = {}) {
  return (ENGLISH[name] ?? name).replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}
export function fill(root) {
  for (const each of root.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word);
  for (const each of root.querySelectorAll("[data-hint]")) each.placeholder = word(each.dataset.hint);
}
