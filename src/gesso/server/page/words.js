// Every text of the page by its name. Another language is another table.
const ENGLISH = {
  paint: "Paint", prompt: "Prompt", negative: "Keep away from", model: "Model", size: "Size", count: "Pictures",
  seed: "Seed", steps: "Steps", cfg: "Guidance", sampler: "Sampler", schedule: "Schedule", loras: "LoRAs",
  lorasHint: "name:0.8, name", random: "random", own: "the model's own", source: "Start from a picture",
  picture: "Picture", brush: "Brush: paint where it is to be painted anew", strength: "Strength",
  extend: "Grow the canvas, in pixels", left: "Left", up: "Up", right: "Right", down: "Down",
  unmask: "Clear mask", unsource: "Without picture", go: "Paint", plan: "What would it take?", clear: "Clear",
  drop: "Drop a picture anywhere to load what painted it. Ctrl+Enter paints.", queue: "Queue",
  idle: "Nothing waits.", gallery: "Gallery", search: "Search prompts", more: "More", shown: "Picture",
  again: "Load request", edit: "Paint into it", save: "Save", close: "Close", key: "Key", cancel: "Cancel",
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
