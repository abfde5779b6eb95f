// Menus: says whether each is open, puts the focus on its first entry, and walks it by arrows, Home and End.
// Opening, closing, Escape and the way back to the button are the browser's own, and work without this.
const ENTRIES = "a, button";

document.addEventListener(
  "toggle",
  (event) => {
    const opener = document.querySelector(`[popovertarget="${event.target.id}"]`);
    if (!opener) return;
    const isOpen = event.newState === "open";
    opener.setAttribute("aria-expanded", isOpen);
    if (isOpen && event.target.matches("[data-menu]")) event.target.querySelector(ENTRIES)?.focus();
  },
  true, // toggle events do not bubble
);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("[data-menu]");
  if (!menu) return;
  const entries = [...menu.querySelectorAll(ENTRIES)];
  const here = entries.indexOf(document.activeElement);
  const next = { ArrowDown: here + 1, ArrowUp: here - 1 + entries.length, Home: 0, End: entries.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  entries[next % entries.length].focus();
});

function enhance(root) {
  for (const opener of root.querySelectorAll("[popovertarget]")) opener.setAttribute("aria-expanded", "false");
}
document.addEventListener("content", (event) => enhance(event.target));
enhance(document);
