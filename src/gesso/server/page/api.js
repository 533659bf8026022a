// Speaks to the server. A key, where one is needed, stays in this browser.
const STORE = "gesso-key";
export const key = {
  get: () => localStorage.getItem(STORE) ?? "",
  set: (text) => localStorage.setItem(STORE, text),
};
export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}
async function ask(method, path, body, type = "application/json") {
  const headers = key.get() ? { authorization: `Bearer ${key.get()}` } : {};
  if (body !== undefined) headers["content-type"] = type;
  const sent = body !== undefined && type === "application/json" ? JSON.stringify(body) : body;
  const answer = await fetch(path, { method, headers, body: sent });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, told.error?.message ?? answer.statusText);
}
export const get = async (path) => (await ask("GET", path)).json();
export const post = async (path, body) => (await ask("POST", path, body)).json();
export const remove = async (path) => (await ask("DELETE", path)).json();
export const send = async (path, file) => (await ask("POST", path, file, "image/png")).json();
// Null where there is none now.
export async function picture(path) {
  const answer = await ask("GET", path);
  return answer.status === 204 ? null : URL.createObjectURL(await answer.blob());
}
