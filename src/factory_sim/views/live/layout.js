// Where everything of the plan is drawn: sections in columns of the flow, or below each other on a narrow screen.
const TILE = 18, BETWEEN = 2, PER_ROW = 2; // machines in the cell of an operation
const PAD = 3, NAME = 13, LEVEL = 9; // of a cell: margin, name, one buffer
const LINE = 13, LETTER = 6.3, GAP = 4; // of a section: a line of its title, a letter of it; between cells
const FOOT = 8; // below the cells of a section, for standing vehicles
const LANE = 24, MOST_LANE = 64, WIDEST = 2.4; // between columns; and how far a cell may be stretched
const GUTTER = 34; // beside stacked sections, for their routes
const SCALES = [1.8, 1.5, 1.25, 1]; // a small plant is drawn larger
const TOUCHED = 1.35; // scale of stacked sections: a finger hits a machine
const COMFORTABLE = 340, TALLEST = 2600, NARROW = 640; // px

const chunks = (list, n) => Array.from({ length: Math.ceil(list.length / n) }, (_, i) => list.slice(i * n, (i + 1) * n));

const measures = (scale) => {
  const px = (value) => value * scale;
  const width = px(PER_ROW * (TILE + BETWEEN) - BETWEEN + 2 * PAD);
  const height = ({ machines, levels }) =>
    px(2 * PAD + NAME + Math.ceil(Math.max(1, machines) / PER_ROW) * (TILE + BETWEEN) + levels * LEVEL);
  return { scale, width, height, gap: px(GAP), line: px(LINE), letter: px(LETTER), foot: px(FOOT), lane: px(LANE) };
};

// The title stands above the frame and may reach into the lane; it takes as many lines as it needs.
const headOf = ({ title }, n, m) => {
  const room = widthOf(n, m) + m.lane - 6;
  let lines = 1, used = 0;
  for (const word of title.split(" ")) {
    const long = word.length * m.letter;
    if (used && used + m.letter + long > room) { lines += 1; used = long; } else used += (used ? m.letter : 0) + long;
  }
  return lines * m.line + 3;
};

const rowsOf = (section, n, m) => chunks(section.cells, n).map((cells) => ({ cells, height: Math.max(...cells.map(m.height)) }));
const heightOf = (section, n, m) => headOf(section, n, m) + m.gap + m.foot + rowsOf(section, n, m).reduce((sum, row) => sum + row.height + m.gap, 0);
const stackOf = (layer, n, m) => layer.reduce((sum, section) => sum + heightOf(section, n, m) + 2 * m.gap, -2 * m.gap);
const widthOf = (n, m, cell = m.width) => n * (cell + m.gap) + m.gap;

// The fewest cells beside each other with which a column is not taller than allowed.
const fewest = (layer, tall, m) => {
  const most = Math.max(...layer.map(({ cells }) => cells.length));
  for (let n = 1; n < most; n += 1) if (stackOf(layer, n, m) <= tall) return n;
  return most;
};

const fit = (layers, room, m) => {
  for (let tall = m.height({ machines: 1, levels: 1 }); tall < TALLEST; tall += 10) {
    const counts = layers.map((layer) => fewest(layer, tall, m));
    const width = counts.reduce((sum, n) => sum + widthOf(n, m), 0) + m.lane * (layers.length - 1);
    if (width <= room) return { counts, width, tall: Math.max(...layers.map((layer, i) => stackOf(layer, counts[i], m))) };
  }
  return null;
};

const placeCells = (section, box, n, cell, m, places) => {
  let y = box.y + box.head + m.gap;
  for (const row of rowsOf(section, n, m)) {
    row.cells.forEach(({ name }, i) => places.set(name, { x: box.x + m.gap + i * (cell + m.gap), y, width: cell, height: row.height }));
    y += row.height + m.gap;
  }
};

const beside = (layers, room, m, found) => {
  const lanes = Math.max(1, layers.length - 1);
  const lane = Math.min(m.lane + (room - found.width) / lanes, MOST_LANE);
  const cells = found.counts.reduce((sum, n) => sum + n, 0);
  const rest = room - found.width - (lane - m.lane) * (layers.length - 1);
  const cell = Math.min(m.width + Math.max(0, rest) / cells, m.width * WIDEST);
  const sections = new Map(), operations = new Map();
  let x = 0;
  layers.forEach((layer, i) => {
    const n = found.counts[i];
    let y = (found.tall - stackOf(layer, n, m)) / 2;
    for (const section of layer) {
      const box = { x, y, width: widthOf(n, m, cell), height: heightOf(section, n, m), head: headOf(section, n, m) };
      sections.set(section.name, box);
      placeCells(section, box, n, cell, m, operations);
      y += box.height + 2 * m.gap;
    }
    x += widthOf(n, m, cell) + lane;
  });
  return { sections, operations, width: x - lane, height: found.tall, scale: m.scale, isStacked: false };
};

const stacked = (ordered, room, m) => {
  const sections = new Map(), operations = new Map();
  const inside = room - GUTTER;
  const n = Math.max(1, Math.floor((inside - m.gap) / (m.width + m.gap)));
  const cell = (inside - m.gap) / n - m.gap;
  let y = 0;
  for (const section of ordered) {
    const box = { x: 0, y, width: inside, height: heightOf(section, n, m), head: headOf(section, n, m) };
    sections.set(section.name, box);
    placeCells(section, box, n, cell, m, operations);
    y += box.height + 2 * m.gap;
  }
  return { sections, operations, width: room, height: y - 2 * m.gap, scale: m.scale, isStacked: true };
};

// sections: [{name, title, column, cells: [{name, machines, levels}]}], in flow order
export const arrange = (sections, room) => {
  const columns = [...new Set(sections.map(({ column }) => column))].sort((a, b) => a - b);
  const layers = columns.map((column) => sections.filter((each) => each.column === column));
  if (room >= NARROW) {
    for (const scale of SCALES) {
      const m = measures(scale);
      const found = fit(layers, room, m);
      if (found && (found.tall <= COMFORTABLE || scale === 1)) return beside(layers, room, m, found);
    }
  }
  return stacked(layers.flat(), room, measures(TOUCHED));
};

// A way between two sections: its path as text, and the point at a share of it.
const curve = (p) => ({
  d: `M${p[0]} ${p[1]}C${p.slice(2).join(" ")}`,
  at: (t) => {
    const weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
    return [0, 1].map((axis) => weights.reduce((sum, w, i) => sum + w * p[2 * i + axis], 0));
  },
});

const throughGutter = (from, to, lane) => {
  const middle = (box) => box.y + box.head + (box.height - box.head) / 2;
  const x = from.x + from.width, y0 = middle(from), y1 = middle(to);
  const far = x + 8 + 7 * (lane % 4);
  const points = [[x, y0], [far, y0], [far, y1], [x, y1]];
  const lengths = [far - x, Math.abs(y1 - y0), far - x];
  const total = lengths.reduce((sum, each) => sum + each, 0) || 1;
  return {
    d: `M${points.map((point) => point.join(" ")).join("L")}`,
    at: (t) => {
      let rest = t * total, i = 0;
      while (i < 2 && rest > lengths[i]) { rest -= lengths[i]; i += 1; }
      const share = Math.min(1, rest / (lengths[i] || 1));
      return [0, 1].map((axis) => points[i][axis] + share * (points[i + 1][axis] - points[i][axis]));
    },
  };
};

// `leaves` and `arrives` are shares of the height at which the way touches the boxes.
export const way = (from, to, { isStacked, lane = 0, leaves = 0.5, arrives = 0.5 }) => {
  if (isStacked) return throughGutter(from, to, lane);
  const round = (value) => Math.round(value * 10) / 10;
  if (to.x > from.x) {
    const at = (box, share) => box.y + box.head + share * (box.height - box.head);
    const [x0, y0, x1, y1] = [from.x + from.width, at(from, leaves), to.x, at(to, arrives)];
    const bend = Math.max((x1 - x0) / 2, 12);
    return curve([x0, y0, x0 + bend, y0, x1 - bend, y1, x1, y1].map(round));
  }
  const [x0, x1] = [from.x + from.width / 2, to.x + to.width / 2];
  const low = Math.max(from.y + from.height, to.y + to.height);
  return curve([x0, from.y + from.height, x0, low + 30, x1, low + 30, x1, to.y + to.height].map(round));
};
