// The focus after a page was loaded anew by a script: another one has left the id of what is to have it in the session
// storage, under "focus".
const id = sessionStorage.getItem("focus");
sessionStorage.removeItem("focus");
if (id) document.getElementById(id)?.focus();
