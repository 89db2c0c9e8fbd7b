// The state chart: all machines over the shift, continued by every event.
import { ask, byId, fillRows, make, perFrame, put, show } from "./dom.js";
import { Carpet, EMPTY, hourMarks, stateColours } from "./strips.js";
import { words } from "./text.js";

const COLUMNS = 720;
const REPAINT_MS = 2000;

export const stateChart = (plan, { clock, moment, onOpen }) => {
  const root = byId("chart");
  const canvas = root.querySelector("canvas");
  const readout = root.querySelector(".readout");
  const states = new Map(plan.states.map((state) => [state.id, state]));
  const members = plan.operations.flatMap(({ machines, section, name }) => machines.map((unit) => ({ unit, section, operation: name })));
  const rowOf = new Map(members.map(({ unit }, i) => [unit, i]));
  let carpet = null;
  let selected = null;
  let lastMs = 0;
  let turn = 0;

  const paint = perFrame(() => carpet?.paint(canvas, stateColours(plan.states)));
  const drawMarks = () => {
    const { fromMs, toMs } = carpet;
    const marks = hourMarks(fromMs, toMs, innerWidth < 640 ? 5 : 10);
    fillRows(root.querySelector(".hours"), marks, () => make("span"), (node, ms) => {
      put(node, clock.minute(ms));
      node.style.left = `${(100 * (ms - fromMs)) / (toMs - fromMs)}%`;
    });
    const firsts = members.map(({ section }, i) => ({ section, i })).filter(({ section, i }) => !i || members[i - 1].section !== section);
    let free = 0; // below the last name: names never overlap
    const high = canvas.clientHeight;
    fillRows(root.querySelector(".names"), firsts, () => make("span"), (node, { section, i }) => {
      put(node, words(section ?? ""));
      const top = Math.max((high * i) / members.length, free);
      free = top + 14;
      node.style.top = `${top.toFixed(1)}px`;
    });
  };
  const load = async (shift) => {
    if (!shift || !members.length) return;
    turn += 1;
    const mine = turn;
    const to = Number.isFinite(shift.to_ms) ? shift.to_ms : shift.from_ms + 28_800_000;
    let rows = [];
    try {
      ({ rows } = await ask(`chart?from_ms=${Math.round(shift.from_ms)}&to_ms=${Math.round(to)}`));
    } catch (problem) {
      put(readout, problem.message);
    }
    if (mine !== turn) return;
    carpet = new Carpet(members.length, COLUMNS, shift.from_ms, to);
    lastMs = moment().t_ms;
    const past = (strip) => strip.filter(([begin]) => begin < lastMs).map(([begin, end, state]) => [begin, Math.min(end, lastMs), state]);
    for (const { name, strip } of rows) if (rowOf.has(name)) carpet.fill(rowOf.get(name), past(strip));
    drawMarks();
    paint();
  };
  const cursor = root.querySelector(".cursor");
  const mark = (ms) => {
    const share = carpet && (ms - carpet.fromMs) / (carpet.toMs - carpet.fromMs);
    show(cursor, share >= 0 && share <= 1);
    cursor.style.left = `${(100 * share).toFixed(2)}%`;
  };
  // Continue the chart with the present states.
  const extend = (picture) => {
    if (!carpet || picture.t_ms - lastMs < Math.min(REPAINT_MS, carpet.stepMs)) return;
    for (const { unit } of members) {
      const state = picture.units[unit]?.[0];
      if (state !== undefined) carpet.extend(rowOf.get(unit), state, lastMs, picture.t_ms);
    }
    lastMs = picture.t_ms;
    paint();
  };

  const read = (row, column) => {
    if (!carpet || row < 0 || row >= members.length || column < 0 || column >= COLUMNS) return;
    selected = { row, column };
    const { unit, operation } = members[row];
    const id = carpet.at(row, column);
    const name = id === EMPTY ? "no state is known" : (states.get(id)?.name ?? "unknown");
    put(readout, `${unit} (${operation}), ${clock.second(carpet.fromMs + (column + 0.5) * carpet.stepMs)}: ${name}`);
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    read(Math.floor(((event.clientY - box.top) / box.height) * members.length), Math.floor(((event.clientX - box.left) / box.width) * COLUMNS));
  };
  canvas.onpointermove = point;
  canvas.onpointerdown = point;
  canvas.onclick = () => { if (selected) onOpen(members[selected.row].unit, canvas); };
  canvas.onkeydown = (event) => {
    if (event.key === "Enter" && selected) { onOpen(members[selected.row].unit, canvas); return; }
    const step = { ArrowRight: [0, 4], ArrowLeft: [0, -4], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step || !carpet) return;
    event.preventDefault();
    const from = selected ?? { row: 0, column: Math.max(0, carpet.columnAt(lastMs)) };
    read(Math.min(members.length - 1, Math.max(0, from.row + step[0])), Math.min(COLUMNS - 1, Math.max(0, from.column + step[1])));
  };
  return { load, extend, mark, restyle: () => { if (carpet) { drawMarks(); paint(); } } };
};
