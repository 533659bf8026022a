// The queue and the gallery, drawn from the job table: a reload or a second device sees the same.
import { get, picture, post, remove } from "./api.js";
import { word } from "./words.js";
const $ = (id) => document.getElementById(id);
const OPEN = "state=queued&state=running";
const CLOSED = "state=done&state=failed&state=quarantined&state=cancelled";
const make = (tag, fields = {}, ...inside) => { const made = Object.assign(document.createElement(tag), fields); made.append(...inside); return made; };
const button = (name, act) => make("button", { type: "button", textContent: word(name), onclick: act });
const rows = new Map();
const previews = new Map();
export function told(job) {
  const left = job.left === null ? "" : word("left_", { s: Math.ceil(job.left) });
  return word(`state_${job.state}`, { n: job.ahead, done: job.done, total: job.total, why: job.reason ?? "" }) + left;
}
export async function refresh(changed) {
  const open = (await get(`api/jobs?${OPEN}&limit=100`)).sort((a, b) => (a.state < b.state ? 1 : -1) || a.ahead - b.ahead);
  const gone = [...rows.keys()].filter((id) => !open.some((job) => job.id === id));
  for (const id of gone) { rows.get(id).remove(); rows.delete(id); URL.revokeObjectURL(previews.get(id)); previews.delete(id); }
  for (const job of open) await row(job);
  $("idle").hidden = open.length > 0;
  if (gone.length) await changed();
  return open.length > 0;
}
async function row(job) {
  const what = job.request.prompt || word("untitled");
  let line = rows.get(job.id);
  if (!line) {
    const act = (call) => () => call().catch(() => {});
    const buttons = make("div", { className: "buttons" }, button("cancel", act(() => remove(`api/jobs/${job.id}`))));
    line = make("li", {}, make("span", { className: "blank" }), make("div", {}, make("div", { textContent: what }), make("progress", { max: 1, value: 0 }), make("div", { className: "quiet" })), buttons);
    line.querySelector("progress").setAttribute("aria-label", what);
    line.first = button("first", act(() => post(`api/jobs/${job.id}/move`, { before: $("queue").firstChild.nextSibling?.dataset.id ?? null })));
    line.dataset.id = job.id;
    rows.set(job.id, line);
  }
  $("queue").append(line);
  line.querySelector("progress").value = job.total ? job.done / job.total : 0;
  line.querySelector(".quiet").textContent = told(job);
  if (job.state === "queued" && job.ahead > 0) line.querySelector(".buttons").append(line.first); else line.first.remove();
  if (job.preview && line.dataset.preview !== job.preview) {
    line.dataset.preview = job.preview;
    const url = await picture(job.preview.slice(1)).catch(() => null);
    if (url) {
      URL.revokeObjectURL(previews.get(job.id)); previews.set(job.id, url);
      line.firstChild.replaceWith(make("img", { src: url, alt: word("preview", { what }) }));
    }
  }
}
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
