// Copy: puts the value of its box on the clipboard, or the text that it holds itself, and says so. The button is there
// only with script.
const REFUSED = "The browser did not allow copying. Show the value and select it.";
const REFUSED_TEXT = "The browser did not allow copying. Select the text.";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const box = button.closest("[data-value]");
  const isHidden = box && !box.querySelector("[data-value-text]")?.checkVisibility();
  const refused = isHidden ? REFUSED : REFUSED_TEXT;
  if (!navigator.clipboard) return say(button, refused); // not by http: then nothing is asked for
  const value = box ? valueOf(box) : Promise.resolve(button.dataset.copy);
  try {
    // Given while it is on its way: some browsers soon forget that a button was pressed.
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": value.then(asText) })]);
    say(button, "Copied to clipboard");
  } catch {
    if (await value.catch(() => "")) return say(button, refused);
    // Whoever has to prove first who they are does so where *Show* leads, and copies then.
    formOfShow(box).requestSubmit();
  }
});

function asText(value) {
  if (!value) throw new Error("There is nothing to copy.");
  return new Blob([value], { type: "text/plain" });
}

/** The value on the page, else the one in the answer to *Show*, which the page does not come to hold. */
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
  // What is outside an open dialog is inert, and nothing said there is heard.
  const status = (button.closest("dialog") ?? document).querySelector("[data-status]");
  status.textContent = text;
  setTimeout(() => (status.textContent = ""), 5000);
}
