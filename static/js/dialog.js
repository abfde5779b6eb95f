// Dialogs in place: a link with data-dialog opens the dialog of its page over this page, and a form with data-dialog-
// form shows its answer there; with the method GET it asks first, as a link does. If anything is not as expected, the browser navigates instead, which always works.
const parse = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
const addressOf = (dialog) => dialog?.dataset.address ?? location.href;

/** Fetch; if the answer takes long, css/progress.css shows that it is awaited. */
async function ask(...request) {
  document.documentElement.dataset.waiting = "";
  try {
    return await fetch(...request);
  } finally {
    delete document.documentElement.dataset.waiting;
  }
}

async function open(address, opener, old) {
  const answer = await ask(address);
  const dialog = answer.ok && (await parse(answer)).querySelector("dialog");
  if (!dialog) return location.assign(address);
  // When the dialog closes, the focus returns to what has it now; of a menu that is the button, as the menu is closed.
  const menu = opener.closest("[popover]");
  if (!old) (menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : opener).focus();
  show(dialog, address, old);
}

async function send(form, button, old) {
  const body = new URLSearchParams(new FormData(form, button));
  const answer = await ask(form.action, { method: "POST", body });
  const page = await parse(answer);
  const dialog = page.querySelector("dialog");
  const address = answer.redirected ? answer.url : addressOf(old);
  if (dialog) show(dialog, address, old);
  else if (page.querySelector("h1")) become(page, address);
  else location.assign(addressOf(old));
}

function show(dialog, address, old) {
  if (old?.hasAttribute("data-changed")) dialog.dataset.changed = "";
  old?.close(); // first, so that the focus is back on what opened it
  old?.remove();
  dialog.removeAttribute("open");
  dialog.dataset.address = address;
  // Without an action, a form would be posted to this page's address instead of the dialog's.
  for (const form of dialog.querySelectorAll("form:not([action])")) form.action = address;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("cancel", (event) => leave(event, dialog));
  document.body.append(dialog);
  // Let scripts add their content first: later it could push what has the focus out of view.
  dialog.dispatchEvent(new Event("content", { bubbles: true }));
  // The page behind does not scroll (css/dialog.css), and must not move when its scrollbar disappears.
  document.documentElement.toggleAttribute("data-scrollbar", innerWidth > document.documentElement.clientWidth);
  dialog.showModal(); // focuses the element with autofocus, or else the title
}

/** Close without a request, but reload the page behind if something was changed. */
function leave(event, dialog) {
  if (!dialog.matches(":modal")) return; // a page of its own: follow the link
  event.preventDefault();
  if (!dialog.hasAttribute("data-changed")) return dialog.close();
  sessionStorage.setItem("focus", "title"); // see focus.js
  location.assign(location.pathname + location.search);
}

/** Show the page that was the answer to a form. Loading it again would lose its notification, which is shown only once, or
    the error, which a page out of date or a busy server gives to this one request. */
function become(page, address) {
  history.replaceState({ became: true }, "");
  if (address !== location.href) history.pushState({ became: true }, "", address);
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
  scrollTo(0, 0);
  document.body.dispatchEvent(new Event("content", { bubbles: true }));
  const title = document.querySelector("h1");
  title.tabIndex = -1; // pages about failures have theirs without
  title.focus();
}

addEventListener("popstate", (event) => event.state?.became && location.reload());

document.addEventListener("click", (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[data-dialog], [data-dialog-close]");
  const dialog = link?.closest("dialog");
  if (!link || dialog?.matches(":not(:modal)")) return;
  if (link.matches("[data-dialog-close]")) return leave(event, dialog);
  event.preventDefault();
  link.closest("[popover]")?.hidePopover();
  open(link.href, link, dialog).catch(() => location.assign(link.href));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const dialog = form.closest("dialog");
  if (!form.matches("[data-dialog-form]") || dialog?.matches(":not(:modal)")) return;
  event.preventDefault();
  if (form.method === "get") {
    const address = `${event.submitter.formAction}?${new URLSearchParams(new FormData(form, event.submitter))}`;
    return open(address, event.submitter, dialog).catch(() => location.assign(address));
  }
  if (form.dataset.sent) return; // a double click sends it once
  form.dataset.sent = "yes";
  send(form, event.submitter, dialog).catch(() => location.assign(addressOf(dialog)));
});

// In a dialog that is a page of its own, Escape does what Close does.
document.addEventListener("keydown", (event) => {
  const close = document.querySelector("dialog[open]:not(:modal) [data-dialog-close]");
  if (close && event.key === "Escape") location.assign(close.href);
});
