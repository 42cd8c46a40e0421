// Draws an exercise: task, editor or questions, buttons, and the verdict next to each question.
const RESULTS = {
  true: ["✓", "right", "course-right"],
  false: ["✗", "not right", "course-wrong"],
  null: ["–", "not checked", "course-open"],
};

/** Make an element; a property that is null is left out. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function mark(passed) {
  const [sign, word, style] = RESULTS[passed];
  return make("span", { class: `course-mark ${style}` },
    make("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}

/** Return text with `commands` as code. */
function prose(text) {
  return text.split("`").map((part, number) => (number % 2 ? make("code", {}, part) : part));
}

/** Show what was observed, then the hint. */
function reasons({ seen, hint }) {
  const box = make("div", { class: "course-reasons" });
  if (seen) box.append(make("div", { class: "course-seen" }, seen));
  if (hint) box.append(make("div", { class: "course-hint" }, ...prose(hint)));
  return box;
}

/** Questions in groups: radio buttons in a row for each, its verdict next to them. */
function drawQuestions(task, name, changed) {
  const form = make("div", { class: "course-predict" });
  const rows = [];
  for (const [group, questions] of Object.entries(task.start)) {
    const column = make("div", { class: "course-group" },
      make("div", { class: "course-group-name" }, group));
    for (const question of Object.keys(questions)) {
      const radios = task.choices.map((choice) =>
        make("input", { type: "radio", name: `${name}-${rows.length}`, value: choice,
          "aria-label": `${group}, ${question}: ${choice}` }));
      const verdict = make("span", { class: "course-verdict" });
      const below = make("div");
      column.append(make("div", { class: "course-question" },
        make(task.is_code ? "code" : "span", { class: "course-text" }, question),
        make("span", { class: "course-choices", role: "radiogroup", "aria-label": `${group}, ${question}` },
          ...radios.map((radio) => make("label", {}, radio, make("span", {}, radio.value)))),
        verdict, below));
      radios.forEach((radio) => radio.addEventListener("change", changed));
      rows.push({ group, question, radios, verdict, below });
    }
    form.append(column);
  }
  return {
    element: form,
    get() {
      const answer = {};
      for (const { group, question, radios } of rows) {
        const chosen = radios.find((radio) => radio.checked);
        (answer[group] ??= {})[question] = chosen ? chosen.value : null;
      }
      return answer;
    },
    set(answer) {
      for (const { group, question, radios } of rows) {
        for (const radio of radios) radio.checked = radio.value === answer[group]?.[question];
      }
    },
    show(verdict) {
      rows.forEach((row, number) => {
        const check = verdict?.passed === null ? undefined : verdict?.checks[number];
        row.verdict.replaceChildren(...(check ? [mark(check.passed)] : []));
        row.below.replaceChildren(
          ...(check && check.passed === false ? [reasons(check)] : []));
      });
    },
    enable(on) {
      for (const { radios } of rows) radios.forEach((radio) => { radio.disabled = !on; });
    },
  };
}

/** The start as text, until the kernel has sent the editor. */
function drawText(task, name, changed, check) {
  let text = task.start;
  let editor = null;
  const plain = make("pre", { class: "course-start" }, text);
  const note = make("div", { class: "course-note", id: `${name}-keys` },
    "To leave the editor with the keyboard: Esc, then Tab. To check: Ctrl+Enter.");
  const element = make("div", { class: "course-editor" }, plain);
  return {
    element,
    async open(code) {
      const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      const { createEditor } = await import(/* webpackIgnore: true */ address);
      URL.revokeObjectURL(address);
      element.replaceChildren();
      editor = createEditor({
        parent: element, text, language: task.language, label: `Your answer: ${task.title}`,
        describedBy: `${name}-keys`, check,
        change(value) {
          text = value;
          changed();
        },
      });
      element.append(note);
    },
    get: () => text,
    set(answer) {
      if (text === answer) return;
      text = answer;
      plain.textContent = text;
      editor?.setText(text);
    },
    show() {},
    enable() {},
    destroy: () => editor?.destroy(),
  };
}

/** The checks of a verdict: the first failed one in a box, the full list beneath. */
function drawChecks(verdict, hintsShown) {
  const box = make("div");
  const first = verdict.checks.find((check) => check.passed === false);
  if (verdict.passed === null) {
    const lines = new Set(verdict.checks.map((check) => check.seen || check.hint).filter(Boolean));
    box.append(make("div", { class: "course-first course-open" },
      ...[...lines].map((line) => make("div", { class: "course-seen" }, line))));
    return box;
  }
  if (first) {
    const extra = first.more.slice(0, hintsShown);
    box.append(make("div", { class: "course-first course-wrong" },
      make("div", { class: "course-name" }, mark(false), " ", first.name), reasons(first),
      ...extra.map((hint) => make("div", { class: "course-hint" }, ...prose(hint)))));
  }
  const list = make("ul", { class: "course-checks", "aria-label": "All checks" });
  for (const check of verdict.checks) {
    const item = make("li", {}, mark(check.passed), " ", check.name);
    if (check.passed) item.append(make("span", { class: "course-seen" }, check.seen ? `  ${check.seen}` : ""));
    else if (check !== first) item.append(reasons(check));
    list.append(item);
  }
  box.append(list);
  return box;
}

/** The student's answer next to the solution; lines that differ have a sign and a color. */
function drawComparison(rows) {
  const cell = (line, sign, same) => make("td", { class: same ? null : "course-differs" },
    make("span", { class: "course-sign" }, same || !line ? " " : sign), line);
  return make("table", { class: "course-comparison" },
    make("thead", {}, make("tr", {},
      make("th", { scope: "col" }, "Your answer"), make("th", { scope: "col" }, "A solution"))),
    make("tbody", {}, ...rows.map(([mine, theirs, same]) =>
      make("tr", {}, cell(mine, "−", same), cell(theirs, "+", same)))));
}

function button(text, style, click) {
  const element = make("button", { type: "button", class: style, disabled: "" }, text);
  element.addEventListener("click", click);
  return element;
}

function render({ model, el }) {
  const task = model.get("task");
  const name = `course-${Math.random().toString(36).slice(2)}`;
  let isConnected = false, hasChanged = false, hintsShown = 0;

  // Keys typed here are not the notebook's: neither its shortcuts nor a slide show's.
  const root = make("section", { class: "course-exercise", "aria-label": task.title,
    "data-lm-suppress-shortcuts": "true" });
  root.addEventListener("keydown", (event) => event.stopPropagation());

  const changed = () => {
    model.set("answer", input.get());
    model.save_changes();
    hasChanged = true;
    update();
  };
  const check = () => {
    if (!isConnected || model.get("is_checking")) return;
    hasChanged = false;
    hintsShown = 0;
    model.send({ kind: "check", answer: input.get() });
    status.textContent = "Checking…";
  };
  const input = (task.language ? drawText : drawQuestions)(task, name, changed, check);
  const checkButton = button(task.button, "course-check", check);
  const hintButton = button("Hint", "course-hint-button", () => {
    hintsShown += 1;
    update();
  });
  const resetButton = button("Reset", "course-reset", () => {
    input.set(task.start);
    changed();
    model.set("verdict", null);
    model.set("comparison", []);
    model.set("status", "Back at the start.");
    hasChanged = false;
    model.save_changes();
    update();
  });
  const solutionButton = button("Show solution", "course-solution", () =>
    model.send({ kind: "solution", answer: input.get() }));
  const status = make("div", { class: "course-status", role: "status", "aria-live": "polite" });
  const checks = make("div", { class: "course-checks-area" });
  const comparison = make("div", { class: "course-comparison-area" });
  const feedback = make("div", { class: "course-feedback" }, checks, comparison);
  const buttons = make("div", { class: "course-buttons" }, checkButton);
  if (task.language) buttons.append(hintButton);
  buttons.append(resetButton);
  if (task.has_solution) buttons.append(solutionButton);
  buttons.append(status);
  root.append(make("h3", {}, task.title), make("p", {}, ...prose(task.prompt)), input.element, buttons, feedback);
  el.append(root);

  function update() {
    const verdict = model.get("verdict"), isChecking = model.get("is_checking");
    const first = verdict?.checks.find((each) => each.passed === false);
    const rows = model.get("comparison");
    input.enable(isConnected && !isChecking);
    checkButton.disabled = resetButton.disabled = !isConnected || isChecking;
    hintButton.disabled = !isConnected || isChecking || hintsShown >= (first?.more.length ?? 0);
    solutionButton.disabled = !isConnected || isChecking || !model.get("tries");
    root.classList.toggle("course-is-checking", isChecking);
    feedback.classList.toggle("course-is-old", hasChanged && !!verdict);
    status.className = `course-status ${verdict && !isChecking ? RESULTS[verdict.passed][2] : ""}`;
    if (hasChanged && verdict) status.textContent = `Before your last change: ${verdict.headline}`;
    else if (isConnected) status.textContent = model.get("status");
    input.show(verdict);
    const hasChecks = verdict && (task.language || verdict.passed === null);
    checks.replaceChildren(...(hasChecks ? [drawChecks(verdict, hintsShown)] : []));
    comparison.replaceChildren(...(rows.length ? [drawComparison(rows)] : []));
  }

  // A stored notebook has no kernel to answer: the exercise can be read, and the buttons are off.
  const receive = async (message) => {
    if (isConnected || message.editor === undefined) return;
    if (message.editor) await input.open(message.editor);
    isConnected = true;
    update();
  };
  model.on("msg:custom", receive);
  model.send({ kind: "start" });
  const answerChanged = () => input.set(model.get("answer"));
  model.on("change:answer", answerChanged);
  const traits = ["verdict", "is_checking", "status", "comparison", "tries"].map((t) => `change:${t}`);
  traits.forEach((trait) => model.on(trait, update));

  input.set(model.get("answer"));
  status.textContent = "Run this cell to answer.";
  update();
  return () => {
    model.off("msg:custom", receive);
    model.off("change:answer", answerChanged);
    traits.forEach((trait) => model.off(trait, update));
    input.destroy?.();
  };
}

export default { render };
