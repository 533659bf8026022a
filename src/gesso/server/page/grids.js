// Grids: their cells are jobs; what is told of them comes from the job table.
import { get } from "./api.js";
import { shown, told } from "./jobs.js";
import * as compare from "./compare.js";
import { $, make, pressed } from "./dom.js";
import { word } from "./words.js";
let watched = null, onOpen = () => {}, drawn = "";
export async function list(open) {
  onOpen = open;
  const found = await get("api/grids");
  $("grids-panel").hidden = !found.length;
  $("grids").replaceChildren(...found.map((grid) => {
    const [across, down] = grid.axes.map((axis) => axis.length);
    const text = word("gridOf", { title: grid.title || word("untitled"), across, down });
    return pressed(text, () => look(grid.id));
  }));
}
export async function look(id) {
  watched = id; drawn = "";
  await refresh();
  if (!$("sheet").open) $("sheet").showModal();
}
// Draws the grid that is looked at again where something changed.
export async function refresh() {
  if (!watched) return;
  const grid = await get(`api/grids/${watched}`);
  const now = JSON.stringify(grid.cells.map((job) => job && [job.state, job.done, job.pictures.length]));
  if (now === drawn || grid.id !== watched) return;
  drawn = now;
  $("sheet-title").textContent = grid.title || word("untitled");
  const [xs, ys, zs] = grid.axes;
  $("sheets").replaceChildren(...zs.map((z, sheet) => table(grid, xs, ys, z, sheet)));
  const pair = grid.cells.filter((job) => job?.pictures.length);
  $("sheet-compare").hidden = grid.cells.length !== 2 || pair.length !== 2;
  $("sheet-compare").onclick = () => { close(); compare.show(...pair.map((job) => shown(job, job.pictures[0]))); };
}
function table(grid, xs, ys, z, sheet) {
  const head = make("tr", {}, make("td"), ...xs.map((x) => make("th", { scope: "col", textContent: x })));
  const rows = ys.map((y, down) => make("tr", {}, make("th", { scope: "row", textContent: y }),
    ...xs.map((x, across) => cell(grid.cells[(sheet * ys.length + down) * xs.length + across], [x, y, z].join(" ")))));
  return make("table", {}, ...(z ? [make("caption", { textContent: z })] : []), head, ...rows);
}
function cell(job, label) {
  const picture = job?.pictures[0];
  if (!picture) return make("td", { className: "quiet", textContent: job ? told(job) : "" });
  const image = make("img", { src: picture.url.slice(1), alt: word("painting", { what: `${picture.prompt} ${label}` }) });
  return make("td", {}, make("button", { type: "button", onclick: () => { close(); onOpen(job, picture); } }, image));
}
function close() { watched = null; $("sheet").close(); }
$("sheet").addEventListener("close", () => { watched = null; });
$("sheet-close").addEventListener("click", close);
