// The state chart: all machines over the shift, continued by every event.
import { cellsSeries, chartIn, timeAxis } from "./charts.js";
import { ask, byId, put, show } from "./dom.js";
import { Carpet, EMPTY, hourMarks } from "./strips.js";
import { words } from "./text.js";

const COLUMNS = 720;
const REPAINT_MS = 2000, DRAW_MS = 5000; // of the feed, and of real time
const NAMES_PX = 128, NAME_PX = 14, AXIS_PX = 20;

export const stateChart = (plan, { clock, moment, onOpen }) => {
  const root = byId("chart");
  const board = root.querySelector(".board");
  const readout = root.querySelector(".readout");
  const states = new Map(plan.states.map((state) => [state.id, state]));
  const members = plan.operations.flatMap(({ machines, section, name }) => machines.map((unit) => ({ unit, section, operation: name })));
  const rowOf = new Map(members.map(({ unit }, i) => [unit, i]));
  let carpet = null;
  let selected = null;
  let lastMs = 0;
  let turn = 0;

  const namesPx = () => (innerWidth < 640 ? 0 : NAMES_PX);
  // names of sections at their first machine, as far below each other as a line of text is high
  const namesAt = (high) => {
    const found = new Map();
    const line = (NAME_PX * members.length) / high; // in rows
    let free = 0;
    members.forEach(({ section }, i) => {
      if (i && members[i - 1].section === section) return;
      const at = Math.max(i, free);
      found.set(at + line / 2, words(section ?? ""));
      free = at + line;
    });
    return found;
  };
  const drawing = chartIn(root.querySelector(".cells"), "canvas", (theme) => {
    const names = namesPx() ? namesAt(board.clientHeight - AXIS_PX) : new Map();
    return {
      grid: { left: namesPx(), right: 1, top: 1, bottom: AXIS_PX, show: true, borderColor: theme.line, backgroundColor: theme.card },
      xAxis: timeAxis(carpet, hourMarks(carpet.fromMs, carpet.toMs, innerWidth < 640 ? 5 : 10), theme, clock),
      yAxis: {
        type: "value", inverse: true, min: 0, max: members.length, axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false },
        axisLabel: { customValues: [...names.keys()], color: theme.soft, fontSize: 11, align: "left", margin: NAMES_PX, width: NAMES_PX - 8, overflow: "truncate", formatter: (value) => names.get(value) ?? "" },
      },
      series: [cellsSeries(carpet, plan.states)],
    };
  });
  let [drawnAt, drawnColumn] = [0, -1];
  const draw = async () => {
    [drawnAt, drawnColumn] = [performance.now(), carpet.columnAt(lastMs)];
    try {
      await drawing.draw();
    } catch (problem) {
      put(readout, problem.message);
    }
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
    draw();
  };
  const cursor = root.querySelector(".cursor");
  const mark = (ms) => {
    if (!carpet) return;
    const share = (ms - carpet.fromMs) / (carpet.toMs - carpet.fromMs);
    show(cursor, share >= 0 && share <= 1);
    cursor.style.left = `calc(${namesPx()}px + ${share.toFixed(4)} * (100% - ${namesPx() + 1}px))`;
  };
  // Continue the chart with the present states.
  const extend = (picture) => {
    if (!carpet || picture.t_ms - lastMs < Math.min(REPAINT_MS, carpet.stepMs)) return;
    for (const { unit } of members) {
      const state = picture.units[unit]?.[0];
      if (state !== undefined) carpet.extend(rowOf.get(unit), state, lastMs, picture.t_ms);
    }
    lastMs = picture.t_ms;
    if (carpet.columnAt(lastMs) !== drawnColumn && performance.now() - drawnAt > DRAW_MS) draw();
  };

  const read = (row, column) => {
    if (!carpet || row < 0 || row >= members.length || column < 0 || column >= COLUMNS) return;
    selected = { row, column };
    const { unit, operation } = members[row];
    const id = carpet.at(row, column);
    const name = id === EMPTY ? "no state is known" : (states.get(id)?.name ?? "unknown");
    put(readout, `${unit} (${operation}), ${clock.second(carpet.fromMs + (column + 0.5) * carpet.stepMs)}: ${name}`);
  };
  const point = ({ clientX, clientY }) => {
    const box = board.getBoundingClientRect();
    const [wide, high] = [box.width - namesPx() - 1, box.height - AXIS_PX - 1];
    read(Math.floor(((clientY - box.top - 1) / high) * members.length), Math.floor(((clientX - box.left - namesPx()) / wide) * COLUMNS));
  };
  board.onpointermove = point;
  board.onpointerdown = point;
  board.onclick = () => { if (selected) onOpen(members[selected.row].unit, board); };
  board.onkeydown = (event) => {
    if (event.key === "Enter" && selected) { onOpen(members[selected.row].unit, board); return; }
    const step = { ArrowRight: [0, 4], ArrowLeft: [0, -4], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
    if (!step || !carpet) return;
    event.preventDefault();
    const from = selected ?? { row: 0, column: Math.max(0, carpet.columnAt(lastMs)) };
    read(Math.min(members.length - 1, Math.max(0, from.row + step[0])), Math.min(COLUMNS - 1, Math.max(0, from.column + step[1])));
  };
  return { load, extend, mark, restyle: () => { if (carpet) draw(); } };
};
