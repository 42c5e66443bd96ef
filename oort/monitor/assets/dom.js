// The few things that the page does to its document. Text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
  return document.getElementById(id);
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Only what differs is touched: a screen reader, a selection and a focus are left alone.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function attribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

// Bring a list up to date by keys: rows that stay are the same elements as before.
export function sync(list, items, key, make, update) {
  const there = new Map([...list.children].map((row) => [row.dataset.key, row]));
  let before = null;
  for (const item of items) {
    const name = String(key(item));
    let row = there.get(name);
    there.delete(name);
    if (!row) {
      row = make(item);
      row.dataset.key = name;
    }
    update(row, item);
    const place = before ? before.nextSibling : list.firstChild;
    if (place !== row) list.insertBefore(row, place);
    before = row;
  }
  for (const row of there.values()) row.remove();
}
