// Text, elements and addresses of whatever names there are.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// What is not printable, and could hide or turn around the text beside it, is spelled out.
function printable(text) {
  return String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

// A byte of a file name that is not UTF-8 is half a character here, from U+DC80 to U+DCFF.
function quoted(component) {
  return component.replace(/[^]/gu, (c) => {
    const code = c.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16).toUpperCase()}`;
    return encodeURIComponent(code >= 0xd800 && code <= 0xdfff ? "\ufffd" : c);
  });
}

// With "./" before it nothing can be taken for a scheme.
function address(path) {
  return `./${path.split("/").map(quoted).join("/")}`;
}

// A browser takes these components as steps to another folder.
function reachable(path) {
  return !path.split("/").some((part) => part === "" || part === "." || part === "..");
}

// Where the report is served from below the source, a browser would stop at the server's root.
function inReach(link) {
  const up = link.split("/").filter((part) => part === "..").length;
  return location.protocol === "file:" || up < location.pathname.split("/").length - 1;
}

function lastOf(path) {
  return path.slice(path.lastIndexOf("/") + 1) || path;
}

function count(number) {
  return number.toLocaleString("en");
}

function duration(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

function when(utc) {
  return `${printable(utc).slice(0, 16).replace("T", " ")} UTC`;
}

function ownSeconds(row) {
  return (row.seconds ?? []).reduce((sum, value) => sum + value, 0);
}
