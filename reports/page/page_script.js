// Tabs, task pages, sortable tables and the theme. Without it the page shows everything in a row.
"use strict";

(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Tabs: the address says which is open, so that a link or the back button leads to it.

  const tabs = all('[role="tab"]');
  const panels = tabs.map((tab) => byId(tab.getAttribute("aria-controls")));
  const tasks = all(".task");
  const picker = byId("task-select");

  function openTab(wanted) {
    const number = Math.max(0, panels.indexOf(wanted));
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === number));
      tab.tabIndex = i === number ? 0 : -1;
      panels[i].hidden = i !== number;
    });
    const list = tabs[number].parentElement;
    list.scrollLeft = tabs[number].offsetLeft - (list.clientWidth - tabs[number].clientWidth) / 2;
    const controls = byId("controls");
    controls.hidden = !("curves" in panels[number].dataset);
    if (!controls.hidden) panels[number].querySelector(".controls-here").append(controls);
    document.dispatchEvent(new CustomEvent("shown"));
  }

  function openTask(number) {
    tasks.forEach((task, i) => { task.hidden = i !== number; });
    picker.value = String(number);
    byId("task-previous").disabled = number === 0;
    byId("task-next").disabled = number === tasks.length - 1;
    openTab(byId("tasks"));
  }

  function followAddress() {
    const name = decodeURIComponent(location.hash.slice(1));
    const task = tasks.findIndex((element) => element.id === name);
    if (task >= 0) openTask(task);
    else if (name === "tasks") openTask(Math.max(0, tasks.findIndex((element) => !element.hidden)));
    else openTab(byId(name));
  }

  function go(name) {
    // No jump: the panel is where the reader already looks.
    history.pushState(null, "", `#${name}`);
    followAddress();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || link.classList.contains("skip")) return;
    event.preventDefault();
    go(link.getAttribute("href").slice(1));
    if (link.role !== "tab") window.scrollTo(0, 0);
  });

  tabs.forEach((tab, i) => tab.addEventListener("keydown", (event) => {
    const last = tabs.length - 1;
    const to = { ArrowRight: i === last ? 0 : i + 1, ArrowLeft: i === 0 ? last : i - 1, Home: 0, End: last, " ": i };
    if (!(event.key in to)) return;
    event.preventDefault();
    tabs[to[event.key]].focus();
    go(panels[to[event.key]].id);
  }));

  picker.addEventListener("change", () => go(tasks[Number(picker.value)].id));
  byId("task-previous").addEventListener("click", () => go(tasks[Number(picker.value) - 1].id));
  byId("task-next").addEventListener("click", () => go(tasks[Number(picker.value) + 1].id));
  window.addEventListener("popstate", followAddress);

  // Tables: a click on a column's name sorts by it, a second one the other way round.

  function sortKey(row, column) {
    const text = row.cells[column].textContent.trim();
    const number = parseFloat(text.replace(/−/g, "-").replace(/^[<>≤≥≈ ]+/, "").replace(/,(?=\d{3})/g, ""));
    return { text, number, nothing: text === "" || text === "–" };
  }

  function sortBy(table, column, descending) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: sortKey(row, column) }));
    const numeric = rows.every(({ key }) => key.nothing || !Number.isNaN(key.number));
    const sign = descending ? -1 : 1;
    rows.sort((a, b) => {
      if (a.key.nothing || b.key.nothing) return a.key.nothing - b.key.nothing;
      if (numeric) return sign * (a.key.number - b.key.number);
      return sign * a.key.text.localeCompare(b.key.text, undefined, { numeric: true });
    });
    body.append(...rows.map(({ row }) => row));
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  all(".wide table").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.scope = "col";
      button.addEventListener("click", () => {
        sortBy(table, column, head.getAttribute("aria-sort") === "ascending");
      });
    });
  });

  // The theme: the system's, unless chosen here.

  const theme = byId("theme");
  const names = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    theme.textContent = names[name];
    document.dispatchEvent(new CustomEvent("restyled"));
  }

  theme.hidden = false;
  theme.addEventListener("click", () => {
    const order = Object.keys(names);
    setTheme(order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length]);
  });

  setTheme("auto");
  followAddress();
})();
