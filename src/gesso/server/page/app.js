import { get, key, post, send } from "./api.js";
import * as ask from "./ask.js";
import { Editor } from "./canvas.js";
import * as compare from "./compare.js";
import * as grids from "./grids.js";
import * as jobs from "./jobs.js";
import * as runs from "./runs.js";
import { $ } from "./dom.js";
import { fill, word } from "./words.js";
fill(document);
const editor = new Editor();
const say = (text) => { $("said").textContent = text; };
// Every act says what went wrong where it can be read.
const trying = (act) => async (event) => {
  event?.preventDefault?.();
  say("");
  try { await act(event); } catch (error) {
    say(error.message);
    if (error.status === 401) $("key-row").hidden = false;
  }
};
let picked = null;
function open(job, picture) {
  if (compare.taken(jobs.shown(job, picture))) return;
  picked = { job, picture };
  $("shown-picture").src = picture.url.slice(1);
  $("shown-picture").alt = word("painting", { what: picture.prompt });
  $("shown-request").textContent = JSON.stringify({ model: job.model, ...jobs.shown(job, picture).request }, null, 1);
  $("shown-file").href = picture.url.slice(1);
  $("shown").showModal();
}
const gallery = () => jobs.gallery(open);
async function pictureFile() { return (await fetch(picked.picture.url.slice(1))).blob(); }
$("ask").addEventListener("submit", trying(async () => { await post("api/jobs", await ask.asked(editor)); await tick(); }));
$("plan").addEventListener("click", trying(async () => {
  const found = await post("api/plan", await ask.asked(editor));
  say(word("takes", { steps: found.steps, n: found.evaluations }));
}));
$("clear").addEventListener("click", trying(async () => { ask.clear(); await editor.open(null); await ask.lint(); }));
$("model").addEventListener("change", ask.suit);
$("more").addEventListener("click", trying(() => jobs.gallery(open, true)));
$("search").addEventListener("input", trying(gallery));
$("shown-close").addEventListener("click", () => $("shown").close());
$("shown-again").addEventListener("click", trying(async () => {
  ask.show(picked.job.model, jobs.shown(picked.job, picked.picture).request);
  $("shown").close();
}));
$("shown-edit").addEventListener("click", trying(async () => { await editor.open(await pictureFile()); $("shown").close(); }));
// With another model the same request is painted beside it; without, another picture is chosen.
$("shown-compare").addEventListener("click", trying(async () => {
  const one = jobs.shown(picked.job, picked.picture), other = $("shown-model").value;
  $("shown").close();
  if (!other) { compare.begin(one); return; }
  $("shown-model").value = "";
  await planted({ model: one.model, request: one.request, x: `model=${ask.titled(one.model)},${other}` });
}));
async function planted(grid) {
  const made = await post("api/grids", grid);
  await grids.list(open);
  await grids.look(made.id);
}
$("grid").addEventListener("click", trying(async () => {
  const [x, y, z] = ["x", "y", "z"].map((id) => $(id).value.trim());
  await planted({ ...await ask.asked(editor), x, y, z });
}));
jobs.failing((error) => say(error.message));
$("key").value = key.get();
$("key").addEventListener("change", trying(async () => { key.set($("key").value.trim()); await begin(); }));
let typing;
$("prompt").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(ask.lint, 300); });
addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit(); });
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => { event.preventDefault(); document.body.classList.toggle("dropping", kind === "dragover"); });
addEventListener("drop", trying(async (event) => {
  const file = event.dataTransfer?.files[0]; // a job that is moved is none
  if (!file) return;
  try {
    const found = await send("api/recall", file);
    ask.show(found.model, found.request);
    say(word("loaded"));
  } catch { await editor.open(file); }
}));
let waiting;
async function tick() {
  clearTimeout(waiting);
  let busy = false;
  try {
    busy = await jobs.refresh(gallery);
    await grids.refresh();
    const health = await get("api/health");
    $("health").textContent = word("working", { n: health.workers ?? 0 });
    document.title = busy ? `… gesso` : "gesso";
  } catch (error) {
    $("health").textContent = error.status ? error.message : word("down_");
    if (error.status === 401) $("key-row").hidden = false;
  }
  waiting = setTimeout(tick, busy ? 400 : 1500);
}
async function begin() { await ask.furnish(); await gallery(); await grids.list(open); await runs.refresh(); await tick(); }
trying(begin)();
