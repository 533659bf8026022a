// Training runs and their curves.
import { get } from "./api.js";
import { $, make, pressed } from "./dom.js";
import { word } from "./words.js";
const WIDTH = 600, HEIGHT = 160, EDGE = 8;
let watched = null;
export async function refresh() {
  const found = await get("api/runs");
  $("runs-panel").hidden = !found.length;
  $("runs").replaceChildren(...found.map((run) => pressed(word("runOf", run), () => { watched = run.name; draw().catch(() => {}); })));
  if (watched && $("runs-panel").open) await draw();
}
async function draw() {
  const run = await get(`api/runs/${watched.split("/").map(encodeURIComponent).join("/")}`);
  const bands = Object.entries(run.measured).map(([band, line]) => curve(word("validation", { band }), line));
  $("run").replaceChildren(make("h3", { textContent: run.name }), curve(word("loss"), run.losses), ...bands);
  $("run").hidden = false;
}
function curve(what, line) {
  if (!line.length) return make("p", { className: "quiet", textContent: what });
  const range = (axis) => [Math.min(...line.map((point) => point[axis])), Math.max(...line.map((point) => point[axis]))];
  const [[left, right], [low, high]] = [range(0), range(1)];
  const share = (value, from, to) => (to > from ? (value - from) / (to - from) : 0.5);
  const points = line.map(([x, y]) => `${EDGE + share(x, left, right) * (WIDTH - 2 * EDGE)},${HEIGHT - EDGE - share(y, low, high) * (HEIGHT - 2 * EDGE)}`);
  const [step, last] = line.at(-1), text = word("curve", { what, last: last.toPrecision(4), step });
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`); drawing.setAttribute("role", "img"); drawing.setAttribute("aria-label", text);
  const path = document.createElementNS(drawing.namespaceURI, "polyline");
  path.setAttribute("points", points.join(" "));
  drawing.append(path);
  return make("figure", {}, drawing, make("figcaption", { className: "quiet", textContent: text }));
}
$("runs-panel").addEventListener("toggle", () => { if ($("runs-panel").open) refresh().catch(() => {}); });
