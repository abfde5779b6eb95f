// How many things are ticked in a form, said where they are confirmed. One tick may stand for many.
function count(form) {
  const ticked = [...form.querySelectorAll("input[type=checkbox]:checked")];
  const sum = ticked.reduce((number, box) => number + Number(box.dataset.standsFor ?? 1), 0);
  form.querySelector("[data-ticked]").textContent = sum.toLocaleString("en");
}

document.addEventListener("change", ({ target }) => {
  const form = target.closest("form[data-ticks]");
  if (form) count(form);
});
// Who comes back to a page finds the ticks as they left them.
addEventListener("pageshow", () => document.querySelectorAll("form[data-ticks]").forEach(count));
