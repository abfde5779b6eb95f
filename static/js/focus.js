// The focus after a page was loaded anew by a script, or by a link that says in data-focus what is to have it then: its
// id is left in the session storage, under "focus".
const id = sessionStorage.getItem("focus");
sessionStorage.removeItem("focus");
if (id) document.getElementById(id)?.focus();

document.addEventListener("click", (event) => {
  const to = event.target.closest("a[data-focus]")?.dataset.focus;
  const opensHere = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (to && opensHere) sessionStorage.setItem("focus", to);
});
