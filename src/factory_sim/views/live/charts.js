// ECharts: its file is the largest of the page, so it is loaded once there is something to draw with it.
import { make, perFrame } from "./dom.js";

const SCRIPT = "static/echarts.min.js";
const FONT_PX = 12;

let loading = null;
const loaded = () => {
  loading ??= new Promise((resolve, reject) => {
    const script = make("script", { src: SCRIPT });
    script.onload = () => { defineCells(); resolve(window.echarts); };
    script.onerror = () => { loading = null; script.remove(); reject(new Error("The charts could not be loaded from the server.")); };
    document.head.append(script);
  });
  return loading;
};

const ofStyle = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const theme = () => Object.fromEntries(["ink", "soft", "line", "card", "link"].map((name) => [name, ofStyle(`--${name}`)]));
export const stateColour = (id) => ofStyle(`--s${id}`);

// A chart in a node, in the colours and the size of the moment: `optionOf(theme)` describes it, `draw` draws it anew.
export const chartIn = (node, renderer, optionOf) => {
  let chart = null;
  let isClosed = false;
  const draw = async () => {
    const echarts = await loaded();
    if (isClosed || !node.clientWidth || !node.clientHeight) return;
    if (chart) chart.resize();
    else { chart = echarts.init(node, null, { renderer }); sizes.observe(node); }
    const colours = theme();
    const textStyle = { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: FONT_PX, color: colours.soft };
    chart.setOption({ animation: false, textStyle, ...optionOf(colours) }, { notMerge: true });
  };
  const sizes = new ResizeObserver(perFrame(draw));
  return { draw, chart: () => chart, close: () => { isClosed = true; sizes.disconnect(); chart?.dispose(); chart = null; } };
};

// All cells of one state are one shape: a chart of 100,000 cells has as many shapes as there are states. Edges lie on
// pixels of the screen, so that neighbours leave no seam.
const defineCells = () => {
  const onPixel = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio;
  const cells = window.echarts.graphic.extendShape({
    shape: { carpet: null, state: 0, x: 0, y: 0, width: 0, height: 0 },
    buildPath(path, { carpet, state, x, y, width, height }) {
      const [left, top] = [(k) => onPixel(x + (width * k) / carpet.columns), (i) => onPixel(y + (height * i) / carpet.rows)];
      carpet.runs(state, (row, from, to) => path.rect(left(from), top(row), left(to) - left(from), top(row + 1) - top(row)));
    },
  });
  window.echarts.graphic.registerShape("cells", cells);
};

// The series of a carpet, on axes that count its columns and rows.
export const cellsSeries = (carpet, states) => ({
  type: "custom", silent: true, data: states.map(({ id }) => id),
  renderItem: ({ coordSys: { x, y, width, height }, dataIndex }) => ({
    type: "cells", shape: { carpet, state: states[dataIndex].id, x, y, width, height }, style: { fill: stateColour(states[dataIndex].id) },
  }),
});

// An axis of time below a carpet, with a mark at each of some instants.
export const timeAxis = (carpet, marks, { soft, line }, clock) => {
  const at = marks.map((ms) => (ms - carpet.fromMs) / carpet.stepMs);
  return {
    type: "value", min: 0, max: carpet.columns, axisLine: { show: false }, splitLine: { show: false },
    axisTick: { show: true, customValues: at, length: 14, lineStyle: { color: line } },
    axisLabel: { customValues: at, color: soft, fontSize: 11, align: "left", padding: [0, 0, 0, 4], margin: 3, formatter: (value) => clock.minute(Math.round(carpet.fromMs + value * carpet.stepMs)) },
  };
};
