"use strict";
// The charts: each function draws one kind into an element, in the colours of the current theme.
{
  const { data } = report;
  const FONT = 12;

  const chart = (element, option, theme) => {
    const instance = echarts.init(element, null, { renderer: "svg" });
    instance.setOption({
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: theme.soft, fontSize: FONT },
      ...option,
    });
    report.instances.push(instance);
  };
  const tooltip = (theme, more) => ({
    confine: true, backgroundColor: theme.card, borderColor: theme.line,
    textStyle: { color: theme.ink, fontSize: FONT }, ...more,
  });
  const axis = (theme, more) => ({
    axisLine: { lineStyle: { color: theme.line } }, axisTick: { show: false },
    axisLabel: { color: theme.soft, fontSize: FONT, hideOverlap: true },
    splitLine: { lineStyle: { color: theme.line, opacity: 0.6 } },
    nameTextStyle: { color: theme.soft, fontSize: FONT }, ...more,
  });
  const above = (element) => (element.offsetWidth < 500 ? 22 * data.sides.length + 14 : 42); // room for the legend
  const wrapped = (theme, element) => ({ color: theme.ink, fontSize: FONT, lineHeight: 15, width: element.offsetWidth < 500 ? 96 : 190, overflow: "break" });
  const legend = (theme, names, element, more) => ({
    data: names, top: 0, left: 0, icon: "roundRect", itemWidth: 14, itemHeight: 4,
    textStyle: { color: theme.soft, fontSize: FONT, width: element.offsetWidth - 40, overflow: "truncate" }, ...more,
  });

  // ---- gain: a waterfall lying on its side, so that names have room
  report.draw.gain = (element) => {
    const theme = report.theme();
    const side = +element.dataset.index;
    const { shares, total } = data.sides[side].attribution;
    const steps = [];
    let sum = 0;
    for (const { name, earned } of shares) {
      steps.push({ name: report.words(name), from: sum, to: sum + earned.mean, earned });
      sum += earned.mean;
    }
    steps.push({ name: "all together", from: 0, to: total.mean, earned: total, whole: true });
    element.style.height = `${steps.length * 38 + 44}px`;
    const colour = (step) => (step.whole ? theme.side(side) : step.earned.mean < 0 ? theme.bad : theme.good);
    const renderItem = (_, api) => {
      const step = steps[api.value(0)];
      const [left, y] = api.coord([Math.min(step.from, step.to), api.value(0)]);
      const [right] = api.coord([Math.max(step.from, step.to), api.value(0)]);
      const high = api.size([0, 1])[1] * 0.56;
      const children = [{ type: "rect", shape: { x: left, y: y - high / 2, width: Math.max(right - left, 1.5), height: high, r: 2 }, style: { fill: colour(step) } }];
      if (!step.whole) {
        const [end] = api.coord([step.to, api.value(0)]);
        children.push({ type: "line", shape: { x1: end, x2: end, y1: y + high / 2, y2: y + high }, style: { stroke: theme.soft, lineWidth: 1, opacity: 0.5 } });
      }
      let far = right;
      if (step.earned.low !== null && step.earned.high !== null) {
        const [low] = api.coord([step.to + step.earned.low - step.earned.mean, api.value(0)]);
        const [until] = api.coord([step.to + step.earned.high - step.earned.mean, api.value(0)]);
        far = Math.max(right, until);
        children.push({ type: "line", shape: { x1: low, x2: until, y1: y, y2: y }, style: { stroke: theme.ink, lineWidth: 1.4 } });
      }
      children.push({ type: "text", x: far + 7, y, style: { text: report.signed(step.earned.mean), fill: theme.ink, fontSize: FONT + 1, fontWeight: step.whole ? 700 : 500, verticalAlign: "middle" } });
      return { type: "group", children };
    };
    const ends = steps.flatMap((s) => [s.from, s.to, s.to + (s.earned.high ?? s.earned.mean) - s.earned.mean, s.to + (s.earned.low ?? s.earned.mean) - s.earned.mean]);
    const reach = Math.max(...ends, 0) - Math.min(...ends, 0) || 1;
    chart(element, {
      grid: { left: 4, right: 40, top: 4, bottom: 24, containLabel: true },
      xAxis: axis(theme, { type: "value", min: Math.min(...ends, 0) < 0 ? Math.floor(Math.min(...ends)) : 0, max: Math.ceil(Math.max(...ends, 0) + reach * 0.12), axisLabel: { color: theme.soft, formatter: (v) => `${v} points`.replace("-", "−"), hideOverlap: true, showMaxLabel: false } }),
      yAxis: axis(theme, { type: "category", inverse: true, data: steps.map((s) => s.name), axisLabel: wrapped(theme, element), splitLine: { show: false } }),
      tooltip: tooltip(theme, { formatter: ({ dataIndex: i }) => `<b>${report.escape(steps[i].name)}</b><br>${report.signed(steps[i].earned.mean)} points [${report.signed(steps[i].earned.low ?? NaN)}, ${report.signed(steps[i].earned.high ?? NaN)}]` }),
      series: [{ type: "custom", renderItem, data: steps.map((s, i) => [i, s.to]), encode: { x: 1, y: 0 } }],
    }, theme);
  };

  // ---- state shares: one column a machine, sections wrap like words
  report.draw.states = (element, side) => {
    const { states: shares, machines: known } = data.sides[side];
    const readout = document.getElementById("states-readout");
    const groups = new Map();
    known.forEach((machine, i) => {
      if (!groups.has(machine.section)) groups.set(machine.section, []);
      groups.get(machine.section).push(i);
    });
    // as wide as fills whole rows, and not so thin that a machine cannot be pointed at
    const room = element.offsetWidth;
    let w = 0;
    for (let rows = 1; w < (report.printing ? 4 : 6); rows += 1) w = Math.min(16, Math.floor((room * rows * 0.93 - groups.size * 16) / known.length) - 1);
    const pieces = [];
    for (const [section, machines] of groups) {
      const bars = machines.map((i, k) => {
        let top = 100;
        return data.states.map(({ code }, s) => {
          const high = 100 * (shares[i]?.[s] ?? 0);
          top -= high;
          return high < 0.05 ? "" : `<rect data-machine="${i}" x="${(k * (w + 1)).toFixed(1)}" y="${top.toFixed(2)}" width="${w}" height="${high.toFixed(2)}" fill="var(--s${code})"/>`;
        }).join("");
      });
      const wide = machines.length * (w + 1) - 1;
      pieces.push(`<figure><svg width="${wide}" viewBox="0 0 ${wide} 100" preserveAspectRatio="none" role="img" aria-label="State shares of ${machines.length} machines: ${report.escape(report.words(section))}">${bars.join("")}</svg><figcaption style="max-width:${Math.max(wide, 64)}px">${report.escape(report.words(section))}</figcaption></figure>`);
    }
    element.innerHTML = pieces.join("");
    report.selectable(element, () => known.length, (i) => {
      const shown = data.states.map(({ name }, s) => [shares[i][s], name.split(":")[0]]).filter(([v]) => v >= 0.0005)
        .sort((a, b) => b[0] - a[0]).map(([v, name]) => `${name} ${(100 * v).toFixed(1)} %`);
      readout.textContent = `${known[i].name} (${known[i].operation}): ${shown.join(", ")}`;
    });
  };

  // ---- over time: one line a scenario, with its band
  const hoursAxis = (theme, since, more) => axis(theme, {
    type: "value", name: `h since ${since}`, nameLocation: "middle", nameGap: 26, min: 0, splitLine: { show: false },
    axisLabel: { color: theme.soft, hideOverlap: true, formatter: (v) => report.number(v) }, ...more,
  });
  const lines = (element, key, unit) => {
    const theme = report.theme();
    const step = data.series_step_s / 3600;
    const values = data.sides.flatMap((s) => (s[key] ? [...s[key].mean, ...s[key].low, ...s[key].high] : [])).filter((v) => v !== null);
    const series = [];
    data.sides.forEach((side, i) => {
      const band = side[key];
      if (!band) return;
      // a value between gaps has no line: it is a dot
      const alone = (values, k) => values[k] !== null && (values[k - 1] ?? null) === null && (values[k + 1] ?? null) === null;
      const at = (values) => values.map((v, k) => ({ value: [(k + 1) * step, v], symbolSize: alone(values, k) ? 6 : 0 }));
      const colour = theme.side(i);
      if (band.low.length) {
        series.push({ name: side.title, type: "custom", silent: true, z: 1, itemStyle: { color: colour }, data: [[0, Math.min(...values)], [0, Math.max(...values)]], tooltip: { show: false }, renderItem: ({ dataIndex }, api) => ({ type: "group", children: dataIndex ? [] : ribbons(band, step, api).map((points) => ({ type: "polygon", shape: { points }, style: { fill: colour, opacity: 0.16 } })) }) });
      }
      series.push({ name: side.title, type: "line", symbol: "circle", showAllSymbol: true, clip: false, lineStyle: { width: 2, color: colour }, itemStyle: { color: colour }, data: at(band.mean), z: 3 });
    });
    const last = Math.max(...data.sides.map((s) => (s[key] ? s[key].mean.length : 0))) * step;
    chart(element, {
      grid: { left: 4, right: 22, top: above(element) + 14, bottom: 24, containLabel: true },
      legend: legend(theme, data.sides.map((s) => s.title), element),
      xAxis: hoursAxis(theme, data.begins ? `${report.clock(0).slice(0, -3)} (plant's clock)` : "the start of the window", { max: last }),
      yAxis: axis(theme, { type: "value", name: unit, nameGap: 8, scale: true, axisLine: { show: false } }),
      tooltip: tooltip(theme, { trigger: "axis", valueFormatter: (v) => `${report.number(v)} ${unit}` }),
      series,
    }, theme);
  };
  const ribbons = (band, step, api) => {
    const found = [];
    let upper = [];
    let lower = [];
    const close = () => { if (upper.length > 1) found.push([...upper, ...lower.reverse()]); upper = []; lower = []; };
    band.mean.forEach((v, k) => {
      if (v === null || band.low[k] === null || band.high[k] === null) { close(); return; }
      upper.push(api.coord([(k + 1) * step, band.high[k]]));
      lower.push(api.coord([(k + 1) * step, band.low[k]]));
    });
    close();
    return found;
  };
  report.draw.output = (element) => lines(element, "output", "s");
  report.draw.wip = (element) => lines(element, "wip", "parts");

  report.draw.welch = (element) => {
    const theme = report.theme();
    const step = data.welch_step_s / 3600;
    const series = [];
    data.sides.forEach((side, i) => {
      if (!side.welch) return;
      const colour = theme.side(i);
      const [raw, smooth] = side.welch.map((band) => band.mean.map((v, k) => [(k + 0.5) * step, v]));
      series.push({ name: side.title, type: "line", data: smooth, showSymbol: false, lineStyle: { width: 2.4, color: colour }, itemStyle: { color: colour }, z: 3 });
      series.push({ name: side.title, type: "line", data: raw, showSymbol: false, silent: true, lineStyle: { width: 1, color: colour, opacity: 0.35 }, itemStyle: { color: colour }, tooltip: { show: false } });
    });
    if (!series.length) return;
    series[0].markLine = {
      symbol: "none", silent: true, data: [{ xAxis: data.warm_up_s / 3600 }], lineStyle: { color: theme.ink, type: "dashed", width: 1.4 },
      label: { formatter: "end of warm-up", color: theme.ink, position: "end", distance: 5, fontSize: FONT },
    };
    series[0].markArea = { silent: true, itemStyle: { color: theme.soft, opacity: 0.1 }, data: [[{ xAxis: 0 }, { xAxis: data.warm_up_s / 3600 }]] };
    const last = Math.max(...data.sides.map((s) => (s.welch ? s.welch[0].mean.length : 0))) * step;
    chart(element, {
      grid: { left: 4, right: 22, top: above(element) + 14, bottom: 24, containLabel: true },
      legend: legend(theme, data.sides.map((s) => s.title), element),
      xAxis: hoursAxis(theme, "the run began, empty", { max: last }),
      yAxis: axis(theme, { type: "value", name: "parts/h", nameGap: 8, min: 0, axisLine: { show: false } }),
      tooltip: tooltip(theme, { trigger: "axis", valueFormatter: (v) => `${report.number(v)} parts/h` }),
      series,
    }, theme);
  };

  // ---- lost time: section -> reason -> what was waited for
  const MOST = 7;
  const whom = (reason, by, named) => {
    if (!by) return { crew: "repair crews", setup: "planned work", maintenance: "planned work" }[reason] ?? "cause unknown";
    if (named.has(by)) return by;
    return by in data.operations ? `rest of ${report.words(data.operations[by][1])}` : reason === "failure" ? "other failures" : "other transport";
  };
  report.draw.losses = (element, side) => {
    const theme = report.theme();
    const narrow = element.offsetWidth < 560;
    const all = data.sides[side].losses.filter((loss) => loss.reason !== "off");
    const total = all.reduce((sum, loss) => sum + loss.hours, 0);
    const tally = (key) => all.reduce((map, loss) => map.set(loss[key], (map.get(loss[key]) ?? 0) + loss.hours), new Map());
    const [reasons, causes] = [tally("reason"), tally("by")];
    causes.delete("");
    const named = new Set([...causes].sort((a, b) => b[1] - a[1]).slice(0, MOST).map(([name]) => name));
    const links = new Map();
    const add = (from, to, hours) => links.set(`${from}\n${to}`, (links.get(`${from}\n${to}`) ?? 0) + hours);
    for (const { section, reason, by, hours } of all) {
      if (reasons.get(reason) < total * 0.005) continue;
      add(`s:${report.words(section)}`, `r:${reason}`, hours);
      add(`r:${reason}`, `b:${whom(reason, by, named)}`, hours);
    }
    // small causes are drawn together, so that the others are readable
    const blamed = new Map();
    for (const [key, hours] of links) { const to = key.split("\n")[1]; if (to.startsWith("b:")) blamed.set(to, (blamed.get(to) ?? 0) + hours); }
    for (const [key, hours] of [...links]) {
      const [from, to] = key.split("\n");
      if (!to.startsWith("b:") || blamed.get(to) >= total * 0.025) continue;
      links.delete(key);
      add(from, "b:other", hours);
    }
    const kept = [...links].map(([key, value]) => [...key.split("\n"), value]).filter(([, , value]) => value > total * 0.0008);
    const colour = (name) => (name.startsWith("r:") ? theme.state(data.loss_states[name.slice(2)]) : name.startsWith("b:") ? theme.soft : theme.side(side));
    const names = [...new Set(kept.flatMap(([from, to]) => [from, to]))];
    const sum = (name) => kept.reduce((s, [from, to, v]) => s + ((name.startsWith("b:") ? to : from) === name ? v : 0), 0);
    const title = (name) => {
      const word = name.slice(2);
      return word in data.operations && !narrow ? `${word} ${data.operations[word][0]}`.trim() : report.words(word);
    };
    const margin = narrow ? 112 : report.printing ? 220 : 270;
    const places = total < 100 ? 1 : 0; // the same for all numbers
    const hours = (value) => `${value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places })} h`;
    const room = (element.offsetWidth - margin) / 2 - 16;
    const levels = narrow ? [0, 1, 2].map((depth) => ({ depth, label: { fontSize: 10, lineHeight: 12, width: depth < 2 ? room : margin - 14 } })) : [];
    element.setAttribute("aria-label", `Lost machine time, ${hours(total)}: ${[...reasons].map(([reason, value]) => `${reason} ${hours(value)}`).join(", ")}`);
    chart(element, {
      tooltip: tooltip(theme, { formatter: ({ dataType, data: d, name, value }) => dataType === "edge" ? `${report.escape(title(d.source))} → ${report.escape(title(d.target))}: ${hours(d.value)}` : `${report.escape(title(name))}: ${hours(value)}` }),
      series: [{
        type: "sankey", levels, left: 2, right: margin, top: 6, bottom: 6, nodeWidth: 10, nodeGap: narrow ? 14 : 9, layoutIterations: 48, draggable: false,
        data: names.map((name) => ({ name, itemStyle: { color: colour(name), borderWidth: 0 } })),
        links: kept.map(([source, target, value]) => ({ source, target, value, lineStyle: { color: colour(source.startsWith("r:") ? source : target), opacity: theme.night ? 0.4 : 0.45 } })),
        label: { color: theme.ink, fontSize: FONT, width: margin - 12, overflow: "truncate", textBorderColor: theme.card, textBorderWidth: theme.night ? 0 : 2, formatter: ({ name }) => (narrow ? `${title(name)}\n${hours(sum(name))}` : `${hours(sum(name))}  ${title(name)}`) },
        emphasis: { focus: "adjacency" },
      }],
    }, theme);
  };

  // ---- energy and cost: one bar a scenario, stacked by cause
  const COST = [["#3f5f8a", "#7d9dca"], ["#5d8fb8", "#6fa8d6"], ["#9cc0d9", "#4f7d9c"], ["#c98b4f", "#d9a066"], ["#8a7a68", "#a99a88"], ["#b23b2a", "#e2705a"], ["#6f7d4f", "#a3b37f"]];
  const stacked = (element, key, unit, colour) => {
    const theme = report.theme();
    const items = Object.keys(data.sides[0][key]);
    const sums = data.sides.map((side) => items.reduce((s, item) => s + (side[key][item]?.mean ?? 0), 0));
    const rows = Math.ceil(items.length / (element.offsetWidth < 500 ? 3 : 8));
    element.style.height = `${data.sides.length * 46 + 44 + rows * 22}px`;
    chart(element, {
      grid: { left: 4, right: 58, top: 8 + rows * 22, bottom: 4, containLabel: true },
      legend: legend(theme, items.map(report.words), element, { itemWidth: 10, itemHeight: 10, itemGap: 12, itemStyle: { borderColor: theme.line, borderWidth: 1 } }),
      xAxis: axis(theme, { type: "value", axisLine: { show: false } }),
      yAxis: axis(theme, { type: "category", inverse: true, data: data.sides.map((s) => s.title), axisLabel: wrapped(theme, element), splitLine: { show: false } }),
      tooltip: tooltip(theme, { trigger: "item", formatter: ({ seriesName, name, value }) => `${report.escape(name)}<br>${report.escape(seriesName)}: <b>${report.number(value, 4)}</b> ${unit}` }),
      series: items.map((item, i) => ({
        name: report.words(item), type: "bar", stack: "all", barWidth: 24, itemStyle: { color: colour(theme, item, i) },
        data: data.sides.map((side) => side[key][item]?.mean ?? 0),
        label: { show: i === items.length - 1, position: "right", color: theme.ink, fontWeight: 600, formatter: ({ dataIndex }) => report.number(sums[dataIndex], 4) },
      })),
    }, theme);
  };
  report.draw.energy = (element) => stacked(element, "energy", "kWh", (theme, cause) => (cause in data.energy_states ? theme.state(data.energy_states[cause]) : theme.night ? "#8d7f6b" : "#b9ab95"));
  report.draw.cost = (element) => stacked(element, "cost", data.currency, (theme, _, i) => COST[i % COST.length][theme.night ? 1 : 0]);
}
