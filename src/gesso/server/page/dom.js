// Elements by their name, and new ones.
import { word } from "./words.js";
export const $ = (id) => document.getElementById(id);
export function make(tag, fields = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...inside);
  return made;
}
export const button = (name, onclick) => make("button", { type: "button", textContent: word(name), onclick });
export const pressed = (textContent, onclick) => make("li", {}, make("button", { type: "button", textContent, onclick }));
