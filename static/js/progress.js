// Progress of work that goes on at the server: the page is asked again every second, and its bar and words are taken over.
// Where the page that comes back has none any more, the work is over, and that page is shown; to ask is no use of the
// session. Without script there is a
// link for it instead: a page that turns by itself is in the way of who reads it slowly.
const EVERY = 1000;
const PART = "[data-progress-part]";

async function follow(section) {
  try {
    const answer = await fetch(location.href, { headers: { "Keytree-Unattended": "yes" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const news = page.querySelectorAll(PART);
    // A server that is busy for a moment answers otherwise: that says nothing of the work.
    if (answer.ok && !news.length) return location.reload();
    news.forEach((part, index) => {
      const shown = section.querySelectorAll(PART)[index];
      if (part.hasAttribute("value")) shown.value = part.value;
      shown.textContent = part.textContent;
    });
  } catch {
    // Away for a moment.
  }
  setTimeout(() => follow(section), EVERY);
}

const section = document.querySelector("[data-progress]");
if (section) setTimeout(() => follow(section), EVERY);

// No form is sent twice by a double click: people would see the answer to the second, which finds everything done. Later it
// may be: the answer may have been a file, or have got lost. One whose answer can take seconds says that it is at work.
const AGAIN_AFTER = 5000;
let sentAt = new WeakMap();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  if (Date.now() - sentAt.get(form) < AGAIN_AFTER || form.querySelector("[data-busy-shown]")) {
    event.preventDefault();
    return;
  }
  sentAt.set(form, Date.now());
  if (form.dataset.busy) sayBusy(form);
});

function sayBusy(form) {
  const shown = document.createElement("div");
  shown.className = "stack";
  shown.dataset.busyShown = "";
  const words = document.createElement("p");
  const bar = document.createElement("progress");
  words.textContent = bar.ariaLabel = form.dataset.busy;
  bar.className = "progress";
  shown.append(words, bar);
  form.append(shown);
  document.querySelector("[data-status]").textContent = form.dataset.busy;
}
// Back to a page that the browser kept: nothing is at work any more.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  sentAt = new WeakMap();
  document.querySelectorAll("[data-busy-shown]").forEach((shown) => shown.remove());
});
