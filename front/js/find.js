import { htmx } from "./htmx.js";

// The buy screen by keyboard: arrows choose a row, Enter buys the one that was chosen, ? shows the keys.
const box = document.querySelector("#find");
const rows = () => [...document.querySelectorAll("#offers [data-offer]")];
const chosen = () => document.querySelector("#offers [data-offer][aria-current]");
const isOld = () => document.querySelector("#offers [data-found]")?.dataset.found !== box.value.trim();
let isArmed = false; // Enter buys only what arrows or a click have chosen since the table came

function mark(row) {
  for (const each of rows()) each.toggleAttribute("aria-current", false);
  row.setAttribute("aria-current", "true");
  isArmed = true;
}
function step(by) {
  const all = rows();
  if (!all.length) return;
  const now = all.indexOf(chosen());
  const next = isArmed ? Math.min(all.length - 1, Math.max(0, now + by)) : Math.max(0, now);
  mark(all[next]);
  all[next].scrollIntoView({ block: "nearest" });
  htmx.trigger(all[next].querySelector(".row-link"), "click");
}
function onKey(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const isInBox = target === box;
  if (key === "?" && (!target.closest("input, textarea, select") || (isInBox && !box.value))) {
    event.preventDefault();
    document.querySelector("#keys").showModal();
  } else if (isInBox || target === document.body || target.closest("#offers tbody")) {
    if (key === "ArrowDown" || key === "ArrowUp") {
      event.preventDefault();
      step(key === "ArrowDown" ? 1 : -1);
    } else if (isInBox && key === "Escape" && box.value) {
      event.preventDefault();
      box.value = "";
      htmx.trigger(box, "input");
    } else if (isInBox && key === "Enter") {
      event.preventDefault();
      if (event.repeat || isOld()) return;
      if (isArmed && chosen()) chosen().querySelector("form[data-buy]").requestSubmit();
      else step(0);
    }
  }
}
if (box) {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const row = event.target.closest("#offers [data-offer]");
    if (row && event.target.closest(".row-link")) mark(row);
    document.getElementById(event.target.closest("[data-opens]")?.dataset.opens)?.showModal();
  });
  const disarm = ({ target, detail }) => {
    if (target.id === "offers" || detail.requestConfig?.path === "/buy") isArmed = false;
  };
  document.addEventListener("htmx:afterSwap", disarm);
  document.addEventListener("htmx:afterRequest", disarm);
}
