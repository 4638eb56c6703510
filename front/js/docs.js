// Docs: the language of the samples, copying code that stands beside its button, and requests that are tried out.
document.addEventListener("click", (event) => {
  const near = event.target.closest("[data-near]");
  if (near) near.dataset.copy = near.closest(".code").querySelector("code").textContent;
  const tab = event.target.closest("[data-tab]");
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const before = tab.getBoundingClientRect().top;
  for (const tabs of document.querySelectorAll(".op .tabs")) {
    const found = tabs.querySelector(`[data-tab="${tab.dataset.tab}"]`) ?? tabs.firstElementChild;
    for (const each of tabs.children) each.ariaCurrent = each === found ? "true" : null;
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
  const { key } = document.querySelector("#operations").dataset;
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const { name, value, dataset } of form.querySelectorAll("[data-place]")) {
    if (dataset.place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value) query.set(name, value);
  }
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  if ("once" in form.dataset) headers["Idempotency-Key"] = `docs-${Date.now()}-${Math.random()}`;
  const output = form.querySelector("output");
  const say = (text) => { output.querySelector("code").textContent = text; };
  const sent = { method: form.dataset.try, headers, body: form.elements.body?.value, credentials: "omit" };
  output.hidden = false;
  say("…");
  try {
    const answer = await fetch(query.size ? `${path}?${query}` : path, sent);
    const body = await answer.json();
    say(`HTTP ${answer.status}\n\n${JSON.stringify(body, null, 2)}`);
    follow("activation_id", body.activation?.activation_id);
    follow("webhook_id", body.webhook?.id);
  } catch {
    say(document.body.dataset.offline);
  }
});
// What was just made is what the next request is about.
function follow(name, value) {
  if (!value) return;
  for (const each of document.querySelectorAll(`[data-try] :is([name="${name}"], textarea)`)) {
    each.value = each.name === name ? value : each.value.replace(new RegExp(`("${name}": ")[^"]*`), `$1${value}`);
  }
}
