// The queue and the gallery, drawn from the job table: a reload or a second device sees the same.
import { get, picture, post, remove } from "./api.js";
import { $, button, make } from "./dom.js";
import { word } from "./words.js";
const OPEN = "state=queued&state=running";
const CLOSED = "state=done&state=failed&state=quarantined&state=cancelled";
const rows = new Map();
const previews = new Map();
export function told(job) {
  const left = job.left === null ? "" : word("left_", { s: Math.ceil(job.left) });
  return word(`state_${job.state}`, { n: job.ahead, done: job.done, total: job.total, why: job.reason ?? "" }) + left;
}
export async function refresh(changed) {
  const open = (await get(`api/jobs?${OPEN}&limit=100`)).sort((a, b) => (b.state === "running") - (a.state === "running") || a.ahead - b.ahead);
  const gone = [...rows.keys()].filter((id) => !open.some((job) => job.id === id));
  for (const id of gone) { rows.get(id).remove(); rows.delete(id); URL.revokeObjectURL(previews.get(id)); previews.delete(id); }
  const waiting = open.filter((job) => job.state === "queued").map((job) => job.id);
  for (const [place, job] of open.entries()) { await row(job, waiting); placed(rows.get(job.id), place); }
  $("idle").hidden = open.length > 0;
  if (gone.length) await changed();
  return open.length > 0;
}
// Only what stands elsewhere is moved, so that a button keeps the focus.
function placed(line, place) {
  const there = $("queue").children[place], held = line.contains(document.activeElement) && document.activeElement;
  if (there === line) return;
  $("queue").insertBefore(line, there ?? null);
  held?.focus?.();
}
let onError = () => {};
export const failing = (told) => { onError = told; };
const act = (call) => () => call().catch(onError);
const move = (id, before) => post(`api/jobs/${id}/move`, { before });
function begun(job) {
  const what = job.request.prompt || word("untitled");
  const skip = button("skip", act(() => post(`api/jobs/${job.id}/skip`)));
  const buttons = make("div", { className: "buttons" }, button("cancel", act(() => remove(`api/jobs/${job.id}`))), skip);
  const line = make("li", {}, make("span", { className: "blank" }), make("div", {}, make("div", { textContent: what }), make("progress", { max: 1, value: 0 }), make("div", { className: "quiet" })), buttons);
  line.querySelector("progress").setAttribute("aria-label", what);
  line.dataset.id = job.id;
  line.skip = skip;
  line.orders = ["first", "earlier", "later"].map((name) => button(name, act(() => move(job.id, line.before[name]))));
  buttons.append(...line.orders);
  line.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/gesso-job", job.id));
  line.addEventListener("drop", (event) => {
    const moved = event.dataTransfer.getData("text/gesso-job");
    if (moved && moved !== job.id) act(() => move(moved, job.id))();
  });
  rows.set(job.id, line);
  return line;
}
// Before which job the line would go; undefined where it cannot.
function orders(place, waiting) {
  if (place < 0) return {};
  const last = place === waiting.length - 1;
  return { first: place ? waiting[0] : undefined, earlier: place ? waiting[place - 1] : undefined, later: last ? undefined : waiting[place + 2] ?? null };
}
async function row(job, waiting) {
  const what = job.request.prompt || word("untitled"), line = rows.get(job.id) ?? begun(job);
  line.querySelector("progress").value = job.total ? job.done / job.total : 0;
  line.querySelector(".quiet").textContent = told(job);
  line.before = orders(waiting.indexOf(job.id), waiting);
  for (const [name, each] of ["first", "earlier", "later"].map((name, i) => [name, line.orders[i]])) each.hidden = line.before[name] === undefined;
  line.skip.hidden = job.state !== "running" || job.request.count < 2;
  line.draggable = job.state === "queued";
  if (job.preview && line.dataset.preview !== job.preview) {
    line.dataset.preview = job.preview;
    const url = await picture(job.preview.slice(1)).catch(() => null);
    if (url) { // it may be gone since
      URL.revokeObjectURL(previews.get(job.id)); previews.set(job.id, url);
      line.firstChild.replaceWith(make("img", { src: url, alt: word("preview", { what }) }));
    }
  }
}
// A finished picture with what paints it alone.
export const shown = (job, each) => ({ url: each.url.slice(1), model: job.model, request: { ...job.request, seed: each.seed, count: 1 } });
let oldest = null;
export async function gallery(open, more = false) {
  const words = encodeURIComponent($("search").value), limit = 30;
  const before = more && oldest ? `&before=${oldest}` : "";
  const jobs = await get(`api/jobs?${CLOSED}&limit=${limit}&words=${words}${before}`);
  const cards = jobs.flatMap((job) => (job.pictures.length ? job.pictures.map((each) => card(job, each, open)) : failed(job)));
  if (more) $("gallery").append(...cards); else $("gallery").replaceChildren(...cards);
  oldest = jobs.at(-1)?.accepted ?? oldest;
  $("more").hidden = jobs.length < limit;
}
function card(job, each, open) {
  const image = make("img", { src: each.url.slice(1), loading: "lazy", alt: word("painting", { what: each.prompt || word("untitled") }) });
  return make("li", {}, make("button", { type: "button", onclick: () => open(job, each) }, image));
}
function failed(job) {
  if (job.state === "cancelled") return [];
  const again = button("retry", () => post(`api/jobs/${job.id}/retry`).catch(() => {}));
  return [make("li", {}, make("p", { className: "quiet", textContent: `${job.request.prompt}: ${told(job)}` }), again)];
}
