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
  const one = { model: left.model, ...left.request }, other = { model: right.model, ...right.request };
  for (const key of Object.keys({ ...one, ...other })) {
    const [a, b] = [one[key], other[key]].map((each) => JSON.stringify(each) ?? "");
    if (a === b) continue;
    yield make("dt", { textContent: key });
    yield make("dd", { textContent: `${a} | ${b}` });
  }
}
const slide = () => { $("pair-right").style.clipPath = `inset(0 0 0 ${$("slider").value}%)`; };
$("slider").addEventListener("input", slide);
$("compare-close").addEventListener("click", () => $("compare").close());
