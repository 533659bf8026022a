// Rows of files with weights: LoRAs, and control models with what they are shown.
import { send } from "./api.js";
import { $, make } from "./dom.js";
import { word } from "./words.js";
const labelled = (name, field) => make("label", {}, make("span", { textContent: word(name) }), field);
function choice(names, chosen, none) {
  const field = make("select");
  if (none) field.append(new Option(none, ""));
  field.append(...[...new Set([...names, ...(chosen ? [chosen] : [])])].map((name) => new Option(name, name)));
  field.value = chosen ?? field.options[0]?.value ?? "";
  return field;
}
const weighing = (weight) => make("input", { type: "number", min: -10, max: 10, step: 0.05, value: weight ?? 1 });
class Panel {
  constructor(kind, plural) {
    this.list = $(plural); this.panel = $(`${kind}-panel`); this.files = [];
    $(`${kind}-add`).addEventListener("click", () => this.add({}).querySelector("select").focus());
  }
  clear(uses = []) { this.list.replaceChildren(); for (const use of uses) this.add(use); }
  row(use, ...fields) {
    const gone = make("button", { type: "button", textContent: word("remove"), onclick: () => line.remove() });
    const line = make("li", {}, ...fields, gone);
    line.use = use;
    this.list.append(line);
    this.panel.open = true;
    return line;
  }
  get lines() { return [...this.list.children]; }
}
export class Loras extends Panel {
  constructor() { super("lora", "loras"); }
  add(use) {
    const file = choice(this.files, use.file), weight = weighing(use.weight);
    return Object.assign(this.row(use, labelled("file_", file), labelled("weight", weight)), { file, weight });
  }
  uses() { return this.lines.map((line) => ({ ...line.use, file: line.file.value, weight: Number(line.weight.value), sha256: null })); }
}
export class Controls extends Panel {
  constructor() { super("control", "controls"); this.annotators = []; }
  add(use) {
    const model = choice(this.files, use.model), weight = weighing(use.weight);
    const annotator = choice(this.annotators, use.annotator ?? "", word("asItIs"));
    const shown = make("input", { type: "file", accept: "image/png,image/jpeg,image/webp" });
    const picture = labelled("picture", shown);
    if (use.image) picture.append(make("span", { className: "quiet", textContent: word("kept") }));
    const line = this.row(use, labelled("file_", model), labelled("weight", weight), picture, labelled("annotator", annotator));
    return Object.assign(line, { model, weight, annotator, shown });
  }
  async uses() { return Promise.all(this.lines.map((line) => this.use(line))); }
  async use(line) {
    const said = { ...line.use, model: line.model.value, weight: Number(line.weight.value), annotator: line.annotator.value || null, sha256: null };
    const sent = line.shown.files[0];
    if (sent) Object.assign(said, { image: (await send("api/uploads", sent)).name, image_sha256: null });
    if (said.annotator !== line.use.annotator) said.annotator_options = {};
    return said;
  }
}
