// A select that goes to its choice at once. Its Apply button, for browsers without script, is hidden by the stylesheet.
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-autosubmit]")) event.target.form.requestSubmit();
});
// What base.css waits for before it shows controls that need script and hides those that stand in for it.
document.documentElement.dataset.script = "";
