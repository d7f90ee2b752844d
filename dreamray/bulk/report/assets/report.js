"use strict";
const config = JSON.parse(document.getElementById("config").textContent);
const tabs = [...document.querySelectorAll("[data-tab]")].map((section) => section.dataset.tab);
const lists = {};
let current = null;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// What is not printable, and could hide or turn around the text beside it, is spelled out.
function printable(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

// A byte of a file name that is not UTF-8 is half a character here, from U+DC80 to U+DCFF.
function quoted(component) {
  return component.replace(/[^]/gu, (c) => {
    const code = c.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16).toUpperCase()}`;
    return encodeURIComponent(code >= 0xd800 && code <= 0xdfff ? "\ufffd" : c);
  });
}

function address(path) {
  return `./${path.split("/").map(quoted).join("/")}`;
}

// A browser takes these components as steps to another folder.
function reachable(path) {
  return !path.split("/").some((part) => part === "." || part === "..");
}

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

function when(utc) {
  return `${utc.slice(0, 16).replace("T", " ")} UTC`;
}

function thumbnail(row) {
  if (row.failed) return element("p", { class: "thumb none failed" }, printable(row.failed));
  if (row.skipped) return element("p", { class: "thumb none" }, printable(row.skipped));
  const image = element("img", {
    loading: "lazy", decoding: "async", width: 320, height: 120,
    alt: `${printable(row.output)}, before and after`,
    src: address(row.thumb ?? `dreamray-report/thumbs/${row.output}.jpg`),
  });
  const small = row.size && row.size[0] < 160 && row.size[1] < 120;
  const box = element("a", { class: small ? "thumb small" : "thumb" }, image);
  if (reachable(row.output)) box.href = address(row.output);
  image.addEventListener("error", () => {
    box.classList.add("none");
    image.replaceWith("no thumbnail");
  });
  return box;
}

function stack(seconds) {
  const parts = config.stages.map((stage, i) => [stage, seconds[i]]);
  const text = parts.map(([stage, value]) => `${stage} ${duration(value)}`).join(", ");
  const bar = element("div", { class: "stack", role: "img", "aria-label": text, title: text });
  for (const [stage, value] of parts) {
    if (value) bar.append(element("i", { class: stage, style: `flex-grow:${value}` }));
  }
  return bar;
}

function named(row) {
  const text = element("bdi", {}, printable(split(row.output)[1] || row.output));
  if (row.failed || row.skipped || !reachable(row.output)) return text;
  return element("a", { href: address(row.output) }, text);
}

// Of a path: its folders, with the slash behind them, and its last component.
function split(path) {
  const end = path.lastIndexOf("/") + 1;
  return [path.slice(0, end), path.slice(end)];
}

function facts(row) {
  const known = [];
  if (row.size) known.push(`${row.size[0]} × ${row.size[1]}`);
  if (row.seconds) known.push(duration(row.seconds.reduce((sum, value) => sum + value)));
  if (row.attempts) known.push(`${row.attempts} attempts`);
  return known.join(" · ");
}

function madeBy(row) {
  const known = [];
  if (row.worker) known.push(printable(row.worker));
  if (row.finished) known.push(when(printable(row.finished)));
  return known;
}

function card(row) {
  const name = element("p", { class: "name", title: printable(row.output) }, named(row));
  const about = element("div", { class: "about" }, name);
  for (const text of [printable(split(row.output)[0]), facts(row), madeBy(row).join(" · ")]) {
    if (text) about.append(element("p", { class: "facts", title: text }, element("bdi", {}, text)));
  }
  if (row.seconds) about.append(stack(row.seconds));
  return element("li", {}, thumbnail(row), about);
}

function gallery(rows) {
  return element("ul", { class: "gallery" }, ...rows.map(card));
}

function failure(row) {
  const picture = element("td", {}, element("bdi", {}, printable(row.output)));
  if (row.source !== row.output) {
    picture.append(element("div", { class: "quiet" }, `from ${printable(row.source)}`));
  }
  const rest = element("td", { class: "quiet by" });
  for (const text of [...madeBy(row), facts(row)]) rest.append(element("div", {}, text));
  return element("tr", {}, picture, element("td", {}, printable(row.failed)), rest);
}

function failures(rows) {
  const head = ["picture", "reason", "by"].map((text) => element("th", { scope: "col" }, text));
  const table = element("table", { class: "cards failures" },
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows.map(failure)));
  return element("div", { class: "box" }, table);
}

const drawn = { pictures: gallery, failures };

class Pager {
  constructor(place, name, pages) {
    this.name = name;
    this.pages = pages;
    this.links = [["first", "«"], ["previous", "‹"], ["next", "›"], ["last", "»"]].map(
      ([label, sign]) => element("a", { "aria-label": `${label} page`, title: label }, sign));
    this.number = element("input", {
      type: "number", min: 1, max: pages, inputmode: "numeric", "aria-label": "page",
    });
    this.which = element("span", { class: "which" });
    this.number.addEventListener("change", () => {
      const page = Math.round(Number(this.number.value));
      if (page >= 1) location.hash = hash(name, Math.min(page, pages));
      else this.number.value = this.page;
    });
    const middle = element("span", {}, this.number, ` of ${pages.toLocaleString("en")}`);
    place.setAttribute("role", "navigation");
    place.setAttribute("aria-label", `Pages of ${name}`);
    place.append(this.links[0], this.links[1], middle, this.links[2], this.links[3], this.which);
  }

  show(page) {
    this.page = page;
    this.number.value = page;
    [1, page - 1, page + 1, this.pages].forEach((target, i) => {
      if (target === page || target < 1 || target > this.pages) {
        this.links[i].removeAttribute("href");
        this.links[i].setAttribute("aria-disabled", "true");
      } else {
        this.links[i].href = hash(this.name, target);
        this.links[i].removeAttribute("aria-disabled");
      }
    });
    const last = Math.min(page * config.perPage, config.rows[this.name]);
    const span = [(page - 1) * config.perPage + 1, last].map((n) => n.toLocaleString("en"));
    this.which.textContent = `${span[0]} to ${span[1]} of ${config.rows[this.name].toLocaleString("en")}`;
  }
}

function hash(name, page) {
  return page > 1 ? `#${name}/${page}` : `#${name}`;
}

class List {
  constructor(name, section) {
    this.name = name;
    this.pages = Math.ceil(config.rows[name] / config.perPage);
    this.message = section.querySelector(".message");
    this.rows = section.querySelector(".rows");
    this.pagers = [];
    if (this.pages > 1) {
      for (const place of section.querySelectorAll(".pager")) {
        this.pagers.push(new Pager(place, name, this.pages));
      }
    }
  }

  show(page) {
    if (this.page === page) return;
    this.page = page;
    for (const pager of this.pagers) pager.show(page);
    this.rows.replaceChildren();
    if (!this.pages) {
      this.message.textContent = this.name === "failures" ? "No picture failed." : "No pictures yet.";
      return;
    }
    this.message.textContent = "Loading …";
    const file = `${config.files[this.name]}-${String(page).padStart(5, "0")}.js`;
    const script = element("script", {
      src: `dreamray-report/${file}?v=${encodeURIComponent(config.asOf)}`,
    });
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => {
      script.remove();
      if (this.page !== page) return;
      this.page = null;
      this.message.textContent =
        `dreamray-report/${file} could not be loaded. Is it beside this page? Then reload.`;
    });
    document.head.append(script);
  }

  fill(page, rows) {
    if (this.page !== page) return;
    this.message.textContent = "";
    this.rows.replaceChildren(drawn[this.name](rows));
  }
}

// Each data file calls this.
function dreamrayPage(file, page, rows) {
  Object.values(lists).find((list) => config.files[list.name] === file).fill(page, rows);
}

function route() {
  const [name, number] = location.hash.slice(1).split("/");
  const tab = tabs.includes(name) ? name : tabs[0];
  const list = lists[tab];
  const page = list ? Math.min(Math.max(1, parseInt(number, 10) || 1), Math.max(1, list.pages)) : 1;
  const moved = current !== null && current !== `${tab}/${page}`;
  current = `${tab}/${page}`;
  for (const section of document.querySelectorAll("[data-tab]")) {
    section.hidden = section.dataset.tab !== tab;
  }
  for (const link of document.querySelectorAll("nav a")) {
    const own = link.hash.slice(1).split("/")[0] === tab;
    if (own) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (own && list) link.href = hash(tab, page);
  }
  if (list) list.show(page);
  const top = document.querySelector("header").offsetHeight;
  if (moved && scrollY > top) scrollTo(0, top);
}

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, .scroll")) return;
  const [tab, page] = current.split("/");
  const target = Number(page) + step;
  if (lists[tab] && target >= 1 && target <= lists[tab].pages) location.hash = hash(tab, target);
});

for (const section of document.querySelectorAll("[data-tab]")) {
  const name = section.dataset.tab;
  if (name in drawn) lists[name] = new List(name, section);
}
for (const legend of document.querySelectorAll(".legend")) {
  legend.append(element("span", {}, "left: before, right: after"));
  for (const stage of config.stages) {
    legend.append(element("span", {}, element("i", { class: `swatch ${stage}` }), stage));
  }
}
if (config.latest.length) {
  const latest = document.getElementById("latest");
  latest.hidden = false;
  latest.querySelector(".rows").append(gallery(config.latest));
}
document.getElementById("reload").addEventListener("click", () => location.reload());
addEventListener("hashchange", route);
route();
