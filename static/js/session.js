// Warns before the session ends. When the end may be near, asks the server, because another tab may have prolonged the
// session; this request does not count as use. The answer contains the dialog to show while there is still time.
const EVERY = 10; // seconds between requests while the dialog is shown, and after one that failed
const LAST = 30; // seconds before the end when the warning is repeated
let until = Infinity; // seconds until the next request
let left = Infinity; // seconds until the end, as far as is known
let shown = null;
let last = clocks();

/** A clock that goes on while the computer sleeps, and one that nobody can set. */
function clocks() {
  return [Date.now(), performance.now()];
}

function begin() {
  const isTold = document.querySelector("[data-session-left]"); // the page is this dialog
  until = isTold ? Infinity : Number(document.body.dataset.sessionAsksIn ?? Infinity);
  left = Infinity;
  shown = null;
}

function tick() {
  const now = clocks();
  const passed = Math.max(...now.map((clock, n) => clock - last[n])) / 1000;
  last = now;
  until -= passed;
  left -= passed;
  if (shown) count();
  if (until <= 0) ask();
}

async function ask(sent) {
  until = EVERY;
  let login = null;
  try {
    const asked = sent ?? { headers: { "Keytree-Unattended": "yes" } };
    const answer = await fetch(document.body.dataset.sessionEnd, asked);
    const dialog = new DOMParser()
      .parseFromString(await answer.text(), "text/html")
      .querySelector("dialog[data-session-left]");
    if (dialog) return take(document.adoptNode(dialog), Boolean(sent));
    if (answer.ok && answer.redirected) login = new URL(answer.url);
  } catch {
    // The server cannot be reached: try again.
  }
  if (login || left <= 0) return leave(login);
  if (!sent) return;
  shown?.close(); // its form may be outdated; the next answer has a new one
  say("That did not work. You will be asked again.");
  until = 1;
}

function take(dialog, isSent) {
  const { sessionLeft, sessionWarning, sessionFinal } = dialog.dataset;
  left = Number(sessionLeft);
  until = left - Number(sessionWarning);
  if (until > 0) {
    shown?.close();
    if (isSent) say("You stay logged in.");
    return;
  }
  until = Math.min(EVERY, left + 1);
  const isKnown = sessionFinal && sessionFinal === sessionStorage.getItem("session-final");
  if (!shown && !isKnown) show(dialog);
}

function show(dialog) {
  shown = dialog;
  dialog.removeAttribute("open");
  dialog.addEventListener("close", () => {
    const { sessionFinal } = dialog.dataset;
    if (sessionFinal) sessionStorage.setItem("session-final", sessionFinal); // nothing can be done: once is enough
    dialog.remove();
    shown = null;
  });
  // Somebody who dismisses it is warned once more.
  dialog.addEventListener("cancel", () => (until = left > LAST ? left - LAST : left + 1));
  document.body.append(dialog);
  document.documentElement.toggleAttribute("data-scrollbar", innerWidth > document.documentElement.clientWidth);
  dialog.showModal();
  count();
}

/** Show every second how long is left; screen readers announce half a minute and ten seconds. */
function count() {
  const seconds = Math.max(0, Math.round(left));
  const minutes = Math.floor(seconds / 60);
  const words = [minutes && many(minutes, "minute"), (seconds % 60 || !minutes) && many(seconds % 60, "second")];
  const inWords = words.filter(Boolean).join(" ");
  shown.querySelector("[data-session-countdown]").textContent = inWords;
  const said = shown.querySelector("[data-session-said]");
  if (seconds <= 10) said.textContent = "10 seconds left";
  else if (seconds <= LAST) said.textContent = `${LAST} seconds left`;
}

function many(count, unit) {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function say(text) {
  const status = (document.querySelector("dialog:modal") ?? document).querySelector("[data-status]");
  status.textContent = text;
  setTimeout(() => (status.textContent = ""), 5000);
}

/** Go to the login page, which returns here, so that nothing confidential stays visible. */
function leave(login) {
  until = Infinity;
  const here = location.pathname + location.search;
  if (!login) return location.replace(here); // the server redirects to it
  login.searchParams.set("next", here);
  if (login.searchParams.has("ended") && isTyped()) login.searchParams.set("ended", "form");
  location.replace(login);
}

/** Whether a field of a form that is posted was changed. */
function isTyped() {
  const fields = document.querySelectorAll("form[method=post] :is(input:not([type=hidden]), textarea)");
  return [...fields].some(
    (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked,
  );
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("dialog:modal [data-session-stay]")) return;
  event.preventDefault();
  ask({ method: "POST", body: new URLSearchParams(new FormData(form)) });
});
document.addEventListener("content", (event) => event.target === document.body && begin());
// Timers pause in hidden tabs and in pages that the browser keeps.
document.addEventListener("visibilitychange", tick);
addEventListener("pageshow", tick);
setInterval(tick, 1000);
begin();
