// Progress of work on the server: loads the page again every second and copies its progress bar and text from there.
// When the new page has none, the work is finished, and the page is reloaded. These requests do not count as use of the
// session. Without script there is a link instead, because a page that reloads by itself disturbs people who read it
// slowly.
const EVERY = 1000;
const PART = "[data-progress-part]";

async function follow(section) {
  try {
    const answer = await fetch(location.href, { headers: { "Keytree-Unattended": "yes" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const news = page.querySelectorAll(PART);
    // An error does not mean that the work has ended.
    if (answer.ok && !news.length) return location.reload();
    news.forEach((part, index) => {
      const shown = section.querySelectorAll(PART)[index];
      if (part.hasAttribute("value")) shown.value = part.value;
      shown.textContent = part.textContent;
    });
  } catch {
    // The server cannot be reached: try again.
  }
  setTimeout(() => follow(section), EVERY);
}

const section = document.querySelector("[data-progress]");
if (section) setTimeout(() => follow(section), EVERY);
