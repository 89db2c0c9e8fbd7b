"use strict";
// The replay: tiles for one point in time, a chart for the whole window. The states are part of the study file.
{
  const { data } = report;
  const tiles = document.getElementById("tiles");
  const slider = document.getElementById("moment");
  const clock = document.getElementById("clock");
  const play = document.getElementById("play");

  const BUSY = 48 + data.states.find(({ name }) => name === "busy").code; // its digit in a strip
  const PAPER_PX = 280; // height of a carpet in print, as in the style sheet

  // At once, so that a page that is printed as soon as it is open is complete. The first two bytes are zlib's header.
  const unpack = ({ strip, strip_length: length }) =>
    tinyInflate(Uint8Array.from(atob(strip), (c) => c.charCodeAt(0)).subarray(2), new Uint8Array(length));

  const colourBytes = (theme) => {
    const table = new Uint32Array(16);
    for (const { code } of data.states) {
      const [r, g, b] = theme.state(code).slice(1).match(/../g).map((h) => parseInt(h, 16));
      table[code] = (255 << 24) | (b << 16) | (g << 8) | r; // little-endian, as every browser's machine is
    }
    return table;
  };

  // Start outside of a break.
  const busiest = (strips, steps) => {
    const strip = strips[report.side] ?? strips.find((each) => each);
    const busy = (k) => { let n = 0; for (let at = k; at < strip.length; at += steps) n += strip[at] === BUSY; return n; };
    const candidates = Array.from({ length: 16 }, (_, k) => Math.floor(((k + 0.5) * steps) / 16));
    return candidates.reduce((best, k) => (busy(k) > busy(best) ? k : best));
  };

  const start = () => {
    const strips = data.sides.map((side) => (side.strip ? unpack(side) : null));
    const count = (side) => data.sides[side].machines.length;
    const steps = Math.max(...strips.map((strip, side) => (strip ? strip.length / count(side) : 0)));
    let cells = [];
    slider.max = steps - 1;
    slider.value = busiest(strips, steps);

    const build = () => {
      const groups = new Map();
      data.sides[report.side].machines.forEach(({ section }, i) => groups.set(section, [...(groups.get(section) ?? []), i]));
      tiles.innerHTML = [...groups].map(([section, members]) => `<figure><div class="row">${members.map((i) => `<i data-machine="${i}"></i>`).join("")}</div><figcaption>${report.escape(report.words(section))}</figcaption></figure>`).join("");
      cells = strips[report.side] ? [...tiles.querySelectorAll("i")] : [];
    };
    const code = (i) => strips[report.side][i * steps + +slider.value] - 48;
    const now = () => {
      cells.forEach((cell) => { cell.style.background = `var(--s${code(+cell.dataset.machine)})`; });
      clock.textContent = report.clock(+slider.value * data.strip_step_s);
      slider.setAttribute("aria-valuetext", clock.textContent);
      document.querySelectorAll(".cursor").forEach((each) => { each.style.left = `${(100 * (+slider.value + 0.5)) / steps}%`; });
    };
    const carpets = () => {
      const colours = colourBytes(report.theme());
      document.querySelectorAll(".carpets .panel").forEach((panel) => {
        const side = +panel.dataset.side;
        const strip = strips[side];
        if (!strip) return;
        const canvas = panel.querySelector("canvas");
        canvas.width = steps;
        canvas.height = count(side);
        const context = canvas.getContext("2d");
        const image = context.createImageData(canvas.width, canvas.height);
        const pixels = new Uint32Array(image.data.buffer);
        for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[strip[i] - 48];
        context.putImageData(image, 0, 0);
        const long = steps * data.strip_step_s;
        const beat = [900, 1800, 3600, 7200, 14400, 28800].find((s) => long / s < (innerWidth < 640 ? 6 : 13)) ?? 86400;
        const first = beat - ((report.begins() / 1000) % beat);
        const marks = Array.from({ length: Math.floor((long - first) / beat) + 1 }, (_, k) => first + k * beat);
        const within = (s) => (s < 0.05 * long ? 0 : s > 0.95 * long ? 100 : 50); // % of itself that a label lies left of its mark
        panel.querySelector(".hours").innerHTML = marks.map((s) => `<span style="left:${(100 * s) / long}%;transform:translateX(-${within(s)}%)">${report.clock(s).slice(-8, -3)}</span>`).join("");
        const { machines } = data.sides[side];
        const high = report.printing ? PAPER_PX : canvas.offsetHeight;
        let free = 0; // below the last name: names never overlap
        panel.querySelector(".rows").innerHTML = machines.map(({ section }, i) => {
          if (i && machines[i - 1].section === section) return "";
          const top = Math.max((high * i) / machines.length, free);
          free = top + (report.printing ? 10 : 13);
          return `<span style="top:${top.toFixed(1)}px">${report.escape(report.words(section))}</span>`;
        }).join("");
      });
    };
    report.replay = { redraw: () => { build(); carpets(); now(); } };

    let timer = 0;
    const FRAME_MS = 100;
    let rest = 0;
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "▶"; play.setAttribute("aria-label", "Play"); };
    play.onclick = () => {
      if (timer) { stop(); return; }
      if (+slider.value >= steps - 1) slider.value = 0;
      play.textContent = "❚❚";
      play.setAttribute("aria-label", "Pause");
      timer = setInterval(() => {
        rest += (FRAME_MS / 1000) * +document.getElementById("speed").value / data.strip_step_s;
        const ahead = Math.floor(rest);
        rest -= ahead;
        slider.value = +slider.value + ahead;
        now();
        if (+slider.value >= steps - 1) stop();
      }, FRAME_MS);
    };
    slider.oninput = now;
    report.selectable(tiles, () => cells.length, (i) => {
      const machine = data.sides[report.side].machines[i];
      const state = data.states.find((each) => each.code === code(i));
      document.getElementById("tile-readout").textContent = `${machine.name} (${machine.operation}): ${state ? state.name : "not known"}`;
    });
    document.querySelectorAll(".carpet > div").forEach((carpet) => {
      carpet.onpointerdown = (event) => {
        const box = carpet.getBoundingClientRect();
        slider.value = Math.floor(((event.clientX - box.left) / box.width) * steps);
        now();
      };
    });
    report.replay.redraw();
  };

  if (slider) {
    start();
  }
}
