// Passkeys: the browser makes one or signs with one, and the form takes its answer along.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

// They are made for a name: there are none at an address of digits.
if (window.PublicKeyCredential && !/^[\d.]+$|^\[/.test(location.hostname)) {
  for (const form of document.querySelectorAll("form[data-passkey]")) form.closest("[hidden]").hidden = false;
}

async function ask(form) {
  const answer = await fetch(form.dataset.passkey, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok) throw new Error(document.body.dataset.offline);
  const found = await answer.json();
  if (found.said) throw new Error(found.said);
  return found;
}

async function sign(asked) {
  const publicKey = JSON.parse(asked);
  publicKey.challenge = bytes(publicKey.challenge);
  for (const each of [...(publicKey.excludeCredentials ?? []), ...(publicKey.allowCredentials ?? [])]) each.id = bytes(each.id);
  if (!publicKey.user) return navigator.credentials.get({ publicKey });
  publicKey.user.id = bytes(publicKey.user.id);
  return navigator.credentials.create({ publicKey });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.passkey) return;
  event.preventDefault();
  const said = form.querySelector("[data-said]");
  said.textContent = "";
  try {
    const { options, challenge } = await ask(form);
    const made = await sign(options);
    const response = Object.fromEntries(parts.filter((name) => made.response[name]).map((name) => [name, text(made.response[name])]));
    form.elements.challenge.value = challenge;
    form.elements.answer.value = JSON.stringify({
      id: made.id, rawId: made.id, type: made.type, response, clientExtensionResults: made.getClientExtensionResults(),
    });
    form.submit();
  } catch (error) {
    // Whoever closes the browser's window has changed his mind, or holds another key.
    said.textContent = error instanceof DOMException ? form.dataset.passkeyGivenUp : error.message;
  }
});
document.addEventListener("click", (event) => event.target.closest("[data-print]") && print());
