// A select that submits its form: at once after a choice with the pointer, but after one with the arrow keys, which
// pass through all choices, on Enter or on leaving it. The style sheet hides its Apply button, which is for pages
// without script.
const SELECT = "select[data-autosubmit]";
let isByKeys = false;
let changed = null;

function submit(select) {
  changed = null;
  sessionStorage.setItem("focus", select.id); // see focus.js
  select.form.requestSubmit();
}

document.addEventListener("focusin", () => (isByKeys = false));
document.addEventListener("pointerdown", () => (isByKeys = false));
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.(SELECT)) return;
  isByKeys = true;
  if (event.key !== "Enter" || event.target !== changed) return;
  event.preventDefault();
  submit(changed);
});
document.addEventListener("change", (event) => {
  if (!event.target.matches(SELECT)) return;
  if (isByKeys) changed = event.target;
  else submit(event.target);
});
document.addEventListener("focusout", (event) => {
  // Changing to another window is not leaving the select.
  if (event.target === changed && document.hasFocus()) submit(changed);
});

// The browser gives a page that it goes back to the choice that led away from it: it is to say what the page shows.
addEventListener("pageshow", () => {
  for (const option of document.querySelectorAll(`${SELECT} option`)) option.selected = option.defaultSelected;
});

// With this, base.css shows controls that need script and hides their replacements.
document.documentElement.dataset.script = "";
