// Copy: puts the value of its box on the clipboard and says so. The button is there only with script.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const value = button.closest("[data-value]").querySelector("[data-value-text]").textContent;
  // What is outside an open dialog is inert, and nothing said there is heard.
  const status = (button.closest("dialog") ?? document).querySelector("[data-status]");
  try {
    await navigator.clipboard.writeText(value);
    status.textContent = "Copied to clipboard";
  } catch {
    status.textContent = "The browser did not allow copying. Show the value and select it.";
  }
  setTimeout(() => (status.textContent = ""), 5000);
});
