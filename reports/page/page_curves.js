// The interactive curves: one chart a task, drawn by uPlot when it comes into view, linked by
// pointer, zoom and switches. What is drawn was computed by reports/page/page_data.py.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const strategies = read("swatches");
  const state = {
    axis: "queries", metric: "validation", band: "interval", x: "log", y: "log",
    zoom: null, hot: null, shown: new Set(strategies.map((_, i) => i)),
  };
  const hosts = [...document.querySelectorAll(".chart")];
  const charts = new Map(); // host -> its uPlot
  const visible = new Set();
  const tooltip = byId("tooltip");
  const loaded = new Map();
  let active = null; // the chart that the pointer or the keyboard is on

  function task(host) {
    const id = `curves-${host.dataset.task}`;
    if (!loaded.has(id)) loaded.set(id, read(id));
    return loaded.get(id);
  }

  // Numbers

  const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const compact = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });

  function text(value, format = plain) {
    const size = Math.abs(value);
    if (size > 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(1).replace("-", "−");
    return format.format(value).replace("-", "−");
  }

  // What a curve is under the band that is chosen: center, low and high, padded to the axis.

  function columns(curve, points) {
    const [center, low, high] = curve[state.band === "none" ? "interval" : state.band];
    const bare = state.band === "none" || low === undefined;
    const pad = (values) => {
      const padded = new Array(points).fill(null);
      values?.forEach((value, i) => { padded[curve.first + i] = value; });
      return padded;
    };
    return { center: pad(center), low: pad(bare ? null : low), high: pad(bare ? null : high) };
  }

  function drawn(host) {
    const { axes, curves } = task(host);
    const x = axes[state.axis].x;
    const found = (curves[state.metric]?.[state.axis] ?? [])
      .map((curve, i) => (curve && state.shown.has(i) ? { i, ...columns(curve, x.length) } : null))
      .filter(Boolean);
    return { x, found };
  }

  // Scales: a logarithmic regret axis is linear around zero where a center is zero or less.

  function extent(x, found, [from, to]) {
    let low = Infinity, high = -Infinity, smallest = Infinity, lowest = Infinity;
    for (const { center, low: lows, high: highs } of found) {
      for (let k = 0; k < x.length; k++) {
        if (center[k] === null || x[k] < from || x[k] > to) continue;
        lowest = Math.min(lowest, center[k]);
        if (center[k] > 0) smallest = Math.min(smallest, center[k]);
        low = Math.min(low, center[k], lows[k] ?? Infinity);
        high = Math.max(high, center[k], highs[k] ?? -Infinity);
      }
    }
    return { low, high, smallest, lowest };
  }

  function regretScale(x, found) {
    const range = () => {
      const e = extent(x, found, state.zoom ?? [-Infinity, Infinity]);
      if (e.high === -Infinity) return [0, 1];
      if (state.y === "linear") {
        const pad = 0.05 * (e.high - Math.min(0, e.low)) || 1;
        return [Math.min(0, e.low) - (e.low < 0 ? pad : 0), e.high + pad];
      }
      // A band that reaches zero would stretch a logarithmic axis without end.
      if (around === null) return [e.smallest / 1.5, Math.max(e.high, e.smallest) * 1.2];
      return [Math.min(0, 1.2 * e.low), Math.max(1.2 * e.high, around)];
    };
    const e = extent(x, found, [-Infinity, Infinity]);
    const around = e.lowest <= 0 ? (Number.isFinite(e.smallest) ? e.smallest : 1) : null;
    if (state.y === "linear") return { range, distr: 1 };
    return around === null ? { range, distr: 3 } : { range, distr: 4, asinh: around };
  }

  // Ticks: all of them are labelled. uPlot's own label few of the many lines of a log axis.

  function evenTicks(low, high, most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const size = power * [1, 2, 5, 10].find((digit) => digit * power >= rough);
    const ticks = [];
    for (let k = Math.ceil(low / size); k * size <= high; k++) ticks.push(Number((k * size).toPrecision(12)));
    return ticks;
  }

  function logTicks(low, high, most) {
    if (!(low > 0 && high > low)) return [];
    if (high / low < 4) return evenTicks(low, high, most);
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const decades = Math.log10(high / low), step = Math.max(1, Math.ceil(decades / most));
    const digits = 3 * decades <= most ? [1, 2, 5] : [1];
    const ticks = [];
    for (let power = first; power <= last; power++) {
      if (power % step === 0) ticks.push(...digits.map((digit) => Number(`${digit}e${power}`)));
    }
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    return inside.length > 1 ? inside : evenTicks(low, high, most);
  }

  function ticks(distr, near, low, high, most) {
    if (distr === 1) return evenTicks(low, high, most);
    if (distr === 3) return logTicks(low, high, most);
    const below = low < -near ? logTicks(near, -low, most / 2).map((tick) => -tick).reverse() : [];
    return [...below, 0, ...(high > near ? logTicks(near, high, most) : [])];
  }

  function fullRange(x) {
    const [first, last] = [x[0], x[x.length - 1]];
    if (first < last) return [first, last];
    return state.x === "log" ? [first / 2, first * 2] : [first - 1, first + 1];
  }

  // One chart

  function faded(color, share) {
    return color + Math.round(255 * share).toString(16).padStart(2, "0");
  }

  function look(i) {
    const own = strategies[i];
    const away = state.hot !== null && state.hot !== i;
    const shade = state.hot === i ? 0.25 : 0.18 * Math.min(1, 6 / state.shown.size);
    return {
      color: away ? faded(own.color, 0.2) : own.color,
      fill: faded(own.color, away ? 0.03 : shade),
      width: state.hot === i ? Math.max(own.width, 2) + 1 : own.width,
    };
  }

  function make(host) {
    charts.get(host)?.destroy();
    charts.delete(host);
    host.replaceChildren();
    const { axes, metrics } = task(host);
    const { x, found } = drawn(host);
    if (!(state.metric in metrics)) return say(host, `The table has no ${state.metric} column.`);
    if (!found.length) return say(host, "No strategy is switched on that has a curve here.");
    const large = host.classList.contains("large");
    const paths = uPlot.paths.stepped({ align: 1 });
    const data = [x], series = [{}], fills = [];
    const edge = { stroke: "transparent", width: 0, paths, points: { show: false } };
    for (const { i, low, high } of found) {
      fills.push({ series: [series.length, series.length + 1], fill: () => look(i).fill });
      series.push({ ...edge }, { ...edge });
      data.push(high, low);
    }
    for (const { i, center } of found) {
      series.push({
        stroke: () => look(i).color, width: look(i).width, dash: strategies[i].dash, paths,
        points: { show: center.filter((v) => v !== null).length === 1 }, strategy: i,
      });
      data.push(center);
    }
    const css = getComputedStyle(host);
    const style = {
      stroke: css.color, font: "12px system-ui, sans-serif", labelFont: "13px system-ui, sans-serif",
      grid: { stroke: css.borderTopColor, width: 1 }, ticks: { stroke: css.borderTopColor, width: 1 },
    };
    const regret = regretScale(x, found);
    const shape = { 3: "", 4: ", linear around 0", 1: "" }[regret.distr];
    const plot = new uPlot({
      width: host.clientWidth, height: host.clientHeight, legend: { show: false },
      padding: [8, 14, 0, 0],
      scales: {
        x: { time: false, distr: state.x === "log" ? 3 : 1, range: () => state.zoom ?? fullRange(x) },
        y: regret,
      },
      axes: [
        { ...style, label: large ? axes[state.axis].label : undefined, labelSize: 22, size: 30,
          grid: { show: false }, filter: (u, marks) => marks,
          splits: (u, k, low, high) => ticks(state.x === "log" ? 3 : 1, 0, low, high, host.clientWidth / 75),
          values: (u, marks) => marks.map((v) => text(v, compact)) },
        { ...style, label: large ? metrics[state.metric] + shape : undefined, labelSize: 24, size: 56,
          filter: (u, marks) => marks,
          splits: (u, k, low, high) => ticks(regret.distr, regret.asinh, low, high, host.clientHeight / 45),
          values: (u, marks) => marks.map((v) => text(v)) },
      ],
      series, bands: fills,
      cursor: {
        y: false, sync: { key: "curves", scales: ["x", null] }, drag: { x: true, y: false, setScale: false },
        points: { show: (u, k) => {
          const dot = document.createElement("div");
          const i = u.series[k].strategy;
          dot.hidden = i === undefined;
          return dot;
        }, size: 8, fill: (u, k) => strategies[u.series[k].strategy]?.color ?? "transparent" },
      },
      hooks: {
        setCursor: [(u) => { if (u === active) point(host, u); }],
        setSelect: [(u) => {
          if (u.select.width > 4) zoomTo(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
          u.setSelect({ left: 0, width: 0 }, false);
        }],
        drawAxes: [(u) => { if (regret.distr !== 3) optimumLine(u, css.color); }],
      },
    }, data, host);
    charts.set(host, plot);
    plot.over.addEventListener("pointerenter", () => { active = plot; });
    plot.over.addEventListener("pointerleave", () => leave(plot));
    plot.over.addEventListener("dblclick", () => zoomTo(null));
    plot.over.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") return;
      const box = plot.over.getBoundingClientRect();
      active = plot;
      plot.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top }, true, true);
    });
  }

  function say(host, words) {
    const note = document.createElement("div");
    note.className = "empty";
    note.textContent = words;
    host.append(note);
  }

  function optimumLine(u, color) {
    const y = Math.round(u.valToPos(0, "y", true));
    u.ctx.save();
    u.ctx.strokeStyle = color;
    u.ctx.lineWidth = 1;
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
    u.ctx.restore();
  }

  // The pointer: what each strategy has there, the best first.

  function values(host, k) {
    return drawn(host).found
      .filter(({ center }) => center[k] !== null)
      .map(({ i, center, low, high }) => ({ i, value: center[k], low: low[k], high: high[k] }))
      .sort((a, b) => a.value - b.value);
  }

  function words({ value, low, high }) {
    return low === null ? text(value) : `${text(value)}  [${text(low)}, ${text(high)}]`;
  }

  function point(host, u) {
    const k = u.cursor.idx;
    if (k === null || k === undefined || u.cursor.left < 0) { tooltip.hidden = true; return; }
    const { axes } = task(host);
    const here = values(host, k);
    const nearest = here.reduce((best, v) => {
      const away = Math.abs(u.valToPos(v.value, "y") - u.cursor.top);
      return best === null || away < best.away ? { i: v.i, away } : best;
    }, null);
    const title = document.createElement("div");
    title.className = "soft";
    title.textContent = `${axes[state.axis].label}: ${text(axes[state.axis].x[k])}`;
    const table = document.createElement("table");
    for (const entry of here.slice(0, 12)) {
      const row = table.insertRow();
      row.className = nearest && nearest.i === entry.i ? "near" : "";
      row.insertCell().append(byId(`swatch-${entry.i}`).cloneNode(true));
      row.cells[0].firstChild.removeAttribute("id");
      row.insertCell().textContent = strategies[entry.i].label;
      row.cells[1].className = "name";
      row.insertCell().textContent = words(entry);
    }
    tooltip.replaceChildren(title, table);
    if (here.length > 12) tooltip.append(`and ${here.length - 12} more`);
    tooltip.hidden = false;
    const box = u.over.getBoundingClientRect(), own = tooltip.getBoundingClientRect();
    const x = box.left + u.cursor.left, gap = 16;
    const left = x + gap + own.width < innerWidth ? x + gap : x - gap - own.width;
    tooltip.style.left = `${Math.max(6, Math.min(left, innerWidth - own.width - 6))}px`;
    const top = box.top + Math.max(0, u.cursor.top) + gap;
    tooltip.style.top = `${Math.max(6, Math.min(top, innerHeight - own.height - 6))}px`;
  }

  function leave(plot) {
    if (active === plot) active = null;
    tooltip.hidden = true;
  }

  // Zoom, the same for all charts

  function zoomTo(from, to) {
    state.zoom = from === null ? null : [Math.min(from, to), Math.max(from, to)];
    for (const [host, u] of charts) {
      const [min, max] = state.zoom ?? fullRange(task(host).axes[state.axis].x);
      u.setScale("x", { min, max });
    }
    byId("zoom-reset").disabled = state.zoom === null;
    tell(state.zoom ? `Shown from ${text(state.zoom[0])} to ${text(state.zoom[1])}` : "Whole axis shown");
  }

  function zoomBy(factor, u = null) {
    const host = [...visible].find((h) => charts.has(h));
    const plot = u ?? charts.get(host);
    if (!plot) return;
    const log = state.x === "log";
    const to = log ? Math.log : (v) => v, back = log ? Math.exp : (v) => v;
    const [low, high] = [to(plot.scales.x.min), to(plot.scales.x.max)];
    const at = plot.cursor.left >= 0 ? to(plot.posToVal(plot.cursor.left, "x")) : (low + high) / 2;
    const [first, last] = fullRange(task(host ?? hosts[0]).axes[state.axis].x).map(to);
    const from = at - (at - low) * factor, until = at + (high - at) * factor;
    if (from <= first && until >= last) zoomTo(null);
    else zoomTo(back(Math.max(from, first)), back(Math.min(until, last)));
  }

  // Keyboard: a chart that has the focus is read with the arrow keys.

  function step(host, u, by) {
    const x = u.data[0];
    const now = u.cursor.idx ?? (by > 0 ? -1 : x.length);
    const k = Math.max(0, Math.min(x.length - 1, now + by));
    active = u;
    u.setCursor({ left: u.valToPos(x[k], "x"), top: u.over.clientHeight / 3 }, true, true);
    const { axes } = task(host);
    const best = values(host, k).slice(0, 5).map((v) => `${strategies[v.i].label} ${text(v.value)}`);
    tell(`${axes[state.axis].label} ${text(x[k])}: ${best.join(", ")}`);
  }

  function tell(message) {
    byId("live").textContent = message;
  }

  hosts.forEach((host) => {
    host.addEventListener("keydown", (event) => {
      const u = charts.get(host);
      if (!u || event.ctrlKey || event.metaKey || event.altKey) return;
      const far = event.shiftKey ? 10 : 1;
      const keys = {
        ArrowRight: () => step(host, u, far), ArrowLeft: () => step(host, u, -far),
        "+": () => zoomBy(0.6, u), "=": () => zoomBy(0.6, u), "-": () => zoomBy(1 / 0.6, u),
        0: () => zoomTo(null), Escape: () => { u.setCursor({ left: -10, top: -10 }, true, true); leave(u); },
      };
      if (!(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    });
    host.addEventListener("blur", () => { if (charts.has(host)) leave(charts.get(host)); });
  });

  // Switches

  function bandNote() {
    const labels = new Set();
    for (const host of visible) {
      for (const curve of task(host).curves[state.metric]?.[state.axis] ?? []) {
        if (curve) labels.add(curve.label[state.band] ?? curve.label.interval.split(",")[0]);
      }
    }
    return `Lines and bands: ${[...labels].join("; ")}. Curves go from where every run has an `
      + "incumbent to where the first run ends.";
  }

  function redraw() {
    tooltip.hidden = true;
    for (const host of hosts) {
      if (visible.has(host)) make(host);
      else { charts.get(host)?.destroy(); charts.delete(host); }
    }
    byId("band-note").textContent = bandNote();
  }

  for (const name of ["axis", "metric", "band", "x", "y"]) {
    byId(`switch-${name}`).addEventListener("change", (event) => {
      state[name] = event.target.value;
      if (name === "axis") zoomTo(null);
      redraw();
    });
  }
  byId("zoom-in").addEventListener("click", () => zoomBy(0.6));
  byId("zoom-out").addEventListener("click", () => zoomBy(1 / 0.6));
  byId("zoom-reset").addEventListener("click", () => zoomTo(null));

  const boxes = [...document.querySelectorAll(".chips input")];

  function choose() {
    state.shown = new Set(boxes.flatMap((box, i) => (box.checked ? [i] : [])));
    byId("shown-count").textContent = `Strategies: ${state.shown.size} of ${boxes.length}`;
    redraw();
  }

  function warm(i) {
    if (state.hot === i) return;
    state.hot = i;
    for (const u of charts.values()) {
      for (const s of u.series) if (s.strategy !== undefined) s.width = look(s.strategy).width;
      u.redraw(false);
    }
  }

  boxes.forEach((box, i) => {
    box.addEventListener("change", choose);
    for (const kind of ["pointerenter", "focusin"]) box.parentElement.addEventListener(kind, () => warm(i));
    for (const kind of ["pointerleave", "focusout"]) box.parentElement.addEventListener(kind, () => warm(null));
  });
  for (const [id, on] of [["all-on", true], ["all-off", false]]) {
    byId(id).addEventListener("click", () => { boxes.forEach((box) => { box.checked = on; }); choose(); });
  }

  // Charts are made when they come into view, and made anew when their place changes its width.

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) { visible.delete(target); continue; }
      visible.add(target);
      if (!charts.has(target)) make(target);
    }
    byId("band-note").textContent = bandNote();
  }, { rootMargin: "200px" });
  const sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const u = charts.get(target);
      if (u && contentRect.width > 0) u.setSize({ width: target.clientWidth, height: target.clientHeight });
    }
  });
  hosts.forEach((host) => { watcher.observe(host); sizes.observe(host); });
  document.addEventListener("restyled", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("scroll", () => { tooltip.hidden = true; }, { passive: true });
  byId("switches").open = innerWidth > 640;
  choose();
})();
