// Dialogs in place: a link with data-dialog opens its page's dialog over this page, and a form with data-dialog-form is
// answered there. Whatever is not as expected is left to ordinary navigation, which always works.
const parse = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
const addressOf = (dialog) => dialog?.dataset.address ?? location.href;

/** Ask the server; that an answer is on its way is shown if it takes long (css/progress.css). */
async function ask(...request) {
  document.documentElement.dataset.waiting = "";
  try {
    return await fetch(...request);
  } finally {
    delete document.documentElement.dataset.waiting;
  }
}

async function open(link, old) {
  const answer = await ask(link.href);
  const dialog = answer.ok && (await parse(answer)).querySelector("dialog");
  if (!dialog) return location.assign(link.href);
  // The focus comes back to what has it now: from a menu to its button, as the entry is gone with the menu.
  const menu = link.closest("[popover]");
  if (!old) (menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : link).focus();
  show(dialog, link.href, old);
}

async function send(form, button, old) {
  const body = new URLSearchParams(new FormData(form, button));
  const answer = await ask(form.action, { method: "POST", body });
  const page = await parse(answer);
  const dialog = page.querySelector("dialog");
  if (dialog) {
    show(dialog, answer.redirected ? answer.url : addressOf(old), old);
  } else if (answer.redirected && answer.ok) {
    become(page, answer.url);
  } else location.assign(addressOf(old));
}

function show(dialog, address, old) {
  if (old?.hasAttribute("data-changed")) dialog.dataset.changed = "";
  old?.close(); // first, so that the focus is back on what opened it
  old?.remove();
  dialog.removeAttribute("open");
  dialog.dataset.address = address;
  // Without an action a form posts to its page's address, which is no longer the dialog's own.
  for (const form of dialog.querySelectorAll("form:not([action])")) form.action = address;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("cancel", (event) => leave(event, dialog));
  document.body.append(dialog);
  // What scripts add comes first: added later it would push what has the focus out of view.
  dialog.dispatchEvent(new Event("content", { bubbles: true }));
  // Nothing scrolls behind it (css/dialog.css), and nothing is to move into the scrollbar's place, where there is one.
  document.documentElement.toggleAttribute("data-scrollbar", innerWidth > document.documentElement.clientWidth);
  dialog.showModal(); // focuses what is marked autofocus, else the title
}

/** Close without a request; but where something was changed the page behind is out of date, and is fetched anew. */
function leave(event, dialog) {
  if (!dialog.matches(":modal")) return; // a page of its own: the link leads away
  event.preventDefault();
  if (!dialog.hasAttribute("data-changed")) return dialog.close();
  sessionStorage.setItem("focus", "title"); // see focus.js
  location.assign(location.pathname + location.search);
}

/** Show the page that the form led to. Asking for it again would lose its notification, which is told once. */
function become(page, address) {
  history.replaceState({ became: true }, "");
  if (address !== location.href) history.pushState({ became: true }, "", address);
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
  scrollTo(0, 0);
  document.body.dispatchEvent(new Event("content", { bubbles: true }));
  document.querySelector("h1")?.focus();
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
  open(link, dialog).catch(() => location.assign(link.href));
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const dialog = form.closest("dialog");
  if (!form.matches("[data-dialog-form]") || dialog?.matches(":not(:modal)")) return;
  event.preventDefault();
  if (form.dataset.sent) return; // a double click is one request
  form.dataset.sent = "yes";
  send(form, event.submitter, dialog).catch(() => location.assign(addressOf(dialog)));
});

// On a dialog that is a page of its own Escape leads where Close does.
document.addEventListener("keydown", (event) => {
  const close = document.querySelector("dialog[open]:not(:modal) [data-dialog-close]");
  if (close && event.key === "Escape") location.assign(close.href);
});
