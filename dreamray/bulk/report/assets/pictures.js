// The rows of all pictures, in parts that are loaded when they are needed, and views of them.
// A picture's number is its place among all of them, from 0.

const AT_A_TIME = 8; // Parts that are loaded beside each other.

class Pictures {
  constructor(config) {
    this.config = config;
    this.parts = config.parts.map((counts) => ({ counts, rows: null, promise: null }));
    this.count = this.parts.reduce((sum, part) => sum + this.countOf(part, null), 0);
  }

  countOf(part, group) {
    if (group) return part.counts[this.config.groups.indexOf(group)] ?? 0;
    return part.counts.reduce((sum, one) => sum + one, 0);
  }

  row(number) {
    return this.parts[Math.floor(number / this.config.perPart)]?.rows?.[number % this.config.perPart];
  }

  // Scripts, as a page from a disk may load nothing else.
  load(index) {
    const part = this.parts[index];
    part.promise ??= new Promise((resolve, reject) => {
      const file = `dreamray-report/pictures-${String(index + 1).padStart(5, "0")}.js`;
      const script = element("script", { src: `${file}?v=${encodeURIComponent(this.config.asOf)}` });
      script.addEventListener("load", () => {
        script.remove();
        if (part.rows) resolve();
        else script.dispatchEvent(new Event("error"));
      });
      script.addEventListener("error", () => {
        script.remove();
        part.promise = null; // It is tried again when it is next needed.
        reject(new Error(`${file} could not be loaded. Is it beside this page? Then reload.`));
      });
      document.head.append(script);
    });
    return part.promise;
  }

  fill(number, rows) {
    this.parts[number - 1].rows = rows;
  }

  // Loads all parts that have pictures of a group, and tells how far it is.
  async loadAll(group, told, wanted) {
    const needed = [...this.parts.keys()].filter((i) => this.countOf(this.parts[i], group));
    let next = 0;
    let loaded = 0;
    const work = async () => {
      while (next < needed.length && wanted()) {
        await this.load(needed[next++]);
        told(++loaded / needed.length);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
  }
}

// Pictures of one group, or all, in the order of the parts: nothing need be loaded to count them.
class OrderedView {
  constructor(pictures, group) {
    this.pictures = pictures;
    this.group = group;
    this.starts = [0];
    for (const part of pictures.parts) {
      this.starts.push(this.starts.at(-1) + pictures.countOf(part, group));
    }
    this.count = this.starts.at(-1);
    this.chosen = [];
  }

  partOf(place) {
    let low = 0;
    let high = this.pictures.parts.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle + 1] > place) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // The number of the picture at a place; undefined while its part is not loaded.
  number(place) {
    const part = this.partOf(place);
    const within = place - this.starts[part];
    const first = part * this.pictures.config.perPart;
    if (!this.group) return first + within;
    const rows = this.pictures.parts[part].rows;
    if (!rows) return undefined;
    this.chosen[part] ??= [...rows.keys()].filter((i) => groupOf(rows[i]) === this.group);
    return this.chosen[part][within] === undefined ? undefined : first + this.chosen[part][within];
  }

  placeOf(number) {
    const part = Math.floor(number / this.pictures.config.perPart);
    if (!this.group) return number < this.count ? number : -1;
    this.number(this.starts[part]);
    const within = this.chosen[part]?.indexOf(number % this.pictures.config.perPart) ?? -1;
    return within < 0 ? -1 : this.starts[part] + within;
  }
}

// Pictures that were found and put in order: all of their rows are loaded.
class FoundView {
  constructor(pictures, numbers) {
    this.pictures = pictures;
    this.numbers = numbers;
    this.count = numbers.length;
  }

  partOf(place) {
    return Math.floor(this.numbers[place] / this.pictures.config.perPart);
  }

  number(place) {
    return this.numbers[place];
  }

  placeOf(number) {
    return this.numbers.indexOf(number);
  }
}

function groupOf(row) {
  return row.group ?? "dreamt";
}

function isDream(row) {
  return ["dreamt", "kept"].includes(groupOf(row));
}

// Why there is no dream.
function reasonOf(row) {
  return row.error ?? row.note ?? "";
}

const orders = {
  newest: (row) => -Date.parse(row.finished ?? 0) || 0,
  oldest: (row) => Date.parse(row.finished ?? 0) || 0,
  longest: (row) => -ownSeconds(row),
  shortest: (row) => (row.seconds ? ownSeconds(row) : Infinity),
  largest: (row) => -(row.size ?? [0, 0])[0] * (row.size ?? [0, 0])[1],
  smallest: (row) => (row.size ? row.size[0] * row.size[1] : Infinity),
};

function search(pictures, { group, words, order }) {
  const needles = words.normalize().toLowerCase().split(/\s+/).filter(Boolean);
  const numbers = [];
  const keys = [];
  pictures.parts.forEach((part, index) => {
    part.rows?.forEach((row, i) => {
      if (group && groupOf(row) !== group) return;
      if (needles.length) {
        const text = [row.output, row.link ?? row.source, row.error ?? "", row.note ?? ""];
        const hay = text.join("\n").normalize().toLowerCase();
        if (!needles.every((needle) => hay.includes(needle))) return;
      }
      numbers.push(index * pictures.config.perPart + i);
      if (order) keys.push(orders[order](row));
    });
  });
  if (!order) return new FoundView(pictures, numbers);
  const sorted = [...numbers.keys()].sort((a, b) => keys[a] - keys[b] || a - b || 0);
  return new FoundView(pictures, sorted.map((i) => numbers[i]));
}
