// Save: makes a file of the value on the page in the browser, because the server cannot send it again.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-save]");
  if (!button) return;
  const { textContent } = button.closest("[data-value]").querySelector("[data-value-text]");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${textContent}\n`], { type: "text/plain" }));
  link.download = button.dataset.save;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // saved by then
});
