// A select that goes to its choice: at once when it was made by pointer; when made by keys, which pass through every
// choice, by Enter or on leaving. Its Apply button, for browsers without script, is hidden by the stylesheet.
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
  // Another window may have the focus meanwhile: that is not leaving.
  if (event.target === changed && document.hasFocus()) submit(changed);
});

// What base.css waits for before it shows controls that need script and hides those that stand in for it.
document.documentElement.dataset.script = "";
