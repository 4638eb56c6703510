// Docs: the language of the samples, copying code that stands beside its button, and requests that are tried out.
document.addEventListener("click", (event) => {
  const near = event.target.closest("[data-near]");
  if (near) near.dataset.copy = near.closest(".code").querySelector("code").textContent;
  const tab = event.target.closest("[data-tab]");
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const before = tab.getBoundingClientRect().top;
  const wanted = tab.dataset.tab;
  for (const tabs of document.querySelectorAll(".op .tabs")) {
    const found = tabs.querySelector(`[data-tab="${wanted}"]`) ?? tabs.firstElementChild;
    for (const each of tabs.children) each === found ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
    for (const each of tabs.parentElement.querySelectorAll("[data-sample]")) {
      each.hidden = each.dataset.sample !== found.dataset.tab;
    }
  }
  scrollBy(0, tab.getBoundingClientRect().top - before); // what was clicked stays under the pointer
  history.replaceState(null, "", tab.href);
}, true);

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-try]");
  if (!form) return;
  event.preventDefault();
  const key = document.querySelector("#operations").dataset.key;
  if (!key) return;
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const each of form.querySelectorAll("[data-place]")) {
    if (each.dataset.place === "path") path = path.replace(`{${each.name}}`, encodeURIComponent(each.value));
    else if (each.value) query.set(each.name, each.value);
  }
  const headers = { Authorization: `Bearer ${key}` };
  if ("once" in form.dataset) headers["Idempotency-Key"] = `docs-${Date.now()}-${Math.random()}`;
  if (form.elements.body) headers["Content-Type"] = "application/json";
  const output = form.querySelector("output");
  const code = output.querySelector("code");
  const began = performance.now();
  output.hidden = false;
  code.textContent = "…";
  try {
    const answer = await fetch(query.size ? `${path}?${query}` : path, {
      method: form.dataset.try, headers, body: form.elements.body?.value, credentials: "omit",
    });
    const body = await answer.json();
    code.textContent = `HTTP ${answer.status}, ${Math.round(performance.now() - began)} ms\n\n${JSON.stringify(body, null, 2)}`;
    follow("activation_id", body.activation?.activation_id);
    follow("webhook_id", body.webhook?.id);
  } catch (error) {
    code.textContent = document.body.dataset.offline || String(error);
  }
});
// What was just made is what the next request is about.
function follow(name, value) {
  if (!value) return;
  for (const each of document.querySelectorAll(`[data-try] [name="${name}"]`)) each.value = value;
  for (const each of document.querySelectorAll("[data-try] textarea")) {
    each.value = each.value.replace(new RegExp(`("${name}": ")[^"]*`), `$1${value}`);
  }
}
