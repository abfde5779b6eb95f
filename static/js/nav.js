// Side navigation: tells the server which groups are folded, so that the next pages show them like that.
const folded = () => [...document.querySelectorAll("[data-folds] details:not([open])")].map(({ dataset }) => dataset.group);
let known = String(folded()); // open groups fire "toggle" when the page is loaded, too

document.addEventListener(
  "toggle",
  (event) => {
    const nav = event.target.closest("[data-folds]");
    const now = folded();
    if (!nav || String(now) === known) return;
    known = String(now);
    const body = new URLSearchParams(new FormData(document.getElementById("header-form")));
    for (const group of now) body.append("folded", group);
    // With keepalive, so that it survives leaving the page. If it fails, the next page shows the groups as before.
    fetch(nav.dataset.folds, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => {});
  },
  true, // toggle events do not bubble
);
document.addEventListener("content", () => (known = String(folded())));
