// Navigation: has the server remember which groups are folded, for the pages that come.
const folded = () => [...document.querySelectorAll("[data-folds] details:not([open])")].map(({ dataset }) => dataset.group);
let known = String(folded()); // an open group says that it was toggled when the page is loaded, too

document.addEventListener(
  "toggle",
  (event) => {
    const nav = event.target.closest("[data-folds]");
    const now = folded();
    if (!nav || String(now) === known) return;
    known = String(now);
    const body = new URLSearchParams(new FormData(document.getElementById("header-form")));
    for (const group of now) body.append("folded", group);
    // Whoever goes on at once goes on; what could not be kept is folded as before on the next page.
    fetch(nav.dataset.folds, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => {});
  },
  true, // toggle events do not bubble
);
document.addEventListener("content", () => (known = String(folded())));
