import { get, key, post, send } from "./api.js";
import * as ask from "./ask.js";
import { Editor } from "./canvas.js";
import * as jobs from "./jobs.js";
import { fill, word } from "./words.js";
const $ = (id) => document.getElementById(id);
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
  picked = { job, picture };
  $("shown-picture").src = picture.url.slice(1);
  $("shown-picture").alt = word("painting", { what: picture.prompt });
  $("shown-request").textContent = JSON.stringify({ model: job.model, ...job.request, seed: picture.seed, count: 1 }, null, 1);
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
  ask.show(picked.job.model, { ...picked.job.request, seed: picked.picture.seed, count: 1 });
  $("shown").close();
}));
$("shown-edit").addEventListener("click", trying(async () => { await editor.open(await pictureFile()); $("shown").close(); }));
$("key").value = key.get();
$("key").addEventListener("change", trying(async () => { key.set($("key").value.trim()); await begin(); }));
let typing;
$("prompt").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(ask.lint, 300); });
addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit(); });
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => { event.preventDefault(); document.body.classList.toggle("dropping", kind === "dragover"); });
addEventListener("drop", trying(async (event) => {
  const file = event.dataTransfer?.files[0];
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
    const health = await get("api/health");
    $("health").textContent = word("working", { n: health.workers ?? 0 });
    document.title = busy ? `… gesso` : "gesso";
  } catch (error) {
    $("health").textContent = error.status ? error.message : word("down_");
    if (error.status === 401) $("key-row").hidden = false;
  }
  waiting = setTimeout(tick, busy ? 400 : 1500);
}
async function begin() { await ask.furnish(); await gallery(); await tick(); }
trying(begin)();
