// Menus: sets aria-expanded, moves the focus to the first entry and with arrow keys, Home and End, and closes a menu
// that loses the focus. The search's field gets the focus when it opens. The browser itself opens and closes menus,
// also on Escape, and returns the focus to the button.
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
