import { htmx } from "./htmx.js";

// The buy screen by keyboard: arrows choose a row, Enter buys the one that was chosen, ? shows the keys.
const box = document.querySelector("#find");
const rows = () => [...document.querySelectorAll("#offers [data-offer]")];
const chosen = () => document.querySelector("#offers [data-offer][aria-current]");
const isOld = () => document.querySelector("#offers [data-found]")?.dataset.found !== box.value.trim();
let isArmed = false; // Enter buys only what arrows or a click have chosen since the table came
let waiting = []; // keys that were quicker than the table

function mark(row) {
  for (const each of rows()) each.toggleAttribute("aria-current", false);
  row.setAttribute("aria-current", "true");
  isArmed = true;
}
function step(by) {
  const all = rows();
  if (!all.length) return;
  const row = all[Math.min(all.length - 1, Math.max(0, all.indexOf(chosen()) + (isArmed ? by : 0)))];
  mark(row);
  row.scrollIntoView({ block: "nearest" });
  htmx.trigger(row.querySelector(".row-link"), "click");
}
function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const isInBox = target === box;
  if (key === "?" && (!target.closest("input, textarea, select") || (isInBox && !box.value))) {
    event.preventDefault();
    document.querySelector("#keys").showModal();
  } else if (isInBox || target === document.body || target.closest("#offers tbody")) {
    if (key === "ArrowDown" || key === "ArrowUp" || (isInBox && key === "Enter")) {
      event.preventDefault();
      if (isOld()) waiting.push(key);
      else if (!event.repeat || key !== "Enter") act(key);
    } else if (isInBox && key === "Escape" && box.value) {
      event.preventDefault();
      box.value = "";
      htmx.trigger(box, "input");
    }
  }
}
function act(key) {
  if (key !== "Enter") step(key === "ArrowDown" ? 1 : -1);
  else if (isArmed && chosen()) chosen().querySelector("form[data-buy]").requestSubmit();
  else step(0);
}
if (box) {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const row = event.target.closest("#offers [data-offer]");
    if (row && event.target.closest(".row-link")) mark(row);
    document.getElementById(event.target.closest("[data-opens]")?.dataset.opens)?.showModal();
  });
  box.addEventListener("input", () => (waiting = []));
  document.addEventListener("htmx:afterSettle", ({ target }) => {
    if (target.id !== "offers") return;
    isArmed = false;
    if (!isOld()) waiting.splice(0).forEach(act);
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (detail.requestConfig?.path === "/buy") isArmed = false;
  });
}
