import htmx from "htmx.org";

// No eval, no inline styles, nothing kept of a page that was left: the content security policy forbids the first
// two, and a balance out of the cache is wrong.
Object.assign(htmx.config, {
  allowEval: false, allowScriptTags: false, includeIndicatorStyles: false, historyCacheSize: 0,
  selfRequestsOnly: true, scrollIntoViewOnBoost: false, timeout: 20000,
  attributesToSettle: ["class", "width", "height"], // a copied style would be an inline one
});
const token = document.querySelector('meta[name="form-token"]')?.content;
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-Form-Token"] = token;
});
// A refusal is an answer too: it is shown in the place where the answer would be.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && event.detail.xhr.getResponseHeader("X-Fragment")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
document.addEventListener("htmx:sendError", () => toast(document.body.dataset.offline));
document.addEventListener("htmx:timeout", () => toast(document.body.dataset.offline));

export function toast(text) {
  if (!text) return;
  const line = document.createElement("div");
  line.className = "toast";
  line.textContent = text;
  document.querySelector(".toasts").append(line);
  setTimeout(() => line.remove(), 4000);
}
export { htmx };
