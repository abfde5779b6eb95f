// A secret value: hidden until Show, and removed from the page after five minutes, which are counted down, together
// with elements that contain the same, marked with data-leaves-with-value.
const MINUTES = 5;

function mask(box, isMasked) {
  box.querySelector("[data-value-text]").hidden = isMasked;
  box.querySelector("[data-value-mask]").hidden = !isMasked;
  box.querySelector("[data-value-show]").hidden = !isMasked;
  box.querySelector("[data-value-hide]").hidden = isMasked;
}

// By the clock: while a computer sleeps, no timer goes on.
function countDown(box, end) {
  const left = box.querySelector("[data-value-left]");
  const minutes = Math.ceil((end - Date.now()) / 60_000);
  if (minutes > 0) {
    const text = `Gone from here in ${minutes} ${minutes === 1 ? "minute" : "minutes"}.`;
    if (left.textContent !== text) left.textContent = text;
    setTimeout(() => countDown(box, end), 1000);
    return;
  }
  mask(box, true);
  box.querySelector("[data-value-text]").textContent = "";
  for (const control of box.querySelectorAll("[data-needs-script]")) control.remove();
  for (const same of box.parentElement.querySelectorAll("[data-leaves-with-value]")) same.remove();
  left.textContent = "Gone from here: five minutes have passed.";
}

function enhance(root) {
  for (const box of root.querySelectorAll("[data-value]:has([data-value-text])")) {
    mask(box, !box.hasAttribute("data-value-shown"));
    countDown(box, Date.now() + MINUTES * 60_000);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-value-show], [data-value-hide]");
  if (!button) return;
  const box = button.closest("[data-value]");
  const isMasked = button.matches("[data-value-hide]");
  mask(box, isMasked);
  box.querySelector(isMasked ? "[data-value-show]" : "[data-value-hide]").focus();
});
document.addEventListener("content", (event) => enhance(event.target));
enhance(document);
