// Shows how many things are ticked, beside the button that confirms them. One tick may stand for several things.
function count(form) {
  const ticked = [...form.querySelectorAll("input[type=checkbox]:checked")];
  const sum = ticked.reduce((number, box) => number + Number(box.dataset.standsFor ?? 1), 0);
  form.querySelector("[data-ticked]").textContent = sum.toLocaleString("en");
}

document.addEventListener("change", ({ target }) => {
  const form = target.closest("form[data-ticks]");
  if (form) count(form);
});
// Browsers restore ticks when people come back to a page.
addEventListener("pageshow", () => document.querySelectorAll("form[data-ticks]").forEach(count));
