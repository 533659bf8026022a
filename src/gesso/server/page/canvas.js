// A picture to start from, and the mask that is painted over it.
import { word } from "./words.js";
const $ = (id) => document.getElementById(id);
export class Editor {
  constructor() {
    this.canvas = $("canvas");
    this.mask = document.createElement("canvas");
    this.image = null;
    this.masked = false;
    this.canvas.setAttribute("aria-label", word("brush"));
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); this.last = null; this.dab(event); });
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons) this.dab(event); });
    $("unmask").addEventListener("click", () => this.clear());
    $("unsource").addEventListener("click", () => this.open(null));
    $("file").addEventListener("change", () => { if ($("file").files[0]) this.open($("file").files[0]); });
  }
  async open(blob) {
    this.image = blob && await createImageBitmap(blob);
    this.blob = blob;
    $("editing").hidden = !blob;
    if (!blob) { $("file").value = ""; return; }
    $("source").open = true;
    for (const each of [this.canvas, this.mask]) { each.width = this.image.width; each.height = this.image.height; }
    this.clear();
  }
  clear() {
    this.mask.getContext("2d").clearRect(0, 0, this.mask.width, this.mask.height);
    this.masked = false;
    this.draw();
  }
  dab(event) {
    const box = this.canvas.getBoundingClientRect(), scale = this.canvas.width / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const brush = this.mask.getContext("2d");
    brush.lineWidth = $("brush").value * scale; brush.lineCap = "round"; brush.strokeStyle = "white";
    brush.beginPath(); brush.moveTo(...(this.last ?? at)); brush.lineTo(...at); brush.stroke();
    this.last = at; this.masked = true;
    this.draw();
  }
  draw() {
    const to = this.canvas.getContext("2d");
    to.clearRect(0, 0, this.canvas.width, this.canvas.height);
    to.drawImage(this.image, 0, 0);
    to.globalAlpha = 0.6; to.drawImage(this.mask, 0, 0); to.globalAlpha = 1;
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
