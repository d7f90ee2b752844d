// What of the report is shown: its address says it behind the "#", so that going back and
// reloading work. `show` is the number of a picture that is looked at.

const config = JSON.parse(document.getElementById("config").textContent);
const pictures = new Pictures(config);
const tools = document.querySelector(".tools");
const find = document.getElementById("find");
const order = document.getElementById("order");
const message = document.querySelector(".message");
const gallery = new Gallery(
  document.querySelector(".gallery"), document.querySelector(".pager"), pictures,
  (text) => { message.textContent = text; });
const viewer = new Viewer(document.querySelector(".viewer"), { step, closed });

let shown = ""; // What the gallery shows.
let opened = false; // Whether going back closes the viewer.

// Each data file calls this.
function dreamrayPart(number, rows) {
  pictures.fill(number, rows);
}

function wanted() {
  const values = new URLSearchParams(location.hash.slice(1));
  const number = values.get("show");
  return {
    tab: values.get("tab") === "run" ? "run" : "pictures",
    group: config.groups.includes(values.get("group")) ? values.get("group") : "",
    words: values.get("find") ?? "",
    order: values.get("order") in orders ? values.get("order") : "",
    show: /^\d+$/.test(number) && Number(number) < pictures.count ? Number(number) : null,
  };
}

function hashOf({ tab, group, words, order, show }) {
  const values = new URLSearchParams();
  if (tab === "run") values.set("tab", tab);
  if (group) values.set("group", group);
  if (words) values.set("find", words);
  if (order) values.set("order", order);
  if (show !== null) values.set("show", show);
  return `#${values}`;
}

function go(changes, { push = false } = {}) {
  const hash = hashOf({ ...wanted(), ...changes });
  if (push) {
    location.hash = hash; // The event goes on.
  } else {
    history.replaceState(null, "", hash);
    route();
  }
}

async function route() {
  const now = wanted();
  for (const section of document.querySelectorAll("[data-tab]")) {
    section.hidden = section.dataset.tab !== now.tab;
  }
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.dataset.to === now.tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const button of tools.querySelectorAll("[data-group]")) {
    button.setAttribute("aria-pressed", button.dataset.group === now.group);
  }
  if (document.activeElement !== find) find.value = now.words;
  order.value = now.order;
  const what = JSON.stringify([now.group, now.words, now.order]);
  if (what !== shown) {
    shown = what;
    await fill(now, () => shown === what);
  } else {
    gallery.draw();
  }
  await look(wanted());
}

async function fill(now, current) {
  message.textContent = "";
  if (!now.words && !now.order) {
    gallery.show(new OrderedView(pictures, now.group));
    if (!pictures.count) message.textContent = "No pictures yet.";
    return;
  }
  let told = performance.now();
  try {
    await pictures.loadAll(now.group, (share) => {
      if (!current()) return;
      message.textContent = `Looking through ${count(pictures.count)} pictures: ${Math.floor(100 * share)} %`;
      if (performance.now() - told < 500) return;
      gallery.show(search(pictures, now));
      told = performance.now();
    }, current);
  } catch (error) {
    if (current()) message.textContent = error.message;
    return;
  }
  if (!current()) return;
  const found = search(pictures, now);
  message.textContent = now.words ? `${found.count ? count(found.count) : "No picture"} found` : "";
  gallery.show(found);
}

async function look({ show }) {
  if (show === null) {
    opened = false;
    if (viewer.open) viewer.dialog.close();
    return;
  }
  try {
    await pictures.load(Math.floor(show / config.perPart));
  } catch (error) {
    message.textContent = error.message;
    return;
  }
  const row = pictures.row(show);
  if (row && wanted().show === show) viewer.show(row, gallery.view.placeOf(show), gallery.view.count);
}

async function step(by) {
  const { show } = wanted();
  const { view } = gallery;
  const place = show === null ? -1 : view.placeOf(show);
  if (place < 0 || place + by < 0 || place + by >= view.count) return;
  try {
    await pictures.load(view.partOf(place + by));
  } catch {
    return;
  }
  const number = view.number(place + by);
  if (number !== undefined && wanted().show === show) go({ show: number });
}

function closed() {
  const { show } = wanted();
  if (show === null) return;
  gallery.goTo(show);
  if (opened) history.back();
  else go({ show: null });
  opened = false;
}

document.querySelector(".gallery").addEventListener("click", (event) => {
  const link = event.target.closest(".card a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  opened = true;
  go({ show: Number(link.dataset.number) }, { push: true });
});

let typed;
function choose(changes = {}) {
  clearTimeout(typed);
  toTop();
  go({ words: find.value.trim(), ...changes });
}
find.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => choose(), 150);
});
order.addEventListener("change", () => choose({ order: order.value }));
for (const button of tools.querySelectorAll("[data-group]")) {
  button.addEventListener("click", () => choose({ group: button.dataset.group }));
}
tools.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("reload").addEventListener("click", () => location.reload());
addEventListener("hashchange", route);

// A new list begins at its first card, unless that is in sight.
function toTop() {
  const top = gallery.box.offsetTop - tools.offsetHeight;
  if (scrollY > top) scrollTo(0, top);
}

tools.hidden = false;
route();
