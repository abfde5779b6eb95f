// Passkeys: asks the browser for a passkey with the options in the form's data-passkey-add or data-passkey-use, and
// submits the form with the answer.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const inBase64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
const text = (buffer) => inBase64(buffer).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const described = (list = []) => list.map((one) => ({ ...one, id: bytes(one.id) }));

async function made(options) {
  const user = { ...options.user, id: bytes(options.user.id) };
  const excludeCredentials = described(options.excludeCredentials);
  const publicKey = { ...options, challenge: bytes(options.challenge), user, excludeCredentials };
  const { id, type, response } = await navigator.credentials.create({ publicKey });
  const transports = response.getTransports?.() ?? [];
  const { clientDataJSON, attestationObject } = response;
  const said = { clientDataJSON: text(clientDataJSON), attestationObject: text(attestationObject), transports };
  return { id, rawId: id, type, response: said };
}

async function signed(options) {
  const allowCredentials = described(options.allowCredentials);
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials };
  const { id, type, response } = await navigator.credentials.get({ publicKey });
  const said = {};
  for (const name of ["clientDataJSON", "authenticatorData", "signature"]) said[name] = text(response[name]);
  return { id, rawId: id, type, response: said };
}

function problem(error) {
  if (!window.PublicKeyCredential) return "This browser knows no passkeys, or the page was not loaded by https.";
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  if (error.name === "SecurityError") return "Passkeys need this site's name in the address, not a number.";
  return "The browser did not finish. Try again.";
}

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    const options = form.dataset.passkeyAdd ?? form.dataset.passkeyUse;
    const answer = form.querySelector("[data-passkey-answer]");
    if (!options || answer.value) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // submitted once there is an answer
    const said = (form.closest("dialog") ?? document).querySelector("[data-passkey-problem]");
    said.textContent = "";
    try {
      answer.value = JSON.stringify(await (form.dataset.passkeyAdd ? made : signed)(JSON.parse(options)));
      form.requestSubmit(event.submitter);
    } catch (error) {
      said.textContent = problem(error);
    }
  },
  true,
);
