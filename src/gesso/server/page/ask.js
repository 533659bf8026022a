// The form: a request to and from its fields.
import { get, post, send } from "./api.js";
import { $ } from "./dom.js";
import { SIDES } from "./canvas.js";
import { Controls, Loras } from "./panels.js";
import { word } from "./words.js";
let base = {};
let models = [];
const loras = new Loras(), controls = new Controls();
export async function furnish() {
  const [found, library] = await Promise.all([get("api/models"), get("api/library")]);
  models = found;
  const chosen = $("model").value;
  $("model").replaceChildren(...models.map((each) => new Option(each.title, each.name)));
  if (models.some((each) => each.name === chosen)) $("model").value = chosen;
  for (const [id, names] of [["sampler", library.samplers], ["schedule", library.schedules]])
    $(id).replaceChildren(new Option(word("own"), ""), ...names.map((name) => new Option(name, name)));
  loras.files = library.loras; controls.files = library.controls; controls.annotators = library.annotators;
  const titles = models.map((each) => each.title).join(","), names = library.samplers.slice(0, 3).join(",");
  const axes = ["steps=10,20,30", "cfg=1-9[3]", "seed=1-4", `model=${titles}`, `sampler=${names}`, "source.strength=0.25,0.5,0.75", "loras.0.weight=0-1[5]", "matrix"];
  $("axes").replaceChildren(...axes.map((axis) => new Option(axis)));
  $("shown-model").replaceChildren(new Option(word("another"), ""), ...models.map((each) => new Option(word("byModel", { model: each.title }), each.title)));
  suit();
}
// What the chosen model paints best, and sizes about as large.
export function suit() {
  const model = models.find((each) => each.name === $("model").value);
  if (!model) return;
  const [width, height] = model.size, grid = Math.max(8, Math.min(64, Math.floor(width / 64) * 8));
  $("model-facts").textContent = word("facts", { ...model, size: `${width}x${height}` });
  const sizes = [[1, 1], [4, 3], [3, 2], [16, 9], [3, 4], [2, 3], [9, 16]].map(([across, down]) => {
    const side = (share) => Math.round((Math.sqrt(width * height) * Math.sqrt(share)) / grid) * grid;
    return `${side(across / down)}x${side(down / across)}`;
  });
  const chosen = $("size").value;
  $("size").replaceChildren(...[...new Set(sizes)].map((size) => new Option(size, size)));
  if (sizes.includes(chosen)) $("size").value = chosen;
}
export function show(model, request) {
  base = { ...request, source: null };
  $("prompt").value = request.prompt ?? ""; $("negative").value = request.negative ?? "";
  for (const id of ["seed", "steps", "cfg", "count"]) $(id).value = request[id] ?? "";
  for (const id of ["sampler", "schedule"]) $(id).value = request[id] ?? "";
  const known = models.find((each) => [each.name, each.title].includes(model) || `builtin/${each.title}.safetensors` === model);
  if (known) $("model").value = known.name;
  suit();
  if (request.size) {
    const size = request.size.join("x");
    if (![...$("size").options].some((each) => each.value === size)) $("size").append(new Option(size, size));
    $("size").value = size;
  }
  loras.clear((request.loras ?? []).filter((each) => !each.named));
  controls.clear(request.controls);
}
export const titled = (model) => models.find((each) => each.name === model)?.title ?? model;
export function clear() { show("", {}); $("count").value = 1; base = {}; }
const number = (id) => ($(id).value === "" ? null : Number($(id).value));
export async function asked(editor) {
  const request = { ...base, prompt: $("prompt").value, negative: $("negative").value, size: $("size").value || null, count: number("count") ?? 1 };
  for (const id of ["seed", "steps", "cfg"]) request[id] = number(id);
  for (const id of ["sampler", "schedule"]) request[id] = $(id).value || null;
  if (base.sampler !== request.sampler) delete request.sampler_options;
  request.loras = loras.uses();
  request.controls = await controls.uses();
  request.source = editor.image ? await source(editor) : null;
  if (request.source?.mask || request.source?.extend) request.size = null;
  return { model: $("model").value, request };
}
async function source(editor) {
  const found = { image: (await send("api/uploads", editor.blob)).name, strength: number("strength") ?? 0.75 };
  if (editor.masked) found.mask = { image: (await send("api/uploads", await editor.file())).name };
  const extend = Object.fromEntries(SIDES.map((side) => [side, number(side) ?? 0]));
  if (SIDES.some((side) => extend[side])) found.extend = extend;
  if (found.mask || found.extend) found.strength = number("strength") === 0.75 ? 1 : found.strength;
  return found;
}
let asking = 0;
export async function lint() {
  const text = $("prompt").value, mine = ++asking;
  const found = text ? await post("api/lint", { text }).catch(() => []) : [];
  if (mine !== asking) return;
  $("lints").replaceChildren(...found.map((each) => {
    const row = document.createElement("li"), mark = document.createElement("mark");
    mark.textContent = text.slice(each.start, each.end);
    row.append(mark, ` ${each.message}`);
    return row;
  }));
}
