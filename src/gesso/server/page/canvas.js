// A picture to start from, the mask that is painted over it, and the frame around it that may be dragged outward.
import { $ } from "./dom.js";
import { word } from "./words.js";
export const SIDES = ["left", "up", "right", "down"];
const GRID = 8, MOST = 4096;
export class Editor {
  constructor() {
    this.canvas = $("canvas");
    this.mask = document.createElement("canvas");
    this.image = null;
    this.masked = false;
    this.held = [];
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", word("brush"));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.last = null;
      this.held = this.near(event);
      if (!this.held.length) this.dab(event);
    });
    this.canvas.addEventListener("pointermove", (event) => this.moved(event));
    this.canvas.addEventListener("pointerup", () => { this.held = []; this.layout(); });
    for (const side of SIDES) $(side).addEventListener("input", () => this.layout());
    $("unmask").addEventListener("click", () => this.clear());
    $("unsource").addEventListener("click", () => this.open(null));
    $("file").addEventListener("change", () => { if ($("file").files[0]) this.open($("file").files[0]); });
  }
  async open(blob) {
    this.image = blob && await createImageBitmap(blob);
    this.blob = blob;
    $("editing").hidden = !blob;
    for (const side of SIDES) $(side).value = 0;
    if (!blob) { $("file").value = ""; return; }
    $("source").open = true;
    this.mask.width = this.image.width; this.mask.height = this.image.height;
    this.clear();
  }
  clear() {
    this.mask.getContext("2d").clearRect(0, 0, this.mask.width, this.mask.height);
    this.masked = false;
    this.layout();
  }
  grown(side) { return Math.max(0, Number($(side).value) || 0); }
  // The frame: left, top, right and bottom, from the picture's own corner.
  get frame() { return [-this.grown("left"), -this.grown("up"), this.image.width + this.grown("right"), this.image.height + this.grown("down")]; }
  // What is seen: the frame, and around it the room to drag it into.
  layout() {
    if (!this.image) return;
    const [left, top, right, bottom] = this.frame;
    const room = Math.ceil(Math.max(right - left, bottom - top) * 0.15);
    this.from = [left - room, top - room];
    this.canvas.width = right - left + 2 * room;
    this.canvas.height = bottom - top + 2 * room;
    this.draw();
  }
  get scale() { return this.canvas.width / this.canvas.getBoundingClientRect().width; }
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.scale + this.from[0], (event.clientY - box.top) * this.scale + this.from[1]];
  }
  // The sides of the frame that a pointer would take hold of.
  near(event) {
    const [x, y] = this.at(event), [left, top, right, bottom] = this.frame, inside = 5 * this.scale, outside = 40 * this.scale;
    const off = { left: left - x, up: top - y, right: x - right, down: y - bottom };
    return SIDES.filter((side) => off[side] > -inside && off[side] < outside);
  }
  moved(event) {
    if (!this.image) return;
    if (event.buttons && this.held.length) this.drag(event);
    else if (event.buttons) this.dab(event);
    else this.canvas.style.cursor = this.near(event).length ? "move" : "crosshair";
  }
  drag(event) {
    const [x, y] = this.at(event);
    const out = { left: -x, up: -y, right: x - this.image.width, down: y - this.image.height };
    for (const side of this.held) $(side).value = Math.min(MOST, Math.max(0, Math.round(out[side] / GRID) * GRID));
    this.draw();
  }
  dab(event) {
    const at = this.at(event), brush = this.mask.getContext("2d");
    brush.lineWidth = $("brush").value * this.scale; brush.lineCap = "round"; brush.strokeStyle = "white";
    brush.beginPath(); brush.moveTo(...(this.last ?? at)); brush.lineTo(...at); brush.stroke();
    this.last = at; this.masked = true;
    this.draw();
  }
  draw() {
    const to = this.canvas.getContext("2d"), [x, y] = this.from, [left, top, right, bottom] = this.frame;
    to.setTransform(1, 0, 0, 1, 0, 0);
    to.clearRect(0, 0, this.canvas.width, this.canvas.height);
    to.translate(-x, -y);
    to.fillStyle = "#8884"; to.fillRect(left, top, right - left, bottom - top);
    to.drawImage(this.image, 0, 0);
    to.globalAlpha = 0.6; to.drawImage(this.mask, 0, 0); to.globalAlpha = 1;
    to.lineWidth = 2 * this.scale; to.strokeStyle = "#d2622f"; to.setLineDash([8 * this.scale, 5 * this.scale]);
    to.strokeRect(left, top, right - left, bottom - top);
  }
  // The mask as a picture file, white where it is to be painted.
  async file() {
    const whole = document.createElement("canvas");
    whole.width = this.mask.width; whole.height = this.mask.height;
    const to = whole.getContext("2d");
    to.fillRect(0, 0, whole.width, whole.height);
    to.drawImage(this.mask, 0, 0);
    return new Promise((done) => whole.toBlob(done, "image/png"));
  }
}
