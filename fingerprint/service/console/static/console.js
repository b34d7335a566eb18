// Keys, dialogs, ticks and charts of the console. What it does can be done without it through links and forms.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const rows = () => $$("#rows .row");
  const chosen = () => $("#rows .row.chosen");
  const ticked = () => rows().filter((row) => $("input[name=family]", row)?.checked);
  const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select");

  // The families of a row, each with its revision: a campaign's row has several.
  const members = (row) => row.dataset.members?.trim().split(" ") ?? [`${row.dataset.family}@${row.dataset.revision}`];

  // The rows that an action is for: the ticked ones, or the chosen one, or the page's own.
  const subjects = () => {
    const many = ticked();
    if (many.length) return many;
    const one = chosen() ?? $("[data-row]");
    return one ? [one] : [];
  };

  let peeked;
  function choose(row, scroll = true) {
    if (!row) return;
    for (const other of rows()) {
      other.classList.toggle("chosen", other === row);
      if (other === row) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
    if (scroll) {
      row.scrollIntoView({ block: "nearest" });
      $("a.open", row).focus({ preventScroll: true });
    }
    const peek = $("#peek");
    if (!peek || getComputedStyle(peek).display === "none") return;
    clearTimeout(peeked);
    peeked = setTimeout(() => htmx.ajax("GET", row.dataset.peek ?? `/families/${row.dataset.family}/peek`, { target: "#peek", swap: "innerHTML" }), 80);
  }

  function move(by) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(chosen());
    choose(all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)]);
  }

  function retick() {
    const many = ticked();
    for (const row of rows()) row.classList.toggle("ticked", many.includes(row));
    const bulk = $(".bulk");
    if (!bulk) return;
    bulk.hidden = !many.length;
    $("[data-ticked]", bulk).textContent = many.length;
  }

  function open(name) {
    const dialog = $(`#dialog-${name}`);
    const many = subjects();
    if (!dialog || !many.length || (name === "merge" && many.flatMap(members).length < 2)) return;
    const form = $("form", dialog);
    for (const old of $$("input[name=family]", form)) old.remove();
    for (const value of many.flatMap(members)) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "family", value });
      form.append(field);
    }
    const names = many.map((row) => row.dataset.name ?? row.dataset.family);
    $("[data-subject]", dialog).textContent = names.length > 4 ? `${names.length} rows` : names.join(", ");
    const campaign = $("input[name=campaign]", form);
    if (campaign) {
      const known = new Set(many.map((row) => row.dataset.campaign).filter(Boolean));
      campaign.value = known.size === 1 ? [...known][0] : "";
    }
    // after it, the list goes on where it was
    if (rows().length) sessionStorage.setItem("at", String(rows().indexOf(many[0])));
    dialog.showModal();
    campaign?.select(); // typing replaces it
  }

  const acts = {
    theme() {
      const dark = document.documentElement.dataset.theme
        ? document.documentElement.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      document.documentElement.dataset.theme = dark ? "light" : "dark";
      localStorage.setItem("theme", document.documentElement.dataset.theme);
      plotAll(true);
    },
    help: () => $("#help").showModal(),
    close: (button) => button.closest("dialog").close(),
    dismiss: (button) => button.closest("[data-toast]").remove(),
    untick() {
      for (const box of $$("#rows input[name=family]")) box.checked = false;
      retick();
    },
  };

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) return open(opener.dataset.open);
    const doer = event.target.closest("[data-do]");
    if (doer) return acts[doer.dataset.do](doer);
    const row = event.target.closest("#rows .row");
    if (row && !event.target.closest("a, input, button, label")) choose(row, false);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("#rows input[name=family]")) retick();
  });

  const places = { q: "/", n: "/last-night", c: "/campaigns", a: "/accounts", o: "/overview", t: "/try", l: "/log", d: "/docs" };
  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (going) {
      going = false;
      if (places[event.key]) location.assign(places[event.key]);
      return;
    }
    const keys = {
      j: () => move(1),
      k: () => move(-1),
      x() {
        const box = chosen() && $("input[name=family]", chosen());
        if (box) box.checked = !box.checked;
        retick();
      },
      Enter() {
        const link = chosen() && $("a.open", chosen());
        if (link && !event.target.closest("a, button, summary")) location.assign(link.href);
        else return true;
      },
      c: () => open("campaign"),
      b: () => open("benign"),
      r: () => open("relay"),
      s: () => open("snooze"),
      m: () => open("merge"),
      u: () => $("#form-undo")?.requestSubmit(),
      "/": () => $("input[type=search]")?.focus(),
      "?": () => acts.help(),
      g: () => { going = true; },
    };
    if (keys[event.key] && keys[event.key]() !== true) event.preventDefault();
  });

  // A queue's page goes back to itself with its filters.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-view]")) $("input[name=query]", form).value = location.search.slice(1);
    const back = $("input[name=back]", form);
    if (back && $("#rows, #list") && location.pathname === "/") back.value = location.pathname + undid(location.search);
  });
  function undid(search) {
    const params = new URLSearchParams(search);
    params.delete("did");
    params.delete("led_to");
    return params.size ? `?${params}` : "";
  }

  const plots = new Map();
  function plotAll(again = false) {
    for (const box of $$("[data-plot]")) {
      if (!box.clientWidth || (plots.has(box) && !again)) continue; // in a fold that is shut
      plots.get(box)?.destroy();
      plots.set(box, plot(box));
    }
  }
  function plot(box) {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const [seconds, requests, accounts] = JSON.parse(box.dataset.plot);
    const width = Number(box.dataset.step) * 3600;
    // the last step needs an end
    seconds.push(seconds.at(-1) + width);
    requests.push(null);
    accounts.push(accounts.at(-1));
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const count = (u, value) => (value == null ? "–" : value.toLocaleString("en"));
    const whole = (u, values) => values.map((v) => (Number.isInteger(v) ? v.toLocaleString("en") : ""));
    const two = (n) => String(n).padStart(2, "0");
    const times = (u, values) => values.map((v, n) => {
      const at = new Date(v * 1e3);
      const day = `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
      const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
      if (width >= 86400) return v % 86400 ? "" : day;
      return n === 0 || clock === "00:00" ? `${clock}\n${day}` : clock;
    });
    const bars = uPlot.paths.bars({ size: [0.8, 240], align: 1 });
    const options = {
      width: box.clientWidth, height: 190, tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { range: (u, low, high) => [low - width * 0.2, high + width * 0.2] }, y: { range: (u, low, high) => [0, Math.max(high ?? 1, 1) * 1.08] }, accounts: { range: (u, low, high) => [0, Math.max(high ?? 1, 1) * 1.08] } },
      series: [
        { label: "UTC", value: (u, v) => (v == null ? "–" : new Date(v * 1e3).toISOString().slice(0, width < 86400 ? 16 : 10).replace("T", " ")) },
        { label: "requests", scale: "y", value: count, paths: bars, fill: colour("--bar"), stroke: colour("--bar"), points: { show: false } },
        { label: "accounts", scale: "accounts", value: count, stroke: colour("--c1"), width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
      ],
      axes: [{ ...axis, values: times, incrs: (width < 86400 ? [1, 2, 3, 6, 12, 24, 48, 168] : [24, 48, 168, 336, 720]).map((h) => h * 3600) }, { ...axis, values: whole, size: 56 }, { ...axis, scale: "accounts", side: 1, grid: { show: false }, values: whole, size: 48 }],
    };
    return new uPlot(options, [seconds, requests, accounts], box);
  }

  // Tables that show all of their rows are sorted here; a list of pages is sorted by the service.
  function sortable(table) {
    for (const head of $$("thead th", table)) {
      if (!head.textContent.trim()) continue;
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, head));
    }
  }
  function sortBy(table, head) {
    const column = [...head.parentNode.children].indexOf(head);
    const value = (row) => {
      const cell = row.children[column];
      const text = cell.dataset.value ?? cell.textContent.trim();
      const number = Number(text.replaceAll(",", ""));
      return text !== "" && Number.isFinite(number) ? number : text;
    };
    const body = $("tbody", table);
    const number = typeof value(body.rows[0]) === "number";
    const falls = head.ariaSort ? head.ariaSort === "ascending" : number;
    const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
    const sorted = [...body.rows].sort((a, b) => (falls ? -1 : 1) * order(value(a), value(b)));
    for (const other of $$("thead th", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    body.append(...sorted);
  }

  // What is folded is printed, too.
  addEventListener("beforeprint", () => {
    for (const fold of $$("details.fold:not([open])")) Object.assign(fold, { open: true }).dataset.shut = "";
    plotAll();
  });
  addEventListener("afterprint", () => {
    for (const fold of $$("details[data-shut]")) { fold.open = false; delete fold.dataset.shut; }
  });

  function start() {
    for (const table of $$("table[data-sortable]")) sortable(table);
    document.addEventListener("toggle", () => plotAll(), true);
    plotAll();
    new ResizeObserver(() => { for (const [box, chart] of plots) if (box.isConnected) chart.setSize({ width: box.clientWidth, height: 190 }); }).observe(document.body);
    const at = sessionStorage.getItem("at");
    sessionStorage.removeItem("at");
    if (rows().length && at !== null) choose(rows()[Math.min(Number(at), rows().length - 1)]);
    const toast = $("[data-toast]");
    if (toast) {
      history.replaceState(null, "", location.pathname + undid(location.search));
      setTimeout(() => { if (!toast.matches(":hover, :focus-within")) toast.remove(); }, 12000);
    }
    document.documentElement.dataset.ready = "";
  }
  // what a server refuses with words is shown where its answer would be
  document.addEventListener("htmx:beforeSwap", (event) => {
    if ([404, 412, 422, 503].includes(event.detail.xhr.status)) event.detail.shouldSwap = true;
  });
  document.addEventListener("htmx:afterSwap", (event) => { if (event.target.closest("#list")) retick(); });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
