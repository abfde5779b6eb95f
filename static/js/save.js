// Save: makes a file of the value on the page in the browser, because the server cannot send it again: the value alone,
// or the JSON in data-save-facts with the value as its "key".
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-save]");
  if (!button) return;
  const { textContent } = button.closest("[data-value]").querySelector("[data-value-text]");
  const { save, saveFacts } = button.dataset;
  const text = saveFacts ? JSON.stringify({ ...JSON.parse(saveFacts), key: textContent }, null, 2) : textContent;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: saveFacts ? "application/json" : "text/plain" }));
  link.download = save;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // saved by then
});
