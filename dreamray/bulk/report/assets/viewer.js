// One picture and its dream over each other, with a border between them that moves.

const LARGEST_VIEWED = 24e6; // Pixels that are loaded beyond the thumbnails.
const LEAST_WIDE = 720; // Small pictures are enlarged up to this.

class Viewer {
  constructor(dialog, { step, closed }) {
    this.dialog = dialog;
    const find = (selector) => dialog.querySelector(selector);
    this.stage = find(".stage");
    this.frame = find(".frame");
    this.images = { before: find(".before"), after: find(".after") };
    this.edge = find(".edge");
    this.reason = find(".reason");
    this.step = step;
    this.split(50);
    for (const button of dialog.querySelectorAll("[data-step]")) {
      button.addEventListener("click", () => step(Number(button.dataset.step)));
    }
    find(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", closed);
    dialog.addEventListener("keydown", (event) => this.press(event));
    this.frame.addEventListener("pointerdown", (event) => this.grab(event));
    this.frame.addEventListener("pointermove", (event) => this.drag(event));
    new ResizeObserver(() => this.fit()).observe(this.stage);
    for (const image of Object.values(this.images)) {
      image.addEventListener("error", () => image.classList.add("missing"));
      image.addEventListener("load", () => {
        image.classList.remove("missing");
        this.size ??= [image.naturalWidth, image.naturalHeight];
        this.fit();
      });
    }
  }

  get open() {
    return this.dialog.open;
  }

  show(row, place, of) {
    const dream = isDream(row);
    this.row = row;
    this.size = row.size;
    this.dialog.querySelector("#viewed").textContent = printable(lastOf(row.output));
    this.dialog.querySelector(".place").textContent = place < 0 ? "" : `${count(place + 1)} of ${count(of)}`;
    const [previous, next] = this.dialog.querySelectorAll("[data-step]");
    previous.disabled = place <= 0;
    next.disabled = place < 0 || place >= of - 1;
    this.frame.hidden = !dream;
    this.reason.hidden = dream;
    this.reason.classList.toggle("failed", groupOf(row) === "failed");
    this.reason.textContent = dream ? "" : printable(reasonOf(row));
    if (dream) for (const side of ["before", "after"]) this.load(side);
    this.dialog.querySelector(".links").replaceChildren(...linksOf(row));
    this.dialog.querySelector(".facts").replaceChildren(...factsOf(row));
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.dialog.focus(); // Not a button: the arrows go to other pictures.
    }
    this.dialog.scrollTop = 0;
    this.fit();
  }

  // The thumbnail at once, the picture itself when it is there.
  load(side) {
    const image = this.images[side];
    const { row } = this;
    const what = side === "before" ? "the picture" : "the dream";
    image.alt = `${what} ${printable(row.output)}`;
    image.classList.remove("missing");
    image.src = thumbnailOf(row, side);
    for (const full of fullOf(row, side, LARGEST_VIEWED)) {
      const loaded = element("img", { src: full });
      loaded.decode().then(() => {
        if (this.row === row) image.src = full;
      }, () => {}); // The thumbnail stays.
    }
  }

  fit() {
    if (!this.size || this.frame.hidden) return;
    const [width, height] = this.size;
    const space = getComputedStyle(this.stage);
    const wide = this.stage.clientWidth - parseFloat(space.paddingLeft) - parseFloat(space.paddingRight);
    // What is beside the stage has its place in the window, too.
    const others = [...this.dialog.children].filter((one) => one !== this.stage);
    const used = others.reduce((sum, one) => sum + one.offsetHeight, 0);
    const high = Math.max(0.45 * innerHeight, this.dialog.clientHeight - used);
    const scale = Math.min(wide / width, high / height, Math.max(1, LEAST_WIDE / Math.max(width, height)));
    this.frame.style.width = `${Math.max(2, Math.floor(width * scale))}px`;
    this.frame.style.height = `${Math.max(2, Math.floor(height * scale))}px`;
  }

  split(percent) {
    this.at = Math.min(100, Math.max(0, percent));
    this.images.before.style.clipPath = `inset(0 ${100 - this.at}% 0 0)`;
    this.edge.style.left = `${this.at}%`;
    this.edge.setAttribute("aria-valuenow", Math.round(this.at));
    this.edge.setAttribute("aria-valuetext", `${Math.round(this.at)} % before, ${Math.round(100 - this.at)} % dream`);
    this.frame.querySelector(".left").style.opacity = this.at < 18 ? 0 : 1;
    this.frame.querySelector(".right").style.opacity = this.at > 82 ? 0 : 1;
  }

  grab(event) {
    if (event.button) return;
    this.frame.setPointerCapture(event.pointerId);
    this.drag(event);
    this.edge.focus({ preventScroll: true });
    event.preventDefault();
  }

  drag(event) {
    if (!this.frame.hasPointerCapture(event.pointerId)) return;
    const { left, width } = this.frame.getBoundingClientRect();
    this.split((100 * (event.clientX - left)) / width);
  }

  // Arrows move the border while it has the focus, and go to other pictures otherwise.
  press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const onEdge = event.target === this.edge;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    if (onEdge && event.key in steps) this.split(this.at + 2 * steps[event.key]);
    else if (onEdge && event.key === "Home") this.split(0);
    else if (onEdge && event.key === "End") this.split(100);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.step(steps[event.key]);
    else return;
    event.preventDefault();
  }
}

function linksOf(row) {
  const links = [];
  if (isDream(row) && reachable(row.output)) links.push(element("a", { href: address(row.output) }, "Open the dream"));
  if (row.link && inReach(row.link)) links.push(element("a", { href: address(row.link) }, "Open the source"));
  return links;
}

function factsOf(row) {
  const known = [["source", printable(row.link ?? row.source)]];
  if (row.output.includes("/")) known.unshift(["dream", printable(row.output)]);
  if (groupOf(row) !== "dreamt") known.unshift(["state", groupOf(row)]);
  if (row.size) known.push(["size", `${row.size[0]} × ${row.size[1]}`]);
  if (row.seconds) {
    const parts = config.stages.map((stage, i) => `${stage} ${duration(row.seconds[i])}`);
    known.push(["time", `${duration(ownSeconds(row))} (${parts.join(", ")})`]);
  }
  if (row.waited >= 0.1) known.push(["waited before", duration(row.waited)]);
  if (row.attempts) known.push(["attempts", row.attempts]);
  if (row.worker) known.push(["worker", printable(row.worker)]);
  if (row.finished) known.push(["finished", when(row.finished)]);
  if (row.note && isDream(row)) known.push(["note", printable(row.note)]);
  return known.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, element("bdi", {}, String(value)))));
}
