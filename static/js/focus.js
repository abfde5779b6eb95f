// The focus after a page was loaded anew by a script, or by a link, a button or a form that says in data-focus what is to
// have it then: the ids, of which the first that is there, are left in the session storage, under "focus".
const ids = sessionStorage.getItem("focus") ?? "";
sessionStorage.removeItem("focus");
const found = ids.split(" ").map((id) => document.getElementById(id));
found.find((element) => element)?.focus();

document.addEventListener("click", (event) => {
  const to = event.target.closest("a[data-focus], button[data-focus]")?.dataset.focus;
  const opensHere = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (to && opensHere) sessionStorage.setItem("focus", to);
});

document.addEventListener("submit", (event) => {
  const to = event.target.dataset.focus;
  // A select that sends the form by itself keeps the focus (autosubmit.js).
  if (to && !sessionStorage.getItem("focus")) sessionStorage.setItem("focus", to);
});
