// Nodes of the page. Text from the feed only ever becomes text, never markup.
export const byId = (id) => document.getElementById(id);

export const make = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};

const SVG = "http://www.w3.org/2000/svg";
export const draw = (tag, attributes = {}) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

// Write a text if it differs, into the text node that is there.
export const put = (node, text) => {
  const inside = node.firstChild;
  if (inside && inside.nodeType === Node.TEXT_NODE && inside === node.lastChild) {
    if (inside.data !== text) inside.data = text;
  } else {
    node.textContent = text;
  }
};
export const label = (node, text) => {
  if (node.getAttribute("aria-label") === text) return;
  node.setAttribute("aria-label", text);
  node.title = text;
};
export const show = (node, isShown) => { if (node.hidden === isShown) node.hidden = !isShown; };

// Fill a list with one row per item; rows are kept and used again.
export const fillRows = (list, items, makeRow, fillRow) => {
  while (list.children.length < items.length) list.append(makeRow());
  [...list.children].forEach((row, i) => {
    show(row, i < items.length);
    if (i < items.length) fillRow(row, items[i]);
  });
};

export const ask = async (path, options = {}) => {
  const response = await fetch(path, { cache: "no-store", ...options }).catch(() => { throw new Error("The server does not answer."); });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error ?? `The server answered with status ${response.status}.`);
  return body;
};

// Run a job at most once per frame of the screen.
export const perFrame = (job) => {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; job(); });
  };
};
