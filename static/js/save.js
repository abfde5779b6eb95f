// Save: a file of what stands on the page, made by the browser where no server keeps it to be sent.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-save]");
  if (!button) return;
  const { textContent } = button.closest("[data-value]").querySelector("[data-value-text]");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${textContent}\n`], { type: "text/plain" }));
  link.download = button.dataset.save;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // read by then
});
