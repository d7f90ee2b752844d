// A grid of cards of which only those in sight are there, however many there are.

const GAP = 12;
const TEXT = 54; // Pixels of a card below its picture.
const AHEAD = 600; // Pixels above and below the window in which cards are made.
const PER_PAGE = 100_000; // Higher than this many cards browsers make no page.
const LARGEST_SHOWN = 24e6; // Pixels of a picture that is shown without a thumbnail.

class Gallery {
  constructor(box, pager, pictures, told) {
    Object.assign(this, { box, pager, pictures, told });
    this.cards = new Map();
    this.view = null;
    this.first = 0; // Place of the first card of this page.
    addEventListener("scroll", () => this.plan(), { passive: true });
    new ResizeObserver(() => this.plan()).observe(box);
    box.addEventListener("keydown", (event) => this.move(event));
  }

  show(view, { keep = false } = {}) {
    this.view = view;
    if (!keep) this.first = 0;
    this.toFocus = null;
    for (const card of this.cards.values()) card.remove();
    this.cards.clear();
    this.fillPager();
    this.draw();
  }

  get shown() {
    return Math.max(0, Math.min(PER_PAGE, this.view.count - this.first));
  }

  plan() {
    this.planned ??= requestAnimationFrame(() => {
      this.planned = undefined;
      this.draw();
    });
  }

  measure() {
    const width = this.box.clientWidth;
    const least = width < 600 ? 150 : 236;
    const columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    const card = (width - GAP * (columns - 1)) / columns;
    return { columns, card, picture: Math.round(card * 0.75), row: Math.round(card * 0.75) + TEXT + GAP };
  }

  draw() {
    if (!this.view || this.box.offsetParent === null) return;
    const grid = this.measure();
    this.box.style.height = `${Math.max(0, Math.ceil(this.shown / grid.columns) * grid.row - GAP)}px`;
    this.box.style.setProperty("--picture", `${grid.picture}px`);
    const top = -this.box.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor((top - AHEAD) / grid.row)) * grid.columns;
    const rows = Math.ceil((top + innerHeight + AHEAD) / grid.row);
    const to = Math.min(this.shown, Math.max(0, rows) * grid.columns);
    for (const [place, card] of this.cards) {
      const inSight = place >= from && place < to;
      if (inSight && card.dataset.ready) continue;
      if (!inSight && card.contains(document.activeElement)) continue; // It keeps the focus.
      card.remove();
      this.cards.delete(place);
    }
    const missing = new Set();
    let behind = this.box.firstElementChild;
    for (let place = from; place < to; place++) {
      let card = this.cards.get(place);
      if (!card) {
        card = this.make(place);
        const part = this.view.partOf(this.first + place);
        // Of a run that goes on a part may have other rows by now than the page tells.
        if (!card.dataset.ready && !this.pictures.parts[part].rows) missing.add(part);
        this.cards.set(place, card);
      }
      // In the order in which they are read out and come by the tab key.
      if (card === behind) behind = behind.nextElementSibling;
      else this.box.insertBefore(card, behind);
      const column = place % grid.columns;
      card.style.width = `${grid.card}px`;
      card.style.height = `${grid.row - GAP}px`;
      card.style.left = `${column * (grid.card + GAP)}px`;
      card.style.top = `${((place - column) / grid.columns) * grid.row}px`;
    }
    if (missing.size) this.load([...missing]);
    // Perhaps it is loaded only now.
    const link = this.cards.get(this.toFocus)?.querySelector("a");
    if (!link) return;
    this.toFocus = null;
    link.focus({ preventScroll: true });
  }

  // A moment later: of what is scrolled by nothing is loaded.
  load(parts) {
    clearTimeout(this.waiting);
    const { view } = this;
    const start = async () => {
      try {
        await Promise.all(parts.map((part) => this.pictures.load(part)));
        if (this.view === view) this.plan();
      } catch (error) {
        if (this.view === view) this.told(error.message);
      }
    };
    if (this.cards.size && this.started) this.waiting = setTimeout(start, 80);
    else start();
    this.started = true;
  }

  make(place) {
    const number = this.view.number(this.first + place);
    const row = number === undefined ? undefined : this.pictures.row(number);
    const card = element("div", {
      class: "card", role: "listitem", "data-place": place,
      "aria-setsize": this.view.count, "aria-posinset": this.first + place + 1,
    }, row ? linkOf(row, number) : element("span", { class: "picture" }));
    if (row) card.dataset.ready = "1";
    return card;
  }

  // Arrows go from card to card.
  move(event) {
    const card = event.target.closest(".card");
    if (!card || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { columns } = this.measure();
    const place = Number(card.dataset.place);
    const target = {
      ArrowLeft: place - 1, ArrowRight: place + 1, ArrowUp: place - columns, ArrowDown: place + columns,
      Home: 0, End: this.shown - 1,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    if (target >= 0 && target < this.shown) this.focus(target);
  }

  focus(place) {
    const { columns, row } = this.measure();
    const top = this.box.getBoundingClientRect().top + Math.floor(place / columns) * row;
    const bar = 70; // The tools at the top lie over the cards.
    if (top < bar) scrollBy(0, top - bar);
    else if (top + row > innerHeight) scrollBy(0, top + row - innerHeight);
    this.toFocus = place;
    this.draw();
  }

  // To the card of a picture that was looked at meanwhile.
  goTo(number) {
    const place = this.view?.placeOf(number) ?? -1;
    if (place < 0) return;
    const page = place - (place % PER_PAGE);
    if (page !== this.first) this.turn(page);
    this.focus(place - this.first);
  }

  turn(first) {
    this.first = first;
    this.show(this.view, { keep: true });
    this.box.scrollIntoView();
  }

  fillPager() {
    const { view, first, shown } = this;
    this.pager.hidden = view.count <= PER_PAGE;
    const button = (text, target) => {
      const made = element("button", { type: "button" }, text);
      made.disabled = target < 0 || target >= view.count;
      made.addEventListener("click", () => this.turn(target));
      return made;
    };
    const which = `${count(first + 1)} to ${count(first + shown)} of ${count(view.count)}`;
    this.pager.replaceChildren(button("before", first - PER_PAGE), which, button("behind", first + PER_PAGE));
  }
}

function linkOf(row, number) {
  const group = groupOf(row);
  const picture = element("span", { class: "picture" });
  if (isDream(row)) {
    picture.append(imageOf(row));
  } else {
    picture.classList.toggle("failed", group === "failed");
    picture.append(element("span", { class: "reason" }, printable(reasonOf(row))));
  }
  const name = element("bdi", {}, printable(lastOf(row.output)));
  return element("a", { href: `#show=${number}`, "data-number": number, title: printable(row.output) },
    picture,
    element("span", { class: "name" }, name),
    element("span", { class: "about" }, isDream(row) ? facts(row) : group));
}

function facts(row) {
  const known = [];
  if (row.size) known.push(`${row.size[0]} × ${row.size[1]}`);
  if (row.seconds) known.push(duration(ownSeconds(row)));
  return known.join(" · ") || "\u00a0";
}

function imageOf(row) {
  const image = element("img", { alt: `dream ${printable(row.output)}`, decoding: "async" });
  if (row.size && row.size[0] < 240 && row.size[1] < 180) image.className = "small";
  const sources = [thumbnailOf(row, "after"), ...fullOf(row, "after", LARGEST_SHOWN)];
  const next = () => {
    if (sources.length) image.src = sources.shift();
    else image.replaceWith(element("span", { class: "none" }, "no thumbnail"));
  };
  image.addEventListener("error", next);
  next();
  return image;
}

function thumbnailOf(row, side) {
  return `dreamray-report/${side}/${(row.thumb ?? `${row.output}.jpg`).split("/").map(quoted).join("/")}`;
}

// The address of a picture itself, if a browser can show it, and it is not too large: a list of
// one or none.
function fullOf(row, side, largest) {
  const path = side === "after" ? row.output : row.link;
  if (!path || (row.size && row.size[0] * row.size[1] > largest)) return [];
  if (!/\.(png|jpe?g|webp|bmp|avif)$/i.test(path)) return [];
  return (side === "after" ? reachable(path) : inReach(path)) ? [address(path)] : [];
}
