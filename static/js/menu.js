// Menus: says whether each is open, puts the focus on its first entry, walks it by arrows, Home and End, and closes it
// when the focus leaves it. Opening a search puts the focus on its field.
// Opening, closing, Escape and the way back to the button are the browser's own, and work without this.
const ENTRIES = "a, button";

document.addEventListener(
  "toggle",
  (event) => {
    const opener = document.querySelector(`[popovertarget="${event.target.id}"]`);
    if (!opener) return;
    const isOpen = event.newState === "open";
    opener.setAttribute("aria-expanded", isOpen);
    const first = event.target.matches("[data-menu]") ? ENTRIES : "[type=search]";
    if (isOpen) event.target.querySelector(first)?.focus();
  },
  true, // toggle events do not bubble
);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("[data-menu]");
  if (!menu) return;
  const entries = [...menu.querySelectorAll(ENTRIES)].filter((entry) => entry.checkVisibility());
  const here = entries.indexOf(document.activeElement);
  const next = { ArrowDown: here + 1, ArrowUp: here - 1 + entries.length, Home: 0, End: entries.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  entries[next % entries.length].focus();
});

document.addEventListener("focusin", (event) => {
  for (const menu of document.querySelectorAll(":popover-open")) {
    const isOpener = event.target.getAttribute("popovertarget") === menu.id;
    if (!isOpener && !menu.contains(event.target)) menu.hidePopover();
  }
});

function enhance(root) {
  for (const opener of root.querySelectorAll("[popovertarget]")) opener.setAttribute("aria-expanded", "false");
}
document.addEventListener("content", (event) => enhance(event.target));
enhance(document);
