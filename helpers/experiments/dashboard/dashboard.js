// Draws the dashboard from the widget's state and sends what its buttons ask for.
// A row stays in the page while its object exists, so that an update moves neither the keyboard's
// focus nor the scroll position.

const KINDS = {
  containers: { title: "Containers", one: "container", heads: ["name", "image", "state", "ports", "CPU", "memory"] },
  images: { title: "Images", one: "image", heads: ["name", "size"] },
  volumes: { title: "Volumes", one: "volume", heads: ["name", "driver"] },
  networks: { title: "Networks", one: "network", heads: ["name", "driver"] },
};
const NUMBERS = ["CPU", "memory", "size"];
let created = 0;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function render({ model, el }) {
  const prefix = `course-dashboard-${++created}`;
  const rows = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, new Map()]));
  const tabs = {}, panels = {}, bodies = {}, empties = {};
  const seen = new Set();

  el.classList.add("course-dashboard");
  el.dataset.lmSuppressShortcuts = "true"; // keys pressed here are not the notebook's
  const tablist = make("div");
  tablist.setAttribute("role", "tablist");
  tablist.setAttribute("aria-label", "Objects of the Docker Engine");
  const message = make("div", { className: "message" });
  message.setAttribute("role", "status");

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      entry.isIntersecting ? seen.add(entry.target) : seen.delete(entry.target);
    }
    reportView();
  });

  for (const [kind, { title, heads, one }] of Object.entries(KINDS)) {
    const tab = make("button", { id: `${prefix}-tab-${kind}`, type: "button", onclick: () => select(kind) });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `${prefix}-${kind}`);
    const head = make("tr", {}, ...[...heads, ""].map((name) => make("th", { scope: "col", textContent: name })));
    bodies[kind] = make("tbody");
    empties[kind] = make("p", { className: "empty", textContent: `There is no ${one}.` });
    const panel = make("div", { id: `${prefix}-${kind}`, tabIndex: 0 },
      make("table", {}, make("thead", {}, head), bodies[kind]), empties[kind]);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    tabs[kind] = tab;
    panels[kind] = panel;
    tablist.append(tab);
    model.on(`change:${kind}`, () => update(kind));
  }
  tablist.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = Object.keys(KINDS);
    const next = names[(names.findIndex((kind) => !panels[kind].hidden) + step + names.length) % names.length];
    select(next);
    tabs[next].focus();
    event.preventDefault();
  });

  const logTitle = make("span");
  const logText = make("pre", { tabIndex: 0 });
  logText.setAttribute("aria-label", "Logs");
  const closeLogs = make("button", {
    type: "button", className: "action", textContent: "Close", onclick: () => model.send({ verb: "close logs" }),
  });
  closeLogs.setAttribute("aria-label", "Close the logs");
  const logs = make("section", { className: "logs" }, make("header", {}, logTitle, closeLogs), logText);
  el.append(tablist, ...Object.values(panels), message, logs);

  function select(kind) {
    for (const name of Object.keys(KINDS)) {
      panels[name].hidden = name !== kind;
      tabs[name].setAttribute("aria-selected", String(name === kind));
      tabs[name].tabIndex = name === kind ? 0 : -1;
    }
  }

  function update(kind) {
    const items = model.get(kind);
    const ids = new Set(items.map((item) => item.id));
    tabs[kind].textContent = `${KINDS[kind].title} (${items.length})`;
    empties[kind].hidden = items.length > 0;
    for (const [id, row] of rows[kind]) {
      if (ids.has(id)) continue;
      observer.unobserve(row.element);
      seen.delete(row.element);
      row.element.remove();
      rows[kind].delete(id);
    }
    items.forEach((item, at) => {
      let row = rows[kind].get(item.id);
      if (!row) {
        row = makeRow(kind, item);
        rows[kind].set(item.id, row);
      }
      if (bodies[kind].children[at] !== row.element) {
        bodies[kind].insertBefore(row.element, bodies[kind].children[at] ?? null);
      }
      fill(kind, row, item);
    });
  }

  function makeRow(kind, item) {
    const cells = KINDS[kind].heads.map((head, at) => make(at ? "td" : "th", { className: NUMBERS.includes(head) ? "number" : head }));
    cells[0].scope = "row";
    const buttons = item.course ? makeButtons(kind, item.id) : {};
    const element = make("tr", {}, ...cells, make("td", { className: "buttons" }, ...Object.values(buttons)));
    element.dataset.id = item.id;
    if (kind === "containers") observer.observe(element);
    return { element, cells, buttons, item: {} };
  }

  function makeButtons(kind, id) {
    const verbs = kind === "containers" ? ["power", "logs", "remove"] : ["remove"];
    return Object.fromEntries(verbs.map((verb) => [verb, make("button", {
      type: "button",
      className: "action",
      onclick: (event) => model.send({ verb: event.currentTarget.dataset.verb, kind, id }),
    })]));
  }

  function fill(kind, row, item) {
    if (JSON.stringify(item) !== JSON.stringify(row.item)) {
      row.item = item;
      row.element.classList.toggle("running", item.running);
      [item.name, ...item.cells].forEach((text, at) => { row.cells[at].textContent = text; });
      if (kind === "containers") row.cells[3].replaceChildren(...item.ports.flatMap(portNodes));
      for (const [name, button] of Object.entries(row.buttons)) {
        const verb = name === "power" ? (item.running ? "stop" : "start") : name;
        button.dataset.verb = verb;
        button.textContent = verb[0].toUpperCase() + verb.slice(1);
        button.setAttribute("aria-label", verb === "logs" ? `Show the logs of ${item.name}` : `${button.textContent} ${item.name}`);
      }
    }
    enable(row);
    if (kind === "containers") fillUsage(row);
  }

  function portNodes([text, url]) {
    return [url ? make("a", { href: url, target: "_blank", rel: "noopener", textContent: text }) : text, " "];
  }

  function fillUsage(row) {
    const [cpu, memory] = model.get("usage")[row.item.id] ?? ["", ""];
    row.cells[4].textContent = cpu;
    row.cells[5].textContent = memory;
  }

  function enable(row) {
    const isBusy = !model.get("is_open") || model.get("busy").includes(row.item.id);
    for (const [name, button] of Object.entries(row.buttons)) {
      button.disabled = isBusy || (name === "remove" && row.item.running);
      button.title = name === "remove" && row.item.running ? "Stop the container first" : "";
    }
  }

  let reported = "";
  let timer;
  function reportView() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const ids = [...rows.containers.values()].filter((row) => seen.has(row.element)).map((row) => row.item.id);
      if (!model.get("is_open") || ids.join() === reported) return;
      reported = ids.join();
      model.set("in_view", ids);
      model.save_changes();
    }, 200);
  }

  function updateLogs() {
    const { name, text } = model.get("logs");
    logs.hidden = !name;
    logTitle.textContent = name ? `Logs of ${name}` : "";
    const atEnd = logText.scrollHeight - logText.scrollTop - logText.clientHeight < 40;
    if (logText.textContent !== (text ?? "")) logText.textContent = text ?? "";
    if (atEnd) logText.scrollTop = logText.scrollHeight;
  }

  function updateAll(action) {
    for (const group of Object.values(rows)) group.forEach(action);
  }

  model.on("change:usage", () => rows.containers.forEach(fillUsage));
  model.on("change:busy change:is_open", () => updateAll(enable));
  model.on("change:logs", updateLogs);
  model.on("change:message", () => { message.textContent = model.get("message"); });
  message.textContent = model.get("message");
  Object.keys(KINDS).forEach(update);
  select("containers");
  updateLogs();
  return () => {
    clearTimeout(timer);
    observer.disconnect();
    model.off(null, null);
  };
}

export default { render };
