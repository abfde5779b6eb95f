// A double click does not send a form twice: people would see the second answer, which says that everything is done
// already. A form may be sent again later, as the answer may be a file, or get lost. With data-busy, it says that it is
// working.
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

// The browser shows a page again that it has kept: its forms have long been answered.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  sentAt = new WeakMap();
  document.querySelectorAll("[data-busy-shown]").forEach((shown) => shown.remove());
});
