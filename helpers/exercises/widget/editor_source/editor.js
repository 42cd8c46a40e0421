// The editor of the exercises: CodeMirror with three languages and JupyterLab's colors.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching, HighlightStyle, indentUnit, StreamLanguage, syntaxHighlighting,
} from "@codemirror/language";
import { dockerFile } from "@codemirror/legacy-modes/mode/dockerfile";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import { yaml } from "@codemirror/legacy-modes/mode/yaml";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const LANGUAGES = { dockerfile: dockerFile, yaml, shell };

const color = (name, fallback) => `var(--jp-mirror-editor-${name}-color, ${fallback})`;
const COLORS = HighlightStyle.define([
  { tag: tags.keyword, color: color("keyword", "#008000"), fontWeight: "bold" },
  { tag: tags.comment, color: color("comment", "#408080"), fontStyle: "italic" },
  { tag: [tags.string, tags.special(tags.string)], color: color("string", "#ba2121") },
  { tag: [tags.number, tags.bool, tags.atom], color: color("number", "#080") },
  { tag: [tags.variableName, tags.propertyName], color: color("variable", "inherit") },
  { tag: [tags.attributeName, tags.standard(tags.variableName)], color: color("attribute", "#00c") },
  { tag: [tags.definition(tags.variableName)], color: color("def", "#00f") },
  { tag: tags.meta, color: color("meta", "#a2f") },
]);

const THEME = EditorView.theme({
  "&": {
    color: "var(--jp-content-font-color1)",
    backgroundColor: "var(--jp-cell-editor-background)",
    border: "1px solid var(--jp-border-color1)",
    fontSize: "var(--jp-code-font-size)",
  },
  "&.cm-focused": { outline: "2px solid var(--jp-brand-color1)" },
  ".cm-scroller": { fontFamily: "var(--jp-code-font-family)", maxHeight: "24em" },
  ".cm-gutters": {
    color: "var(--jp-ui-font-color2)",
    backgroundColor: "var(--jp-cell-editor-background)",
    border: "none",
  },
  ".cm-cursor": { borderLeftColor: "var(--jp-editor-cursor-color)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "var(--jp-editor-selected-focused-background)" },
});

/** Create an editor in `parent`; `change(text)` is called after each edit, `check()` on Ctrl+Enter. */
export function createEditor({ parent, text, language, label, describedBy, change, check }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), history(), drawSelection(), bracketMatching(),
        EditorView.lineWrapping, indentUnit.of("  "),
        StreamLanguage.define(LANGUAGES[language]), syntaxHighlighting(COLORS), THEME,
        EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": describedBy }),
        keymap.of([
          { key: "Mod-Enter", run: () => (check(), true) },
          indentWithTab, ...defaultKeymap, ...historyKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) change(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    setText(value) {
      if (value !== view.state.doc.toString()) {
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value } });
      }
    },
    destroy: () => view.destroy(),
  };
}
