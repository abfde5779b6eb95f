// How many things are ticked in a form, said where they are confirmed. One tick may stand for many.
document.addEventListener("change", ({ target }) => {
  const form = target.closest("form[data-ticks]");
  if (!form) return;
  const ticked = [...form.querySelectorAll("input[type=checkbox]:checked")];
  const count = ticked.reduce((sum, box) => sum + Number(box.dataset.standsFor ?? 1), 0);
  form.querySelector("[data-ticked]").textContent = count.toLocaleString("en");
});
