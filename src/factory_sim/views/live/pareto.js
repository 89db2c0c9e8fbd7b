// The Pareto of the shift's lost machine time: bars, longest first, with their shares.
import { chartIn, stateColour } from "./charts.js";
import { byId, make, put, show } from "./dom.js";
import { fixed, lasting, percent, words } from "./text.js";

const ROW_PX = 23, NAMES_PX = 132, VALUES_PX = 108;
const STATE_OF = { failure: "repair", crew: "down" }; // a loss has the colour of the state in which its time was spent

export const paretoView = (plan, onOpen) => {
  const section = byId("pareto");
  const [node, none, count] = [".plot", ".none", ".count"].map((name) => section.querySelector(name));
  const kinds = new Map(plan.states.map(({ kind, id }) => [kind, id]));
  const colour = (reason) => stateColour(kinds.get(STATE_OF[reason] ?? reason) ?? 14);
  let items = [];
  let total = 0;
  let chosen = -1;

  const cause = ({ reason, by }) => (by ? `${words(reason)} by ${words(by)}` : words(reason));
  const sentence = (item, sum) => `${words(item.at)}: ${cause(item)}, ${lasting(item.seconds)}, ${percent(item.seconds / total)} of all; ${percent(sum / total)} up to here`;
  const sums = () => items.map((_, i) => items.slice(0, i + 1).reduce((sum, { seconds }) => sum + seconds, 0));
  const names = (data, color, wide, line) => ({
    type: "category", inverse: true, data, axisLine: { lineStyle: { color: line } }, axisTick: { show: false },
    axisLabel: { color, interval: 0, ...(wide ? { align: "left", margin: wide, width: wide - 8, overflow: "truncate" } : { align: "right", margin: VALUES_PX }) },
  });
  const option = ({ ink, soft, line, card }) => {
    const upTo = sums();
    return {
      grid: { left: NAMES_PX, right: VALUES_PX, top: 2, bottom: 2 },
      xAxis: { type: "value", show: false, min: 0, max: items[0].seconds },
      yAxis: [
        names(items.map(({ at, reason }) => `${words(at)}  ${words(reason)}`), ink, NAMES_PX, line),
        names(items.map(({ seconds }) => `${lasting(seconds)}  ${percent(seconds / total)}`), soft, 0, "transparent"),
      ],
      tooltip: { confine: true, backgroundColor: card, borderColor: line, transitionDuration: 0, textStyle: { color: ink, fontSize: 12 }, extraCssText: "white-space: normal; max-width: 18rem", formatter: ({ dataIndex: i }) => make("span", {}, sentence(items[i], upTo[i])) },
      series: [{ type: "bar", barWidth: "62%", data: items.map(({ reason, seconds }) => ({ value: seconds, itemStyle: { color: colour(reason), borderColor: line, borderWidth: 1 } })), emphasis: { itemStyle: { borderColor: ink, borderWidth: 2 } } }],
    };
  };
  const drawing = chartIn(node, "svg", option);

  const choose = (i) => {
    const chart = drawing.chart();
    if (!chart) return;
    chart.dispatchAction({ type: "downplay", seriesIndex: 0 });
    chosen = i;
    if (i < 0) { chart.dispatchAction({ type: "hideTip" }); return; }
    chart.dispatchAction({ type: "highlight", seriesIndex: 0, dataIndex: i });
    chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex: i });
    node.setAttribute("aria-label", sentence(items[i], sums()[i]));
  };
  node.onkeydown = (event) => {
    if (event.key === "Enter" && chosen >= 0) { onOpen(items[chosen].at, node); return; }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !items.length) return;
    event.preventDefault();
    choose(Math.min(items.length - 1, Math.max(0, chosen + step)));
  };
  node.onblur = () => choose(-1);
  node.onclick = ({ clientY }) => {
    const i = Math.floor((clientY - node.getBoundingClientRect().top) / ROW_PX);
    if (i >= 0 && i < items.length) onOpen(items[i].at, node);
  };

  const restyle = async () => {
    if (!items.length) return;
    try {
      await drawing.draw();
    } catch (problem) {
      put(none, problem.message);
      show(none, true);
    }
  };
  const update = (found, sum, reason) => {
    [items, total, chosen] = [found.filter(({ seconds }) => seconds > 0), sum || 1, -1];
    put(count, !sum ? "" : sum < 3600 ? lasting(sum) : `${fixed(sum / 3600, 1)} h`);
    put(none, reason ?? "No time has been lost.");
    show(none, !items.length);
    show(node, items.length > 0);
    node.style.height = `${items.length * ROW_PX + 4}px`;
    const said = items.slice(0, 3).map(({ at, reason: why, seconds }) => `${words(at)} ${words(why)} ${lasting(seconds)}`);
    node.setAttribute("aria-label", `Lost machine time, longest first: ${said.join(", ")}. Arrow keys move, Enter opens a machine.`);
    restyle();
  };
  return { update, restyle };
};
