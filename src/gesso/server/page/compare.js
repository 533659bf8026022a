// Two pictures under one slider, and what their requests differ in.
import { $, make } from "./dom.js";
import { word } from "./words.js";
let waiting = null;
export const begin = (one) => { waiting = one; $("comparing").hidden = !one; $("comparing").textContent = one ? word("comparing") : ""; };
// Whether a picture was waited for, as the other one.
export function taken(other) {
  if (!waiting) return false;
  const one = waiting;
  begin(null);
  show(one, other);
  return true;
}
// Each is {url, model, request}.
export function show(left, right) {
  for (const [id, each, name] of [["pair-left", left, "left_picture"], ["pair-right", right, "right_picture"]]) {
    $(id).src = each.url;
    $(id).alt = word(name, { what: each.request.prompt });
  }
  $("differences").replaceChildren(...differences(left, right));
  slide();
  $("compare").showModal();
}
function* differences(left, right) {
  const one = flat({ model: left.model, ...left.request }), other = flat({ model: right.model, ...right.request });
  for (const key of Object.keys({ ...one, ...other })) {
    if (one[key] === other[key]) continue;
    yield make("dt", { textContent: key });
    yield make("dd", { textContent: `${one[key] ?? ""} | ${other[key] ?? ""}` });
  }
}
// Fields by their dotted names, such as loras.0.weight.
function flat(value, name = "") {
  if (value === null || typeof value !== "object") return { [name]: String(value ?? "") };
  return Object.assign({}, ...Object.entries(value).map(([key, each]) => flat(each, name ? `${name}.${key}` : key)));
}
const slide = () => { $("pair-right").style.clipPath = `inset(0 0 0 ${$("slider").value}%)`; };
$("slider").addEventListener("input", slide);
$("compare-close").addEventListener("click", () => $("compare").close());
