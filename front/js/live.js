import { htmx, toast } from "./htmx.js";

// Live numbers: server-sent events say which card has changed, the card is then asked for and put in its place.
// Nothing of the panel is kept here: whatever swaps it, it is found again with every step.
const LOST_MS = 5000, POLL_MS = 3000;
const title = document.title, known = new Set(), wanted = new Set();
const channel = globalThis.BroadcastChannel && new BroadcastChannel("live");
let ahead = -Infinity; // of the server's clock to ours
let source = null, lostAt = 0, unseen = 0, acted = null, queue = Promise.resolve();
const live = () => document.querySelector("#live");
const all = (what) => live()?.querySelectorAll(what) ?? [];
const is = (wish) => localStorage[wish] === "yes";
const clock = (s, hours = Math.floor(s / 3600)) =>
  (hours ? [hours, Math.floor(s / 60) % 60, s % 60] : [Math.floor(s / 60), s % 60])
    .map((part, at) => (at ? String(part).padStart(2, "0") : part)).join(":");
async function load(id) {
  const card = id && live()?.querySelector(`[data-activation="${CSS.escape(id)}"]`);
  const path = card ? `/live/${id}` : `/live?seen=${live()?.querySelector("#live-list")?.dataset.version}`;
  const answer = await fetch(path, { headers: { "HX-Request": "true" } });
  const elsewhere = answer.headers.get("HX-Redirect");
  if (elsewhere) return location.assign(elsewhere);
  if (answer.status >= 500) throw answer;
  const text = answer.status === 200 && (await answer.text()); // 204: nothing has changed
  // A button that is swapped away between press and release would not know of its click.
  while (live()?.querySelector("button:active")) await new Promise((done) => setTimeout(done, 50));
  const select = card ? "[data-activation]" : "#live-list", target = card || live()?.querySelector(select);
  if (text && target?.isConnected) htmx.swap(target, text, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 }, { select });
}
// One after the other, so that an older answer never takes a newer one's place.
function want(id) {
  if (wanted.has(id) || !live()) return;
  wanted.add(id);
  queue = queue.then(() => new Promise((done) => setTimeout(done, 10)))
    .then(() => wanted.delete(id) && load(id)).catch(() => setTimeout(want, POLL_MS * (1 + Math.random()), id));
}
function hear({ data: [what, id] }) {
  lostAt = what === "lost" ? lostAt || Date.now() : 0;
  if (what !== "lost") want(id);
}
function tell(...data) {
  hear({ data });
  channel?.postMessage(data);
}
channel?.addEventListener("message", hear);
function listen() {
  source?.close();
  const mine = (source = new EventSource("/live/events"));
  mine.onopen = () => tell("all", "");
  mine.onerror = () => {
    tell("lost");
    if (mine.readyState !== EventSource.CLOSED) return;
    want(""); // it may be the session that is over
    setTimeout(() => source === mine && listen(), POLL_MS);
  };
  for (const type of ["activation", "balance"]) mine.addEventListener(type, (event) => tell(type, event.data));
}
// A browser keeps few connections to one place: of all tabs the one that was looked at last listens for the others.
async function lead(steal) {
  if (document.querySelector(".band.look")) return; // who looks through somebody's eyes hears nothing
  if (!navigator.locks) return listen();
  await navigator.locks.request("live", { steal }, () => new Promise(listen)).catch(() => {});
  source?.close();
  source = null;
  lead(false);
}
function tick() {
  const now = Date.now() + ahead, isLost = lostAt && Date.now() - lostAt > LOST_MS;
  for (const timer of all("[data-until]")) {
    const left = Math.max(0, Math.ceil((timer.dataset.until - now) / 1000));
    const ring = timer.parentElement.querySelector("[data-ring]");
    timer.textContent = clock(left);
    ring?.setAttribute("stroke-dasharray", `${(100 * left) / ring.dataset.ring} 100`);
    if (!left && Math.floor(now / 1000) % 3 === 0) want(timer.closest("[data-activation]").dataset.activation);
  }
  for (const line of all("[data-lost]")) line.hidden = !isLost;
  if (isLost && Math.floor(Date.now() / 1000) % 3 === 0) want("");
}
// What is new on the page since it was last looked at: clocks, and codes.
function look(isFirst) {
  for (const card of all("[data-now]")) ahead = Math.max(ahead, card.dataset.now - Date.now());
  for (const button of all("[data-wish]")) button.setAttribute("aria-pressed", is(button.dataset.wish));
  for (const { dataset, parentElement } of all("[data-code]")) {
    const isNew = !known.has(dataset.message) && known.add(dataset.message);
    if (isNew && !isFirst) arrive(parentElement.closest("[data-says]"));
  }
  const open = all(".live-card:not(.over)").length;
  for (const count of all("[data-count]")) [count.textContent, count.hidden] = [open, !open];
  tick();
}
function arrive(card) {
  if (!card) return;
  live().querySelector("[data-said]").textContent = card.dataset.says;
  card.classList.add("fresh");
  if (is("sound")) beep();
  if (!document.hidden) return;
  document.title = `(${++unseen}) ${title}`;
  if (is("notify")) new Notification(card.dataset.says, { tag: card.dataset.activation }).onclick = () => focus();
}
function beep() {
  const audio = new AudioContext(), tone = audio.createOscillator(), gain = audio.createGain();
  gain.gain.setValueAtTime(0.1, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
  tone.connect(gain).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.4);
  tone.onended = () => audio.close();
}
document.addEventListener("click", async (event) => {
  const { wish, denied } = event.target.closest("[data-wish]")?.dataset ?? {};
  if (!wish) return;
  const isDenied = wish === "notify" && !is(wish) && (await globalThis.Notification?.requestPermission()) !== "granted";
  if (isDenied) toast(denied);
  localStorage[wish] = is(wish) || isDenied ? "no" : "yes";
  if (wish === "sound" && is(wish)) beep();
  look(false);
});
document.addEventListener("submit", ({ target }) => (acted = target.closest("[data-activation]")));
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.closest?.("#live")) look(false);
  // The button that was pressed is gone with its card, by the answer or by the news: the new card takes the focus.
  const card = acted && document.activeElement === document.body && target.closest?.("#live [data-activation]");
  if (card) acted = card.focus();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) [unseen, document.title] = [0, title];
  if (!document.hidden && live() && !source) lead(true);
});
if (live()) {
  look(true);
  setInterval(tick, 1000);
  lead(!document.hidden);
}
