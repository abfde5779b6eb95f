// Copy buttons: copy the value of the box around them, or the text in data-copy, to the clipboard. Shown only with
// script.
const REFUSED = "The browser did not allow copying. Show the value and select it.";
const REFUSED_TEXT = "The browser did not allow copying. Select the text.";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const box = button.closest("[data-value]");
  const isHidden = box && !box.querySelector("[data-value-text]")?.checkVisibility();
  const refused = isHidden ? REFUSED : REFUSED_TEXT;
  if (!navigator.clipboard) return say(button, refused); // as over http: do not even ask for the value
  const value = box ? valueOf(box) : Promise.resolve(button.dataset.copy);
  try {
    // A promise, because some browsers allow copying only for a moment after the click.
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": value.then(asText) })]);
    say(button, "Copied to clipboard");
  } catch {
    if (await value.catch(() => "")) return say(button, refused);
    // The answer had no value, usually because it asks for a proof of identity: go where *Show* leads.
    formOfShow(box).requestSubmit();
  }
});

function asText(value) {
  if (!value) throw new Error("There is nothing to copy.");
  return new Blob([value], { type: "text/plain" });
}

/** The value on the page, or else the one in the answer to *Show*, which is not put into the page. */
async function valueOf(box) {
  const shown = box.querySelector("[data-value-text]");
  if (shown) return shown.textContent;
  const form = formOfShow(box);
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("[data-value-text]")?.textContent;
}

function formOfShow(box) {
  return box.querySelector("form[data-dialog-form]");
}

function say(button, text) {
  // Screen readers do not announce what is outside an open dialog.
  const status = (button.closest("dialog") ?? document).querySelector("[data-status]");
  status.textContent = text;
  setTimeout(() => (status.textContent = ""), 5000);
}
