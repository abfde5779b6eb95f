// Sets the focus on the next page: the session storage holds ids under "focus", and the first element that exists gets
// it. Scripts store them, and so do links, buttons and forms with data-focus.
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
  // A select that submitted the form keeps the focus (autosubmit.js).
  if (to && !sessionStorage.getItem("focus")) sessionStorage.setItem("focus", to);
});
